//! `solve`, `inverse` and `solve_triangular`: primitives whose gradients are solves again.
use super::{Pieces, batch, check_square, each, eye, meta, mm, sizes, t, typed};
use crate::autograd::Ctx;
use crate::elementwise::neg;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::tensor::Tensor;
use crate::triangular::{tril, triu};
use crate::view;
use rsnn_core::{DType, Dims, Result, broadcast_shapes, dispatch, ensure};
use rsnn_cpu::factor::{self, Triangle};
use smallvec::smallvec;
use std::sync::Arc;

/// `A X = B` for a triangular A and `(.., n, k)` B, of one batch.
#[derive(Clone, Copy)]
struct SolveTriangular(Triangle);

impl Op for SolveTriangular {
    fn name(&self) -> &'static str {
        "linalg.solve_triangular"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (n, k) = sizes(&call.ins[1]);
        let count = call.ins[1].numel().checked_div(n * k).unwrap_or(0);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let a = call.input::<T>(0);
            call.output::<T>(0).copy_from_slice(call.input(1));
            let x = Pieces::<T>::new(&call.outs[0], n * k);
            each(count, n * n * k, |i| factor::solve(&a[i * n * n..(i + 1) * n * n], n, x.at(i), n, k, self.0));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let Triangle { upper, unit } = self.0;
        let db = apply(SolveTriangular(Triangle { upper: !upper, unit }), &[t(&cx.input(0)?)?, g.clone()])?;
        let da = match cx.needs(0) {
            true => {
                let full = neg(&mm(&db, &t(&cx.output(0)?)?)?)?;
                let skip = i64::from(unit);
                Some(if upper { triu(&full, skip)? } else { tril(&full, -skip)? })
            }
            false => None,
        };
        Ok(smallvec![da, Some(db)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }
}

/// Both with the batch they broadcast to.
fn together(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    if batch(a) == batch(b) {
        return Ok((a.clone(), b.clone()));
    }
    let common = broadcast_shapes(batch(a), batch(b))?;
    let grow = |x: &Tensor| {
        let mut shape: Dims = common.clone();
        let (m, n) = sizes(x);
        shape.extend([m, n]);
        view::expand(x, &shape)
    };
    Ok((grow(a)?, grow(b)?))
}

fn check_pair(name: &str, a: &Tensor, b: &Tensor, left: bool) -> Result<()> {
    check_square(name, a)?;
    ensure!(b.ndim() >= 2, Runtime, "{name}: The input tensor B must have at least 2 dimensions.");
    ensure!(
        a.dtype() == b.dtype(),
        Runtime,
        "{name}: Expected A and B to have the same dtype, but found A of type {} and B of type {} instead",
        a.dtype().scalar_name(),
        b.dtype().scalar_name()
    );
    let ((n, _), (rows, columns)) = (sizes(a), sizes(b));
    ensure!(
        n == if left { rows } else { columns },
        Runtime,
        "{name}: Incompatible shapes of A and B for the equation {} ({n}x{n} and {rows}x{columns})",
        if left { "AX = B" } else { "XA = B" }
    );
    Ok(())
}

/// `A X = B`, or `X A = B` unless `left`; only one half of A is read, without its diagonal when `unit`.
pub fn solve_triangular(a: &Tensor, b: &Tensor, upper: bool, left: bool, unit: bool) -> Result<Tensor> {
    check_pair("linalg.solve_triangular", a, b, left)?;
    if !left {
        return t(&solve_triangular(&t(a)?, &t(b)?, !upper, true, unit)?);
    }
    let (a, b) = together(a, b)?;
    apply(SolveTriangular(Triangle { upper, unit }), &[a, b])
}

/// `A X = B` by LU: (X, position of the first zero pivot).
struct Solve;

impl Op for Solve {
    fn name(&self) -> &'static str {
        "linalg.solve"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[1].meta(), typed(&ins[1], &[], DType::I32)])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (n, k) = sizes(&call.ins[1]);
        let info = Pieces::<i32>::new(&call.outs[1], 1);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let (a, b) = (call.input::<T>(0), call.input::<T>(1));
            let x = Pieces::<T>::new(&call.outs[0], n * k);
            each(call.outs[1].numel(), n * n * (n + k), |i| {
                let mut lu = a[i * n * n..(i + 1) * n * n].to_vec();
                let mut pivots = vec![0; n];
                info.at(i)[0] = factor::lu(&mut lu, n, n, &mut pivots);
                for (to, from) in factor::permutation(&pivots, n).into_iter().enumerate() {
                    let from = i * n * k + from * k;
                    x.at(i)[to * k..(to + 1) * k].copy_from_slice(&b[from..from + k]);
                }
                factor::solve(&lu, n, x.at(i), n, k, Triangle { upper: false, unit: true });
                factor::solve(&lu, n, x.at(i), n, k, Triangle { upper: true, unit: false });
            });
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let db = solve(&t(&cx.input(0)?)?, g)?.0;
        let da = if cx.needs(0) { Some(neg(&mm(&db, &t(&cx.output(0)?)?)?)?) } else { None };
        Ok(smallvec![da, Some(db)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }
}

/// X of `A X = B` for matrices B, and for each matrix the position (from 1) of a zero pivot, 0 where A is invertible.
pub fn solve(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    check_pair("linalg.solve", a, b, true)?;
    let (a, b) = together(a, b)?;
    let outs = apply_all(Arc::new(Solve), &[a, b])?;
    Ok((outs[0].clone(), outs[1].clone()))
}

/// (inverse, position of the first zero pivot)
struct Inverse;

impl Op for Inverse {
    fn name(&self) -> &'static str {
        "linalg.inv"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_square("linalg.inv", &ins[0])?;
        let (n, _) = sizes(&ins[0]);
        Ok(smallvec![meta(&ins[0], &[n, n]), typed(&ins[0], &[], DType::I32)])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let x = &call.ins[0];
        let unit = crate::copy::contiguous(&view::expand(&eye(sizes(x).0, x)?, x.shape())?)?;
        crate::op::run(&Solve, &[x.clone(), unit], call.outs)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let turned = t(&cx.output(0)?)?;
        Ok(smallvec![Some(neg(&mm(&turned, &mm(g, &turned)?)?)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 1 }
    }
}

/// The inverse, and for each matrix the position (from 1) of a zero pivot, 0 where it is invertible.
pub fn inverse(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Inverse), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}
