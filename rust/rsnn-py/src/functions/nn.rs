//! Fused layers: softmax, layer_norm, linear, cross_entropy, attention; and the optimizer steps.
use crate::prelude::*;
use rsnn_core::{DType, Result, bail, ensure};
use rsnn_cpu::rows::optim::{self as rows, AdamArgs, SgdArgs};
use rsnn_ops::sdpa::Options;
use rsnn_ops::{Tensor, copy};

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

/// Runs `f` on contiguous float slices of tensors it may write; what was not contiguous or not float32/64 is copied back.
fn on_slices(op: &str, tensors: &[&Tensor], f: impl Fn(&[Tensor]) -> Result<()>) -> Result<()> {
    let mut ready = vec![];
    for t in tensors {
        ensure!(t.device() == rsnn_ops::Device::Cpu, NotImplemented, "{op}: no kernel for device {}", t.device());
        ensure!(
            t.shape() == tensors[0].shape(),
            Runtime,
            "{op}: expected tensors of shape {:?}, got {:?}",
            tensors[0].shape(),
            t.shape()
        );
        let wide = if tensors[0].dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let t = t.detach();
        ready.push(if t.dtype() == wide { copy::contiguous(&t)? } else { copy::cast(&t, wide)? });
    }
    f(&ready)?;
    for (t, r) in tensors.iter().zip(&ready) {
        if !std::sync::Arc::ptr_eq(t.storage(), r.storage()) {
            copy::copy_into(r, t)?;
        }
        t.storage().bump_version();
    }
    Ok(())
}

/// One Adam or AdamW step over all parameters.
#[pyfunction]
#[pyo3(signature = (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize))]
pub fn adam_step(
    params: Vec<In>,
    grads: Vec<In>,
    exp_avgs: Vec<In>,
    exp_avg_sqs: Vec<In>,
    max_exp_avg_sqs: Vec<In>,
    steps: Vec<f64>,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
) -> PyResult<()> {
    let n = params.len();
    let lengths = [grads.len(), exp_avgs.len(), exp_avg_sqs.len(), steps.len()];
    guard(|| {
        ensure!(
            lengths == [n; 4] && (!amsgrad || max_exp_avg_sqs.len() == n),
            Value,
            "adam_step: lists of different lengths"
        );
        for i in 0..n {
            let args = AdamArgs { lr, betas: (beta1, beta2), eps, weight_decay, step: steps[i], decoupled, maximize };
            let mut all: Vec<&Tensor> = vec![&params[i], &exp_avgs[i], &exp_avg_sqs[i]];
            if amsgrad {
                all.push(&max_exp_avg_sqs[i]);
            }
            let grad = grads[i].detach();
            on_slices("adam_step", &all, |t| {
                let grad = if grad.dtype() == t[0].dtype() {
                    copy::contiguous(&grad)?
                } else {
                    copy::cast(&grad, t[0].dtype())?
                };
                ensure!(
                    grad.shape() == t[0].shape(),
                    Runtime,
                    "adam_step: gradient of another shape than its parameter"
                );
                macro_rules! go {
                    ($t:ty) => {
                        rows::adamw_step::<$t>(
                            t[0].as_mut_slice(),
                            grad.as_slice(),
                            t[1].as_mut_slice(),
                            t[2].as_mut_slice(),
                            t.get(3).map(|m| m.as_mut_slice()),
                            args,
                        )
                    };
                }
                match t[0].dtype() {
                    DType::F32 => go!(f32),
                    DType::F64 => go!(f64),
                    other => bail!(NotImplemented, "adam_step: no kernel for {}", other.name()),
                }
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// One SGD step over all parameters.
#[pyfunction]
pub fn sgd_step(
    params: Vec<In>,
    grads: Vec<In>,
    momentum_buffers: Vec<In>,
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
    first: Vec<bool>,
) -> PyResult<()> {
    let n = params.len();
    let has = momentum != 0.0;
    guard(|| {
        ensure!(
            grads.len() == n && (!has || momentum_buffers.len() == n && first.len() == n),
            Value,
            "sgd_step: lists of different lengths"
        );
        for i in 0..n {
            let first = first.get(i).copied().unwrap_or(false);
            let args = SgdArgs { lr, momentum, dampening, weight_decay, nesterov, maximize, first };
            let mut all: Vec<&Tensor> = vec![&params[i]];
            if has {
                all.push(&momentum_buffers[i]);
            }
            let grad = grads[i].detach();
            on_slices("sgd_step", &all, |t| {
                let grad = if grad.dtype() == t[0].dtype() {
                    copy::contiguous(&grad)?
                } else {
                    copy::cast(&grad, t[0].dtype())?
                };
                ensure!(
                    grad.shape() == t[0].shape(),
                    Runtime,
                    "sgd_step: gradient of another shape than its parameter"
                );
                macro_rules! go {
                    ($t:ty) => {
                        rows::sgd_step::<$t>(
                            t[0].as_mut_slice(),
                            grad.as_slice(),
                            t.get(1).map(|m| m.as_mut_slice()),
                            args,
                        )
                    };
                }
                match t[0].dtype() {
                    DType::F32 => go!(f32),
                    DType::F64 => go!(f64),
                    other => bail!(NotImplemented, "sgd_step: no kernel for {}", other.name()),
                }
                Ok(())
            })?;
        }
        Ok(())
    })
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        softmax,
        log_softmax,
        layer_norm,
        rms_norm,
        linear,
        cross_entropy,
        scaled_dot_product_attention,
        adam_step,
        sgd_step,
    );
    Ok(())
}
