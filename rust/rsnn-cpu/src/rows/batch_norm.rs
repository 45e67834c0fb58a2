//! Batch norm over `[outer, channels, inner]` (N, C, spatial): statistics, normalisation, backward. `inner == 1` (N, C, or
//! channels last) runs along whole rows of channels.
use super::affine::{Gradient, Normalize, Same};
use super::channels_last::{self, Last, Moments, Slopes, merge};
use super::columns::streams;
use super::group_norm::center_sums;
use super::norm::{Stat, moments};
use super::{Parts, par_rows, row, store};
use crate::simd::vectorize;
use crate::vmath::{Lanes, Real, Task};
use std::ops::Range;

/// Shape of the input.
#[derive(Clone, Copy)]
pub struct ChannelShape {
    pub outer: usize,
    pub channels: usize,
    pub inner: usize,
}

impl ChannelShape {
    fn len(&self) -> usize {
        self.outer * self.channels * self.inner
    }
    /// Elements per channel.
    fn count(&self) -> f64 {
        (self.outer * self.inner) as f64
    }
    /// Neighbours that a pass writes in one go.
    fn run(&self) -> usize {
        if self.inner == 1 { self.channels } else { self.inner }
    }
    /// The same for `inner == 1`.
    fn last(&self) -> Last {
        Last { rows: self.outer, channels: self.channels }
    }
}

/// Bytes of a run from which a channel is read well on its own.
const LONG_RUN: usize = 4096;

/// Calls `f` on channels that are worked on together: one after the other where they are long enough, so that their second pass
/// finds them in a cache, else all.
fn each_group<T>(s: ChannelShape, f: impl Fn(Range<usize>) + Sync) {
    if s.inner * size_of::<T>() < LONG_RUN {
        return f(0..s.channels);
    }
    par_rows(s.channels, s.outer * s.inner, |range| range.for_each(|c| f(c..c + 1)));
}

/// Calls `f` with runs of `0..rows`, which count the rows of some channels, in parallel. `row_of` finds them.
fn each_run(s: ChannelShape, channels: &Range<usize>, f: impl Fn(Range<usize>) + Sync) {
    par_rows(s.outer * channels.len(), s.inner, f);
}

/// The row of `[outer, channels]` that is number `i` of those of some channels.
#[inline(always)]
fn row_of(s: ChannelShape, channels: &Range<usize>, i: usize) -> usize {
    i / channels.len() * s.channels + channels.start + i % channels.len()
}

struct RowMoments<'a, T, I> {
    x: &'a [T],
    cols: usize,
    /// Where the moments go, and the row.
    rows: I,
    out: &'a Parts<'a, Moments<T>>,
}

impl<T: Real, I: Iterator<Item = (usize, usize)>> Task for RowMoments<'_, T, I> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        for (i, r) in self.rows {
            // SAFETY: each element is written once.
            unsafe { self.out.put(i, moments::<V::Narrow>(row(self.x, r, self.cols))) };
        }
    }
}

/// Mean (rounded and rest) and biased variance of some channels.
fn channel_moments<T: Real>(x: &[T], s: ChannelShape, channels: &Range<usize>) -> Vec<Moments<T>> {
    let c = channels.len();
    if s.inner == 1 {
        return channels_last::moments(x, s.last());
    }
    let mut each = vec![(T::ZERO, 0.0, 0.0); s.outer * c];
    let out = &Parts::new(&mut each);
    each_run(s, channels, |run| {
        T::vectors(RowMoments { x, cols: s.inner, rows: run.map(|i| (i, row_of(s, channels, i))), out });
    });
    (0..c).map(|i| merge(each.iter().skip(i).step_by(c).map(|m| (*m, s.inner as f64)))).collect()
}

/// `mean` and biased `var` of every channel.
pub fn batch_norm_stats<T: Real>(x: &[T], shape: ChannelShape, mean: &mut [T], var: &mut [T]) {
    assert!(x.len() == shape.len() && mean.len() == shape.channels && var.len() == shape.channels);
    for (i, (m, low, v)) in channel_moments(x, shape, &(0..shape.channels)).into_iter().enumerate() {
        mean[i] = m + T::from_f64(low);
        var[i] = if m.is_nan() { T::NAN } else { T::from_f64(v) };
    }
}

