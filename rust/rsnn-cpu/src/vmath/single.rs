//! f32 functions. Coefficients: exp, log, tanh after Cephes; erf after Juffa; the normal tail fitted here (see `tail`).
use super::fma;

const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
const LN2_HI: f32 = 0.693_359_4; // few bits, so n * LN2_HI is exact
const LN2_LO: f32 = -2.121_944_4e-4;

/// Polynomial with the highest coefficient first, as two interleaved chains in `x^2`: half the latency of Horner.
#[inline(always)]
fn horner<const N: usize>(x: f32, c: &[f32; N]) -> f32 {
    let t = x * x;
    let (mut a, mut b) = (c[0], c[1]);
    let mut i = 2;
    while i + 1 < N {
        a = fma(a, t, c[i]);
        b = fma(b, t, c[i + 1]);
        i += 2;
    }
    if i < N { fma(b, x, fma(a, t, c[i])) } else { fma(a, x, b) }
}

/// `2^n` for `-126 <= n <= 127`.
#[inline(always)]
fn pow2(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32).wrapping_shl(23))
}

/// `x = n ln 2 + r`, `|r| <= ln 2 / 2`; gives `(n, exp(r) - 1)`.
#[inline(always)]
fn reduce(x: f32) -> (i32, f32) {
    let t = x * std::f32::consts::LOG2_E + MAGIC;
    let n = t - MAGIC;
    let r = fma(n, -LN2_LO, fma(n, -LN2_HI, x));
    let p = horner(r, &[1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1]);
    ((t.to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32), fma(p, r * r, r))
}

#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let (n, p) = reduce(x);
    let half = n >> 1; // two factors: 2^n alone overflows at the top and is subnormal at the bottom
    (1.0 + p) * pow2(half) * pow2(n.wrapping_sub(half))
}

/// `exp` for `x <= 0` with one scaling factor: results below the normal numbers are 0.
#[inline(always)]
pub fn exp_neg(x: f32) -> f32 {
    // not the same bound twice: the compiler would share the comparison and lose the min instruction
    let (n, p) = reduce(if x < -87.3 { -87.3 } else { x });
    let y = (1.0 + p) * pow2(n);
    if x < -87.0 { 0.0 } else { y }
}

/// `exp_neg` that stops at `exp(-87)`, for terms that vanish beside others.
#[inline(always)]
fn exp_floor(x: f32) -> f32 {
    let (n, p) = reduce(if x < -87.0 { -87.0 } else { x });
    (1.0 + p) * pow2(n)
}

#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    let c = if x > 89.0 { 89.0 } else { x };
    let c = if c < -30.0 { -30.0 } else { c };
    let (n, p) = reduce(c);
    let s = pow2(n.wrapping_sub(1)); // half of 2^n, which may be 2^128
    let y = (s * p + (s - 0.5)) * 2.0;
    if x.abs() < 1e-30 { x } else { y }
}

/// `log(2^k (1 + f)) + c` with `sqrt(1/2) <= 1 + f < sqrt(2)`.
#[inline(always)]
fn log_sum(k: f32, f: f32, c: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let z = f * f;
    let y = fma(k, LN2_LO, horner(f, &P) * f * z) + c;
    fma(k, LN2_HI, f + fma(-0.5, z, y))
}

/// `x = 2^k m` with `m` around 1, for a positive normal `x`.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    let bits = x.to_bits() as i32;
    let k = bits.wrapping_sub(0x3f35_04f3) >> 23;
    (k as f32, f32::from_bits(bits.wrapping_sub(k << 23) as u32))
}

#[inline(always)]
pub fn log(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let (up, back) = if tiny { (8_388_608.0, 23.0) } else { (1.0, 0.0) };
    let (k, m) = split(x * up);
    let y = log_sum(k - back, m - 1.0, 0.0);
    let y = if x > 0.0 { y } else { if x == 0.0 { f32::NEG_INFINITY } else { f32::NAN } };
    if x == f32::INFINITY { x } else { y }
}

