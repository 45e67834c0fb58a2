//! layer_norm and rms_norm, forward and backward, over dense float32 rows.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, grid_1d, index_u32};

use super::sum;

pub const FORWARD: &str = include_str!("kernel.wgsl");
pub const BACKWARD: &str = include_str!("backward.wgsl");
pub const BACKWARD_WEIGHT: &str = include_str!("backward_weight.wgsl");

/// A dense float32 tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

/// What forward and backward share: `rows` rows of `n` values; `rms` leaves the mean out.
#[derive(Clone, Copy)]
pub struct Rows {
    pub rows: usize,
    pub n: usize,
    pub rms: bool,
}

/// Writes the result to `out` and (mean, rstd) of each row to `stats`, 8 bytes a row.
pub fn layer_norm(
    size: Rows,
    x: Dense,
    weight: Option<Dense>,
    bias: Option<Dense>,
    eps: f32,
    out: Dense,
    stats: &GpuBuffer,
) -> Result<()> {
    let mut defines = size.defines();
    let mut bindings = vec![Binding::read(x.0), Binding::write(out.0), Binding::write(stats)];
    if let Some(weight) = weight {
        defines.push(("WEIGHT", ""));
        bindings.push(Binding::read(weight.0));
        if let Some(bias) = bias {
            defines.push(("BIAS", ""));
            bindings.push(Binding::read(bias.0));
        }
    }
    let words = [size.rows, size.n, x.1, out.1, weight.map_or(0, |w| w.1), bias.map_or(0, |b| b.1)];
    let params = words_of(&words)?.f32(eps);
    let kernel = Kernel { name: "layer_norm", source: FORWARD, defines: &defines };
    out.0.context().launch(&kernel, &bindings, &params, size.grid())
}

/// Writes the gradient of the input to `dx`, which may be `g`.
pub fn layer_norm_backward(
    size: Rows,
    x: Dense,
    g: Dense,
    stats: &GpuBuffer,
    weight: Option<Dense>,
    dx: Dense,
) -> Result<()> {
    let mut defines = size.defines();
    let mut bindings = vec![Binding::read(x.0), Binding::read(g.0), Binding::read(stats), Binding::write(dx.0)];
    if let Some(weight) = weight {
        defines.push(("WEIGHT", ""));
        bindings.push(Binding::read(weight.0));
    }
    let params = words_of(&[size.rows, size.n, x.1, g.1, dx.1, weight.map_or(0, |w| w.1)])?;
    let kernel = Kernel { name: "layer_norm_backward", source: BACKWARD, defines: &defines };
    dx.0.context().launch(&kernel, &bindings, &params, size.grid())
}

/// Returns one buffer with dweight in elements 0..n and dbias in n..2n.
pub fn layer_norm_backward_weight(size: Rows, x: Dense, g: Dense, stats: &GpuBuffer) -> Result<GpuBuffer> {
    let context = g.0.context();
    // At most 256 parts, of at least 64 rows.
    let chunk = size.rows.div_ceil(256).max(64);
    let chunks = size.rows.div_ceil(chunk).max(1);
    let parts = context.alloc((chunks * 2 * size.n * 4) as u64)?;
    let bindings = [Binding::read(x.0), Binding::read(g.0), Binding::read(stats), Binding::write(&parts)];
    let params = words_of(&[size.rows, size.n, chunk, x.1, g.1])?;
    let kernel = Kernel { name: "layer_norm_backward_weight", source: BACKWARD_WEIGHT, defines: &[] };
    let grid = [index_u32(size.n.div_ceil(64))?, chunks as u32, 1];
    context.launch(&kernel, &bindings, &params, grid)?;
    if chunks == 1 {
        return Ok(parts);
    }
    let out = context.alloc((2 * size.n * 4) as u64)?;
    sum::reduce(sum::Reduction::Sum, [1, chunks, 2 * size.n], (&parts, 0), 1.0, (&out, 0))?;
    Ok(out)
}

impl Rows {
    fn grid(self) -> [u32; 3] {
        if self.rows == 0 || self.n == 0 { [0; 3] } else { grid_1d(self.rows as u64) }
    }

    fn defines(self) -> Vec<(&'static str, &'static str)> {
        if self.rms { vec![("RMS", "")] } else { Vec::with_capacity(2) }
    }
}

fn words_of(words: &[usize]) -> Result<Params> {
    words.iter().try_fold(Params::new(), |params, &word| Ok(params.u32(index_u32(word)?)))
}
