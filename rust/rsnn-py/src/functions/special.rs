//! Special functions of two numbers, and frexp.
use crate::prelude::*;
use rsnn_ops::special as ops;

/// The function `name`: gcd, lcm, nextafter, igamma, igammac or zeta.
#[pyfunction]
fn special(name: &str, a: In, b: In) -> Out {
    run(|| ops::special(name, &a, &b))
}

/// [mantissa, exponent]
#[pyfunction]
fn frexp(x: In) -> Outs {
    run_all(|| ops::frexp(&x).map(|(m, e)| vec![m, e]))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, special, frexp);
    Ok(())
}
