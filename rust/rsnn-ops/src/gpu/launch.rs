//! Running an op's kernel on a device, and what the kernels' launchers share.
use super::transfer::{buffer, check_dtype, lift, upload};
use crate::copy;
use crate::op::{GpuCall, Op, Tensors};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Error, Result, Strides, ensure};
use rsnn_gpu::{GpuBuffer, Params, index_u32};

/// A dense float32 tensor: its buffer and its offset in elements.
pub(crate) type Dense<'a> = (&'a GpuBuffer, usize);

/// One strided input: strides and offset in elements.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub buffer: &'a GpuBuffer,
    pub strides: &'a [isize],
    pub offset: usize,
}

/// Runs the GPU kernel of `op` into `outs`, which may be of any layout. CPU numbers stay where they are:
/// only the op knows the dtype they take.
pub fn run(op: &dyn Op, ins: &[Tensor], outs: &[Tensor], index: u32) -> Result<()> {
    let device = Device::Gpu(index);
    for t in ins.iter().chain(outs).filter(|t| t.device() == device) {
        check_dtype(t.dtype())?;
    }
    let ready: Tensors = ins
        .iter()
        .map(|t| if op.strided() || t.device() == Device::Cpu { Ok(t.clone()) } else { copy::contiguous(t) })
        .collect::<Result<_>>()?;
    if outs.iter().all(|t| t.is_contiguous() && t.layout().offset == 0) {
        return op.gpu(&GpuCall { ins: &ready, outs, index });
    }
    let fresh: Tensors = outs.iter().map(|t| Tensor::empty(t.shape(), t.dtype(), device)).collect::<Result<_>>()?;
    op.gpu(&GpuCall { ins: &ready, outs: &fresh, index })?;
    fresh.iter().zip(outs).try_for_each(|(from, to)| copy::copy_into(from, to))
}

/// `t` in `dtype` on the call's device; a number comes over from the CPU.
pub(crate) fn operand(t: &Tensor, dtype: DType, call: &GpuCall) -> Result<Tensor> {
    let t = if t.dtype() == dtype { t.clone() } else { copy::cast(t, dtype)? };
    match t.device() {
        Device::Gpu(_) => Ok(t),
        // A fill stays in the stream where an upload may have to cut it.
        Device::Cpu if dtype == DType::F32 && t.numel() == 1 => {
            crate::fill::full(t.shape(), t.item()?, dtype, Device::Gpu(call.index))
        }
        Device::Cpu => upload(&copy::contiguous(&t)?, call.index),
    }
}

pub(crate) fn dense(t: &Tensor) -> Result<Dense<'_>> {
    Ok((buffer(t)?, t.layout().offset))
}

/// `t` read with `strides`.
pub(crate) fn strided<'a>(t: &'a Tensor, strides: &'a Strides) -> Result<Operand<'a>> {
    Ok(Operand { buffer: buffer(t)?, strides, offset: t.layout().offset })
}

pub(crate) fn words(words: &[usize]) -> Result<Params> {
    lift(words.iter().try_fold(Params::new(), |params, &word| Ok(params.u32(index_u32(word)?))))
}

pub(crate) fn no_kernel(op: &str, dtype: DType) -> Error {
    Error::NotImplemented(format!("{op}: no kernel for {} on device gpu; move the inputs with .cpu()", dtype.name()))
}

pub(crate) fn f32_only(op: &str, call: &GpuCall) -> Result<()> {
    for t in call.ins.iter().chain(call.outs) {
        ensure!(
            t.dtype() == DType::F32,
            NotImplemented,
            "{op}: no kernel for {} on device gpu; move the inputs with .cpu()",
            t.dtype().name()
        );
    }
    Ok(())
}
