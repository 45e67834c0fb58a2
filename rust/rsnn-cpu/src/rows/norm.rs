//! Layer norm and RMS norm over rows, forward and backward. Statistics are two-pass with the rounding of the mean
//! carried along, so a large offset costs no accuracy, not even in backward where only the rounded mean is kept.
use super::{GRAIN, Parts, flush, par_rows, row, store, sums};
use crate::pool;
use crate::simd::vectorize;
use crate::vmath::Real;

/// Rows to normalise and the affine part, one weight and bias per column.
#[derive(Clone, Copy)]
pub struct NormArgs<'a, T> {
    pub x: &'a [T],
    pub weight: Option<&'a [T]>,
    pub bias: Option<&'a [T]>,
    pub rows: usize,
    pub cols: usize,
    pub eps: f64,
}

/// What backward needs: gradient of the output, the input, and the saved statistics.
#[derive(Clone, Copy)]
pub struct NormBackwardArgs<'a, T> {
    pub dy: &'a [T],
    pub x: &'a [T],
    /// Saved mean of each row; RMS norm has none.
    pub mean: Option<&'a [T]>,
    pub rstd: &'a [T],
    pub weight: Option<&'a [T]>,
    pub rows: usize,
    pub cols: usize,
}

/// Centre and scale of one row: `(x - mean - low) * rstd`.
#[derive(Clone, Copy)]
pub(crate) struct Stat<T> {
    pub mean: T,
    pub low: T,
    pub rstd: T,
}

/// Mean of a row as `(rounded, rest)` and the biased variance.
#[inline(always)]
pub(crate) fn moments<T: Real>(x: &[T]) -> (T, f64, f64) {
    let n = x.len() as f64;
    let mean = T::from_f64(
        sums(
            x,
            x,
            (T::ZERO, T::ZERO),
            #[inline(always)]
            |v, _| [v],
        )[0] / n,
    );
    let [d, q] = sums(
        x,
        x,
        (mean, mean),
        #[inline(always)]
        |v, _| {
            let d = v - mean;
            [d, d * d]
        },
    );
    (mean, d / n, ((q - d * (d / n)) / n).max(0.0))
}

#[inline(always)]
fn stat<T: Real>(x: &[T], eps: f64, center: bool) -> Stat<T> {
    if center {
        let (mean, low, var) = moments(x);
        // `max` drops a NaN: take it back from the mean
        let rstd = if mean.is_nan() { T::NAN } else { T::from_f64(1.0 / (var + eps).sqrt()) };
        Stat { mean, low: T::from_f64(low), rstd }
    } else {
        let q = sums(
            x,
            x,
            (T::ZERO, T::ZERO),
            #[inline(always)]
            |v, _| [v * v],
        )[0];
        Stat { mean: T::ZERO, low: T::ZERO, rstd: T::from_f64(1.0 / (q / x.len() as f64 + eps).sqrt()) }
    }
}

#[inline(always)]
fn normalize_row<T: Real>(x: &[T], out: &mut [T], s: Stat<T>, weight: Option<&[T]>, bias: Option<&[T]>) {
    let xs = out.iter_mut().zip(x);
    match (weight, bias) {
        (Some(w), Some(b)) => xs.zip(w).zip(b).for_each(
            #[inline(always)]
            |(((o, x), w), b)| *o = ((*x - s.mean) - s.low) * s.rstd * *w + *b,
        ),
        (Some(w), None) => xs.zip(w).for_each(
            #[inline(always)]
            |((o, x), w)| *o = ((*x - s.mean) - s.low) * s.rstd * *w,
        ),
        (None, Some(b)) => xs.zip(b).for_each(
            #[inline(always)]
            |((o, x), b)| *o = ((*x - s.mean) - s.low) * s.rstd + *b,
        ),
        (None, None) => xs.for_each(
            #[inline(always)]
            |(o, x)| *o = ((*x - s.mean) - s.low) * s.rstd,
        ),
    }
}

fn forward<T: Real>(a: NormArgs<T>, out: &mut [T], mean: Option<&mut [T]>, rstd: &mut [T]) {
    let n = a.rows * a.cols;
    assert!(a.x.len() == n && out.len() == n && rstd.len() == a.rows);
    assert!([a.weight, a.bias].into_iter().flatten().all(|w| w.len() == a.cols));
    let center = mean.is_some();
    let (out, mean, rstd) = (Parts::new(out), mean.map(Parts::new), Parts::new(rstd));
    par_rows(a.rows, a.cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    let x = row(a.x, r, a.cols);
                    let s = stat(x, a.eps, center);
                    // SAFETY: each row and each statistic is written once.
                    unsafe {
                        normalize_row(x, out.get(r * a.cols..(r + 1) * a.cols), s, a.weight, a.bias);
                        rstd.put(r, s.rstd);
                        if let Some(mean) = &mean {
                            mean.put(r, s.mean + s.low);
                        }
                    }
                }
            },
        );
    });
}

