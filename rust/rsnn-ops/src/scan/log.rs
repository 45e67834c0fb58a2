//! `logcumsumexp`: the running `log(sum(exp(x)))`, kept in f64.
use super::{recur, shift, steps};
use crate::autograd::Ctx;
use crate::elementwise::{mul, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::reduce::axis;
use crate::select::where_;
use crate::tensor::Tensor;
use crate::unary::{apply_named, test};
use rsnn_core::{Element, Result, bail, dispatch};
use rsnn_cpu::pool::SendPtr;

struct LogCumSumExp {
    dim: usize,
}

fn log_add(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (high, low) = (a.max(b), a.min(b));
    if high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
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
            let (x, out) = (call.input::<T>(0), SendPtr(call.outs[0].ptr::<T>()));
            steps(axis, false, f64::NEG_INFINITY, |state, at| {
                *state = log_add(*state, x[at].to_f64());
                // SAFETY: the output has as many elements as `x`, and each is written once.
                unsafe { *out.get().add(at) = T::from_f64(*state) };
            });
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
