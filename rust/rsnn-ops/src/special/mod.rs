//! Special functions of two numbers (gcd, lcm, nextafter, the incomplete gamma functions, zeta) and `frexp`.
mod gamma;
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::elementwise::{common, mul, neg, scale, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::unary::apply_named;
use rsnn_core::{DType, Result, bail, broadcast_shapes, dispatch, ensure};
use rsnn_cpu::pool;
use smallvec::smallvec;
use std::sync::Arc;

pub(crate) use gamma::hurwitz_zeta;

/// The functions; names are torch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Gcd,
    Lcm,
    Nextafter,
    Igamma,
    Igammac,
    Zeta,
}

use Special::*;

impl Special {
    pub const ALL: [Special; 6] = [Gcd, Lcm, Nextafter, Igamma, Igammac, Zeta];

    fn of_integers(self) -> bool {
        matches!(self, Gcd | Lcm)
    }
}

impl Op for Special {
    fn name(&self) -> &'static str {
        match self {
            Gcd => "gcd",
            Lcm => "lcm",
            Nextafter => "nextafter",
            Igamma => "igamma",
            Igammac => "igammac",
            Zeta => "zeta",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let mut dtype = common(&ins[0], &ins[1]);
        if *self == Zeta && !dtype.is_float() {
            dtype = crate::elementwise::default_dtype();
        }
        ensure!(
            dtype.is_float() != self.of_integers() && dtype != DType::Bool,
            NotImplemented,
            "\"{}_cpu\" not implemented for '{}'",
            self.name(),
            dtype.scalar_name()
        );
        Ok(smallvec![Meta { shape: broadcast_shapes(ins[0].shape(), ins[1].shape())?, dtype, device: ins[0].device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (out, dtype) = (&call.outs[0], call.outs[0].dtype());
        let ready = |x: &Tensor, to| {
            let x = if x.dtype() == to { x.clone() } else { crate::copy::cast(x, to)? };
            crate::copy::contiguous(&crate::view::expand(&x, out.shape())?)
        };
        if !dtype.is_float() {
            let (a, b) = (ready(&call.ins[0], DType::I64)?, ready(&call.ins[1], DType::I64)?);
            let wide = Tensor::empty(out.shape(), DType::I64, out.device())?;
            let f = if *self == Gcd { gcd } else { lcm };
            each(a.as_slice(), b.as_slice(), wide.as_mut_slice(), f);
            return crate::copy::copy_into(&wide, out);
        }
        let (a, b) = (ready(&call.ins[0], dtype)?, ready(&call.ins[1], dtype)?);
        if *self == Nextafter {
            match dtype {
                DType::F32 => each(a.as_slice(), b.as_slice(), call.output::<f32>(0), next_single),
                _ => each(a.as_slice(), b.as_slice(), call.output::<f64>(0), next_double),
            }
            return Ok(());
        }
        let f: fn(f64, f64) -> f64 = match self {
            Igamma => gamma::lower,
            Igammac => gamma::upper,
            _ => hurwitz_zeta,
        };
        dispatch!(float, dtype, self.name(), T => {
            each(a.as_slice::<T>(), b.as_slice::<T>(), call.output::<T>(0), |x, y| f(f64::from(x), f64::from(y)) as T);
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        if matches!(self, Gcd | Lcm | Nextafter) || cx.needs(0) {
            bail!(NotImplemented, "the derivative for '{}: input' is not implemented.", self.name());
        }
        let (a, x) = (cx.input(0)?, cx.input(1)?);
        let one = Tensor::number(1.0, DType::F64)?;
        if *self == Zeta {
            let slope = mul(&a, &apply(Zeta, &[crate::elementwise::add(&a, &one)?, x])?)?;
            return Ok(smallvec![None, Some(neg(&mul(g, &slope)?)?)]);
        }
        // x^(a - 1) e^-x / Gamma(a)
        let log = sub(&sub(&mul(&sub(&a, &one)?, &apply_named("log", &x)?)?, &x)?, &apply_named("lgamma", &a)?)?;
        let slope = mul(g, &apply_named("exp", &log)?)?;
        Ok(smallvec![None, Some(if *self == Igamma { slope } else { scale(&slope, -1.0)? })])
    }
    fn strided(&self) -> bool {
        true
    }
    fn pointwise(&self) -> bool {
        true
    }
}

fn each<A: Copy + Sync, B: Copy + Send>(a: &[A], b: &[A], out: &mut [B], f: impl Fn(A, A) -> B + Sync) {
    let (n, to) = (out.len(), pool::SendPtr(out.as_mut_ptr()));
    let chunks = pool::split(n, 1024);
    pool::for_each_chunk(chunks, |c| {
        for i in pool::range(n, chunks, c) {
            // SAFETY: chunks are disjoint ranges of `out`.
            unsafe { to.get().add(i).write(f(a[i], b[i])) };
        }
    });
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i64
}

fn lcm(a: i64, b: i64) -> i64 {
    match gcd(a, b) {
        0 => 0,
        g => (a / g).wrapping_mul(b).wrapping_abs(),
    }
}

macro_rules! next {
    ($name:ident, $t:ty) => {
        /// The number after `x` on the way to `y`.
        fn $name(x: $t, y: $t) -> $t {
            if x == y {
                return y;
            }
            if x.is_nan() || y.is_nan() {
                x + y
            } else if y > x {
                x.next_up()
            } else {
                x.next_down()
            }
        }
    };
}
next!(next_single, f32);
next!(next_double, f64);

/// The op called `name`.
pub fn special(name: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match Special::ALL.iter().find(|s| s.name() == name) {
        Some(&op) => apply(op, &[a.clone(), b.clone()]),
        None => bail!(NotImplemented, "{name}: no such function"),
    }
}

/// (mantissa, exponent)
struct Frexp;

impl Op for Frexp {
    fn name(&self) -> &'static str {
        "frexp"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        ensure!(ins[0].dtype().is_float(), Runtime, "torch.frexp() only supports floating-point dtypes");
        Ok(smallvec![ins[0].meta(), Meta::new(ins[0].shape(), DType::I32, ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let exponents = call.output::<i32>(1);
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let (x, mantissas) = (call.input::<T>(0), call.output::<T>(0));
            for ((&x, m), e) in x.iter().zip(mantissas).zip(exponents) {
                let (mantissa, exponent) = split(f64::from(x));
                (*m, *e) = (mantissa as T, exponent);
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let power = apply_named("exp2", &neg(&crate::copy::cast(&cx.output(1)?, g.dtype())?)?)?;
        Ok(smallvec![Some(mul(g, &power)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 2 }
    }
}

/// Mantissa in [0.5, 1) by magnitude, and the exponent of 2.
fn split(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    // Subnormal numbers are lifted first.
    let (x, lift) = if x.abs() < f64::MIN_POSITIVE { (x * 2f64.powi(64), 64) } else { (x, 0) };
    let bits = x.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1022;
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), exponent - lift)
}

/// Mantissas in (-1, -0.5] or [0.5, 1), and exponents of 2 (int32).
pub fn frexp(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Frexp), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}
