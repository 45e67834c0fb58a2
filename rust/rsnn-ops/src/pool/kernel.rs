//! Kernels of pooling: planes in parallel, each window read in order.
use super::windows::{Run, Span, Windows};
use rsnn_core::Element;
use rsnn_cpu::pool::{self, SendPtr};
use rsnn_cpu::simd::vectorize;
use rsnn_cpu::vmath::Real;
use std::borrow::Borrow;
use std::ops::Range;
use std::sync::OnceLock;

fn each_plane(planes: usize, cost: usize, f: impl Fn(usize) + Sync) {
    let chunks = pool::split(planes * cost, 1 << 15).min(planes.max(1));
    pool::for_each_chunk(chunks, |i| pool::range(planes, chunks, i).for_each(&f));
}

/// Plane `i` of a buffer written plane by plane.
///
/// # Safety
/// The buffer holds it and only one task uses it.
#[allow(clippy::mut_from_ref)]
unsafe fn plane<'a, T>(p: SendPtr<T>, i: usize, len: usize) -> &'a mut [T] {
    // SAFETY: the caller's contract.
    unsafe { std::slice::from_raw_parts_mut(p.get().add(i * len), len) }
}

/// Largest elements and their places; `of(i)` are the windows of plane `i`.
pub(super) fn max<T: Element, W: Borrow<Windows>>(
    of: impl Fn(usize) -> W + Sync,
    [from, to]: [usize; 2],
    cost: usize,
    x: &[T],
    y: &mut [T],
    places: &mut [i64],
) {
    if y.is_empty() {
        return;
    }
    let (py, pp) = (SendPtr(y.as_mut_ptr()), SendPtr(places.as_mut_ptr()));
    each_plane(y.len() / to, cost, |i| {
        // SAFETY: one task per plane; both outputs have the same shape.
        let (y, places) = unsafe { (plane(py, i, to), plane(pp, i, to)) };
        let (windows, x) = (of(i), &x[i * from..][..from]);
        vectorize(
            #[inline(always)]
            || max_plane(windows.borrow(), x, y, places),
        );
    });
}

/// Windows computed together.
const LANES: usize = 8;

#[inline(always)]
fn max_plane<T: Element>(w: &Windows, x: &[T], y: &mut [T], places: &mut [i64]) {
    let (run, columns) = (w.run, w.axes[2].len());
    let mut rows = Vec::new();
    let mut out = y.chunks_exact_mut(columns).zip(places.chunks_exact_mut(columns));
    for d in &w.axes[0] {
        for h in &w.axes[1] {
            let Some((y, places)) = out.next() else { return };
            rows.clear();
            rows.extend(rows_of(w, d, h));
            let wide = run.count >= LANES && !rows.is_empty();
            let (first, count) = if wide { (run.first, run.count) } else { (0, 0) };
            if wide {
                let (y, places) = (&mut y[first..][..count], &mut places[first..][..count]);
                match run.stride {
                    1 => max_run::<T, 1>(&rows, run, w.step[2], x, y, places),
                    2 => max_run::<T, 2>(&rows, run, w.step[2], x, y, places),
                    _ => max_run::<T, 0>(&rows, run, w.step[2], x, y, places),
                }
            }
            let start = (d.start * w.input[1] + h.start) * w.input[2];
            for c in (0..first).chain(first + count..columns) {
                (y[c], places[c]) = max_window(&rows, start, w.axes[2][c], w.step[2], x);
            }
        }
    }
}

/// First elements of the image's rows that windows at `d`, `h` read.
#[inline(always)]
fn rows_of(w: &Windows, d: &Span, h: &Span) -> impl Iterator<Item = usize> {
    let ([_, high, wide], [sd, sh, _]) = (w.input, w.step);
    let h = *h;
    (d.start..d.end).step_by(sd).flat_map(move |i| (h.start..h.end).step_by(sh).map(move |j| (i * high + j) * wide))
}

