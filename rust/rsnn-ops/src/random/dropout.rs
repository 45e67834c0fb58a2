//! Dropout keyed by (key, element index): no mask is stored, backward draws the same one again.
use super::{Handle, with};
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Result, dispatch, ensure};
use rsnn_cpu::random::philox;
use smallvec::smallvec;

#[derive(Clone, Copy)]
struct Dropout {
    p: f64,
    key: u64,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        ensure!(
            ins[0].dtype().is_float(),
            Runtime,
            "result type Float can't be cast to the desired output type {}",
            ins[0].dtype().scalar_name()
        );
        Ok(smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.outs[0].dtype(), "dropout", T => {
            philox::dropout(call.input::<T>(0), call.output::<T>(0), self.p, self.key, 0)
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        grads.iter().map(|g| g.as_ref().map(|g| apply(*self, std::slice::from_ref(g))).transpose()).collect()
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        let x = &ins[0];
        let product = keyed_mask(x.shape(), x.dtype(), self.p, self.key).and_then(|m| crate::elementwise::mul(x, &m));
        Some(product.map(|y| smallvec![y]))
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

fn keyed_mask(shape: &[usize], dtype: DType, p: f64, key: u64) -> Result<Tensor> {
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let mask = Tensor::empty(shape, wide, Device::Cpu)?;
    dispatch!(float, wide, "dropout", T => philox::dropout_mask(mask.as_mut_slice::<T>(), p, key, 0));
    if wide == dtype { Ok(mask) } else { crate::copy::cast(&mask, dtype) }
}

fn check(p: f64) -> Result<()> {
    ensure!((0.0..=1.0).contains(&p), Value, "dropout probability has to be between 0 and 1, but got {p}");
    Ok(())
}

/// A key for one keyed op, drawn from the generator.
pub fn draw_key(generator: Option<&Handle>) -> u64 {
    with(generator, rsnn_cpu::random::Generator::dropout_key)
}

/// Zeros elements with probability `p` and scales the others by `1 / (1 - p)`.
pub fn dropout(x: &Tensor, p: f64, generator: Option<&Handle>) -> Result<Tensor> {
    check(p)?;
    if p == 0.0 {
        return Ok(x.clone());
    }
    dropout_keyed(x, p, draw_key(generator))
}

/// `dropout` with a given key: equal keys give equal masks.
pub fn dropout_keyed(x: &Tensor, p: f64, key: u64) -> Result<Tensor> {
    check(p)?;
    apply(Dropout { p, key }, std::slice::from_ref(x))
}
