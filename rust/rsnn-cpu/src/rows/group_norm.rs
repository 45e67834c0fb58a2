//! Norm over rows with one weight and bias per channel (group norm; instance norm with one channel per group): a row is
//! one group of one sample, `[channels, inner]` contiguous.
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
                    let low = d / cols as f64;
                    let (mut c1, mut c2) = (0.0, 0.0);
                    for (c, p) in part.iter_mut().enumerate() {
                        p[0] = (p[0] - low * p[1]) * rs;
                        let w = weight.map_or(1.0, |w| w[shape.channel(r, c)].to_f64());
                        c2 += w * p[0] / cols as f64;
                        c1 += w * p[1] / cols as f64;
                    }
                    let (low, c1, c2, rs) = (T::from_f64(low), T::from_f64(c1), T::from_f64(c2), rstd[r]);
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
    let width = shape.groups * chans;
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
