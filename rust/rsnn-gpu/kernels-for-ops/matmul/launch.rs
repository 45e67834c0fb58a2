//! matmul, bmm, addmm, linear: one batched, tiled float32 kernel that reads any strides.

use rsnn_gpu::{Binding, GpuBuffer, GpuError, Kernel, Params, Result, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// A float32 operand: element strides over (batch0, batch1, row, column); 0 broadcasts.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub buffer: &'a GpuBuffer,
    pub offset: usize,
    pub strides: [usize; 4],
}

/// Sizes of `a (b0, b1, m, k)`, `b (b0, b1, k, n)`, `c (b0, b1, m, n)`.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub batch: [usize; 2],
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// `c = alpha * a b + beta * bias`; the columns of `c` are dense. `c` must be a buffer of its own.
pub fn matmul(sizes: Sizes, a: Matrix, b: Matrix, c: Matrix, bias: Option<Matrix>, alpha: f32, beta: f32) -> Result<()> {
    if c.strides[3] != 1 && sizes.n > 1 {
        return Err(GpuError::Invalid(format!("matmul: column stride {} of the result, expected 1", c.strides[3])));
    }
    let mut defines = Vec::with_capacity(3);
    let mut bindings = vec![Binding::read(a.buffer), Binding::read(b.buffer), Binding::write(c.buffer)];
    if let Some(bias) = &bias {
        defines.push(("BIAS", ""));
        bindings.push(Binding::read(bias.buffer));
    }
    if a.strides[2] == 1 && a.strides[3] != 1 {
        defines.push(("A_COLUMNS", ""));
    }
    if b.strides[2] == 1 && b.strides[3] != 1 {
        defines.push(("B_COLUMNS", ""));
    }
    let kernel = Kernel { name: "matmul", source: SOURCE, defines: &defines };
    let batches = index_u32(sizes.batch[0] * sizes.batch[1])?;
    let columns = index_u32(sizes.n.div_ceil(64))?;
    let rows = index_u32(sizes.m.div_ceil(64))?;
    // The third grid dimension holds at most 65535.
    for first in (0..batches).step_by(65535) {
        let params = params(sizes, [a, b, c], bias, alpha, beta, first)?;
        let grid = [columns, rows, (batches - first).min(65535)];
        c.buffer.context().launch(&kernel, &bindings, &params, grid)?;
    }
    Ok(())
}

fn params(
    sizes: Sizes,
    [a, b, c]: [Matrix; 3],
    bias: Option<Matrix>,
    alpha: f32,
    beta: f32,
    first: u32,
) -> Result<Params> {
    let (bias_offset, bias) = bias.map_or((0, [0; 4]), |m| (m.offset, m.strides));
    let words = [
        [sizes.m, sizes.n, sizes.k, sizes.batch[1].max(1)],
        [a.strides[2], a.strides[3], b.strides[2], b.strides[3]],
        [a.strides[0], a.strides[1], b.strides[0], b.strides[1]],
        [a.offset, b.offset, c.offset, c.strides[2]],
        [c.strides[0], c.strides[1], bias_offset, bias[2]],
        [bias[3], bias[0], bias[1], first as usize],
    ];
    let mut params = Params::new();
    for word in words.iter().flatten() {
        params = params.u32(index_u32(*word)?);
    }
    Ok(params.f32(alpha).f32(beta))
}
