//! One-input tests with bool results, and `bitwise_not`. No gradient.
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Element, Result, bail, dispatch, ensure};
use rsnn_cpu::vmath::map;

/// Names of the tests.
pub const TESTS: [&str; 8] =
    ["logical_not", "bitwise_not", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit"];

struct Test(&'static str);

impl Op for Test {
    fn name(&self) -> &'static str {
        self.0
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        let dtype = if self.0 == "bitwise_not" { x.dtype() } else { DType::Bool };
        ensure!(!dtype.is_float(), NotImplemented, "\"bitwise_not_cpu\" not implemented for '{}'", dtype.scalar_name());
        Ok(smallvec::smallvec![Meta::new(x.shape(), dtype, x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(all, call.ins[0].dtype(), T => run::<T>(self.0, call));
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.0)
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn pointwise(&self) -> bool {
        true
    }
}

fn run<T: Element>(name: &str, call: &CpuCall) {
    let x = call.input::<T>(0);
    macro_rules! go {
        (|$v:ident| $test:expr) => {
            map(
                x,
                call.output::<bool>(0),
                #[inline(always)]
                |$v: T| $test,
            )
        };
    }
    #[allow(clippy::eq_op)]
    match name {
        "logical_not" => go!(|v| v == T::default()),
        "isnan" => go!(|v| v != v),
        "isinf" => go!(|v| v.to_f64().is_infinite()),
        "isfinite" => go!(|v| v.to_f64().is_finite()),
        "isposinf" => go!(|v| v.to_f64() == f64::INFINITY),
        "isneginf" => go!(|v| v.to_f64() == f64::NEG_INFINITY),
        "signbit" => go!(|v| v.to_f64().is_sign_negative()),
        // Flipping all bits of a bool would not be a bool.
        _ if T::DTYPE == DType::Bool => map(x, call.output::<T>(0), |v: T| T::from_i64(1 - v.to_i64())),
        _ => map(
            x,
            call.output::<T>(0),
            #[inline(always)]
            |v: T| T::from_i64(!v.to_i64()),
        ),
    }
}

/// The test called `name` on every element.
pub fn test(name: &str, x: &Tensor) -> Result<Tensor> {
    match TESTS.iter().find(|t| **t == name) {
        Some(name) => apply(Test(name), std::slice::from_ref(x)),
        None => bail!(NotImplemented, "{name}: no such test"),
    }
}
