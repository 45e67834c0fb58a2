//! sum, mean, prod, amax, amin over one dense float32 dimension, in a fixed order of additions.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, grid_1d, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// A dense float32 tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    Sum,
    Prod,
    Amax,
    Amin,
}

impl Reduction {
    pub const ALL: [Reduction; 4] = [Self::Sum, Self::Prod, Self::Amax, Self::Amin];

    pub fn defines(self) -> [(&'static str, &'static str); 2] {
        let (init, combine) = match self {
            Self::Sum => ("0.0", "a + b"),
            Self::Prod => ("1.0", "a * b"),
            Self::Amax => ("-inf()", "maximum(a, b)"),
            Self::Amin => ("inf()", "minimum(a, b)"),
        };
        [("INIT", init), ("COMBINE", combine)]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Amax => "amax",
            Self::Amin => "amin",
        }
    }
}

/// Reduces the middle of `[outer, reduce, inner]` to `out [outer, inner]` and multiplies by `scale`
/// (1 / reduce for the mean). An empty dimension gives the neutral element.
pub fn reduce(op: Reduction, [outer, reduce, inner]: [usize; 3], x: Dense, scale: f32, out: Dense) -> Result<()> {
    // A result sums up to 16384 values by itself; longer ones are cut when there are too few to fill a device.
    let width = outer * inner * if inner == 1 { 256 } else { 1 };
    let wanted = if width < 1 << 16 { reduce.div_ceil(if inner == 1 { 16384 } else { 64 }) } else { 1 };
    let chunks = wanted.min((1 << 16) / width.max(1)).max(1);
    if chunks == 1 {
        return pass(op, [outer, reduce, inner], reduce, x, scale, out);
    }
    let chunk = reduce.div_ceil(chunks);
    let chunks = reduce.div_ceil(chunk);
    let parts = out.0.context().alloc((outer * chunks * inner * 4) as u64)?;
    pass(op, [outer, reduce, inner], chunk, x, 1.0, (&parts, 0))?;
    pass(op, [outer, chunks, inner], chunks, (&parts, 0), scale, out)
}

fn pass(
    op: Reduction,
    [outer, reduce, inner]: [usize; 3],
    chunk: usize,
    x: Dense,
    scale: f32,
    out: Dense,
) -> Result<()> {
    let chunks = if reduce == 0 { 1 } else { reduce.div_ceil(chunk) };
    let results = outer * chunks * inner;
    let mut params = Params::new();
    for word in [results, reduce, inner, chunk, chunks, x.1, out.1] {
        params = params.u32(index_u32(word)?);
    }
    let params = params.f32(scale);
    let [init, combine] = op.defines();
    let defines = [init, combine, ("ROWS", "")];
    let rows = inner == 1;
    let kernel = Kernel { name: op.name(), source: SOURCE, defines: &defines[..if rows { 3 } else { 2 }] };
    let bindings = [Binding::read(x.0), Binding::write(out.0)];
    let context = out.0.context();
    if rows && results > 0 {
        return context.launch(&kernel, &bindings, &params, grid_1d(results as u64));
    }
    context.launch_1d(&kernel, &bindings, &params, results as u64)
}
