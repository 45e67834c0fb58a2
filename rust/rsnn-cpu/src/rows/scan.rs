//! Passes along `len` of `[outer, len, inner]` that carry a state per line: running sums, products and extremes.
use super::number::{Order, Sum};
use super::reduce::Axis;
use super::{Parts, STRIP, par_rows, strips};
use crate::simd::vectorize;
use crate::vmath::Real;
use std::hint::select_unpredictable;

/// Lines of a row each that advance together: a step waits for the one before it in its own line only.
const TOGETHER: usize = 4;
/// Calls `f(state, at)` for every element in order along `len` (`reverse`: from the end); each line has a state of its own.
#[inline]
pub fn steps<S: Copy + Send + Sync>(axis: Axis, reverse: bool, init: S, f: impl Fn(&mut S, usize) + Sync) {
    let Axis { outer, len, inner } = axis;
    let place = |i: usize| if reverse { len - 1 - i } else { i };
    if inner == 1 {
        return par_rows(outer, len, |rows| {
            vectorize(
                #[inline(always)]
                || {
                    let whole = rows.start + rows.len() / TOGETHER * TOGETHER;
                    for r in (rows.start..whole).step_by(TOGETHER) {
                        let mut state = [init; TOGETHER];
                        for i in 0..len {
                            for (k, state) in state.iter_mut().enumerate() {
                                f(state, (r + k) * len + place(i));
                            }
                        }
                    }
                    for r in whole..rows.end {
                        let mut state = init;
                        for i in 0..len {
                            f(&mut state, r * len + place(i));
                        }
                    }
                },
            );
        });
    }
    strips(axis, |o, column, width| {
        let first = o * len * inner + column;
        vectorize(
            #[inline(always)]
            || {
                let mut states = [init; STRIP];
                for i in 0..len {
                    let at = first + place(i) * inner;
                    for (k, state) in states[..width].iter_mut().enumerate() {
                        f(state, at + k);
                    }
                }
            },
        );
    });
}

/// Columns of a row that are widened, added up and narrowed at once.
const BLOCK: usize = 64;

/// `out[i] = op(out[i - 1], x[i])` along `len`, from the end with `reverse`.
#[inline(always)]
fn scan<T: Sum>(
    x: &[T],
    out: &mut [T::Out],
    axis: Axis,
    reverse: bool,
    start: T::Acc,
    op: impl Fn(T::Acc, T::Acc) -> T::Acc + Sync,
) {
    let Axis { outer, len, inner } = axis;
    assert!(x.len() == outer * len * inner && out.len() == x.len());
    let out = Parts::new(out);
    if inner == 1 {
        return par_rows(outer, len, |rows| {
            vectorize(
                #[inline(always)]
                || {
                    let whole = rows.start + rows.len() / TOGETHER * TOGETHER;
                    for r in (rows.start..whole).step_by(TOGETHER) {
                        scan_rows::<T, TOGETHER>(x, &out, r, len, reverse, start, &op);
                    }
                    for r in whole..rows.end {
                        scan_rows::<T, 1>(x, &out, r, len, reverse, start, &op);
                    }
                },
            );
        });
    }
    strips(axis, |o, column, width| {
        let first = o * len * inner + column;
        vectorize(
            #[inline(always)]
            || {
                let mut acc = [start; STRIP];
                for i in 0..len {
                    let at = first + if reverse { len - 1 - i } else { i } * inner;
                    // SAFETY: each element is written once.
                    let out = unsafe { out.get(at..at + width) };
                    for ((a, x), out) in acc.iter_mut().zip(&x[at..at + width]).zip(out) {
                        *a = op(*a, x.widen());
                        *out = T::narrow(*a);
                    }
                }
            },
        );
    });
}

