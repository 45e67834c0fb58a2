//! Reductions of `[outer, len, inner]` over `len`: sum, mean, product, extremes and their places, any, all, variance.
//! Floating sums run in f64, integer ones in i64; NaN wins every comparison, the first place wins among equals.
pub use super::number::{Order, Sum};
use super::number::{above, below};
use super::{GRAIN, Parts, lanes, par_rows, row, strips};
use crate::pool;
use crate::simd::vectorize;
use crate::vmath::Real;
use std::hint::select_unpredictable;
use std::ops::Range;

/// Layout of a reduction: `len` is reduced away, `inner == 1` is a reduction of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    pub outer: usize,
    pub len: usize,
    pub inner: usize,
}

/// One reduction: start, step with an element, merge of two partial results, result.
trait Fold<T, A, O>: Copy + Sync {
    fn init(self) -> A;
    fn step(self, a: A, x: T) -> A;
    fn merge(self, a: A, b: A) -> A;
    fn done(self, a: A) -> O;
    /// Four steps.
    #[inline(always)]
    fn four(self, a: A, x: [T; 4]) -> A
    where
        T: Copy,
    {
        self.step(self.step(self.step(self.step(a, x[0]), x[1]), x[2]), x[3])
    }
    /// Results of consecutive runs of `len` elements, as many as `out` has.
    #[inline(always)]
    fn runs(self, x: &[T], len: usize, out: &mut [A])
    where
        T: Copy,
        A: Copy,
    {
        vectorize(
            #[inline(always)]
            || out.iter_mut().enumerate().for_each(|(r, out)| *out = fold_run(row(x, r, len), self)),
        );
    }
}

/// Folds a contiguous run in lanes.
#[inline(always)]
fn fold_run<T: Copy, A: Copy, O>(x: &[T], op: impl Fold<T, A, O>) -> A {
    super::fold(
        x,
        op.init(),
        #[inline(always)]
        |a, v| op.step(a, v),
        #[inline(always)]
        |a, b| op.merge(a, b),
    )
}

/// Folds lines into `acc`, four at a time: the accumulators are loaded and stored once for four.
#[inline(always)]
fn fold_lines<'a, T: Copy + 'a, A: Copy, O>(
    acc: &mut [A],
    lines: Range<usize>,
    line: impl Fn(usize) -> &'a [T],
    op: impl Fold<T, A, O>,
) {
    let mut r = lines.start;
    while r + 4 <= lines.end {
        let pairs = line(r).iter().zip(line(r + 1)).zip(line(r + 2).iter().zip(line(r + 3)));
        for (a, ((x0, x1), (x2, x3))) in acc.iter_mut().zip(pairs) {
            *a = op.four(*a, [*x0, *x1, *x2, *x3]);
        }
        r += 4;
    }
    for r in r..lines.end {
        for (a, x) in acc.iter_mut().zip(line(r)) {
            *a = op.step(*a, *x);
        }
    }
}

const BLOCK: usize = 1024; // columns whose accumulators stay in L1

