//! softmax and log_softmax, forward and backward, over one dimension of a dense float32 tensor.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, grid_1d, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// A dense float32 tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

/// `out = softmax(x)` (`log`: log_softmax) over the middle of `[outer, dim, inner]`; `out` may be `x`.
pub fn softmax(log: bool, sizes: [usize; 3], x: Dense, out: Dense) -> Result<()> {
    launch(log, None, sizes, x, out)
}

/// `dx` from the result `y` and its gradient `g`; `dx` may be `g` or `y`.
pub fn softmax_backward(log: bool, sizes: [usize; 3], y: Dense, g: Dense, dx: Dense) -> Result<()> {
    launch(log, Some(g), sizes, y, dx)
}

fn launch(log: bool, g: Option<Dense>, [outer, dim, inner]: [usize; 3], x: Dense, out: Dense) -> Result<()> {
    let rows = outer * inner;
    if dim == 0 {
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
    let mut params = Params::new();
    for word in [rows, dim, inner, x.1, g.map_or(0, |g| g.1), out.1] {
        params = params.u32(index_u32(word)?);
    }
    let name = if log { "log_softmax" } else { "softmax" };
    let grid = if rows == 0 { [0; 3] } else { grid_1d(rows as u64) };
    out.0.context().launch(&Kernel { name, source: SOURCE, defines: &defines }, &bindings, &params, grid)
}