/// `R` rows from row `first` on. Only the running sums are taken one by one; the conversions around them are vectors.
#[inline(always)]
fn scan_rows<T: Sum, const R: usize>(
    x: &[T],
    out: &Parts<T::Out>,
    first: usize,
    len: usize,
    reverse: bool,
    start: T::Acc,
    op: &impl Fn(T::Acc, T::Acc) -> T::Acc,
) {
    let (mut wide, mut state) = ([[start; BLOCK]; R], [start; R]);
    let blocks = len.div_ceil(BLOCK);
    for b in 0..blocks {
        let from = if reverse { blocks - 1 - b } else { b } * BLOCK;
        let n = (len - from).min(BLOCK);
        let at = |k: usize| (first + k) * len + from..(first + k) * len + from + n;
        for (k, wide) in wide.iter_mut().enumerate() {
            for (w, x) in wide.iter_mut().zip(&x[at(k)]) {
                *w = x.widen();
            }
        }
        for i in 0..n {
            let i = if reverse { n - 1 - i } else { i };
            for (wide, state) in wide.iter_mut().zip(&mut state) {
                *state = op(*state, wide[i]);
                wide[i] = *state;
            }
        }
        for (k, wide) in wide.iter().enumerate() {
            // SAFETY: each element is written once.
            let out = unsafe { out.get(at(k)) };
            for (w, out) in wide.iter().zip(out) {
                *out = T::narrow(*w);
            }
        }
    }
}

/// Running sum; `reverse` sums from the end (the gradient of `cumsum`).
pub fn cumsum<T: Sum>(x: &[T], out: &mut [T::Out], axis: Axis, reverse: bool) {
    scan(
        x,
        out,
        axis,
        reverse,
        T::ZERO,
        #[inline(always)]
        |a, b| T::add(a, b),
    );
}

/// Running product; `reverse` multiplies from the end.
pub fn cumprod<T: Sum>(x: &[T], out: &mut [T::Out], axis: Axis, reverse: bool) {
    scan(
        x,
        out,
        axis,
        reverse,
        T::ONE,
        #[inline(always)]
        |a, b| T::mul(a, b),
    );
}

/// Running maximum and its place; the last one wins among equals, NaN over all.
pub fn cummax<T: Order>(x: &[T], out: &mut [T], index: &mut [i64], axis: Axis) {
    extreme(
        x,
        out,
        index,
        axis,
        T::LOWEST,
        #[inline(always)]
        |v, best| (v >= best) | v.nan(),
    );
}

/// Running minimum and its place, as `cummax`.
pub fn cummin<T: Order>(x: &[T], out: &mut [T], index: &mut [i64], axis: Axis) {
    extreme(
        x,
        out,
        index,
        axis,
        T::HIGHEST,
        #[inline(always)]
        |v, best| (v <= best) | v.nan(),
    );
}

/// Elements of a row that are compared with the best so far at once: in most stretches none is better.
const STRETCH: usize = 16;

#[inline(always)]
fn extreme<T: Order>(
    x: &[T],
    out: &mut [T],
    index: &mut [i64],
    axis: Axis,
    start: T,
    wins: impl Fn(T, T) -> bool + Sync,
) {
    let Axis { outer, len, inner } = axis;
    assert!(x.len() == outer * len * inner && out.len() == x.len() && index.len() == x.len());
    let (out, index) = (Parts::new(out), Parts::new(index));
    if inner == 1 {
        return par_rows(outer, len, |rows| {
            vectorize(
                #[inline(always)]
                || {
                    for r in rows {
                        let at = r * len..(r + 1) * len;
                        // SAFETY: each row is written once.
                        let (out, index) = unsafe { (out.get(at.clone()), index.get(at.clone())) };
                        extreme_row(&x[at], out, index, start, &wins);
                    }
                },
            );
        });
    }
    strips(axis, |o, column, width| {
        let first = o * len * inner + column;
        vectorize(
            #[inline(always)]
            || {
                let (mut best, mut place) = ([start; STRIP], [0i64; STRIP]);
                for i in 0..len {
                    let at = first + i * inner..first + i * inner + width;
                    // SAFETY: each element is written once.
                    let (out, index) = unsafe { (out.get(at.clone()), index.get(at.clone())) };
                    let results = out.iter_mut().zip(index);
                    for (((v, best), place), (out, index)) in x[at].iter().zip(&mut best).zip(&mut place).zip(results) {
                        let win = wins(*v, *best);
                        *best = select_unpredictable(win, *v, *best);
                        *place = select_unpredictable(win, i as i64, *place);
                        (*out, *index) = (*best, *place);
                    }
                }
            },
        );
    });
}

