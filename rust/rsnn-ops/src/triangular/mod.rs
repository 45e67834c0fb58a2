//! tril, triu and the index lists of triangles.
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::index::kernel::by_size;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Result, ensure};
use rsnn_cpu::pool::{self, SendPtr};
use smallvec::smallvec;
use std::ops::Range;

/// Keeps `column - row <= diagonal` (lower) or `>= diagonal` (upper) of each matrix.
#[derive(Clone, Copy)]
struct Triangle {
    upper: bool,
    diagonal: i64,
}

impl Op for Triangle {
    fn name(&self) -> &'static str {
        if self.upper { "triu" } else { "tril" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        ensure!(ins[0].ndim() >= 2, Runtime, "{}: input tensor must have at least 2 dimensions", self.name());
        Ok(smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, out) = (&call.ins[0], &call.outs[0]);
        let [.., m, n] = *x.shape() else { return Ok(()) };
        by_size!(x.dtype(), T => self.copy::<T>(x.ptr(), out.ptr(), x.numel() / (m * n).max(1), m, n));
        Ok(())
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        grads.iter().map(|g| g.as_ref().map(|g| apply(*self, std::slice::from_ref(g))).transpose()).collect()
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

impl Triangle {
    fn copy<T: Copy + Default>(&self, x: *mut T, out: *mut T, matrices: usize, m: usize, n: usize) {
        let (x, out, rows) = (SendPtr(x), SendPtr(out), matrices * m);
        let chunks = pool::split(rows, (32 * 1024 / n.max(1)).max(1));
        pool::for_each_chunk(chunks, |c| {
            for row in pool::range(rows, chunks, c) {
                let edge = (row % m) as i64 + i64::from(!self.upper);
                let edge = edge.saturating_add(self.diagonal).clamp(0, n as i64) as usize;
                let kept = if self.upper { edge..n } else { 0..edge };
                // SAFETY: both tensors have `rows` rows of `n` elements and chunks own disjoint rows.
                unsafe {
                    let to = std::slice::from_raw_parts_mut(out.get().add(row * n), n);
                    let from = std::slice::from_raw_parts(x.get().add(row * n), n);
                    to[..kept.start].fill(T::default());
                    to[kept.clone()].copy_from_slice(&from[kept.clone()]);
                    to[kept.end..].fill(T::default());
                }
            }
        });
    }
}

/// `x.tril(diagonal)`.
pub fn tril(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    apply(Triangle { upper: false, diagonal }, std::slice::from_ref(x))
}

/// `x.triu(diagonal)`.
pub fn triu(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    apply(Triangle { upper: true, diagonal }, std::slice::from_ref(x))
}

/// Indices of the columns `columns(r)` of each row in `range`; both lie inside the matrix.
fn triangle_indices(range: Range<i64>, dtype: DType, columns: impl Fn(i64) -> Range<i64>) -> Result<Tensor> {
    // Every row of the range has a column, so this refuses what memory cannot hold before anything is counted.
    Tensor::empty(&[2, (range.end - range.start).max(0) as usize], DType::I64, Device::Cpu)?;
    let width = |r: i64| (columns(r).end - columns(r).start) as usize;
    let total = range.clone().try_fold(0usize, |sum, r| sum.checked_add(width(r))).unwrap_or(usize::MAX);
    let t = Tensor::empty(&[2, total], DType::I64, Device::Cpu)?;
    let (rows, cols) = t.as_mut_slice::<i64>().split_at_mut(total);
    let places = range.flat_map(|r| columns(r).map(move |c| (r, c)));
    for ((row, col), (r, c)) in rows.iter_mut().zip(cols).zip(places) {
        (*row, *col) = (r, c);
    }
    if dtype == DType::I64 { Ok(t) } else { crate::copy::cast(&t, dtype) }
}

fn check_sizes(rows: i64, cols: i64) -> Result<()> {
    ensure!(rows >= 0, Runtime, "row must be non-negative, got{rows}");
    ensure!(cols >= 0, Runtime, "col must be non-negative, got{cols}");
    Ok(())
}

/// Rows and columns of the lower triangle, one row of the result each.
pub fn tril_indices(rows: i64, cols: i64, offset: i64, dtype: DType, device: Device) -> Result<Tensor> {
    check_sizes(rows, cols)?;
    let first = if cols == 0 { rows } else { offset.saturating_neg().clamp(0, rows) };
    let columns = |r: i64| 0..r.saturating_add(offset).saturating_add(1).clamp(0, cols);
    crate::device::to(&triangle_indices(first..rows, dtype, columns)?, device)
}

/// Rows and columns of the upper triangle.
pub fn triu_indices(rows: i64, cols: i64, offset: i64, dtype: DType, device: Device) -> Result<Tensor> {
    check_sizes(rows, cols)?;
    let last = if cols == 0 { 0 } else { cols.saturating_sub(offset).clamp(0, rows) };
    let columns = |r: i64| r.saturating_add(offset).clamp(0, cols)..cols;
    crate::device::to(&triangle_indices(0..last, dtype, columns)?, device)
}
