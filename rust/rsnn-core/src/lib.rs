//! What every other crate agrees on: dtype, device, layout, storage and error. No op, no kernel, no Python.
mod alloc;
mod dtype;
mod error;
mod layout;
mod storage;

pub use alloc::{MemoryStats, empty_cache, memory_stats};
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use half::{bf16, f16};
pub use layout::{Dims, Layout, Strides, broadcast_shapes, checked_numel, contiguous_strides};
pub use storage::{Data, Device, Storage};
