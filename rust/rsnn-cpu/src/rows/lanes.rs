//! Loops over a row in `Lanes`, for kernels whose formulas are too long for the compiler's own vector loops.
use super::columns::{get, sums_of};
use super::par_rows;
use crate::vmath::{Lanes, Real, STEP, Task, padded};
use std::ops::Range;

/// A kernel that works row by row.
pub(crate) trait RowKernel: Sync {
    type T: Real;
    fn row<V: Lanes<T = Self::T>>(&self, r: usize);
}

struct Rows<'a, K>(&'a K, Range<usize>);

impl<K: RowKernel> Task for Rows<'_, K> {
    type T = K::T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = K::T>>(self) {
        for r in self.1 {
            self.0.row::<V>(r);
        }
    }
}

/// Runs the kernel on every row, in parallel.
pub(crate) fn each_row<K: RowKernel>(rows: usize, cols: usize, kernel: K) {
    par_rows(rows, cols, |range| K::T::vectors(Rows(&kernel, range)));
}

/// The lanes of one step: one value of the widest lanes, `STEP` single ones.
type Lane<V> = [V; STEP];

/// Number of values per step.
#[inline(always)]
const fn per_step<V: Lanes>() -> usize {
    STEP / V::WIDTH
}

/// The lanes of one step as numbers.
#[inline(always)]
fn spread<V: Lanes>(acc: Lane<V>) -> [V::T; STEP] {
    let mut t = [V::T::ZERO; STEP];
    for j in 0..per_step::<V>() {
        // SAFETY: the values lie inside the array.
        unsafe { acc[j].store(t.as_mut_ptr().add(j * V::WIDTH)) };
    }
    t
}

/// Merges the lanes of one step pairwise.
#[inline(always)]
fn merge<V: Lanes>(acc: Lane<V>, f: impl Fn(V::T, V::T) -> V::T) -> V::T {
    super::tree(&mut spread(acc), f)
}

/// Consecutive runs of `len` elements, and what becomes of each.
struct Runs<'a, T, K: OfRun> {
    x: &'a [T],
    len: usize,
    out: &'a mut [K::Out<T>],
}

/// What is taken of a run.
trait OfRun {
    type Out<T>;
    fn get<V: Lanes>(x: &[V::T]) -> Self::Out<V::T>;
}

impl<T: Real, K: OfRun> Task for Runs<'_, T, K> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        for (r, out) in self.out.iter_mut().enumerate() {
            *out = K::get::<V>(super::row(self.x, r, self.len));
        }
    }
}

struct Total;
impl OfRun for Total {
    type Out<T> = f64;
    #[inline(always)]
    fn get<V: Lanes>(x: &[V::T]) -> f64 {
        sums_of::<V::Narrow, 1, 4, 1>(
            x.len(),
            #[inline(always)]
            |_, j, n, [s]| [s + get(x, j, n, V::T::ZERO)],
        )[0][0]
    }
}

/// Sums of runs: in `T` inside blocks, the blocks' sums in f64.
pub(crate) fn totals<T: Real>(x: &[T], len: usize, out: &mut [f64]) {
    T::vectors(Runs::<T, Total> { x, len, out });
}

struct Squares;
impl OfRun for Squares {
    type Out<T> = f64;
    #[inline(always)]
    fn get<V: Lanes>(x: &[V::T]) -> f64 {
        sums_of::<V::Narrow, 1, 4, 1>(
            x.len(),
            #[inline(always)]
            |_, j, n, [s]| {
                let x = get::<V::Narrow>(x, j, n, V::T::ZERO);
                [x.fma(x, s)]
            },
        )[0][0]
    }
}

/// Sums of squares of runs, as `totals`.
pub(crate) fn squares<T: Real>(x: &[T], len: usize, out: &mut [f64]) {
    T::vectors(Runs::<T, Squares> { x, len, out });
}

struct Product;
impl OfRun for Product {
    type Out<T> = f64;
    #[inline(always)]
    fn get<V: Lanes>(x: &[V::T]) -> f64 {
        let mut total = [1.0; STEP];
        // Few factors are multiplied in `T`, so that what they reach together stays in its range.
        for x in x.chunks(16 * STEP) {
            let mut acc = [V::c(1.0); STEP];
            each_step(
                x,
                V::T::ONE,
                #[inline(always)]
                |x| {
                    for j in 0..per_step::<V>() {
                        // SAFETY: the values lie inside the step.
                        acc[j] = acc[j] * unsafe { V::load(x.as_ptr().add(j * V::WIDTH)) };
                    }
                },
            );
            for (t, a) in total.iter_mut().zip(spread(acc)) {
                *t *= a.to_f64();
            }
        }
        super::tree(
            &mut total,
            #[inline(always)]
            |a, b| a * b,
        )
    }
}

/// Products of runs.
pub(crate) fn products<T: Real>(x: &[T], len: usize, out: &mut [f64]) {
    T::vectors(Runs::<T, Product> { x, len, out });
}

struct Extreme<const LARGEST: bool>;
impl<const LARGEST: bool> OfRun for Extreme<LARGEST> {
    type Out<T> = T;
    /// A NaN shows in the sum of all, which is cheaper than a test of each; infinities of both signs look the same there.
    #[inline(always)]
    fn get<V: Lanes>(x: &[V::T]) -> V::T {
        let start = if LARGEST { -V::T::INFINITY } else { V::T::INFINITY };
        let (mut best, mut sum) = ([V::splat(start); STEP], [V::c(0.0); STEP]);
        each_step(
            x,
            x.first().copied().unwrap_or(start),
            #[inline(always)]
            |x| {
                for j in 0..per_step::<V>() {
                    // SAFETY: the values lie inside the step.
                    let v = unsafe { V::load(x.as_ptr().add(j * V::WIDTH)) };
                    best[j] = if LARGEST { v.max(best[j]) } else { v.min(best[j]) };
                    sum[j] = sum[j] + v;
                }
            },
        );
        let sum = merge(
            sum,
            #[inline(always)]
            |a, b| a + b,
        );
        if sum.is_nan() && x.iter().any(|v| v.is_nan()) {
            return V::T::NAN;
        }
        merge(
            best,
            #[inline(always)]
            |a, b| if LARGEST { a.max(b) } else { a.min(b) },
        )
    }
}