/// Training forward: normalises with the batch's statistics; writes `mean`, biased `var` and `rstd = 1 / sqrt(var + eps)`.
pub fn batch_norm<T: Real>(
    x: &[T],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    shape: ChannelShape,
    eps: f64,
    out: &mut [T],
    stats: (&mut [T], &mut [T], &mut [T]),
) {
    assert!(x.len() == shape.len() && out.len() == shape.len());
    let (mean, var, rstd) = (Parts::new(stats.0), Parts::new(stats.1), Parts::new(stats.2));
    let (past, out) = (streams(out, shape.run()), Parts::new(out));
    each_group::<T>(shape, |channels| {
        let mut norm = Vec::with_capacity(channels.len());
        for (c, (m, low, v)) in channels.clone().zip(channel_moments(x, shape, &channels)) {
            let v = if m.is_nan() { f64::NAN } else { v };
            let (low, r) = (T::from_f64(low), T::from_f64(1.0 / (v + eps).sqrt()));
            // SAFETY: each statistic is written once.
            unsafe {
                mean.put(c, m + low);
                var.put(c, T::from_f64(v));
                rstd.put(c, r);
            }
            norm.push(Stat { mean: m, low, rstd: r });
        }
        normalize(x, &norm, weight, bias, (shape, &channels), (&out, past));
    });
}

/// Evaluation forward: `(x - mean) * rstd * weight + bias` with `rstd = 1 / sqrt(var + eps)` given.
pub fn batch_norm_eval<T: Real>(
    x: &[T],
    mean: &[T],
    rstd: &[T],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    shape: ChannelShape,
    out: &mut [T],
) {
    let norm: Vec<_> = mean.iter().zip(rstd).map(|(m, r)| Stat { mean: *m, low: T::ZERO, rstd: *r }).collect();
    assert!(x.len() == shape.len() && out.len() == shape.len());
    let (past, out) = (streams(out, shape.run()), Parts::new(out));
    normalize(x, &norm, weight, bias, (shape, &(0..shape.channels)), (&out, past));
}

/// Writes the rows of some channels, which have the statistics `norm`.
fn normalize<T: Real>(
    x: &[T],
    norm: &[Stat<T>],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    (s, channels): (ChannelShape, &Range<usize>),
    (out, past): (&Parts<T>, bool),
) {
    assert!(norm.len() == channels.len());
    assert!([weight, bias].into_iter().flatten().all(|w| w.len() == s.channels));
    let affine = |f: &dyn Fn(usize) -> T| (0..norm.len()).map(f).collect::<Vec<T>>();
    let mean = affine(&|i| norm[i].mean);
    let scale = affine(&|i| weight.map_or(norm[i].rstd, |w| norm[i].rstd * w[channels.start + i]));
    let shift = affine(&|i| bias.map_or(T::ZERO, |b| b[channels.start + i]) - norm[i].low * scale[i]);
    if s.inner == 1 {
        // SAFETY: all channels are together here, and nobody else writes.
        let out = unsafe { out.get(0..s.len()) };
        return channels_last::normalize(x, &mean, &scale, &shift, s.last(), out, past);
    }
    each_run(s, channels, |run| {
        let of = |r: usize| [&mean, &scale, &shift].map(|v| Same(v[r % s.channels - channels.start]));
        let rows = run.map(|i| row_of(s, channels, i));
        T::vectors(Normalize { x, out, cols: s.inner, past, rows, of });
    });
}

/// What backward needs; `mean` and `rstd` are the ones that the forward used.
#[derive(Clone, Copy)]
pub struct BatchNormBackwardArgs<'a, T> {
    pub dy: &'a [T],
    pub x: &'a [T],
    pub mean: &'a [T],
    pub rstd: &'a [T],
    pub weight: Option<&'a [T]>,
    pub shape: ChannelShape,
    /// Whether the statistics were those of the batch (they then have a gradient).
    pub train: bool,
}

