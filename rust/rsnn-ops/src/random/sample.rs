//! New random tensors and samples from distributions.
use super::{Handle, with};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Result, bail, broadcast_shapes, dispatch, ensure};

fn fresh(shape: &[usize], dtype: DType, device: Device, fill: impl FnOnce(&Tensor) -> Result<()>) -> Result<Tensor> {
    let t = Tensor::empty(shape, dtype, device)?;
    fill(&t)?;
    Ok(t)
}

/// Uniform on [0, 1).
pub fn rand(shape: &[usize], dtype: DType, device: Device, generator: Option<&Handle>) -> Result<Tensor> {
    fresh(shape, dtype, device, |t| super::uniform_(t, 0.0, 1.0, generator))
}

/// Standard normal.
pub fn randn(shape: &[usize], dtype: DType, device: Device, generator: Option<&Handle>) -> Result<Tensor> {
    fresh(shape, dtype, device, |t| super::normal_(t, 0.0, 1.0, generator))
}

/// Integers from `low` up to but without `high`.
pub fn randint(
    low: i64,
    high: i64,
    shape: &[usize],
    dtype: DType,
    device: Device,
    generator: Option<&Handle>,
) -> Result<Tensor> {
    fresh(shape, dtype, device, |t| super::random_(t, Some((low, Some(high))), generator))
}

/// A permutation of `0..n`.
pub fn randperm(n: i64, dtype: DType, device: Device, generator: Option<&Handle>) -> Result<Tensor> {
    ensure!(n >= 0, Runtime, "Trying to create tensor with negative dimension {n}: [{n}]");
    ensure!(dtype != DType::Bool, NotImplemented, "\"randperm\" not implemented for 'Bool'");
    let limit = match dtype {
        DType::U8 => 255,
        DType::I8 => 127,
        DType::I16 => 32767,
        DType::I32 => i32::MAX.into(),
        DType::F16 => (1 << 11) + 1,
        DType::BF16 => (1 << 8) + 1,
        DType::F32 => (1 << 24) + 1,
        _ => i64::MAX,
    };
    if n > limit {
        match dtype.is_float() {
            true => bail!(Runtime, "n cannot be greater than {limit} for {} type.", dtype.scalar_name()),
            false => {
                bail!(Runtime, "value cannot be converted to type {} without overflow", crate::index::c_name(dtype))
            }
        }
    }
    // Refuses a size that memory cannot hold before the generator moves.
    Tensor::empty(&[n as usize], DType::I64, Device::Cpu)?;
    let order = with(generator, |g| g.randperm(n as usize));
    let t = Tensor::from_slice(&order, &[order.len()])?;
    let t = if dtype == DType::I64 { t } else { crate::copy::cast(&t, dtype)? };
    crate::device::to(&t, device)
}

/// 0 or 1 with the probabilities in `p`; the gradient is zero.
pub fn bernoulli(p: &Tensor, generator: Option<&Handle>) -> Result<Tensor> {
    fresh(p.shape(), p.dtype(), p.device(), |t| super::bernoulli_tensor_(t, p, generator))
}

/// Normal samples with means and deviations from two tensors (or 0-d tensors of numbers).
pub fn normal(mean: &Tensor, std: &Tensor, generator: Option<&Handle>) -> Result<Tensor> {
    let bad = dispatch!(all, std.dtype(), T => {
        let s = crate::copy::contiguous(&std.detach())?;
        s.as_slice::<T>().iter().any(|v| rsnn_core::Element::to_f64(*v) < 0.0)
    });
    ensure!(!bad, Runtime, "normal expects all elements of std >= 0.0");
    let shape = broadcast_shapes(mean.shape(), std.shape())?;
    let dtype = crate::elementwise::common(mean, std);
    let z = randn(&shape, if dtype.is_float() { dtype } else { DType::F32 }, mean.device(), generator)?;
    crate::elementwise::add(&crate::elementwise::mul(&z, &std.detach())?, &mean.detach())
}

fn check_weights(rows: &Tensor, replacement: bool, n_sample: usize) -> Result<()> {
    let width = rows.shape().last().copied().unwrap_or(0);
    let wide = crate::copy::cast(rows, DType::F64)?;
    let data = wide.as_slice::<f64>();
    let listed = n_sample > 1 && replacement;
    if !listed && data.iter().any(|v| !v.is_finite() || *v < 0.0) {
        bail!(Runtime, "probability tensor contains either `inf`, `nan` or element < 0");
    }
    if data.iter().any(|v| v.is_nan() || *v < 0.0) {
        bail!(Runtime, "invalid multinomial distribution (encountering probability entry < 0)");
    }
    if data.iter().any(|v| v.is_infinite()) {
        bail!(Runtime, "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
    }
    let empty = width > 0 && data.chunks_exact(width).any(|row| row.iter().sum::<f64>() <= 0.0);
    ensure!(!empty, Runtime, "invalid multinomial distribution (sum of probabilities <= 0)");
    Ok(())
}

/// `multinomial(p, num_samples, replacement)`: indices drawn with weights `p`, per row.
pub fn multinomial(p: &Tensor, num_samples: i64, replacement: bool, generator: Option<&Handle>) -> Result<Tensor> {
    ensure!(matches!(p.ndim(), 1 | 2), Runtime, "prob_dist must be 1 or 2 dim");
    ensure!(
        p.dtype().is_float(),
        Runtime,
        "multinomial only supports floating-point dtypes for input, got: {}",
        p.dtype().scalar_name()
    );
    ensure!(num_samples > 0, Runtime, "cannot sample n_sample <= 0 samples");
    let width = p.shape()[p.ndim() - 1];
    let n = num_samples as usize;
    ensure!(
        replacement || n <= width,
        Runtime,
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
    );
    let rows = crate::copy::contiguous(&crate::device::to_device(&p.detach(), Device::Cpu)?)?;
    check_weights(&rows, replacement, n)?;
    let rows = if rows.dtype().is_half() { crate::copy::cast(&rows, DType::F32)? } else { rows };
    let mut shape = rsnn_core::Dims::from_slice(p.shape());
    shape[p.ndim() - 1] = n;
    let out = Tensor::empty(&shape, DType::I64, Device::Cpu)?;
    dispatch!(float, rows.dtype(), "multinomial", T => with(generator, |g| {
        g.multinomial(rows.as_slice::<T>(), width, n, replacement, out.as_mut_slice())
    }));
    crate::device::to(&out, p.device())
}
