//! Householder reflections `H = 1 - tau v v^T` with `v[0] = 1`: LAPACK's form. Matrices are stored by columns.
use super::{add_scaled, dot, norm};
use crate::vmath::Real;

/// Factors a matrix of `n` columns of length `m`: R on and above the diagonal, the tails of the v below it.
pub fn householder<T: Real>(columns: &mut [T], m: usize, n: usize, tau: &mut [T]) {
    for j in 0..m.min(n) {
        let (done, rest) = columns.split_at_mut((j + 1) * m);
        let v = &mut done[j * m + j..];
        let (beta, scale) = reflector(v);
        tau[j] = scale;
        if scale == T::ZERO {
            continue;
        }
        for column in rest.chunks_exact_mut(m) {
            apply(&v[1..], scale, &mut column[j..]);
        }
        v[0] = beta;
    }
}

/// Turns `x` into v (whose first element stays) and returns (the value that `x` is reflected to, tau).
pub(super) fn reflector<T: Real>(x: &mut [T]) -> (T, T) {
    let (alpha, tail) = (x[0], norm(&x[1..]));
    if tail == T::ZERO {
        return (alpha, T::ZERO);
    }
    let length = norm(&[alpha, tail]);
    let beta = if alpha > T::ZERO { -length } else { length };
    let scale = alpha - beta;
    x[1..].iter_mut().for_each(|v| *v /= scale);
    (beta, (beta - alpha) / beta)
}

/// `y = H y` for the v whose tail is given.
pub(super) fn apply<T: Real>(tail: &[T], tau: T, y: &mut [T]) {
    let (first, rest) = y.split_at_mut(1);
    let s = tau * (first[0] + dot(tail, rest));
    first[0] -= s;
    add_scaled(rest, -s, tail);
}

/// Applies `H_0 H_1 ... H_(k-1)` to columns of length `m`; `v` holds the reflectors by columns, as `householder` leaves them.
pub fn reflect<T: Real>(v: &[T], m: usize, tau: &[T], columns: &mut [T]) {
    for (j, &scale) in tau.iter().enumerate().rev() {
        if scale == T::ZERO {
            continue;
        }
        let tail = &v[j * m + j + 1..(j + 1) * m];
        for column in columns.chunks_exact_mut(m) {
            apply(tail, scale, &mut column[j..]);
        }
    }
}