/// `[sum(x - m), sum(dy), sum(dy (x - m))]` of some channels.
fn channel_sums<T: Real>(a: &BatchNormBackwardArgs<T>, channels: &Range<usize>) -> Vec<[f64; 3]> {
    let (s, c) = (a.shape, channels.len());
    if s.inner == 1 {
        return channels_last::sums(a.dy, a.x, a.mean, s.last());
    }
    let mut each = vec![[0.0f64; 3]; s.outer * c];
    let parts = Parts::new(&mut each);
    each_run(s, channels, |run| {
        vectorize(
            #[inline(always)]
            || {
                for i in run {
                    let r = row_of(s, channels, i);
                    let sums = center_sums(row(a.dy, r, s.inner), row(a.x, r, s.inner), a.mean[r % s.channels]);
                    // SAFETY: each element is written once.
                    unsafe { parts.put(i, sums) };
                }
            },
        );
    });
    let add = |i: usize| {
        each.iter().skip(i).step_by(c).fold([0.0; 3], |t: [f64; 3], p| [t[0] + p[0], t[1] + p[1], t[2] + p[2]])
    };
    (0..c).map(add).collect()
}

/// Gradients: `dx = w rstd (dy - mean(dy) - xhat mean(dy xhat))` in training, `dy w rstd` in evaluation;
/// `dweight = sum(dy xhat)`, `dbias = sum(dy)`.
pub fn batch_norm_backward<T: Real>(
    a: BatchNormBackwardArgs<T>,
    dx: Option<&mut [T]>,
    dweight: Option<&mut [T]>,
    dbias: Option<&mut [T]>,
) {
    let s = a.shape;
    assert!(a.x.len() == s.len() && a.dy.len() == s.len() && a.mean.len() == s.channels && a.rstd.len() == s.channels);
    assert!(dx.as_ref().is_none_or(|dx| dx.len() == s.len()) && a.weight.is_none_or(|w| w.len() == s.channels));
    let mut totals = vec![[0.0; 3]; s.channels];
    let past = dx.as_ref().is_some_and(|dx| streams(dx, s.run()));
    let (parts, dx) = (Parts::new(&mut totals), dx.map(Parts::new));
    each_group::<T>(s, |channels| {
        let mut sums = channel_sums(&a, &channels);
        for (c, t) in channels.clone().zip(&mut sums) {
            t[0] = if a.train { t[0] / s.count() } else { 0.0 };
            t[2] = (t[2] - t[0] * t[1]) * a.rstd[c].to_f64();
            // SAFETY: each element is written once.
            unsafe { parts.put(c, *t) };
        }
        if let Some(dx) = &dx {
            input_gradient(&a, &sums, &channels, (dx, past));
        }
    });
    store(dweight, &totals.iter().map(|t| t[2]).collect::<Vec<_>>());
    store(dbias, &totals.iter().map(|t| t[1]).collect::<Vec<_>>());
}

/// `dx = p dy + q (x - mean) + k` with per-channel `p = w rstd`, `q = -p rstd mean(dy xhat)`, `k` the rest, of some channels.
fn input_gradient<T: Real>(
    a: &BatchNormBackwardArgs<T>,
    sums: &[[f64; 3]],
    channels: &Range<usize>,
    (dx, past): (&Parts<T>, bool),
) {
    let (s, n, first) = (a.shape, a.shape.count(), channels.start);
    let coef = |f: &dyn Fn(usize, f64) -> f64| -> Vec<T> {
        (0..sums.len())
            .map(|i| T::from_f64(f(i, a.rstd[first + i].to_f64() * a.weight.map_or(1.0, |w| w[first + i].to_f64()))))
            .collect()
    };
    let on = if a.train { 1.0 } else { 0.0 };
    let slope = |i: usize| sums[i][2] / n * a.rstd[first + i].to_f64();
    let p = coef(&|_, p| p);
    let q = coef(&|i, p| -on * p * slope(i));
    let k = coef(&|i, p| on * p * (slope(i) * sums[i][0] - sums[i][1] / n));
    if s.inner == 1 {
        let slopes = Slopes { mean: a.mean, p: &p, q: &q, k: &k };
        // SAFETY: all channels are together here, and nobody else writes.
        return channels_last::gradient(a.dy, a.x, &slopes, s.last(), unsafe { dx.get(0..s.len()) }, past);
    }
    let mean = &a.mean[channels.clone()];
    each_run(s, channels, |run| {
        let of = |r: usize| [mean, &p, &q, &k].map(|v| Same(v[r % s.channels - first]));
        let rows = run.map(|i| row_of(s, channels, i));
        T::vectors(Gradient { dy: a.dy, x: a.x, dx, cols: s.inner, past, rows, of });
    });
}