#[inline(always)]
fn max_window<T: Element>(rows: &[usize], start: usize, c: Span, step: usize, x: &[T]) -> (T, i64) {
    let mut at = start + c.start;
    let mut best = x.get(at).copied().unwrap_or_default();
    for row in rows {
        let mut k = row + c.start;
        while k < row + c.end {
            let v = x[k];
            #[allow(clippy::eq_op)]
            let nan = v != v;
            if v > best || nan {
                (best, at) = (v, k);
            }
            k += step;
        }
    }
    (best, at as i64)
}

/// Windows of a run, eight at a time; the last eight may overlap others. `S` is the stride, 0 for any.
#[inline(always)]
fn max_run<T: Element, const S: usize>(
    rows: &[usize],
    run: Run,
    step: usize,
    x: &[T],
    y: &mut [T],
    places: &mut [i64],
) {
    let mut b = 0;
    while b < run.count {
        b = b.min(run.count - LANES);
        let start = run.start + b * run.stride;
        let mut best = strided::<T, S>(x, rows[0] + start, run.stride);
        let mut found = [(rows[0] + start) as u32; LANES];
        for row in rows {
            for k in 0..run.taps {
                let at = row + start + k * step;
                let v = strided::<T, S>(x, at, run.stride);
                for l in 0..LANES {
                    #[allow(clippy::eq_op)]
                    let take = (v[l] > best[l]) | (v[l] != v[l]);
                    best[l] = if take { v[l] } else { best[l] };
                    found[l] = if take { at as u32 } else { found[l] };
                }
            }
        }
        y[b..][..LANES].copy_from_slice(&best);
        for (l, (place, found)) in places[b..][..LANES].iter_mut().zip(found).enumerate() {
            *place = i64::from(found) + (l * run.stride) as i64;
        }
        b += LANES;
    }
}

/// `x[at], x[at + stride], ..`
#[inline(always)]
fn strided<T: Copy, const S: usize>(x: &[T], at: usize, stride: usize) -> [T; LANES] {
    if S == 1 {
        let x = &x[at..][..LANES];
        return std::array::from_fn(|l| x[l]);
    }
    if S == 2
        && let Some(pairs) = x.get(at..at + 2 * LANES)
    {
        return std::array::from_fn(|l| pairs[2 * l]);
    }
    let x = &x[at..][..(LANES - 1) * stride + 1];
    std::array::from_fn(|l| x[l * stride])
}

/// `x[place] += g` plane by plane, in order; returns a place outside of its plane, if there is one.
pub(super) fn spread<T: Real>(
    g: &[T],
    places: &[i64],
    x: &mut [T],
    planes: usize,
    [from, to]: [usize; 2],
) -> Option<i64> {
    let bad = OnceLock::new();
    let px = SendPtr(x.as_mut_ptr());
    each_plane(planes, from + to, |i| {
        // SAFETY: one task per plane.
        let x = unsafe { plane(px, i, to) };
        x.fill(T::ZERO);
        for (g, &p) in g[i * from..][..from].iter().zip(&places[i * from..][..from]) {
            match x.get_mut(p as usize) {
                Some(x) => *x += *g,
                None => _ = bad.set(p),
            }
        }
    });
    bad.into_inner()
}

/// Runs `f(output index, divisor, spans)` for the windows of one plane.
#[inline(always)]
fn each_window(w: &Windows, mut f: impl FnMut(usize, f64, [&Span; 3])) {
    let mut o = 0;
    for d in &w.axes[0] {
        for h in &w.axes[1] {
            for c in &w.axes[2] {
                let count = w.divisor.unwrap_or((d.count * h.count * c.count) as f64);
                f(o, count, [d, h, c]);
                o += 1;
            }
        }
    }
}

/// Places of the contiguous pieces of a window.
#[inline(always)]
fn pieces(w: &Windows, [d, h, c]: [&Span; 3]) -> impl Iterator<Item = Range<usize>> {
    let [_, high, wide] = w.input;
    let (h, c) = (*h, *c);
    (d.start..d.end).flat_map(move |i| {
        (h.start..h.end).map(move |j| {
            let row = (i * high + j) * wide;
            row + c.start..row + c.end
        })
    })
}

