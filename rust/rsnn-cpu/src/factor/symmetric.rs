//! Eigenvalues of symmetric matrices: Householder tridiagonalisation, then implicit QL.
use super::householder::{apply, reflector};
use super::{add_scaled, dot, rotate};

/// Eigenvalues of the symmetric `n x n` matrix in `a`, ascending, and the eigenvectors as rows; `None` when QL does not converge.
/// `a` is destroyed.
pub fn eigh(a: &mut [f64], n: usize, vectors: bool) -> Option<(Vec<f64>, Vec<f64>)> {
    let (mut d, mut e, tau) = tridiagonal(a, n);
    let mut rows = if vectors { orthogonal(a, n, &tau) } else { Vec::new() };
    ql(&mut d, &mut e, &mut rows, n)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| d[i].total_cmp(&d[j]));
    let sorted = order.iter().map(|&i| d[i]).collect();
    if vectors {
        rows = order.iter().flat_map(|&i| rows[i * n..(i + 1) * n].to_vec()).collect();
    }
    Some((sorted, rows))
}

/// Diagonal, off-diagonal and the factors of the reflections, whose tails stay in the rows of `a`.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut d, mut e, mut tau) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    for k in 0..n {
        d[k] = a[k * n + k];
        if k + 1 == n {
            break;
        }
        let (head, rest) = a.split_at_mut((k + 1) * n);
        let v = &mut head[k * n + k + 1..];
        (e[k], tau[k]) = reflector(v);
        v[0] = 1.0;
        if tau[k] == 0.0 {
            continue;
        }
        let mut w: Vec<f64> = rest.chunks_exact(n).map(|row| tau[k] * dot(&row[k + 1..], v)).collect();
        let half = -0.5 * tau[k] * dot(&w, v);
        add_scaled(&mut w, half, v);
        for (i, row) in rest.chunks_exact_mut(n).enumerate() {
            add_scaled(&mut row[k + 1..], -v[i], &w);
            add_scaled(&mut row[k + 1..], -w[i], v);
        }
    }
    (d, e, tau)
}

/// The rows of Q^T for the product Q of the reflections.
fn orthogonal(a: &[f64], n: usize, tau: &[f64]) -> Vec<f64> {
    let mut rows = vec![0.0; n * n];
    for i in 0..n {
        rows[i * n + i] = 1.0;
    }
    for k in (0..n.saturating_sub(1)).rev() {
        if tau[k] != 0.0 {
            let tail = &a[k * n + k + 2..(k + 1) * n];
            rows[(k + 1) * n..].chunks_exact_mut(n).for_each(|column| apply(tail, tau[k], &mut column[k + 1..]));
        }
    }
    rows
}

/// Diagonalises a tridiagonal matrix by implicit QL with Wilkinson's shift; the rotations act on pairs of `rows`.
fn ql(d: &mut [f64], e: &mut [f64], rows: &mut [f64], n: usize) -> Option<()> {
    for l in 0..n {
        for turn in 0.. {
            let small = |m: &usize| e[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[*m + 1].abs());
            let m = (l..n - 1).find(small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if turn == 80 {
                return None;
            }
            step(d, e, rows, n, l, m);
        }
    }
    Some(())
}

fn step(d: &mut [f64], e: &mut [f64], rows: &mut [f64], n: usize, l: usize, m: usize) {
    let shift = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let mut g = d[m] - d[l] + e[l] / (shift + shift.hypot(1.0).copysign(shift));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            d[i + 1] -= p;
            e[m] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let turn = (d[i] - g) * s + 2.0 * c * b;
        p = s * turn;
        d[i + 1] = g + p;
        g = c * turn - b;
        if !rows.is_empty() {
            let (x, y) = super::two_rows(rows, n, i, i + 1);
            rotate(x, y, c, s);
        }
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0.0;
}
