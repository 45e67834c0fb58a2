//! Dense factorisations of row-major matrices: LU, Cholesky, Householder QR, symmetric eigenvalues, singular values.
//! Blocks of LU, Cholesky and triangular solves are matrix products; the rest are dot products and sums of rows.
mod cholesky;
mod householder;
mod jacobi;
mod lu;
mod symmetric;
#[cfg(test)]
mod tests;
mod triangular;

pub use cholesky::cholesky;
pub use householder::{householder, reflect};
pub use jacobi::svd;
pub use lu::{lu, permutation};
pub use symmetric::eigh;
pub use triangular::{Triangle, solve};

use crate::gemm::{Epilogue, Gemm, GemmScalar, gemm};
use crate::simd;
use crate::vmath::Real;

/// Columns that are factored before the rest of the matrix is updated by one product.
const BLOCK: usize = 48;

/// `sum a[i] b[i]` over the shorter length, in 16 interleaved sums.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    simd::vectorize(
        #[inline(always)]
        || {
            let mut sums = [T::ZERO; 16];
            let (a, b) = (a.chunks_exact(16), b.chunks_exact(16));
            let rest = a.remainder().iter().zip(b.remainder()).fold(T::ZERO, |s, (&x, &y)| s + x * y);
            for (x, y) in a.zip(b) {
                for i in 0..16 {
                    sums[i] += x[i] * y[i];
                }
            }
            sums.iter().fold(rest, |s, &x| s + x)
        },
    )
}

/// `y += c x`
fn add_scaled<T: Real>(y: &mut [T], c: T, x: &[T]) {
    simd::vectorize(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, &x)| *y += c * x),
    );
}

/// `(x, y) = (c x - s y, s x + c y)`
fn rotate<T: Real>(x: &mut [T], y: &mut [T], c: T, s: T) {
    simd::vectorize(
        #[inline(always)]
        || {
            for (x, y) in x.iter_mut().zip(y) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        },
    );
}

/// The Euclidean norm, scaled where squares would overflow or vanish.
fn norm<T: Real>(x: &[T]) -> T {
    let square = dot(x, x);
    if square > T::from_f64(1e-30) && square < T::from_f64(1e30) {
        return square.sqrt();
    }
    let top = x.iter().fold(T::ZERO, |m, &v| m.max(v.abs()));
    if top == T::ZERO || !(top < T::INFINITY) {
        return if x.iter().any(|v| v.is_nan()) { T::NAN } else { top };
    }
    top * x.iter().fold(T::ZERO, |s, &v| s + (v / top) * (v / top)).sqrt()
}

/// A part of a row-major matrix by its first element and the distance of rows.
#[derive(Clone, Copy)]
struct Part<T> {
    first: *mut T,
    stride: usize,
}

impl<T> Part<T> {
    fn new(a: &mut [T], stride: usize) -> Part<T> {
        Part { first: a.as_mut_ptr(), stride }
    }

    /// The part that starts `row` rows further down and `column` columns further right.
    fn at(self, row: usize, column: usize) -> Part<T> {
        Part { first: self.first.wrapping_add(row * self.stride + column), stride: self.stride }
    }
}

/// `c -= a b` for parts of `m x k`, `k x n`, `m x n`; `b` is read transposed when asked.
///
/// # Safety
/// The parts lie within live matrices, and `c` overlaps neither operand.
unsafe fn subtract_product<T: GemmScalar>(
    c: Part<T>,
    a: Part<T>,
    b: Part<T>,
    transposed: bool,
    (m, k, n): (usize, usize, usize),
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let (b_rs, b_cs) = if transposed { (1, b.stride as isize) } else { (b.stride as isize, 1) };
    // SAFETY: the caller's contract.
    unsafe {
        gemm(&Gemm {
            m,
            n,
            k,
            a: a.first,
            a_rs: a.stride as isize,
            a_cs: 1,
            b: b.first,
            b_rs,
            b_cs,
            c: c.first,
            c_rs: c.stride as isize,
            alpha: -T::ONE,
            accumulate: true,
            epilogue: Epilogue::None,
        });
    }
}

/// Rows `i` and `j` (`i < j`) of a matrix with `n` columns, both to write.
fn two_rows<T>(a: &mut [T], n: usize, i: usize, j: usize) -> (&mut [T], &mut [T]) {
    let (head, tail) = a.split_at_mut(j * n);
    (&mut head[i * n..(i + 1) * n], &mut tail[..n])
}
