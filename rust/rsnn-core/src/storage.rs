//! Reference-counted bytes on a device with a version counter that in-place ops bump.
use crate::{Result, alloc};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where a tensor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    Cpu,
    Gpu(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Gpu(i) => write!(f, "gpu:{i}"),
        }
    }
}

/// The bytes themselves.
pub enum Data {
    /// From the caching allocator.
    Owned { ptr: *mut u8 },
    /// Memory of somebody else (numpy, a mapped file), kept alive by `_owner`.
    Borrowed { ptr: *mut u8, _owner: Box<dyn Any + Send + Sync> },
    /// A buffer of the GPU crate, opaque here.
    Gpu { index: u32, buffer: Arc<dyn Any + Send + Sync> },
}

/// A block of bytes shared by a tensor and its views.
pub struct Storage {
    data: Data,
    bytes: usize,
    version: AtomicU64,
    inference: bool,
}

// SAFETY: the bytes are plain data; who writes them while others read is governed by the tensor layer.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

impl Storage {
    /// Uninitialised bytes on the CPU.
    pub fn cpu(bytes: usize) -> Result<Storage> {
        Ok(Storage::new(Data::Owned { ptr: alloc::allocate(bytes)? }, bytes))
    }

    pub fn new(data: Data, bytes: usize) -> Storage {
        Storage { data, bytes, version: AtomicU64::new(0), inference: false }
    }

    /// Marks bytes made in inference mode: autograd neither saves nor follows them.
    pub fn for_inference(mut self, inference: bool) -> Storage {
        self.inference = inference;
        self
    }

    pub fn is_inference(&self) -> bool {
        self.inference
    }

    pub fn device(&self) -> Device {
        match &self.data {
            Data::Gpu { index, .. } => Device::Gpu(*index),
            _ => Device::Cpu,
        }
    }

    /// Address of the first byte; null for GPU storage.
    #[inline(always)]
    pub fn ptr(&self) -> *mut u8 {
        match &self.data {
            Data::Owned { ptr } | Data::Borrowed { ptr, .. } => *ptr,
            Data::Gpu { .. } => std::ptr::null_mut(),
        }
    }

    /// The GPU buffer, if that is where the bytes are.
    pub fn gpu(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        match &self.data {
            Data::Gpu { buffer, .. } => Some(buffer),
            _ => None,
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    pub fn bump_version(&self) {
        self.version.fetch_add(1, Relaxed);
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Data::Owned { ptr } = self.data {
            alloc::free(ptr, self.bytes);
        }
    }
}
