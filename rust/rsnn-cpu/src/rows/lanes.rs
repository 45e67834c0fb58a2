//! Loops over a row in `Lanes`, for kernels whose formulas are too long for the compiler's own vector loops.
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

/// Merges the lanes of one step pairwise.
#[inline(always)]
fn merge<V: Lanes>(acc: Lane<V>, f: impl Fn(V::T, V::T) -> V::T) -> V::T {
    let mut t = [V::T::ZERO; STEP];
    for j in 0..per_step::<V>() {
        // SAFETY: the values lie inside the array.
        unsafe { acc[j].store(t.as_mut_ptr().add(j * V::WIDTH)) };
    }
    super::tree(&mut t, f)
}

/// The largest element; NaN may or may not be seen.
#[inline(always)]
fn largest<V: Lanes>(x: &[V::T]) -> V::T {
    let low = -V::T::INFINITY;
    let mut acc = [V::splat(low); STEP];
    let (steps, rest) = x.as_chunks::<STEP>();
    let rest = padded(rest, low);
    for x in steps.iter().chain([&rest]) {
        for j in 0..per_step::<V>() {
            // SAFETY: the values lie inside the step.
            acc[j] = unsafe { V::load(x.as_ptr().add(j * V::WIDTH)) }.max(acc[j]);
        }
    }
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