/// Tasks are (outer, piece of `len`, block of columns); pieces are merged in order.
fn reduce<T, A, O>(x: &[T], out: &mut [O], axis: Axis, op: impl Fold<T, A, O>)
where
    T: Copy + Sync,
    A: Copy + Send + Sync,
    O: Copy + Send,
{
    let Axis { outer, len, inner } = axis;
    assert!(x.len() == outer * len * inner && out.len() == outer * inner);
    let blocks = inner.div_ceil(BLOCK).max(1);
    let width = inner.min(BLOCK);
    let pieces = if outer * blocks >= 16 { 1 } else { pool::split(len, (GRAIN / width.max(1)).max(16)) };
    let mut partial = vec![op.init(); outer * pieces * inner];
    let parts = Parts::new(&mut partial);
    let tasks = outer * pieces * blocks;
    par_rows(tasks, len / pieces * width, |range| {
        if inner == 1 && pieces == 1 {
            // SAFETY: one part per task.
            let acc = unsafe { parts.get(range.clone()) };
            return op.runs(&x[range.start * len..range.end * len], len, acc);
        }
        vectorize(
            #[inline(always)]
            || {
                for t in range {
                    let (o, p, b) = (t / (pieces * blocks), t / blocks % pieces, t % blocks);
                    let cols = b * BLOCK..((b + 1) * BLOCK).min(inner);
                    let at = (o * pieces + p) * inner;
                    // SAFETY: one part per task.
                    let acc = unsafe { parts.get(at + cols.start..at + cols.end) };
                    let run = pool::range(len, pieces, p);
                    if inner == 1 {
                        op.runs(&x[o * len + run.start..o * len + run.end], run.len(), acc);
                        continue;
                    }
                    let line = |r: usize| &x[(o * len + r) * inner..][cols.clone()];
                    fold_lines(acc, run, line, op);
                }
            },
        );
    });
    vectorize(
        #[inline(always)]
        || {
            let inner = inner.max(1);
            for (out, pieces) in out.chunks_mut(inner).zip(partial.chunks_mut(pieces * inner)) {
                let (first, rest) = pieces.split_at_mut(inner);
                for piece in rest.chunks(inner) {
                    for (a, b) in first.iter_mut().zip(piece) {
                        *a = op.merge(*a, *b);
                    }
                }
                for (out, a) in out.iter_mut().zip(first) {
                    *out = op.done(*a);
                }
            }
        },
    );
}

macro_rules! fold {
    ($name:ident<$t:ident: $bound:ident> -> $acc:ty, $out:ty; $init:expr; |$a:ident, $x:ident| $step:expr; |$b:ident, $c:ident| $merge:expr; |$d:ident| $done:expr $(; |$r:ident, $len:ident, $each:ident| $run:expr; |$e:ident, $q:ident| $four:expr)?) => {
        #[derive(Clone, Copy)]
        struct $name;
        impl<$t: $bound> Fold<$t, $acc, $out> for $name {
            #[inline(always)]
            fn init(self) -> $acc { $init }
            #[inline(always)]
            fn step(self, $a: $acc, $x: $t) -> $acc { $step }
            #[inline(always)]
            fn merge(self, $b: $acc, $c: $acc) -> $acc { $merge }
            #[inline(always)]
            fn done(self, $d: $acc) -> $out { $done }
            $(
                #[inline(always)]
                fn runs(self, $r: &[$t], $len: usize, $each: &mut [$acc]) { $run }
                #[inline(always)]
                fn four(self, $e: $acc, $q: [$t; 4]) -> $acc { $four }
            )?
        }
    };
}
fold!(Total<T: Sum> -> T::Acc, T::Out; T::ZERO; |a, x| T::add(a, x.widen()); |a, b| T::add(a, b); |a| T::narrow(a); |x, len, out| T::totals(x, len, out); |a, x| T::add(a, T::four(x)));
fold!(Product<T: Sum> -> T::Acc, T::Out; T::ONE; |a, x| T::mul(a, x.widen()); |a, b| T::mul(a, b); |a| T::narrow(a); |x, len, out| T::products(x, len, out); |a, x| T::mul(a, T::times(x)));
fold!(Squares<T: Real> -> f64, T; 0.0; |a, x| a + x.to_f64() * x.to_f64(); |a, b| a + b; |a| T::from_f64(a); |x, len, out| lanes::squares(x, len, out);
    |a, x| a + ((x[0] * x[0] + x[1] * x[1]) + (x[2] * x[2] + x[3] * x[3])).to_f64());
fold!(Largest<T: Order> -> T, T; T::LOWEST; |a, x| larger(a, x); |a, b| larger(a, b); |a| a; |x, len, out| T::largest(x, len, out);
    |a, x| nan_or(x, larger(a, above(above(x[0], x[1]), above(x[2], x[3])))));
fold!(Smallest<T: Order> -> T, T; T::HIGHEST; |a, x| smaller(a, x); |a, b| smaller(a, b); |a| a; |x, len, out| T::smallest(x, len, out);
    |a, x| nan_or(x, smaller(a, below(below(x[0], x[1]), below(x[2], x[3])))));
fold!(Any<T: Order> -> bool, bool; false; |a, x| a | x.truth(); |a, b| a | b; |a| a);
fold!(All<T: Order> -> bool, bool; true; |a, x| a & x.truth(); |a, b| a & b; |a| a);

