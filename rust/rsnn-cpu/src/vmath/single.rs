//! f32 functions, for one number or a vector. Coefficients are minimax fits of our own to the functions named beside them;
//! the reduction of exp follows Cody and Waite.
use super::lanes::Bits;
use super::{KAPPA, TANH_U};
use std::f64::consts::{LN_2, LOG2_E};

pub use super::hyperbolic::*;
pub use super::trig::*;

pub(super) const MAGIC: f64 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
const LN2_HI: f64 = 0.693_359_375; // few bits, so that n * LN2_HI is exact without fused operations too
const LN2_LO: f64 = -2.121_944_400_546_905_8e-4;
const ONE: u32 = 127 << 23;
const EXPONENT: u32 = 0xff80_0000;

/// Polynomial with the highest coefficient first.
#[inline(always)]
pub(super) fn horner<V: Bits, const N: usize>(x: V, c: [f64; N]) -> V {
    let mut y = V::c(c[0]);
    let mut i = 1;
    while i < N {
        y = y.fma(x, V::c(c[i]));
        i += 1;
    }
    y
}

/// The same as two interleaved chains in `x^2`.
#[inline(always)]
fn horner2<V: Bits, const N: usize>(x: V, c: [f64; N]) -> V {
    let t = x * x;
    let (mut a, mut b) = (V::c(c[0]), V::c(c[1]));
    let mut i = 2;
    while i + 1 < N {
        a = a.fma(t, V::c(c[i]));
        b = b.fma(t, V::c(c[i + 1]));
        i += 2;
    }
    if i < N { b.fma(x, a.fma(t, V::c(c[i]))) } else { a.fma(x, b) }
}

/// `x = n ln 2 + r`, `|r| <= ln 2 / 2`: `n` in the low bits of the first, `r` the second.
#[inline(always)]
fn reduce<V: Bits>(x: V) -> (V, V) {
    let t = x.fma(V::c(LOG2_E), V::c(MAGIC));
    let n = t - V::c(MAGIC);
    (t, n.fma(V::c(-LN2_LO), n.fma(V::c(-LN2_HI), x)))
}

/// `(exp(r) - 1 - r) / r^2`, given `s r` and `r^2`, `s` a sign.
#[inline(always)]
fn exp_rest<V: Bits>(r: V, r2: V, s: f64) -> V {
    let low = V::c(s * 1.666_652_113e-1).fma(r, V::c(4.999_999_404e-1));
    let high = V::c(s * 8.368_670_94e-3).fma(r, V::c(4.166_826_233e-2));
    V::c(1.382_099_93e-3).fma(r2, high).fma(r2, low)
}

/// `exp(r) - 1`, `|r| <= ln 2 / 2`
#[inline(always)]
fn exp_less_one_half<V: Bits>(r: V) -> V {
    let r2 = r * r;
    exp_rest(r, r2, 1.0).fma(r2, r)
}

/// `x = 2 n ln 2 + r`, so that the power of two is a square: its root neither overflows nor is subnormal. `n` is in the low
/// bits of the first, `r` the second.
#[inline(always)]
pub(super) fn exp_reduced<V: Bits>(x: V) -> (V, V) {
    let t = x.fma(V::c(0.5 * LOG2_E), V::c(MAGIC));
    let n = t - V::c(MAGIC);
    (t, n.fma(V::c(-2.0 * LN2_LO), n.fma(V::c(-2.0 * LN2_HI), x)))
}

/// `x + rest = n ln 2 + r`: `n` and `r`, which is rounded once.
#[inline(always)]
pub(super) fn exp_reduced_by<V: Bits>(x: V, rest: V) -> (V, V) {
    let n = x.fma(V::c(LOG2_E), V::c(MAGIC)) - V::c(MAGIC);
    (n, n.fma(V::c(-LN2_HI), x) + n.fma(V::c(-LN2_LO), rest))
}

/// `exp(r) - 1`, `|r| <= ln 2`
#[inline(always)]
pub(super) fn exp_less_one<V: Bits>(r: V) -> V {
    let r2 = r * r;
    let c23 = V::c(1.666_661_799e-1).fma(r, V::c(5.000_003_576e-1));
    let c45 = V::c(8.335_936_815e-3).fma(r, V::c(4.166_123_271e-2));
    let c67 = V::c(1.962_920_505e-4).fma(r, V::c(1.410_467_55e-3));
    c67.fma(r2, c45).fma(r2, c23).fma(r2, r)
}

