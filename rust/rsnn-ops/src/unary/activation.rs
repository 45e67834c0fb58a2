//! Rows of activation functions. Parameters are named at each row.
use super::table::{clamp, compare, mask, number, one_minus_square, plus, row, within};
use super::{Ints, Params, Row, apply_named};
use crate::elementwise::{Binary, add, div, mul, neg, scale, sub};
use crate::select::where_;
use crate::tensor::Tensor;
use rsnn_core::Result;
use rsnn_cpu::vmath::Real;

const BETA: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;

pub(super) static ACTIVATIONS: &[Row] = &[
    row!(
        "relu",
        |x, p| if x < T::ZERO { T::ZERO } else { x },
        Y,
        |s, g, p| if s <= T::ZERO { T::ZERO } else { g },
        Some(|y, g, _| mask(&compare(Binary::Ne, y, 0.0)?, g)),
        Ints::Keep("relu", |x, _| x.max(0))
    ),
    row!(
        lanes "sigmoid",
        |x, p| x.sigmoid(),
        Y,
        |s, g, p| g * s * (V::c(1.0) - s),
        Some(|y, g, _| mul(g, &mul(y, &sub(&number(1.0)?, y)?)?))
    ),
    // p[0]: eps, zero for none.
    row!(
        "logit",
        |x, p| {
            let x = if p[0] <= T::ZERO { x } else { clamp(x, p[0], T::ONE - p[0]) };
            (x / (T::ONE - x)).log()
        },
        X,
        |s, g, p| {
            let d = g / (s * (T::ONE - s));
            if p[0] <= T::ZERO {
                if (s < T::ZERO) | (s > T::ONE) { T::NAN } else { d }
            } else if (s < p[0]) | (s > T::ONE - p[0]) {
                T::ZERO
            } else {
                d
            }
        },
        Some(logit_grad)
    ),
    row!(
        lanes "log_sigmoid",
        |x, p| -(-x).softplus(),
        X,
        |s, g, p| g * (-s).sigmoid(),
        Some(|x, g, _| mul(g, &apply_named("sigmoid", &neg(x)?)?)),
        Ints::Refuse("log_sigmoid_cpu")
    ),
    row!(lanes "gelu", |x, p| x.gelu(), X, |s, g, p| g * s.gelu_grad(), Some(gelu_grad), Ints::Refuse("GeluKernelImpl")),
    row!(
        lanes "gelu_tanh",
        |x, p| x.gelu_tanh(),
        X,
        |s, g, p| g * s.gelu_tanh_grad(),
        Some(gelu_tanh_grad),
        Ints::Refuse("GeluKernelImpl")
    ),
    row!(lanes "silu", |x, p| x.silu(), X, |s, g, p| g * s.silu_grad(), Some(silu_grad), Ints::Refuse("silu_cpu")),
    row!(
        lanes "mish",
        |x, p| x.mish(),
        X,
        |s, g, p| g * s.mish_grad(),
        Some(mish_grad),
        Ints::Refuse("mish_cpu")
    ),
    // p: beta, threshold.
    row!(
        lanes "softplus",
        |x, p| V::select(p[1].lt(x * p[0]), x, (x * p[0]).softplus() / p[0]),
        X,
        |s, g, p| V::select(p[1].lt(s * p[0]), g, g * (s * p[0]).sigmoid()),
        Some(softplus_grad),
        Ints::Refuse("softplus_cpu")
    ),
    // p[0]: slope.
    row!(
        "leaky_relu",
        |x, p| if x > T::ZERO { x } else { x * p[0] },
        X,
        |s, g, p| if s > T::ZERO { g } else { g * p[0] },
        Some(|x, g, p| where_(&compare(Binary::Gt, x, 0.0)?, g, &scale(g, p[0])?)),
        Ints::Refuse("leaky_relu_cpu")
    ),
    // p: alpha, scale, input_scale.
    row!(
        lanes "elu",
        |x, p| V::select(V::c(0.0).lt(x), x * p[1], (x * p[2]).expm1() * (p[0] * p[1])),
        X,
        |s, g, p| V::select(V::c(0.0).lt(s), g * p[1], g * (p[0] * p[1] * p[2]) * (s * p[2]).exp()),
        Some(elu_grad),
        Ints::Refuse("elu_cpu")
    ),
    // p: lowest, highest.
    row!(
        "hardtanh",
        |x, p| clamp(x, p[0], p[1]),
        X,
        |s, g, p| if (s <= p[0]) | (s >= p[1]) { T::ZERO } else { g },
        Some(|x, g, p| mask(&within(Binary::Gt, Binary::Lt, x, p)?, g)),
        Ints::Keep("hardtanh", |x, p| x.max(p[0] as i64).min(p[1] as i64))
    ),
    row!(
        "relu6",
        |x, p| clamp(x, T::ZERO, T::from_f64(6.0)),
        X,
        |s, g, p| if (s <= T::ZERO) | (s >= T::from_f64(6.0)) { T::ZERO } else { g },
        Some(|x, g, _| mask(&within(Binary::Gt, Binary::Lt, x, [0.0, 6.0, 0.0])?, g)),
        Ints::Keep("hardtanh", |x, _| x.clamp(0, 6))
    ),
    row!(
        "hardswish",
        |x, p| x * clamp(x + T::from_f64(3.0), T::ZERO, T::from_f64(6.0)) / T::from_f64(6.0),
        X,
        |s, g, p| {
            let three = T::from_f64(3.0);
            if s <= -three {
                T::ZERO
            } else if s < three {
                g * (s / three + T::HALF)
            } else {
                g
            }
        },
        Some(hardswish_grad),
        Ints::Refuse("hardswish_cpu")
    ),
    row!(
        "hardsigmoid",
        |x, p| clamp(x + T::from_f64(3.0), T::ZERO, T::from_f64(6.0)) / T::from_f64(6.0),
        X,
        |s, g, p| if (s > T::from_f64(-3.0)) & (s < T::from_f64(3.0)) { g / T::from_f64(6.0) } else { T::ZERO },
        Some(|x, g, _| scale(&mask(&within(Binary::Gt, Binary::Lt, x, [-3.0, 3.0, 0.0])?, g)?, 1.0 / 6.0)),
        Ints::Refuse("hardsigmoid_cpu")
    ),
    // p[0]: lambda.
    row!(
        "hardshrink",
        |x, p| if (x >= -p[0]) & (x <= p[0]) { T::ZERO } else { x },
        X,
        |s, g, p| if (s >= -p[0]) & (s <= p[0]) { T::ZERO } else { g },
        Some(shrink_grad),
        Ints::Refuse("hardshrink_cpu")
    ),
    row!(
        "softshrink",
        |x, p| if x > p[0] {
            x - p[0]
        } else if x < -p[0] {
            x + p[0]
        } else {
            x * T::ZERO
        },
        X,
        |s, g, p| if (s >= -p[0]) & (s <= p[0]) { T::ZERO } else { g },
        Some(shrink_grad),
        Ints::Refuse("softshrink_check")
    ),
    // p: threshold, value.
    row!(
        "threshold",
        |x, p| if x <= p[0] { p[1] } else { x },
        X,
        |s, g, p| if s <= p[0] { T::ZERO } else { g },
        Some(|x, g, p| {
            let zero = crate::fill::full(&[], 0.0, g.dtype(), g.device())?;
            where_(&compare(Binary::Le, x, p[0])?, &zero, g)
        }),
        Ints::Keep("threshold_cpu", |x, p| if x as f64 <= p[0] { p[1] as i64 } else { x })
    ),
];

