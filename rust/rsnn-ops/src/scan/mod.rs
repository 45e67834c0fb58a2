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
use rsnn_cpu::pool;
use rsnn_cpu::rows::reduce::{Axis, Sum};

/// Calls `f(state, at)` for every element in order along `len`; each line of elements has a state of its own.
pub(crate) fn steps<S: Copy + Send + Sync>(axis: Axis, reverse: bool, init: S, f: impl Fn(&mut S, usize) + Sync) {
    let Axis { outer, len, inner } = axis;
    let chunks = pool::split(outer, (1usize << 15) / (len * inner).max(1));
    pool::for_each_chunk(chunks, |c| {
        let mut states = vec![init; inner];
        for o in pool::range(outer, chunks, c) {
            states.fill(init);
            for r in 0..len {
                let at = (o * len + if reverse { len - 1 - r } else { r }) * inner;
                for (i, state) in states.iter_mut().enumerate() {
                    f(state, at + i);
                }
            }
        }
    });
}

/// Zeros of `shape` with the elements of `g` added at `index` along `dim`: the gradient of picking.
pub(crate) fn scatter_sum(shape: &[usize], dim: usize, index: &Tensor, g: &Tensor) -> Result<Tensor> {
    let zeros = crate::fill::zeros(shape, g.dtype(), g.device())?;
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
            let (x, out) = (call.input::<T>(0), call.outs[0].ptr::<<T as Sum>::Out>());
            match self.product {
                true => running(x, out, axis, self.reverse, <T as Sum>::ONE, <T as Sum>::mul),
                false => running(x, out, axis, self.reverse, <T as Sum>::ZERO, <T as Sum>::add),
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

fn running<T: Sum>(
    x: &[T],
    out: *mut T::Out,
    axis: Axis,
    reverse: bool,
    start: T::Acc,
    op: impl Fn(T::Acc, T::Acc) -> T::Acc + Sync,
) {
    let out = pool::SendPtr(out);
    steps(axis, reverse, start, |state, at| {
        *state = op(*state, x[at].widen());
        // SAFETY: the output has as many elements as `x`, and each is written once.
        unsafe { *out.get().add(at) = T::narrow(*state) };
    });
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
