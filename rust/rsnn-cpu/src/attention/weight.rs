//! The exponential of a score below its row's maximum: shorter than the general one, and fused where the machine can.
use crate::gemm::GemmScalar;
use crate::simd::{Level, level};
use crate::vmath::Real;

/// A float that attention runs on.
pub trait Scalar: GemmScalar {
    /// `exp(self)` for `self <= 0` up to rounding; below the normal range, as for a hidden score, exactly 0. NaN stays NaN.
    #[doc(hidden)]
    fn weight<const FUSED: bool>(self) -> Self;
}

/// Whether `mul_add` is one instruction inside `simd::vectorize`; elsewhere it would be a library call.
pub fn fused() -> bool {
    cfg!(target_arch = "aarch64") || level() != Level::Portable
}

impl Scalar for f64 {
    #[inline(always)]
    fn weight<const FUSED: bool>(self) -> f64 {
        Real::exp(self)
    }
}

#[inline(always)]
fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

impl Scalar for f32 {
    #[inline(always)]
    fn weight<const FUSED: bool>(self) -> f32 {
        const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
        const LN2_HI: f32 = 0.693_359_4; // few bits, so a multiple is exact
        const LN2_LO: f32 = -2.121_944_4e-4;
        let hidden = self < -87.0;
        let x = if hidden { -87.0 } else { self };
        let t = fma::<FUSED>(x, std::f32::consts::LOG2_E, MAGIC);
        let n = t - MAGIC;
        let r = fma::<FUSED>(n, -LN2_LO, fma::<FUSED>(n, -LN2_HI, x));
        let mut q = 1.987_569_1e-4;
        for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
            q = fma::<FUSED>(q, r, c);
        }
        let p = fma::<FUSED>(q, r * r, r) + 1.0;
        let y = f32::from_bits(p.to_bits().wrapping_add(t.to_bits() << 23));
        if hidden { 0.0 } else { y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_is_the_exponential() {
        for i in 0..2_000_000 {
            let x = -i as f32 * 43.5e-6;
            let want = f64::from(x).exp();
            for y in [x.weight::<true>(), x.weight::<false>()] {
                assert!((f64::from(y) / want - 1.0).abs() < 1.5e-7, "exp({x}) = {y}");
            }
        }
        assert_eq!(f32::NEG_INFINITY.weight::<true>(), 0.0);
        assert_eq!(0f32.weight::<true>(), 1.0);
        assert!(f32::NAN.weight::<true>().is_nan());
    }
}
