//! The one ordered queue of a context: kernels, copies, uploads and reads take effect in call order.
//! Work is recorded into one open encoder and submitted in batches.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::buffers::{GpuBuffer, Raw};
use crate::context::Context;
use crate::error::{GpuError, Result};
use crate::launch::{Binding, Params};
use crate::pipelines::{Layout, Pipeline, uniform_layout};

const MAX_DISPATCHES: usize = 128;
const MAX_UPLOAD: u64 = 64 << 20;
const MAX_AGE: Duration = Duration::from_millis(2);
const MAX_IN_FLIGHT: usize = 8;
const MAX_BIND_GROUPS: usize = 2048;
const INTERRUPT_CHECK: Duration = Duration::from_millis(100);
const SLOT: usize = Params::MAX;

pub(crate) struct Stream {
    encoder: Option<wgpu::CommandEncoder>,
    pass: Option<wgpu::ComputePass<'static>>,
    dispatches: usize,
    pending_upload: u64,
    opened: Option<Instant>,
    /// Number of the batch being recorded; buffers remember it, so 0 means "never used".
    batch: u64,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    bind_groups: HashMap<Box<[u64]>, wgpu::BindGroup>,
    /// Parameters of this batch's kernels that use no immediates, written just before submission.
    slots: Vec<u8>,
    slot_buffer: wgpu::Buffer,
    slot_group: wgpu::BindGroup,
    staging: Vec<wgpu::Buffer>,
}

impl Stream {
    pub(crate) fn new(device: &wgpu::Device) -> Stream {
        let slot_buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: (MAX_DISPATCHES * SLOT) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let slot_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("params"),
            layout: &uniform_layout(device),
            entries: &[entry(0, &slot_buffer, SLOT as u64)],
        });
        Stream {
            encoder: None,
            pass: None,
            dispatches: 0,
            pending_upload: 0,
            opened: None,
            batch: 1,
            in_flight: VecDeque::new(),
            bind_groups: HashMap::new(),
            slots: Vec::new(),
            slot_buffer,
            slot_group,
            staging: Vec::new(),
        }
    }

    pub(crate) fn forget_bind_groups(&mut self) {
        self.bind_groups.clear();
        self.staging.clear();
    }

    /// The open encoder outside any pass.
    fn encoder(&mut self, device: &wgpu::Device) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.opened.get_or_insert_with(Instant::now);
        self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()))
    }

    fn take_pass(&mut self, device: &wgpu::Device) -> wgpu::ComputePass<'static> {
        match self.pass.take() {
            Some(pass) => pass,
            None => self.encoder(device).begin_compute_pass(&Default::default()).forget_lifetime(),
        }
    }

    fn submit(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) {
        self.pass = None;
        if self.encoder.is_none() && self.pending_upload == 0 {
            return;
        }
        if !self.slots.is_empty() {
            queue.write_buffer(&self.slot_buffer, 0, &self.slots);
            self.slots.clear();
        }
        let index = queue.submit(self.encoder.take().map(|encoder| encoder.finish()));
        self.dispatches = 0;
        self.pending_upload = 0;
        self.opened = None;
        self.batch += 1;
        self.in_flight.push_back(index);
        if self.in_flight.len() > MAX_IN_FLIGHT
            && let Some(oldest) = self.in_flight.pop_front()
        {
            // A failed wait shows again, with its reason, at the next read.
            let _ = device.poll(wgpu::PollType::Wait { submission_index: Some(oldest), timeout: None });
        }
    }

    fn submit_when_due(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) {
        let old = self.opened.is_some_and(|at| at.elapsed() > MAX_AGE);
        if old || self.dispatches >= MAX_DISPATCHES || self.pending_upload >= MAX_UPLOAD {
            self.submit(device, queue);
        }
    }

    fn bind_group(&mut self, device: &wgpu::Device, layout: &Layout, raws: &[&Raw], max: u64) -> wgpu::BindGroup {
        let mut key = [0u64; 33];
        key[0] = u64::from(layout.key.writable) << 8 | u64::from(layout.key.count);
        for (slot, raw) in key[1..].iter_mut().zip(raws) {
            *slot = raw.id;
        }
        let key = &key[..=raws.len().min(32)];
        if let Some(found) = self.bind_groups.get(key) {
            return found.clone();
        }
        if self.bind_groups.len() >= MAX_BIND_GROUPS {
            self.bind_groups.clear();
        }
        let entries: Vec<_> =
            raws.iter().enumerate().map(|(i, raw)| entry(i as u32, &raw.buffer, raw.class.min(max))).collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout.bind_group,
            entries: &entries,
        });
        self.bind_groups.insert(key.into(), group.clone());
        group
    }
}

fn entry(binding: u32, buffer: &wgpu::Buffer, size: u64) -> wgpu::BindGroupEntry<'_> {
    let size = wgpu::BufferSize::new(size);
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size }),
    }
}

