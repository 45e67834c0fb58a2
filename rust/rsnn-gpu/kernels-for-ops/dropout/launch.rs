//! dropout keyed by (key, stream): the same decisions as the CPU's, for forward and for the gradient alike.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// `out = keep(i) ? x / (1 - p) : 0` over `n` dense elements; `out` may be `x`.
pub fn dropout(n: usize, x: (&GpuBuffer, usize), p: f64, key: u64, stream: u64, out: (&GpuBuffer, usize)) -> Result<()> {
    let threshold = (p.clamp(0.0, 1.0) * 65536.0).round() as u32;
    let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
    let params = Params::new().u32(index_u32(n)?).u32(index_u32(x.1)?).u32(index_u32(out.1)?).u32(threshold);
    let params = params.u32s(&[key as u32, (key >> 32) as u32, stream as u32, (stream >> 32) as u32]).f32(scale);
    let kernel = Kernel { name: "dropout", source: SOURCE, defines: &[] };
    let blocks = n.div_ceil(128) * 16;
    out.0.context().launch_1d(&kernel, &[Binding::read(x.0), Binding::write(out.0)], &params, blocks as u64)
}
