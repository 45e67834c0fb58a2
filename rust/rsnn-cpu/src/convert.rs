//! Conversions of contiguous numbers that the plain loops do not vectorise.
use crate::{pool, simd};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

fn chunks<T: Copy + Sync, U: Copy + Send>(x: &[T], out: &mut [U], f: impl Fn(&[T], &mut [U]) + Sync) {
    assert_eq!(x.len(), out.len());
    let (n, chunks) = (x.len(), pool::split(x.len(), 1 << 15));
    let out = pool::SendPtr(out.as_mut_ptr());
    pool::for_each_chunk(chunks, |i| {
        let r = pool::range(n, chunks, i);
        // SAFETY: chunks are disjoint ranges of `out`, which outlives the call.
        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(r.start), r.len()) };
        f(&x[r], out);
    });
}

/// Eight numbers per instruction where the machine has F16C.
#[cfg(target_arch = "x86_64")]
mod f16c {
    use half::f16;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx,f16c")]
    pub fn narrow(x: &[f32], out: &mut [f16]) {
        let ((xs, x), (outs, out)) = (x.as_chunks::<8>(), out.as_chunks_mut::<8>());
        for (x, out) in xs.iter().zip(outs) {
            // SAFETY: both arrays have eight numbers.
            unsafe {
                let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(x.as_ptr()));
                _mm_storeu_si128(out.as_mut_ptr().cast(), half);
            }
        }
        x.iter().zip(out).for_each(|(x, out)| *out = f16::from_f32(*x));
    }

    #[target_feature(enable = "avx,f16c")]
    pub fn widen(x: &[f16], out: &mut [f32]) {
        let ((xs, x), (outs, out)) = (x.as_chunks::<8>(), out.as_chunks_mut::<8>());
        for (x, out) in xs.iter().zip(outs) {
            // SAFETY: both arrays have eight numbers.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast()))) };
        }
        x.iter().zip(out).for_each(|(x, out)| *out = x.to_f32());
    }
}

pub fn f32_to_f16(x: &[f32], out: &mut [f16]) {
    chunks(x, out, |x, out| {
        #[cfg(target_arch = "x86_64")]
        if simd::level() >= simd::Level::Avx2 {
            // SAFETY: the level includes F16C.
            return unsafe { f16c::narrow(x, out) };
        }
        out.convert_from_f32_slice(x);
    });
}

pub fn f16_to_f32(x: &[f16], out: &mut [f32]) {
    chunks(x, out, |x, out| {
        #[cfg(target_arch = "x86_64")]
        if simd::level() >= simd::Level::Avx2 {
            // SAFETY: the level includes F16C.
            return unsafe { f16c::widen(x, out) };
        }
        x.convert_to_f32_slice(out);
    });
}

/// To the nearest, halves to the even one; NaN keeps its upper bits and stays NaN.
pub fn f32_to_bf16(x: &[f32], out: &mut [bf16]) {
    crate::vmath::map(
        x,
        out,
        #[inline(always)]
        |x: f32| {
            let bits = x.to_bits();
            let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
            let nan = (bits >> 16) | 0x40;
            bf16::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { nan as u16 } else { rounded as u16 })
        },
    );
}

pub fn bf16_to_f32(x: &[bf16], out: &mut [f32]) {
    crate::vmath::map(
        x,
        out,
        #[inline(always)]
        |x: bf16| f32::from_bits(u32::from(x.to_bits()) << 16),
    );
}

/// Truncated; by way of 32 bits where all of a block fit into them.
pub fn f32_to_i64(x: &[f32], out: &mut [i64]) {
    const BLOCK: usize = 32;
    chunks(x, out, |x, out| {
        simd::vectorize(
            #[inline(always)]
            || {
                for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
                    if x.iter().fold(true, |small, x| small & (x.abs() < 2_147_483_648.0)) {
                        for (x, out) in x.iter().zip(out) {
                            // SAFETY: finite and within the range of i32.
                            *out = i64::from(unsafe { x.to_int_unchecked::<i32>() });
                        }
                    } else {
                        x.iter().zip(out).for_each(|(x, out)| *out = *x as i64);
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<f32> {
        let mut x = vec![
            0.0,
            -0.0,
            1.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            -f32::NAN,
            f32::MAX,
            1e-45,
            65520.0,
            -6e-8,
        ];
        x.push(f32::from_bits(0x7f80_0001)); // NaN in the lower bits only
        x.extend((0..70_000u32).map(|i| f32::from_bits(i.wrapping_mul(61_357))));
        x
    }

    #[test]
    fn halves_round_as_one_number_does() {
        let x = values();
        let (mut h, mut b) = (vec![f16::ZERO; x.len()], vec![bf16::ZERO; x.len()]);
        f32_to_f16(&x, &mut h);
        f32_to_bf16(&x, &mut b);
        let (mut wide_h, mut wide_b) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        f16_to_f32(&h, &mut wide_h);
        bf16_to_f32(&b, &mut wide_b);
        for i in 0..x.len() {
            assert_eq!(b[i].to_bits(), bf16::from_f32(x[i]).to_bits(), "{:e}", x[i]);
            assert!(h[i] == f16::from_f32(x[i]) || h[i].is_nan() && x[i].is_nan(), "{:e}", x[i]);
            assert!(wide_h[i] == h[i].to_f32() || x[i].is_nan() && wide_h[i].is_nan());
            assert!(wide_b[i] == b[i].to_f32() || x[i].is_nan() && wide_b[i].is_nan());
        }
    }

    #[test]
    fn integers_are_truncated_at_any_size() {
        let mut x = values();
        x.extend((0..100).map(|i| i as f32 * 1.37 - 60.0));
        x.extend([2_147_483_648.0, -2_147_483_648.0, 1e18]);
        let mut y = vec![0; x.len()];
        f32_to_i64(&x, &mut y);
        assert!(x.iter().zip(&y).all(|(x, y)| *x as i64 == *y));
    }
}
