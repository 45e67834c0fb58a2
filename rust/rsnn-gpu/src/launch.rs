//! How an op starts a kernel: `Kernel` (source and defines), `Binding` (buffers), `Params` (scalars), a grid.

use crate::buffers::GpuBuffer;
use crate::context::Context;
use crate::error::{GpuError, Result};

/// Invocations per workgroup in one-dimensional kernels.
pub const WORKGROUP: u32 = 256;

/// A WGSL template and the values that make one variant of it.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    /// Name in errors and in GPU debuggers.
    pub name: &'static str,
    pub source: &'static str,
    /// `${NAME}` values; a name that is present (even with an empty value) also satisfies `//#if NAME`.
    pub defines: &'a [(&'a str, &'a str)],
}

/// One storage buffer, bound at the position it has in the launch's list.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    pub buffer: &'a GpuBuffer,
    pub read_only: bool,
}

impl<'a> Binding<'a> {
    /// For `var<storage, ${READ}>`.
    pub fn read(buffer: &'a GpuBuffer) -> Self {
        Binding { buffer, read_only: true }
    }

    /// For `var<storage, read_write>`.
    pub fn write(buffer: &'a GpuBuffer) -> Self {
        Binding { buffer, read_only: false }
    }
}

/// Scalars of a kernel in the order of its `struct P`: only 4-byte scalars and 16-byte aligned vec4s.
#[derive(Debug, Clone)]
pub struct Params {
    bytes: [u8; Params::MAX],
    len: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self::new()
    }
}

impl Params {
    pub const MAX: usize = 256;

    pub fn new() -> Self {
        Params { bytes: [0; Self::MAX], len: 0 }
    }

    /// Words beyond `MAX` bytes are counted but not stored, so that the launch reports them.
    pub fn u32(mut self, value: u32) -> Self {
        if let Some(slot) = self.bytes.get_mut(self.len..self.len + 4) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        self.len += 4;
        self
    }

    pub fn f32(self, value: f32) -> Self {
        self.u32(value.to_bits())
    }

    pub fn u32s(self, values: &[u32]) -> Self {
        values.iter().fold(self, |params, &value| params.u32(value))
    }

    /// The bytes, padded with zeros to a multiple of 16 as WGSL pads a struct.
    pub(crate) fn bytes(&self) -> Result<&[u8]> {
        self.bytes.get(..self.len.next_multiple_of(16)).ok_or_else(|| {
            GpuError::Invalid(format!("{} bytes of kernel parameters, expected at most {}", self.len, Self::MAX))
        })
    }
}

/// A grid of `groups` workgroups, folded to two dimensions where one cannot hold them.
/// The kernel restores the index as `wid.x + wid.y * num_workgroups.x` and must test it against its bound.
pub fn grid_1d(groups: u64) -> [u32; 3] {
    const MAX: u64 = 65535;
    let rows = groups.div_ceil(MAX).max(1);
    let columns = groups.div_ceil(rows);
    [columns as u32, rows as u32, 1]
}

impl Context {
    /// Records one kernel at the end of the stream. An empty grid records nothing.
    ///
    /// When a buffer is bound both for reading and for writing, all of them are bound for writing:
    /// the kernel must then be correct in place.
    pub fn launch(&self, kernel: &Kernel, bindings: &[Binding], params: &Params, grid: [u32; 3]) -> Result<()> {
        self.check()?;
        if grid.contains(&0) {
            return Ok(());
        }
        let bytes = params.bytes()?;
        let uniform = bytes.len() > self.immediate_size;
        let pipeline = self.pipeline(kernel, bindings, uniform)?;
        self.dispatch(&pipeline, bindings, bytes, grid)
    }

    /// As `launch` over `count` work items in workgroups of [`WORKGROUP`].
    pub fn launch_1d(&self, kernel: &Kernel, bindings: &[Binding], params: &Params, count: u64) -> Result<()> {
        if count > u64::from(u32::MAX - 0xffff) {
            return Err(GpuError::Invalid(format!("{}: {count} work items, expected fewer than 2^32", kernel.name)));
        }
        if count == 0 {
            return Ok(());
        }
        self.launch(kernel, bindings, params, grid_1d(count.div_ceil(u64::from(WORKGROUP))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn grids_cover_and_stay_in_bounds() {
        for groups in [1u64, 2, 65535, 65536, 65537, 131_071, 1 << 24] {
            let [x, y, z] = grid_1d(groups);
            assert!(x <= 65535 && y <= 65535 && z == 1);
            assert!(u64::from(x) * u64::from(y) >= groups);
        }
    }

    #[test]
    fn params_pad_and_report_overflow() {
        assert_eq!(Params::new().u32(1).f32(1.0).bytes().unwrap().len(), 16);
        let too_many = Params::new().u32s(&[0; 65]);
        assert!(too_many.bytes().unwrap_err().to_string().contains("260 bytes"));
    }
}