fn check_range(what: &str, buffer: &GpuBuffer, offset: u64, len: u64) -> Result<()> {
    if offset.checked_add(len).is_some_and(|end| end <= buffer.len()) {
        return Ok(());
    }
    let have = buffer.len();
    Err(GpuError::Invalid(format!("{what} of {len} bytes at offset {offset}, expected to stay within {have} bytes")))
}

fn check_aligned(what: &str, offset: u64) -> Result<()> {
    if offset.is_multiple_of(4) {
        return Ok(());
    }
    Err(GpuError::Invalid(format!("{what} at byte offset {offset}, expected a multiple of 4")))
}

impl Context {
    pub(crate) fn dispatch(
        &self,
        pipeline: &Pipeline,
        bindings: &[Binding],
        params: &[u8],
        grid: [u32; 3],
    ) -> Result<()> {
        if let Some(too_large) = grid.iter().find(|&&n| n > self.limits.max_compute_workgroups_per_dimension) {
            return Err(GpuError::Invalid(format!("a grid of {too_large} workgroups, expected at most 65535")));
        }
        for binding in bindings {
            let (len, max) = (binding.buffer.len(), self.max_binding());
            if len > max {
                return Err(GpuError::Invalid(format!(
                    "a tensor of {len} bytes, expected at most {max} per kernel argument"
                )));
            }
            if !std::ptr::eq(binding.buffer.context(), self) {
                return Err(GpuError::Invalid(format!(
                    "a buffer of gpu:{}, expected gpu:{}",
                    binding.buffer.context().index,
                    self.index
                )));
            }
        }
        let raws = bindings.iter().map(|b| b.buffer.raw()).collect::<Result<Vec<_>>>()?;
        let mut stream = self.stream.lock();
        let stream = &mut *stream;
        let group = stream.bind_group(&self.device, &pipeline.layout, &raws, self.max_binding());
        for raw in &raws {
            raw.used_in(stream.batch);
        }
        let mut pass = stream.take_pass(&self.device);
        pass.set_pipeline(&pipeline.compute);
        pass.set_bind_group(0, &group, &[]);
        if pipeline.layout.key.uniform {
            let offset = stream.slots.len();
            stream.slots.extend_from_slice(params);
            stream.slots.resize(offset + SLOT, 0);
            pass.set_bind_group(1, &stream.slot_group, &[offset as u32]);
        } else if !params.is_empty() {
            pass.set_immediates(0, params);
        }
        pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
        stream.pass = Some(pass);
        stream.dispatches += 1;
        stream.submit_when_due(&self.device, &self.queue);
        Ok(())
    }

    /// Copies `bytes` to `buffer` at `offset` (a multiple of 4). A length that is no multiple of 4
    /// must end at the buffer's end, where up to 3 padding bytes become 0.
    pub fn upload(&self, buffer: &GpuBuffer, offset: u64, bytes: &[u8]) -> Result<()> {
        self.check()?;
        check_range("upload", buffer, offset, bytes.len() as u64)?;
        check_aligned("upload", offset)?;
        let (whole, tail) = bytes.split_at(bytes.len() / 4 * 4);
        if !tail.is_empty() && offset + (bytes.len() as u64) != buffer.len() {
            return Err(GpuError::Invalid(format!(
                "upload of {} bytes inside a buffer, expected a multiple of 4",
                bytes.len()
            )));
        }
        let raw = buffer.raw()?;
        let mut stream = self.stream.lock();
        let mut at = offset;
        let mut write = |part: &[u8]| {
            // The queue puts a write before the whole next submission: work recorded so far goes first.
            if raw.is_used_in(stream.batch) {
                stream.submit(&self.device, &self.queue);
            }
            self.queue.write_buffer(&raw.buffer, at, part);
            at += part.len() as u64;
            stream.pending_upload += part.len() as u64;
            stream.opened.get_or_insert_with(Instant::now);
            if stream.pending_upload >= MAX_UPLOAD {
                stream.submit(&self.device, &self.queue);
            }
        };
        whole.chunks(16 << 20).for_each(&mut write);
        if !tail.is_empty() {
            let mut last = [0u8; 4];
            last[..tail.len()].copy_from_slice(tail);
            write(&last);
        }
        Ok(())
    }

    /// Copies bytes between two different buffers of this context; offsets are multiples of 4.
    pub fn copy_buffer(
        &self,
        src: &GpuBuffer,
        src_offset: u64,
        dst: &GpuBuffer,
        dst_offset: u64,
        len: u64,
    ) -> Result<()> {
        self.check()?;
        check_range("copy", src, src_offset, len)?;
        check_range("copy", dst, dst_offset, len)?;
        check_aligned("copy", src_offset)?;
        check_aligned("copy", dst_offset)?;
        if src.same(dst) {
            return Err(GpuError::Invalid("copy within one buffer, expected two buffers".into()));
        }
        if !len.is_multiple_of(4) && dst_offset + len != dst.len() {
            return Err(GpuError::Invalid(format!(
                "copy of {len} bytes into the middle of a buffer, expected a multiple of 4"
            )));
        }
        if len == 0 {
            return Ok(());
        }
        let (from, to) = (src.raw()?, dst.raw()?);
        let mut stream = self.stream.lock();
        from.used_in(stream.batch);
        to.used_in(stream.batch);
        let size = len.next_multiple_of(4);
        stream.encoder(&self.device).copy_buffer_to_buffer(&from.buffer, src_offset, &to.buffer, dst_offset, size);
        stream.dispatches += 1;
        stream.submit_when_due(&self.device, &self.queue);
        Ok(())
    }

