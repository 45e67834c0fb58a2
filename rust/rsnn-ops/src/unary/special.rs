//! Special functions of one f64, scalar: gamma family, sinc.
use rsnn_cpu::vmath::Real;
use std::f64::consts::PI;

mod c {
    unsafe extern "C" {
        #[cfg(unix)]
        pub fn lgamma_r(x: f64, sign: *mut i32) -> f64;
        #[cfg(not(unix))]
        pub safe fn lgamma(x: f64) -> f64;
    }
}

/// `f(x)` computed in f64 and rounded once.
#[inline(always)]
pub(super) fn via<T: Real>(x: T, f: impl Fn(f64) -> f64) -> T {
    T::from_f64(f(x.to_f64()))
}

/// `log |Gamma(x)|`
pub(crate) fn lgamma(x: f64) -> f64 {
    #[cfg(unix)]
    {
        let mut sign = 0;
        // SAFETY: writes one int.
        unsafe { c::lgamma_r(x, &mut sign) }
    }
    #[cfg(not(unix))]
    c::lgamma(x)
}

/// Derivative of `lgamma`: recurrence up to 10, then the asymptotic series.
pub(super) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return (-f64::INFINITY).copysign(-x);
    }
    if x < 0.0 {
        if x == x.trunc() {
            return f64::NAN;
        }
        // Only the fraction enters tan, so that large arguments keep their digits.
        return digamma(1.0 - x) - PI / (PI * x.fract()).tan();
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = [1.0 / 12.0, -691.0 / 32760.0, 1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0];
    sum + x.ln() - 0.5 / x - series.iter().fold(0.0, |p, c| (p + c) * y)
}

/// Derivative of order `n` of digamma: `(-1)^(n+1) n! zeta(n + 1, x)`.
pub(super) fn polygamma(n: u32, x: f64) -> f64 {
    if n == 0 {
        return digamma(x);
    }
    let factorial: f64 = (1..=n).map(f64::from).product();
    let sign = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
    if x <= 0.0 && x == x.trunc() {
        return sign * f64::INFINITY;
    }
    sign * factorial * hurwitz(n + 1, x)
}

/// Hurwitz zeta by Euler-Maclaurin, integer `s >= 2`.
fn hurwitz(s: u32, x: f64) -> f64 {
    if x < -1e6 || x.is_nan() {
        return f64::NAN;
    }
    let (p, mut a, mut sum) = (s as i32, x, 0.0);
    while a < 15.0 {
        sum += a.powi(-p);
        a += 1.0;
    }
    sum += a.powi(1 - p) / f64::from(p - 1) + 0.5 * a.powi(-p);
    // B(2j) / (2j)!
    const B: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
        1.0 / 74_724_249_600.0,
        -3617.0 / 10_670_622_842_880_000.0,
    ];
    let (mut rising, mut power) = (f64::from(p), a.powi(-p - 1));
    for (j, b) in B.iter().enumerate() {
        sum += b * rising * power;
        let k = f64::from(p) + 2.0 * j as f64;
        rising *= (k + 1.0) * (k + 2.0);
        power /= a * a;
    }
    sum
}

/// `sin(pi x) / (pi x)`
pub(super) fn sinc(x: f64) -> f64 {
    let t = PI * x;
    if x == 0.0 { 1.0 } else { t.sin() / t }
}

/// `(cos(pi x) - sinc(x)) / x`
pub(super) fn sinc_grad(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { ((PI * x).cos() - sinc(x)) / x }
}
