//! `logcumsumexp`: the running `log(sum(exp(x)))`, kept in f64.
use super::{recur, shift};
use crate::autograd::Ctx;
use crate::elementwise::{mul, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::reduce::axis;
use crate::select::where_;
use crate::tensor::Tensor;
use crate::unary::{apply_named, test};
use rsnn_core::{Result, bail, dispatch};
use rsnn_cpu::rows::scan as rows;

struct LogCumSumExp {
    dim: usize,
}

impl Op for LogCumSumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let dtype = ins[0].dtype();
        if !dtype.is_float() {
            bail!(NotImplemented, "\"logcumsumexp_out_cpu\" not implemented for '{}'", dtype.scalar_name());
        }
        Ok(smallvec::smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch!(float, call.outs[0].dtype(), "logcumsumexp_out_cpu", T => {
            rows::logcumsumexp(call.input::<T>(0), call.output(0), axis);
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let (x, y) = (cx.input(0)?, cx.output(0)?);
        let before = shift(&y, self.dim, false, f64::NEG_INFINITY)?;
        let y = where_(&test("isinf", &y)?, &crate::fill::full(&[], 0.0, y.dtype(), y.device())?, &y)?;
        // e[j] = sum over i >= j of g[i] exp(y[j] - y[i]): every exponent is at most zero.
        let decay = apply_named("exp", &sub(&before, &y)?)?;
        let e = recur(&decay, g, self.dim, true, true)?;
        Ok(smallvec::smallvec![Some(mul(&apply_named("exp", &sub(&x, &y)?)?, &e)?)])
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
}

/// Running `log(sum(exp(x)))` along `dim`.
pub fn logcumsumexp(x: &Tensor, dim: i64) -> Result<Tensor> {
    apply(LogCumSumExp { dim: x.dim("logcumsumexp", dim)? }, std::slice::from_ref(x))
}
