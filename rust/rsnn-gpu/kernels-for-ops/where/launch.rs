//! where: picks from two 4-byte tensors by a bool tensor, with broadcasting.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, Strided, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// One input: strides and offset in elements.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub buffer: &'a GpuBuffer,
    pub strides: &'a [isize],
    pub offset: usize,
}

/// `out = condition ? a : b` over `shape`; `out` is dense from its start.
pub fn select(shape: &[usize], condition: Input, a: Input, b: Input, out: &GpuBuffer) -> Result<()> {
    let dims = Strided::new(shape, [condition.strides, a.strides, b.strides])?;
    let mut params = dims.write(Params::new()).u32(dims.count as u32);
    for offset in [condition.offset, a.offset, b.offset] {
        params = params.u32(index_u32(offset)?);
    }
    let kernel = Kernel { name: "where", source: SOURCE, defines: dims.defines() };
    let bindings =
        [Binding::read(condition.buffer), Binding::read(a.buffer), Binding::read(b.buffer), Binding::write(out)];
    out.context().launch_1d(&kernel, &bindings, &params, dims.count)
}