pub(super) fn mean<T: Real>(w: &Windows, x: &[T], y: &mut [T]) {
    let (from, to) = (w.in_len(), w.out_len());
    if y.is_empty() {
        return;
    }
    let py = SendPtr(y.as_mut_ptr());
    each_plane(y.len() / to, w.reads(), |i| {
        // SAFETY: one task per plane.
        let y = unsafe { plane(py, i, to) };
        let x = &x[i * from..][..from];
        vectorize(
            #[inline(always)]
            || mean_plane(w, x, y),
        );
    });
}

#[inline(always)]
fn mean_plane<T: Real>(w: &Windows, x: &[T], y: &mut [T]) {
    let (run, columns) = (w.run, w.axes[2].len());
    // Long windows are summed in lanes of their own.
    let wide = run.count >= LANES && run.taps < 2 * LANES;
    let (first, count) = if wide { (run.first, run.count) } else { (0, 0) };
    let mut rows = Vec::new();
    let mut out = y.chunks_exact_mut(columns);
    for d in &w.axes[0] {
        for h in &w.axes[1] {
            let Some(y) = out.next() else { return };
            rows.clear();
            rows.extend(rows_of(w, d, h));
            let count_of = |c: &Span| T::from_f64(w.divisor.unwrap_or((d.count * h.count * c.count) as f64));
            if wide {
                let (divisor, y) = (count_of(&w.axes[2][first]), &mut y[first..][..count]);
                match run.stride {
                    1 => mean_run::<T, 1>(&rows, run, divisor, x, y),
                    2 => mean_run::<T, 2>(&rows, run, divisor, x, y),
                    _ => mean_run::<T, 0>(&rows, run, divisor, x, y),
                }
            }
            for c in (0..first).chain(first + count..columns) {
                let span = &w.axes[2][c];
                let mut sum = T::ZERO;
                rows.iter().for_each(|row| sum += total(&x[row + span.start..row + span.end]));
                y[c] = sum / count_of(span);
            }
        }
    }
}

/// As `max_run`; a mean has no dilation.
#[inline(always)]
fn mean_run<T: Real, const S: usize>(rows: &[usize], run: Run, divisor: T, x: &[T], y: &mut [T]) {
    let mut b = 0;
    while b < run.count {
        b = b.min(run.count - LANES);
        let start = run.start + b * run.stride;
        let mut sum = [T::ZERO; LANES];
        for row in rows {
            for k in 0..run.taps {
                let v = strided::<T, S>(x, row + start + k, run.stride);
                for l in 0..LANES {
                    sum[l] += v[l];
                }
            }
        }
        for (y, sum) in y[b..][..LANES].iter_mut().zip(sum) {
            *y = sum / divisor;
        }
        b += LANES;
    }
}

/// The transpose of `mean`.
pub(super) fn share<T: Real>(w: &Windows, g: &[T], x: &mut [T]) {
    let (to, from) = (w.in_len(), w.out_len());
    if g.is_empty() || to == 0 {
        return x.fill(T::ZERO);
    }
    let px = SendPtr(x.as_mut_ptr());
    each_plane(g.len() / from, w.reads() + to, |i| {
        // SAFETY: one task per plane.
        let x = unsafe { plane(px, i, to) };
        x.fill(T::ZERO);
        let g = &g[i * from..][..from];
        each_window(w, |o, count, spans| {
            let v = g[o] / T::from_f64(count);
            for piece in pieces(w, spans) {
                x[piece].iter_mut().for_each(|x| *x += v);
            }
        });
    });
}

/// Sum in eight partial sums where the piece is long.
#[inline(always)]
fn total<T: Real>(x: &[T]) -> T {
    let mut sum = T::ZERO;
    let mut rest = x;
    if x.len() >= 16 {
        let mut acc = [T::ZERO; 8];
        let pieces = x.chunks_exact(8);
        rest = pieces.remainder();
        for p in pieces {
            for i in 0..8 {
                acc[i] += p[i];
            }
        }
        sum = (acc[0] + acc[4]) + (acc[1] + acc[5]) + ((acc[2] + acc[6]) + (acc[3] + acc[7]));
    }
    for v in rest {
        sum += *v;
    }
    sum
}
