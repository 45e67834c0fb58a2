//! Kernels over contiguous rows: softmax, norms, losses, reductions, scans, optimizer steps. Lengths are the caller's
//! promise (checked by assertion). Work and sums are cut by shape only, so results do not depend on the thread count.
mod affine;
pub mod batch_norm;
mod channels_last;
mod columns;
pub mod cross_entropy;
pub mod ctc;
pub mod gate;
pub mod group_norm;
mod lanes;
pub mod norm;
mod number;
pub mod optim;
pub mod reduce;
pub mod response_norm;
pub mod scan;
pub mod soft_columns;
pub mod softmax;
#[cfg(test)]
mod tests;

use crate::pool::{self, SendPtr};
use crate::vmath::Real;
use std::marker::PhantomData;
use std::ops::Range;

/// Elements that are worth a chunk of their own.
pub(crate) const GRAIN: usize = 1 << 15;

/// Runs `f` on ranges of rows in parallel.
pub(crate) fn par_rows(rows: usize, cols: usize, f: impl Fn(Range<usize>) + Sync) {
    let chunks = pool::split(rows, GRAIN / cols.max(1));
    pool::for_each_chunk(chunks, |i| f(pool::range(rows, chunks, i)));
}

/// Columns that one task walks down.
pub(crate) const STRIP: usize = 64;

/// Runs `f(outer index, first column, columns)` over strips of at most `STRIP` columns, in parallel.
pub(crate) fn strips(axis: reduce::Axis, f: impl Fn(usize, usize, usize) + Sync) {
    let blocks = axis.inner.div_ceil(STRIP);
    par_rows(axis.outer * blocks, axis.len * axis.inner.min(STRIP), |range| {
        for task in range {
            let column = task % blocks * STRIP;
            f(task / blocks, column, (axis.inner - column).min(STRIP));
        }
    });
}

/// An output slice whose parts are written by different chunks.
pub(crate) struct Parts<'a, T>(SendPtr<T>, usize, PhantomData<&'a mut [T]>);

impl<'a, T> Parts<'a, T> {
    pub fn new(x: &'a mut [T]) -> Self {
        Parts(SendPtr(x.as_mut_ptr()), x.len(), PhantomData)
    }

    /// # Safety
    /// No other part that overlaps `r` is alive.
    #[inline(always)]
    pub unsafe fn get(&self, r: Range<usize>) -> &'a mut [T] {
        assert!(r.start <= r.end && r.end <= self.1);
        // SAFETY: inside the slice by the assertion, alone by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.0.add(r.start), r.len()) }
    }
}

impl<T> Parts<'_, T> {
    /// Writes one element.
    /// # Safety
    /// No part that holds it is alive.
    #[inline(always)]
    pub unsafe fn put(&self, i: usize, value: T) {
        // SAFETY: the caller's promise.
        let part = unsafe { self.get(i..i + 1) };
        part[0] = value;
    }
}

/// The elements of row `r`.
#[inline(always)]
pub(crate) fn row<T>(x: &[T], r: usize, cols: usize) -> &[T] {
    &x[r * cols..(r + 1) * cols]
}

/// Lanes of a reduction: four AVX2 or two AVX-512 registers of f32.
pub(crate) const LANES: usize = 32;

/// Elements taken per step of a long run: four per lane, so that the lanes' loads and stores are shared by four.
pub(crate) const QUAD: usize = 4 * LANES;

/// `K` sums over `f(x[i], y[i])`: lanes in `T` inside blocks of 4096, the blocks' totals in f64. The last part of a row
/// is padded with `pad`, which must add nothing.
#[inline(always)]
pub(crate) fn sums<T: Real, const K: usize>(x: &[T], y: &[T], pad: (T, T), f: impl Fn(T, T) -> [T; K]) -> [f64; K] {
    let mut total = [0.0; K];
    for (x, y) in x.chunks(4096).zip(y.chunks(4096)) {
        let mut acc = [[T::ZERO; LANES]; K];
        let (mut xs, mut ys) = (x.chunks_exact(QUAD), y.chunks_exact(QUAD));
        for (x, y) in (&mut xs).zip(&mut ys) {
            for j in 0..LANES {
                let v: [[T; K]; 4] = std::array::from_fn(
                    #[inline(always)]
                    |q| f(x[q * LANES + j], y[q * LANES + j]),
                );
                for k in 0..K {
                    acc[k][j] += (v[0][k] + v[1][k]) + (v[2][k] + v[3][k]);
                }
            }
        }
        let (mut xs, mut ys) = (xs.remainder().chunks_exact(LANES), ys.remainder().chunks_exact(LANES));
        for (x, y) in (&mut xs).zip(&mut ys) {
            add_lanes(&mut acc, x, y, &f);
        }
        let n = xs.remainder().len();
        if n > 0 {
            let (mut px, mut py) = ([pad.0; LANES], [pad.1; LANES]);
            for (p, x) in px.iter_mut().zip(xs.remainder()) {
                *p = *x;
            }
            for (p, y) in py.iter_mut().zip(ys.remainder()) {
                *p = *y;
            }
            add_lanes(&mut acc, &px, &py, &f);
        }
        for k in 0..K {
            total[k] += tree(
                &mut acc[k],
                #[inline(always)]
                |a, b| a + b,
            )
            .to_f64();
        }
    }
    total
}

