//! embedding: rows of a float32 table by int64 indices, and the table's gradient in a fixed order of additions.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, grid_1d, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");
pub const BACKWARD: &str = include_str!("backward.wgsl");

/// A dense tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

/// `n` indices into a table of `rows` rows of `width` values.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub n: usize,
    pub width: usize,
    pub rows: usize,
}

pub fn embedding(s: Sizes, weight: Dense, indices: Dense, out: Dense) -> Result<()> {
    let params = words(&[s.n, s.width, s.rows, indices.1, weight.1, out.1])?;
    let kernel = Kernel { name: "embedding", source: SOURCE, defines: &[] };
    let bindings = [Binding::read(weight.0), Binding::read(indices.0), Binding::write(out.0)];
    out.0.context().launch_1d(&kernel, &bindings, &params, (s.n * s.width) as u64)
}

/// Writes the whole of `dweight`; the row `padding_idx` gets 0.
pub fn embedding_backward(s: Sizes, g: Dense, indices: Dense, padding_idx: Option<usize>, dweight: Dense) -> Result<()> {
    let blocks = s.width.div_ceil(256);
    let padding = padding_idx.unwrap_or(u32::MAX as usize);
    let params = words(&[s.n, s.width, s.rows, indices.1, g.1, dweight.1, padding, blocks])?;
    let kernel = Kernel { name: "embedding_backward", source: BACKWARD, defines: &[] };
    let bindings = [Binding::read(g.0), Binding::read(indices.0), Binding::write(dweight.0)];
    let groups = s.rows * blocks;
    let grid = if groups == 0 { [0; 3] } else { grid_1d(groups as u64) };
    dweight.0.context().launch(&kernel, &bindings, &params, grid)
}

fn words(words: &[usize]) -> Result<Params> {
    words.iter().try_fold(Params::new(), |params, &word| Ok(params.u32(index_u32(word)?)))
}