#[derive(Clone, Copy)]
struct Mean(f64);
impl<T: Real> Fold<T, f64, T> for Mean {
    #[inline(always)]
    fn init(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn step(self, a: f64, x: T) -> f64 {
        a + x.to_f64()
    }
    #[inline(always)]
    fn merge(self, a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn done(self, a: f64) -> T {
        T::from_f64(a / self.0)
    }
    #[inline(always)]
    fn runs(self, x: &[T], len: usize, out: &mut [f64]) {
        lanes::totals(x, len, out);
    }
    #[inline(always)]
    fn four(self, a: f64, x: [T; 4]) -> f64 {
        a + ((x[0] + x[1]) + (x[2] + x[3])).to_f64()
    }
}

#[inline(always)]
fn larger<T: Order>(a: T, x: T) -> T {
    select_unpredictable((x > a) | x.nan(), x, a)
}

#[inline(always)]
fn smaller<T: Order>(a: T, x: T) -> T {
    select_unpredictable((x < a) | x.nan(), x, a)
}

/// `best`, or a NaN if `x` has one.
#[inline(always)]
fn nan_or<T: Order>(x: [T; 4], best: T) -> T {
    let nan = (x[0].nan() | x[1].nan()) | (x[2].nan() | x[3].nan());
    select_unpredictable(nan, T::UNORDERED, best)
}

/// Sum; integers and bool give i64.
pub fn sum<T: Sum>(x: &[T], out: &mut [T::Out], axis: Axis) {
    reduce(x, out, axis, Total);
}

/// Product; integers and bool give i64.
pub fn prod<T: Sum>(x: &[T], out: &mut [T::Out], axis: Axis) {
    reduce(x, out, axis, Product);
}

/// Mean; NaN if `len` is 0.
pub fn mean<T: Real>(x: &[T], out: &mut [T], axis: Axis) {
    reduce(x, out, axis, Mean(axis.len as f64));
}

/// Sum of squares.
pub fn sum_squares<T: Real>(x: &[T], out: &mut [T], axis: Axis) {
    reduce(x, out, axis, Squares);
}

/// Largest element, NaN if there is one; the lowest value of the type if `len` is 0.
pub fn amax<T: Order>(x: &[T], out: &mut [T], axis: Axis) {
    reduce(x, out, axis, Largest);
}

/// Smallest element, NaN if there is one; the highest value of the type if `len` is 0.
pub fn amin<T: Order>(x: &[T], out: &mut [T], axis: Axis) {
    reduce(x, out, axis, Smallest);
}

/// Whether any element is not zero.
pub fn any<T: Order>(x: &[T], out: &mut [bool], axis: Axis) {
    reduce(x, out, axis, Any);
}

/// Whether no element is zero.
pub fn all<T: Order>(x: &[T], out: &mut [bool], axis: Axis) {
    reduce(x, out, axis, All);
}

/// Largest element and its first place; `axis.len` must not be 0.
pub fn max<T: Order>(x: &[T], out: &mut [T], index: &mut [i64], axis: Axis) {
    if axis.inner == 1 {
        amax(x, out, axis);
        return places_in_rows(x, out, index, axis.len);
    }
    places(
        x,
        out,
        index,
        axis,
        #[inline(always)]
        |v, best| v > best,
    );
}

/// Smallest element and its first place; `axis.len` must not be 0.
pub fn min<T: Order>(x: &[T], out: &mut [T], index: &mut [i64], axis: Axis) {
    if axis.inner == 1 {
        amin(x, out, axis);
        return places_in_rows(x, out, index, axis.len);
    }
    places(
        x,
        out,
        index,
        axis,
        #[inline(always)]
        |v, best| v < best,
    );
}

/// First place of the largest element; `axis.len` must not be 0.
pub fn argmax<T: Order>(x: &[T], index: &mut [i64], axis: Axis) {
    max(x, &mut vec![T::LOWEST; index.len()], index, axis);
}

/// First place of the smallest element; `axis.len` must not be 0.
pub fn argmin<T: Order>(x: &[T], index: &mut [i64], axis: Axis) {
    min(x, &mut vec![T::HIGHEST; index.len()], index, axis);
}

/// Best elements of columns and their first places: the first NaN, or the first that no other is better than.
#[inline(always)]
fn places<T: Order>(x: &[T], best: &mut [T], index: &mut [i64], axis: Axis, better: impl Fn(T, T) -> bool + Sync) {
    let Axis { outer, len, inner } = axis;
    assert!(len > 0 && x.len() == outer * len * inner && best.len() == outer * inner && index.len() == best.len());
    let (best, index) = (Parts::new(best), Parts::new(index));
    strips(axis, |o, column, width| {
        let at = o * inner + column..o * inner + column + width;
        // SAFETY: each column is written once.
        let (best, index) = unsafe { (best.get(at.clone()), index.get(at)) };
        let line = |r: usize| &x[(o * len + r) * inner + column..][..width];
        best.copy_from_slice(line(0));
        index.fill(0);
        vectorize(
            #[inline(always)]
            || {
                for r in 1..len {
                    for ((i, v), best) in index.iter_mut().zip(line(r)).zip(best.iter_mut()) {
                        let wins = better(*v, *best) | (v.nan() & !best.nan());
                        *best = select_unpredictable(wins, *v, *best);
                        *i = select_unpredictable(wins, r as i64, *i);
                    }
                }
            },
        );
    });
}

/// First places of the best element of each row.
fn places_in_rows<T: Order>(x: &[T], best: &[T], index: &mut [i64], len: usize) {
    assert!(len > 0 && index.len() == best.len() && x.len() == len * best.len());
    let (rows, index) = (best.len(), Parts::new(index));
    par_rows(rows, len, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let place = first(row(x, r, len), best[r]) as i64;
                    // SAFETY: each element is written once.
                    unsafe { index.put(r, place) };
                }
            },
        );
    });
}