#[inline(always)]
fn add_lanes<T: Real, const K: usize>(acc: &mut [[T; LANES]; K], x: &[T], y: &[T], f: &impl Fn(T, T) -> [T; K]) {
    let (x, y) = (&x[..LANES], &y[..LANES]);
    for j in 0..LANES {
        let v = f(x[j], y[j]);
        for k in 0..K {
            acc[k][j] += v[k];
        }
    }
}

/// Folds a contiguous run in lanes.
#[inline(always)]
pub(crate) fn fold<T: Copy, A: Copy>(x: &[T], init: A, step: impl Fn(A, T) -> A, merge: impl Fn(A, A) -> A) -> A {
    let mut acc = [init; LANES];
    let mut quads = x.chunks_exact(QUAD);
    for c in &mut quads {
        let c = &c[..QUAD];
        for j in 0..LANES {
            let a = step(step(acc[j], c[j]), c[j + LANES]);
            acc[j] = step(step(a, c[j + 2 * LANES]), c[j + 3 * LANES]);
        }
    }
    for c in quads.remainder().chunks(LANES) {
        for (a, v) in acc.iter_mut().zip(c) {
            *a = step(*a, *v);
        }
    }
    tree(&mut acc, merge)
}

/// Merges lanes pairwise.
#[inline(always)]
pub(crate) fn tree<A: Copy>(acc: &mut [A; LANES], merge: impl Fn(A, A) -> A) -> A {
    let mut w = LANES / 2;
    while w > 0 {
        for j in 0..w {
            acc[j] = merge(acc[j], acc[j + w]);
        }
        w /= 2;
    }
    acc[0]
}

/// One sum over `f(x[i])`.
#[inline(always)]
pub(crate) fn sum<T: Real>(x: &[T], pad: T, f: impl Fn(T) -> T) -> f64 {
    sums(
        x,
        x,
        (pad, pad),
        #[inline(always)]
        |v, _| [f(v)],
    )[0]
}

/// Column sums over rows by fixed chunks: `f(row, acc)` adds row `row` to `acc` (`width` long); every 64 rows `acc` goes
/// to an f64 sum, and the chunks' sums are added in order.
pub(crate) fn column_sums<T: Real>(
    rows: usize,
    cols: usize,
    width: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<f64> {
    let chunks = pool::split(rows, (GRAIN / cols.max(1)).max(16));
    let mut partial = vec![0.0f64; chunks * width];
    let parts = Parts::new(&mut partial);
    pool::for_each_chunk(chunks, |i| {
        // SAFETY: one part per chunk.
        let total = unsafe { parts.get(i * width..(i + 1) * width) };
        let mut acc = vec![T::ZERO; width];
        let range = pool::range(rows, chunks, i);
        crate::simd::vectorize(
            #[inline(always)]
            || {
                for start in range.clone().step_by(64) {
                    for r in start..(start + 64).min(range.end) {
                        f(r, &mut acc);
                    }
                    flush(&mut acc, total);
                }
            },
        );
    });
    add_chunks(partial, width)
}

/// Adds `acc` to `total` and clears it.
#[inline(always)]
pub(crate) fn flush<T: Real>(acc: &mut [T], total: &mut [f64]) {
    for (t, a) in total.iter_mut().zip(acc) {
        *t += a.to_f64();
        *a = T::ZERO;
    }
}

/// Sum of consecutive pieces of length `width`, in order.
pub(crate) fn add_chunks(mut partial: Vec<f64>, width: usize) -> Vec<f64> {
    let (first, rest) = partial.split_at_mut(width);
    for piece in rest.chunks(width.max(1)) {
        first.iter_mut().zip(piece).for_each(|(a, b)| *a += b);
    }
    partial.truncate(width);
    partial
}

/// Writes f64 sums to an output, if there is one.
pub(crate) fn store<T: Real>(out: Option<&mut [T]>, sums: &[f64]) {
    if let Some(out) = out {
        out.iter_mut().zip(sums).for_each(|(o, s)| *o = T::from_f64(*s));
    }
}
