//! Factors multiply back to the matrix, over shapes on both sides of the block size.
use super::*;

fn matrix(m: usize, n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..m * n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        })
        .collect()
}

fn product(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|at| (0..k).map(|l| a[at / n * k + l] * b[l * n + at % n]).sum()).collect()
}

fn transposed(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|at| a[at % m * n + at / m]).collect()
}

fn close(a: &[f64], b: &[f64], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let gap = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    assert!(gap < 1e-10 * a.len().max(1) as f64, "{what}: {gap}");
}

#[test]
fn lu_multiplies_back() {
    for (m, n) in [(1, 1), (3, 5), (7, 4), (130, 130), (150, 110), (110, 150)] {
        let (a, k) = (matrix(m, n, 3), m.min(n));
        let (mut f, mut pivots) = (a.clone(), vec![0; k]);
        assert_eq!(lu(&mut f, m, n, &mut pivots), 0);
        let l: Vec<f64> = (0..m * k)
            .map(|at| (at / k, at % k))
            .map(|(i, j)| {
                if i == j {
                    1.0
                } else if i > j {
                    f[i * n + j]
                } else {
                    0.0
                }
            })
            .collect();
        let u: Vec<f64> = (0..k * n).map(|at| if at % n >= at / n { f[at] } else { 0.0 }).collect();
        let back = product(&l, &u, m, k, n);
        let moved: Vec<f64> = permutation(&pivots, m).iter().flat_map(|&r| a[r * n..(r + 1) * n].to_vec()).collect();
        close(&back, &moved, &format!("lu {m}x{n}"));
    }
}

#[test]
fn lu_names_the_zero_pivot() {
    let mut a = vec![1.0, 2.0, 2.0, 4.0];
    assert_eq!(lu(&mut a, 2, 2, &mut [0; 2]), 2);
}

#[test]
fn cholesky_multiplies_back() {
    for n in [1, 5, 48, 49, 120, 200] {
        let x = matrix(n, n, 5);
        let mut a = product(&x, &transposed(&x, n, n), n, n, n);
        (0..n).for_each(|i| a[i * n + i] += 1.0);
        let mut l = a.clone();
        assert_eq!(cholesky(&mut l, n), 0);
        close(&product(&l, &transposed(&l, n, n), n, n, n), &a, &format!("cholesky {n}"));
    }
    assert_eq!(cholesky(&mut [1.0, 0.0, 2.0, 1.0], 2), 2);
}

#[test]
fn triangles_are_solved() {
    for (n, k) in [(1, 1), (6, 3), (100, 1), (120, 7)] {
        for (upper, unit) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut t = matrix(n, n, 9);
            t.iter_mut().for_each(|v| *v *= 0.1);
            (0..n).for_each(|i| t[i * n + i] += 2.0);
            let x = matrix(n, k, 2);
            let full: Vec<f64> = (0..n * n)
                .map(|at| (at / n, at % n, t[at]))
                .map(|(i, j, v)| match i == j {
                    true => {
                        if unit {
                            1.0
                        } else {
                            v
                        }
                    }
                    false => {
                        if (j > i) == upper {
                            v
                        } else {
                            0.0
                        }
                    }
                })
                .collect();
            let mut b = product(&full, &x, n, n, k);
            solve(&t, n, &mut b, n, k, Triangle { upper, unit });
            close(&b, &x, &format!("solve {n}x{k} {upper} {unit}"));
        }
    }
}

#[test]
fn householder_multiplies_back() {
    for (m, n) in [(1, 1), (5, 3), (3, 5), (60, 40)] {
        let a = matrix(n, m, 4); // columns of length m
        let (mut f, k) = (a.clone(), m.min(n));
        let mut tau = vec![0.0; k];
        householder(&mut f, m, n, &mut tau);
        let mut r: Vec<f64> = (0..n * m).map(|at| if at % m <= at / m { f[at] } else { 0.0 }).collect();
        reflect(&f, m, &tau, &mut r);
        close(&r, &a, &format!("householder {m}x{n}"));
    }
}

#[test]
fn eigenvectors_diagonalise() {
    for n in [1, 2, 3, 30, 75] {
        let x = matrix(n, n, 8);
        let a: Vec<f64> = (0..n * n).map(|at| x[at] + x[at % n * n + at / n]).collect();
        let (values, rows) = eigh(&mut a.clone(), n, true).unwrap();
        assert!(values.windows(2).all(|w| w[0] <= w[1]));
        let scaled: Vec<f64> = (0..n * n).map(|at| rows[at] * values[at / n]).collect();
        close(&product(&rows, &a, n, n, n), &scaled, &format!("eigh {n}"));
        close(&eigh(&mut a.clone(), n, false).unwrap().0, &values, "eigenvalues alone");
    }
}

#[test]
fn singular_vectors_multiply_back() {
    for (m, n) in [(1usize, 1usize), (4, 4), (9, 3), (50, 31)] {
        for rank in [n, n.div_ceil(2)] {
            let a = product(&matrix(n, rank, 6), &matrix(rank, m, 7), n, rank, m); // columns of length m
            let (values, left, right) = svd(&mut a.clone(), m, n, m, true).unwrap();
            let scaled: Vec<f64> = (0..n * n).map(|at| right[at % n * n + at / n] * values[at % n]).collect();
            close(&product(&scaled, &left[..n * m], n, n, m), &a, &format!("svd {m}x{n} rank {rank}"));
            let eye: Vec<f64> = (0..m * m).map(|at| f64::from(u8::from(at % m == at / m))).collect();
            close(&product(&left, &transposed(&left, m, m), m, m, m), &eye, "left vectors are orthogonal");
            let eye: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at % n == at / n))).collect();
            close(&product(&right, &transposed(&right, n, n), n, n, n), &eye, "right vectors are orthogonal");
        }
    }
    let (values, _, right) = svd(&mut [0.0; 6], 3, 2, 2, true).unwrap();
    assert_eq!((values, right), (vec![0.0; 2], vec![1.0, 0.0, 0.0, 1.0]));
}
