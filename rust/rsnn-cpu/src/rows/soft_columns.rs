//! Softmax, log-softmax and log-sum-exp along `len` of `[outer, len, inner]` where `inner` is not 1: strips of columns are
//! walked row by row, each column in a lane of its own.
use super::columns::{get, put};
use super::reduce::Axis;
use super::{Parts, STRIP, flush, strips};
use crate::vmath::{Lanes, Real, Task};

/// Rows whose sum is taken in the type itself; the sums of such blocks are added in f64.
const BLOCK: usize = 64;

/// One strip of columns of up to two inputs and an output.
struct Strip<'a, T, K> {
    ins: [&'a [T]; 2],
    out: &'a Parts<'a, T>,
    /// The first element of the inputs, and the first of the output.
    first: usize,
    first_out: usize,
    axis: Axis,
    width: usize,
    kind: K,
}

/// What is done to a strip.
trait Kind: Copy + Sync {
    fn strip<V: Lanes>(self, s: &Strip<V::T, Self>);
}

impl<T: Real, K: Kind> Task for Strip<'_, T, K> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        self.kind.strip::<V>(&self);
    }
}

impl<T: Real, K> Strip<'_, T, K> {
    #[inline(always)]
    fn row(&self, input: usize, r: usize) -> &[T] {
        &self.ins[input][self.first + r * self.axis.inner..][..self.width]
    }

    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn out(&self, r: usize) -> &mut [T] {
        let at = self.first_out + r * self.axis.inner;
        // SAFETY: strips do not overlap, and the caller holds one row at a time.
        unsafe { self.out.get(at..at + self.width) }
    }

    /// Calls `f(column, columns)` for each vector of a row.
    #[inline(always)]
    fn vectors<V: Lanes<T = T>>(&self, mut f: impl FnMut(usize, usize)) {
        for j in (0..self.width).step_by(V::WIDTH) {
            f(j, (self.width - j).min(V::WIDTH));
        }
    }

    /// The largest elements of the columns; NaN may or may not be seen.
    #[inline(always)]
    fn largest<V: Lanes<T = T>>(&self) -> [T; STRIP] {
        let mut max = [-T::INFINITY; STRIP];
        for r in 0..self.axis.len {
            let x = self.row(0, r);
            self.vectors::<V>(
                #[inline(always)]
                |j, n| {
                    let m = get::<V>(&max, j, V::WIDTH, T::ZERO);
                    put(get::<V>(x, j, n, T::ZERO).max(m), &mut max, j, V::WIDTH);
                },
            );
        }
        max
    }

    /// Sums of `f(row, column, columns)` over the rows, for each column.
    #[inline(always)]
    fn sums<V: Lanes<T = T>>(&self, f: impl Fn(usize, usize, usize) -> V) -> [f64; STRIP] {
        let (mut acc, mut total) = ([T::ZERO; STRIP], [0.0; STRIP]);
        for block in (0..self.axis.len).step_by(BLOCK) {
            for r in block..(block + BLOCK).min(self.axis.len) {
                self.vectors::<V>(
                    #[inline(always)]
                    |j, n| put(get::<V>(&acc, j, V::WIDTH, T::ZERO) + f(r, j, n), &mut acc, j, V::WIDTH),
                );
            }
            flush(&mut acc, &mut total);
        }
        total
    }

    /// `out = f(row, column, columns)`
    #[inline(always)]
    fn write<V: Lanes<T = T>>(&self, f: impl Fn(usize, usize, usize) -> V) {
        for r in 0..self.axis.len {
            let out = self.out(r);
            self.vectors::<V>(
                #[inline(always)]
                |j, n| put(f(r, j, n), out, j, n),
            );
        }
    }

    /// A vector of an input.
    #[inline(always)]
    fn x<V: Lanes<T = T>>(&self, input: usize, r: usize, j: usize, n: usize) -> V {
        get(self.row(input, r), j, n, T::ZERO)
    }
}

/// A vector of per-column numbers.
#[inline(always)]
fn of<V: Lanes>(columns: &[V::T; STRIP], j: usize) -> V {
    get(columns, j, V::WIDTH, V::T::ZERO)
}

fn run<T: Real, K: Kind>(ins: [&[T]; 2], out: &mut [T], axis: Axis, reduced: bool, kind: K) {
    let Axis { outer, len, inner } = axis;
    let lines = if reduced { 1 } else { len };
    assert!(ins.iter().all(|x| x.len() == outer * len * inner) && out.len() == outer * lines * inner);
    let out = &Parts::new(out);
    strips(axis, |o, column, width| {
        let (first, first_out) = (o * len * inner + column, o * lines * inner + column);
        T::vectors(Strip { ins, out, first, first_out, axis, width, kind });
    });
}

