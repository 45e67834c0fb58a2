//! `eigh`: eigenvalues and eigenvectors of symmetric matrices.
use super::qr::from_columns;
use super::{Pieces, check_square, each, mm, off_diagonal, sizes, t};
use crate::autograd::Ctx;
use crate::elementwise::{add, div, mul, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply_all};
use crate::select::where_;
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{DType, Result, dispatch, ensure};
use rsnn_cpu::factor;
use smallvec::smallvec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// (ascending eigenvalues, eigenvectors as columns) from one half of the matrix.
struct Eigh {
    upper: bool,
}

impl Op for Eigh {
    fn name(&self) -> &'static str {
        "linalg.eigh"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        check_square("linalg.eigh", &ins[0])?;
        Ok(smallvec![super::meta(&ins[0], &[sizes(&ins[0]).0]), ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let n = sizes(&call.ins[0]).0;
        super::check_finite(self.name(), &call.ins[0])?;
        let x = crate::copy::cast(&call.ins[0], DType::F64)?;
        let (x, failed) = (x.as_slice::<f64>(), AtomicBool::new(false));
        dispatch!(float, call.outs[0].dtype(), self.name(), T => {
            let (values, vectors) = (Pieces::<T>::new(&call.outs[0], n), Pieces::<T>::new(&call.outs[1], n * n));
            each(call.outs[0].numel() / n.max(1), 9 * n * n * n, |i| {
                let x = &x[i * n * n..(i + 1) * n * n];
                let half = |r: usize, c: usize| if (r < c) == self.upper { x[r * n + c] } else { x[c * n + r] };
                let mut a: Vec<f64> = (0..n * n).map(|at| half(at / n, at % n)).collect();
                match factor::eigh(&mut a, n, true) {
                    Some((found, rows)) => {
                        let rows: Vec<T> = rows.iter().map(|&v| v as T).collect();
                        values.at(i).iter_mut().zip(found).for_each(|(to, v)| *to = v as T);
                        from_columns(&rows, n, n, vectors.at(i));
                    }
                    None => failed.store(true, Relaxed),
                }
            });
        });
        ensure!(
            !failed.load(Relaxed),
            Runtime,
            "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues."
        );
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let (values, v) = (cx.output(0)?, cx.output(1)?);
        let n = sizes(&v).0;
        let mut middle = None;
        if let Some(g) = &grads[1] {
            // V^T gV over the gaps between eigenvalues; the diagonal has none.
            let gaps = sub(&view::unsqueeze(&values, -2)?, &view::unsqueeze(&values, -1)?)?;
            let (off, one) = (off_diagonal(n, &v)?, crate::fill::full(&[], 1.0, v.dtype(), v.device())?);
            let zero = crate::fill::full(&[], 0.0, v.dtype(), v.device())?;
            let inner = div(&mm(&t(&v)?, g)?, &where_(&off, &gaps, &one)?)?;
            middle = Some(where_(&off, &inner, &zero)?);
        }
        if let Some(g) = &grads[0] {
            let spread = mul(&super::eye(n, &v)?, &view::unsqueeze(g, -1)?)?;
            middle = Some(match middle {
                Some(m) => add(&m, &spread)?,
                None => spread,
            });
        }
        let Some(middle) = middle else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(mm(&v, &mm(&middle, &t(&v)?)?)?)])
    }
    fn saves(&self) -> Saves {
        Saves::OUTPUTS
    }
}

/// Ascending eigenvalues and eigenvectors (columns) of symmetric matrices, read from one half.
pub fn eigh(x: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    let outs = apply_all(Arc::new(Eigh { upper }), std::slice::from_ref(x))?;
    Ok((outs[0].clone(), outs[1].clone()))
}
