//! Tensors made from nothing: full, zeros, arange, eye; and filling in place.
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::pointwise;
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Element, Result, dispatch, ensure};
use rsnn_cpu::{loops, pool, simd};

/// Writes `value` to every element, outside autograd.
pub fn fill_raw(x: &Tensor, value: f64) -> Result<()> {
    if x.device() != Device::Cpu {
        return crate::gpu::fill(x, value);
    }
    dispatch!(all, x.dtype(), T => {
        if x.numel() == 1 {
            // SAFETY: the one element of a live CPU tensor.
            unsafe { *x.ptr::<T>() = T::from_f64(value) };
            return Ok(());
        }
        let (x, v) = (pointwise::flat(x), [T::from_f64(value)]);
        let zeros = rsnn_core::Strides::from_elem(0, x.ndim());
        // SAFETY: one source element with stride 0; the layout of `x` lies in its storage.
        unsafe { loops::unary(x.shape(), (v.as_ptr(), &zeros), (x.ptr::<T>(), x.strides()), |v| v) }
    });
    Ok(())
}

/// A tensor of one value.
pub fn full(shape: &[usize], value: f64, dtype: DType, device: Device) -> Result<Tensor> {
    let t = Tensor::empty(shape, dtype, device)?;
    fill_raw(&t, value)?;
    Ok(t)
}

pub fn zeros(shape: &[usize], dtype: DType, device: Device) -> Result<Tensor> {
    full(shape, 0.0, dtype, device)
}

/// A tensor of one value that lies in memory as `x` does.
pub fn full_like(x: &Tensor, value: f64, dtype: DType, device: Device) -> Result<Tensor> {
    let t = pointwise::empty_like(x, dtype, device)?;
    fill_raw(&t, value)?;
    Ok(t)
}

pub fn zeros_like(x: &Tensor) -> Result<Tensor> {
    full_like(x, 0.0, x.dtype(), x.device())
}

/// `start, start + step, ..` up to but without `end`.
pub fn arange(start: f64, end: f64, step: f64, dtype: DType) -> Result<Tensor> {
    ensure!(step != 0.0, Runtime, "step must be nonzero");
    ensure!(start.is_finite() && end.is_finite(), Runtime, "unsupported range: {start} -> {end}");
    ensure!(
        (step > 0.0) == (end >= start) || end == start,
        Runtime,
        "upper bound and lower bound inconsistent with step sign"
    );
    let n = ((end - start) / step).ceil().max(0.0) as usize;
    let t = Tensor::empty(&[n], dtype, Device::Cpu)?;
    if dtype.is_float() || start.fract() != 0.0 || step.fract() != 0.0 {
        dispatch!(all, dtype, T => each(t.as_mut_slice::<T>(), #[inline(always)] |base, part: &mut [T]| {
            for (i, v) in (0i32..).zip(part) {
                *v = T::from_f64(start + (base as f64 + f64::from(i)) * step);
            }
        }));
    } else {
        let (start, step) = (start as i64, step as i64);
        dispatch!(all, dtype, T => each(t.as_mut_slice::<T>(), #[inline(always)] |base, part: &mut [T]| {
            let mut value = start.wrapping_add((base as i64).wrapping_mul(step));
            for v in part {
                *v = T::from_i64(value);
                value = value.wrapping_add(step);
            }
        }));
    }
    Ok(t)
}

/// `f(base, out[base..])` for parts that have few enough elements for 32-bit counters.
fn each<T: Element>(out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    const GRAIN: usize = 1 << 14;
    let (n, chunks) = (out.len(), out.len().div_ceil(GRAIN));
    let to = pool::SendPtr(out.as_mut_ptr());
    pool::for_each_chunk(chunks, |c| {
        let base = c * GRAIN;
        // SAFETY: chunks are disjoint ranges of `out`.
        let part = unsafe { std::slice::from_raw_parts_mut(to.get().add(base), GRAIN.min(n - base)) };
        simd::vectorize(
            #[inline(always)]
            || f(base, part),
        );
    });
}

/// `steps` evenly spaced values from `start` to `end`, both included; torch's formula from both ends.
pub fn linspace(start: f64, end: f64, steps: usize, dtype: DType) -> Result<Tensor> {
    let t = Tensor::empty(&[steps], dtype, Device::Cpu)?;
    let step = if steps > 1 { (end - start) / (steps - 1) as f64 } else { 0.0 };
    dispatch!(all, dtype, T => {
        for (i, v) in t.as_mut_slice::<T>().iter_mut().enumerate() {
            let x = if i < steps / 2 { start + step * i as f64 } else { end - step * (steps - 1 - i) as f64 };
            *v = T::from_f64(if steps == 1 { start } else { x });
        }
    });
    Ok(t)
}

/// `x.fill_(value)`.
pub fn fill_(x: &Tensor, value: f64) -> Result<()> {
    crate::autograd::check_inplace(x)?;
    if crate::autograd::is_enabled() && (x.requires_grad() || x.autograd().base.is_some()) {
        let v = full(x.shape(), value, x.dtype(), x.device())?;
        return crate::autograd::assign(x, &v);
    }
    fill_raw(x, value)?;
    x.bump_version();
    Ok(())
}
