//! Layer norm and RMS norm over rows, forward and backward. Statistics are two-pass with the rounding of the mean
//! carried along, so a large offset costs no accuracy, not even in backward where only the rounded mean is kept.
use super::columns::{COLUMNS_AT_ONCE, SHORT, ahead, each_vector, get, put, put_past, streams, sums_of};
use super::{GRAIN, Parts, flush, par_rows, store};
use crate::vmath::{Lanes, Real, Task};
use crate::{pool, simd};
use std::ops::Range;

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
pub(crate) fn moments<N: Lanes>(x: &[N::T]) -> (N::T, f64, f64) {
    centred_moments::<N, 1, COLUMNS_AT_ONCE>([x])[0]
}

/// Runs a job over a range of rows: short ones in groups of `$rows`, so that their reductions overlap and the affine part
/// is read once for all. What a row gives does not depend on its group.
macro_rules! in_groups {
    ($job:ident, $n:ty, $rows:literal, $range:expr, $cols:expr, $($more:expr),*) => {{
        let range = $range;
        let mut r = range.start;
        if $cols <= SHORT {
            while r + $rows <= range.end {
                $job.group::<$n, $rows, 1>(r, $($more),*);
                r += $rows;
            }
            while r < range.end {
                $job.group::<$n, 1, 1>(r, $($more),*);
                r += 1;
            }
        } else {
            while r < range.end {
                $job.group::<$n, 1, COLUMNS_AT_ONCE>(r, $($more),*);
                r += 1;
            }
        }
    }};
}

struct Forward<'a, T> {
    a: NormArgs<'a, T>,
    past: bool,
    out: Parts<'a, T>,
    mean: Option<Parts<'a, T>>,
    rstd: Parts<'a, T>,
}

struct ForwardRows<'a, T>(&'a Forward<'a, T>, Range<usize>);

impl<T: Real> Task for ForwardRows<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let job = self.0;
        in_groups!(job, V::Narrow, 4, self.1, job.a.cols,);
        simd::drain();
    }
}

impl<T: Real> Forward<'_, T> {
    #[inline(always)]
    fn group<N: Lanes<T = T>, const R: usize, const U: usize>(&self, first: usize) {
        let cols = self.a.cols;
        let x: [&[T]; R] = std::array::from_fn(|r| super::row(self.a.x, first + r, cols));
        let stats = if self.mean.is_some() {
            centred_moments::<N, R, U>(x).map(
                #[inline(always)]
                |(mean, low, var)| Stat { mean, low: T::from_f64(low), rstd: rstd(var, self.a.eps) },
            )
        } else {
            let q = sums_of::<N, R, U, 1>(
                cols,
                #[inline(always)]
                |r, j, n, [q]| {
                    let x = get::<N>(x[r], j, n, T::ZERO);
                    [x.fma(x, q)]
                },
            );
            q.map(|[q]| Stat { mean: T::ZERO, low: T::ZERO, rstd: rstd(q / cols as f64, self.a.eps) })
        };
        for (r, s) in stats.iter().enumerate() {
            // SAFETY: each statistic is written once.
            unsafe {
                self.rstd.put(first + r, s.rstd);
                if let Some(mean) = &self.mean {
                    mean.put(first + r, s.mean + s.low);
                }
            }
        }
        // SAFETY: each row is written once.
        let out: [&mut [T]; R] =
            std::array::from_fn(|r| unsafe { self.out.get((first + r) * cols..(first + r + 1) * cols) });
        let apply = Apply { x, out, stats, past: self.past };
        match (self.a.weight, self.a.bias) {
            (Some(w), Some(b)) => apply.run::<N, true, true>(w, b),
            (Some(w), None) => apply.run::<N, true, false>(w, &[]),
            (None, Some(b)) => apply.run::<N, false, true>(&[], b),
            (None, None) => apply.run::<N, false, false>(&[], &[]),
        }
    }
}

