//! The last passes of norms, which write: `(x - m) a + b` and, for the gradient, `p dy + q (x - m) + k`. Their numbers hold for a
//! whole row or for a column each. Results too large for the caches go past them.
use super::columns::{each_vector, get, put_past};
use super::{Parts, row};
use crate::simd;
use crate::vmath::{Lanes, Real, Task};

/// A number for every column.
pub(crate) trait Along<T>: Copy {
    fn at<N: Lanes<T = T>>(self, j: usize, n: usize) -> N;
}

/// The same one for all.
#[derive(Clone, Copy)]
pub(crate) struct Same<T>(pub T);

impl<T: Real> Along<T> for Same<T> {
    #[inline(always)]
    fn at<N: Lanes<T = T>>(self, _: usize, _: usize) -> N {
        N::splat(self.0)
    }
}

impl<T: Real> Along<T> for &[T] {
    #[inline(always)]
    fn at<N: Lanes<T = T>>(self, j: usize, n: usize) -> N {
        get(self, j, n, T::ZERO)
    }
}

/// Rows to normalise; `of(row)` gives `[m, a, b]`. Nobody else writes these rows.
pub(crate) struct Normalize<'a, T, I, F> {
    pub x: &'a [T],
    pub out: &'a Parts<'a, T>,
    pub cols: usize,
    pub past: bool,
    pub rows: I,
    pub of: F,
}

impl<T: Real, C: Along<T>, I: Iterator<Item = usize>, F: Fn(usize) -> [C; 3]> Task for Normalize<'_, T, I, F> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let cols = self.cols;
        for r in self.rows {
            // SAFETY: each row is written once, here.
            let out = unsafe { self.out.get(r * cols..(r + 1) * cols) };
            normalize::<V::Narrow, _>(row(self.x, r, cols), (self.of)(r), out, self.past);
        }
        simd::drain();
    }
}

/// `out = (x - m) a + b` of one row; whoever passes `past` drains.
#[inline(always)]
pub(crate) fn normalize<N: Lanes, C: Along<N::T>>(x: &[N::T], [m, a, b]: [C; 3], out: &mut [N::T], past: bool) {
    each_vector::<N>(
        x.len(),
        #[inline(always)]
        |j, n| {
            let d = get::<N>(x, j, n, N::T::ZERO) - m.at(j, n);
            put_past(past, d.fma(a.at(j, n), b.at(j, n)), out, j, n);
        },
    );
}

/// Rows whose input gradient is written; `of(row)` gives `[m, p, q, k]`. Nobody else writes these rows.
pub(crate) struct Gradient<'a, T, I, F> {
    pub dy: &'a [T],
    pub x: &'a [T],
    pub dx: &'a Parts<'a, T>,
    pub cols: usize,
    pub past: bool,
    pub rows: I,
    pub of: F,
}

impl<T: Real, C: Along<T>, I: Iterator<Item = usize>, F: Fn(usize) -> [C; 4]> Task for Gradient<'_, T, I, F> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let cols = self.cols;
        for r in self.rows {
            // SAFETY: each row is written once, here.
            let dx = unsafe { self.dx.get(r * cols..(r + 1) * cols) };
            gradient::<V::Narrow, _>(row(self.dy, r, cols), row(self.x, r, cols), (self.of)(r), dx, self.past);
        }
        simd::drain();
    }
}

/// `dx = p dy + q (x - m) + k` of one row; whoever passes `past` drains.
#[inline(always)]
pub(crate) fn gradient<N: Lanes, C: Along<N::T>>(
    dy: &[N::T],
    x: &[N::T],
    [m, p, q, k]: [C; 4],
    dx: &mut [N::T],
    past: bool,
) {
    each_vector::<N>(
        x.len(),
        #[inline(always)]
        |j, n| {
            let d = get::<N>(x, j, n, N::T::ZERO) - m.at(j, n);
            let rest = d.fma(q.at(j, n), k.at(j, n));
            put_past(past, get::<N>(dy, j, n, N::T::ZERO).fma(p.at(j, n), rest), dx, j, n);
        },
    );
}
