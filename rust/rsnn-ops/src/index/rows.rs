//! index_select, index_add, index_copy, index_fill: whole rows along one dimension by a list of indices.
use super::kernel::{self, Lines, by_size, out_of_bounds};
use super::{ids, scalar_as};
use crate::autograd::Ctx;
use crate::copy::copy_into;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Dims, Result, bail, dispatch, ensure};
use smallvec::smallvec;

fn none(n: usize) -> Grads {
    Grads::from_elem(None, n)
}

/// Shape of `x` with `n` rows along `dim`; a 0-d tensor has one row and stays 0-d.
fn with_rows(shape: &[usize], dim: usize, n: usize) -> Dims {
    let mut s = Dims::from_slice(shape);
    if let Some(d) = s.get_mut(dim) {
        *d = n;
    }
    s
}

struct IndexSelect {
    dim: usize,
}

impl Op for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, index) = (&ins[0], &ins[1]);
        let n = index.numel();
        ensure!(
            x.ndim() > 0 || n == 1,
            Runtime,
            "index_select(): Index to scalar can have only 1 value, got {n} value(s)"
        );
        Ok(smallvec![Meta::new(&with_rows(x.shape(), self.dim, n), x.dtype(), x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, out, ids) = (&call.ins[0], &call.outs[0], call.input::<i64>(1));
        let lines = Lines::of(x.shape(), self.dim);
        ensure!(out_of_bounds(ids, lines.size).is_none(), Index, "index out of range in self");
        // SAFETY: indices were checked; input and output are contiguous of these shapes.
        by_size!(x.dtype(), T => unsafe { kernel::take_rows(x.ptr::<T>().cast_const(), out.ptr::<T>(), lines, ids) });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(none(2)) };
        let shape = cx.input_meta(0).shape.clone();
        Ok(smallvec![Some(apply(RowSum { dim: self.dim, shape }, &[g.clone(), cx.input(1)?])?), None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// Zeros of `shape` plus the rows of the input at their indices: the gradient of `index_select`.
struct RowSum {
    dim: usize,
    shape: Dims,
}

impl Op for RowSum {
    fn name(&self) -> &'static str {
        "index_select_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![Meta::new(&self.shape, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        crate::fill::fill_raw(out, 0.0)?;
        add_rows_into(out, self.dim, call.input(1), &call.ins[0], None)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(none(2)) };
        Ok(smallvec![Some(apply(IndexSelect { dim: self.dim }, &[g.clone(), cx.input(1)?])?), None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
}

/// `out[.., ids[j], ..] += alpha * src[.., j, ..]` on contiguous tensors of one dtype.
pub(crate) fn add_rows_into(out: &Tensor, dim: usize, ids: &[i64], src: &Tensor, alpha: Option<f64>) -> Result<()> {
    let lines = Lines::of(out.shape(), dim);
    ensure!(out.ndim() > 1 || kernel::out_of_bounds(ids, lines.size).is_none(), Index, "index out of range in self");
    kernel::check_bounds(ids, dim, lines.size)?;
    ensure!(src.numel() == lines.outer * ids.len() * lines.inner, Runtime, "index_add_(): source of wrong size");
    dispatch!(all, out.dtype(), T => {
        let alpha = alpha.map(<T as rsnn_core::Element>::from_f64);
        // SAFETY: indices and sizes were checked; both tensors are contiguous.
        unsafe { kernel::add_rows(out.ptr::<T>(), lines, ids, src.ptr::<T>().cast_const(), alpha) }
    });
    Ok(())
}

struct IndexAdd {
    dim: usize,
    alpha: f64,
}

impl Op for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, index, src) = (&ins[0], &ins[1], &ins[2]);
        ensure!(
            x.dtype() == src.dtype(),
            Runtime,
            "index_add_(): self ({}) and source ({}) must have the same scalar type",
            x.dtype().scalar_name(),
            src.dtype().scalar_name()
        );
        let rows = src.shape().get(self.dim).copied().unwrap_or(1);
        ensure!(
            index.numel() == rows,
            Runtime,
            "index_add_(): Number of indices ({}) should be equal to source.size(dim): ({rows}), for dim: {}",
            index.numel(),
            self.dim
        );
        ensure!(
            with_rows(x.shape(), self.dim, 1) == with_rows(src.shape(), self.dim, 1),
            Runtime,
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = {:?} source.shape = {:?}",
            x.shape(),
            src.shape()
        );
        Ok(smallvec![x.meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        copy_into(&call.ins[0], &call.outs[0])?;
        let alpha = (self.alpha != 1.0).then_some(self.alpha);
        add_rows_into(&call.outs[0], self.dim, call.input(1), &call.ins[2], alpha)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(none(3)) };
        let src = if cx.needs(2) {
            let rows = apply(IndexSelect { dim: self.dim }, &[g.clone(), cx.input(1)?])?;
            Some(if self.alpha == 1.0 { rows } else { crate::elementwise::scale(&rows, self.alpha)? })
        } else {
            None
        };
        Ok(smallvec![Some(g.clone()), None, src])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
}

struct IndexCopy {
    dim: usize,
}

fn slice_text(shape: &[usize], dim: usize) -> String {
    let rest: Vec<String> = shape.iter().enumerate().filter(|(d, _)| *d != dim).map(|(_, n)| n.to_string()).collect();
    rest.join(" ")
}

impl Op for IndexCopy {
    fn name(&self) -> &'static str {
        "index_copy"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, index, src) = (&ins[0], &ins[1], &ins[2]);
        ensure!(
            x.dtype() == src.dtype(),
            Runtime,
            "index_copy_(): self and source expected to have the same dtype, but got (self) {} and (source) {}",
            x.dtype().scalar_name(),
            src.dtype().scalar_name()
        );
        ensure!(
            with_rows(x.shape(), self.dim, 1) == with_rows(src.shape(), self.dim, 1),
            Runtime,
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: {} at dimension {} and source slice shape: {} at dimension 0.",
            slice_text(x.shape(), self.dim),
            self.dim,
            slice_text(src.shape(), self.dim)
        );
        let rows = src.shape().get(self.dim).copied().unwrap_or(1);
        ensure!(
            index.numel() == rows,
            Index,
            "index_copy_(): Number of indices ({}) should be equal to source.size(dim) ({rows})",
            index.numel()
        );
        Ok(smallvec![x.meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        copy_into(&call.ins[0], &call.outs[0])?;
        copy_rows_into(&call.outs[0], self.dim, call.input(1), &call.ins[2])
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(none(3)) };
        let index = cx.input(1)?;
        let x = if cx.needs(0) { Some(fill(g, self.dim, &index, &zero_of(g)?)?) } else { None };
        let src = if cx.needs(2) { Some(apply(IndexSelect { dim: self.dim }, &[g.clone(), index])?) } else { None };
        Ok(smallvec![x, None, src])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// `out[.., ids[j], ..] = src[.., j, ..]` on contiguous tensors of one dtype.
pub(crate) fn copy_rows_into(out: &Tensor, dim: usize, ids: &[i64], src: &Tensor) -> Result<()> {
    let lines = Lines::of(out.shape(), dim);
    if let Some(bad) = out_of_bounds(ids, lines.size) {
        bail!(Index, "index_copy_(): index {bad} is out of bounds for dimension {dim} with size {}", lines.size);
    }
    ensure!(src.numel() == lines.outer * ids.len() * lines.inner, Runtime, "index_copy_(): source of wrong size");
    // SAFETY: indices and sizes were checked; both tensors are contiguous.
    by_size!(out.dtype(), T => unsafe { kernel::copy_rows(out.ptr::<T>(), lines, ids, src.ptr::<T>().cast_const()) });
    Ok(())
}

fn zero_of(x: &Tensor) -> Result<Tensor> {
    crate::fill::full(&[], 0.0, x.dtype(), x.device())
}

struct IndexFill {
    dim: usize,
}

impl Op for IndexFill {
    fn name(&self) -> &'static str {
        "index_fill"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (out, ids) = (&call.outs[0], call.input::<i64>(1));
        copy_into(&call.ins[0], out)?;
        let lines = Lines::of(out.shape(), self.dim);
        kernel::check_bounds(ids, self.dim, lines.size)?;
        // SAFETY: indices were checked, the output is contiguous and the value has one element of its dtype.
        by_size!(out.dtype(), T => unsafe {
            kernel::fill_rows(out.ptr::<T>(), lines, ids, *call.ins[2].ptr::<T>())
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(none(3)) };
        let index = cx.input(1)?;
        let x = if cx.needs(0) { Some(fill(g, self.dim, &index, &zero_of(g)?)?) } else { None };
        let value = if cx.needs(2) {
            // An index listed twice is filled once: what stays is what the fill took from the sum.
            let all = crate::reduce::sum(g, &[], false, None)?;
            let kept = crate::reduce::sum(&fill(g, self.dim, &index, &zero_of(g)?)?, &[], false, None)?;
            Some(crate::elementwise::sub(&all, &kept)?)
        } else {
            None
        };
        Ok(smallvec![x, None, value])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

fn fill(x: &Tensor, dim: usize, ids: &Tensor, value: &Tensor) -> Result<Tensor> {
    apply(IndexFill { dim }, &[x.clone(), ids.clone(), value.clone()])
}

/// `x.index_select(dim, index)`.
pub fn index_select(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let dim = x.dim("index_select", dim)?;
    ensure!(index.ndim() <= 1, Index, "index_select(): Index is supposed to be a vector");
    ensure!(
        matches!(index.dtype(), DType::I64 | DType::I32),
        Runtime,
        "index_select(): Expected dtype int32 or int64 for index"
    );
    apply(IndexSelect { dim }, &[x.clone(), ids("index_select", index)?])
}

/// `x.index_add(dim, index, source, alpha)`.
pub fn index_add(x: &Tensor, dim: i64, index: &Tensor, source: &Tensor, alpha: f64) -> Result<Tensor> {
    let dim = x.dim("index_add", dim)?;
    ensure!(
        index.ndim() <= 1,
        Index,
        "index_add_(): Index is supposed to be a vector, but got dim: {} with type: {} and size: {:?}",
        index.ndim(),
        index.dtype().scalar_name(),
        index.shape()
    );
    ensure!(
        matches!(index.dtype(), DType::I64 | DType::I32),
        Runtime,
        "index_add_(): Expected dtype int32/int64 for index but got: {}",
        index.dtype().scalar_name()
    );
    apply(IndexAdd { dim, alpha }, &[x.clone(), ids("index_add", index)?, source.clone()])
}

/// `x.index_copy(dim, index, source)`.
pub fn index_copy(x: &Tensor, dim: i64, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    let dim = x.dim("index_copy", dim)?;
    ensure!(index.ndim() <= 1, Index, "index_copy_(): Index should have dimension 1 or 0 (got {})", index.ndim());
    ensure!(
        index.dtype() == DType::I64,
        Runtime,
        "index_copy_(): Expected a long tensor for index, but got {}",
        index.dtype().scalar_name()
    );
    apply(IndexCopy { dim }, &[x.clone(), ids("index_copy", index)?, source.clone()])
}

/// `x.index_fill(dim, index, value)` with a number or 0-d tensor; negative indices count from the end.
pub fn index_fill(x: &Tensor, dim: i64, index: &Tensor, value: &Tensor) -> Result<Tensor> {
    let dim = x.dim("index_fill", dim)?;
    ensure!(index.dtype() == DType::I64, Index, "index_fill_(): Expected dtype int64 for index.");
    ensure!(index.ndim() <= 1, Runtime, "Index has to be a vector/scalar");
    ensure!(
        value.ndim() == 0,
        Runtime,
        "index_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
        value.ndim()
    );
    let size = x.shape().get(dim).copied().unwrap_or(1);
    let wrapped = super::wrapped(&ids("index_fill", index)?, dim, size)?;
    fill(x, dim, &wrapped, &scalar_as(value, x.dtype())?)
}
