//! Rows of special functions that only `special` and windows use: modified Bessel functions, scaled erfc, the normal quantile.
use super::special::via;
use super::table::{number, row};
use super::{Row, apply_named};
use crate::elementwise::{div, mul, scale, sub};
use crate::select::where_;
use crate::tensor::Tensor;
use rsnn_core::Result;
use rsnn_cpu::vmath::Real;
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// `exp(-|x|) I_order(x)` for order 0 or 1: the power series up to 20, then the asymptotic one.
fn scaled_bessel(order: f64, x: f64) -> f64 {
    let a = x.abs();
    let magnitude = if a < 20.0 {
        let square = a * a / 4.0;
        let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
        while term > sum * 1e-17 {
            k += 1.0;
            term *= square / (k * (k + order));
            sum += term;
        }
        sum * (a / 2.0).powf(order) * (-a).exp()
    } else {
        let (mut term, mut sum, mut k) = (1.0f64, 1.0f64, 0.0f64);
        while term.abs() > 1e-17 && k < 40.0 {
            k += 1.0;
            term *= ((2.0 * k - 1.0).powi(2) - 4.0 * order) / (8.0 * k * a);
            sum += term;
        }
        sum / (2.0 * PI * a).sqrt()
    };
    if order == 1.0 { magnitude.copysign(x) } else { magnitude }
}

fn bessel(order: f64, x: f64) -> f64 {
    if x.is_infinite() {
        return if order == 1.0 { x } else { f64::INFINITY };
    }
    // The square root twice: e^x overflows before the product does.
    let half = (x.abs() / 2.0).exp();
    scaled_bessel(order, x) * half * half
}

/// `I1(x) / x`, one half at zero.
fn bessel_ratio(x: f64) -> f64 {
    if x == 0.0 { 0.5 } else { bessel(1.0, x) / x }
}

/// `exp(x^2) erfc(x)`
fn erfcx(x: f64) -> f64 {
    if x < -27.0 {
        return f64::INFINITY;
    }
    if x < 10.0 {
        let square = x * x;
        let rest = x.mul_add(x, -square);
        return square.exp() * (1.0 + rest) * rsnn_cpu::vmath::Lanes::erfc(x);
    }
    let (mut term, mut sum) = (1.0f64, 1.0);
    for k in 1..50 {
        term *= -(2.0 * f64::from(k) - 1.0) / (2.0 * x * x);
        sum += term;
        if term.abs() < 1e-17 {
            break;
        }
    }
    sum / (x * PI.sqrt())
}

/// The x below which a standard normal number lies with probability `p`.
fn ndtri(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    std::f64::consts::SQRT_2
        * rsnn_cpu::vmath::erfinv_of(2.0 * p - 1.0, if p < 0.5 { 2.0 * p } else { 2.0 * (1.0 - p) })
}

/// `x` where it is not zero, one elsewhere; and where it is zero.
fn nonzero(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let zero = super::test("logical_not", x)?;
    let one = crate::fill::full(&[], 1.0, x.dtype(), x.device())?;
    Ok((where_(&zero, &one, x)?, zero))
}

fn ratio(x: &Tensor) -> Result<Tensor> {
    let (safe, zero) = nonzero(x)?;
    let half = crate::fill::full(&[], 0.5, x.dtype(), x.device())?;
    where_(&zero, &half, &div(&apply_named("i1", x)?, &safe)?)
}

fn scaled_ratio(x: &Tensor) -> Result<Tensor> {
    let (safe, zero) = nonzero(x)?;
    let half = crate::fill::full(&[], 0.5, x.dtype(), x.device())?;
    where_(&zero, &half, &div(&apply_named("i1e", x)?, &safe)?)
}

pub(super) static SPECIAL: &[Row] = &[
    row!(
        "i0",
        |x, p| via(x, |x| bessel(0.0, x)),
        X,
        |s, g, p| g * via(s, |s| bessel(1.0, s)),
        Some(|x, g, _| mul(g, &apply_named("i1", x)?))
    ),
    row!(
        "i1",
        |x, p| via(x, |x| bessel(1.0, x)),
        X,
        |s, g, p| g * via(s, |s| bessel(0.0, s) - bessel_ratio(s)),
        Some(|x, g, _| mul(g, &sub(&apply_named("i0", x)?, &ratio(x)?)?))
    ),
    row!(
        "i0e",
        |x, p| via(x, |x| scaled_bessel(0.0, x)),
        X,
        |s, g, p| g * via(s, |s| scaled_bessel(1.0, s) - s.signum() * scaled_bessel(0.0, s) * f64::from(s != 0.0)),
        Some(|x, g, _| {
            let sign = apply_named("sign", x)?;
            mul(g, &sub(&apply_named("i1e", x)?, &mul(&sign, &apply_named("i0e", x)?)?)?)
        })
    ),
    row!(
        "i1e",
        |x, p| via(x, |x| scaled_bessel(1.0, x)),
        X,
        |s, g, p| g * via(s, |s| {
            let (zero, one) = (scaled_bessel(0.0, s), scaled_bessel(1.0, s));
            if s.abs() < f64::MIN_POSITIVE { 0.5 } else { zero - one * (s.signum() + 1.0 / s) }
        }),
        Some(|x, g, _| {
            let sign = mul(&apply_named("sign", x)?, &apply_named("i1e", x)?)?;
            mul(g, &sub(&sub(&apply_named("i0e", x)?, &sign)?, &scaled_ratio(x)?)?)
        })
    ),
    row!(
        "erfcx",
        |x, p| via(x, erfcx),
        X,
        |s, g, p| g * via(s, |s| 2.0 * s * erfcx(s) - FRAC_2_SQRT_PI),
        Some(|x, g, _| {
            let slope = sub(&scale(&mul(x, &apply_named("erfcx", x)?)?, 2.0)?, &number(FRAC_2_SQRT_PI)?)?;
            mul(g, &slope)
        })
    ),
    row!(
        "ndtri",
        |x, p| via(x, ndtri),
        Y,
        |s, g, p| g * via(s, |y| (2.0 * PI).sqrt() * (y * y / 2.0).exp()),
        Some(|y, g, _| {
            let slope = scale(&apply_named("exp", &scale(&mul(y, y)?, 0.5)?)?, (2.0 * PI).sqrt())?;
            mul(g, &slope)
        })
    ),
];
