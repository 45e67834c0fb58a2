//! LU with partial pivoting: `A = P L U`, in place.
use super::{BLOCK, Part, add_scaled, subtract_product, two_rows};
use crate::gemm::GemmScalar;

/// Factors the `m x n` matrix `a`; `pivots[i]` is the row (counted from 1) that row i was exchanged with.
/// Returns the position (from 1) of the first pivot that is zero, 0 when there is none.
pub fn lu<T: GemmScalar>(a: &mut [T], m: usize, n: usize, pivots: &mut [i32]) -> i32 {
    let k = m.min(n);
    let block = if k > 2 * BLOCK { BLOCK } else { k.max(1) };
    let mut info = 0;
    for start in (0..k).step_by(block) {
        let end = (start + block).min(k);
        panel(a, m, n, (start, end), pivots, &mut info);
        for i in start + 1..end {
            for r in start..i {
                let (upper, row) = two_rows(a, n, r, i);
                let factor = row[r];
                add_scaled(&mut row[end..], -factor, &upper[end..]);
            }
        }
        let all = Part::new(a, n);
        // SAFETY: the three parts are disjoint blocks of `a`.
        unsafe {
            subtract_product(
                all.at(end, end),
                all.at(end, start),
                all.at(start, end),
                false,
                (m - end, end - start, n - end),
            );
        }
    }
    info
}

/// Factors columns `start..end` of all rows below `start`; exchanges whole rows.
fn panel<T: GemmScalar>(
    a: &mut [T],
    m: usize,
    n: usize,
    (start, end): (usize, usize),
    pivots: &mut [i32],
    info: &mut i32,
) {
    for j in start..end {
        let mut best = j;
        for i in j + 1..m {
            if a[i * n + j].abs() > a[best * n + j].abs() {
                best = i;
            }
        }
        pivots[j] = best as i32 + 1;
        if best != j {
            let (x, y) = two_rows(a, n, j, best);
            x.swap_with_slice(y);
        }
        let pivot = a[j * n + j];
        if pivot == T::ZERO {
            if *info == 0 {
                *info = j as i32 + 1;
            }
            continue;
        }
        for i in j + 1..m {
            let (top, row) = two_rows(a, n, j, i);
            let factor = row[j] / pivot;
            row[j] = factor;
            add_scaled(&mut row[j + 1..end], -factor, &top[j + 1..end]);
        }
    }
}

/// Where each row of `L U` lies in A: the exchanges done one after the other on `0..rows`.
pub fn permutation(pivots: &[i32], rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    for (i, &p) in pivots.iter().enumerate() {
        let p = (p.max(1) as usize - 1).min(rows.saturating_sub(1));
        if i < rows {
            order.swap(i, p);
        }
    }
    order
}
