//! What norms need of `[rows, channels]`, channels side by side: moments and gradient sums of each channel, and the passes
//! that write. A group norm takes its samples one by one and puts channels together afterwards.
use super::affine::{Gradient, Normalize};
use super::columns::{get, put};
use super::{GRAIN, Parts, add_chunks, flush, par_rows, row};
use crate::pool;
use crate::vmath::{Lanes, Real, Task};
use std::ops::Range;

/// Shape of the input.
#[derive(Clone, Copy)]
pub(crate) struct Last {
    pub rows: usize,
    pub channels: usize,
}

impl Last {
    fn len(self) -> usize {
        self.rows * self.channels
    }

    /// Pieces of rows that are summed on their own.
    fn pieces(self) -> usize {
        pool::split(self.rows, (GRAIN / self.channels.max(1)).max(16))
    }

    /// Calls `f(piece, rows)` for each piece.
    fn each_piece(self, f: impl Fn(usize, Range<usize>) + Sync) {
        let pieces = self.pieces();
        pool::for_each_chunk(pieces, |t| f(t, pool::range(self.rows, pieces, t)));
    }
}

/// Mean (rounded and rest) and biased variance of a channel, or of several together.
pub(crate) type Moments<T> = (T, f64, f64);

/// Moments of pieces of `n` elements each, joined in order (Chan): `M2 += M2' + d^2 n m / (n + m)`. Means count from the
/// first piece's, so that an offset common to all costs no bits.
pub(crate) fn merge<T: Real>(pieces: impl Iterator<Item = (Moments<T>, f64)>) -> Moments<T> {
    let (mut count, mut mean, mut m2, mut base) = (0.0, 0.0, 0.0, 0.0);
    for ((high, low, var), n) in pieces {
        if count == 0.0 {
            base = high.to_f64();
        }
        let d = (high.to_f64() - base) + low - mean;
        let total = count + n;
        mean += d * (n / total);
        m2 += var * n + d * d * (count * n / total);
        count = total;
    }
    let high = T::from_f64(base + mean);
    (high, (base - high.to_f64()) + mean, m2 / f64::max(count, 1.0))
}

/// Rows whose sums are taken in the type itself.
const ROWS: usize = 64;
/// Vectors of columns at once.
const AT_ONCE: usize = 4;

/// Runs `$job.columns::<N, vectors>(.., j, n)` on all of `$cols` columns.
macro_rules! each_columns {
    ($job:expr, $n:ty, $cols:expr, $($more:expr),*) => {{
        let (cols, width) = ($cols, <$n>::WIDTH);
        let whole = cols / (AT_ONCE * width) * (AT_ONCE * width);
        for j in (0..whole).step_by(AT_ONCE * width) {
            $job.columns::<$n, AT_ONCE>($($more,)* j, width);
        }
        for j in (whole..cols).step_by(width) {
            $job.columns::<$n, 1>($($more,)* j, (cols - j).min(width));
        }
    }};
}

struct MomentsOf<'a, T> {
    x: &'a [T],
    rows: Range<usize>,
    out: &'a mut [(Moments<T>, f64)],
}

impl<T: Real> Task for MomentsOf<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let mut block = Block::new(self.out.len());
        for first in self.rows.clone().step_by(ROWS) {
            block.add::<V::Narrow>(self.x, first..(first + ROWS).min(self.rows.end));
        }
        block.store(self.out);
    }
}

/// Moments of every channel.
pub(crate) fn moments<T: Real>(x: &[T], s: Last) -> Vec<Moments<T>> {
    assert!(x.len() == s.len());
    let (c, pieces) = (s.channels, s.pieces());
    let mut each = vec![((T::ZERO, 0.0, 0.0), 0.0); pieces * c];
    let parts = Parts::new(&mut each);
    s.each_piece(|t, rows| {
        // SAFETY: one part per piece.
        T::vectors(MomentsOf { x, rows, out: unsafe { parts.get(t * c..(t + 1) * c) } });
    });
    if pieces == 1 {
        return each.into_iter().map(|(m, _)| m).collect();
    }
    (0..c).map(|i| merge((0..pieces).map(|p| each[p * c + i]))).collect()
}

