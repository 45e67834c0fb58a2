//! Searches and counts: searchsorted, bucketize, bincount, histc. No gradient.
use crate::copy::{cast, contiguous};
use crate::elementwise::common;
use crate::reduce::dispatch_ordered;
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Element, Result, bail, dispatch, ensure};
use rsnn_cpu::simd::vectorize;
use rsnn_cpu::vmath::map;

/// `x` on the CPU, contiguous, in `dtype` (halves as float32).
fn ready(op: &str, x: &Tensor, dtype: DType) -> Result<Tensor> {
    ensure!(x.device() == Device::Cpu, NotImplemented, "{op}: no kernel for device gpu; move the inputs with .cpu()");
    let dtype = dtype.compute();
    if x.dtype() == dtype { contiguous(x) } else { cast(x, dtype) }
}

/// Number of leading elements of `sorted` that lie before `v`.
#[inline(always)]
fn position<T: PartialOrd + Copy>(sorted: &[T], v: T, right: bool) -> i64 {
    // Written so that NaN, which compares with nothing, goes to the end.
    let stop = |e: &T| if right { *e > v } else { *e >= v };
    sorted.partition_point(|e| !stop(e)) as i64
}

/// Where each of `values` goes in the last dimension of `sorted` (1-d, or with the same leading dimensions).
pub fn searchsorted(
    sorted: &Tensor,
    values: &Tensor,
    right: bool,
    int32: bool,
    sorter: Option<&Tensor>,
) -> Result<Tensor> {
    let sorted = match sorter {
        Some(order) => crate::index::gather(&sorted.detach(), -1, order)?,
        None => sorted.clone(),
    };
    let n = sorted.ndim();
    ensure!(n > 0, Runtime, "torch.searchsorted(): boundaries tensor should have positive dimension");
    let lead = &sorted.shape()[..n - 1];
    ensure!(
        n == 1 || (values.ndim() == n && &values.shape()[..n - 1] == lead),
        Runtime,
        "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor {:?} and input value tensor {:?}",
        sorted.shape(),
        values.shape()
    );
    let dtype = common(&sorted, values);
    let (s, v) = (ready("searchsorted", &sorted, dtype)?, ready("searchsorted", values, dtype)?);
    let out = Tensor::empty(values.shape(), DType::I64, Device::Cpu)?;
    let (len, rows) = (s.shape()[n - 1], lead.iter().product::<usize>().max(1));
    let width = v.numel() / rows;
    dispatch_ordered!(s.dtype(), "searchsorted_out_cpu", T => {
        let (s, v, out) = (s.as_slice::<T>(), v.as_slice::<T>(), out.as_mut_slice::<i64>());
        for r in 0..if v.is_empty() { 0 } else { rows } {
            let sorted = s.get(r * len..(r + 1) * len).unwrap_or(&[]);
            map(&v[r * width..(r + 1) * width], &mut out[r * width..(r + 1) * width], |v: T| position(sorted, v, right));
        }
    });
    if int32 { cast(&out, DType::I32) } else { Ok(out) }
}

/// `searchsorted` with 1-d boundaries.
pub fn bucketize(x: &Tensor, boundaries: &Tensor, right: bool, int32: bool) -> Result<Tensor> {
    ensure!(
        boundaries.ndim() == 1,
        Runtime,
        "bucketize(): boundaries tensor must be 1 dimension, but got dim({})",
        boundaries.ndim()
    );
    searchsorted(boundaries, x, right, int32, None)
}

/// How often each number from 0 occurs, or the sum of its weights.
pub fn bincount(x: &Tensor, weights: Option<&Tensor>, minlength: i64) -> Result<Tensor> {
    ensure!(minlength >= 0, Runtime, "minlength should be >= 0");
    if x.dtype().is_float() || x.dtype() == DType::Bool {
        bail!(NotImplemented, "\"bincount_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    let one_dim = x.ndim() == 1 || x.numel() == 0;
    let ints = ready("bincount", x, DType::I64)?;
    let ints = ints.as_slice::<i64>();
    let most = vectorize(
        #[inline(always)]
        || ints.iter().fold(0u64, |most, &i| most.max(i as u64)),
    );
    // As unsigned, a negative number is larger than all others.
    ensure!(one_dim && most <= i64::MAX as u64, Runtime, "bincount only supports 1-d non-negative integral inputs.");
    let bins = if ints.is_empty() { 0 } else { most as usize + 1 }.max(minlength as usize);
    let Some(weights) = weights else {
        let out = crate::fill::zeros(&[bins], DType::I64, Device::Cpu)?;
        let counts = out.as_mut_slice::<i64>();
        ints.iter().for_each(|&i| counts[i as usize] += 1);
        return Ok(out);
    };
    ensure!(weights.shape() == x.shape(), Runtime, "weights should be 1-d and have the same length as input");
    let dtype = if weights.dtype() == DType::F32 { DType::F32 } else { DType::F64 };
    let (w, out) = (ready("bincount", weights, dtype)?, crate::fill::zeros(&[bins], dtype, Device::Cpu)?);
    dispatch!(float, dtype, "bincount_cpu", T => {
        let (w, sums) = (w.as_slice::<T>(), out.as_mut_slice::<T>());
        ints.iter().zip(w).for_each(|(&i, &w)| sums[i as usize] += w);
    });
    Ok(out)
}

/// Counts in `bins` equal intervals of `[low, high]`, or of the range of the data when both are equal.
pub fn histc(x: &Tensor, bins: i64, low: f64, high: f64) -> Result<Tensor> {
    if !x.dtype().is_float() {
        bail!(NotImplemented, "\"histogram_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    }
    ensure!(bins > 0, Runtime, "torch.histogram(): bins must be > 0, but got {bins} for dimension 0");
    let values = ready("histc", x, DType::F64)?;
    let values = values.as_slice::<f64>();
    let (mut low, mut high) = (low, high);
    if low == high && !values.is_empty() {
        low = values.iter().copied().fold(f64::INFINITY, |a, b| if b < a || b.is_nan() { b } else { a });
        high = values.iter().copied().fold(f64::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a });
    }
    if low == high {
        (low, high) = (low - 1.0, high + 1.0);
    }
    // NaN in lower case, as torch prints it.
    let plain = |v: f64| v.to_string().to_lowercase();
    ensure!(
        low.is_finite() && high.is_finite(),
        Runtime,
        "torch.histc: range of [{}, {}] is not finite",
        plain(low),
        plain(high)
    );
    ensure!(low < high, Runtime, "torch.histc: max must be larger than min");
    let out = crate::fill::zeros(&[bins as usize], DType::F64, Device::Cpu)?;
    let counts = out.as_mut_slice::<f64>();
    for &v in values.iter().filter(|v| (low..=high).contains(v)) {
        let at = ((v - low) / (high - low) * bins as f64) as usize;
        counts[at.min(bins as usize - 1)] += 1.0;
    }
    if f64::DTYPE == x.dtype() { Ok(out) } else { cast(&out, x.dtype()) }
}