    /// Waits for all work on `buffer` and returns `len` bytes from `offset`.
    /// `interrupted` is asked about every 100 ms; `true` gives up with `GpuError::Interrupted`.
    pub fn read(
        &self,
        buffer: &GpuBuffer,
        offset: u64,
        len: u64,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<u8>> {
        self.check()?;
        check_range("read", buffer, offset, len)?;
        if len == 0 {
            return Ok(Vec::new());
        }
        let start = offset / 4 * 4;
        let size = (offset + len).next_multiple_of(4) - start;
        let staging = {
            let raw = buffer.raw()?;
            let mut stream = self.stream.lock();
            let staging = self.staging(&mut stream, size)?;
            stream.encoder(&self.device).copy_buffer_to_buffer(&raw.buffer, start, &staging, 0, size);
            stream.submit(&self.device, &self.queue);
            staging
        };
        self.map(&staging, size, interrupted)?;
        let bytes = {
            let view = staging.slice(..size).get_mapped_range().map_err(|e| GpuError::Device(e.to_string()))?;
            let skip = (offset - start) as usize;
            view[skip..skip + len as usize].to_vec()
        };
        staging.unmap();
        let mut stream = self.stream.lock();
        if stream.staging.len() < 4 && staging.size() <= MAX_UPLOAD {
            stream.staging.push(staging);
        }
        drop(stream);
        self.check()?;
        Ok(bytes)
    }

    fn staging(&self, stream: &mut Stream, size: u64) -> Result<wgpu::Buffer> {
        if let Some(i) = stream.staging.iter().position(|b| b.size() >= size && b.size() / 4 <= size.max(1 << 14)) {
            return Ok(stream.staging.swap_remove(i));
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read"),
            size: size.next_power_of_two().max(4096).min(self.limits.max_buffer_size / 4 * 4).max(size),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            Some(error) => Err(GpuError::Device(format!("reading {size} bytes: {error}"))),
            None => Ok(buffer),
        }
    }

    fn map(&self, staging: &wgpu::Buffer, size: u64, interrupted: &mut dyn FnMut() -> bool) -> Result<()> {
        const DONE: u8 = 1;
        const FAILED: u8 = 2;
        let state = Arc::new(AtomicU8::new(0));
        let seen = state.clone();
        staging.slice(..size).map_async(wgpu::MapMode::Read, move |result| {
            seen.store(if result.is_ok() { DONE } else { FAILED }, Ordering::Release);
        });
        self.poll_until(&|| state.load(Ordering::Acquire) != 0, interrupted)?;
        if state.load(Ordering::Acquire) == FAILED {
            self.check()?;
            return Err(GpuError::Device("the device did not hand over a read buffer".into()));
        }
        Ok(())
    }

    /// Polls until a callback made `done` true. Not a wait with a timeout: in wgpu 30 one that runs out while
    /// another thread polls trips an assertion. The pauses grow with the time waited, up to 1 ms.
    fn poll_until(&self, done: &dyn Fn() -> bool, interrupted: &mut dyn FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        let mut asked = start;
        loop {
            self.device.poll(wgpu::PollType::Poll).map_err(|e| GpuError::Device(e.to_string()))?;
            if done() {
                return Ok(());
            }
            let waited = start.elapsed();
            if waited < Duration::from_micros(50) {
                std::thread::yield_now();
                continue;
            }
            if asked.elapsed() > INTERRUPT_CHECK {
                asked = Instant::now();
                self.check()?;
                if interrupted() {
                    return Err(GpuError::Interrupted);
                }
            }
            std::thread::sleep((waited / 8).clamp(Duration::from_micros(10), Duration::from_millis(1)));
        }
    }

    /// Submits what is recorded, without waiting.
    pub fn flush(&self) -> Result<()> {
        self.check()?;
        self.stream.lock().submit(&self.device, &self.queue);
        Ok(())
    }

    /// Submits what is recorded and waits until the device has done it.
    pub fn synchronize(&self, interrupted: &mut dyn FnMut() -> bool) -> Result<()> {
        self.check()?;
        let done = Arc::new(AtomicBool::new(false));
        {
            let mut stream = self.stream.lock();
            stream.submit(&self.device, &self.queue);
            let seen = done.clone();
            self.queue.on_submitted_work_done(move || seen.store(true, Ordering::Release));
        }
        self.poll_until(&|| done.load(Ordering::Acquire), interrupted)?;
        self.check()
    }
}
