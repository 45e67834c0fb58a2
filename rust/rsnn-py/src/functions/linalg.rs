//! Factorisations of matrices and what is solved with them.
use crate::prelude::*;
use rsnn_ops::{Result, Tensor, linalg as ops};

fn two(f: impl FnOnce() -> Result<(Tensor, Tensor)>) -> Outs {
    run_all(|| f().map(|(a, b)| vec![a, b]))
}

fn three(f: impl FnOnce() -> Result<(Tensor, Tensor, Tensor)>) -> Outs {
    run_all(|| f().map(|(a, b, c)| vec![a, b, c]))
}

/// [LU, pivots, info]
#[pyfunction]
fn linalg_lu_factor(x: In) -> Outs {
    three(|| ops::lu_factor(&x))
}

/// The row of A that each row of `L U` comes from.
#[pyfunction]
fn linalg_permutation(pivots: In, rows: usize) -> Out {
    run(|| ops::permutation(&pivots, rows))
}

/// [X, info]
#[pyfunction]
fn linalg_solve(a: In, b: In) -> Outs {
    two(|| ops::solve(&a, &b))
}

#[pyfunction]
fn linalg_solve_triangular(a: In, b: In, upper: bool, left: bool, unit: bool) -> Out {
    run(|| ops::solve_triangular(&a, &b, upper, left, unit))
}

/// [inverse, info]
#[pyfunction]
fn linalg_inverse(x: In) -> Outs {
    two(|| ops::inverse(&x))
}

/// [L, info]
#[pyfunction]
fn linalg_cholesky(x: In) -> Outs {
    two(|| ops::cholesky(&x))
}

#[pyfunction]
fn linalg_det(x: In) -> Out {
    run(|| ops::det(&x))
}

/// [sign, log |det|]
#[pyfunction]
fn linalg_slogdet(x: In) -> Outs {
    two(|| ops::slogdet(&x))
}

/// [R and reflections, their factors]
#[pyfunction]
fn linalg_geqrf(x: In) -> Outs {
    two(|| ops::geqrf(&x))
}

#[pyfunction]
#[pyo3(signature = (v, tau, columns=None))]
fn linalg_householder_product(v: In, tau: In, columns: Option<usize>) -> Out {
    run(|| ops::householder_product(&v, &tau, columns))
}

/// [Q, R]
#[pyfunction]
fn linalg_qr(x: In, complete: bool) -> Outs {
    two(|| ops::qr(&x, complete))
}

/// [eigenvalues, eigenvectors]
#[pyfunction]
fn linalg_eigh(x: In, upper: bool) -> Outs {
    two(|| ops::eigh(&x, upper))
}

/// [U, S, V^T]
#[pyfunction]
fn linalg_svd(x: In, full: bool) -> Outs {
    three(|| ops::svd(&x, full))
}

#[pyfunction]
fn linalg_pinv(x: In, tolerance: In) -> Out {
    run(|| ops::pinv(&x, &tolerance))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, linalg_lu_factor, linalg_permutation, linalg_solve, linalg_solve_triangular, linalg_inverse);
    functions!(m, linalg_cholesky, linalg_det, linalg_slogdet, linalg_geqrf, linalg_householder_product);
    functions!(m, linalg_qr, linalg_eigh, linalg_svd, linalg_pinv);
    Ok(())
}