#[inline(always)]
pub fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    let (k, m) = split(u);
    let lost = if x < 1.0 { x - (u - 1.0) } else { 1.0 - (u - x) }; // each exact where it is used
    let whole = k == 0.0; // then 1 + f = 1 + x exactly, and nothing was lost
    let y = log_sum(k, if whole { x } else { m - 1.0 }, if whole { 0.0 } else { lost / u });
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == -1.0 { f32::NEG_INFINITY } else { y };
    let y = if x == 0.0 { x } else { y };
    if x < -1.0 { f32::NAN } else { y }
}

#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let e = exp_floor(-2.0 * a);
    let big = 1.0 - (2.0 * e) / (1.0 + e);
    let t = x * x;
    let p = horner(t, &[-5.704_988_7e-3, 2.063_908_8e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let small = fma(p * t, a, a);
    (if a < 0.625 { small } else { big }).copysign(x)
}

#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let p = horner(
        x * x,
        &[-5.967_617e-4, 4.991_194e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1],
    );
    let small = fma(p, a, a);
    let c = if a > 4.0 { 4.0 } else { a };
    let q = horner(
        c,
        &[
            -1.728_534_7e-5,
            3.831_971e-4,
            -3.883_964_4e-3,
            2.425_462_2e-2,
            -1.067_778_8e-1,
            -6.348_469e-1,
            -1.287_175_1e-1,
        ],
    );
    let big = 1.0 - exp(fma(q, c, -c));
    (if a > 0.921_875 { big } else { small }).copysign(x)
}

/// `sigmoid` with the roundings of `exp` and of `1 + e` carried along; they alone would cost more than 2 ULP.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let a = -x.abs();
    let (n, p) = reduce(if a < -105.0 { -105.0 } else { a });
    let s = 1.0 + p;
    let half = n >> 1;
    let (s1, s2) = (pow2(half), pow2(n.wrapping_sub(half)));
    let (e, e_low) = (s * s1 * s2, (p - (s - 1.0)) * s1 * s2);
    let d = 1.0 + e;
    let d_low = (e - (d - 1.0)) + e_low;
    let inv = 1.0 / d;
    let (q, low) = if x < 0.0 { (e * inv, e_low) } else { (inv, 0.0) };
    fma(low - q * d_low, inv, q)
}

/// `sigmoid` for products: within 3 ULP, 0 below `exp(-87)`.
#[inline(always)]
pub fn logistic(x: f32) -> f32 {
    let e = exp_neg(-x.abs());
    let inv = 1.0 / (1.0 + e);
    if x < 0.0 { e * inv } else { inv }
}

/// `(exp(-a^2 / 2), Phi(-a))` for `0 <= a`: `Phi(-a) = exp(-a^2 / 2) R(t)`, `t = 1 / (1 + 0.3 a)`; `R` has relative error
/// 1.3e-7 on `[0, 13.5]` (weighted least squares towards minimax), beyond that the exponential vanishes.
#[inline(always)]
fn tail(a: f32) -> (f32, f32) {
    const R: [f32; 8] = [
        3.593_173e-2,
        -1.582_759_8e-1,
        2.082_065_7e-1,
        -5.539_382e-2,
        1.294_691_9e-1,
        9.963_75e-2,
        1.207_983_6e-1,
        1.196_263_9e-1,
    ];
    let t = 1.0 / fma(0.3, a, 1.0);
    let e = exp_neg(-0.5 * a * a);
    (e, e * (horner(t, &R) * t))
}

#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 20.0 { 20.0 } else { a };
    (if x < 0.0 { 0.0 } else { x }) - a * tail(a).1
}

#[inline(always)]
pub fn gelu_grad(x: f32) -> f32 {
    let x = if x > 20.0 { 20.0 } else { x };
    let x = if x < -20.0 { -20.0 } else { x };
    let (e, q) = tail(x.abs());
    let phi = if x < 0.0 { q } else { 1.0 - q };
    fma(x * e, 0.398_942_3, phi)
}