/// `exp(r)`
#[inline(always)]
pub(super) fn exp_of<V: Bits>(r: V) -> V {
    exp_less_one(r) + V::c(1.0)
}

/// `2^n`, `n` in the low bits of `t`.
#[inline(always)]
pub(super) fn root_of<V: Bits>(t: V) -> V {
    t.shl::<23>().iadd(V::bits(ONE))
}

#[inline(always)]
pub fn exp<V: Bits>(x: V) -> V {
    let (t, r) = exp_reduced(x.limit(-105.0, 89.0));
    let root = root_of(t);
    exp_of(r) * root * root
}

/// `y 2^n`, the power in two factors.
#[inline(always)]
pub(super) fn scaled<V: Bits>(y: V, n: V) -> V {
    let half = n.fma(V::c(0.5), V::c(MAGIC));
    let other = (n - (half - V::c(MAGIC))) + V::c(MAGIC);
    y * root_of(half) * root_of(other)
}

/// Exact for integers, where `r` is 0.
#[inline(always)]
pub fn exp2<V: Bits>(x: V) -> V {
    const P: [f64; 6] =
        [1.532_890_747e-4, 1.339_097_624e-3, 9.618_500_248e-3, 5.550_359_562e-2, 2.402_264_774e-1, 6.931_471_825e-1];
    let x = x.limit(-151.0, 129.0);
    let t = x + V::c(MAGIC);
    let n = t - V::c(MAGIC);
    let r = x - n;
    scaled(horner(r, P).fma(r, V::c(1.0)), n)
}

/// The factor is `2^n` down to `n = -126`, and its bits are those of 0 at -127, where the argument stops.
#[inline(always)]
pub fn exp_neg<V: Bits>(x: V) -> V {
    let (t, r) = reduce(V::c(-88.2).max(x));
    let r2 = r * r;
    exp_rest(r, r2, 1.0).fma(r2, r + V::c(1.0)) * t.shl::<23>().iadd(V::bits(ONE))
}

/// As `exp_neg`, with an exact remainder, and `n + 127` in the low bits so that they shift into a power of two.
#[inline(always)]
pub fn exp2_neg<V: Bits>(x: V) -> V {
    const P: [f64; 7] = [
        1.535_336_196e-4,
        1.339_887_445e-3,
        9.618_437_357e-3,
        5.550_332_471e-2,
        2.402_264_791e-1,
        6.931_472_029e-1,
        1.0,
    ];
    let x = V::c(-127.0).max(x);
    let t = x + V::c(MAGIC + 127.0);
    horner(x - (t - V::c(MAGIC + 127.0)), P) * t.shl::<23>()
}

#[inline(always)]
pub fn expm1<V: Bits>(x: V) -> V {
    let (t, r) = reduce(x.limit(-30.0, 89.0));
    let half = t.shl::<23>().iadd(V::bits(ONE - (1 << 23))); // 2^(n - 1), since 2^n may be 2^128
    let y = half.fma(exp_less_one_half(r), half - V::c(0.5)) * V::c(2.0);
    V::select(x.abs().lt(V::c(1e-30)), x, y)
}

/// `x = 2^k (1 + f)` with `1 + f` around 1: the bits of `k`, and `f`.
#[inline(always)]
pub(super) fn log_split<V: Bits>(x: V) -> (V, V) {
    let t = x.isub(V::bits(0x3f35_04f3)); // sqrt(1/2)
    (t.sra::<23>(), x.isub(t.and(V::bits(EXPONENT))) - V::c(1.0))
}

/// `log(1 + f) - f + f^2 / 2 + rest`
#[inline(always)]
fn log_rest<V: Bits>(f: V, z: V, rest: V) -> V {
    const P: [f64; 8] = [
        -7.636_439_055e-2,
        1.276_221_722e-1,
        -1.315_961_033e-1,
        1.420_157_999e-1,
        -1.662_340_909e-1,
        2.000_124_156e-1,
        -2.500_081_956e-1,
        3.333_333_135e-1,
    ];
    horner2(f, P).fma(f * z, rest)
}

/// `log(2^k (1 + f)) + rest`
#[inline(always)]
pub(super) fn log_sum<V: Bits>(k: V, f: V, rest: V) -> V {
    let z = f * f;
    let y = log_rest(f, z, rest);
    k.fma(V::c(LN2_HI), f + V::c(-0.5).fma(z, k.fma(V::c(LN2_LO), y)))
}