/// Largest (or smallest) element of each run, NaN if there is one.
pub(crate) fn extremes<T: Real, const LARGEST: bool>(x: &[T], len: usize, out: &mut [T]) {
    T::vectors(Runs::<T, Extreme<LARGEST>> { x, len, out });
}

/// Calls `f` with every step of a run, the last one filled up with `pad`.
#[inline(always)]
fn each_step<T: Copy>(x: &[T], pad: T, mut f: impl FnMut(&[T; STEP])) {
    let (steps, rest) = x.as_chunks::<STEP>();
    for x in steps {
        f(x);
    }
    if !rest.is_empty() {
        f(&padded(rest, pad));
    }
}

/// The largest element; NaN may or may not be seen.
#[inline(always)]
fn largest<V: Lanes>(x: &[V::T]) -> V::T {
    let low = -V::T::INFINITY;
    let mut acc = [V::splat(low); STEP];
    each_step(
        x,
        low,
        #[inline(always)]
        |x| {
            for j in 0..per_step::<V>() {
                // SAFETY: the values lie inside the step.
                acc[j] = unsafe { V::load(x.as_ptr().add(j * V::WIDTH)) }.max(acc[j]);
            }
        },
    );
    merge(
        acc,
        #[inline(always)]
        |a, b| a.max(b),
    )
}

/// The largest exponent that a sum of exponentials may meet: far from overflow in f32 for any number of terms.
const FAR: f64 = 60.0;
/// Elements whose sum is taken in the type itself; their totals are added in f64.
const BLOCK: usize = 4096;

/// `total = sum(exp(x[i] - base))`, and the largest element.
pub(crate) struct ExpSum<T> {
    pub base: T,
    pub total: f64,
    pub max: T,
}

impl<T: Real> ExpSum<T> {
    /// `log(sum(exp(x[i] - max)))`
    #[inline(always)]
    pub fn log(&self) -> T {
        T::from_f64(self.total.ln() + (self.base.to_f64() - self.max.to_f64()))
    }
}

/// The sum of the exponentials of a row, which `KEEP` writes to `out`. Any element will do as base unless another is far
/// above it, so one pass is enough; where it is not, a second one starts from the maximum.
#[inline(always)]
pub(crate) fn exp_sum<V: Lanes, const KEEP: bool>(x: &[V::T], out: &mut [V::T]) -> ExpSum<V::T> {
    let low = -V::T::INFINITY;
    let base = x.first().copied().unwrap_or(low);
    if base > low {
        let (total, max) = exp_pass::<V, KEEP>(x, out, base);
        if (max.to_f64() - base.to_f64()) <= FAR {
            return ExpSum { base, total, max };
        }
    }
    let max = largest::<V>(x);
    let (total, _) = exp_pass::<V, KEEP>(x, out, max);
    ExpSum { base: max, total, max }
}

/// The lanes of a pass.
struct Pass<V> {
    shift: V,
    max: [V; STEP],
    sum: [V; STEP],
}

impl<V: Lanes> Pass<V> {
    #[inline(always)]
    fn step<const KEEP: bool>(&mut self, x: &[V::T; STEP], out: &mut [V::T; STEP]) {
        for j in 0..per_step::<V>() {
            // SAFETY: the values lie inside the step.
            unsafe {
                let x = V::load(x.as_ptr().add(j * V::WIDTH));
                self.max[j] = x.max(self.max[j]);
                let y = (x - self.shift).exp_neg();
                self.sum[j] = self.sum[j] + y;
                if KEEP {
                    y.store(out.as_mut_ptr().add(j * V::WIDTH));
                }
            }
        }
    }
}

#[inline(always)]
fn exp_pass<V: Lanes, const KEEP: bool>(x: &[V::T], out: &mut [V::T], base: V::T) -> (f64, V::T) {
    let low = -V::T::INFINITY;
    let mut pass = Pass { shift: V::splat(base), max: [V::splat(low); STEP], sum: [V::c(0.0); STEP] };
    let (mut total, mut part) = (0.0, [V::T::ZERO; STEP]);
    for (b, x) in x.chunks(BLOCK).enumerate() {
        pass.sum = [V::c(0.0); STEP];
        let (xs, rest) = x.as_chunks::<STEP>();
        if KEEP {
            let (outs, out_rest) = out[b * BLOCK..][..x.len()].as_chunks_mut::<STEP>();
            for (x, out) in xs.iter().zip(outs) {
                pass.step::<KEEP>(x, out);
            }
            if !rest.is_empty() {
                pass.step::<KEEP>(&padded(rest, low), &mut part);
                out_rest.copy_from_slice(&part[..rest.len()]);
            }
        } else {
            for x in xs {
                pass.step::<KEEP>(x, &mut part);
            }
            if !rest.is_empty() {
                pass.step::<KEEP>(&padded(rest, low), &mut part);
            }
        }
        total += merge(
            pass.sum,
            #[inline(always)]
            |a, b| a + b,
        )
        .to_f64();
    }
    let max = merge(
        pass.max,
        #[inline(always)]
        |a, b| a.max(b),
    );
    (total, max)
}
