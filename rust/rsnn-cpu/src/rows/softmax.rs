//! Softmax and log-softmax of rows, forward and backward (backward from the output).
use super::{Parts, exp_sum, largest, par_rows, row, sum, sums};
use crate::simd::vectorize;
use crate::vmath::Real;

/// Applies `f(r)` to every row index, in parallel and vectorised.
fn each_row(rows: usize, cols: usize, f: impl Fn(usize) + Sync) {
    par_rows(rows, cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    f(r);
                }
            },
        )
    });
}

/// `out = exp(x - max) / sum(exp(x - max))` in each row of `[rows, cols]`.
pub fn softmax<T: Real>(x: &[T], out: &mut [T], rows: usize, cols: usize) {
    assert!(x.len() == rows * cols && out.len() == rows * cols);
    let out = Parts::new(out);
    each_row(
        rows,
        cols,
        #[inline(always)]
        |r| {
            // SAFETY: each row is written once.
            let (x, out) = (row(x, r, cols), unsafe { out.get(r * cols..(r + 1) * cols) });
            let max = largest(x);
            for (o, x) in out.iter_mut().zip(x) {
                *o = (*x - max).exp_neg();
            }
            let scale = T::from_f64(
                1.0 / sum(
                    out,
                    T::ZERO,
                    #[inline(always)]
                    |v| v,
                ),
            );
            for o in out {
                *o *= scale;
            }
        },
    );
}

/// `dx = y * (dy - sum(dy * y))`, `y` the output of `softmax`.
pub fn softmax_backward<T: Real>(dy: &[T], y: &[T], dx: &mut [T], rows: usize, cols: usize) {
    assert!(dy.len() == rows * cols && y.len() == rows * cols && dx.len() == rows * cols);
    let dx = Parts::new(dx);
    each_row(
        rows,
        cols,
        #[inline(always)]
        |r| {
            // SAFETY: each row is written once.
            let (dy, y, dx) = (row(dy, r, cols), row(y, r, cols), unsafe { dx.get(r * cols..(r + 1) * cols) });
            let dot = T::from_f64(
                sums(
                    dy,
                    y,
                    (T::ZERO, T::ZERO),
                    #[inline(always)]
                    |g, y| [g * y],
                )[0],
            );
            for ((dx, g), y) in dx.iter_mut().zip(dy).zip(y) {
                *dx = *y * (*g - dot);
            }
        },
    );
}

/// Largest element and `log(sum(exp(x - max)))` of a row.
#[inline(always)]
pub(crate) fn log_sum_exp<T: Real>(x: &[T]) -> (T, T) {
    let max = largest(x);
    let total = exp_sum(x, max);
    (max, T::from_f64(total.ln()))
}

/// `out = x - max - log(sum(exp(x - max)))` in each row.
pub fn log_softmax<T: Real>(x: &[T], out: &mut [T], rows: usize, cols: usize) {
    assert!(x.len() == rows * cols && out.len() == rows * cols);
    let out = Parts::new(out);
    each_row(
        rows,
        cols,
        #[inline(always)]
        |r| {
            // SAFETY: each row is written once.
            let (x, out) = (row(x, r, cols), unsafe { out.get(r * cols..(r + 1) * cols) });
            let (max, log) = log_sum_exp(x);
            for (o, x) in out.iter_mut().zip(x) {
                *o = (*x - max) - log;
            }
        },
    );
}

/// `dx = dy - exp(y) * sum(dy)`, `y` the output of `log_softmax`.
pub fn log_softmax_backward<T: Real>(dy: &[T], y: &[T], dx: &mut [T], rows: usize, cols: usize) {
    assert!(dy.len() == rows * cols && y.len() == rows * cols && dx.len() == rows * cols);
    let dx = Parts::new(dx);
    each_row(
        rows,
        cols,
        #[inline(always)]
        |r| {
            // SAFETY: each row is written once.
            let (dy, y, dx) = (row(dy, r, cols), row(y, r, cols), unsafe { dx.get(r * cols..(r + 1) * cols) });
            let total = T::from_f64(sum(
                dy,
                T::ZERO,
                #[inline(always)]
                |g| g,
            ));
            for ((dx, g), y) in dx.iter_mut().zip(dy).zip(y) {
                *dx = *g - y.exp_neg() * total;
            }
        },
    );
}

/// `out[r] = log(sum(exp(x[r])))`; rows with an infinite maximum give it, unless they hold a NaN.
pub fn logsumexp<T: Real>(x: &[T], out: &mut [T], rows: usize, cols: usize) {
    assert!(x.len() == rows * cols && out.len() == rows);
    let out = Parts::new(out);
    each_row(
        rows,
        cols,
        #[inline(always)]
        |r| {
            let x = row(x, r, cols);
            let max = largest(x);
            let value = if max.abs() < T::INFINITY {
                max + T::from_f64(exp_sum(x, max).ln())
            } else if x.iter().any(|v| v.is_nan()) {
                T::NAN
            } else {
                max
            };
            // SAFETY: each element is written once.
            unsafe { out.put(r, value) };
        },
    );
}
