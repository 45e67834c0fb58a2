//! The macro that makes a row of the table, and the rows of arithmetic, exponentials, trigonometry and rounding.
//! `x` is the element, `p` the parameters; in the gradient `s` is what was saved and `g` the incoming gradient.
use super::special::via;
use super::{Ints, Params, Row, apply_named};
use crate::elementwise::{Binary, add, div, mul, neg, scale, sub};
use crate::op::apply;
use crate::select::where_;
use crate::tensor::Tensor;
use rsnn_core::{DType, Result};
use rsnn_cpu::vmath::Real;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10, PI};

/// One row from formulas generic over `T: Real`:
/// `row!("relu", |x, p| .., Y, |s, g, p| .., Some(grad_fn), Ints::Keep(..))`. With `lanes` before the name the formulas are
/// over `V: Lanes`, which computes many elements at once: for those that are more than a few operations.
macro_rules! row {
    (lanes $name:literal, |$x:ident, $p:ident| $f:expr, $needs:ident, |$s:ident, $g:ident, $q:ident| $slope:expr, $grad:expr) => {
        row!(lanes $name, |$x, $p| $f, $needs, |$s, $g, $q| $slope, $grad, $crate::unary::Ints::Promote)
    };
    (lanes $name:literal, |$x:ident, $p:ident| $f:expr, $needs:ident, |$s:ident, $g:ident, $q:ident| $slope:expr, $grad:expr, $ints:expr) => {{
        use rsnn_cpu::vmath::{Lanes, Map1, Map2, map1, map2};
        #[derive(Clone, Copy)]
        struct Formula($crate::unary::Params);
        #[allow(unused_variables)]
        impl Map1 for Formula {
            #[inline(always)]
            fn apply<V: Lanes>(self, $x: V) -> V {
                let $p = self.0.map(V::c);
                $f
            }
        }
        #[allow(unused_variables)]
        impl Map2 for Formula {
            #[inline(always)]
            fn apply<V: Lanes>(self, $s: V, $g: V) -> V {
                let $q = self.0.map(V::c);
                $slope
            }
        }
        $crate::unary::Row {
            name: $name,
            f32: |x, y, p| map1(Formula(p), x, y),
            f64: |x, y, p| map1(Formula(p), x, y),
            ints: $ints,
            needs: $crate::unary::Needs::$needs,
            slope32: |s, g, out, p| map2(Formula(p), s, g, out),
            slope64: |s, g, out, p| map2(Formula(p), s, g, out),
            grad: $grad,
        }
    }};
    ($name:literal, |$x:ident, $p:ident| $f:expr, $needs:ident, |$s:ident, $g:ident, $q:ident| $slope:expr, $grad:expr) => {
        row!($name, |$x, $p| $f, $needs, |$s, $g, $q| $slope, $grad, $crate::unary::Ints::Promote)
    };
    ($name:literal, |$x:ident, $p:ident| $f:expr, $needs:ident, |$s:ident, $g:ident, $q:ident| $slope:expr, $grad:expr, $ints:expr) => {{
        #[inline(always)]
        #[allow(unused_variables)]
        fn f<T: Real>($x: T, $p: [T; 3]) -> T {
            $f
        }
        #[inline(always)]
        #[allow(unused_variables)]
        fn slope<T: Real>($s: T, $g: T, $q: [T; 3]) -> T {
            $slope
        }
        fn kernel<T: Real>(x: &[T], y: &mut [T], p: $crate::unary::Params) {
            let p = p.map(T::from_f64);
            rsnn_cpu::simd::vectorize(
                #[inline(always)]
                || {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = f(x, p);
                    }
                },
            );
        }
        fn gradient<T: Real>(s: &[T], g: &[T], out: &mut [T], p: $crate::unary::Params) {
            let p = p.map(T::from_f64);
            rsnn_cpu::simd::vectorize(
                #[inline(always)]
                || {
                    for ((o, &s), &g) in out.iter_mut().zip(s).zip(g) {
                        *o = slope(s, g, p);
                    }
                },
            );
        }
        $crate::unary::Row {
            name: $name,
            f32: kernel::<f32>,
            f64: kernel::<f64>,
            ints: $ints,
            needs: $crate::unary::Needs::$needs,
            slope32: gradient::<f32>,
            slope64: gradient::<f64>,
            grad: $grad,
        }
    }};
}
pub(super) use row;

pub(super) fn number(v: f64) -> Result<Tensor> {
    Tensor::number(v, DType::F64)
}

/// `x + v`
pub(super) fn plus(x: &Tensor, v: f64) -> Result<Tensor> {
    add(x, &number(v)?)
}