#[inline(always)]
fn extreme_row<T: Order>(x: &[T], out: &mut [T], index: &mut [i64], start: T, wins: impl Fn(T, T) -> bool) {
    let (mut best, mut place) = (start, 0);
    let results = out.chunks_mut(STRETCH).zip(index.chunks_mut(STRETCH));
    for (s, (x, (out, index))) in x.chunks(STRETCH).zip(results).enumerate() {
        let any = x.iter().fold(
            false,
            #[inline(always)]
            |any, v| any | wins(*v, best),
        );
        if !any {
            out.fill(best);
            index.fill(place);
            continue;
        }
        for (i, (v, (out, index))) in x.iter().zip(out.iter_mut().zip(index)).enumerate() {
            if wins(*v, best) {
                (best, place) = (*v, (s * STRETCH + i) as i64);
            }
            (*out, *index) = (best, place);
        }
    }
}

/// `y = log(exp(a) + exp(b))` without overflow.
fn log_add(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (high, low) = (a.max(b), a.min(b));
    if high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
}

/// Running `log(sum(exp(x)))`, kept in f64.
pub fn logcumsumexp<T: Real>(x: &[T], out: &mut [T], axis: Axis) {
    let Axis { outer, len, inner } = axis;
    assert!(x.len() == outer * len * inner && out.len() == x.len());
    if inner == 1 {
        let out = Parts::new(out);
        return par_rows(outer, len, |rows| {
            vectorize(
                #[inline(always)]
                || {
                    for r in rows {
                        // SAFETY: each row is written once.
                        log_sum_row(super::row(x, r, len), unsafe { out.get(r * len..(r + 1) * len) });
                    }
                },
            );
        });
    }
    let out = crate::pool::SendPtr(out.as_mut_ptr());
    steps(axis, false, f64::NEG_INFINITY, |state, at| {
        *state = log_add(*state, x[at].to_f64());
        // SAFETY: `steps` visits each element once, and the output is as long as `x`.
        unsafe { *out.get().add(at) = T::from_f64(*state) };
    });
}

/// The largest exponent that the sum below may meet: far from overflow for any number of terms.
const FAR: f64 = 500.0;

/// The sum counts from a base, so that a stretch takes one exponential and one logarithm per element. The base moves up
/// where an element is far above it; what is far below it adds nothing, for the sum is at least 1.
#[inline(always)]
fn log_sum_row<T: Real>(x: &[T], out: &mut [T]) {
    let (mut base, mut sum) = (f64::NEG_INFINITY, 0.0);
    for (x, out) in x.chunks(STRETCH).zip(out.chunks_mut(STRETCH)) {
        let mut part = [f64::NEG_INFINITY; STRETCH];
        for (p, x) in part.iter_mut().zip(x) {
            *p = x.to_f64();
        }
        // A NaN and a base that is not finite fail the test as well.
        if part.iter().all(|v| v - base <= FAR) {
            for v in &mut part {
                *v = Real::exp(*v - base);
            }
            for (p, out) in part.iter().zip(out) {
                sum += p;
                *out = T::from_f64(base + sum.ln());
            }
            continue;
        }
        let mut y = base + sum.ln();
        for (p, out) in part.iter().zip(out) {
            y = log_add(y, *p);
            *out = T::from_f64(y);
        }
        (base, sum) = (y, 1.0);
    }
}
