//! What norms need of `[samples, rows, channels]`, channels side by side: moments and gradient sums of each channel of each
//! sample, and the passes that write. A batch norm is one sample; a group norm puts channels together afterwards.
use super::{GRAIN, Parts, add_chunks, flush, par_rows, row};
use crate::pool;
use crate::simd::vectorize;
use crate::vmath::Real;
use std::ops::Range;

/// Shape of the input.
#[derive(Clone, Copy)]
pub(crate) struct Last {
    pub samples: usize,
    pub rows: usize,
    pub channels: usize,
}

impl Last {
    fn len(self) -> usize {
        self.samples * self.rows * self.channels
    }

    /// Pieces of a sample's rows that are summed on their own.
    fn pieces(self) -> usize {
        if self.samples >= 16 { 1 } else { pool::split(self.rows, (GRAIN / self.channels.max(1)).max(16)) }
    }

    /// Calls `f(task, rows)` for each piece of each sample; rows count over all samples.
    fn each_piece(self, f: impl Fn(usize, Range<usize>) + Sync) {
        let pieces = self.pieces();
        par_rows(self.samples * pieces, self.rows / pieces * self.channels, |tasks| {
            for t in tasks {
                let (sample, run) = (t / pieces, pool::range(self.rows, pieces, t % pieces));
                let from = sample * self.rows;
                f(t, from + run.start..from + run.end);
            }
        });
    }
}

/// Mean (rounded and rest) and biased variance of a channel of a sample, or of several together.
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

/// Elements of the rows that are read twice in a row, so that they come from the nearest cache the second time.
const BLOCK: usize = 4096;

