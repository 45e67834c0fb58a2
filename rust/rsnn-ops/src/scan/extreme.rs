//! Running maximum and minimum with their places; among equals the last place wins, NaN wins over all.
use super::scatter_sum;
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply_all};
use crate::reduce::{axis, dispatch_ordered};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Result};
use rsnn_cpu::rows::scan as rows;
use std::sync::Arc;

struct RunningExtreme {
    dim: usize,
    largest: bool,
}

impl Op for RunningExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "cummax" } else { "cummin" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        Ok(smallvec::smallvec![x.meta(), Meta::new(x.shape(), DType::I64, x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch_ordered!(call.ins[0].dtype(), self.name(), T => {
            match self.largest {
                true => rows::cummax(call.input::<T>(0), call.output(0), call.output(1), axis),
                false => rows::cummin(call.input::<T>(0), call.output(0), call.output(1), axis),
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        Ok(smallvec::smallvec![Some(scatter_sum(shape, self.dim, &cx.output(1)?, g)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 2 }
    }
}

fn running(x: &Tensor, dim: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    let dim = x.dim(if largest { "cummax" } else { "cummin" }, dim)?;
    let outs = apply_all(Arc::new(RunningExtreme { dim, largest }), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}

/// Running maximum along `dim` and its places.
pub fn cummax(x: &Tensor, dim: i64) -> Result<(Tensor, Tensor)> {
    running(x, dim, true)
}

/// Running minimum along `dim` and its places.
pub fn cummin(x: &Tensor, dim: i64) -> Result<(Tensor, Tensor)> {
    running(x, dim, false)
}
