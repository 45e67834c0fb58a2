//! Softmax and log-softmax of rows, forward and backward (backward from the output).
use super::lanes::{RowKernel, each_row, exp_sum};
use super::{Parts, row, sum, sums};
use crate::vmath::{Lanes, Real, each2};

/// Rows of equal length, read and written.
struct Job<'a, T, K> {
    /// One input, or the gradient and the output of the forward pass.
    ins: [&'a [T]; 2],
    out: Parts<'a, T>,
    cols: usize,
    kind: std::marker::PhantomData<K>,
}

/// What is done to one row.
trait Kind: Sync {
    fn row<V: Lanes>(ins: [&[V::T]; 2], out: &mut [V::T]);
}

impl<T: Real, K: Kind> RowKernel for Job<'_, T, K> {
    type T = T;
    #[inline(always)]
    fn row<V: Lanes<T = T>>(&self, r: usize) {
        // SAFETY: each row is written once.
        let out = unsafe { self.out.get(r * self.cols..(r + 1) * self.cols) };
        K::row::<V>(self.ins.map(|x| row(x, r, self.cols)), out);
    }
}

fn run<T: Real, K: Kind>(ins: [&[T]; 2], out: &mut [T], rows: usize, cols: usize, _: K) {
    assert!(ins.iter().all(|x| x.len() == rows * cols) && out.len() == rows * cols);
    each_row(rows, cols, Job { ins, out: Parts::new(out), cols, kind: std::marker::PhantomData::<K> });
}

struct Softmax;
impl Kind for Softmax {
    #[inline(always)]
    fn row<V: Lanes>([x, _]: [&[V::T]; 2], out: &mut [V::T]) {
        let scale = V::T::from_f64(1.0 / exp_sum::<V, true>(x, out).total);
        for o in out {
            *o *= scale;
        }
    }
}

/// `out = exp(x - max) / sum(exp(x - max))` in each row of `[rows, cols]`.
pub fn softmax<T: Real>(x: &[T], out: &mut [T], rows: usize, cols: usize) {
    run([x, x], out, rows, cols, Softmax);
}

struct SoftmaxBackward;
impl Kind for SoftmaxBackward {
    #[inline(always)]
    fn row<V: Lanes>([dy, y]: [&[V::T]; 2], dx: &mut [V::T]) {
        let dot = V::T::from_f64(
            sums(
                dy,
                y,
                (V::T::ZERO, V::T::ZERO),
                #[inline(always)]
                |g, y| [g * y],
            )[0],
        );
        for ((dx, g), y) in dx.iter_mut().zip(dy).zip(y) {
            *dx = *y * (*g - dot);
        }
    }
}

/// `dx = y * (dy - sum(dy * y))`, `y` the output of `softmax`.
pub fn softmax_backward<T: Real>(dy: &[T], y: &[T], dx: &mut [T], rows: usize, cols: usize) {
    run([dy, y], dx, rows, cols, SoftmaxBackward);
}

struct LogSoftmax;
impl Kind for LogSoftmax {
    #[inline(always)]
    fn row<V: Lanes>([x, _]: [&[V::T]; 2], out: &mut [V::T]) {
        let sum = exp_sum::<V, false>(x, &mut []);
        let (max, log) = (sum.max, sum.log());
        for (o, x) in out.iter_mut().zip(x) {
            *o = (*x - max) - log;
        }
    }
}

/// `out = x - max - log(sum(exp(x - max)))` in each row.
pub fn log_softmax<T: Real>(x: &[T], out: &mut [T], rows: usize, cols: usize) {
    run([x, x], out, rows, cols, LogSoftmax);
}

struct LogSoftmaxBackward;
impl Kind for LogSoftmaxBackward {
    #[inline(always)]
    fn row<V: Lanes>([dy, y]: [&[V::T]; 2], dx: &mut [V::T]) {
        let total = V::T::from_f64(sum(
            dy,
            V::T::ZERO,
            #[inline(always)]
            |g| g,
        ));
        each2(
            dy,
            y,
            dx,
            #[inline(always)]
            |g: V, y: V| y.exp_neg().fma(-V::splat(total), g),
        );
    }
}

/// `dx = dy - exp(y) * sum(dy)`, `y` the output of `log_softmax`.
pub fn log_softmax_backward<T: Real>(dy: &[T], y: &[T], dx: &mut [T], rows: usize, cols: usize) {
    run([dy, y], dx, rows, cols, LogSoftmaxBackward);
}

struct LogSumExp<'a, T>(&'a [T], Parts<'a, T>, usize);

impl<T: Real> RowKernel for LogSumExp<'_, T> {
    type T = T;
    #[inline(always)]
    fn row<V: Lanes<T = T>>(&self, r: usize) {
        let x = row(self.0, r, self.2);
        let sum = exp_sum::<V, false>(x, &mut []);
        let max = sum.max;
        let value = if max.abs() < T::INFINITY {
            max + sum.log()
        } else if x.iter().any(|v| v.is_nan()) {
            T::NAN
        } else {
            max
        };
        // SAFETY: each element is written once.
        unsafe { self.1.put(r, value) };
    }
}

/// `out[r] = log(sum(exp(x[r])))`; rows with an infinite maximum give it, unless they hold a NaN.
pub fn logsumexp<T: Real>(x: &[T], out: &mut [T], rows: usize, cols: usize) {
    assert!(x.len() == rows * cols && out.len() == rows);
    each_row(rows, cols, LogSumExp(x, Parts::new(out), cols));
}
