//! Reference-counted device buffers that return to a pool by size class.
//! Dropping one never calls wgpu and takes only the pool's own lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::Context;
use crate::error::{GpuError, Result};

/// A wgpu buffer with the number of the batch that last used it.
pub(crate) struct Raw {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) id: u64,
    pub(crate) class: u64,
    pub(crate) last_batch: AtomicU64,
}

/// Free buffers by size class, and the byte counts.
pub(crate) struct Pool {
    free: HashMap<u64, Vec<Raw>>,
    stats: MemoryStats,
    limit: u64,
    next_id: u64,
}

/// Bytes of device memory, after rounding up to size classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Held by live buffers.
    pub allocated: u64,
    /// Highest `allocated` so far.
    pub max_allocated: u64,
    /// Live plus cached.
    pub reserved: u64,
    /// Buffers asked of the driver so far.
    pub num_device_alloc: u64,
}

impl Pool {
    pub(crate) fn from_env() -> Pool {
        let limit = std::env::var("RSNN_GPU_MEM_LIMIT").ok().and_then(|v| v.parse().ok()).unwrap_or(u64::MAX);
        Pool { free: HashMap::new(), stats: MemoryStats::default(), limit, next_id: 1 }
    }

    fn take(&mut self, class: u64) -> Option<Raw> {
        let raw = self.free.get_mut(&class)?.pop()?;
        self.count_live(class);
        Some(raw)
    }

    fn count_live(&mut self, class: u64) {
        self.stats.allocated += class;
        self.stats.max_allocated = self.stats.max_allocated.max(self.stats.allocated);
    }

    fn give(&mut self, raw: Raw) {
        self.stats.allocated -= raw.class;
        self.free.entry(raw.class).or_default().push(raw);
    }

    fn fits(&self, class: u64) -> bool {
        self.stats.reserved.saturating_add(class) <= self.limit
    }

    fn out_of_memory(&self, requested: u64) -> GpuError {
        let MemoryStats { allocated, reserved, .. } = self.stats;
        GpuError::OutOfMemory { requested, live: allocated, cached: reserved - allocated, limit: self.limit }
    }
}

/// Rounds up to an eighth of the power of two below, at least 256 bytes: at most 12.5 % waste above 2 KiB.
fn size_class(bytes: u64) -> Option<u64> {
    let bytes = bytes.max(256);
    let step = ((1u64 << bytes.ilog2()) / 8).max(256);
    bytes.checked_next_multiple_of(step)
}

/// Device memory; clones share it. The memory is uninitialised: it may hold an earlier buffer's bytes.
#[derive(Clone)]
pub struct GpuBuffer(Arc<Inner>);

struct Inner {
    raw: Option<Raw>,
    len: u64,
    context: &'static Context,
}

impl GpuBuffer {
    /// Bytes asked for; the memory behind is at least as long and a multiple of 256.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    pub fn context(&self) -> &'static Context {
        self.0.context
    }

    /// Same memory, not merely equal contents.
    pub fn same(&self, other: &GpuBuffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn raw(&self) -> Result<&Raw> {
        self.0.raw.as_ref().ok_or_else(|| GpuError::Invalid("buffer already released".into()))
    }
}

impl std::fmt::Debug for GpuBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuBuffer({} bytes, gpu:{})", self.0.len, self.0.context.index)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(raw) = self.raw.take() else { return };
        match self.context.pool.try_lock() {
            Some(mut pool) => pool.give(raw),
            // In a forked child the lock may stay held for ever: leak.
            None if !self.context.in_owner_process() => std::mem::forget(raw),
            None => self.context.pool.lock().give(raw),
        }
    }
}

impl Context {
    /// Allocates `bytes` of device memory, from the pool when a buffer of that class is free.
    pub fn alloc(&'static self, bytes: u64) -> Result<GpuBuffer> {
        self.check()?;
        let class = size_class(bytes).unwrap_or(u64::MAX);
        if class > self.limits.max_buffer_size {
            let max = self.limits.max_buffer_size;
            return Err(GpuError::Invalid(format!("a buffer of {bytes} bytes, expected at most {max} on this device")));
        }
        let pooled = self.pool.lock().take(class);
        let raw = match pooled {
            Some(raw) => raw,
            None => self.create(bytes, class)?,
        };
        Ok(GpuBuffer(Arc::new(Inner { raw: Some(raw), len: bytes, context: self })))
    }

    /// Asks the driver, then frees the cache and waits for the device before asking once more.
    fn create(&self, bytes: u64, class: u64) -> Result<Raw> {
        if self.pool.lock().fits(class)
            && let Some(buffer) = self.try_create(class)?
        {
            return Ok(self.adopt(buffer, class));
        }
        self.empty_cache();
        self.synchronize(&mut || false)?;
        if self.pool.lock().fits(class)
            && let Some(buffer) = self.try_create(class)?
        {
            return Ok(self.adopt(buffer, class));
        }
        Err(self.pool.lock().out_of_memory(bytes))
    }

    fn adopt(&self, buffer: wgpu::Buffer, class: u64) -> Raw {
        let mut pool = self.pool.lock();
        let id = pool.next_id;
        pool.next_id += 1;
        pool.stats.reserved += class;
        pool.stats.num_device_alloc += 1;
        pool.count_live(class);
        Raw { buffer, id, class, last_batch: AtomicU64::new(0) }
    }

    /// `None` when the device is out of memory.
    fn try_create(&self, class: u64) -> Result<Option<wgpu::Buffer>> {
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: class,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let memory = pollster::block_on(memory.pop());
        let validation = pollster::block_on(validation.pop());
        match (memory, validation) {
            (Some(_), _) => Ok(None),
            (None, Some(error)) => Err(GpuError::Device(error.to_string())),
            (None, None) => Ok(Some(buffer)),
        }
    }

    /// Gives every cached buffer back to the driver.
    pub fn empty_cache(&self) {
        if !self.in_owner_process() {
            return;
        }
        self.stream.lock().forget_bind_groups();
        let freed = {
            let mut pool = self.pool.lock();
            pool.stats.reserved = pool.stats.allocated;
            std::mem::take(&mut pool.free)
        };
        drop(freed);
    }

    pub fn memory_stats(&self) -> MemoryStats {
        self.pool.lock().stats
    }
}

impl Raw {
    pub(crate) fn used_in(&self, batch: u64) {
        self.last_batch.store(batch, Ordering::Relaxed);
    }

    pub(crate) fn is_used_in(&self, batch: u64) -> bool {
        self.last_batch.load(Ordering::Relaxed) == batch
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::size_class;

    #[test]
    fn size_classes_waste_little() {
        assert_eq!(size_class(0), Some(256));
        assert_eq!(size_class(257), Some(512));
        assert_eq!(size_class(u64::MAX), None);
        for bytes in (2048..1 << 20).step_by(97) {
            let class = size_class(bytes).unwrap();
            assert!(
                class >= bytes && class.is_multiple_of(256) && class <= bytes + bytes / 8 + 1,
                "{bytes} -> {class}"
            );
        }
    }
}
