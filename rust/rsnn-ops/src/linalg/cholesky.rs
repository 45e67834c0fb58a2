//! `cholesky`: `A = L L^T` from the lower half of A.
use super::{Pieces, check_square, each, eye, mm, sizes, solve_triangular, t, typed};
use crate::autograd::Ctx;
use crate::elementwise::{add, mul, scale};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply_all};
use crate::tensor::Tensor;
use crate::triangular::tril;
use rsnn_core::{DType, Result, dispatch};
use rsnn_cpu::factor;
use smallvec::smallvec;
use std::sync::Arc;

/// (L, info)
struct Cholesky;

impl Op for Cholesky {
    fn name(&self) -> &'static str {
        "linalg.cholesky"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_square("linalg.cholesky", &ins[0])?;
        Ok(smallvec![ins[0].meta(), typed(&ins[0], &[], DType::I32)])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (n, _) = sizes(&call.ins[0]);
        let info = Pieces::<i32>::new(&call.outs[1], 1);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            call.output::<T>(0).copy_from_slice(call.input(0));
            let l = Pieces::<T>::new(&call.outs[0], n * n);
            each(call.outs[1].numel(), n * n * n / 3, |i| info.at(i)[0] = factor::cholesky(l.at(i), n));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let l = cx.output(0)?;
        let (n, turned) = (sizes(&l).0, t(&l)?);
        let half = tril(&mm(&turned, g)?, 0)?;
        // Half of the diagonal, and both halves alike.
        let half =
            mul(&half, &crate::elementwise::sub(&Tensor::number(1.0, DType::F64)?, &scale(&eye(n, &l)?, 0.5)?)?)?;
        let middle = scale(&add(&half, &t(&half)?)?, 0.5)?;
        let left = solve_triangular(&turned, &middle, true, true, false)?;
        Ok(smallvec![Some(solve_triangular(&l, &left, false, false, false)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 1 }
    }
}

/// L, and for each matrix the order (from 1) of the first minor that is not positive, 0 where A is positive definite.
pub fn cholesky(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Cholesky), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}