/// The last pass over a group of rows.
struct Apply<'a, T, const R: usize> {
    x: [&'a [T]; R],
    out: [&'a mut [T]; R],
    stats: [Stat<T>; R],
    past: bool,
}

impl<T: Real, const R: usize> Apply<'_, T, R> {
    #[inline(always)]
    fn run<N: Lanes<T = T>, const W: bool, const B: bool>(self, weight: &[T], bias: &[T]) {
        let Apply { x, mut out, stats, past } = self;
        each_vector::<N>(
            x[0].len(),
            #[inline(always)]
            |j, n| {
                let w = if W { get(weight, j, n, T::ZERO) } else { N::c(1.0) };
                let b = if B { get(bias, j, n, T::ZERO) } else { N::c(0.0) };
                for r in 0..R {
                    let s = stats[r];
                    let d = get::<N>(x[r], j, n, T::ZERO) - N::splat(s.mean);
                    ahead(x[r], R, j);
                    let y = d.fma(N::splat(s.rstd), N::splat(-(s.low * s.rstd)));
                    put_past(past, if W { y.fma(w, b) } else { y + b }, out[r], j, n);
                }
            },
        );
    }
}

fn rstd<T: Real>(var: f64, eps: f64) -> T {
    T::from_f64(1.0 / (var + eps).sqrt())
}

/// Columns from which the mean is estimated.
const SAMPLE: usize = 64;

/// Sums of `d = x - c` and of `d^2` with `c` the mean of the first columns; a row whose mean is off by more than half a
/// deviation gets a second pass from there, so that the subtraction below never cancels.
#[inline(always)]
fn centred_moments<N: Lanes, const R: usize, const U: usize>(x: [&[N::T]; R]) -> [(N::T, f64, f64); R] {
    let (cols, n) = (x[0].len(), x[0].len() as f64);
    let (sample, share) = (cols.min(SAMPLE), 1.0 / n); // a division takes longer than all else that is done once for a row
    let first = sums_of::<N, R, U, 1>(
        sample,
        #[inline(always)]
        |r, j, n, [s]| [s + get::<N>(x[r], j, n, N::T::ZERO)],
    );
    let part = 1.0 / sample as f64;
    let mut centre = first.map(|[s]| N::T::from_f64(s * part));
    let mut sums = [[0.0; 2]; R];
    let mut done = [false; R];
    for pass in 0..2 {
        let found = sums_of::<N, R, U, 2>(
            cols,
            #[inline(always)]
            |r, j, n, [s, q]| {
                let d = get::<N>(x[r], j, n, centre[r]) - N::splat(centre[r]);
                [s + d, d.fma(d, q)]
            },
        );
        for r in 0..R {
            if !done[r] {
                sums[r] = found[r];
                let [d, q] = sums[r];
                let far = d * d > 0.2 * n * q;
                done[r] = !far;
            }
        }
        if pass == 1 || done.iter().all(|d| *d) {
            break;
        }
        for r in 0..R {
            if !done[r] {
                centre[r] = N::T::from_f64(centre[r].to_f64() + sums[r][0] * share);
            }
        }
    }
    std::array::from_fn(|r| {
        let ([d, q], c) = (sums[r], centre[r].to_f64());
        let mean = N::T::from_f64(c + d * share);
        let var = (q - d * (d * share)) * share;
        // not `max`, which drops a NaN
        (mean, (c - mean.to_f64()) + d * share, if var < 0.0 { 0.0 } else { var })
    })
}

fn forward<T: Real>(a: NormArgs<T>, out: &mut [T], mean: Option<&mut [T]>, rstd: &mut [T]) {
    let n = a.rows * a.cols;
    assert!(a.x.len() == n && out.len() == n && rstd.len() == a.rows);
    assert!([a.weight, a.bias].into_iter().flatten().all(|w| w.len() == a.cols));
    let past = streams(out, a.cols);
    let job = Forward { a, past, out: Parts::new(out), mean: mean.map(Parts::new), rstd: Parts::new(rstd) };
    par_rows(a.rows, a.cols, |range| T::vectors(ForwardRows(&job, range)));
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

/// `dx = rstd * (g - mean(g) - xhat * mean(g xhat))`, `g = dy * weight`; the sums of `dy * xhat` and of `dy` over rows.
struct Backward<'a, T> {
    a: NormBackwardArgs<'a, T>,
    dx: Parts<'a, T>,
}

