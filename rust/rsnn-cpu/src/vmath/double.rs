//! f64 functions: exp by our own polynomial (softmax in f64 vectorises), the rest through libm for accuracy.
use super::{KAPPA, TANH_U};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, LOG2_E, PI};

unsafe extern "C" {
    #[link_name = "erf"]
    safe fn c_erf(x: f64) -> f64;
    #[link_name = "erfc"]
    safe fn c_erfc(x: f64) -> f64;
}

const MAGIC: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
const LN2_HI: f64 = 0.693_147_180_369_123_8; // 32 bits
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

#[inline(always)]
fn pow2(t: f64) -> f64 {
    f64::from_bits(t.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(1023).wrapping_shl(52))
}

#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let n = (x * LOG2_E + MAGIC) - MAGIC;
    exp_of(n, (x - n * LN2_HI) - n * LN2_LO)
}

/// `2^n exp(r)` for a whole `n`. Taylor to degree 13: `|r| <= ln 2 / 2` leaves 4e-18.
#[inline(always)]
fn exp_of(n: f64, r: f64) -> f64 {
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [479_001_600.0, 39_916_800.0, 3_628_800.0, 362_880.0, 40_320.0, 5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0] {
        p = p * r + 1.0 / c;
    }
    let half = n * 0.5 + MAGIC; // two factors, as in f32
    (1.0 + (p * (r * r) + r)) * pow2(half) * pow2((n - (half - MAGIC)) + MAGIC)
}

#[inline(always)]
pub fn exp_neg(x: f64) -> f64 {
    exp(x)
}

#[inline(always)]
pub fn exp2_neg(x: f64) -> f64 {
    let x = if x < -1080.0 { -1080.0 } else { x };
    let n = (x + MAGIC) - MAGIC;
    exp_of(n, (x - n) * LN_2)
}

/// Functions of the standard library.
macro_rules! std {
    ($($f:ident $std:ident $($other:ident)?;)*) => { $(
        #[inline(always)]
        pub fn $f(x: f64 $(, $other: f64)?) -> f64 {
            x.$std($($other)?)
        }
    )* };
}
std! {
    exp2 exp2;
    expm1 exp_m1;
    log ln;
    log2 log2;
    log10 log10;
    log1p ln_1p;
    sin sin;
    cos cos;
    tan tan;
    asin asin;
    acos acos;
    atan atan;
    atan2 atan2 other;
    hypot hypot other;
    sinh sinh;
    cosh cosh;
    tanh tanh;
    asinh asinh;
    atanh atanh;
}

#[inline(always)]
pub fn fmod(x: f64, other: f64) -> f64 {
    x % other
}

#[inline(always)]
pub fn erf(x: f64) -> f64 {
    c_erf(x)
}

#[inline(always)]
pub fn erfc(x: f64) -> f64 {
    c_erfc(x)
}

#[inline(always)]
pub fn erfinv(x: f64) -> f64 {
    erfinv_of(x, 1.0 - x.abs())
}

#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let e = exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

#[inline(always)]
pub fn log1p_unit(x: f64) -> f64 {
    log1p(x)
}

#[inline(always)]
pub fn gelu(x: f64) -> f64 {
    0.5 * x * c_erfc(-x * FRAC_1_SQRT_2)
}

#[inline(always)]
pub fn gelu_grad(x: f64) -> f64 {
    let x = if x > 40.0 { 40.0 } else { x };
    let x = if x < -40.0 { -40.0 } else { x };
    0.5 * c_erfc(-x * FRAC_1_SQRT_2) + x * (0.398_942_280_401_432_7 * exp(-0.5 * x * x))
}

#[inline(always)]
pub fn gelu_tanh(x: f64) -> f64 {
    x * sigmoid(x * (TANH_U * LN_2) * (1.0 + KAPPA * x * x))
}

#[inline(always)]
pub fn gelu_tanh_grad(x: f64) -> f64 {
    let x = x.clamp(-40.0, 40.0);
    let u = x * (TANH_U * LN_2) * (1.0 + KAPPA * x * x);
    let s = sigmoid(u);
    s + x * s * sigmoid(-u) * (TANH_U * LN_2) * (1.0 + 3.0 * KAPPA * x * x)
}

#[inline(always)]
pub fn silu_grad(x: f64) -> f64 {
    let x = x.clamp(-750.0, 750.0);
    sigmoid(x) * (1.0 + x * sigmoid(-x))
}

/// Inverse of erf: a rational start (Giles 2012), then two Halley steps with the tail taken from erfc. `rest = 1 - |x|` is
/// given because it may have more digits where x is close to one.
pub fn erfinv_of(x: f64, rest: f64) -> f64 {
    let a = x.abs();
    if !(rest > 0.0) {
        return if rest == 0.0 { f64::INFINITY.copysign(x) } else { f64::NAN };
    }
    let w = -(rest * (1.0 + a)).ln();
    if w > 30.0 {
        return far(w, rest).copysign(x);
    }
    let horner = |t: f64, c: [f64; 9]| c.iter().fold(0.0, |p, c| p * t + c);
    let mut z = a * if w < 5.0 {
        horner(
            w - 2.5,
            [
                2.810_226_36e-8,
                3.432_739_39e-7,
                -3.523_387_7e-6,
                -4.391_506_54e-6,
                2.185_808_7e-4,
                -1.253_725_03e-3,
                -4.177_681_64e-3,
                2.466_407_27e-1,
                1.501_409_41,
            ],
        )
    } else {
        horner(
            w.sqrt() - 3.0,
            [
                -2.002_142_57e-4,
                1.009_505_58e-4,
                1.349_343_22e-3,
                -3.673_428_44e-3,
                5.739_507_73e-3,
                -7.622_461_3e-3,
                9.438_870_47e-3,
                1.001_674_06,
                2.832_976_82,
            ],
        )
    };
    for _ in 0..2 {
        let error = if a > 0.5 { rest - c_erfc(z) } else { c_erf(z) - a };
        let step = error / (FRAC_2_SQRT_PI * (-z * z).exp());
        z -= step / (1.0 + z * step);
    }
    z.copysign(x)
}

/// The z of `erfc(z) = rest` far out, where `erfc(z)` is about `exp(-z^2) / (z sqrt(pi))`.
fn far(w: f64, rest: f64) -> f64 {
    let mut z = (w - 0.5 * (PI * w).ln()).sqrt();
    for _ in 0..4 {
        let step = (rest - c_erfc(z)) / (FRAC_2_SQRT_PI * (-z * z).exp());
        z -= step / (1.0 + z * step);
    }
    z
}
