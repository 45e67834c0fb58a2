//! Linear recurrence and shift along a dimension; gradients of running products and of logcumsumexp are made of them.
use crate::autograd::Ctx;
use crate::elementwise::mul;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::reduce::axis;
use crate::tensor::Tensor;
use rsnn_core::{Element, Result, dispatch};
use rsnn_cpu::pool::SendPtr;
use rsnn_cpu::rows::scan::steps;

/// `s[t] = b[t] + c * s[t - 1]` with `c = a[t]`, or `a[t - 1]` when `shifted`; inputs `a, b` of one shape.
struct Recur {
    dim: usize,
    reverse: bool,
    shifted: bool,
}

impl Op for Recur {
    fn name(&self) -> &'static str {
        "recurrence"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let (a, b, out) = (call.input::<T>(0), call.input::<T>(1), SendPtr(call.outs[0].ptr::<T>()));
            steps(axis, self.reverse, (0.0 as T, 0.0 as T), |(s, before), at| {
                let c = if self.shifted { *before } else { a[at] };
                (*s, *before) = (b[at] + c * *s, a[at]);
                // SAFETY: the output has as many elements as `b`, and each is written once.
                unsafe { *out.get().add(at) = *s };
            });
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None, None]) };
        let (a, s) = (cx.input(0)?, cx.output(0)?);
        let db = recur(&a, g, self.dim, !self.reverse, !self.shifted)?;
        let da = match (cx.needs(0), self.shifted) {
            (false, _) => None,
            (_, false) => Some(mul(&db, &shift(&s, self.dim, self.reverse, 0.0)?)?),
            (_, true) => Some(mul(&shift(&db, self.dim, !self.reverse, 0.0)?, &s)?),
        };
        Ok(smallvec::smallvec![da, Some(db)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }
}

/// `s[t] = b[t] + c * s[t - 1]`, see `Recur`.
pub fn recur(a: &Tensor, b: &Tensor, dim: usize, reverse: bool, shifted: bool) -> Result<Tensor> {
    apply(Recur { dim, reverse, shifted }, &[a.clone(), b.clone()])
}

/// Each element becomes the one before it; the first becomes `fill`.
struct Shift {
    dim: usize,
    reverse: bool,
    fill: f64,
}

impl Op for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch!(all, call.outs[0].dtype(), T => {
            let (x, out) = (call.input::<T>(0), SendPtr(call.outs[0].ptr::<T>()));
            steps(axis, self.reverse, T::from_f64(self.fill), |before, at| {
                // SAFETY: the output has as many elements as `x`, and each is written once.
                unsafe { *out.get().add(at) = *before };
                *before = x[at];
            });
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        grads.iter().map(|g| g.as_ref().map(|g| shift(g, self.dim, !self.reverse, 0.0)).transpose()).collect()
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

/// `x` moved by one along `dim` (towards the start when `reverse`), with `fill` in the gap.
pub fn shift(x: &Tensor, dim: usize, reverse: bool, fill: f64) -> Result<Tensor> {
    apply(Shift { dim, reverse, fill }, std::slice::from_ref(x))
}