/// A chunk of rows, the sums in `T` of some of them (`dw`, then `db`; each may be empty), and those of all in f64.
struct BackwardRows<'a, T> {
    job: &'a Backward<'a, T>,
    range: Range<usize>,
    dw: &'a mut [T],
    db: &'a mut [T],
    total: &'a mut [f64],
}

/// Rows whose gradients are summed in the type itself.
const FLUSH: usize = 64;

impl<T: Real> Task for BackwardRows<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let (job, dw, db) = (self.job, self.dw, self.db);
        let (total_w, total_b) = self.total.split_at_mut(dw.len());
        for start in self.range.clone().step_by(FLUSH) {
            let end = (start + FLUSH).min(self.range.end);
            in_groups!(job, V::Narrow, 2, start..end, job.a.cols, dw, db);
            flush(dw, total_w);
            flush(db, total_b);
        }
    }
}

/// What the gradient of a row is made of: `dx = dy weight rstd + d slope + shift`, `d = x - mean - low`.
#[derive(Clone, Copy)]
struct Coefficients<T> {
    mean: T,
    rstd: T,
    low: T,
    slope: T,
    shift: T,
}

impl<T: Real> Backward<'_, T> {
    #[inline(always)]
    fn group<N: Lanes<T = T>, const R: usize, const U: usize>(&self, first: usize, dw: &mut [T], db: &mut [T]) {
        let (a, cols) = (&self.a, self.a.cols);
        let x: [&[T]; R] = std::array::from_fn(|r| super::row(a.x, first + r, cols));
        let dy: [&[T]; R] = std::array::from_fn(|r| super::row(a.dy, first + r, cols));
        let c = self.coefficients::<N, R, U>(x, dy, first);
        // SAFETY: each row is written once.
        let dx: [&mut [T]; R] =
            std::array::from_fn(|r| unsafe { self.dx.get((first + r) * cols..(first + r + 1) * cols) });
        let spread = Spread { x, dy, dx, c };
        match (a.weight, db.is_empty()) {
            (Some(w), false) => spread.run::<N, true, true>(w, dw, db),
            (Some(w), true) => spread.run::<N, true, false>(w, dw, db),
            (None, false) => spread.run::<N, false, true>(&[], dw, db),
            (None, true) => spread.run::<N, false, false>(&[], dw, db),
        }
    }

    #[inline(always)]
    fn coefficients<N: Lanes<T = T>, const R: usize, const U: usize>(
        &self,
        x: [&[T]; R],
        dy: [&[T]; R],
        first: usize,
    ) -> [Coefficients<T>; R] {
        let (a, cols) = (&self.a, self.a.cols);
        let mean: [T; R] = std::array::from_fn(|r| a.mean.map_or(T::ZERO, |m| m[first + r]));
        let sums = if a.mean.is_some() {
            sums_of::<N, R, U, 3>(
                cols,
                #[inline(always)]
                |r, j, n, [s, t, q]| {
                    let (g, d) =
                        (weighted::<N>(dy[r], a.weight, j, n), get::<N>(x[r], j, n, mean[r]) - N::splat(mean[r]));
                    [s + d, t + g, g.fma(d, q)]
                },
            )
        } else {
            sums_of::<N, R, U, 1>(
                cols,
                #[inline(always)]
                |r, j, n, [q]| [weighted::<N>(dy[r], a.weight, j, n).fma(get(x[r], j, n, T::ZERO), q)],
            )
            .map(|[q]| [0.0, 0.0, q])
        };
        let share = 1.0 / cols as f64;
        std::array::from_fn(|r| {
            let ([d, g, dot], rstd) = (sums[r], a.rstd[first + r].to_f64());
            let low = d * share;
            let slope = -(dot - low * g) * rstd * rstd * share * rstd;
            Coefficients {
                mean: mean[r],
                rstd: a.rstd[first + r],
                low: T::from_f64(low),
                slope: T::from_f64(slope),
                shift: T::from_f64(-g * share * rstd),
            }
        })
    }
}

