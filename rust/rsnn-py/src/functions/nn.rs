//! Fused layers: softmax, layer_norm, linear, cross_entropy, attention.
use crate::prelude::*;
use rsnn_ops::sdpa::Options;

#[pyfunction]
#[pyo3(signature = (x, dim, dtype=None))]
pub fn softmax(x: In, dim: i64, dtype: Option<crate::dtype::PyDType>) -> Out {
    run(|| rsnn_ops::softmax::softmax(&x, dim, dtype.map(|d| d.0)))
}
#[pyfunction]
#[pyo3(signature = (x, dim, dtype=None))]
pub fn log_softmax(x: In, dim: i64, dtype: Option<crate::dtype::PyDType>) -> Out {
    run(|| rsnn_ops::softmax::log_softmax(&x, dim, dtype.map(|d| d.0)))
}
#[pyfunction]
pub fn glu(x: In, dim: i64) -> Out {
    run(|| rsnn_ops::glu::glu(&x, dim))
}
#[pyfunction]
#[pyo3(signature = (x, normalized_shape, weight=None, bias=None, eps=1e-5))]
pub fn layer_norm(x: In, normalized_shape: Vec<usize>, weight: Option<In>, bias: Option<In>, eps: f64) -> Out {
    run(|| rsnn_ops::layer_norm::layer_norm(&x, &normalized_shape, opt(&weight), opt(&bias), eps))
}
#[pyfunction]
#[pyo3(signature = (x, normalized_shape, weight=None, eps=1e-5))]
pub fn rms_norm(x: In, normalized_shape: Vec<usize>, weight: Option<In>, eps: f64) -> Out {
    run(|| rsnn_ops::layer_norm::rms_norm(&x, &normalized_shape, opt(&weight), eps))
}
#[pyfunction]
#[pyo3(signature = (x, weight, bias=None))]
pub fn linear(x: In, weight: In, bias: Option<In>) -> Out {
    run(|| rsnn_ops::linear::linear(&x, &weight, opt(&bias)))
}
#[pyfunction]
#[pyo3(signature = (x, target, weight=None, ignore_index=-100, label_smoothing=0.0))]
pub fn cross_entropy(x: In, target: In, weight: Option<In>, ignore_index: i64, label_smoothing: f64) -> Out {
    run(|| rsnn_ops::cross_entropy::cross_entropy(&x, &target, opt(&weight), ignore_index, label_smoothing))
}
#[pyfunction]
#[pyo3(signature = (q, k, v, mask=None, dropout_p=0.0, is_causal=false, scale=None, enable_gqa=false))]
pub fn scaled_dot_product_attention(
    q: In,
    k: In,
    v: In,
    mask: Option<In>,
    dropout_p: f64,
    is_causal: bool,
    scale: Option<f64>,
    enable_gqa: bool,
) -> Out {
    run(|| rsnn_ops::sdpa::sdpa(&q, &k, &v, opt(&mask), Options { dropout_p, is_causal, scale, enable_gqa }))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, softmax, log_softmax, glu, layer_norm, rms_norm, linear, cross_entropy, scaled_dot_product_attention,);
    Ok(())
}
