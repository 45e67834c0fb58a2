//! Copies, casts and contiguity.
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::autograd::Ctx;
use crate::index::kernel::by_size;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::pointwise;
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Device, Element, Result, dispatch, ensure};
use rsnn_cpu::{convert, loops, moves, pool, simd};

/// Copies `src` (broadcast, cast) into the elements of `dst`, outside autograd.
pub fn copy_into(src: &Tensor, dst: &Tensor) -> Result<()> {
    if dst.device() != Device::Cpu || src.device() != Device::Cpu {
        return crate::gpu::copy_into(src, dst);
    }
    let shape = dst.shape();
    if src.shape() == shape && src.is_contiguous() && dst.is_contiguous() {
        match (src.dtype(), dst.dtype()) {
            (from, to) if from == to => return copy_bytes(src, dst),
            (DType::F32, DType::F16) => return converted(src, dst, convert::f32_to_f16),
            (DType::F16, DType::F32) => return converted(src, dst, convert::f16_to_f32),
            (DType::F32, DType::BF16) => return converted(src, dst, convert::f32_to_bf16),
            (DType::BF16, DType::F32) => return converted(src, dst, convert::bf16_to_f32),
            (DType::F32, DType::I64) => return converted(src, dst, convert::f32_to_i64),
            _ => {}
        }
    }
    let strides = src.layout().broadcast_strides(shape);
    if src.dtype() == dst.dtype() {
        by_size!(src.dtype(), T => {
            let (from, to) = ((src.ptr::<T>().cast_const(), &strides[..]), (dst.ptr::<T>(), dst.strides()));
            // SAFETY: as below.
            unsafe { moves::copy(shape, from, to) }
        });
        return Ok(());
    }
    dispatch!(all, src.dtype(), S => dispatch!(all, dst.dtype(), D => {
        let (from, to) = ((src.ptr::<S>().cast_const(), &strides[..]), (dst.ptr::<D>(), dst.strides()));
        // SAFETY: both layouts lie in their storages; overlapping copies go through `assign`, which copies whole tensors.
        unsafe { loops::unary(shape, from, to, cast_one::<S, D>) }
    }));
    Ok(())
}

fn converted<S: Element, D: Element>(src: &Tensor, dst: &Tensor, f: fn(&[S], &mut [D])) -> Result<()> {
    f(src.as_slice(), dst.as_mut_slice());
    Ok(())
}

#[inline(always)]
fn cast_one<S: Element, D: Element>(x: S) -> D {
    if S::DTYPE.is_float() { D::from_f64(x.to_f64()) } else { D::from_i64(x.to_i64()) }
}

fn copy_bytes(src: &Tensor, dst: &Tensor) -> Result<()> {
    let bytes = src.numel() * src.dtype().size();
    let size = src.dtype().size();
    let (from, to) = (src.storage().ptr(), dst.storage().ptr());
    let (from, to) = (pool::SendPtr(from), pool::SendPtr(to));
    let (so, d_o) = (src.layout().offset * size, dst.layout().offset * size);
    let past = bytes >= simd::LARGE && !std::sync::Arc::ptr_eq(src.storage(), dst.storage());
    let chunks = pool::split(bytes, 1 << 17);
    pool::for_each_chunk(chunks, |c| {
        let part = pool::range(bytes, chunks, c);
        if past {
            // SAFETY: both ranges lie in their storages, which are two.
            unsafe { simd::copy_past(from.get().add(so + part.start), to.get().add(d_o + part.start), part.len()) };
            return simd::drain();
        }
        // SAFETY: both ranges lie in their storages; `copy` allows overlap within one storage.
        unsafe { std::ptr::copy(from.get().add(so + part.start), to.get().add(d_o + part.start), part.len()) }
    });
    Ok(())
}

/// `x` in row-major order without history: itself when it is so already.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() {
        return Ok(x.clone());
    }
    let y = Tensor::empty(x.shape(), x.dtype(), x.device())?;
    copy_into(x, &y)?;
    Ok(y)
}

/// `x` in another dtype, contiguous, without history.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    let y = Tensor::empty(x.shape(), dtype, x.device())?;
    copy_into(x, &y)?;
    Ok(y)
}

/// Clone and cast: one op, since a clone is a cast to the same dtype. The result is row-major, or lies as its input does.
struct To {
    dtype: DType,
    keep: bool,
}

impl Op for To {
    fn name(&self) -> &'static str {
        "clone"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(ins[0].shape(), self.dtype, ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        copy_into(&call.ins[0], &call.outs[0])
    }
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        copy_into(&call.ins[0], &call.outs[0])
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        grads.iter().map(|g| g.as_ref().map(|g| to_dtype(g, cx.input_meta(0).dtype)).transpose()).collect()
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
    fn half(&self) -> Half {
        Half::Native
    }
    fn empty(&self, _: usize, meta: &Meta, ins: &[Tensor]) -> Result<Tensor> {
        if self.keep { pointwise::empty_like(&ins[0], meta.dtype, meta.device) } else { Tensor::empty_meta(meta) }
    }
    fn pointwise(&self) -> bool {
        true
    }
}

/// A contiguous copy of `x`; differentiable.
pub fn copy(x: &Tensor) -> Result<Tensor> {
    apply(To { dtype: x.dtype(), keep: false }, std::slice::from_ref(x))
}

/// A copy of `x` that lies in memory as `x` does; differentiable.
pub fn clone(x: &Tensor) -> Result<Tensor> {
    apply(To { dtype: x.dtype(), keep: true }, std::slice::from_ref(x))
}

/// `x.to(dtype)`; differentiable, and `x` itself when it has that dtype.
pub fn to_dtype(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    apply(To { dtype, keep: true }, std::slice::from_ref(x))
}

/// `x.contiguous()`; differentiable.
pub fn to_contiguous(x: &Tensor) -> Result<Tensor> {
    if x.is_contiguous() { Ok(x.clone()) } else { copy(x) }
}

/// `dst.copy_(src)`.
pub fn copy_(dst: &Tensor, src: &Tensor) -> Result<()> {
    let can = rsnn_core::broadcast_shapes(dst.shape(), src.shape()).is_ok_and(|s| s.as_slice() == dst.shape());
    ensure!(
        can,
        Runtime,
        "copy_: The size of tensor a {:?} must match the size of tensor b {:?}",
        dst.shape(),
        src.shape()
    );
    let src = crate::device::to(src, dst.device())?;
    let src = if src.dtype() == dst.dtype() { src } else { to_dtype(&src, dst.dtype())? };
    let src = if src.shape() == dst.shape() { src } else { crate::view::expand(&src, dst.shape())? };
    // A source in the same storage may overlap the destination.
    let src = if std::sync::Arc::ptr_eq(src.storage(), dst.storage()) { copy(&src)? } else { src };
    crate::autograd::assign(dst, &src)
}
