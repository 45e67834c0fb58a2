//! cat and stack, and the views that take tensors apart: split, chunk, unbind.
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::elementwise::result_type;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Dims, Result, bail, ensure};
use rsnn_cpu::moves::{Piece, join};
use smallvec::smallvec;

struct Cat {
    dim: usize,
    dtype: DType,
}

/// Any rank may be joined with a 1-d tensor without elements; among higher ranks it counts for nothing.
fn is_legacy_empty(t: &Tensor) -> bool {
    t.shape() == [0]
}

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let first = &ins[0];
        let mut shape = Dims::from_slice(first.shape());
        shape[self.dim] = 0;
        for (at, t) in ins.iter().enumerate() {
            ensure!(
                t.ndim() == first.ndim(),
                Runtime,
                "Tensors must have same number of dimensions: got {} and {}",
                first.ndim(),
                t.ndim()
            );
            for d in (0..t.ndim()).filter(|&d| d != self.dim) {
                ensure!(
                    t.shape()[d] == shape[d],
                    Runtime,
                    "Sizes of tensors must match except in dimension {}. Expected size {} but got size {} for tensor number {at} in the list.",
                    self.dim,
                    shape[d],
                    t.shape()[d]
                );
            }
            shape[self.dim] += t.shape()[self.dim];
        }
        Ok(smallvec![Meta { shape, dtype: self.dtype, device: first.device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        let full = call.ins.iter().filter(|t| t.numel() > 0);
        let pieces: Option<Vec<Piece>> = full.map(|t| self.piece(t)).collect();
        let Some(pieces) = pieces.filter(|_| out.is_contiguous()) else { return self.copy(call.ins, out) };
        let rows = out.shape()[..self.dim].iter().product();
        // SAFETY: a piece has as many rows as the output, and the lengths of all pieces add up to those of its rows.
        unsafe { join(&pieces, rows, start_of(out)) };
        Ok(())
    }
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        self.copy(call.ins, &call.outs[0])
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let n = cx.num_inputs();
        let Some(g) = &grads[0] else { return Ok(Grads::from_elem(None, n)) };
        let mut start = 0;
        Ok((0..n)
            .map(|i| {
                let len = cx.input_meta(i).shape[self.dim];
                start += len;
                cx.needs(i).then(|| view::slice(g, self.dim, start - len, len, 1))
            })
            .collect())
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// The first byte of the first element.
fn start_of(t: &Tensor) -> *mut u8 {
    t.storage().ptr().wrapping_add(t.layout().offset * t.dtype().size())
}

impl Cat {
    /// `t` as rows of bytes: what lies inside the joined dimension has no gaps, and what lies outside steps evenly.
    fn piece(&self, t: &Tensor) -> Option<Piece> {
        const SHORT: usize = 32;
        let size = t.dtype().size();
        let (outer, inner) = t.shape().split_at(self.dim);
        let len = inner.iter().product::<usize>() * size;
        if t.dtype() != self.dtype || len < SHORT {
            return None;
        }
        let (outer_steps, inner_steps) = t.strides().split_at(self.dim);
        let even = |shape: &[usize], steps: &[isize], first: Option<isize>| {
            let (mut step, mut next) = (first, first);
            for (&d, &s) in shape.iter().zip(steps).rev().filter(|(d, _)| **d != 1) {
                if next.is_some_and(|n| n != s) {
                    return None;
                }
                step = step.or(Some(s));
                next = Some(s * d as isize);
            }
            Some(step.unwrap_or(0))
        };
        even(inner, inner_steps, Some(1))?;
        let step = even(outer, outer_steps, None)?;
        Some(Piece { from: start_of(t), step: step * size as isize, len })
    }

    fn copy(&self, ins: &[Tensor], out: &Tensor) -> Result<()> {
        let mut start = 0;
        for t in ins {
            let len = t.shape()[self.dim];
            let part = view::View::Slice { dim: self.dim, start, step: 1, len };
            if t.numel() > 0 {
                crate::copy::copy_into(t, &out.alias(part.layout(out.layout())))?;
            }
            start += len;
        }
        Ok(())
    }
}

/// `cat(tensors, dim)`.
pub fn cat(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    ensure!(!tensors.is_empty(), Value, "cat(): expected a non-empty list of Tensors");
    if let Some(at) = tensors.iter().position(|t| t.ndim() == 0) {
        bail!(Runtime, "zero-dimensional tensor (at position {at}) cannot be concatenated");
    }
    let dtype = result_type(tensors);
    let flat = tensors.iter().all(|t| t.ndim() == 1);
    let real: Vec<Tensor> = tensors.iter().filter(|t| flat || !is_legacy_empty(t)).cloned().collect();
    let Some(first) = real.first() else { bail!(Runtime, "cat(): expected a tensor that is not empty") };
    let dim = first.dim("cat", dim)?;
    apply(Cat { dim, dtype }, &real)
}

/// `stack(tensors, dim)`.
pub fn stack(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    ensure!(!tensors.is_empty(), Runtime, "stack expects a non-empty TensorList");
    let shape = tensors[0].shape();
    let dim = crate::tensor::wrap_dim("stack", dim, tensors[0].ndim() + 1)?;
    for (i, t) in tensors.iter().enumerate() {
        ensure!(
            t.shape() == shape,
            Runtime,
            "stack expects each tensor to be equal size, but got {shape:?} at entry 0 and {:?} at entry {i}",
            t.shape()
        );
    }
    let wide: Vec<Tensor> = tensors.iter().map(|t| view::unsqueeze(t, dim as i64)).collect::<Result<_>>()?;
    let dtype = result_type(tensors);
    apply(Cat { dim, dtype }, &wide)
}

/// `x.split(sizes, dim)`: views of the given lengths.
pub fn split_with_sizes(x: &Tensor, sizes: &[i64], dim: i64) -> Result<Vec<Tensor>> {
    ensure!(x.ndim() > 0, Runtime, "split expects at least a 1-dimensional tensor");
    let dim = x.dim("split_with_sizes", dim)?;
    let size = x.shape()[dim];
    ensure!(
        sizes.iter().all(|&s| s >= 0),
        Runtime,
        "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes:?}"
    );
    ensure!(
        sizes.iter().map(|&s| s as i128).sum::<i128>() == size as i128,
        Runtime,
        "split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), but got split_sizes={sizes:?}"
    );
    let mut start = 0;
    Ok(sizes
        .iter()
        .map(|&s| {
            start += s as usize;
            view::slice(x, dim, start - s as usize, s as usize, 1)
        })
        .collect())
}

/// `x.split(size, dim)`: views of `size` rows each, the last one maybe shorter.
pub fn split(x: &Tensor, size: i64, dim: i64) -> Result<Vec<Tensor>> {
    ensure!(x.ndim() > 0, Runtime, "split expects at least a 1-dimensional tensor");
    let dim = x.dim("split", dim)?;
    let n = x.shape()[dim] as i64;
    ensure!(size >= 0, Runtime, "split expects split_size be non-negative, but got split_size={size}");
    ensure!(
        size > 0 || n == 0,
        Runtime,
        "split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
    );
    let count = if size == 0 { 1 } else { ((n + size - 1) / size).max(1) };
    let sizes: Vec<i64> = (0..count).map(|i| size.min(n - i * size)).collect();
    split_with_sizes(x, &sizes, dim as i64)
}

/// `x.chunk(chunks, dim)`: at most `chunks` views of equal length.
pub fn chunk(x: &Tensor, chunks: i64, dim: i64) -> Result<Vec<Tensor>> {
    ensure!(x.ndim() > 0, Runtime, "chunk expects at least a 1-dimensional tensor");
    ensure!(chunks > 0, Runtime, "chunk expects `chunks` to be greater than 0, got: {chunks}");
    let d = x.dim("chunk", dim)?;
    let n = x.shape()[d] as i64;
    if n == 0 {
        ensure!(chunks <= 1 << 24, Runtime, "chunk: {chunks} chunks are too many");
        return split_with_sizes(x, &vec![0; chunks as usize], dim);
    }
    split(x, (n + chunks - 1) / chunks, dim)
}

/// `x.unbind(dim)`: one view per row.
pub fn unbind(x: &Tensor, dim: i64) -> Result<Vec<Tensor>> {
    ensure!(x.ndim() > 0, Index, "Dimension specified as {dim} but tensor has no dimensions");
    let dim = x.dim("unbind", dim)?;
    (0..x.shape()[dim]).map(|i| view::select(x, dim as i64, i as i64)).collect()
}
