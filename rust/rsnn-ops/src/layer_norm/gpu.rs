//! layer_norm on the GPU, forward and backward, over dense float32 rows.
use crate::gpu::{Dense, buffer, dense, f32_only, lift, words};
use crate::op::GpuCall;
use crate::reduce::gpu::{Reduction, reduce};
use crate::tensor::Tensor;
use rsnn_core::Result;
use rsnn_gpu::{Binding, GpuBuffer, Kernel, grid_1d, index_u32};

pub(crate) const FORWARD: &str = include_str!("kernel.wgsl");
pub(crate) const BACKWARD: &str = include_str!("backward.wgsl");
pub(crate) const BACKWARD_WEIGHT: &str = include_str!("backward_weight.wgsl");

/// `(x, [weight], [bias]) -> (y, rstd, mean)` over `rows` rows of `n` values.
pub(super) fn forward((rows, n): (usize, usize), weight: bool, bias: bool, eps: f64, call: &GpuCall) -> Result<()> {
    f32_only("layer_norm", call)?;
    if rows == 0 || n == 0 {
        return Ok(());
    }
    let (x, out) = (dense(&call.ins[0])?, dense(&call.outs[0])?);
    let mut bindings = vec![Binding::read(x.0), Binding::write(out.0)];
    bindings.extend([Binding::write(buffer(&call.outs[1])?), Binding::write(buffer(&call.outs[2])?)]);
    let (mut defines, mut offsets) = (Vec::with_capacity(2), [0; 2]);
    if weight {
        let w = dense(&call.ins[1])?;
        defines.push(("WEIGHT", ""));
        bindings.push(Binding::read(w.0));
        offsets[0] = w.1;
    }
    if bias {
        let b = dense(&call.ins[1 + usize::from(weight)])?;
        defines.push(("BIAS", if weight { "5" } else { "4" }));
        bindings.push(Binding::read(b.0));
        offsets[1] = b.1;
    }
    let params = words(&[rows, n, x.1, out.1, offsets[0], offsets[1]])?.f32(eps as f32);
    let kernel = Kernel { name: "layer_norm", source: FORWARD, defines: &defines };
    lift(out.0.context().launch(&kernel, &bindings, &params, grid_1d(rows as u64)))
}

/// `(dy, x, rstd, mean, [weight]) -> (dx, [dweight], [dbias])`.
pub(super) fn backward(size: (usize, usize), weight: bool, bias: bool, call: &GpuCall) -> Result<()> {
    f32_only("layer_norm_backward", call)?;
    if size.0 == 0 || size.1 == 0 {
        return call.outs.iter().try_for_each(|t| crate::fill::fill_raw(t, 0.0));
    }
    backward_input(size, weight, call)?;
    if !weight && !bias {
        return Ok(());
    }
    let sums = backward_weight(size, call)?;
    let bytes = size.1 as u64 * 4;
    let take = |half: u64, out: &Tensor| lift(sums.context().copy_buffer(&sums, half * bytes, buffer(out)?, 0, bytes));
    if weight {
        take(0, &call.outs[1])?;
    }
    if bias { take(1, &call.outs[1 + usize::from(weight)]) } else { Ok(()) }
}

fn shared<'a>(call: &'a GpuCall) -> Result<[Dense<'a>; 4]> {
    Ok([dense(&call.ins[1])?, dense(&call.ins[0])?, dense(&call.ins[2])?, dense(&call.ins[3])?])
}

fn backward_input((rows, n): (usize, usize), weight: bool, call: &GpuCall) -> Result<()> {
    let (inputs, dx) = (shared(call)?, dense(&call.outs[0])?);
    let mut bindings: Vec<Binding> = inputs.iter().map(|t| Binding::read(t.0)).collect();
    bindings.push(Binding::write(dx.0));
    let (mut defines, mut weight_at) = (Vec::with_capacity(1), 0);
    if weight {
        let w = dense(&call.ins[4])?;
        defines.push(("WEIGHT", ""));
        bindings.push(Binding::read(w.0));
        weight_at = w.1;
    }
    let params = words(&[rows, n, inputs[0].1, inputs[1].1, dx.1, weight_at])?;
    let kernel = Kernel { name: "layer_norm_backward", source: BACKWARD, defines: &defines };
    lift(dx.0.context().launch(&kernel, &bindings, &params, grid_1d(rows as u64)))
}

/// One buffer with dweight in elements 0..n and dbias in n..2n.
fn backward_weight((rows, n): (usize, usize), call: &GpuCall) -> Result<GpuBuffer> {
    let inputs = shared(call)?;
    let context = inputs[0].0.context();
    // At most 256 parts, of at least 64 rows.
    let chunk = rows.div_ceil(256).max(64);
    let chunks = rows.div_ceil(chunk).max(1);
    let parts = lift(context.alloc((chunks * 2 * n * 4) as u64))?;
    let mut bindings: Vec<Binding> = inputs.iter().map(|t| Binding::read(t.0)).collect();
    bindings.push(Binding::write(&parts));
    let params = words(&[rows, n, chunk, inputs[0].1, inputs[1].1])?;
    let kernel = Kernel { name: "layer_norm_backward_weight", source: BACKWARD_WEIGHT, defines: &[] };
    let grid = [lift(index_u32(n.div_ceil(64)))?, chunks as u32, 1];
    lift(context.launch(&kernel, &bindings, &params, grid))?;
    if chunks == 1 {
        return Ok(parts);
    }
    let out = lift(context.alloc((2 * n * 4) as u64))?;
    reduce(Reduction::Sum, [1, chunks, 2 * n], (&parts, 0), (&out, 0))?;
    Ok(out)
}
