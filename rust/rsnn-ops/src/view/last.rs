//! Channels last: `(N, C, *)` that lies in memory as `(N, *, C)`.
use super::View;
use crate::copy::contiguous;
use crate::op::{CpuCall, Tensors};
use crate::tensor::{Meta, Tensor};
use rsnn_core::Result;

/// `(N, C, *)` seen as `(N, *, C)`, without history.
fn moved(x: &Tensor) -> Tensor {
    let order = std::iter::once(0).chain(2..x.ndim()).chain(std::iter::once(1));
    x.alias(View::Permute(order.collect()).layout(x.layout()))
}

fn is_last(x: &Tensor) -> bool {
    x.ndim() > 2 && !x.is_contiguous() && moved(x).is_contiguous()
}

/// An empty tensor of shape `(N, C, *)` that lies in memory as `x` does: channels last, or contiguous.
pub(crate) fn empty_like(meta: &Meta, x: &Tensor) -> Result<Tensor> {
    if !is_last(x) {
        return Tensor::empty_meta(meta);
    }
    let mut shape = meta.shape.clone();
    let channels = shape.remove(1);
    shape.push(channels);
    let y = Tensor::empty(&shape, meta.dtype, meta.device)?;
    let order = [0, shape.len() - 1].into_iter().chain(1..shape.len() - 1).collect();
    Ok(y.alias(View::Permute(order).layout(y.layout())))
}

/// The tensors of a call for kernels that know both layouts, and whether it is channels last: if input `x` and output 0
/// are, they and the inputs before `x` come as `(N, *, C)`. All inputs are contiguous.
pub(crate) fn arranged(call: &CpuCall, x: usize) -> Result<(bool, Tensors, Tensors)> {
    let last = is_last(&call.ins[x]) && is_last(&call.outs[0]);
    let ready = |(i, t): (usize, &Tensor)| contiguous(&if last && i <= x { moved(t) } else { t.clone() });
    let ins = call.ins.iter().enumerate().map(ready).collect::<Result<_>>()?;
    let mut outs: Tensors = call.outs.iter().cloned().collect();
    if last {
        outs[0] = moved(&outs[0]);
    }
    Ok((last, ins, outs))
}