#[derive(Clone, Copy)]
struct Softmax;
impl Kind for Softmax {
    #[inline(always)]
    fn strip<V: Lanes>(self, s: &Strip<V::T, Self>) {
        let max = s.largest::<V>();
        let total = s.sums::<V>(
            #[inline(always)]
            |r, j, n| {
                let e = (s.x::<V>(0, r, j, n) - of(&max, j)).exp_neg();
                put(e, s.out(r), j, n);
                e
            },
        );
        let scale = total.map(|t| V::T::from_f64(1.0 / t));
        for r in 0..s.axis.len {
            for (o, scale) in s.out(r).iter_mut().zip(&scale) {
                *o *= *scale;
            }
        }
    }
}

/// `softmax` of columns.
pub fn softmax<T: Real>(x: &[T], out: &mut [T], axis: Axis) {
    run([x, x], out, axis, false, Softmax);
}

#[derive(Clone, Copy)]
struct SoftmaxBackward;
impl Kind for SoftmaxBackward {
    #[inline(always)]
    fn strip<V: Lanes>(self, s: &Strip<V::T, Self>) {
        let dot = s.sums::<V>(
            #[inline(always)]
            |r, j, n| s.x::<V>(0, r, j, n) * s.x(1, r, j, n),
        );
        let dot = dot.map(V::T::from_f64);
        s.write::<V>(
            #[inline(always)]
            |r, j, n| s.x::<V>(1, r, j, n) * (s.x::<V>(0, r, j, n) - of(&dot, j)),
        );
    }
}

/// `softmax_backward` of columns.
pub fn softmax_backward<T: Real>(dy: &[T], y: &[T], dx: &mut [T], axis: Axis) {
    run([dy, y], dx, axis, false, SoftmaxBackward);
}

impl<T: Real, K> Strip<'_, T, K> {
    /// The largest element and `log(sum(exp(x - max)))` of each column.
    #[inline(always)]
    fn log_sums<V: Lanes<T = T>>(&self) -> ([T; STRIP], [T; STRIP]) {
        let max = self.largest::<V>();
        let total = self.sums::<V>(
            #[inline(always)]
            |r, j, n| (self.x::<V>(0, r, j, n) - of(&max, j)).exp_neg(),
        );
        (max, total.map(|t| T::from_f64(t.ln())))
    }
}

#[derive(Clone, Copy)]
struct LogSoftmax;
impl Kind for LogSoftmax {
    #[inline(always)]
    fn strip<V: Lanes>(self, s: &Strip<V::T, Self>) {
        let (max, log) = s.log_sums::<V>();
        s.write::<V>(
            #[inline(always)]
            |r, j, n| (s.x::<V>(0, r, j, n) - of(&max, j)) - of(&log, j),
        );
    }
}

/// `log_softmax` of columns.
pub fn log_softmax<T: Real>(x: &[T], out: &mut [T], axis: Axis) {
    run([x, x], out, axis, false, LogSoftmax);
}

#[derive(Clone, Copy)]
struct LogSoftmaxBackward;
impl Kind for LogSoftmaxBackward {
    #[inline(always)]
    fn strip<V: Lanes>(self, s: &Strip<V::T, Self>) {
        let total = s.sums::<V>(
            #[inline(always)]
            |r, j, n| s.x(0, r, j, n),
        );
        let minus = total.map(|t| V::T::from_f64(-t));
        s.write::<V>(
            #[inline(always)]
            |r, j, n| s.x::<V>(1, r, j, n).exp_neg().fma(of(&minus, j), s.x(0, r, j, n)),
        );
    }
}

/// `log_softmax_backward` of columns.
pub fn log_softmax_backward<T: Real>(dy: &[T], y: &[T], dx: &mut [T], axis: Axis) {
    run([dy, y], dx, axis, false, LogSoftmaxBackward);
}

#[derive(Clone, Copy)]
struct LogSumExp;
impl Kind for LogSumExp {
    #[inline(always)]
    fn strip<V: Lanes>(self, s: &Strip<V::T, Self>) {
        let (max, log) = s.log_sums::<V>();
        for (c, o) in s.out(0).iter_mut().enumerate() {
            let column = || (0..s.axis.len).map(|r| s.row(0, r)[c]);
            *o = if max[c].abs() < V::T::INFINITY {
                max[c] + log[c]
            } else if column().any(V::T::is_nan) {
                V::T::NAN
            } else {
                max[c]
            };
        }
    }
}

/// `logsumexp` of columns.
pub fn logsumexp<T: Real>(x: &[T], out: &mut [T], axis: Axis) {
    run([x, x], out, axis, true, LogSumExp);
}
