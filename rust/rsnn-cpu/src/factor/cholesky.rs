//! Cholesky: `A = L L^T` from the lower half of A, in place.
use super::{BLOCK, Part, dot, subtract_product};
use crate::gemm::GemmScalar;

/// Factors the `n x n` matrix `a` and clears its upper half. Returns the order (from 1) of the first leading minor that
/// is not positive, 0 when there is none.
pub fn cholesky<T: GemmScalar>(a: &mut [T], n: usize) -> i32 {
    let info = lower(a, n);
    for i in 0..n {
        a[i * n + i + 1..(i + 1) * n].fill(T::ZERO);
    }
    info
}

/// Factors the lower half and leaves the upper one.
fn lower<T: GemmScalar>(a: &mut [T], n: usize) -> i32 {
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        for j in start..end {
            let row = &a[j * n + start..j * n + j];
            let d = a[j * n + j] - dot(row, row);
            if !(d > T::ZERO) {
                return j as i32 + 1;
            }
            let root = d.sqrt();
            a[j * n + j] = root;
            for i in j + 1..n {
                let (head, tail) = a.split_at_mut(i * n);
                tail[j] = (tail[j] - dot(&tail[start..j], &head[j * n + start..j * n + j])) / root;
            }
        }
        // The rest of the lower half, in bands of rows.
        for top in (end..n).step_by(2 * BLOCK) {
            let bottom = (top + 2 * BLOCK).min(n);
            let all = Part::new(a, n);
            let size = (bottom - top, end - start, bottom - end);
            // SAFETY: columns from `end` on are written, columns before it are read.
            unsafe { subtract_product(all.at(top, end), all.at(top, start), all.at(end, start), true, size) };
        }
    }
    0
}
