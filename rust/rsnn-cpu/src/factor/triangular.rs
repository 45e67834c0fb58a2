//! `T X = B` for a triangular matrix, in place of B.
use super::{BLOCK, Part, add_scaled, subtract_product, two_rows};
use crate::gemm::GemmScalar;

/// Which half of the matrix counts, and whether its diagonal is taken as ones.
#[derive(Clone, Copy)]
pub struct Triangle {
    pub upper: bool,
    pub unit: bool,
}

/// Solves with the `n x n` matrix `t` (rows `stride` apart) for the `n x k` matrix `b`.
pub fn solve<T: GemmScalar>(t: &[T], stride: usize, b: &mut [T], n: usize, k: usize, triangle: Triangle) {
    if n == 0 || k == 0 {
        return;
    }
    let blocks = n.div_ceil(BLOCK);
    for step in 0..blocks {
        let index = if triangle.upper { blocks - 1 - step } else { step };
        let (start, end) = (index * BLOCK, ((index + 1) * BLOCK).min(n));
        diagonal(t, stride, b, k, (start, end), triangle);
        let (whole, left) = (Part { first: t.as_ptr().cast_mut(), stride }, Part::new(b, k));
        let (to, rows) = if triangle.upper { (0, start) } else { (end, n - end) };
        // SAFETY: `t` is only read; the rows of `b` that are written are not those of the block.
        unsafe {
            subtract_product(left.at(to, 0), whole.at(to, start), left.at(start, 0), false, (rows, end - start, k))
        };
    }
}

/// Solves with one block on the diagonal.
fn diagonal<T: GemmScalar>(
    t: &[T],
    stride: usize,
    b: &mut [T],
    k: usize,
    (start, end): (usize, usize),
    triangle: Triangle,
) {
    for step in 0..end - start {
        let i = if triangle.upper { end - 1 - step } else { start + step };
        if !triangle.unit {
            let d = t[i * stride + i];
            b[i * k..(i + 1) * k].iter_mut().for_each(|x| *x /= d);
        }
        let below = if triangle.upper { start..i } else { i + 1..end };
        for r in below {
            let c = t[r * stride + i];
            let (x, y) = two_rows(b, k, i.min(r), i.max(r));
            let (known, row) = if r > i { (x, y) } else { (y, x) };
            add_scaled(row, -c, known);
        }
    }
}
