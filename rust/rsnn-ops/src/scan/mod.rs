//! Passes along one dimension: cumsum, cumprod, cummax, cummin, logcumsumexp, and the two that their gradients are made of.
mod extreme;
mod log;
mod recur;
#[cfg(test)]
mod tests;

pub use extreme::{cummax, cummin};
pub use log::logcumsumexp;
pub use recur::{recur, shift};

use crate::autograd::Ctx;
use crate::elementwise::mul;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::reduce::{axis, dispatch_ordered};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Result};
use rsnn_cpu::rows::scan as rows;

/// Zeros of `shape` with the elements of `g` added at `index` along `dim`: the gradient of picking.
pub(crate) fn scatter_sum(shape: &[usize], dim: usize, index: &Tensor, g: &Tensor) -> Result<Tensor> {
    let zeros = crate::view::expand(&crate::fill::zeros(&[], g.dtype(), g.device())?, shape)?;
    crate::index::scatter_add(&zeros, dim as i64, index, g)
}

/// Running sum or product; `reverse` runs from the end.
struct Running {
    dim: usize,
    reverse: bool,
    product: bool,
}

impl Op for Running {
    fn name(&self) -> &'static str {
        if self.product { "cumprod" } else { "cumsum" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        let dtype = if x.dtype().is_float() { x.dtype() } else { DType::I64 };
        Ok(smallvec::smallvec![Meta::new(x.shape(), dtype, x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch_ordered!(call.ins[0].dtype(), self.name(), T => {
            match self.product {
                true => rows::cumprod(call.input::<T>(0), call.output(0), axis, self.reverse),
                false => rows::cumsum(call.input::<T>(0), call.output(0), axis, self.reverse),
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let back = !self.reverse;
        if !self.product {
            return Ok(smallvec::smallvec![Some(apply(
                Running { dim: self.dim, reverse: back, product: false },
                std::slice::from_ref(g)
            )?)]);
        }
        // The product of what comes before, times the gradients of all that comes after.
        let before = shift(&cx.output(0)?, self.dim, self.reverse, 1.0)?;
        let after = recur(&cx.input(0)?, g, self.dim, back, true)?;
        Ok(smallvec::smallvec![Some(mul(&before, &after)?)])
    }
    fn saves(&self) -> Saves {
        if self.product { Saves::ALL } else { Saves::NONE }
    }
}

fn cumulative(x: &Tensor, dim: i64, dtype: Option<DType>, product: bool) -> Result<Tensor> {
    let to = dtype.unwrap_or(if x.dtype().is_float() { x.dtype() } else { DType::I64 });
    let op = Running { dim: x.dim(if product { "cumprod" } else { "cumsum" }, dim)?, reverse: false, product };
    let x = crate::copy::to_dtype(x, to)?;
    crate::copy::to_dtype(&apply(op, &[x])?, to)
}

/// Running sum along `dim`; integers and bool add up in int64.
pub fn cumsum(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    cumulative(x, dim, dtype, false)
}

/// Running product along `dim`.
pub fn cumprod(x: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> {
    cumulative(x, dim, dtype, true)
}

/// Running product from either end.
pub(crate) fn cumprod_from(x: &Tensor, dim: usize, reverse: bool) -> Result<Tensor> {
    apply(Running { dim, reverse, product: true }, std::slice::from_ref(x))
}
