//! Devices, storage, and every way bytes get into, out of and across GPU buffers.
use crate::copy;
use crate::copy::gpu::{Side, Type, cast, copy as copy_strided};
use crate::interrupt;
use crate::tensor::Tensor;
use rsnn_core::{DType, Data, Device, Error, Result, Storage, bail};
use rsnn_gpu::{Context, GpuBuffer, GpuError};
use std::sync::Arc;

/// An error of the GPU crate as one of ours.
pub(crate) fn lift<T>(result: rsnn_gpu::Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        GpuError::OutOfMemory { .. } => Error::OutOfMemory(error.to_string()),
        // The check that stopped the wait has set the exception.
        GpuError::Interrupted => Error::Raised,
        other => Error::Runtime(other.to_string()),
    })
}

fn interrupted() -> bool {
    interrupt::check().is_err()
}

fn context(index: u32) -> Result<&'static Context> {
    lift(Context::get(index as usize))
}

pub fn device_count() -> usize {
    rsnn_gpu::device_count()
}

pub fn device_name(index: usize) -> Result<String> {
    lift(rsnn_gpu::device_name(index))
}

/// Waits until device `index` has done everything asked of it.
pub fn synchronize(index: usize) -> Result<()> {
    lift(Context::get(index).and_then(|c| c.synchronize(&mut interrupted)))
}

/// Refuses dtypes that no kernel knows.
pub(super) fn check_dtype(dtype: DType) -> Result<()> {
    match dtype {
        DType::F32 | DType::I32 | DType::I64 | DType::U8 | DType::Bool => Ok(()),
        other => bail!(
            NotImplemented,
            "gpu: {} is not supported, move to {} or stay on the CPU",
            other.name(),
            if other.is_float() { "float32" } else { "int32" }
        ),
    }
}

/// Uninitialised bytes on device `index`.
pub fn storage(index: u32, bytes: usize) -> Result<Storage> {
    let buffer = lift(context(index)?.alloc(bytes as u64))?;
    Ok(Storage::new(Data::Gpu { index, buffer: Arc::new(buffer) }, bytes))
}

/// The device memory of `t`.
pub(crate) fn buffer(t: &Tensor) -> Result<&GpuBuffer> {
    match t.storage().gpu().and_then(|b| b.downcast_ref::<GpuBuffer>()) {
        Some(buffer) => Ok(buffer),
        None => bail!(Runtime, "gpu: got a tensor on {}, expected one on the GPU", t.device()),
    }
}

/// The bytes of a contiguous CPU tensor.
fn bytes_of(x: &Tensor) -> &[u8] {
    let size = x.dtype().size();
    if x.numel() == 0 {
        return &[];
    }
    // SAFETY: contiguous, so `numel` elements of `size` bytes start at the layout's offset within the storage.
    unsafe { std::slice::from_raw_parts(x.storage().ptr().add(x.layout().offset * size), x.numel() * size) }
}

/// A copy of the contiguous CPU tensor `x` on device `index`.
pub fn upload(x: &Tensor, index: u32) -> Result<Tensor> {
    check_dtype(x.dtype())?;
    let y = Tensor::empty(x.shape(), x.dtype(), Device::Gpu(index))?;
    let to = buffer(&y)?;
    lift(to.context().upload(to, 0, bytes_of(x)))?;
    Ok(y)
}

/// A copy of `x` on the CPU; waits for the work that makes it.
pub fn download(x: &Tensor) -> Result<Tensor> {
    let x = copy::contiguous(x)?;
    let y = Tensor::empty(x.shape(), x.dtype(), Device::Cpu)?;
    let size = x.dtype().size();
    let (start, len) = (x.layout().offset * size, x.numel() * size);
    let from = buffer(&x)?;
    let bytes = lift(from.context().read(from, start as u64, len as u64, &mut interrupted))?;
    // SAFETY: `y` was just allocated with room for `len` bytes, and `read` returns `len` bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), y.storage().ptr(), bytes.len().min(len)) };
    Ok(y)
}

/// Copies `src` (broadcast, cast) into the elements of `dst`, either of them on a GPU.
pub fn copy_into(src: &Tensor, dst: &Tensor) -> Result<()> {
    match (src.device(), dst.device()) {
        (Device::Cpu, Device::Gpu(index)) => {
            let src = if src.dtype() == dst.dtype() { src.clone() } else { copy::cast(src, dst.dtype())? };
            copy_into(&upload(&copy::contiguous(&src)?, index)?, dst)
        }
        (_, Device::Cpu) => copy::copy_into(&download(src)?, dst),
        (a, b) if a != b => copy_into(&download(src)?, dst),
        _ if src.dtype() == dst.dtype() => same_dtype(src, dst),
        _ => converted(src, dst),
    }
}

fn same_dtype(src: &Tensor, dst: &Tensor) -> Result<()> {
    check_dtype(dst.dtype())?;
    let shape = dst.shape();
    let strides = src.layout().broadcast_strides(shape);
    let from = Side { buffer: buffer(src)?, strides: &strides, offset: src.layout().offset };
    let to = Side { buffer: buffer(dst)?, strides: dst.strides(), offset: dst.layout().offset };
    lift(copy_strided(dst.dtype().size(), shape, from, to))
}

fn converted(src: &Tensor, dst: &Tensor) -> Result<()> {
    let (from, to) = (kernel_type(src.dtype())?, kernel_type(dst.dtype())?);
    let x = copy::contiguous(src)?;
    let direct = x.shape() == dst.shape() && dst.is_contiguous() && dst.layout().offset == 0;
    let y = if direct { dst.clone() } else { Tensor::empty(x.shape(), dst.dtype(), dst.device())? };
    lift(cast(x.numel(), from, (buffer(&x)?, x.layout().offset), to, (buffer(&y)?, 0)))?;
    if direct { Ok(()) } else { same_dtype(&y, dst) }
}

fn kernel_type(dtype: DType) -> Result<Type> {
    check_dtype(dtype)?;
    Ok(match dtype {
        DType::I32 => Type::I32,
        DType::I64 => Type::I64,
        DType::U8 => Type::U8,
        DType::Bool => Type::Bool,
        _ => Type::F32,
    })
}

/// Writes `value` to every element of `x`.
pub fn fill(x: &Tensor, value: f64) -> Result<()> {
    check_dtype(x.dtype())?;
    let (n, offset) = (x.numel(), x.layout().offset);
    let number = Tensor::scalar(value, x.dtype())?;
    let whole = offset == 0 && n * x.dtype().size() == x.storage().bytes();
    let mut bits = [0u8; 4];
    match (x.dtype().size(), bytes_of(&number)) {
        (4, bytes) if x.is_contiguous() => bits.copy_from_slice(bytes),
        // The padding behind the last byte belongs to the buffer.
        (1, &[byte]) if whole && x.is_contiguous() => bits = [byte; 4],
        _ => return copy_into(&number, x),
    }
    let n = if x.dtype().size() == 1 { n.div_ceil(4) } else { n };
    lift(crate::fill::gpu::fill(buffer(x)?, offset, n, u32::from_le_bytes(bits)))
}
