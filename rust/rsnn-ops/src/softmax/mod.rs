//! softmax and log_softmax over one dimension. `softmax(x)_i = exp(x_i - m) / sum_j exp(x_j - m)`, `m` the largest element.
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::autograd::Ctx;
use crate::elementwise::{div, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::tensor::Tensor;
use crate::{copy, reduce, unary, view};
use rsnn_core::{DType, Result, dispatch, ensure};
use rsnn_cpu::rows;

/// Over the last dimension.
struct Softmax {
    log: bool,
}

fn sizes(x: &Tensor) -> (usize, usize) {
    let cols = x.shape().last().copied().unwrap_or(1);
    (x.numel() / cols.max(1), cols)
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        ensure!(
            ins[0].dtype().is_float(),
            NotImplemented,
            "\"{}_lastdim_kernel_impl\" not implemented for '{}'",
            self.name(),
            ins[0].dtype().scalar_name()
        );
        Ok(smallvec::smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (rows, cols) = sizes(&call.ins[0]);
        let f = self.log;
        dispatch!(float, call.outs[0].dtype(), self.name(), T => match f {
            true => rows::softmax::log_softmax::<T>(call.input(0), call.output(0), rows, cols),
            false => rows::softmax::softmax::<T>(call.input(0), call.output(0), rows, cols),
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::forward(self.log, call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let op = SoftmaxBackward { log: self.log };
        Ok(smallvec::smallvec![Some(apply(op, &[g.clone(), cx.output(0)?])?)])
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(&ins[0]).map(|y| smallvec::smallvec![y]))
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
}

impl Softmax {
    fn meaning(&self, x: &Tensor) -> Result<Tensor> {
        if x.numel() == 0 {
            return Ok(view::alias(x));
        }
        // The maximum cancels in the gradient, so it enters as a constant.
        let max = reduce::amax(&x.detach(), &[-1], true)?;
        let shifted = sub(x, &max)?;
        let e = unary::apply_named("exp", &shifted)?;
        let total = reduce::sum(&e, &[-1], true, None)?;
        if self.log { sub(&shifted, &unary::apply_named("log", &total)?) } else { div(&e, &total) }
    }
}

/// `(dy, y) -> dx`; only reached when no second derivative is asked for.
struct SoftmaxBackward {
    log: bool,
}

impl Op for SoftmaxBackward {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax_backward" } else { "softmax_backward" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (rows, cols) = sizes(&call.ins[1]);
        let f = self.log;
        dispatch!(float, call.outs[0].dtype(), self.name(), T => match f {
            true => rows::softmax::log_softmax_backward::<T>(call.input(0), call.input(1), call.output(0), rows, cols),
            false => rows::softmax::softmax_backward::<T>(call.input(0), call.input(1), call.output(0), rows, cols),
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::backward(self.log, call)
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

fn over(op: Softmax, x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    let x = match dtype {
        Some(d) => copy::to_dtype(x, d)?,
        None => x.clone(),
    };
    let dim = x.dim(op.name(), dim)?;
    if x.ndim() == 0 || dim + 1 == x.ndim() {
        return apply(op, &[x]);
    }
    let y = apply(op, &[view::transpose(&x, dim as i64, -1)?])?;
    view::transpose(&y, dim as i64, -1)
}

/// `x` scaled to a distribution along `dim`.
pub fn softmax(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    over(Softmax { log: false }, x, dim, dtype)
}

/// Logarithm of `softmax`, computed without taking it.
pub fn log_softmax(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    over(Softmax { log: true }, x, dim, dtype)
}
