//! Norm over rows with one weight and bias per channel (group norm; instance norm with one channel per group): a row is
//! one group of one sample, `[channels, inner]` contiguous.
use super::channels_last::{self, Last, Slopes, merge};
use super::norm::moments;
use super::{Parts, par_rows, row, store, sums};
use crate::simd::vectorize;
use crate::vmath::Real;

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
    let (out, mean, rstd) = (Parts::new(out), Parts::new(mean), Parts::new(rstd));
    par_rows(rows, cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let x = row(x, r, cols);
                    let (m, low, var) = moments(x);
                    let rs = if m.is_nan() { T::NAN } else { T::from_f64(1.0 / (var + eps).sqrt()) };
                    let low = T::from_f64(low);
                    // SAFETY: each row and each statistic is written once.
                    let out = unsafe {
                        mean.put(r, m + low);
                        rstd.put(r, rs);
                        out.get(r * cols..(r + 1) * cols)
                    };
                    for c in 0..shape.channels {
                        let ch = shape.channel(r, c);
                        let scale = weight.map_or(rs, |w| rs * w[ch]);
                        let shift = bias.map_or(T::ZERO, |b| b[ch]);
                        for (o, x) in out[c * inner..(c + 1) * inner].iter_mut().zip(row(x, c, inner)) {
                            *o = ((*x - m) - low) * scale + shift;
                        }
                    }
                }
            },
        );
    });
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
    let (parts, dx) = (Parts::new(&mut partial), Parts::new(dx));
    par_rows(rows, cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let (dy, x, m, rs) = (row(dy, r, cols), row(x, r, cols), mean[r], rstd[r].to_f64());
                    // SAFETY: each row is written once.
                    let (dx, part) =
                        unsafe { (dx.get(r * cols..(r + 1) * cols), parts.get(r * chans..(r + 1) * chans)) };
                    let mut d = 0.0;
                    for (c, p) in part.iter_mut().enumerate() {
                        let [dc, g, dot] = center_sums(row(dy, c, inner), row(x, c, inner), m);
                        d += dc;
                        *p = [dot, g];
                    }
                    let weight_of = |c: usize| weight.map_or(1.0, |w| w[shape.channel(r, c)].to_f64());
                    let means = Means::of(part, d, rs, weight_of, shape);
                    let (low, rs) = (T::from_f64(means.low), rstd[r]);
                    let (c1, c2) = (T::from_f64(means.dy), T::from_f64(means.dot));
                    for c in 0..chans {
                        let w = weight.map_or(T::ONE, |w| w[shape.channel(r, c)]);
                        let o = &mut dx[c * inner..(c + 1) * inner];
                        for ((o, g), x) in o.iter_mut().zip(row(dy, c, inner)).zip(row(x, c, inner)) {
                            *o = rs * ((*g * w - c1) - ((*x - m) - low) * rs * c2);
                        }
                    }
                }
            },
        );
    });
    store_affine(&partial, shape, dweight, dbias);
}

impl GroupShape {
    /// The same with channels side by side.
    fn last(self) -> Last {
        Last { samples: self.samples, rows: self.inner, channels: self.groups * self.channels }
    }

    /// Numbers of every channel of every sample, `f(row, affine channel)`; a row is a group of a sample.
    fn spread<T>(self, f: impl Fn(usize, usize) -> T) -> Vec<T> {
        (0..self.rows())
            .flat_map(|r| (0..self.channels).map(move |c| (r, c)))
            .map(|(r, c)| f(r, self.channel(r, c)))
            .collect()
    }
}

/// `group_norm` of `[samples, inner, groups * channels]`.
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
    assert!(mean.len() == shape.rows() && rstd.len() == shape.rows());
    let each = channels_last::moments(x, shape.last());
    let group = |r: usize| merge(row(&each, r, shape.channels).iter().map(|m| (*m, shape.inner as f64)));
    let mut stats = Vec::with_capacity(shape.rows());
    for (r, (high, low, var)) in (0..shape.rows()).map(group).enumerate() {
        let low = T::from_f64(low);
        rstd[r] = if high.is_nan() { T::NAN } else { T::from_f64(1.0 / (var + eps).sqrt()) };
        mean[r] = high + low;
        stats.push((high, low, rstd[r]));
    }
    let centre = shape.spread(|r, _| stats[r].0);
    let scale = shape.spread(|r, c| weight.map_or(stats[r].2, |w| stats[r].2 * w[c]));
    let shift = shape.spread(|r, c| {
        let scale = weight.map_or(stats[r].2, |w| stats[r].2 * w[c]);
        bias.map_or(T::ZERO, |b| b[c]) - stats[r].1 * scale
    });
    channels_last::normalize(x, &centre, &scale, &shift, shape.last(), out);
}

/// `group_norm_backward` of `[samples, inner, groups * channels]`.
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
    assert!(mean.len() == shape.rows() && rstd.len() == shape.rows());
    let centre = shape.spread(|r, _| mean[r]);
    let each = channels_last::sums(dy, x, &centre, shape.last());
    let (mut partial, mut means) = (Vec::with_capacity(each.len()), Vec::with_capacity(shape.rows()));
    for r in 0..shape.rows() {
        let sums = row(&each, r, shape.channels);
        partial.extend(sums.iter().map(|s| [s[2], s[1]]));
        let off = sums.iter().map(|s| s[0]).sum();
        let part = &mut partial[r * shape.channels..];
        means.push(Means::of(
            part,
            off,
            rstd[r].to_f64(),
            |c| weight.map_or(1.0, |w| w[shape.channel(r, c)].to_f64()),
            shape,
        ));
    }
    let rs = |r: usize| rstd[r].to_f64();
    let p = shape.spread(|r, c| weight.map_or(rstd[r], |w| rstd[r] * w[c]));
    let q = shape.spread(|r, _| T::from_f64(-rs(r) * rs(r) * means[r].dot));
    let k = shape.spread(|r, _| T::from_f64(rs(r) * (means[r].low * rs(r) * means[r].dot - means[r].dy)));
    channels_last::gradient(dy, x, &Slopes { mean: &centre, p: &p, q: &q, k: &k }, shape.last(), dx);
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
