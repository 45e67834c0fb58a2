//! softmax and log_softmax on the GPU, forward and backward, over the last dimension.
use crate::gpu::{Dense, dense, f32_only, lift, words};
use crate::op::GpuCall;
use crate::tensor::Tensor;
use rsnn_core::Result;
use rsnn_gpu::{Binding, Kernel, grid_1d};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

fn sizes(x: &Tensor) -> (usize, usize) {
    let cols = x.shape().last().copied().unwrap_or(1);
    (x.numel() / cols.max(1), cols)
}

/// `x -> softmax(x)`; `log`: log_softmax.
pub(super) fn forward(log: bool, call: &GpuCall) -> Result<()> {
    let (name, x) = (if log { "log_softmax" } else { "softmax" }, &call.ins[0]);
    f32_only(name, call)?;
    launch(name, log, None, sizes(x), dense(x)?, dense(&call.outs[0])?)
}

/// `(dy, y) -> dx`.
pub(super) fn backward(log: bool, call: &GpuCall) -> Result<()> {
    let (name, y) = (if log { "log_softmax_backward" } else { "softmax_backward" }, &call.ins[1]);
    f32_only(name, call)?;
    launch(name, log, Some(dense(&call.ins[0])?), sizes(y), dense(y)?, dense(&call.outs[0])?)
}

fn launch(
    name: &'static str,
    log: bool,
    g: Option<Dense>,
    (rows, dim): (usize, usize),
    x: Dense,
    out: Dense,
) -> Result<()> {
    if rows == 0 || dim == 0 {
        return Ok(());
    }
    let mut defines = Vec::with_capacity(2);
    let mut bindings = vec![Binding::read(x.0), Binding::write(out.0)];
    if log {
        defines.push(("LOG", ""));
    }
    if let Some((buffer, _)) = g {
        defines.push(("BACKWARD", ""));
        bindings.push(Binding::read(buffer));
    }
    let params = words(&[rows, dim, x.1, g.map_or(0, |g| g.1), out.1])?;
    let kernel = Kernel { name, source: SOURCE, defines: &defines };
    lift(out.0.context().launch(&kernel, &bindings, &params, grid_1d(rows as u64)))
}