/// `k two + log(1 + f) scale`; both constants have their digits in two parts.
#[inline(always)]
fn log_scaled<V: Bits>(k: V, f: V, two: [f64; 2], scale: [f64; 2]) -> V {
    let z = f * f;
    let s = V::c(-0.5).fma(z, log_rest(f, z, V::c(0.0)));
    let low = k.fma(V::c(two[1]), f.fma(V::c(scale[1]), s * V::c(scale[0])));
    k.fma(V::c(two[0]), f.fma(V::c(scale[0]), low))
}

/// `y(k, f)` for `x = 2^k (1 + f)`, and what every logarithm gives for other numbers.
#[inline(always)]
fn log_by<V: Bits>(x: V, y: impl Fn(V, V) -> V) -> V {
    // A subnormal number is its bits times 2^-149.
    let tiny = x.lt(V::c(f64::from(f32::MIN_POSITIVE)));
    let (k, f) = log_split(V::select(tiny, x.int_to_float(), x));
    let k = k.int_to_float() - V::select(tiny, V::c(149.0), V::c(0.0));
    let none = V::select(V::c(0.0).lt(x.abs()), V::c(f64::NAN), V::c(f64::NEG_INFINITY));
    let y = V::select(V::c(0.0).lt(x), y(k, f), none);
    V::select(x.lt(V::c(f64::INFINITY)), y, none.max(x))
}

#[inline(always)]
pub fn log<V: Bits>(x: V) -> V {
    log_by(
        x,
        #[inline(always)]
        |k, f| log_sum(k, f, V::c(0.0)),
    )
}

#[inline(always)]
pub fn log2<V: Bits>(x: V) -> V {
    log_by(
        x,
        #[inline(always)]
        |k, f| log_scaled(k, f, [1.0, 0.0], [1.442_695_021_63, 1.925_962_991_13e-8]),
    )
}

#[inline(always)]
pub fn log10<V: Bits>(x: V) -> V {
    log_by(
        x,
        #[inline(always)]
        |k, f| log_scaled(k, f, [0.301_025_390_625, 4.605_038_981_2e-6], [0.434_294_492_006, -1.010_305_005_22e-8]),
    )
}

#[inline(always)]
pub fn log1p<V: Bits>(x: V) -> V {
    let one = V::c(1.0);
    let u = one + x;
    let (k, f) = log_split(u);
    let k = k.int_to_float();
    let lost = V::select(x.lt(one), x - (u - one), one - (u - x)); // each exact where it is used
    let part = V::c(0.0).lt(k.abs()); // else 1 + f = 1 + x exactly, and nothing was lost
    let y = log_sum(k, V::select(part, f, x), V::select(part, lost / u, V::c(0.0)));
    let y = V::select(x.lt(V::c(f64::INFINITY)), y, x);
    let none = V::select(x.lt(V::c(-1.0)), V::c(f64::NAN), V::c(f64::NEG_INFINITY).min(x));
    let y = V::select(V::c(-1.0).lt(x), y, none);
    V::select(V::c(0.0).lt(x.abs()), y, x)
}

#[inline(always)]
pub fn log1p_unit<V: Bits>(x: V) -> V {
    let u = V::c(1.0) + x;
    let (k, f) = log_split(u);
    let lost = x - (u - V::c(1.0));
    log_sum(k.int_to_float(), f, lost * V::c(-0.5).fma(x, V::c(1.0))) // lost / u
}

/// With `2 x = n ln 2 + 2 r`, `s = 2^n`, `h = tanh(r)`: `(s - 1 + h (s + 1)) / d`, `d = s + 1 + h (s - 1)`. For larger `n`
/// the numerator is taken from `d`, so that the rounding of `d` does not count.
#[inline(always)]
pub fn tanh<V: Bits>(x: V) -> V {
    let a = V::c(9.1).min(x.abs());
    // The shift keeps n at 1 up to tanh = 1/2, where the roundings weigh least.
    let t = (a - V::c(0.04)).fma(V::c(2.0 * LOG2_E), V::c(MAGIC));
    let n = t - V::c(MAGIC);
    let r = n.fma(V::c(-0.5 * LN2_LO), n.fma(V::c(-0.5 * LN2_HI), a));
    let r2 = r * r;
    let p = horner(r2, [-4.118_381_185e-4 * 128.0, 4.165_981_896e-3 * 32.0, -4.166_665_301e-2 * 8.0]);
    let h = p.fma(r * r2, r);
    let s = t.shl::<23>().iadd(V::bits(ONE));
    let (less, more) = (s - V::c(1.0), s + V::c(1.0));
    let d = h.fma(less, more);
    let y = V::select(n.lt(V::c(2.0)), h.fma(more, less), V::c(2.0).fma(h, d - V::c(2.0)));
    (y / d).copysign(x)
}

