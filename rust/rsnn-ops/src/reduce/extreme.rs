//! Largest and smallest elements: over dims (gradient shared among ties) and along one dim with their places.
use super::{Plan, axis, dispatch_ordered, spread};
use crate::autograd::Ctx;
use crate::elementwise::{Binary, div, mul};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Result, ensure};
use rsnn_cpu::rows::reduce as rows;
use std::sync::Arc;

/// Refuses reductions without identity over nothing, in torch's words.
pub(crate) fn refuse_empty(op: &str, x: &Tensor, dims: &[i64]) -> Result<()> {
    if x.numel() > 0 {
        return Ok(());
    }
    ensure!(
        !dims.is_empty(),
        Runtime,
        "{op}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
    );
    for &d in dims {
        let at = x.dim(op, d)?;
        ensure!(x.shape()[at] != 0, Index, "{op}(): Expected reduction dim {at} to have non-zero size.");
    }
    Ok(())
}

struct Extreme {
    plan: Plan,
    largest: bool,
    name: &'static str,
}

impl Op for Extreme {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.plan.shape(ins[0].shape()), ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, axis) = self.plan.arrange(&call.ins[0])?;
        dispatch_ordered!(x.dtype(), self.name, T => match self.largest {
            true => rows::amax(x.as_slice::<T>(), call.output(0), axis),
            false => rows::amin(x.as_slice::<T>(), call.output(0), axis),
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        use super::gpu::{Reduction, run};
        run(if self.largest { Reduction::Amax } else { Reduction::Amin }, &self.plan, call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let x = cx.input(0)?;
        let y = spread(&self.plan, &cx.output(0)?.detach(), x.shape())?;
        let hit = crate::copy::to_dtype(&apply(Binary::Eq, &[x.detach(), y])?, g.dtype())?;
        let dims: Vec<i64> = self.plan.dims.iter().map(|&d| d as i64).collect();
        let share = if dims.is_empty() { hit } else { div(&hit, &super::sum(&hit, &dims, true, None)?)? };
        Ok(smallvec::smallvec![Some(mul(&spread(&self.plan, g, x.shape())?, &share)?)])
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn strided(&self) -> bool {
        true
    }
}

fn extreme(name: &'static str, x: &Tensor, dims: &[i64], keepdim: bool, largest: bool) -> Result<Tensor> {
    let plan = Plan::new(name, x, dims, keepdim)?;
    refuse_empty(name, x, dims)?;
    apply(Extreme { plan, largest, name }, std::slice::from_ref(x))
}

/// Largest element over `dims`.
pub fn amax(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    extreme("amax", x, dims, keepdim, true)
}

/// Smallest element over `dims`.
pub fn amin(x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Tensor> {
    extreme("amin", x, dims, keepdim, false)
}

/// Largest element of all.
pub fn max(x: &Tensor) -> Result<Tensor> {
    extreme("max", x, &[], false, true)
}

/// Smallest element of all.
pub fn min(x: &Tensor) -> Result<Tensor> {
    extreme("min", x, &[], false, false)
}

/// Values and places along one dim; `values: false` gives the places alone.
struct Place {
    plan: Plan,
    largest: bool,
    values: bool,
}

impl Place {
    fn dim(&self) -> usize {
        self.plan.dims.first().copied().unwrap_or(0)
    }
}

impl Op for Place {
    fn name(&self) -> &'static str {
        match (self.largest, self.values) {
            (true, true) => "max",
            (false, true) => "min",
            (true, false) => "argmax",
            (false, false) => "argmin",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let shape = self.plan.shape(ins[0].shape());
        let index = Meta::new(&shape, DType::I64, ins[0].device());
        let value = Meta::new(&shape, ins[0].dtype(), ins[0].device());
        Ok(if self.values { smallvec::smallvec![value, index] } else { smallvec::smallvec![index] })
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim());
        dispatch_ordered!(call.ins[0].dtype(), self.name(), T => {
            let x = call.input::<T>(0);
            match (self.largest, self.values) {
                (true, true) => rows::max(x, call.output(0), call.output(1), axis),
                (false, true) => rows::min(x, call.output(0), call.output(1), axis),
                (true, false) => rows::argmax(x, call.output(0), axis),
                (false, false) => rows::argmin(x, call.output(0), axis),
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        let (g, index) = (spread(&self.plan, g, shape)?, spread(&self.plan, &cx.output(1)?, shape)?);
        Ok(smallvec::smallvec![Some(crate::scan::scatter_sum(shape, self.dim(), &index, &g)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 2 }
    }
}

fn place(x: &Tensor, dim: i64, keepdim: bool, largest: bool, values: bool) -> Result<(Tensor, Tensor)> {
    let mut op = Place { plan: Plan { dims: smallvec::smallvec![], keepdim }, largest, values };
    op.plan = Plan::new(op.name(), x, &[dim], keepdim)?;
    ensure!(
        x.ndim() == 0 || x.shape()[op.dim()] != 0,
        Index,
        "{}(): Expected reduction dim {} to have non-zero size.",
        op.name(),
        op.dim()
    );
    let outs = apply_all(Arc::new(op), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[outs.len() - 1].clone()))
}

/// Largest element along `dim` and its first place.
pub fn max_dim(x: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    place(x, dim, keepdim, true, true)
}

/// Smallest element along `dim` and its first place.
pub fn min_dim(x: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    place(x, dim, keepdim, false, true)
}

fn arg(name: &str, x: &Tensor, dim: Option<i64>, keepdim: bool, largest: bool) -> Result<Tensor> {
    ensure!(x.dtype() != DType::Bool, Runtime, "{name}(): does not support bool input");
    let x = x.detach();
    let Some(dim) = dim else {
        ensure!(x.numel() > 0, Index, "{name}(): Expected reduction dim to be specified for input.numel() == 0.");
        let flat = place(&crate::view::reshape(&x, &[x.numel()])?, 0, false, largest, false)?.1;
        return if keepdim { crate::view::reshape(&flat, &vec![1; x.ndim()]) } else { Ok(flat) };
    };
    Ok(place(&x, dim, keepdim, largest, false)?.1)
}

/// First place of the largest element, along `dim` or in row-major order over all.
pub fn argmax(x: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Tensor> {
    arg("argmax", x, dim, keepdim, true)
}

/// First place of the smallest element.
pub fn argmin(x: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Tensor> {
    arg("argmin", x, dim, keepdim, false)
}
