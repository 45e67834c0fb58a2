//! Kernels of pooling: planes in parallel, each window read in order.
use super::windows::{Span, Windows};
use rsnn_core::Element;
use rsnn_cpu::pool::{self, SendPtr};
use rsnn_cpu::vmath::Real;
use std::ops::Range;

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

pub(super) fn max<T: Element>(w: &Windows, x: &[T], y: &mut [T], places: &mut [i64]) {
    let (from, to) = (w.in_len(), w.out_len());
    if y.is_empty() {
        return;
    }
    let (py, pp) = (SendPtr(y.as_mut_ptr()), SendPtr(places.as_mut_ptr()));
    each_plane(y.len() / to, w.reads(), |i| {
        // SAFETY: one task per plane; both outputs have the same shape.
        let (y, places) = unsafe { (plane(py, i, to), plane(pp, i, to)) };
        max_plane(w, &x[i * from..][..from], y.iter_mut().zip(places));
    });
}

fn max_plane<'a, T: Element>(w: &Windows, x: &[T], out: impl Iterator<Item = (&'a mut T, &'a mut i64)>) {
    let [_, high, wide] = w.input;
    let [sd, sh, sw] = w.step;
    let spans =
        w.axes[0].iter().flat_map(|d| w.axes[1].iter().flat_map(move |h| w.axes[2].iter().map(move |c| (d, h, c))));
    for ((d, h, c), (y, place)) in spans.zip(out) {
        let mut at = (d.start * high + h.start) * wide + c.start;
        let mut best = x.get(at).copied().unwrap_or_default();
        for i in (d.start..d.end).step_by(sd) {
            for j in (h.start..h.end).step_by(sh) {
                let row = (i * high + j) * wide;
                for k in (c.start..c.end).step_by(sw) {
                    let v = x[row + k];
                    #[allow(clippy::eq_op)]
                    let nan = v != v;
                    if v > best || nan {
                        (best, at) = (v, row + k);
                    }
                }
            }
        }
        (*y, *place) = (best, at as i64);
    }
}

/// `x[place] += g` plane by plane, in order; places were checked.
pub(super) fn spread<T: Real>(g: &[T], places: &[i64], x: &mut [T], planes: usize, [from, to]: [usize; 2]) {
    x.fill(T::ZERO);
    if g.is_empty() || to == 0 {
        return;
    }
    let px = SendPtr(x.as_mut_ptr());
    each_plane(planes, from, |i| {
        // SAFETY: one task per plane.
        let x = unsafe { plane(px, i, to) };
        for (g, &p) in g[i * from..][..from].iter().zip(&places[i * from..][..from]) {
            x[p as usize] += *g;
        }
    });
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
        each_window(w, |o, count, spans| {
            let mut sum = T::ZERO;
            for piece in pieces(w, spans) {
                sum += total(&x[piece]);
            }
            y[o] = sum / T::from_f64(count);
        });
    });
}

/// The transpose of `mean`.
pub(super) fn share<T: Real>(w: &Windows, g: &[T], x: &mut [T]) {
    let (to, from) = (w.in_len(), w.out_len());
    x.fill(T::ZERO);
    if g.is_empty() || to == 0 {
        return;
    }
    let px = SendPtr(x.as_mut_ptr());
    each_plane(g.len() / from, w.reads(), |i| {
        // SAFETY: one task per plane.
        let x = unsafe { plane(px, i, to) };
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