/// Running moments of all channels. Means are kept as distances from `base`, the first block's.
struct Block<T> {
    count: f64,
    base: Vec<f64>,
    mean: Vec<f64>,
    m2: Vec<f64>,
    centre: Vec<T>,
    first: Vec<T>,
    second: Vec<T>,
}

impl<T: Real> Block<T> {
    fn new(c: usize) -> Self {
        let (wide, narrow) = (|| vec![0.0; c], || vec![T::ZERO; c]);
        let (centre, first, second) = (narrow(), narrow(), narrow());
        Block { count: 0.0, base: wide(), mean: wide(), m2: wide(), centre, first, second }
    }

    /// Takes in a block of rows: its sums around the mean of all rows before it, which are at least as many, so that what is
    /// rounded off the squares is small beside the distance of the means. The first block has its own mean.
    #[inline(always)]
    fn add<N: Lanes<T = T>>(&mut self, x: &[T], rows: Range<usize>) {
        let (c, n) = (self.centre.len(), rows.len() as f64);
        if self.count == 0.0 {
            for r in rows.clone() {
                self.centre.iter_mut().zip(row(x, r, c)).for_each(|(m, x)| *m += *x);
            }
            let share = T::from_f64(1.0 / n);
            self.centre.iter_mut().for_each(|m| *m *= share);
        } else {
            let known = self.base.iter().zip(&self.mean);
            self.centre.iter_mut().zip(known).for_each(|(m, (base, mean))| *m = T::from_f64(base + mean));
        }
        each_columns!(self, N, c, x, rows.clone());
        self.join(n);
    }

    #[inline(always)]
    fn columns<N: Lanes<T = T>, const U: usize>(&mut self, x: &[T], rows: Range<usize>, j: usize, n: usize) {
        let (c, zero) = (self.centre.len(), [N::c(0.0); U]);
        let (mut m, mut s, mut q) = (zero, zero, zero);
        for u in 0..U {
            m[u] = get(&self.centre, j + u * N::WIDTH, n, T::ZERO);
        }
        for r in rows {
            let x = row(x, r, c);
            for u in 0..U {
                let d = get::<N>(x, j + u * N::WIDTH, n, T::ZERO) - m[u];
                s[u] = s[u] + d;
                q[u] = d.fma(d, q[u]);
            }
        }
        for u in 0..U {
            put(s[u], &mut self.first, j + u * N::WIDTH, n);
            put(q[u], &mut self.second, j + u * N::WIDTH, n);
        }
    }

    /// Joins the block to what came before, as `merge` does.
    #[inline(always)]
    fn join(&mut self, n: f64) {
        if self.count == 0.0 {
            self.base.iter_mut().zip(&self.centre).for_each(|(b, c)| *b = c.to_f64());
        }
        let total = self.count + n;
        let (share, weight, part) = (n / total, self.count * n / total, 1.0 / n);
        let kept = self.mean.iter_mut().zip(&mut self.m2).zip(&self.base);
        let new = self.first.iter().zip(&self.second).zip(&self.centre);
        for (((mean, m2), base), ((s, q), centre)) in kept.zip(new) {
            let s = s.to_f64();
            let d = (centre.to_f64() - base) + s * part - *mean;
            let q = q.to_f64() - s * s * part;
            *mean += d * share;
            // a NaN must stay one
            *m2 += if q < 0.0 { 0.0 } else { q } + d * d * weight;
        }
        self.count = total;
    }

    #[inline(always)]
    fn store(&self, out: &mut [(Moments<T>, f64)]) {
        let n = self.count.max(1.0);
        for (((out, base), mean), m2) in out.iter_mut().zip(&self.base).zip(&self.mean).zip(&self.m2) {
            let high = T::from_f64(base + mean);
            *out = ((high, (base - high.to_f64()) + mean, m2 / n), self.count);
        }
    }
}

