//! One-input elementwise ops, by name and as functions of their own where models call them.
use crate::prelude::*;
use rsnn_ops::unary as ops;
use std::sync::OnceLock;

/// The op `name` of `unary_names()` with up to three parameters.
#[pyfunction]
#[pyo3(signature = (name, x, p0=0.0, p1=0.0, p2=0.0))]
fn unary(name: &str, x: Only, p0: f64, p1: f64, p2: f64) -> Out {
    run(|| ops::unary(name, &x, [p0, p1, p2]))
}

/// `unary` written into `x`.
#[pyfunction]
#[pyo3(signature = (name, x, p0=0.0, p1=0.0, p2=0.0))]
fn unary_(name: &str, x: Only, p0: f64, p1: f64, p2: f64) -> Out {
    run(|| ops::unary_(name, &x, [p0, p1, p2]).map(|()| x.0))
}

/// Names that `unary` knows, tests with bool results last.
#[pyfunction]
fn unary_names() -> Vec<&'static str> {
    ops::rows().map(|r| r.name).chain(ops::TESTS).collect()
}

/// `logical_not`, `bitwise_not`, `isnan`, `isinf`, `isfinite`, `isposinf`, `isneginf`, `signbit`.
#[pyfunction]
fn test(name: &str, x: Only) -> Out {
    run(|| ops::test(name, &x))
}

/// Bounds are numbers, tensors or None.
#[pyfunction]
#[pyo3(signature = (x, low=None, high=None))]
fn clamp(x: Only, low: Option<In>, high: Option<In>) -> Out {
    run(|| {
        let (low, high) = (opt(&low), opt(&high));
        let numbers = [low, high].into_iter().flatten().all(rsnn_ops::Tensor::is_number);
        if !numbers {
            return ops::clamp_tensor(&x, low, high);
        }
        let float = [low, high].into_iter().flatten().any(|b| b.dtype().is_float());
        let value = |b: Option<&rsnn_ops::Tensor>| b.map(rsnn_ops::Tensor::item).transpose();
        ops::clamp(&x, value(low)?, value(high)?, float)
    })
}

/// A function for one row of the table; the row is looked up once.
macro_rules! rows {
    ($($name:ident ( $($p:ident),* );)*) => { $(
        #[pyfunction]
        fn $name(x: Only $(, $p: f64)*) -> Out {
            static ROW: OnceLock<&'static ops::Row> = OnceLock::new();
            run(|| {
                let row = match ROW.get() {
                    Some(row) => row,
                    None => {
                        let row = ops::row(stringify!($name))?;
                        ROW.get_or_init(|| row)
                    }
                };
                let mut params = [0.0; 3];
                [$($p),*].iter().zip(&mut params).for_each(|(p, to): (&f64, _)| *to = *p);
                ops::apply_row(row, &x, params)
            })
        }
    )* };
}

rows! {
    relu();
    relu6();
    sigmoid();
    tanh();
    silu();
    mish();
    hardswish();
    hardsigmoid();
    log_sigmoid();
    softplus(beta, threshold);
    leaky_relu(negative_slope);
    elu(alpha, scale, input_scale);
    hardtanh(min_val, max_val);
    hardshrink(lambd);
    softshrink(lambd);
    exp();
    log();
    sqrt();
    rsqrt();
    abs();
    neg();
    square();
    reciprocal();
    sin();
    cos();
}

#[pyfunction]
#[pyo3(signature = (x, tanh=false))]
fn gelu(x: Only, tanh: bool) -> Out {
    run(|| ops::apply_named(if tanh { "gelu_tanh" } else { "gelu" }, &x))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, unary, unary_, unary_names, test, clamp, gelu);
    functions!(m, relu, relu6, sigmoid, tanh, silu, mish, hardswish, hardsigmoid, log_sigmoid, softplus, leaky_relu);
    functions!(m, elu, hardtanh, hardshrink, softshrink, exp, log, sqrt, rsqrt, abs, neg, square, reciprocal, sin, cos);
    Ok(())
}
