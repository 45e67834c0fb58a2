//! `svd` and `pinv`: singular values by Jacobi rotations, in f64.
use super::qr::{columns, from_columns};
use super::{Pieces, check_matrix, each, eye, meta, mm, off_diagonal, sizes, t};
use crate::autograd::Ctx;
use crate::elementwise::{add, div, mul, neg, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::select::where_;
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{DType, Result, dispatch, ensure};
use rsnn_cpu::factor;
use smallvec::smallvec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// U (row-major, m x left), the singular values, V^T (right x n).
type Factors = (Vec<f64>, Vec<f64>, Vec<f64>);

/// Factors one matrix; `full` makes both square.
fn factored(x: &[f64], m: usize, n: usize, full: bool) -> Option<Factors> {
    let k = m.min(n);
    let side = |size: usize| if full { size } else { k };
    if m >= n {
        let (s, left, right) = factor::svd(&mut columns(x, m, n), m, n, side(m), true)?;
        let mut u = vec![0.0; m * side(m)];
        from_columns(&left, m, side(m), &mut u);
        return Some((u, s, right));
    }
    // The rows of a wide matrix are the columns of its transpose, whose factors change places.
    let (s, left, right) = factor::svd(&mut x.to_vec(), n, m, side(n), true)?;
    let mut u = vec![0.0; m * m];
    from_columns(&right, m, m, &mut u);
    Some((u, s, left))
}

/// (U, S, V^T)
struct Svd {
    full: bool,
}

const DIVERGED: &str = "linalg.svd: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values";

impl Op for Svd {
    fn name(&self) -> &'static str {
        "linalg.svd"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_matrix("linalg.svd", &ins[0])?;
        let ((m, n), k) = (sizes(&ins[0]), sizes(&ins[0]).0.min(sizes(&ins[0]).1));
        let side = |size: usize| if self.full { size } else { k };
        Ok(smallvec![meta(&ins[0], &[m, side(m)]), meta(&ins[0], &[k]), meta(&ins[0], &[side(n), n])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let ((m, n), k) = (sizes(&call.ins[0]), call.outs[1].shape().last().copied().unwrap_or(0));
        let count = call.ins[0].shape()[..call.ins[0].ndim() - 2].iter().product();
        super::check_finite(self.name(), &call.ins[0])?;
        let x = crate::copy::cast(&call.ins[0], DType::F64)?;
        let (x, failed) = (x.as_slice::<f64>(), AtomicBool::new(false));
        let (left, right) = (sizes(&call.outs[0]).1, sizes(&call.outs[2]).0);
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let u = Pieces::<T>::new(&call.outs[0], m * left);
            let (s, vh) = (Pieces::<T>::new(&call.outs[1], k), Pieces::<T>::new(&call.outs[2], right * n));
            each(count, 16 * m * n * k, |i| match factored(&x[i * m * n..(i + 1) * m * n], m, n, self.full) {
                Some(found) => {
                    for (to, from) in [(u.at(i), found.0), (s.at(i), found.1), (vh.at(i), found.2)] {
                        to.iter_mut().zip(from).for_each(|(to, v)| *to = v as T);
                    }
                }
                None => failed.store(true, Relaxed),
            });
        });
        ensure!(!failed.load(Relaxed), Runtime, "{DIVERGED}");
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let (u, s, vh) = (cx.output(0)?, cx.output(1)?, cx.output(2)?);
        let (m, n, k) = (sizes(&u).0, sizes(&vh).1, s.shape()[s.ndim() - 1]);
        // As in torch, columns beyond the singular values count as constants.
        let first = |x: &Tensor, dim| view::narrow(x, dim, 0, k as i64);
        let gu = grads[0].as_ref().map(|g| first(g, -1)).transpose()?;
        let gvh = grads[2].as_ref().map(|g| first(g, -2)).transpose()?;
        gradient(&first(&u, -1)?, &s, &first(&vh, -2)?, (m, n, k), [&gu, &grads[1], &gvh])
    }
    fn saves(&self) -> Saves {
        Saves::OUTPUTS
    }
}