/// Moments of every channel of every sample.
pub(crate) fn moments<T: Real>(x: &[T], s: Last) -> Vec<Moments<T>> {
    assert!(x.len() == s.len());
    let (c, pieces) = (s.channels, s.pieces());
    let mut each = vec![((T::ZERO, 0.0, 0.0), 0.0); s.samples * pieces * c];
    let parts = Parts::new(&mut each);
    let rows = (BLOCK / c.max(1)).clamp(8, 64);
    s.each_piece(|t, range| {
        // SAFETY: one part per piece.
        let out = unsafe { parts.get(t * c..(t + 1) * c) };
        vectorize(
            #[inline(always)]
            || {
                let mut block = Block::new(c);
                for first in range.clone().step_by(rows) {
                    block.add(x, first..(first + rows).min(range.end));
                }
                block.store(out);
            },
        );
    });
    if pieces == 1 {
        return each.into_iter().map(|(m, _)| m).collect();
    }
    let of = |i: usize| merge((0..pieces).map(|p| each[(i / c * pieces + p) * c + i % c]));
    (0..s.samples * c).map(of).collect()
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

    /// Takes in a block of rows: its means, then the sums around them.
    #[inline(always)]
    fn add(&mut self, x: &[T], rows: Range<usize>) {
        let (c, n) = (self.centre.len(), rows.len() as f64);
        self.centre.fill(T::ZERO);
        self.first.fill(T::ZERO);
        self.second.fill(T::ZERO);
        let fours = rows.start + rows.len() / 4 * 4;
        for r in (rows.start..fours).step_by(4) {
            let lines = row(x, r, c).iter().zip(row(x, r + 1, c)).zip(row(x, r + 2, c).iter().zip(row(x, r + 3, c)));
            for (m, ((x0, x1), (x2, x3))) in self.centre.iter_mut().zip(lines) {
                *m += (*x0 + *x1) + (*x2 + *x3);
            }
        }
        for r in fours..rows.end {
            self.centre.iter_mut().zip(row(x, r, c)).for_each(|(m, x)| *m += *x);
        }
        let share = T::from_f64(1.0 / n);
        self.centre.iter_mut().for_each(|m| *m *= share);
        for r in (rows.start..fours).step_by(4) {
            let lines = row(x, r, c).iter().zip(row(x, r + 1, c)).zip(row(x, r + 2, c).iter().zip(row(x, r + 3, c)));
            let sums = self.first.iter_mut().zip(&mut self.second).zip(&self.centre);
            for (((s, q), m), ((x0, x1), (x2, x3))) in sums.zip(lines) {
                let (d0, d1, d2, d3) = (*x0 - *m, *x1 - *m, *x2 - *m, *x3 - *m);
                *s += (d0 + d1) + (d2 + d3);
                *q += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
            }
        }
        for r in fours..rows.end {
            let sums = self.first.iter_mut().zip(&mut self.second).zip(&self.centre);
            for (((s, q), m), x) in sums.zip(row(x, r, c)) {
                let d = *x - *m;
                *s += d;
                *q += d * d;
            }
        }
        self.join(n);
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

/// `[sum(x - m), sum(dy), sum(dy (x - m))]` of every channel of every sample, `m` given for each.
pub(crate) fn sums<T: Real>(dy: &[T], x: &[T], m: &[T], s: Last) -> Vec<[f64; 3]> {
    assert!(x.len() == s.len() && dy.len() == s.len() && m.len() == s.samples * s.channels);
    let (c, pieces) = (s.channels, s.pieces());
    let mut partial = vec![0.0f64; s.samples * pieces * 3 * c];
    let parts = Parts::new(&mut partial);
    s.each_piece(|t, range| {
        // SAFETY: one part per piece.
        let total = unsafe { parts.get(t * 3 * c..(t + 1) * 3 * c) };
        let (m, mut acc) = (row(m, t / pieces, c), vec![T::ZERO; 3 * c]);
        vectorize(
            #[inline(always)]
            || {
                for first in range.clone().step_by(64) {
                    add_gradients(dy, x, m, first..(first + 64).min(range.end), &mut acc);
                    flush(&mut acc, total);
                }
            },
        );
    });
    let width = 3 * c;
    let of = |sample: usize| {
        let total = add_chunks(partial[sample * pieces * width..(sample + 1) * pieces * width].to_vec(), width);
        (0..c).map(move |i| [total[i], total[c + i], total[2 * c + i]])
    };
    (0..s.samples).flat_map(of).collect()
}

/// Adds the terms of `sums` over some rows, two at a time.
#[inline(always)]
fn add_gradients<T: Real>(dy: &[T], x: &[T], m: &[T], rows: Range<usize>, acc: &mut [T]) {
    let c = m.len();
    let (a0, rest) = acc.split_at_mut(c);
    let (a1, a2) = rest.split_at_mut(c);
    let pairs = rows.start + rows.len() / 2 * 2;
    for r in (rows.start..pairs).step_by(2) {
        let lines = row(x, r, c).iter().zip(row(x, r + 1, c)).zip(row(dy, r, c).iter().zip(row(dy, r + 1, c)));
        let sums = a0.iter_mut().zip(&mut *a1).zip(&mut *a2).zip(m);
        for ((((a0, a1), a2), m), ((x0, x1), (g0, g1))) in sums.zip(lines) {
            let (d0, d1) = (*x0 - *m, *x1 - *m);
            *a0 += d0 + d1;
            *a1 += *g0 + *g1;
            *a2 += *g0 * d0 + *g1 * d1;
        }
    }
    for r in pairs..rows.end {
        let sums = a0.iter_mut().zip(&mut *a1).zip(&mut *a2).zip(m);
        for ((((a0, a1), a2), m), (x, g)) in sums.zip(row(x, r, c).iter().zip(row(dy, r, c))) {
            let d = *x - *m;
            *a0 += d;
            *a1 += *g;
            *a2 += *g * d;
        }
    }
}

/// `out = (x - mean) * scale + shift`, each `[samples, channels]`.
pub(crate) fn normalize<T: Real>(x: &[T], mean: &[T], scale: &[T], shift: &[T], s: Last, out: &mut [T]) {
    let width = s.samples * s.channels;
    assert!(x.len() == s.len() && out.len() == s.len());
    assert!(mean.len() == width && scale.len() == width && shift.len() == width);
    let (c, out) = (s.channels, Parts::new(out));
    par_rows(s.samples * s.rows, c, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let n = r / s.rows;
                    // SAFETY: each row is written once.
                    let data = unsafe { out.get(r * c..(r + 1) * c) }.iter_mut().zip(row(x, r, c));
                    for (((o, x), m), (a, b)) in
                        data.zip(row(mean, n, c)).zip(row(scale, n, c).iter().zip(row(shift, n, c)))
                    {
                        *o = (*x - *m) * *a + *b;
                    }
                }
            },
        );
    });
}

/// Numbers that make a gradient, `dx = p dy + q (x - mean) + k`, each `[samples, channels]`.
pub(crate) struct Slopes<'a, T> {
    pub mean: &'a [T],
    pub p: &'a [T],
    pub q: &'a [T],
    pub k: &'a [T],
}

/// The gradient of the input.
pub(crate) fn gradient<T: Real>(dy: &[T], x: &[T], a: &Slopes<T>, s: Last, dx: &mut [T]) {
    let width = s.samples * s.channels;
    assert!(x.len() == s.len() && dy.len() == s.len() && dx.len() == s.len());
    assert!([a.mean, a.p, a.q, a.k].iter().all(|v| v.len() == width));
    let (c, dx) = (s.channels, Parts::new(dx));
    par_rows(s.samples * s.rows, c, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let n = r / s.rows;
                    // SAFETY: each row is written once.
                    let dx = unsafe { dx.get(r * c..(r + 1) * c) };
                    let data = dx.iter_mut().zip(row(x, r, c).iter().zip(row(dy, r, c)));
                    let slopes = row(a.mean, n, c).iter().zip(row(a.p, n, c));
                    let slopes = slopes.zip(row(a.q, n, c).iter().zip(row(a.k, n, c)));
                    for ((o, (x, g)), ((m, p), (q, k))) in data.zip(slopes) {
                        *o = *p * *g + *q * (*x - *m) + *k;
                    }
                }
            },
        );
    });
}
