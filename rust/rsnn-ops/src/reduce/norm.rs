//! Vector norms of any order, and `logsumexp`.
use super::{Plan, spread, sum};
use crate::autograd::Ctx;
use crate::elementwise::{Binary, mul, pow, scale, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::select::where_;
use crate::tensor::{Meta, Tensor};
use crate::unary::{apply_named, test};
use rsnn_core::{DType, Result, ensure};
use rsnn_cpu::rows;

/// `sum(x * x)` without the squares in memory.
struct SumSquares {
    plan: Plan,
}

impl Op for SumSquares {
    fn name(&self) -> &'static str {
        "sum_squares"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.plan.shape(ins[0].shape()), ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, axis) = self.plan.arrange(&call.ins[0])?;
        rsnn_core::dispatch!(float, x.dtype(), "norm_cpu", T => {
            rows::reduce::sum_squares(x.as_slice::<T>(), call.output(0), axis)
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let x = cx.input(0)?;
        Ok(smallvec::smallvec![Some(mul(&scale(&spread(&self.plan, g, x.shape())?, 2.0)?, &x)?)])
    }
    fn strided(&self) -> bool {
        true
    }
}

fn full(x: &Tensor, value: f64) -> Result<Tensor> {
    crate::fill::full(&[], value, x.dtype(), x.device())
}

/// Square root of the sum of squares.
fn euclid(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    let squares = if x.device() == rsnn_core::Device::Cpu {
        let plan = Plan::new("linalg_vector_norm", x, dims, keepdim)?;
        apply(SumSquares { plan }, std::slice::from_ref(x))?
    } else {
        sum(&mul(x, x)?, dims, keepdim, None)?
    };
    apply_named("sqrt_zero_slope", &squares)
}

/// `torch.linalg.vector_norm(x, p, dims, keepdim, dtype)`.
pub fn norm(x: &Tensor, p: f64, dims: &[i64], keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    ensure!(
        x.dtype().is_float(),
        Runtime,
        "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
        x.dtype().scalar_name()
    );
    let to = dtype.unwrap_or(x.dtype());
    let x = crate::copy::to_dtype(x, to.compute())?;
    let y = match p {
        2.0 => euclid(&x, dims, keepdim)?,
        1.0 => sum(&apply_named("abs", &x)?, dims, keepdim, None)?,
        0.0 => {
            let there = crate::copy::to_dtype(&apply(Binary::Ne, &[x.detach(), full(&x, 0.0)?])?, x.dtype())?;
            // Zero times x keeps the result in the graph, with gradient zero, as torch does.
            let y = sum(&there, dims, keepdim, None)?;
            if x.requires_grad() {
                crate::elementwise::add(&y, &sum(&scale(&x, 0.0)?, dims, keepdim, None)?)?
            } else {
                y
            }
        }
        _ if p.is_infinite() => {
            refuse_empty(&x, p, dims)?;
            let a = apply_named("abs", &x)?;
            if p > 0.0 { super::amax(&a, dims, keepdim)? } else { super::amin(&a, dims, keepdim)? }
        }
        _ => general(&x, p, dims, keepdim)?,
    };
    crate::copy::to_dtype(&y, to)
}

fn refuse_empty(x: &Tensor, p: f64, dims: &[i64]) -> Result<()> {
    let order = if p > 0.0 { "inf" } else { "-inf" };
    ensure!(
        x.numel() > 0 || !dims.is_empty(),
        Runtime,
        "linalg.vector_norm cannot compute the {order} norm on an empty tensor because the operation does not have an identity"
    );
    for &d in dims {
        let at = x.dim("linalg.vector_norm", d)?;
        ensure!(
            x.shape().get(at) != Some(&0),
            Runtime,
            "linalg.vector_norm cannot compute the {order} norm on the dimension {at} because this dimension is empty and the operation does not have an identity"
        );
    }
    Ok(())
}

/// `sum(|x|^p)^(1/p)`; a sum of zero has slope zero.
fn general(x: &Tensor, p: f64, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    let total = sum(&pow(&apply_named("abs", x)?, &full(x, p)?)?, dims, keepdim, None)?;
    let zero = apply(Binary::Eq, &[total.clone(), full(x, 0.0)?])?;
    let safe = where_(&zero, &full(&total, 1.0)?, &total)?;
    where_(&zero, &full(&total, if p > 0.0 { 0.0 } else { f64::INFINITY })?, &pow(&safe, &full(x, 1.0 / p)?)?)
}

struct LogSumExp {
    plan: Plan,
}

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.plan.shape(ins[0].shape()), ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, a) = self.plan.arrange(&call.ins[0])?;
        rsnn_core::dispatch!(float, x.dtype(), "logsumexp_cpu", T => match a.inner {
            1 => rows::softmax::logsumexp(x.as_slice::<T>(), call.output(0), a.outer, a.len),
            _ => rows::soft_columns::logsumexp(x.as_slice::<T>(), call.output(0), a),
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let (x, y) = (cx.input(0)?, cx.output(0)?);
        // An infinite result is not subtracted: inf - inf would be NaN.
        let y = spread(&self.plan, &where_(&test("isinf", &y)?, &full(&y, 0.0)?, &y)?, x.shape())?;
        let weight = apply_named("exp", &sub(&x, &y)?)?;
        Ok(smallvec::smallvec![Some(mul(&spread(&self.plan, g, x.shape())?, &weight)?)])
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn strided(&self) -> bool {
        true
    }
}

/// `log(sum(exp(x)))` over `dims` without overflow.
pub fn logsumexp(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    let x =
        if x.dtype().is_float() { x.clone() } else { crate::copy::to_dtype(x, crate::elementwise::default_dtype())? };
    let plan = Plan::new("logsumexp", &x, dims, keepdim)?;
    apply(LogSumExp { plan }, &[x])
}
