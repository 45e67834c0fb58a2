//! Regularised incomplete gamma functions and the Hurwitz zeta function, in f64.
use crate::unary::lgamma;

/// `x^a e^-x / Gamma(a)`
fn factor(a: f64, x: f64) -> f64 {
    (a * x.ln() - x - lgamma(a)).exp()
}

/// What both functions give on the border of their domain; `None` inside.
fn border(a: f64, x: f64) -> Option<f64> {
    match () {
        () if !(a >= 0.0) || !(x >= 0.0) || (a.is_infinite() && x.is_infinite()) => Some(f64::NAN),
        () if a == 0.0 => Some(if x > 0.0 { 1.0 } else { f64::NAN }),
        () if x == 0.0 || a.is_infinite() => Some(0.0),
        () if x.is_infinite() => Some(1.0),
        () => None,
    }
}

/// `P(a, x)`: the share of the gamma function below x.
pub(super) fn lower(a: f64, x: f64) -> f64 {
    border(a, x).unwrap_or_else(|| if x < a + 1.0 { series(a, x) } else { 1.0 - fraction(a, x) })
}

/// `Q(a, x) = 1 - P(a, x)`
pub(super) fn upper(a: f64, x: f64) -> f64 {
    border(a, x).map_or_else(|| if x < a + 1.0 { 1.0 - series(a, x) } else { fraction(a, x) }, |p| 1.0 - p)
}

/// `P` by its power series, for x below a + 1.
fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
    while term > sum * 1e-17 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum * factor(a, x)
}

/// `Q` by its continued fraction (Lentz), for x above a + 1.
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut h = d;
    for i in 1..100_000 {
        let k = f64::from(i);
        let an = -k * (k - a);
        b += 2.0;
        d = an * d + b;
        c = b + an / c;
        d = if d.abs() < TINY { 1.0 / TINY } else { 1.0 / d };
        c = if c.abs() < TINY { TINY } else { c };
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h * factor(a, x)
}

/// `sum (q + k)^-s` over k >= 0, by Euler-Maclaurin.
pub(crate) fn hurwitz_zeta(s: f64, q: f64) -> f64 {
    if s == 1.0 {
        return f64::INFINITY;
    }
    if !(s > 1.0) || q.is_nan() {
        return f64::NAN;
    }
    if q <= 0.0 {
        if q == q.floor() {
            return f64::INFINITY;
        }
        if s != s.floor() || q < -1e6 {
            return f64::NAN;
        }
    }
    let (mut a, mut sum) = (q, 0.0);
    while a < 15.0 {
        sum += a.powf(-s);
        a += 1.0;
    }
    let power = a.powf(-s);
    if power == 0.0 {
        // Nothing is left to add, though the factors of it may overflow.
        return sum;
    }
    sum += power * (a / (s - 1.0) + 0.5);
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
    let (mut rising, mut term) = (s, power / a);
    for (j, b) in B.iter().enumerate() {
        sum += b * rising * term;
        let k = s + 2.0 * j as f64;
        rising *= (k + 1.0) * (k + 2.0);
        term /= a * a;
    }
    sum
}
