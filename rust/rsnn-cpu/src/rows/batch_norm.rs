//! Batch norm over `[outer, channels, inner]` (N, C, spatial): statistics, normalisation, backward. `inner == 1` (N, C, or
//! channels last) runs along whole rows of channels.
use super::channels_last::{self, Last, Moments, Slopes, merge};
use super::group_norm::center_sums;
use super::norm::{Stat, moments};
use super::{Parts, par_rows, row, store};
use crate::simd::vectorize;
use crate::vmath::Real;

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
    /// The same for `inner == 1`.
    fn last(&self) -> Last {
        Last { samples: 1, rows: self.outer, channels: self.channels }
    }
}

/// Mean (rounded and rest) and biased variance of every channel.
fn channel_moments<T: Real>(x: &[T], s: ChannelShape) -> Vec<Moments<T>> {
    let c = s.channels;
    if s.inner == 1 {
        return channels_last::moments(x, s.last());
    }
    let rows = s.outer * c;
    let mut each = vec![(T::ZERO, 0.0, 0.0); rows];
    let parts = Parts::new(&mut each);
    par_rows(rows, s.inner, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    // SAFETY: each element is written once.
                    unsafe { parts.put(r, moments(row(x, r, s.inner))) };
                }
            },
        );
    });
    (0..c).map(|i| merge(each.iter().skip(i).step_by(c).map(|m| (*m, s.inner as f64)))).collect()
}

/// `mean` and biased `var` of every channel.
pub fn batch_norm_stats<T: Real>(x: &[T], shape: ChannelShape, mean: &mut [T], var: &mut [T]) {
    assert!(x.len() == shape.len() && mean.len() == shape.channels && var.len() == shape.channels);
    for (i, (m, low, v)) in channel_moments(x, shape).into_iter().enumerate() {
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
    assert!(x.len() == shape.len());
    let (mean, var, rstd) = stats;
    let mut norm = Vec::with_capacity(shape.channels);
    for (i, (m, low, v)) in channel_moments(x, shape).into_iter().enumerate() {
        let v = if m.is_nan() { f64::NAN } else { v };
        let low = T::from_f64(low);
        (mean[i], var[i], rstd[i]) = (m + low, T::from_f64(v), T::from_f64(1.0 / (v + eps).sqrt()));
        norm.push(Stat { mean: m, low, rstd: rstd[i] });
    }
    normalize(x, &norm, weight, bias, shape, out);
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
    normalize(x, &norm, weight, bias, shape, out);
}

fn normalize<T: Real>(
    x: &[T],
    norm: &[Stat<T>],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    s: ChannelShape,
    out: &mut [T],
) {
    assert!(x.len() == s.len() && out.len() == s.len() && norm.len() == s.channels);
    assert!([weight, bias].into_iter().flatten().all(|w| w.len() == s.channels));
    let affine = |f: &dyn Fn(usize) -> T| (0..s.channels).map(f).collect::<Vec<T>>();
    let mean = affine(&|c| norm[c].mean);
    let scale = affine(&|c| weight.map_or(norm[c].rstd, |w| norm[c].rstd * w[c]));
    let shift = affine(&|c| bias.map_or(T::ZERO, |b| b[c]) - norm[c].low * scale[c]);
    if s.inner == 1 {
        return channels_last::normalize(x, &mean, &scale, &shift, s.last(), out);
    }
    let (out, cols) = (Parts::new(out), s.inner);
    par_rows(s.outer * s.channels, cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    // SAFETY: each row is written once.
                    let (x, out) = (row(x, r, cols), unsafe { out.get(r * cols..(r + 1) * cols) });
                    let c = r % s.channels;
                    let (m, a, b) = (mean[c], scale[c], shift[c]);
                    for (o, x) in out.iter_mut().zip(x) {
                        *o = (*x - m) * a + b;
                    }
                }
            },
        );
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

/// `[sum(x - m), sum(dy), sum(dy (x - m))]` of every channel.
fn channel_sums<T: Real>(a: &BatchNormBackwardArgs<T>) -> Vec<[f64; 3]> {
    let (s, c) = (a.shape, a.shape.channels);
    if s.inner == 1 {
        return channels_last::sums(a.dy, a.x, a.mean, s.last());
    }
    let rows = s.outer * c;
    let mut each = vec![[0.0f64; 3]; rows];
    let parts = Parts::new(&mut each);
    par_rows(rows, s.inner, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let sums = center_sums(row(a.dy, r, s.inner), row(a.x, r, s.inner), a.mean[r % c]);
                    // SAFETY: each element is written once.
                    unsafe { parts.put(r, sums) };
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
    let n = s.count();
    let mut sums = channel_sums(&a);
    for (t, rstd) in sums.iter_mut().zip(a.rstd) {
        t[0] = if a.train { t[0] / n } else { 0.0 };
        t[2] = (t[2] - t[0] * t[1]) * rstd.to_f64();
    }
    store(dweight, &sums.iter().map(|t| t[2]).collect::<Vec<_>>());
    store(dbias, &sums.iter().map(|t| t[1]).collect::<Vec<_>>());
    if let Some(dx) = dx {
        input_gradient(&a, &sums, dx);
    }
}

/// `dx = p dy + q (x - mean) + k` with per-channel `p = w rstd`, `q = -p rstd mean(dy xhat)`, `k` the rest.
fn input_gradient<T: Real>(a: &BatchNormBackwardArgs<T>, sums: &[[f64; 3]], dx: &mut [T]) {
    let (s, n) = (a.shape, a.shape.count());
    assert!(dx.len() == s.len() && a.weight.is_none_or(|w| w.len() == s.channels));
    let coef = |f: &dyn Fn(usize, f64) -> f64| -> Vec<T> {
        (0..s.channels)
            .map(|c| T::from_f64(f(c, a.rstd[c].to_f64() * a.weight.map_or(1.0, |w| w[c].to_f64()))))
            .collect()
    };
    let on = if a.train { 1.0 } else { 0.0 };
    let slope = |c: usize| sums[c][2] / n * a.rstd[c].to_f64();
    let p = coef(&|_, p| p);
    let q = coef(&|c, p| -on * p * slope(c));
    let k = coef(&|c, p| on * p * (slope(c) * sums[c][0] - sums[c][1] / n));
    if s.inner == 1 {
        let slopes = Slopes { mean: a.mean, p: &p, q: &q, k: &k };
        return channels_last::gradient(a.dy, a.x, &slopes, s.last(), dx);
    }
    let (dx, cols) = (Parts::new(dx), s.inner);
    par_rows(s.outer * s.channels, cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    // SAFETY: each row is written once.
                    let (x, dy, dx) =
                        (row(a.x, r, cols), row(a.dy, r, cols), unsafe { dx.get(r * cols..(r + 1) * cols) });
                    let c = r % s.channels;
                    let (m, p, q, k) = (a.mean[c], p[c], q[c], k[c]);
                    for (o, (x, g)) in dx.iter_mut().zip(x.iter().zip(dy)) {
                        *o = p * *g + q * (*x - m) + k;
                    }
                }
            },
        );
    });
}
