//! Order along a dimension: sort and argsort (stable, NaN last) here; selections, unique and searches in their files.
mod choose;
mod key;
mod search;
#[cfg(test)]
mod tests;
mod unique;

pub use choose::{kthvalue, median, median_all, mode, nanmedian, nanmedian_all, topk};
pub use search::{bincount, bucketize, histc, searchsorted};
pub use unique::{unique, unique_consecutive};

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply_all};
use crate::reduce::{axis, dispatch_ordered};
use crate::scan::scatter_sum;
use crate::tensor::{Meta, Tensor};
use key::{Key, lines};
use rsnn_core::{DType, Result};
use rsnn_cpu::pool::SendPtr;
use std::sync::Arc;

struct Sort {
    dim: usize,
    descending: bool,
}

impl Op for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        Ok(smallvec::smallvec![x.meta(), Meta::new(x.shape(), DType::I64, x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch_ordered!(call.ins[0].dtype(), "sort", T => {
            let x = call.input::<T>(0);
            let (out, index) = (SendPtr(call.outs[0].ptr::<T>()), SendPtr(call.outs[1].ptr::<i64>()));
            lines(axis, |line, buffer| {
                T::order(x, line, self.descending, buffer, |keys| keys.sort_unstable(), |keys| keys.sort_unstable());
                buffer.each(|r, i| {
                    // SAFETY: the outputs are as large as `x`; each place of a line is written once.
                    unsafe {
                        *out.get().add(line.at(r)) = x[line.at(i)];
                        *index.get().add(line.at(r)) = i as i64;
                    }
                });
            });
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        Ok(smallvec::smallvec![Some(scatter_sum(shape, self.dim, &cx.output(1)?, g)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 2 }
    }
}

/// Sorted values along `dim` and where they came from; equal elements keep their order, NaN is largest.
pub fn sort(x: &Tensor, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    let dim = x.dim("sort", dim)?;
    let outs = apply_all(Arc::new(Sort { dim, descending }), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}

/// The places of `sort`.
pub fn argsort(x: &Tensor, dim: i64, descending: bool) -> Result<Tensor> {
    Ok(sort(&x.detach(), dim, descending)?.1)
}
