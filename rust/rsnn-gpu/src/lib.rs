//! GPU machinery on wgpu: contexts, pooled buffers, one ordered stream, pipelines and the WGSL preprocessor.
//! Holds no op: kernels live beside the op that owns them.

mod buffers;
mod context;
mod error;
mod launch;
mod pipelines;
mod stream;
mod strided;
pub mod wgsl;

pub use buffers::{GpuBuffer, MemoryStats};
pub use context::{Context, device_count, device_name, is_available};
pub use error::{GpuError, Result};
pub use launch::{Binding, Kernel, Params, WORKGROUP, grid_1d};
pub use strided::{MAX_RANK, Strided, index_u32};
