//! In-place fills. Elements are drawn in logical order, whatever the layout.
use super::{Generator, Handle, with};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Element, Result, bail, bf16, broadcast_shapes, dispatch, ensure, f16};

/// Draws into a contiguous buffer and moves the values into `x`.
fn fill_with(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
    crate::autograd::check_inplace(x)?;
    let tracked = x.requires_grad() || x.autograd().base.as_ref().is_some_and(Tensor::requires_grad);
    if crate::autograd::is_enabled() && tracked {
        let value = Tensor::empty(x.shape(), x.dtype(), Device::Cpu)?;
        f(&value)?;
        return crate::autograd::assign(x, &crate::device::to(&value, x.device())?);
    }
    if x.is_contiguous() && x.device() == Device::Cpu {
        f(&x.detach())?;
    } else {
        let value = Tensor::empty(x.shape(), x.dtype(), Device::Cpu)?;
        f(&value)?;
        crate::copy::copy_into(&crate::device::to_device(&value, x.device())?, x)?;
    }
    x.storage().bump_version();
    Ok(())
}

/// A half type with torch's own way of drawing: digits of its precision, arithmetic rounded as C++ rounds it.
trait HalfDraw: Element {
    const DIGITS: u32;
    fn of(x: f32) -> Self;
    fn f32(self) -> f32;
    fn unit(g: &mut Generator) -> f32 {
        (g.random() & ((1 << Self::DIGITS) - 1)) as f32 / (1u32 << Self::DIGITS) as f32
    }
    fn uniform(g: &mut Generator, from: Self, to: Self) -> Self {
        let span = Self::of(to.f32() - from.f32()).f32();
        let value = Self::of(Self::unit(g) * span + from.f32());
        if value.f32() == to.f32() { from } else { value }
    }
}
impl HalfDraw for f16 {
    const DIGITS: u32 = 11;
    fn of(x: f32) -> f16 {
        f16::from_f32(x)
    }
    fn f32(self) -> f32 {
        self.to_f32()
    }
}
impl HalfDraw for bf16 {
    const DIGITS: u32 = 8;
    fn of(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
    fn f32(self) -> f32 {
        self.to_f32()
    }
}

fn uniform_half<T: HalfDraw>(g: &mut Generator, x: &Tensor, from: f64, to: f64) {
    let (from, to) = (T::from_f64(from), T::from_f64(to));
    x.as_mut_slice::<T>().iter_mut().for_each(|o| *o = T::uniform(g, from, to));
}

/// `x.uniform_(from, to)`.
pub fn uniform_(x: &Tensor, from: f64, to: f64, generator: Option<&Handle>) -> Result<()> {
    ensure!(
        x.dtype().is_float(),
        NotImplemented,
        "\"check_uniform_bounds\" not implemented for '{}'",
        x.dtype().scalar_name()
    );
    ensure!(
        from <= to,
        Runtime,
        "uniform_ expects to return a [from, to) range, but found from={from} > to={to}"
    );
    fill_with(x, |x| {
        with(generator, |g| match x.dtype() {
            DType::F16 => uniform_half::<f16>(g, x, from, to),
            DType::BF16 => uniform_half::<bf16>(g, x, from, to),
            DType::F64 => g.uniform(x.as_mut_slice::<f64>(), from, to),
            _ => g.uniform(x.as_mut_slice::<f32>(), from, to),
        });
        Ok(())
    })
}

fn box_muller_half<T: HalfDraw>(block: &mut [T], mean: f64, std: f64) {
    for j in 0..8 {
        let u1 = T::of(1.0 - block[j].f32()).f32();
        let radius = T::of((-2.0 * u1.ln()).sqrt()).f32();
        let theta = T::from_f64(2.0 * std::f64::consts::PI * f64::from(block[j + 8].f32())).f32();
        let (mean, std) = (T::from_f64(mean).f32(), T::from_f64(std).f32());
        let value = |t: f32| T::of(T::of(T::of(radius * T::of(t).f32()).f32() * std).f32() + mean);
        (block[j], block[j + 8]) = (value(theta.cos()), value(theta.sin()));
    }
}

fn normal_half<T: HalfDraw>(g: &mut Generator, x: &Tensor, serial: bool, mean: f64, std: f64) {
    let out = x.as_mut_slice::<T>();
    let n = out.len();
    if n < 16 || serial {
        return out.iter_mut().for_each(|o| *o = T::from_f64(g.next_normal(mean, std)));
    }
    out.iter_mut().for_each(|o| *o = T::of(T::unit(g)));
    out.chunks_exact_mut(16).for_each(|block| box_muller_half(block, mean, std));
    if !n.is_multiple_of(16) {
        let last = &mut out[n - 16..];
        last.iter_mut().for_each(|o| *o = T::of(T::unit(g)));
        box_muller_half(last, mean, std);
    }
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
        with(generator, |g| match (x.dtype(), serial) {
            (DType::F16, _) => normal_half::<f16>(g, x, serial, mean, std),
            (DType::BF16, _) => normal_half::<bf16>(g, x, serial, mean, std),
            (DType::F64, false) => g.normal(x.as_mut_slice::<f64>(), mean, std),
            (DType::F64, true) => g.normal_serial(x.as_mut_slice::<f64>(), mean, std),
            (_, false) => g.normal(x.as_mut_slice::<f32>(), mean, std),
            (_, true) => g.normal_serial(x.as_mut_slice::<f32>(), mean, std),
        });
        Ok(())
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
    let p = crate::copy::contiguous(&p.alias(crate::view::View::Expand(shape).layout(p.layout())))?;
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

fn cpp_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "unsigned char",
        DType::I8 => "signed char",
        DType::I16 => "short",
        DType::I32 => "int",
        DType::I64 => "long",
        DType::F16 => "c10::Half",
        DType::BF16 => "c10::BFloat16",
        DType::F32 => "float",
        DType::F64 => "double",
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
        bail!(Runtime, "from is out of bounds for {}", cpp_name(dtype));
    }
    ensure!(last >= low && last <= high, Runtime, "to - 1 is out of bounds for {}", cpp_name(dtype));
    ensure!(from <= last, Runtime, "random_ expects 'from' to be less than 'to', but got from={from} >= to={last}");
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
