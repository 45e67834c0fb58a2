//! local_response_norm: `x / (k + alpha * mean of squares over neighbouring channels)^beta` (Krizhevsky et al. 2012).
use crate::autograd::Ctx;
use crate::elementwise::{add, div, mul, pow, scale};
use crate::op::{CpuCall, Grads, Metas, Op, Tensors, apply};
use crate::reduce::{axis, sum};
use crate::tensor::Tensor;
use crate::{fill, join, view};
use rsnn_core::{DType, Device, Result, dispatch, ensure};
use rsnn_cpu::rows::response_norm::{self as rows, ResponseNorm};

#[derive(Clone, Copy)]
struct Norm(ResponseNorm);

impl Norm {
    fn meaning(&self, x: &Tensor) -> Result<Tensor> {
        let ResponseNorm { size, alpha, beta, k } = self.0;
        let zeros = |channels: usize| {
            let mut shape = x.shape().to_vec();
            shape[1] = channels;
            fill::zeros(&shape, x.dtype(), x.device())
        };
        let padded = join::cat(&[zeros(size / 2)?, mul(x, x)?, zeros((size - 1) / 2)?], 1)?;
        let window = sum(&view::unfold(&padded, 1, size as i64, 1)?, &[-1], false, None)?;
        let number = |v: f64| Tensor::number(v, DType::F64);
        let d = add(&scale(&window, alpha / size as f64)?, &number(k)?)?;
        div(x, &pow(&d, &number(beta)?)?)
    }
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "local_response_norm"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        ensure!(
            ins[0].dtype().is_float(),
            NotImplemented,
            "\"local_response_norm\" not implemented for '{}'",
            ins[0].dtype().scalar_name()
        );
        Ok(smallvec::smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), 1);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            rows::response_norm(call.input::<T>(0), call.output(0), axis, self.0)
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        Ok(smallvec::smallvec![Some(apply(Backward(self.0), &[g.detach(), cx.input(0)?.detach()])?)])
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(&ins[0]).map(|y| smallvec::smallvec![y]))
    }
}

/// `(dy, x) -> dx`
struct Backward(ResponseNorm);

impl Op for Backward {
    fn name(&self) -> &'static str {
        "local_response_norm_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[1].shape(), 1);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            rows::response_norm_backward(call.input::<T>(0), call.input(1), call.output(0), axis, self.0)
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

/// `x` of at least two dimensions, channels second, with windows of `size` channels.
pub fn local_response_norm(x: &Tensor, size: i64, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
    ensure!(x.ndim() >= 2, Runtime, "local_response_norm: expected at least 2 dimensions, got {}", x.ndim());
    ensure!(size > 0, Runtime, "kernel size should be greater than zero, but got kH: {size} kW: 1");
    let op = Norm(ResponseNorm { size: size as usize, alpha, beta, k });
    if x.device() != Device::Cpu {
        return op.meaning(x);
    }
    apply(op, std::slice::from_ref(x))
}
