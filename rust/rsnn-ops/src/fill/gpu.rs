//! fill: writes one 4-byte value to a dense range.
use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, index_u32};

pub(crate) const KERNEL: Kernel = Kernel { name: "fill", source: include_str!("kernel.wgsl"), defines: &[] };

/// `out[offset..offset + n] = bits`, in elements of four bytes.
pub(crate) fn fill(out: &GpuBuffer, offset: usize, n: usize, bits: u32) -> Result<()> {
    let params = Params::new().u32(index_u32(n)?).u32(index_u32(offset)?).u32(bits);
    out.context().launch_1d(&KERNEL, &[Binding::write(out)], &params, n as u64)
}