fn logit_grad(x: &Tensor, g: &Tensor, p: Params) -> Result<Tensor> {
    let slope = div(g, &mul(x, &sub(&number(1.0)?, x)?)?)?;
    let (low, outside) = if p[0] <= 0.0 { (0.0, f64::NAN) } else { (p[0], 0.0) };
    let inside = within(Binary::Ge, Binary::Le, x, [low, 1.0 - low, 0.0])?;
    where_(&inside, &slope, &crate::fill::full(&[], outside, x.dtype(), x.device())?)
}

/// `Phi(x) + x * phi(x)`
fn gelu_grad(x: &Tensor, g: &Tensor, _: Params) -> Result<Tensor> {
    let cdf = scale(&plus(&apply_named("erf", &scale(x, std::f64::consts::FRAC_1_SQRT_2)?)?, 1.0)?, 0.5)?;
    let pdf = scale(&apply_named("exp", &scale(&mul(x, x)?, -0.5)?)?, BETA / 2.0)?;
    mul(g, &add(&cdf, &mul(x, &pdf)?)?)
}

/// Derivative of `x / 2 * (1 + tanh(u))`, `u = BETA * (x + 0.044715 x^3)`.
fn gelu_tanh_grad(x: &Tensor, g: &Tensor, _: Params) -> Result<Tensor> {
    const KAPPA: f64 = 0.044715;
    let x2 = mul(x, x)?;
    let u = scale(&mul(x, &plus(&scale(&x2, KAPPA)?, 1.0)?)?, BETA)?;
    let t = apply_named("tanh", &u)?;
    let du = scale(&plus(&scale(&x2, 3.0 * KAPPA)?, 1.0)?, BETA)?;
    let left = scale(&plus(&t, 1.0)?, 0.5)?;
    let right = scale(&mul(x, &mul(&one_minus_square(&t)?, &du)?)?, 0.5)?;
    mul(g, &add(&left, &right)?)
}

