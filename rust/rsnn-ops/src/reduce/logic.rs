//! `any`, `all` and `count_nonzero`. No gradient.
use super::{Plan, dispatch_ordered};
use crate::autograd::Ctx;
use crate::elementwise::Binary;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Result};
use rsnn_cpu::rows::reduce as rows;

struct Logic {
    plan: Plan,
    any: bool,
}

impl Op for Logic {
    fn name(&self) -> &'static str {
        if self.any { "any" } else { "all" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.plan.shape(ins[0].shape()), DType::Bool, ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, axis) = self.plan.arrange(&call.ins[0])?;
        dispatch_ordered!(x.dtype(), self.name(), T => match self.any {
            true => rows::any(x.as_slice::<T>(), call.output(0), axis),
            false => rows::all(x.as_slice::<T>(), call.output(0), axis),
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
}

fn logic(x: &Tensor, dims: &[i64], keepdim: bool, any: bool) -> Result<Tensor> {
    let plan = Plan::new(if any { "any" } else { "all" }, x, dims, keepdim)?;
    let y = apply(Logic { plan, any }, std::slice::from_ref(x))?;
    // torch keeps uint8, its bool of old.
    if x.dtype() == DType::U8 { crate::copy::to_dtype(&y, DType::U8) } else { Ok(y) }
}

/// Whether any element over `dims` is not zero.
pub fn any(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    logic(x, dims, keepdim, true)
}

/// Whether every element over `dims` is not zero.
pub fn all(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    logic(x, dims, keepdim, false)
}

/// Number of elements over `dims` that are not zero.
pub fn count_nonzero(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let zero = crate::fill::full(&[], 0.0, x.dtype(), x.device())?;
    super::sum(&apply(Binary::Ne, &[x.detach(), zero])?, dims, false, None)
}