/// `1 - exp(-z)`, `z = -log(erfc(a)) = a (2 / sqrt(pi) + a q(a))`
#[inline(always)]
pub fn erf<V: Bits>(x: V) -> V {
    const Q: [f64; 9] = [
        -9.267_296_264e-6,
        1.177_422_891e-4,
        -6.332_060_439e-4,
        1.667_717_821e-3,
        -1.610_985_782e-4,
        -1.915_268_414e-2,
        1.027_777_344e-1,
        6.366_193_891e-1,
        -5.373_138_734e-8, // what the f32 of 2 / sqrt(pi) lacks, and the fit's own
    ];
    let a = V::c(4.0).min(x.abs());
    let z = a.fma(V::splat(std::f32::consts::FRAC_2_SQRT_PI), a * horner(a, Q));
    let (t, r) = reduce(z);
    let r2 = r * r;
    let p = (-exp_rest(r, r2, -1.0)).fma(r2, r); // 1 - exp(-r)
    let s = V::bits(ONE).isub(t.shl::<23>());
    s.fma(p, V::c(1.0) - s).copysign(x)
}

/// `S = 2^-64`, which keeps the numbers below in range, and the bits to add to those of `t` for `S 2^n`.
const S: f64 = 1.0 / 18_446_744_073_709_551_616.0;
const SCALED: u32 = ONE - (64 << 23);

/// Arguments of `exp(-x)` and of `2^v` whose powers of two stay in range; beyond them the sigmoid does not change.
const LIMITS: (f64, f64) = (-105.0, 43.0);
const LIMITS2: (f64, f64) = (-62.0, 151.0);

/// `exp(-x) = 2^n (1 + p)` within `LIMITS`: `S 2^n` and `p`.
#[inline(always)]
fn exp_minus<V: Bits>(x: V) -> (V, V) {
    let t = x.fma(V::c(-LOG2_E), V::c(MAGIC));
    let n = t - V::c(MAGIC);
    let r = n.fma(V::c(LN2_LO), n.fma(V::c(LN2_HI), x)); // minus the reduced argument
    let r2 = r * r;
    (t.shl::<23>().iadd(V::bits(SCALED)), exp_rest(r, r2, -1.0).fma(r2, -r))
}

/// The same for `2^v` within `LIMITS2`, where `r = v - n` is exact and the polynomial has relative error 9e-8.
#[inline(always)]
fn exp2_scaled<V: Bits>(v: V) -> (V, V) {
    let t = v + V::c(MAGIC);
    let r = v - (t - V::c(MAGIC));
    let p = horner(r, [1.326_927_45e-3, 9.671_300_65e-3, 5.550_711_602e-2, 2.402_224_69e-1, 6.931_470_037e-1]);
    (t.shl::<23>().iadd(V::bits(SCALED)), p * r)
}

/// `1 / (1 + e)`, `e = 2^n (1 + p)`.
#[inline(always)]
fn over_one_plus<V: Bits>((s, p): (V, V)) -> V {
    V::c(S) / s.fma(p, s + V::c(S))
}

/// `1 / (1 + e)` and `e / (1 + e)`.
#[inline(always)]
fn shares<V: Bits>((s, p): (V, V)) -> (V, V) {
    let inv = V::c(1.0) / s.fma(p, s + V::c(S));
    (V::c(S) * inv, s.fma(p, s) * inv)
}

#[inline(always)]
pub fn sigmoid<V: Bits>(x: V) -> V {
    over_one_plus(exp_minus(x.limit(LIMITS.0, LIMITS.1)))
}

/// `1 / (1 + 2^v)`
#[inline(always)]
fn sigmoid2<V: Bits>(v: V) -> V {
    over_one_plus(exp2_scaled(v.limit(LIMITS2.0, LIMITS2.1)))
}

