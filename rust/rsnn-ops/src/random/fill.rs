//! In-place fills, in the order of memory as torch draws them.
use super::{Generator, Handle, with};
use crate::pointwise::memory_order;
use crate::tensor::Tensor;
use crate::view::View;
use rsnn_core::{DType, Device, Element, Result, bail, broadcast_shapes, dispatch, ensure};

fn permuted(x: &Tensor, order: &[usize]) -> Tensor {
    x.alias(View::Permute(order.to_vec()).layout(x.layout()))
}

/// Draws into `x` in the order of its memory, through a contiguous buffer where there are gaps.
fn fill_with(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
    crate::autograd::check_inplace(x)?;
    let tracked = x.requires_grad() || x.autograd().base.as_ref().is_some_and(Tensor::requires_grad);
    let tracked = tracked && crate::autograd::is_enabled();
    let target = if tracked { Tensor::empty(x.shape(), x.dtype(), x.device())? } else { x.detach() };
    let walked = permuted(&target, &memory_order(&target));
    if walked.is_contiguous() && x.device() == Device::Cpu {
        f(&walked)?;
    } else {
        let value = Tensor::empty(walked.shape(), x.dtype(), Device::Cpu)?;
        f(&value)?;
        crate::copy::copy_into(&crate::device::to_device(&value, x.device())?, &walked)?;
    }
    if tracked {
        return crate::autograd::assign(x, &target);
    }
    x.bump_version();
    Ok(())
}

/// Draws float32 values and rounds each one to the half type of `x`.
fn rounded(x: &Tensor, f: impl FnOnce(&mut [f32])) -> Result<()> {
    let wide = Tensor::empty(x.shape(), DType::F32, Device::Cpu)?;
    f(wide.as_mut_slice());
    crate::copy::copy_into(&wide, x)
}

/// `x.uniform_(from, to)`.
pub fn uniform_(x: &Tensor, from: f64, to: f64, generator: Option<&Handle>) -> Result<()> {
    ensure!(
        x.dtype().is_float(),
        NotImplemented,
        "\"check_uniform_bounds\" not implemented for '{}'",
        x.dtype().scalar_name()
    );
    ensure!(from <= to, Runtime, "uniform_ expects to return a [from, to) range, but found from={from} > to={to}");
    fill_with(x, |x| {
        with(generator, |g| {
            match x.dtype() {
                DType::F64 => g.uniform(x.as_mut_slice::<f64>(), from, to),
                DType::F32 => g.uniform(x.as_mut_slice::<f32>(), from, to),
                _ => return rounded(x, |out| g.uniform(out, from, to)),
            }
            Ok(())
        })
    })
}

/// Half types draw whole blocks of 16, then the last 16 anew; float32 draws a uniform for every element first.
fn normal_half(g: &mut Generator, out: &mut [f32], mean: f64, std: f64) {
    let n = out.len();
    if n < 16 || n.is_multiple_of(16) {
        return g.normal(out, mean, std);
    }
    g.normal(&mut out[..n / 16 * 16], mean, std);
    g.normal(&mut out[n - 16..], mean, std);
}

/// `x.normal_(mean, std)`.
pub fn normal_(x: &Tensor, mean: f64, std: f64, generator: Option<&Handle>) -> Result<()> {
    ensure!(std >= 0.0, Runtime, "normal expects std >= 0.0, but found std {std}");
    ensure!(
        x.dtype().is_float(),
        NotImplemented,
        "\"normal_kernel_cpu\" not implemented for '{}'",
        x.dtype().scalar_name()
    );
    let serial = !x.is_contiguous();
    fill_with(x, |x| {
        with(generator, |g| {
            match (x.dtype(), serial) {
                (DType::F64, false) => g.normal(x.as_mut_slice::<f64>(), mean, std),
                (DType::F64, true) => g.normal_serial(x.as_mut_slice::<f64>(), mean, std),
                (DType::F32, false) => g.normal(x.as_mut_slice::<f32>(), mean, std),
                (DType::F32, true) => g.normal_serial(x.as_mut_slice::<f32>(), mean, std),
                (_, false) => return rounded(x, |out| normal_half(g, out, mean, std)),
                (_, true) => return rounded(x, |out| g.normal_serial(out, mean, std)),
            }
            Ok(())
        })
    })
}

