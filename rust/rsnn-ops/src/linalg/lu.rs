//! `lu_factor`: LU with partial pivoting, packed into one matrix, its exchanges, and where it found a zero pivot.
use super::{Pieces, check_matrix, each, eye, mm, sizes, solve_triangular, t, typed};
use crate::autograd::Ctx;
use crate::elementwise::{add, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply_all};
use crate::tensor::Tensor;
use crate::triangular::{tril, triu};
use crate::view;
use rsnn_core::{DType, Device, Dims, Result, dispatch, ensure};
use rsnn_cpu::factor;
use smallvec::smallvec;
use std::sync::Arc;

/// (LU, pivots, info)
struct Lu;

impl Op for Lu {
    fn name(&self) -> &'static str {
        "linalg.lu_factor"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_matrix("torch.linalg.lu_factor", &ins[0])?;
        let (m, n) = sizes(&ins[0]);
        Ok(smallvec![ins[0].meta(), typed(&ins[0], &[m.min(n)], DType::I32), typed(&ins[0], &[], DType::I32)])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let ((m, n), count) = (sizes(&call.ins[0]), call.outs[2].numel());
        let (pivots, info) = (Pieces::<i32>::new(&call.outs[1], m.min(n)), Pieces::<i32>::new(&call.outs[2], 1));
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            call.output::<T>(0).copy_from_slice(call.input(0));
            let factors = Pieces::<T>::new(&call.outs[0], m * n);
            each(count, m * n * m.min(n), |i| info.at(i)[0] = factor::lu(factors.at(i), m, n, pivots.at(i)));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let lu = cx.output(0)?;
        let (m, n) = sizes(&lu);
        let k = m.min(n);
        let rest = |x: &Tensor, dim, size| view::narrow(x, dim, k as i64, (size - k) as i64);
        // L = [L1; L2], U = [U1, U2]: the square parts L1 and U1 have the formula of square matrices.
        let (square, gsquare) = (corner(&lu, k)?, corner(g, k)?);
        let l1 = add(&tril(&square, -1)?, &eye(k, &lu)?)?;
        let (l1t, u1t) = (t(&l1)?, t(&triu(&square, 0)?)?);
        let mut lower = mm(&l1t, &tril(&gsquare, -1)?)?;
        let mut upper = mm(&triu(&gsquare, 0)?, &u1t)?;
        if n > k {
            lower = sub(&lower, &mm(&rest(g, -1, n)?, &t(&rest(&lu, -1, n)?)?)?)?;
        }
        if m > k {
            upper = sub(&upper, &mm(&t(&rest(&lu, -2, m)?)?, &rest(g, -2, m)?)?)?;
        }
        let middle = add(&tril(&lower, -1)?, &triu(&upper, 0)?)?;
        let behind_u = |x: &Tensor| solve_triangular(&u1t, x, false, false, false);
        let before_l = |x: &Tensor| solve_triangular(&l1t, x, true, true, true);
        let mut dx = before_l(&behind_u(&middle)?)?;
        if n > k {
            dx = crate::join::cat(&[dx, before_l(&rest(g, -1, n)?)?], -1)?;
        }
        if m > k {
            dx = crate::join::cat(&[dx, behind_u(&rest(g, -2, m)?)?], -2)?;
        }
        let back = crate::sort::argsort(&permutation(&cx.output(1)?, m)?, -1, false)?;
        let back = view::expand(&view::unsqueeze(&back, -1)?, dx.shape())?;
        Ok(smallvec![Some(crate::index::gather(&dx, -2, &back)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 3 }
    }
}

/// The first k rows and columns.
fn corner(x: &Tensor, k: usize) -> Result<Tensor> {
    view::narrow(&view::narrow(x, -2, 0, k as i64)?, -1, 0, k as i64)
}

/// L and U packed into one matrix, the exchanges of rows (int32, from 1), and the position of the first zero pivot or 0.
pub fn lu_factor(x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Lu), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone(), outs[2].clone()))
}

/// The row of A that each row of `L U` comes from, for `rows` rows: the exchanges as a permutation (int64).
pub fn permutation(pivots: &Tensor, rows: usize) -> Result<Tensor> {
    ensure!(
        pivots.ndim() >= 1 && pivots.dtype() == DType::I32,
        Runtime,
        "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype."
    );
    let pivots = crate::copy::contiguous(&pivots.detach())?;
    let mut shape = Dims::from_slice(pivots.shape());
    let steps = shape.pop().unwrap_or(0);
    shape.push(rows);
    let out = Tensor::empty(&shape, DType::I64, Device::Cpu)?;
    let slots = out.as_mut_slice::<i64>().chunks_exact_mut(rows.max(1));
    for (i, slot) in slots.enumerate() {
        let order = factor::permutation(&pivots.as_slice::<i32>()[i * steps..(i + 1) * steps], rows);
        slot.iter_mut().zip(order).for_each(|(to, row)| *to = row as i64);
    }
    Ok(out)
}