/// `s * (1 + x * (1 - s))`
#[inline(always)]
pub fn silu_grad<V: Bits>(x: V) -> V {
    let x = x.limit(LIMITS.0, LIMITS.1);
    let (s, rest) = shares(exp_minus(x));
    s * x.fma(rest, V::c(1.0))
}

/// `x / 2 * (1 + tanh(u)) = x * sigmoid(2 u)`, `u = sqrt(2 / pi) * (x + 0.044715 x^3)`
#[inline(always)]
pub fn gelu_tanh<V: Bits>(x: V) -> V {
    let t = x * x;
    x * sigmoid2(x * V::c(-TANH_U * KAPPA).fma(t, V::c(-TANH_U)))
}

/// The limits are those of the exponent: beyond them it is 0 or 1 to the last bit.
#[inline(always)]
pub fn gelu_tanh_grad<V: Bits>(x: V) -> V {
    let x = x.limit(-10.1, 6.9);
    let t = x * x;
    let (s, rest) = shares(exp2_scaled(x * V::c(-TANH_U * KAPPA).fma(t, V::c(-TANH_U))));
    let slope = V::c(3.0 * TANH_U * KAPPA * LN_2).fma(t, V::c(TANH_U * LN_2));
    (x * (s * rest)).fma(slope, s)
}

/// `Phi(x) = 1 / (1 + 2^v)`, `v` an odd function.
#[inline(always)]
pub fn gelu<V: Bits>(x: V) -> V {
    const P: [f64; 7] = [
        -5.228_016_242e-9,
        3.860_056_665e-7,
        -1.147_140_665e-5,
        1.595_659_996e-4,
        9.478_766_151e-5,
        -1.048_369_035e-1,
        -2.302_208_424,
    ];
    x * sigmoid2(x * horner(x * x, P))
}

/// `1 / 2` and an odd function, as a quotient; 0 and 1 beyond 6.1.
#[inline(always)]
pub fn gelu_grad<V: Bits>(x: V) -> V {
    const P: [f64; 7] = [
        1.781_760_695e-8,
        1.018_097_123e-6,
        3.411_867_51e-5,
        2.382_491_948e-4,
        1.378_157_269e-2,
        -2.040_859_312e-2,
        7.978_845_239e-1,
    ];
    const Q: [f64; 8] = [
        1.341_085_354e-9,
        3.657_945_626e-7,
        1.077_574_507e-5,
        2.543_080_191e-4,
        4.072_935_786e-3,
        4.485_881_701e-2,
        3.077_544_868e-1,
        1.0,
    ];
    let a = x.limit(-6.1, 6.1);
    let t = a * a;
    let y = V::c(0.5) + a * horner2(t, P) / horner2(t, Q);
    V::select(x.lt(V::c(-6.1)), V::c(0.0), y)
}

/// The truncated quotient times the divisor leaves a remainder that a fused product gives exactly; a quotient that was rounded
/// up to the next integer shows as a negative one. Long quotients and what is not finite go through libm.
#[inline(always)]
pub fn fmod<V: Bits>(x: V, y: V) -> V {
    if !V::FUSED {
        return x.lanewise2(y, |a, b| a % b);
    }
    let (a, b) = (x.abs(), y.abs());
    let q = (a / b).trunc();
    let r = (-q).fma(b, a);
    let r = V::select(r.lt(V::c(0.0)), r + b, r).copysign(x);
    let short = V::select(b.lt(V::c(f64::INFINITY)), q, V::c(f64::NAN)).lt(V::c(8_388_608.0));
    if V::all(short) { r } else { V::select(short, r, x.lanewise2(y, |a, b| a % b)) }
}

/// Squared after scaling by a power of two where the squares would leave the range.
#[inline(always)]
pub fn hypot<V: Bits>(x: V, y: V) -> V {
    const BIG: f64 = 18_446_744_073_709_551_616.0; // 2^64
    let (a, b, inf) = (x.abs(), y.abs(), V::c(f64::INFINITY));
    let most = a.max(b);
    let up = V::select(most.lt(V::c(1.0 / BIG)), V::c(BIG), V::c(1.0));
    let s = V::select(V::c(BIG / 4.0).lt(most), V::c(1.0 / BIG), up);
    let (u, v) = (a * s, b * s);
    let r = u.fma(u, v * v).sqrt() / s;
    // Infinite even beside NaN.
    let r = V::select(V::c(f64::from(f32::MAX)).lt(a), inf, r);
    V::select(V::c(f64::from(f32::MAX)).lt(b), inf, r)
}
