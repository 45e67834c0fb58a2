//! softmax and log_softmax over one dimension. `softmax(x)_i = exp(x_i - m) / sum_j exp(x_j - m)`, `m` the largest element.
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::autograd::Ctx;
use crate::elementwise::{div, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::reduce::axis;
use crate::tensor::Tensor;
use crate::{copy, reduce, unary, view};
use rsnn_core::{DType, Device, Result, dispatch, ensure};
use rsnn_cpu::rows;

/// Over dimension `dim`, on the GPU the last one.
#[derive(Clone, Copy)]
struct Softmax {
    log: bool,
    dim: usize,
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
        let a = axis(call.ins[0].shape(), self.dim);
        let f = self.log;
        dispatch!(float, call.outs[0].dtype(), self.name(), T => match (f, a.inner) {
            (true, 1) => rows::softmax::log_softmax::<T>(call.input(0), call.output(0), a.outer, a.len),
            (false, 1) => rows::softmax::softmax::<T>(call.input(0), call.output(0), a.outer, a.len),
            (true, _) => rows::soft_columns::log_softmax::<T>(call.input(0), call.output(0), a),
            (false, _) => rows::soft_columns::softmax::<T>(call.input(0), call.output(0), a),
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::forward(self.log, call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        Ok(smallvec::smallvec![Some(apply(SoftmaxBackward(*self), &[g.clone(), cx.output(0)?])?)])
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
        let max = reduce::amax(&x.detach(), &[self.dim as i64], true)?;
        let shifted = sub(x, &max)?;
        let e = unary::apply_named("exp", &shifted)?;
        let total = reduce::sum(&e, &[self.dim as i64], true, None)?;
        if self.log { sub(&shifted, &unary::apply_named("log", &total)?) } else { div(&e, &total) }
    }
}

/// `(dy, y) -> dx`; only reached when no second derivative is asked for.
struct SoftmaxBackward(Softmax);

impl Op for SoftmaxBackward {
    fn name(&self) -> &'static str {
        if self.0.log { "log_softmax_backward" } else { "softmax_backward" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let a = axis(call.ins[1].shape(), self.0.dim);
        let f = self.0.log;
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let (dy, y, dx) = (call.input::<T>(0), call.input(1), call.output(0));
            match (f, a.inner) {
                (true, 1) => rows::softmax::log_softmax_backward(dy, y, dx, a.outer, a.len),
                (false, 1) => rows::softmax::softmax_backward(dy, y, dx, a.outer, a.len),
                (true, _) => rows::soft_columns::log_softmax_backward(dy, y, dx, a),
                (false, _) => rows::soft_columns::softmax_backward(dy, y, dx, a),
            }
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::backward(self.0.log, call)
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

fn over(log: bool, x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    let x = match dtype {
        Some(d) => copy::to_dtype(x, d)?,
        None => x.clone(),
    };
    let mut op = Softmax { log, dim: 0 };
    op.dim = x.dim(op.name(), dim)?;
    if x.device() == Device::Cpu || op.dim + 1 >= x.ndim() {
        return apply(op, &[x]);
    }
    let last = Softmax { dim: x.ndim() - 1, ..op };
    let y = apply(last, &[view::transpose(&x, dim, -1)?])?;
    view::transpose(&y, dim, -1)
}

/// `x` scaled to a distribution along `dim`.
pub fn softmax(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    over(false, x, dim, dtype)
}

/// Logarithm of `softmax`, computed without taking it.
pub fn log_softmax(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    over(true, x, dim, dtype)
}
