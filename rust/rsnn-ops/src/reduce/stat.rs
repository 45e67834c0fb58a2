//! Variance and deviation (two passes), and sums that skip NaN.
use super::{Plan, mean, spread, sum};
use crate::autograd::Ctx;
use crate::elementwise::{div, mul, scale, sub};
use crate::op::{CpuCall, Grads, Metas, Op, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Result, ensure};
use rsnn_cpu::rows::reduce as rows;

struct Var {
    plan: Plan,
    correction: f64,
}

impl Op for Var {
    fn name(&self) -> &'static str {
        "var"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.plan.shape(ins[0].shape()), ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, axis) = self.plan.arrange(&call.ins[0])?;
        rsnn_core::dispatch!(float, x.dtype(), "std_and_var_cpu", T => {
            let mut means = vec![T::default(); axis.outer * axis.inner];
            rows::var_mean(x.as_slice::<T>(), call.output(0), &mut means, axis, self.correction)
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let x = cx.input(0)?;
        let divisor = (self.plan.count(x.shape()) as f64 - self.correction).max(0.0);
        let dims: Vec<i64> = self.plan.dims.iter().map(|&d| d as i64).collect();
        let centred = if dims.is_empty() { sub(&x, &x)? } else { sub(&x, &mean(&x, &dims, true, None)?)? };
        let g = scale(&spread(&self.plan, g, x.shape())?, 2.0 / divisor)?;
        Ok(smallvec::smallvec![Some(mul(&g, &centred)?)])
    }
    fn strided(&self) -> bool {
        true
    }
}

/// `x.var(dims, correction, keepdim)`.
pub fn var(x: &Tensor, dims: &[i64], correction: f64, keepdim: bool) -> Result<Tensor> {
    ensure!(x.dtype().is_float(), Runtime, "std and var only support floating point and complex dtypes");
    let plan = Plan::new("var", x, dims, keepdim)?;
    apply(Var { plan, correction }, std::slice::from_ref(x))
}

/// Square root of `var`, with slope zero where it is zero.
pub fn std(x: &Tensor, dims: &[i64], correction: f64, keepdim: bool) -> Result<Tensor> {
    // A half variance may overflow where its root does not.
    let wide = if x.dtype().is_half() { crate::copy::to_dtype(x, DType::F32)? } else { x.clone() };
    let y = crate::unary::apply_named("sqrt_zero_slope", &var(&wide, dims, correction, keepdim)?)?;
    crate::copy::to_dtype(&y, x.dtype())
}

pub fn var_mean(x: &Tensor, dims: &[i64], correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    Ok((var(x, dims, correction, keepdim)?, mean(x, dims, keepdim, None)?))
}

pub fn std_mean(x: &Tensor, dims: &[i64], correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    Ok((std(x, dims, correction, keepdim)?, mean(x, dims, keepdim, None)?))
}

/// Sum of the elements that are not NaN.
pub fn nansum(x: &Tensor, dims: &[i64], keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return sum(x, dims, keepdim, dtype);
    }
    let zero = crate::fill::full(&[], 0.0, x.dtype(), x.device())?;
    sum(&crate::select::where_(&crate::unary::test("isnan", x)?, &zero, x)?, dims, keepdim, dtype)
}

/// Mean of the elements that are not NaN.
pub fn nanmean(x: &Tensor, dims: &[i64], keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    ensure!(
        x.dtype().is_float(),
        Runtime,
        "nanmean(): expected input to have floating point or complex dtype but got {}",
        x.dtype().scalar_name()
    );
    let there = crate::unary::test("logical_not", &crate::unary::test("isnan", x)?)?;
    let count = sum(&there, dims, keepdim, None)?;
    div(&nansum(x, dims, keepdim, dtype)?, &count)
}
