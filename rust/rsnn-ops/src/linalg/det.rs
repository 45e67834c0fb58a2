//! `det` and `slogdet` by LU.
use super::{check_square, inverse, lu_factor, meta, mm, off_diagonal, sizes, t};
use crate::autograd::Ctx;
use crate::elementwise::{Binary, mul};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::select::where_;
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{Element, Result, dispatch};
use rsnn_cpu::vmath::Real;
use smallvec::smallvec;
use std::sync::Arc;

struct Det;
/// (sign, log |det|)
struct Slogdet;

/// Calls `f(i, sign, diagonal of U)` for each matrix.
fn factored<T: Element + Real>(x: &Tensor, mut f: impl FnMut(usize, T, &mut dyn Iterator<Item = T>)) -> Result<()> {
    let n = sizes(x).0;
    let (lu, pivots, info) = lu_factor(&x.detach())?;
    let (lu, pivots) = (lu.as_slice::<T>(), pivots.as_slice::<i32>());
    for i in 0..info.numel() {
        let swaps = (0..n).filter(|&r| pivots[i * n + r] != r as i32 + 1).count();
        let sign = if swaps % 2 == 0 { T::ONE } else { -T::ONE };
        f(i, sign, &mut (0..n).map(|r| lu[(i * n + r) * n + r]));
    }
    Ok(())
}

/// `x` with two dimensions more.
fn per_matrix(x: &Tensor) -> Result<Tensor> {
    view::unsqueeze(&view::unsqueeze(x, -1)?, -1)
}

impl Op for Det {
    fn name(&self) -> &'static str {
        "linalg.det"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_square("linalg.det", &ins[0])?;
        Ok(smallvec![meta(&ins[0], &[])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let out = call.output::<T>(0);
            factored::<T>(&call.ins[0], |i, sign, diagonal| out[i] = diagonal.fold(sign, |p, d| p * d))?;
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let (x, det) = (cx.input(0)?, cx.output(0)?);
        let zero = crate::fill::full(&[], 0.0, det.dtype(), det.device())?;
        let singular = apply(Binary::Eq, &[det.clone(), zero])?;
        let regular = mul(&per_matrix(&det)?, &t(&inverse(&x)?.0)?)?;
        let cofactors = match crate::reduce::any(&singular, &[], false)?.item()? != 0.0 {
            true => where_(&per_matrix(&singular)?, &cofactors(&x)?, &regular)?,
            false => regular,
        };
        Ok(smallvec![Some(mul(&per_matrix(g)?, &cofactors)?)])
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
}

/// The cofactor matrix of any matrix, from `A = U S V^T`: `det(U) det(V) U prod(S without s_i) V^T`.
fn cofactors(x: &Tensor) -> Result<Tensor> {
    let n = sizes(x).0;
    let (u, s, vh) = super::svd(x, true)?;
    let mut shape = s.shape().to_vec();
    shape.push(n);
    let others = view::expand(&view::unsqueeze(&s, -2)?, &shape)?;
    let one = crate::fill::full(&[], 1.0, s.dtype(), s.device())?;
    let others = crate::reduce::prod(&where_(&off_diagonal(n, x)?, &others, &one)?, Some(-1), false, None)?;
    let sign = per_matrix(&mul(&det(&u)?, &det(&vh)?)?)?;
    mul(&sign, &mm(&mul(&u, &view::unsqueeze(&others, -2)?)?, &vh)?)
}

impl Op for Slogdet {
    fn name(&self) -> &'static str {
        "linalg.slogdet"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_square("linalg.slogdet", &ins[0])?;
        Ok(smallvec![meta(&ins[0], &[]), meta(&ins[0], &[])])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let (signs, logs) = (call.output::<T>(0), call.output::<T>(1));
            factored::<T>(&call.ins[0], |i, sign, diagonal| {
                (signs[i], logs[i]) = (sign, Real::ZERO);
                for d in diagonal {
                    logs[i] += Real::log(Real::abs(d));
                    signs[i] = if d < Real::ZERO { -signs[i] } else if d > Real::ZERO { signs[i] } else { d };
                }
            })?;
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[1] else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(mul(&per_matrix(g)?, &t(&inverse(&cx.input(0)?)?.0)?)?)])
    }
}

/// Determinants of square matrices.
pub fn det(x: &Tensor) -> Result<Tensor> {
    apply(Det, std::slice::from_ref(x))
}

/// Sign and logarithm of the magnitude of determinants.
pub fn slogdet(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Slogdet), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}
