//! Norm over rows with one weight and bias per channel (group norm; instance norm with one channel per group): a row is
//! one group of one sample, `[channels, inner]` contiguous.
use super::affine::{Same, gradient, normalize};
use super::channels_last::{self, Last, Slopes, merge};
use super::columns::streams;
use super::norm::moments;
use super::{Parts, par_rows, row, store, sums};
use crate::simd;
use crate::vmath::{Lanes, Real, Task};
use std::ops::Range;

/// Shape of the input: `[samples, groups * channels, inner]`, `channels` being those of one group.
#[derive(Clone, Copy)]
pub struct GroupShape {
    pub samples: usize,
    pub groups: usize,
    pub channels: usize,
    pub inner: usize,
}

impl GroupShape {
    fn rows(&self) -> usize {
        self.samples * self.groups
    }
    fn cols(&self) -> usize {
        self.channels * self.inner
    }
    /// Affine channel of channel `c` of row `r`.
    #[inline(always)]
    fn channel(&self, r: usize, c: usize) -> usize {
        r % self.groups * self.channels + c
    }
}

/// `out = (x - mean) / sqrt(var + eps) * weight[c] + bias[c]`; saves `mean` and `rstd`, one per sample and group.
pub fn group_norm<T: Real>(
    x: &[T],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    shape: GroupShape,
    eps: f64,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    let (rows, cols, inner) = (shape.rows(), shape.cols(), shape.inner);
    assert!(x.len() == rows * cols && out.len() == x.len() && mean.len() == rows && rstd.len() == rows);
    assert!([weight, bias].into_iter().flatten().all(|w| w.len() == shape.groups * shape.channels));
    let past = streams(out, inner);
    let (out, mean, rstd) = (Parts::new(out), Parts::new(mean), Parts::new(rstd));
    let job = Forward { x, weight, bias, shape, eps, past, out, mean, rstd };
    par_rows(rows, cols, |range| T::vectors(ForwardRows(&job, range)));
}

struct Forward<'a, T> {
    x: &'a [T],
    weight: Option<&'a [T]>,
    bias: Option<&'a [T]>,
    shape: GroupShape,
    eps: f64,
    past: bool,
    out: Parts<'a, T>,
    mean: Parts<'a, T>,
    rstd: Parts<'a, T>,
}

struct ForwardRows<'a, T>(&'a Forward<'a, T>, Range<usize>);

impl<T: Real> Task for ForwardRows<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let (a, s) = (self.0, self.0.shape);
        let (cols, inner) = (s.cols(), s.inner);
        for r in self.1 {
            let x = row(a.x, r, cols);
            let (m, low, var) = moments::<V::Narrow>(x);
            let rs = if m.is_nan() { T::NAN } else { T::from_f64(1.0 / (var + a.eps).sqrt()) };
            let low = T::from_f64(low);
            // SAFETY: each row and each statistic is written once.
            let out = unsafe {
                a.mean.put(r, m + low);
                a.rstd.put(r, rs);
                a.out.get(r * cols..(r + 1) * cols)
            };
            for c in 0..s.channels {
                let ch = s.channel(r, c);
                let scale = a.weight.map_or(rs, |w| rs * w[ch]);
                let shift = a.bias.map_or(T::ZERO, |b| b[ch]) - low * scale;
                let numbers = [Same(m), Same(scale), Same(shift)];
                normalize::<V::Narrow, _>(row(x, c, inner), numbers, &mut out[c * inner..(c + 1) * inner], a.past);
            }
        }
        simd::drain();
    }
}

/// Gradients of `group_norm`: `dx = rstd * (dy w[c] - mean(dy w) - xhat mean(dy w xhat))`, `dweight = sum(dy xhat)`, `dbias = sum(dy)`.
pub fn group_norm_backward<T: Real>(
    dy: &[T],
    x: &[T],
    mean: &[T],
    rstd: &[T],
    weight: Option<&[T]>,
    shape: GroupShape,
    dx: &mut [T],
    dweight: Option<&mut [T]>,
    dbias: Option<&mut [T]>,
) {
    let (rows, cols, inner, chans) = (shape.rows(), shape.cols(), shape.inner, shape.channels);
    assert!(
        x.len() == rows * cols
            && dy.len() == x.len()
            && dx.len() == x.len()
            && mean.len() == rows
            && rstd.len() == rows
    );
    assert!(weight.is_none_or(|w| w.len() == shape.groups * chans));
    let mut partial = vec![[0.0f64; 2]; rows * chans];
    let past = streams(dx, inner);
    let (parts, dx) = (Parts::new(&mut partial), Parts::new(dx));
    let job = Backward { dy, x, mean, rstd, weight, shape, past, dx, parts };
    par_rows(rows, cols, |range| T::vectors(BackwardRows(&job, range)));
    store_affine(&partial, shape, dweight, dbias);
}