/// First place of `value` in `x`, which has it: whole blocks are tested without a branch.
#[inline(always)]
fn first<T: Order>(x: &[T], value: T) -> usize {
    let hit = |x: T| (x == value) | (x.nan() & value.nan());
    for (b, block) in x.chunks(256).enumerate() {
        if block.iter().fold(
            false,
            #[inline(always)]
            |a, x| a | hit(*x),
        ) {
            return b * 256 + block.iter().position(|x| hit(*x)).unwrap_or(0);
        }
    }
    0
}

/// Mean and variance with `correction` taken from the divisor (NaN or infinite where torch's is); two passes.
pub fn var_mean<T: Real>(x: &[T], var: &mut [T], mean_out: &mut [T], axis: Axis, correction: f64) {
    let Axis { outer, len, inner } = axis;
    assert!(x.len() == outer * len * inner && var.len() == outer * inner && mean_out.len() == outer * inner);
    mean(x, mean_out, axis);
    let (n, divisor) = (len as f64, (len as f64 - correction).max(0.0));
    let mut sums = vec![[0.0f64; 2]; outer * inner];
    let (parts, means) = (Parts::new(&mut sums), &*mean_out);
    par_rows(outer, len * inner, |range| {
        vectorize(
            #[inline(always)]
            || {
                for o in range {
                    // SAFETY: one part per outer index.
                    let (sums, m) = (unsafe { parts.get(o * inner..(o + 1) * inner) }, row(means, o, inner));
                    if inner == 1 {
                        let m = m[0];
                        sums[0] = super::sums(
                            row(x, o, len),
                            row(x, o, len),
                            (m, m),
                            #[inline(always)]
                            |x, _| {
                                let d = x - m;
                                [d, d * d]
                            },
                        );
                        continue;
                    }
                    for r in 0..len {
                        for ((s, x), m) in sums.iter_mut().zip(row(x, o * len + r, inner)).zip(m) {
                            let d = x.to_f64() - m.to_f64();
                            *s = [s[0] + d, s[1] + d * d];
                        }
                    }
                }
            },
        );
    });
    for (v, [d, q]) in var.iter_mut().zip(sums) {
        let m2 = q - d * d / n;
        *v = T::from_f64(if m2 < 0.0 { 0.0 } else { m2 } / divisor);
    }
}
