//! `glu(x) = a sigmoid(b)`, `a` and `b` the halves of `x` along a dimension.
use crate::autograd::Ctx;
use crate::elementwise::mul;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::tensor::{Meta, Tensor};
use crate::{unary, view};
use rsnn_core::{Device, Result, dispatch, ensure};
use rsnn_cpu::rows::gate;
use smallvec::smallvec;

#[derive(Clone, Copy)]
struct Glu {
    dim: usize,
}

impl Glu {
    /// Elements of one half of a row.
    fn columns(self, x: &Tensor) -> usize {
        x.shape()[self.dim..].iter().product::<usize>() / 2
    }
    fn meaning(self, x: &Tensor) -> Result<Tensor> {
        let (dim, half) = (self.dim as i64, (x.shape()[self.dim] / 2) as i64);
        mul(&view::narrow(x, dim, 0, half)?, &unary::apply_named("sigmoid", &view::narrow(x, dim, half, half)?)?)
    }
}

impl Op for Glu {
    fn name(&self) -> &'static str {
        "glu"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(x.dtype().is_float(), Runtime, "\"glu_cpu\" not implemented for '{}'", x.dtype().scalar_name());
        let mut shape = x.meta().shape;
        shape[self.dim] /= 2;
        Ok(smallvec![Meta { shape, dtype: x.dtype(), device: x.device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let half = self.columns(&call.ins[0]);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => gate::forward::<T>(call.input(0), call.output(0), half));
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(apply(GluBackward(*self), &[cx.input(0)?, g.clone()])?)])
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(&ins[0]).map(|y| smallvec![y]))
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
}

/// `(x, g) -> dx`; only reached when no second derivative is asked for.
struct GluBackward(Glu);

impl Op for GluBackward {
    fn name(&self) -> &'static str {
        "glu_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let half = self.0.columns(&call.ins[0]);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            gate::backward::<T>(call.input(0), call.input(1), call.output(0), half);
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

/// `dim` is one whose size is even.
pub fn glu(x: &Tensor, dim: i64) -> Result<Tensor> {
    let op = Glu { dim: x.dim("glu", dim)? };
    if x.device() == Device::Cpu { apply(op, std::slice::from_ref(x)) } else { op.meaning(x) }
}
