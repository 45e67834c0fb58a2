//! Singular values by QR and one-sided Jacobi rotations (Hestenes 1958): small singular values keep their relative accuracy.
use super::{add_scaled, dot, householder, norm, reflect, rotate, two_rows};

/// Singular values of an `m x n` matrix (`m >= n`, stored by columns), descending; with `vectors` also the left vectors
/// (`left` of them, n or m, as columns) and the right ones (as rows). `None` when the rotations do not converge.
pub fn svd(a: &mut [f64], m: usize, n: usize, left: usize, vectors: bool) -> Option<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let mut tau = vec![0.0; n];
    householder(a, m, n, &mut tau);
    // A = Q R. The rows of R are the columns of R^T = U' S V'^T, so R = V' S U'^T.
    let mut rows = vec![0.0; n * n];
    for i in 0..n {
        for j in i..n {
            rows[i * n + j] = a[j * m + i];
        }
    }
    let mut turns = vec![0.0; if vectors { n * n } else { 0 }];
    turns.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    orthogonalise(&mut rows, &mut turns, n)?;
    let lengths: Vec<f64> = rows.chunks_exact(n.max(1)).map(norm).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let values: Vec<f64> = order.iter().map(|&i| lengths[i]).collect();
    if !vectors {
        return Some((values, Vec::new(), Vec::new()));
    }
    let mut right = vec![0.0; n * n];
    for (to, &i) in right.chunks_exact_mut(n.max(1)).zip(&order) {
        if lengths[i] > 0.0 {
            to.iter_mut().zip(&rows[i * n..]).for_each(|(to, x)| *to = x / lengths[i]);
        }
    }
    complete(&mut right, n, values.iter().filter(|&&v| v > 0.0).count());
    let mut columns = vec![0.0; left * m];
    for (c, to) in columns.chunks_exact_mut(m.max(1)).enumerate() {
        match order.get(c) {
            Some(&i) => to[..n].copy_from_slice(&turns[i * n..(i + 1) * n]),
            None => to[c] = 1.0,
        }
    }
    reflect(a, m, &tau, &mut columns);
    Some((values, columns, right))
}

/// Rotates pairs of rows until all are orthogonal; `turns` collects the rotations.
fn orthogonalise(rows: &mut [f64], turns: &mut [f64], n: usize) -> Option<()> {
    const SMALL: f64 = 4.0 * f64::EPSILON;
    for _ in 0..60 {
        let mut squares: Vec<f64> = rows.chunks_exact(n.max(1)).map(|r| dot(r, r)).collect();
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let (x, y) = two_rows(rows, n, p, q);
                let (a, b, g) = (squares[p], squares[q], dot(x, y));
                if !(g.abs() > SMALL * (a.max(0.0) * b.max(0.0)).sqrt()) || g == 0.0 {
                    continue;
                }
                turned = true;
                let zeta = (b - a) / (2.0 * g);
                let t = 1.0 / (zeta + zeta.hypot(1.0).copysign(zeta));
                let c = 1.0 / t.hypot(1.0);
                rotate(x, y, c, c * t);
                if !turns.is_empty() {
                    let (u, v) = two_rows(turns, n, p, q);
                    rotate(u, v, c, c * t);
                }
                (squares[p], squares[q]) = (a - t * g, b + t * g);
            }
        }
        if !turned {
            return Some(());
        }
    }
    None
}

/// Fills the rows from `known` on with unit vectors orthogonal to all before (Gram-Schmidt, twice).
fn complete(rows: &mut [f64], n: usize, known: usize) {
    for i in known..n {
        let (done, rest) = rows.split_at_mut(i * n);
        let row = &mut rest[..n];
        // The axis that the known rows cover least has at least (n - i) / n of its length left.
        let covered = |j: usize| done.chunks_exact(n).map(|r| r[j] * r[j]).sum::<f64>();
        let axis = (0..n).min_by(|&x, &y| covered(x).total_cmp(&covered(y))).unwrap_or(0);
        row.fill(0.0);
        row[axis] = 1.0;
        for _ in 0..2 {
            for other in done.chunks_exact(n) {
                let c = -dot(other, row);
                add_scaled(row, c, other);
            }
        }
        let length = norm(row);
        row.iter_mut().for_each(|x| *x /= length);
    }
}
