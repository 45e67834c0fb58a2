//! Dense linear algebra over batches of matrices: factorisations and what is solved with them. float32 and float64.
//! Eigenvalues and singular values are computed in f64. Checks that need no value and gradients are here, kernels in rsnn-cpu.
mod cholesky;
mod det;
mod eigh;
mod lu;
mod qr;
mod solve;
mod svd;
#[cfg(test)]
mod tests;

pub use cholesky::cholesky;
pub use det::{det, slogdet};
pub use eigh::eigh;
pub use lu::{lu_factor, permutation};
pub use qr::{geqrf, householder_product, qr};
pub use solve::{inverse, solve, solve_triangular};
pub use svd::{pinv, svd};

use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Dims, Result, ensure};
use rsnn_cpu::pool;

/// Rows and columns of the matrices of `x`.
fn sizes(x: &Tensor) -> (usize, usize) {
    match *x.shape() {
        [.., m, n] => (m, n),
        _ => (0, 0),
    }
}

/// The dimensions before the matrices.
fn batch(x: &Tensor) -> &[usize] {
    &x.shape()[..x.ndim().saturating_sub(2)]
}

/// A result with `x`'s batch, dtype and device, and these dimensions behind.
fn meta(x: &Tensor, tail: &[usize]) -> Meta {
    typed(x, tail, x.dtype())
}

fn typed(x: &Tensor, tail: &[usize], dtype: DType) -> Meta {
    let mut shape = Dims::from_slice(batch(x));
    shape.extend_from_slice(tail);
    Meta { shape, dtype, device: x.device() }
}

/// Refuses what is not a batch of float32 or float64 matrices.
fn check_matrix(name: &str, x: &Tensor) -> Result<()> {
    ensure!(
        x.ndim() >= 2,
        Runtime,
        "{name}: The input tensor A must have at least 2 dimensions, but it has {} dimension{}",
        x.ndim(),
        if x.ndim() == 1 { "" } else { "s" }
    );
    ensure!(
        x.dtype().is_float(),
        Runtime,
        "{name}: Expected a floating point or complex tensor as input. Got {}",
        x.dtype().scalar_name()
    );
    ensure!(
        !x.dtype().is_half(),
        Runtime,
        "{name}: Low precision dtypes not supported. Got {}",
        x.dtype().scalar_name()
    );
    Ok(())
}

fn check_square(name: &str, x: &Tensor) -> Result<()> {
    check_matrix(name, x)?;
    let (m, n) = sizes(x);
    ensure!(m == n, Runtime, "{name}: A must be batches of square matrices, but they are {m} by {n} matrices");
    Ok(())
}

/// Refuses infinities and NaN, on which iterations do not end; `x` is contiguous.
fn check_finite(name: &str, x: &Tensor) -> Result<()> {
    let bad = rsnn_core::dispatch!(float, x.dtype(), name, T => x.as_slice::<T>().iter().position(|v| !v.is_finite()));
    let Some(at) = bad else { return Ok(()) };
    let (m, n) = sizes(x);
    let place = if x.ndim() > 2 { format!("(Batch element {}): ", at / (m * n)) } else { String::new() };
    rsnn_core::bail!(
        Runtime,
        "{name}: {place}The algorithm failed to converge because the input matrix contained non-finite values."
    )
}

fn t(x: &Tensor) -> Result<Tensor> {
    view::transpose(x, -1, -2)
}

fn mm(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    crate::matmul::product(a, b)
}

/// The identity, as a matrix without batch.
fn eye(n: usize, like: &Tensor) -> Result<Tensor> {
    let out = crate::fill::zeros(&[n, n], like.dtype(), like.device())?;
    if n > 0 {
        crate::fill::fill_raw(&view::diagonal(&out, 0, 0, 1)?.detach(), 1.0)?;
    }
    Ok(out)
}

/// True off the diagonal of an `n x n` matrix.
fn off_diagonal(n: usize, like: &Tensor) -> Result<Tensor> {
    crate::unary::test("logical_not", &eye(n, like)?)
}

/// A sum of gradients of which any may be missing.
fn plus(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => crate::elementwise::add(&a, &b).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// Calls `f(i)` for each of `count` matrices whose factorisation takes about `work` operations.
fn each(count: usize, work: usize, f: impl Fn(usize) + Sync) {
    let chunks = pool::split(count.saturating_mul(work.max(1)), 1 << 17).min(count.max(1));
    pool::for_each_chunk(chunks, |c| pool::range(count, chunks, c).for_each(&f));
}

/// Shared slices of outputs that `each` writes in disjoint pieces.
struct Pieces<T> {
    first: pool::SendPtr<T>,
    size: usize,
}

impl<T: rsnn_core::Element> Pieces<T> {
    fn new(out: &Tensor, size: usize) -> Pieces<T> {
        Pieces { first: pool::SendPtr(out.ptr::<T>()), size }
    }

    /// Piece `i`.
    #[allow(clippy::mut_from_ref)]
    fn at(&self, i: usize) -> &mut [T] {
        // SAFETY: outputs are contiguous and fresh, and `each` hands every index to one caller.
        unsafe { std::slice::from_raw_parts_mut(self.first.get().add(i * self.size), self.size) }
    }
}
