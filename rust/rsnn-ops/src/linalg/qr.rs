//! `qr` by Householder reflections, and its halves: `geqrf` (reflections and R in one matrix), `householder_product`.
use super::{Pieces, check_matrix, each, meta, mm, plus, sizes, solve_triangular, t};
use crate::autograd::Ctx;
use crate::elementwise::{add, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::tensor::Tensor;
use crate::triangular::tril;
use crate::view;
use rsnn_core::{Element, Result, bail, dispatch, ensure};
use rsnn_cpu::factor;
use rsnn_cpu::vmath::Real;
use smallvec::smallvec;
use std::sync::Arc;

/// The columns of a row-major `m x n` matrix, one after the other.
pub(super) fn columns<T: Copy>(x: &[T], m: usize, n: usize) -> Vec<T> {
    (0..n).flat_map(|j| (0..m).map(move |i| x[i * n + j])).collect()
}

/// Writes columns of length m into a row-major matrix of `n` columns.
pub(super) fn from_columns<T: Copy>(columns: &[T], m: usize, n: usize, out: &mut [T]) {
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = columns[j * m + i];
        }
    }
}

/// (reflections below R, their factors)
struct Geqrf;

impl Op for Geqrf {
    fn name(&self) -> &'static str {
        "geqrf"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_matrix("torch.geqrf", &ins[0])?;
        let (m, n) = sizes(&ins[0]);
        Ok(smallvec![ins[0].meta(), meta(&ins[0], &[m.min(n)])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (m, n) = sizes(&call.ins[0]);
        let count = call.ins[0].numel() / (m * n).max(1);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let x = call.input::<T>(0);
            let (out, tau) = (Pieces::<T>::new(&call.outs[0], m * n), Pieces::<T>::new(&call.outs[1], m.min(n)));
            each(count, m * n * m.min(n), |i| {
                let mut c = columns(&x[i * m * n..(i + 1) * m * n], m, n);
                factor::householder(&mut c, m, n, tau.at(i));
                from_columns(&c, m, n, out.at(i));
            });
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable("geqrf")
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

/// R and the reflections below it, and the reflections' factors: LAPACK's form.
pub fn geqrf(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Geqrf), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}

/// The first `columns` columns of the product of reflections.
struct HouseholderProduct {
    columns: usize,
}

fn multiply<T: Real>(v: &[T], m: usize, n: usize, tau: &[T], count: usize, out: &mut [T]) {
    let v = columns(v, m, n);
    let mut q = vec![T::ZERO; m * count];
    (0..count.min(m)).for_each(|i| q[i * m + i] = T::ONE);
    factor::reflect(&v, m, tau, &mut q);
    from_columns(&q, m, count, out);
}

impl Op for HouseholderProduct {
    fn name(&self) -> &'static str {
        "linalg.householder_product"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_matrix("torch.linalg.householder_product", &ins[0])?;
        let ((m, n), k) = (sizes(&ins[0]), ins[1].shape().last().copied().unwrap_or(0));
        ensure!(
            m >= n,
            Runtime,
            "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]"
        );
        ensure!(
            n >= k,
            Runtime,
            "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        );
        ensure!(
            ins[1].dtype() == ins[0].dtype() && ins[1].shape() == &*meta(&ins[0], &[k]).shape,
            Runtime,
            "torch.linalg.householder_product: Expected tau to have the batch and dtype of input, got {:?} and {:?}",
            ins[1].shape(),
            ins[0].shape()
        );
        Ok(smallvec![meta(&ins[0], &[m, self.columns])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let ((m, n), k) = (sizes(&call.ins[0]), call.ins[1].shape().last().copied().unwrap_or(0));
        let count = call.outs[0].numel() / (m * self.columns).max(1);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let (v, tau) = (call.input::<T>(0), call.input::<T>(1));
            let out = Pieces::<T>::new(&call.outs[0], m * self.columns);
            each(count, m * self.columns * k, |i| {
                multiply(&v[i * m * n..(i + 1) * m * n], m, n, &tau[i * k..(i + 1) * k], self.columns, out.at(i));
            });
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable("linalg.householder_product")
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

/// The first `columns` columns (all of `v`'s when left out) of the product of the reflections that `geqrf` gives.
pub fn householder_product(v: &Tensor, tau: &Tensor, columns: Option<usize>) -> Result<Tensor> {
    let columns = columns.unwrap_or(sizes(v).1);
    apply(HouseholderProduct { columns }, &[v.clone(), tau.clone()])
}

/// (Q, R); `complete` makes Q square.
struct Qr {
    complete: bool,
}

impl Op for Qr {
    fn name(&self) -> &'static str {
        "linalg.qr"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_matrix("linalg.qr", &ins[0])?;
        let (m, n) = sizes(&ins[0]);
        let k = if self.complete { m } else { m.min(n) };
        Ok(smallvec![meta(&ins[0], &[m, k]), meta(&ins[0], &[k, n])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let ((m, n), k) = (sizes(&call.ins[0]), sizes(&call.outs[0]).1);
        let count = call.ins[0].shape()[..call.ins[0].ndim() - 2].iter().product();
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let x = call.input::<T>(0);
            let (q, r) = (Pieces::<T>::new(&call.outs[0], m * k), Pieces::<T>::new(&call.outs[1], k * n));
            each(count, 2 * m * n * m.min(n), |i| factored(&x[i * m * n..(i + 1) * m * n], m, n, k, q.at(i), r.at(i)));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let (q, r) = (cx.output(0)?, cx.output(1)?);
        let ((m, k), n) = (sizes(&q), sizes(&r).1);
        if k > n {
            bail!(
                Runtime,
                "linalg_qr_backward: The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
            );
        }
        let (mut gq, mut gr) = (grads[0].clone(), grads[1].clone());
        let mut behind = None;
        let mut r1 = r.clone();
        if n > m {
            // R = [R1, Q^T A2]: the columns behind the square part are a product.
            let split = |x: &Tensor| -> Result<(Tensor, Tensor)> {
                let rest = (n - m) as i64;
                Ok((view::narrow(x, -1, 0, m as i64)?, view::narrow(x, -1, m as i64, rest)?))
            };
            r1 = split(&r)?.0;
            if let Some(g) = &gr {
                let (g1, g2) = split(g)?;
                gq = plus(gq, Some(mm(&mm(&q, &split(&r)?.1)?, &t(&g2)?)?))?;
                (gr, behind) = (Some(g1), Some(mm(&q, &g2)?));
            }
        }
        let dx = square_gradient(&q, &r1, gq, gr)?;
        let Some(dx) = dx else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(match behind {
            Some(b) => crate::join::cat(&[dx, b], -1)?,
            None if n > m => {
                let mut shape = dx.shape().to_vec();
                shape[q.ndim() - 1] = n - m;
                crate::join::cat(&[dx.clone(), crate::fill::zeros(&shape, dx.dtype(), dx.device())?], -1)?
            }
            None => dx,
        })])
    }
    fn saves(&self) -> Saves {
        Saves::OUTPUTS
    }
}

/// The gradient where R is square: `(gQ + Q sym(R gR^T - gQ^T Q)) R^-T`, sym taking the lower half for both.
fn square_gradient(q: &Tensor, r: &Tensor, gq: Option<Tensor>, gr: Option<Tensor>) -> Result<Option<Tensor>> {
    let mut middle = gr.map(|g| mm(r, &t(&g)?)).transpose()?;
    if let Some(g) = &gq {
        let part = mm(&t(g)?, q)?;
        middle = Some(match middle {
            Some(m) => sub(&m, &part)?,
            None => crate::elementwise::neg(&part)?,
        });
    }
    let Some(middle) = middle else { return Ok(None) };
    let even = add(&tril(&middle, 0)?, &t(&tril(&middle, -1)?)?)?;
    let Some(sum) = plus(gq, Some(mm(q, &even)?))? else { return Ok(None) };
    solve_triangular(&t(r)?, &sum, false, false, false).map(Some)
}

fn factored<T: Real + Element>(x: &[T], m: usize, n: usize, k: usize, q: &mut [T], r: &mut [T]) {
    let mut c = columns(x, m, n);
    let mut tau = vec![<T as Real>::ZERO; m.min(n)];
    factor::householder(&mut c, m, n, &mut tau);
    for i in 0..k {
        for j in 0..n {
            r[i * n + j] = if j >= i { c[j * m + i] } else { Real::ZERO };
        }
    }
    let mut columns = vec![<T as Real>::ZERO; m * k];
    (0..k).for_each(|i| columns[i * m + i] = Real::ONE);
    factor::reflect(&c, m, &tau, &mut columns);
    from_columns(&columns, m, k, q);
}

/// Q with orthonormal columns and the upper triangle R.
pub fn qr(x: &Tensor, complete: bool) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Qr { complete }), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}