/// `s * (1 + x * (1 - s))`
fn silu_grad(x: &Tensor, g: &Tensor, _: Params) -> Result<Tensor> {
    let s = apply_named("sigmoid", x)?;
    let inner = plus(&mul(x, &sub(&number(1.0)?, &s)?)?, 1.0)?;
    mul(g, &mul(&s, &inner)?)
}

/// `t + x * s * (1 - t^2)`, `t = tanh(softplus(x))`
fn mish_grad(x: &Tensor, g: &Tensor, _: Params) -> Result<Tensor> {
    let t = apply_named("tanh", &super::unary("softplus", x, [1.0, f64::INFINITY, 0.0])?)?;
    let s = apply_named("sigmoid", x)?;
    mul(g, &add(&t, &mul(x, &mul(&s, &one_minus_square(&t)?)?)?)?)
}

fn softplus_grad(x: &Tensor, g: &Tensor, p: Params) -> Result<Tensor> {
    let z = scale(x, p[0])?;
    where_(&compare(Binary::Gt, &z, p[1])?, g, &mul(g, &apply_named("sigmoid", &z)?)?)
}

fn elu_grad(x: &Tensor, g: &Tensor, p: Params) -> Result<Tensor> {
    let below = compare(Binary::Le, x, 0.0)?;
    // Positive elements do not reach exp: their discarded gradient could overflow.
    let z = mask(&below, &scale(x, p[2])?)?;
    let slope = scale(&apply_named("exp", &z)?, p[0] * p[1] * p[2])?;
    where_(&below, &mul(g, &slope)?, &scale(g, p[1])?)
}

fn hardswish_grad(x: &Tensor, g: &Tensor, _: Params) -> Result<Tensor> {
    let middle = mul(g, &plus(&scale(x, 1.0 / 3.0)?, 0.5)?)?;
    let right = where_(&compare(Binary::Lt, x, 3.0)?, &middle, g)?;
    mask(&compare(Binary::Gt, x, -3.0)?, &right)
}

fn shrink_grad(x: &Tensor, g: &Tensor, p: Params) -> Result<Tensor> {
    let zero = crate::fill::full(&[], 0.0, g.dtype(), g.device())?;
    where_(&within(Binary::Ge, Binary::Le, x, [-p[0], p[0], 0.0])?, &zero, g)
}
