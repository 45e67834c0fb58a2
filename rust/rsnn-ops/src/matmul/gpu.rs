//! Batched matrix products on the GPU: one tiled float32 kernel that reads any strides.
use crate::gpu::{buffer, f32_only, lift, words};
use crate::op::GpuCall;
use crate::tensor::Tensor;
use crate::{copy, view};
use rsnn_core::Result;
use rsnn_gpu::{Binding, Kernel, Params, index_u32};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// `c = a b` over broadcast batches.
pub(super) fn run(call: &GpuCall) -> Result<()> {
    f32_only("matmul", call)?;
    let (a, b, c) = (&call.ins[0], &call.ins[1], &call.outs[0]);
    let lead = c.ndim() - 2;
    if lead <= 2 {
        return launch(a, b, c);
    }
    // More batch dimensions than the kernel walks: one dense dimension instead.
    let batch: usize = c.shape()[..lead].iter().product();
    let flat = |t: &Tensor| {
        let tail = &t.shape()[t.ndim() - 2..];
        let mut shape = c.shape()[..lead].to_vec();
        shape.extend(tail);
        let full = copy::contiguous(&view::expand(&t.detach(), &shape)?)?;
        view::reshape(&full, &[batch, tail[0], tail[1]])
    };
    launch(&flat(a)?, &flat(b)?, &view::reshape(&c.detach(), &[batch, c.shape()[lead], c.shape()[lead + 1]])?)
}

/// Element strides over (batch0, batch1, row, column) when read with the batch dimensions of `c`.
fn steps(t: &Tensor, c: &Tensor) -> [usize; 4] {
    let mut shape = c.shape()[..c.ndim() - 2].to_vec();
    shape.extend(&t.shape()[t.ndim() - 2..]);
    let strides = t.layout().broadcast_strides(&shape);
    let mut out = [0; 4];
    for (to, &from) in out.iter_mut().rev().zip(strides.iter().rev()) {
        *to = from.unsigned_abs();
    }
    out
}

/// At most two batch dimensions; `c` is dense.
fn launch(a: &Tensor, b: &Tensor, c: &Tensor) -> Result<()> {
    let shape = c.shape();
    let size = |from_end: usize| shape.len().checked_sub(from_end).map_or(1, |at| shape[at]);
    let (m, n, k) = (size(2), size(1), a.shape()[a.ndim() - 1]);
    let (batch0, batch1) = (size(4), size(3));
    let (sa, sb, sc) = (steps(a, c), steps(b, c), steps(c, c));
    let mut defines = Vec::with_capacity(2);
    if sa[2] == 1 && sa[3] != 1 {
        defines.push(("A_COLUMNS", ""));
    }
    if sb[2] == 1 && sb[3] != 1 {
        defines.push(("B_COLUMNS", ""));
    }
    let to = buffer(c)?;
    let bindings = [Binding::read(buffer(a)?), Binding::read(buffer(b)?), Binding::write(to)];
    let kernel = Kernel { name: "matmul", source: SOURCE, defines: &defines };
    let batches = lift(index_u32(batch0 * batch1))?;
    let tiles = [lift(index_u32(n.div_ceil(64)))?, lift(index_u32(m.div_ceil(64)))?];
    let offsets = [a, b, c].map(|t| t.layout().offset);
    // The third grid dimension holds at most 65535.
    for first in (0..batches).step_by(65535) {
        let params = params([m, n, k, batch1.max(1)], [sa, sb, sc], offsets, first)?;
        let grid = [tiles[0], tiles[1], (batches - first).min(65535)];
        lift(to.context().launch(&kernel, &bindings, &params, grid))?;
    }
    Ok(())
}

fn params(sizes: [usize; 4], [a, b, c]: [[usize; 4]; 3], offsets: [usize; 3], first: u32) -> Result<Params> {
    let all = [
        sizes,
        [a[2], a[3], b[2], b[3]],
        [a[0], a[1], b[0], b[1]],
        [offsets[0], offsets[1], offsets[2], c[2]],
        [c[0], c[1], first as usize, 0],
    ];
    words(all.as_flattened())
}