/// Draws float32 or float64 directly; half types are rounded from float32, which torch draws through float64 too.
fn continuous(
    x: &Tensor,
    generator: Option<&Handle>,
    f32s: impl Fn(&mut Generator, &mut [f32]),
    f64s: impl Fn(&mut Generator, &mut [f64]),
) -> Result<()> {
    fill_with(x, |x| {
        with(generator, |g| match x.dtype() {
            DType::F32 => {
                f32s(g, x.as_mut_slice());
                Ok(())
            }
            DType::F64 => {
                f64s(g, x.as_mut_slice());
                Ok(())
            }
            _ => {
                let wide = Tensor::empty(x.shape(), DType::F64, Device::Cpu)?;
                f64s(g, wide.as_mut_slice());
                crate::copy::copy_into(&wide, x)
            }
        })
    })
}

fn must_float(x: &Tensor, what: &str) -> Result<()> {
    ensure!(
        x.dtype().is_float(),
        Runtime,
        "{what} distribution is a continuous probability distribution. dtype must be a floating point but you specified {}",
        x.dtype().scalar_name()
    );
    Ok(())
}

/// `x.exponential_(lambd)`.
pub fn exponential_(x: &Tensor, lambda: f64, generator: Option<&Handle>) -> Result<()> {
    must_float(x, "Exponential")?;
    ensure!(lambda > 0.0, Runtime, "exponential_ expects lambda > 0.0, but found lambda={lambda}");
    continuous(x, generator, |g, o| g.exponential(o, lambda), |g, o| g.exponential(o, lambda))
}

/// `x.cauchy_(median, sigma)`.
pub fn cauchy_(x: &Tensor, median: f64, sigma: f64, generator: Option<&Handle>) -> Result<()> {
    must_float(x, "Cauchy")?;
    ensure!(sigma > 0.0, Runtime, "cauchy_ expects sigma > 0.0, but found sigma={sigma}");
    continuous(x, generator, |g, o| g.cauchy(o, median, sigma), |g, o| g.cauchy(o, median, sigma))
}

/// `x.log_normal_(mean, std)`.
pub fn log_normal_(x: &Tensor, mean: f64, std: f64, generator: Option<&Handle>) -> Result<()> {
    must_float(x, "LogNormal")?;
    ensure!(std > 0.0, Runtime, "log_normal_ expects std > 0.0, but found std={std}");
    continuous(x, generator, |g, o| g.log_normal(o, mean, std), |g, o| g.log_normal(o, mean, std))
}

/// `x.geometric_(p)`.
pub fn geometric_(x: &Tensor, p: f64, generator: Option<&Handle>) -> Result<()> {
    ensure!(x.dtype() != DType::Bool, NotImplemented, "\"geometric_cpu\" not implemented for 'Bool'");
    ensure!(p > 0.0 && p < 1.0, Runtime, "geometric_ expects p to be in (0, 1), but got p={p}");
    fill_with(x, |x| {
        dispatch!(all, x.dtype(), T => with(generator, |g| {
            g.geometric(x.as_mut_slice::<T>(), p, <T as Element>::from_f64)
        }));
        Ok(())
    })
}

/// `x.bernoulli_(p)`.
pub fn bernoulli_(x: &Tensor, p: f64, generator: Option<&Handle>) -> Result<()> {
    ensure!((0.0..=1.0).contains(&p), Runtime, "bernoulli_ expects p to be in [0, 1], but got p={p}");
    fill_with(x, |x| {
        dispatch!(all, x.dtype(), T => with(generator, |g| {
            g.bernoulli(x.as_mut_slice::<T>(), p, |b| <T as Element>::from_i64(b.into()))
        }));
        Ok(())
    })
}

/// `x.bernoulli_(p)` with a tensor of probabilities that broadcasts to `x`.
pub fn bernoulli_tensor_(x: &Tensor, p: &Tensor, generator: Option<&Handle>) -> Result<()> {
    ensure!(
        p.dtype().is_float(),
        NotImplemented,
        "\"bernoulli_tensor_cpu_p_\" not implemented for '{}'",
        p.dtype().scalar_name()
    );
    let shape = broadcast_shapes(x.shape(), p.shape())?;
    ensure!(
        shape.as_slice() == x.shape(),
        Runtime,
        "The expanded size of the tensor {:?} must match the existing size {:?}",
        x.shape(),
        p.shape()
    );
    let p = crate::device::to_device(&p.detach(), Device::Cpu)?;
    let p = p.alias(View::Expand(shape).layout(p.layout()));
    let p = crate::copy::contiguous(&permuted(&p, &memory_order(x)))?;
    let p = if p.dtype().is_half() { crate::copy::cast(&p, DType::F32)? } else { p };
    let outside = |v: f64| !(0.0..=1.0).contains(&v);
    let bad = match p.dtype() {
        DType::F64 => p.as_slice::<f64>().iter().any(|&v| outside(v)),
        _ => p.as_slice::<f32>().iter().any(|&v| outside(v.into())),
    };
    ensure!(!bad, Runtime, "Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
    fill_with(x, |x| {
        dispatch!(all, x.dtype(), T => with(generator, |g| {
            let (out, cast) = (x.as_mut_slice::<T>(), |b: bool| <T as Element>::from_i64(b.into()));
            match p.dtype() {
                DType::F64 => g.bernoulli_tensor(out, p.as_slice::<f64>(), cast),
                _ => g.bernoulli_tensor(out, p.as_slice::<f32>(), cast),
            }
        }));
        Ok(())
    })
}

/// Largest and smallest integers that a dtype holds exactly.
fn integer_range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::Bool => (0, 1),
        DType::U8 => (0, 255),
        DType::I8 => (-128, 127),
        DType::I16 => (-32768, 32767),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::I64 => (i64::MIN, i64::MAX),
        DType::F16 => (-65504, 65504),
        DType::BF16 | DType::F32 | DType::F64 => (i64::MIN, i64::MAX),
    }
}

