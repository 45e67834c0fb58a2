//! argmax and argmin over one dense float32 dimension; the result is int64.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// Index of the first extreme over the middle of `[outer, dim, inner]`; `dim` is at least 1.
pub fn argmax(min: bool, [outer, dim, inner]: [usize; 3], x: (&GpuBuffer, usize), out: &GpuBuffer) -> Result<()> {
    let results = outer * inner;
    let mut params = Params::new();
    for word in [results, dim, inner, x.1, 0] {
        params = params.u32(index_u32(word)?);
    }
    let (name, defines): (_, &[_]) = if min { ("argmin", &[("MIN", "")]) } else { ("argmax", &[]) };
    let kernel = Kernel { name, source: SOURCE, defines };
    out.context().launch_1d(&kernel, &[Binding::read(x.0), Binding::write(out)], &params, results as u64)
}
