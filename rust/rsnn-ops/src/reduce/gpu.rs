//! sum, amax and amin on the GPU over one dimension of a dense float32 tensor, in a fixed order of additions.
use super::Plan;
use crate::copy;
use crate::gpu::{Dense, dense, lift, no_kernel, words};
use crate::op::GpuCall;
use rsnn_core::{DType, Result};
use rsnn_gpu::{Binding, Kernel, grid_1d};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    Sum,
    Amax,
    Amin,
}

impl Reduction {
    pub(crate) fn defines(self) -> [(&'static str, &'static str); 2] {
        let (init, combine) = match self {
            Self::Sum => ("0.0", "a + b"),
            Self::Amax => ("-inf()", "maximum(a, b)"),
            Self::Amin => ("inf()", "minimum(a, b)"),
        };
        [("INIT", init), ("COMBINE", combine)]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Amax => "amax",
            Self::Amin => "amin",
        }
    }
}

/// Reduces over the dimensions of `plan`.
pub(super) fn run(kind: Reduction, plan: &Plan, call: &GpuCall) -> Result<()> {
    let (x, out) = (&call.ins[0], &call.outs[0]);
    // Counts up to 2^24 are exact in float32.
    let counting = kind == Reduction::Sum && x.dtype() == DType::Bool && x.numel() <= 1 << 24;
    let x = match x.dtype() {
        DType::F32 => x.clone(),
        DType::Bool if counting => copy::cast(x, DType::F32)?,
        other => return Err(no_kernel(kind.name(), other)),
    };
    let (x, axis) = plan.arrange(&x)?;
    let sizes = [axis.outer, axis.len, axis.inner];
    if out.dtype() == DType::F32 {
        return reduce(kind, sizes, dense(&x)?, dense(out)?);
    }
    let y = crate::tensor::Tensor::empty(out.shape(), DType::F32, out.device())?;
    reduce(kind, sizes, dense(&x)?, dense(&y)?)?;
    copy::copy_into(&y, out)
}

/// Reduces the middle of `[outer, reduce, inner]` to `out [outer, inner]`. An empty dimension gives the neutral element.
pub(crate) fn reduce(kind: Reduction, [outer, reduce, inner]: [usize; 3], x: Dense, out: Dense) -> Result<()> {
    // A result adds up to 16384 values by itself; longer ones are cut when there are too few to fill a device.
    let width = outer * inner * if inner == 1 { 256 } else { 1 };
    let wanted = if width < 1 << 16 { reduce.div_ceil(if inner == 1 { 16384 } else { 64 }) } else { 1 };
    let chunks = wanted.min((1 << 16) / width.max(1)).max(1);
    if chunks == 1 {
        return pass(kind, [outer, reduce, inner], reduce, x, out);
    }
    let chunk = reduce.div_ceil(chunks);
    let chunks = reduce.div_ceil(chunk);
    let parts = lift(out.0.context().alloc((outer * chunks * inner * 4) as u64))?;
    pass(kind, [outer, reduce, inner], chunk, x, (&parts, 0))?;
    pass(kind, [outer, chunks, inner], chunks, (&parts, 0), out)
}

fn pass(kind: Reduction, [outer, reduce, inner]: [usize; 3], chunk: usize, x: Dense, out: Dense) -> Result<()> {
    let chunks = if reduce == 0 { 1 } else { reduce.div_ceil(chunk) };
    let results = outer * chunks * inner;
    let params = words(&[results, reduce, inner, chunk, chunks, x.1, out.1])?;
    let [init, combine] = kind.defines();
    let defines = [init, combine, ("ROWS", "")];
    let rows = inner == 1;
    let kernel = Kernel { name: kind.name(), source: SOURCE, defines: &defines[..if rows { 3 } else { 2 }] };
    let bindings = [Binding::read(x.0), Binding::write(out.0)];
    let context = out.0.context();
    lift(match rows && results > 0 {
        true => context.launch(&kernel, &bindings, &params, grid_1d(results as u64)),
        false => context.launch_1d(&kernel, &bindings, &params, results as u64),
    })
}