/// (2^digits + 1 of a float type or max + 1 of an integer type, whether 64 bits are drawn).
fn modulus(dtype: DType) -> (u64, bool) {
    match dtype {
        DType::Bool => (2, false),
        DType::U8 => (256, false),
        DType::I8 => (128, false),
        DType::I16 => (1 << 15, false),
        DType::I32 => (1 << 31, false),
        DType::I64 => (1 << 63, true),
        DType::F16 => ((1 << 11) + 1, false),
        DType::BF16 => ((1 << 8) + 1, false),
        DType::F32 => ((1 << 24) + 1, false),
        DType::F64 => ((1 << 53) + 1, true),
    }
}

fn rounded_integer(x: i64, dtype: DType) -> i64 {
    dispatch!(all, dtype, T => <T as Element>::from_i64(x).to_i64())
}

/// Distance between neighbours of a float type around `x`.
fn gap(x: i64, dtype: DType) -> i64 {
    let digits = match dtype {
        DType::F16 => 11,
        DType::BF16 => 8,
        DType::F32 => 24,
        _ => 53,
    };
    let log2 = x.unsigned_abs().max(1).ilog2();
    if log2 + 1 > digits { 1 << (log2 + 1 - digits) } else { 1 }
}

/// `from` moved up to where the float type does not round below it.
fn raised(from: i64, dtype: DType) -> i64 {
    let next = rounded_integer(from.saturating_add(1), dtype);
    if dtype.is_float() && next < from { next + gap(from.saturating_add(1), dtype) } else { from }
}

/// `to` moved down to where the float type does not round up to it.
fn lowered(to: i64, dtype: DType) -> i64 {
    let before = rounded_integer(to - 1, dtype);
    if dtype.is_float() && before >= to { before - gap(to - 1, dtype) } else { to }
}

/// `x.random_()`, `x.random_(to)` (with `from` 0) or `x.random_(from, to)`.
pub fn random_(x: &Tensor, range: Option<(i64, Option<i64>)>, generator: Option<&Handle>) -> Result<()> {
    let dtype = x.dtype();
    let Some((from, to)) = range else {
        return fill_with(x, |x| {
            let (modulus, wide) = modulus(dtype);
            dispatch!(all, dtype, T => with(generator, |g| {
                g.random_modulus(x.as_mut_slice::<T>(), modulus, wide, |v| <T as Element>::from_i64(v as i64))
            }));
            Ok(())
        });
    };
    let (low, high) = integer_range(dtype);
    let last = match to {
        Some(to) => {
            ensure!(from < to, Runtime, "random_ expects 'from' to be less than 'to', but got from={from} >= to={to}");
            to - 1
        }
        None => match dtype {
            DType::F16 => 1 << 11,
            DType::BF16 => 1 << 8,
            DType::F32 => 1 << 24,
            DType::F64 => 1 << 53,
            _ => high,
        },
    };
    if from < low || from > high {
        bail!(Runtime, "from is out of bounds for {}", crate::index::cpp_name(dtype));
    }
    ensure!(last >= low && last <= high, Runtime, "to - 1 is out of bounds for {}", crate::index::cpp_name(dtype));
    ensure!(from <= last, Runtime, "random_ expects 'from' to be less than 'to', but got from={from} >= to={last}");
    let (from, last) = (raised(from, dtype), to.map_or(last, |to| lowered(to, dtype) - 1));
    fill_with(x, |x| {
        let span = (last as i128 - from as i128 + 1) as u128;
        dispatch!(all, dtype, T => with(generator, |g| {
            let out = x.as_mut_slice::<T>();
            match u64::try_from(span) {
                Ok(span) => g.random_from_to(out, span, from, <T as Element>::from_i64),
                Err(_) => g.random_full(out, <T as Element>::from_i64),
            }
        }));
        Ok(())
    })
}