struct Backward<'a, T> {
    dy: &'a [T],
    x: &'a [T],
    mean: &'a [T],
    rstd: &'a [T],
    weight: Option<&'a [T]>,
    shape: GroupShape,
    past: bool,
    dx: Parts<'a, T>,
    /// `[sum(dy xhat), sum(dy)]` of each channel of each row.
    parts: Parts<'a, [f64; 2]>,
}

struct BackwardRows<'a, T>(&'a Backward<'a, T>, Range<usize>);

impl<T: Real> Task for BackwardRows<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let (a, s) = (self.0, self.0.shape);
        let (cols, inner, chans) = (s.cols(), s.inner, s.channels);
        for r in self.1 {
            let (dy, x, m, rs) = (row(a.dy, r, cols), row(a.x, r, cols), a.mean[r], a.rstd[r].to_f64());
            // SAFETY: each row is written once.
            let (dx, part) = unsafe { (a.dx.get(r * cols..(r + 1) * cols), a.parts.get(r * chans..(r + 1) * chans)) };
            let mut d = 0.0;
            for (c, p) in part.iter_mut().enumerate() {
                let [dc, g, dot] = center_sums(row(dy, c, inner), row(x, c, inner), m);
                d += dc;
                *p = [dot, g];
            }
            let weight_of = |c: usize| a.weight.map_or(1.0, |w| w[s.channel(r, c)].to_f64());
            let means = Means::of(part, d, rs, weight_of, s);
            let (q, k) = means.slopes(rs);
            for c in 0..chans {
                let p = T::from_f64(rs * weight_of(c));
                let numbers = [m, p, T::from_f64(q), T::from_f64(k)].map(Same);
                let dx = &mut dx[c * inner..(c + 1) * inner];
                gradient::<V::Narrow, _>(row(dy, c, inner), row(x, c, inner), numbers, dx, a.past);
            }
        }
        simd::drain();
    }
}

impl GroupShape {
    /// One sample with channels side by side.
    fn last(self) -> Last {
        Last { rows: self.inner, channels: self.groups * self.channels }
    }

    /// Numbers of every channel, `f(group, affine channel)`.
    fn spread<T>(self, f: impl Fn(usize, usize) -> T) -> Vec<T> {
        (0..self.groups)
            .flat_map(|r| (0..self.channels).map(move |c| (r, c)))
            .map(|(r, c)| f(r, self.channel(r, c)))
            .collect()
    }
}

/// `group_norm` of `[samples, inner, groups * channels]`, a sample at a time, so that its second pass finds it in a cache.
pub fn group_norm_last<T: Real>(
    x: &[T],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    shape: GroupShape,
    eps: f64,
    out: &mut [T],
    mean: &mut [T],
    rstd: &mut [T],
) {
    let (size, groups) = (shape.groups * shape.cols(), shape.groups);
    assert!(mean.len() == shape.rows() && rstd.len() == shape.rows());
    assert!(x.len() == shape.samples * size && out.len() == x.len());
    let past = streams(out, groups * shape.channels);
    let (out, mean, rstd) = (Parts::new(out), Parts::new(mean), Parts::new(rstd));
    par_rows(shape.samples, size, |samples| {
        for i in samples {
            let x = row(x, i, size);
            let each = channels_last::moments(x, shape.last());
            let group = |r: usize| merge(row(&each, r, shape.channels).iter().map(|m| (*m, shape.inner as f64)));
            let mut stats = Vec::with_capacity(groups);
            for (r, (high, low, var)) in (0..groups).map(group).enumerate() {
                let low = T::from_f64(low);
                let rs = if high.is_nan() { T::NAN } else { T::from_f64(1.0 / (var + eps).sqrt()) };
                // SAFETY: each statistic is written once.
                unsafe {
                    mean.put(i * groups + r, high + low);
                    rstd.put(i * groups + r, rs);
                }
                stats.push((high, low, rs));
            }
            let centre = shape.spread(|r, _| stats[r].0);
            let scale = shape.spread(|r, c| weight.map_or(stats[r].2, |w| stats[r].2 * w[c]));
            let shift = shape.spread(|r, c| {
                let scale = weight.map_or(stats[r].2, |w| stats[r].2 * w[c]);
                bias.map_or(T::ZERO, |b| b[c]) - stats[r].1 * scale
            });
            // SAFETY: each sample is written once.
            let out = unsafe { out.get(i * size..(i + 1) * size) };
            channels_last::normalize(x, &centre, &scale, &shift, shape.last(), out, past);
        }
    });
}