/// `[sum(x - m), sum(dy), sum(dy (x - m))]` of every channel, `m` given for each.
pub(crate) fn sums<T: Real>(dy: &[T], x: &[T], m: &[T], s: Last) -> Vec<[f64; 3]> {
    assert!(x.len() == s.len() && dy.len() == s.len() && m.len() == s.channels);
    let (c, pieces) = (s.channels, s.pieces());
    let mut partial = vec![0.0f64; pieces * 3 * c];
    let parts = Parts::new(&mut partial);
    s.each_piece(|t, rows| {
        // SAFETY: one part per piece.
        T::vectors(SumsOf { dy, x, m, rows, total: unsafe { parts.get(t * 3 * c..(t + 1) * 3 * c) } });
    });
    let total = add_chunks(partial, 3 * c);
    (0..c).map(|i| [total[i], total[c + i], total[2 * c + i]]).collect()
}

struct SumsOf<'a, T> {
    dy: &'a [T],
    x: &'a [T],
    m: &'a [T],
    rows: Range<usize>,
    total: &'a mut [f64],
}

impl<T: Real> Task for SumsOf<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let mut acc = vec![T::ZERO; self.total.len()];
        for first in self.rows.clone().step_by(ROWS) {
            let rows = first..(first + ROWS).min(self.rows.end);
            each_columns!(self, V::Narrow, self.m.len(), rows.clone(), &mut acc);
            flush(&mut acc, self.total);
        }
    }
}

impl<T: Real> SumsOf<'_, T> {
    #[inline(always)]
    fn columns<N: Lanes<T = T>, const U: usize>(&self, rows: Range<usize>, acc: &mut [T], j: usize, n: usize) {
        let (c, zero) = (self.m.len(), [N::c(0.0); U]);
        let mut sums = [zero; 3];
        for r in rows {
            let (x, dy) = (row(self.x, r, c), row(self.dy, r, c));
            for u in 0..U {
                let at = j + u * N::WIDTH;
                let d = get::<N>(x, at, n, T::ZERO) - get(self.m, at, n, T::ZERO);
                let g = get::<N>(dy, at, n, T::ZERO);
                sums[0][u] = sums[0][u] + d;
                sums[1][u] = sums[1][u] + g;
                sums[2][u] = g.fma(d, sums[2][u]);
            }
        }
        for (k, sums) in sums.iter().enumerate() {
            for u in 0..U {
                put(sums[u], acc, k * c + j + u * N::WIDTH, n);
            }
        }
    }
}

/// `out = (x - mean) * scale + shift`; `past` says whether past the caches.
pub(crate) fn normalize<T: Real>(x: &[T], mean: &[T], scale: &[T], shift: &[T], s: Last, out: &mut [T], past: bool) {
    let c = s.channels;
    assert!(x.len() == s.len() && out.len() == s.len());
    assert!(mean.len() == c && scale.len() == c && shift.len() == c);
    let out = &Parts::new(out);
    par_rows(s.rows, c, |rows| {
        let of = |_: usize| [mean, scale, shift];
        T::vectors(Normalize { x, out, cols: c, past, rows, of });
    });
}

/// Numbers that make a gradient, `dx = p dy + q (x - mean) + k`.
pub(crate) struct Slopes<'a, T> {
    pub mean: &'a [T],
    pub p: &'a [T],
    pub q: &'a [T],
    pub k: &'a [T],
}

/// The gradient of the input.
pub(crate) fn gradient<T: Real>(dy: &[T], x: &[T], a: &Slopes<T>, s: Last, dx: &mut [T], past: bool) {
    let c = s.channels;
    assert!(x.len() == s.len() && dy.len() == s.len() && dx.len() == s.len());
    assert!([a.mean, a.p, a.q, a.k].iter().all(|v| v.len() == c));
    let dx = &Parts::new(dx);
    par_rows(s.rows, c, |rows| {
        let of = |_: usize| [a.mean, a.p, a.q, a.k];
        T::vectors(Gradient { dy, x, dx, cols: c, past, rows, of });
    });
}