/// `x op v`, a bool tensor.
pub(super) fn compare(op: Binary, x: &Tensor, v: f64) -> Result<Tensor> {
    apply(op, &[x.clone(), number(v)?])
}

/// `x` where `keep` holds, zero elsewhere.
pub(super) fn mask(keep: &Tensor, x: &Tensor) -> Result<Tensor> {
    where_(keep, x, &crate::fill::full(&[], 0.0, x.dtype(), x.device())?)
}

/// `1 - x * x`
pub(super) fn one_minus_square(x: &Tensor) -> Result<Tensor> {
    sub(&number(1.0)?, &mul(x, x)?)
}

/// `1 / sqrt(x)`
fn rsqrt(x: &Tensor) -> Result<Tensor> {
    apply_named("rsqrt", x)
}

fn decimals<T: Real>(x: T, p: [T; 3]) -> T {
    let ten = T::from_f64(10.0).powf(p[0].abs());
    if p[0] > T::ZERO { (x * ten).round() / ten } else { (x / ten).round() * ten }
}

const KEEP: fn(i64, Params) -> i64 = |x, _| x;

pub(super) static MATH: &[Row] = &[
    row!("neg", |x, p| -x, Nothing, |s, g, p| -g, Some(|_, g, _| neg(g)), Ints::Keep("neg", |x, _| x.wrapping_neg())),
    row!(
        "abs",
        |x, p| x.abs(),
        X,
        |s, g, p| if s > T::ZERO {
            g
        } else if s < T::ZERO {
            -g
        } else {
            T::ZERO
        },
        Some(|x, g, _| mul(g, &apply_named("sign", x)?)),
        Ints::Keep("abs_cpu", |x, _| x.wrapping_abs())
    ),
    row!(
        "sign",
        |x, p| if x > T::ZERO {
            T::ONE
        } else if x < T::ZERO {
            -T::ONE
        } else {
            T::ZERO
        },
        Nothing,
        |s, g, p| g,
        None,
        Ints::Keep("", |x, _| x.signum())
    ),
    row!(lanes "exp", |x, p| x.exp(), Y, |s, g, p| g * s, Some(|y, g, _| mul(g, y))),
    row!(
        lanes "exp2",
        |x, p| x.exp2(),
        Y,
        |s, g, p| g * s * V::c(LN_2),
        Some(|y, g, _| scale(&mul(g, y)?, LN_2))
    ),
    row!(lanes "expm1", |x, p| x.expm1(), Y, |s, g, p| g * (s + V::c(1.0)), Some(|y, g, _| mul(g, &plus(y, 1.0)?))),
    row!(lanes "log", |x, p| x.log(), X, |s, g, p| g / s, Some(|x, g, _| div(g, x))),
    row!(
        lanes "log2",
        |x, p| x.log2(),
        X,
        |s, g, p| g / (s * V::c(LN_2)),
        Some(|x, g, _| div(g, &scale(x, LN_2)?))
    ),
    row!(
        lanes "log10",
        |x, p| x.log10(),
        X,
        |s, g, p| g / (s * V::c(LN_10)),
        Some(|x, g, _| div(g, &scale(x, LN_10)?))
    ),
    row!(lanes "log1p", |x, p| x.log1p(), X, |s, g, p| g / (s + V::c(1.0)), Some(|x, g, _| div(g, &plus(x, 1.0)?))),
    row!("sqrt", |x, p| x.sqrt(), Y, |s, g, p| g / (s + s), Some(|y, g, _| div(g, &scale(y, 2.0)?))),
    // The root of a sum of squares: its gradient at zero is zero, not infinite.
    row!(
        "sqrt_zero_slope",
        |x, p| x.sqrt(),
        Y,
        |s, g, p| if s == T::ZERO { T::ZERO } else { g / (s + s) },
        Some(|y, g, _| {
            let flat = compare(Binary::Eq, y, 0.0)?;
            let safe = where_(&flat, &crate::fill::full(&[], 1.0, y.dtype(), y.device())?, y)?;
            mask(&apply_named_bool("logical_not", &flat)?, &div(g, &scale(&safe, 2.0)?)?)
        })
    ),
    row!(
        "rsqrt",
        |x, p| T::ONE / x.sqrt(),
        Y,
        |s, g, p| g * T::from_f64(-0.5) * s * s * s,
        Some(|y, g, _| scale(&mul(g, &mul(y, &mul(y, y)?)?)?, -0.5))
    ),
    row!("reciprocal", |x, p| T::ONE / x, Y, |s, g, p| -g * s * s, Some(|y, g, _| neg(&mul(g, &mul(y, y)?)?))),
    row!(
        "square",
        |x, p| x * x,
        X,
        |s, g, p| (g + g) * s,
        Some(|x, g, _| mul(&scale(g, 2.0)?, x)),
        Ints::Keep("", |x, _| x.wrapping_mul(x))
    ),
    row!(lanes "sin", |x, p| x.sin(), X, |s, g, p| g * s.cos(), Some(|x, g, _| mul(g, &apply_named("cos", x)?))),
    row!(lanes "cos", |x, p| x.cos(), X, |s, g, p| -g * s.sin(), Some(|x, g, _| neg(&mul(g, &apply_named("sin", x)?)?))),
    row!(
        lanes "tan",
        |x, p| x.tan(),
        Y,
        |s, g, p| g * (V::c(1.0) + s * s),
        Some(|y, g, _| mul(g, &plus(&mul(y, y)?, 1.0)?))
    ),
    row!(
        lanes "asin",
        |x, p| x.asin(),
        X,
        |s, g, p| g / (V::c(1.0) - s * s).sqrt(),
        Some(|x, g, _| mul(g, &rsqrt(&one_minus_square(x)?)?))
    ),
    row!(
        lanes "acos",
        |x, p| x.acos(),
        X,
        |s, g, p| -g / (V::c(1.0) - s * s).sqrt(),
        Some(|x, g, _| neg(&mul(g, &rsqrt(&one_minus_square(x)?)?)?))
    ),
    row!(
        lanes "atan",
        |x, p| x.atan(),
        X,
        |s, g, p| g / (V::c(1.0) + s * s),
        Some(|x, g, _| div(g, &plus(&mul(x, x)?, 1.0)?))
    ),
    row!(
        lanes "sinh",
        |x, p| x.sinh(),
        X,
        |s, g, p| g * s.cosh(),
        Some(|x, g, _| mul(g, &apply_named("cosh", x)?))
    ),
    row!(
        lanes "cosh",
        |x, p| x.cosh(),
        X,
        |s, g, p| g * s.sinh(),
        Some(|x, g, _| mul(g, &apply_named("sinh", x)?))
    ),
    row!(lanes "tanh", |x, p| x.tanh(), Y, |s, g, p| g * (V::c(1.0) - s * s), Some(|y, g, _| mul(g, &one_minus_square(y)?))),
    row!(
        lanes "asinh",
        |x, p| x.asinh(),
        X,
        |s, g, p| g / (s * s + V::c(1.0)).sqrt(),
        Some(|x, g, _| mul(g, &rsqrt(&plus(&mul(x, x)?, 1.0)?)?))
    ),
    row!(
        "acosh",
        |x, p| via(x, f64::acosh),
        X,
        |s, g, p| g / (s * s - T::ONE).sqrt(),
        Some(|x, g, _| mul(g, &rsqrt(&plus(&mul(x, x)?, -1.0)?)?))
    ),
    row!(
        lanes "atanh",
        |x, p| x.atanh(),
        X,
        |s, g, p| g / (V::c(1.0) - s * s),
        Some(|x, g, _| div(g, &one_minus_square(x)?))
    ),
    row!(
        lanes "erf",
        |x, p| x.erf(),
        X,
        |s, g, p| g * (V::c(FRAC_2_SQRT_PI) * (-(s * s)).exp()),
        Some(|x, g, _| scale(&mul(g, &apply_named("exp", &neg(&mul(x, x)?)?)?)?, FRAC_2_SQRT_PI))
    ),
    row!(
        lanes "erfc",
        |x, p| x.erfc(),
        X,
        |s, g, p| g * V::c(-FRAC_2_SQRT_PI) * (-(s * s)).exp(),
        Some(|x, g, _| scale(&mul(g, &apply_named("exp", &neg(&mul(x, x)?)?)?)?, -FRAC_2_SQRT_PI))
    ),
    row!(
        lanes "erfinv",
        |x, p| x.erfinv(),
        Y,
        |s, g, p| g * V::c(1.0 / FRAC_2_SQRT_PI) * (s * s).exp(),
        Some(|y, g, _| scale(&mul(g, &apply_named("exp", &mul(y, y)?)?)?, 1.0 / FRAC_2_SQRT_PI))
    ),
    row!("floor", |x, p| via(x, f64::floor), Nothing, |s, g, p| g, None, Ints::Keep("floor_vml_cpu", KEEP)),
    row!("ceil", |x, p| via(x, f64::ceil), Nothing, |s, g, p| g, None, Ints::Keep("ceil_vml_cpu", KEEP)),
    row!(lanes "round", |x, p| x.round(), Nothing, |s, g, p| g, None, Ints::Keep("round_vml_cpu", KEEP)),
    // p[0]: decimals.
    row!("round_decimals", |x, p| decimals(x, p), Nothing, |s, g, p| g, None, Ints::Keep("round_vml_cpu", KEEP)),
    row!("trunc", |x, p| via(x, f64::trunc), Nothing, |s, g, p| g, None, Ints::Keep("trunc_vml_cpu", KEEP)),
    row!(
        "frac",
        |x, p| x - via(x, f64::trunc),
        Nothing,
        |s, g, p| g,
        Some(|_, g, _| Ok(g.clone())),
        Ints::Refuse("frac_cpu")
    ),
    row!(
        "deg2rad",
        |x, p| x * T::from_f64(PI / 180.0),
        Nothing,
        |s, g, p| g * T::from_f64(PI / 180.0),
        Some(|_, g, _| scale(g, PI / 180.0))
    ),
    row!(
        "rad2deg",
        |x, p| x * T::from_f64(180.0 / PI),
        Nothing,
        |s, g, p| g * T::from_f64(180.0 / PI),
        Some(|_, g, _| scale(g, 180.0 / PI))
    ),
    row!(
        "lgamma",
        |x, p| via(x, super::special::lgamma),
        X,
        |s, g, p| g * via(s, super::special::digamma),
        Some(|x, g, _| mul(g, &apply_named("digamma", x)?))
    ),
    row!(
        "digamma",
        |x, p| via(x, super::special::digamma),
        X,
        |s, g, p| g * via(s, |s| super::special::polygamma(1, s)),
        Some(|x, g, _| mul(g, &polygamma(1.0, x)?))
    ),
    // p[0]: the order.
    row!(
        "polygamma",
        |x, p| via(x, |x| super::special::polygamma(p[0].to_f64() as u32, x)),
        X,
        |s, g, p| g * via(s, |s| super::special::polygamma(p[0].to_f64() as u32 + 1, s)),
        Some(|x, g, p| mul(g, &polygamma(p[0] + 1.0, x)?))
    ),
    row!(
        "sinc",
        |x, p| via(x, super::special::sinc),
        X,
        |s, g, p| g * via(s, super::special::sinc_grad),
        Some(sinc_grad)
    ),
    // p: what NaN, +inf and -inf become.
    row!(
        "nan_to_num",
        |x, p| if x.is_nan() {
            p[0]
        } else if x == T::INFINITY {
            p[1]
        } else if x == -T::INFINITY {
            p[2]
        } else {
            x
        },
        X,
        |s, g, p| if s.abs() < T::INFINITY { g } else { T::ZERO },
        Some(|x, g, _| mask(&apply_named_bool("isfinite", x)?, g)),
        Ints::Keep("", KEEP)
    ),
    // p[0], p[1]: bounds; the gradient passes on the bounds themselves.
    row!(
        "clamp",
        |x, p| clamp(x, p[0], p[1]),
        X,
        |s, g, p| if (s >= p[0]) & (s <= p[1]) { g } else { T::ZERO },
        Some(|x, g, p| mask(&within(Binary::Ge, Binary::Le, x, p)?, g)),
        Ints::Keep("clamp", |x, p| x.max(p[0] as i64).min(p[1] as i64))
    ),
    // Of a difference. p[0]: where the parabola ends; p[1]: the slope beyond.
    row!(
        "huber",
        |x, p| {
            let a = x.abs();
            if a <= p[0] { T::HALF * x * x * (p[1] / p[0]) } else { p[1] * (a - T::HALF * p[0]) }
        },
        X,
        |s, g, p| g * (s.limit(p[0]) * (p[1] / p[0])),
        Some(|x, g, p| scale(&mul(g, &super::unary("clamp", x, [-p[0], p[0], 0.0])?)?, p[1] / p[0]))
    ),
];

#[inline(always)]
pub(super) fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `low op x` and `x op high` at once.
pub(super) fn within(left: Binary, right: Binary, x: &Tensor, p: Params) -> Result<Tensor> {
    apply(Binary::LogicalAnd, &[compare(left, x, p[0])?, compare(right, x, p[1])?])
}

fn apply_named_bool(name: &str, x: &Tensor) -> Result<Tensor> {
    super::predicate::test(name, x)
}

fn polygamma(order: f64, x: &Tensor) -> Result<Tensor> {
    super::unary("polygamma", x, [order, 0.0, 0.0])
}

/// `(cos(pi x) - sinc(x)) / x`, zero at zero.
fn sinc_grad(x: &Tensor, g: &Tensor, _: Params) -> Result<Tensor> {
    let zero = compare(Binary::Eq, x, 0.0)?;
    let safe = where_(&zero, &crate::fill::full(&[], 1.0, x.dtype(), x.device())?, x)?;
    let slope = div(&sub(&apply_named("cos", &scale(&safe, PI)?)?, &apply_named("sinc", &safe)?)?, &safe)?;
    mul(g, &mask(&apply_named_bool("logical_not", &zero)?, &slope)?)
}