/// `group_norm_backward` of `[samples, inner, groups * channels]`, a sample at a time.
pub fn group_norm_last_backward<T: Real>(
    dy: &[T],
    x: &[T],
    mean: &[T],
    rstd: &[T],
    weight: Option<&[T]>,
    shape: GroupShape,
    dx: &mut [T],
    dweight: Option<&mut [T]>,
    dbias: Option<&mut [T]>,
) {
    let (size, width) = (shape.groups * shape.cols(), shape.groups * shape.channels);
    assert!(mean.len() == shape.rows() && rstd.len() == shape.rows());
    assert!(x.len() == shape.samples * size && dy.len() == x.len() && dx.len() == x.len());
    let mut partial = vec![[0.0f64; 2]; shape.samples * width];
    let past = streams(dx, width);
    let (parts, dx) = (Parts::new(&mut partial), Parts::new(dx));
    par_rows(shape.samples, size, |samples| {
        for i in samples {
            let (x, dy) = (row(x, i, size), row(dy, i, size));
            let (mean, rstd) = (row(mean, i, shape.groups), row(rstd, i, shape.groups));
            // SAFETY: each sample is written once.
            let (dx, partial) = unsafe { (dx.get(i * size..(i + 1) * size), parts.get(i * width..(i + 1) * width)) };
            let centre = shape.spread(|r, _| mean[r]);
            let each = channels_last::sums(dy, x, &centre, shape.last());
            let mut slopes = Vec::with_capacity(shape.groups);
            for (r, part) in partial.chunks_mut(shape.channels.max(1)).enumerate() {
                let sums = row(&each, r, shape.channels);
                part.iter_mut().zip(sums).for_each(|(p, s)| *p = [s[2], s[1]]);
                let (off, rs) = (sums.iter().map(|s| s[0]).sum(), rstd[r].to_f64());
                let weight_of = |c: usize| weight.map_or(1.0, |w| w[shape.channel(r, c)].to_f64());
                slopes.push(Means::of(part, off, rs, weight_of, shape).slopes(rs));
            }
            let p = shape.spread(|r, c| weight.map_or(rstd[r], |w| rstd[r] * w[c]));
            let q = shape.spread(|r, _| T::from_f64(slopes[r].0));
            let k = shape.spread(|r, _| T::from_f64(slopes[r].1));
            let slopes = Slopes { mean: &centre, p: &p, q: &q, k: &k };
            channels_last::gradient(dy, x, &slopes, shape.last(), dx, past);
        }
    });
    store_affine(&partial, shape, dweight, dbias);
}

/// Means over a row: of `x - mean`, of `dy w`, and of `dy w xhat`.
struct Means {
    low: f64,
    dy: f64,
    dot: f64,
}

impl Means {
    /// From `[sum(dy (x - mean)), sum(dy)]` of each channel, of which the first becomes `sum(dy xhat)`.
    #[inline(always)]
    fn of(part: &mut [[f64; 2]], off: f64, rstd: f64, weight: impl Fn(usize) -> f64, shape: GroupShape) -> Means {
        let n = shape.cols() as f64;
        let (low, mut dy, mut dot) = (off / n, 0.0, 0.0);
        for (c, p) in part.iter_mut().enumerate() {
            p[0] = (p[0] - low * p[1]) * rstd;
            dot += weight(c) * p[0] / n;
            dy += weight(c) * p[1] / n;
        }
        Means { low, dy, dot }
    }

    /// `q` and `k` of `dx = p dy + q (x - mean) + k`.
    #[inline(always)]
    fn slopes(&self, rstd: f64) -> (f64, f64) {
        (-rstd * rstd * self.dot, rstd * (self.low * rstd * self.dot - self.dy))
    }
}

/// Gradients of weight and bias from the `[sum(dy xhat), sum(dy)]` of each sample.
fn store_affine<T: Real>(partial: &[[f64; 2]], shape: GroupShape, dweight: Option<&mut [T]>, dbias: Option<&mut [T]>) {
    let width = shape.groups * shape.channels;
    let mut total = vec![[0.0f64; 2]; width];
    for piece in partial.chunks(width.max(1)) {
        total.iter_mut().zip(piece).for_each(|(t, p)| *t = [t[0] + p[0], t[1] + p[1]]);
    }
    store(dweight, &total.iter().map(|t| t[0]).collect::<Vec<_>>());
    store(dbias, &total.iter().map(|t| t[1]).collect::<Vec<_>>());
}

/// `[sum(x - m), sum(dy), sum(dy * (x - m))]`
#[inline(always)]
pub(crate) fn center_sums<T: Real>(dy: &[T], x: &[T], m: T) -> [f64; 3] {
    sums(
        dy,
        x,
        (T::ZERO, m),
        #[inline(always)]
        |g, x| {
            let d = x - m;
            [d, g, g * d]
        },
    )
}
