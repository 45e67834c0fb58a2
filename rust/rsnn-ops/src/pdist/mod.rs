//! `pdist`: the p-norm distances between all pairs of rows of a matrix.
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::tensor::{Meta, Tensor};
use crate::{elementwise, index, reduce, triangular, view};
use rsnn_core::{DType, Result, dispatch, ensure};
use rsnn_cpu::sample::Distances;
use smallvec::smallvec;

struct Pdist {
    p: f64,
}

fn distances(x: &Tensor, p: f64) -> Distances {
    Distances { rows: x.shape()[0], cols: x.shape()[1], p }
}

impl Op for Pdist {
    fn name(&self) -> &'static str {
        "pdist"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(x.ndim() == 2, Runtime, "pdist only supports 2D tensors, got: {}D", x.ndim());
        ensure!(self.p >= 0.0, Runtime, "pdist only supports non-negative p values");
        ensure!(x.dtype().is_float(), NotImplemented, "\"pdist\" not implemented for '{}'", x.dtype().scalar_name());
        let rows = x.shape()[0];
        Ok(smallvec![Meta::new(&[rows * rows.saturating_sub(1) / 2], x.dtype(), x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            distances(&call.ins[0], self.p).forward::<T>(call.input(0), call.output(0));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let ins = [g.detach(), cx.input(0)?.detach(), cx.output(0)?.detach()];
        Ok(smallvec![Some(apply(PdistBackward { p: self.p }, &ins)?)])
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(meaning(&ins[0], self.p).map(|y| smallvec![y]))
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
}

/// `(g, x, distances) -> dx`
struct PdistBackward {
    p: f64,
}

impl Op for PdistBackward {
    fn name(&self) -> &'static str {
        "pdist_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let pairs = distances(&call.ins[1], self.p);
            pairs.backward::<T>(call.input(0), call.input(1), call.input(2), call.output(0));
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

fn meaning(x: &Tensor, p: f64) -> Result<Tensor> {
    let rows = x.shape()[0] as i64;
    let pairs = triangular::triu_indices(rows, rows, 1, DType::I64, x.device())?;
    let side = |i| index::index_select(x, 0, &view::select(&pairs, 0, i)?);
    reduce::norm(&elementwise::sub(&side(0)?, &side(1)?)?, p, &[-1], false, None)
}

/// The distances of rows `i < j` of a matrix, ordered by `i`, then `j`.
pub fn pdist(x: &Tensor, p: f64) -> Result<Tensor> {
    apply(Pdist { p }, std::slice::from_ref(x))
}