/// `x - x^T` over the differences of squared singular values.
fn skewed(x: &Tensor, squares: &Tensor, off: &Tensor) -> Result<Tensor> {
    let one = crate::fill::full(&[], 1.0, x.dtype(), x.device())?;
    let gaps = sub(&view::unsqueeze(squares, -2)?, &view::unsqueeze(squares, -1)?)?;
    div(&sub(x, &t(x)?)?, &where_(off, &gaps, &one)?)
}

fn gradient(
    u: &Tensor,
    s: &Tensor,
    vh: &Tensor,
    (m, n, k): (usize, usize, usize),
    [gu, gs, gvh]: [&Option<Tensor>; 3],
) -> Result<Grads> {
    let (row, column) = (view::unsqueeze(s, -2)?, view::unsqueeze(s, -1)?);
    let (off, squares) = (off_diagonal(k, u)?, mul(s, s)?);
    let (ut, v) = (t(u)?, t(vh)?);
    let mut middle = gs.as_ref().map(|g| mul(&eye(k, u)?, &view::unsqueeze(g, -1)?)).transpose()?;
    let mut sum = None;
    if let Some(g) = gu {
        let part = mul(&skewed(&mm(&ut, g)?, &squares, &off)?, &row)?;
        middle = super::plus(middle, Some(part))?;
        if m > k {
            let outside = sub(g, &mm(u, &mm(&ut, g)?)?)?;
            sum = Some(mm(&div(&outside, &row)?, vh)?);
        }
    }
    if let Some(g) = gvh {
        let gv = t(g)?;
        let part = mul(&column, &skewed(&mm(vh, &gv)?, &squares, &off)?)?;
        middle = super::plus(middle, Some(part))?;
        if n > k {
            let outside = sub(g, &mm(&mm(g, &v)?, vh)?)?;
            sum = super::plus(sum, Some(mm(u, &div(&outside, &column)?)?))?;
        }
    }
    let inner = middle.map(|x| mm(u, &mm(&x, vh)?)).transpose()?;
    Ok(smallvec![super::plus(inner, sum)?])
}

/// U, the singular values in descending order, and V^T; `full` makes both square.
pub fn svd(x: &Tensor, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Svd { full }), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone(), outs[2].clone()))
}

/// The pseudo-inverse; singular values up to the tolerance count as zero. Inputs: matrices and one tolerance each.
struct Pinv;

impl Op for Pinv {
    fn name(&self) -> &'static str {
        "linalg.pinv"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_matrix("linalg.pinv", &ins[0])?;
        let (m, n) = sizes(&ins[0]);
        Ok(smallvec![meta(&ins[0], &[n, m])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (u, s, vh) = svd(&call.ins[0].detach(), false)?;
        let zero = crate::fill::full(&[], 0.0, s.dtype(), s.device())?;
        let small = crate::op::apply(crate::elementwise::Binary::Le, &[s.clone(), view::unsqueeze(&call.ins[1], -1)?])?;
        let inverse = where_(&small, &zero, &crate::unary::apply_named("reciprocal", &s)?)?;
        let y = mm(&mul(&t(&vh)?, &view::unsqueeze(&inverse, -2)?)?, &t(&u)?)?;
        crate::copy::copy_into(&y, &call.outs[0])
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let (a, p) = (cx.input(0)?, cx.output(0)?);
        let (pt, gt) = (t(&p)?, t(g)?);
        // Golub & Pereyra 1973: what moves the inverse inside the range, and what turns the range.
        let inside = neg(&mm(&pt, &mm(g, &pt)?)?)?;
        let left = mm(&gt, &mm(&p, &pt)?)?;
        let left = sub(&left, &mm(&a, &mm(&p, &left)?)?)?;
        let right = mm(&mm(&pt, &p)?, &gt)?;
        let right = sub(&right, &mm(&mm(&right, &p)?, &a)?)?;
        Ok(smallvec![Some(add(&inside, &add(&left, &right)?)?), None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }
}

/// The Moore-Penrose inverse; `tolerance` has one number for each matrix.
pub fn pinv(x: &Tensor, tolerance: &Tensor) -> Result<Tensor> {
    check_matrix("linalg.pinv", x)?;
    let tolerance = view::expand(&crate::copy::to_dtype(&tolerance.detach(), x.dtype())?, super::batch(x))?;
    apply(Pinv, &[x.clone(), tolerance])
}