/// The last pass over a group of rows.
struct Spread<'a, T, const R: usize> {
    x: [&'a [T]; R],
    dy: [&'a [T]; R],
    dx: [&'a mut [T]; R],
    c: [Coefficients<T>; R],
}

impl<T: Real, const R: usize> Spread<'_, T, R> {
    /// `W`: there is a weight, whose gradient is wanted; `B`: that of a bias is.
    #[inline(always)]
    fn run<N: Lanes<T = T>, const W: bool, const B: bool>(self, weight: &[T], dw: &mut [T], db: &mut [T]) {
        let Spread { x, dy, mut dx, c } = self;
        each_vector::<N>(
            x[0].len(),
            #[inline(always)]
            |j, n| {
                let w = if W { get(weight, j, n, T::ZERO) } else { N::c(1.0) };
                let mut w_sum = if W { get(dw, j, n, T::ZERO) } else { N::c(0.0) };
                let mut b_sum = if B { get(db, j, n, T::ZERO) } else { N::c(0.0) };
                for r in 0..R {
                    let Coefficients { mean, rstd, low, slope, shift } = c[r];
                    let g = get::<N>(dy[r], j, n, T::ZERO);
                    let d = (get::<N>(x[r], j, n, T::ZERO) - N::splat(mean)) - N::splat(low);
                    ahead(dy[r], R, j);
                    ahead(x[r], R, j);
                    let scaled = g * N::splat(rstd);
                    let rest = d.fma(N::splat(slope), N::splat(shift));
                    put(if W { scaled.fma(w, rest) } else { scaled + rest }, dx[r], j, n);
                    w_sum = if W { scaled.fma(d, w_sum) } else { w_sum };
                    b_sum = if B { b_sum + g } else { b_sum };
                }
                if W {
                    put(w_sum, dw, j, n);
                }
                if B {
                    put(b_sum, db, j, n);
                }
            },
        );
    }
}

/// `dy * weight`
#[inline(always)]
fn weighted<N: Lanes>(dy: &[N::T], weight: Option<&[N::T]>, j: usize, n: usize) -> N {
    let g = get::<N>(dy, j, n, N::T::ZERO);
    weight.map_or(g, |w| g * get(w, j, n, N::T::ZERO))
}

fn backward<T: Real>(a: NormBackwardArgs<T>, dx: &mut [T], dweight: Option<&mut [T]>, dbias: Option<&mut [T]>) {
    let (n, cols) = (a.rows * a.cols, a.cols);
    assert!(a.x.len() == n && a.dy.len() == n && dx.len() == n && a.rstd.len() == a.rows);
    assert!(a.mean.is_none_or(|m| m.len() == a.rows) && a.weight.is_none_or(|w| w.len() == cols));
    let ones = vec![T::ONE; if a.weight.is_none() && dweight.is_some() { cols } else { 0 }];
    let a = NormBackwardArgs { weight: a.weight.or((!ones.is_empty()).then_some(&ones)), ..a };
    let (wide, deep) = (a.weight.is_some() as usize * cols, dbias.is_some() as usize * cols);
    let chunks = pool::split(a.rows, (GRAIN / 2 / cols.max(1)).max(16));
    let width = wide + deep;
    let mut partial = vec![0.0f64; chunks * width];
    let (totals, job) = (Parts::new(&mut partial), Backward { a, dx: Parts::new(dx) });
    pool::for_each_chunk(chunks, |i| {
        let mut acc = vec![T::ZERO; width];
        let (dw, db) = acc.split_at_mut(wide);
        // SAFETY: one part per chunk.
        let total = unsafe { totals.get(i * width..(i + 1) * width) };
        T::vectors(BackwardRows { job: &job, range: pool::range(a.rows, chunks, i), dw, db, total });
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