/// `out = (x - mean) / sqrt(var + eps) * weight + bias` in each row; saves `mean` and `rstd`, one per row.
pub fn layer_norm<T: Real>(args: NormArgs<T>, out: &mut [T], mean: &mut [T], rstd: &mut [T]) {
    assert!(mean.len() == args.rows);
    forward(args, out, Some(mean), rstd);
}

/// `out = x / sqrt(mean(x^2) + eps) * weight` in each row; saves `rstd`, one per row.
pub fn rms_norm<T: Real>(args: NormArgs<T>, out: &mut [T], rstd: &mut [T]) {
    forward(args, out, None, rstd);
}

/// Backward of one row: `dx = rstd * (g - mean(g) - xhat * mean(g xhat))`, `g = dy * weight`; adds `dy * xhat` to `dw` and
/// `dy` to `db` (empty: not wanted).
#[inline(always)]
fn backward_row<T: Real>(
    dy: &[T],
    x: &[T],
    w: Option<&[T]>,
    s: (T, T),
    center: bool,
    dx: &mut [T],
    dw: &mut [T],
    db: &mut [T],
) {
    let (mean, rstd) = s;
    let n = x.len() as f64;
    // dx first holds g, so that the sums and the last loop are the same with and without weight
    let g: &[T] = match w {
        Some(w) => {
            for ((o, g), w) in dx.iter_mut().zip(dy).zip(w) {
                *o = *g * *w;
            }
            dx
        }
        None => dy,
    };
    let [d, g_sum, dot] = sums(
        g,
        x,
        (T::ZERO, mean),
        #[inline(always)]
        |g, x| {
            let d = x - mean;
            [d, g, g * d]
        },
    );
    let low = if center { d / n } else { 0.0 };
    let rstd64 = rstd.to_f64();
    let c1 = T::from_f64(if center { g_sum / n } else { 0.0 });
    let c2 = T::from_f64((dot - low * g_sum) * rstd64 / n);
    let low = T::from_f64(low);
    if w.is_none() {
        dx.copy_from_slice(dy);
    }
    for (o, x) in dx.iter_mut().zip(x) {
        *o = rstd * ((*o - c1) - ((*x - mean) - low) * rstd * c2);
    }
    for ((a, g), x) in dw.iter_mut().zip(dy).zip(x) {
        *a += *g * (((*x - mean) - low) * rstd);
    }
    for (a, g) in db.iter_mut().zip(dy) {
        *a += *g;
    }
}

fn backward<T: Real>(a: NormBackwardArgs<T>, dx: &mut [T], dweight: Option<&mut [T]>, dbias: Option<&mut [T]>) {
    let (n, cols) = (a.rows * a.cols, a.cols);
    assert!(a.x.len() == n && a.dy.len() == n && dx.len() == n && a.rstd.len() == a.rows);
    assert!(a.mean.is_none_or(|m| m.len() == a.rows) && a.weight.is_none_or(|w| w.len() == cols));
    let (wide, deep) = (dweight.is_some() as usize * cols, dbias.is_some() as usize * cols);
    let chunks = pool::split(a.rows, (GRAIN / 2 / cols.max(1)).max(16));
    let width = wide + deep;
    let mut partial = vec![0.0f64; chunks * width];
    let (totals, dx) = (Parts::new(&mut partial), Parts::new(dx));
    pool::for_each_chunk(chunks, |i| {
        let range = pool::range(a.rows, chunks, i);
        let mut acc = vec![T::ZERO; width];
        // SAFETY: one part per chunk.
        let total = unsafe { totals.get(i * width..(i + 1) * width) };
        vectorize(
            #[inline(always)]
            || {
                for r in range.clone() {
                    let (dy, x) = (row(a.dy, r, cols), row(a.x, r, cols));
                    // SAFETY: each row is written once.
                    let dx = unsafe { dx.get(r * cols..(r + 1) * cols) };
                    let mean = a.mean.map_or(T::ZERO, |m| m[r]);
                    let (dw, db) = acc.split_at_mut(wide);
                    backward_row(dy, x, a.weight, (mean, a.rstd[r]), a.mean.is_some(), dx, dw, db);
                    if r % 64 == 63 || r + 1 == range.end {
                        flush(&mut acc, total);
                    }
                }
            },
        );
    });
    let total = super::add_chunks(partial, width);
    store(dweight, &total[..wide]);
    store(dbias, &total[wide..]);
}

/// Gradients of `layer_norm`; `mean` must be given.
pub fn layer_norm_backward<T: Real>(
    args: NormBackwardArgs<T>,
    dx: &mut [T],
    dweight: Option<&mut [T]>,
    dbias: Option<&mut [T]>,
) {
    assert!(args.mean.is_some());
    backward(args, dx, dweight, dbias);
}

/// Gradients of `rms_norm`; `mean` must be none.
pub fn rms_norm_backward<T: Real>(args: NormBackwardArgs<T>, dx: &mut [T], dweight: Option<&mut [T]>) {
    assert!(args.mean.is_none());
    backward(args, dx, dweight, None);
}
