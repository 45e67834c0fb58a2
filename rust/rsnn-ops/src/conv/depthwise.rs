//! Convolutions whose groups have one input channel: direct loops over the rows of each plane.
use super::geometry::{Geometry, add_rows};
use super::kernel::{fill_bias, part};
use rsnn_cpu::pool::{self, SendPtr};
use rsnn_cpu::simd::vectorize;
use rsnn_cpu::vmath::Real;

/// Output positions taken together, so that a plane's rows stay in the first-level cache over all taps.
const BLOCK: usize = 2048;

fn each_plane(planes: usize, cost: usize, f: impl Fn(usize) + Sync) {
    let chunks = pool::split(planes * cost, 1 << 15).min(planes.max(1));
    pool::for_each_chunk(chunks, |i| pool::range(planes, chunks, i).for_each(&f));
}

pub(super) fn forward<T: Real>(g: &Geometry, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (taps, plane, out, step) = (g.taps(), g.in_len(), g.out_len(), g.stride[2]);
    fill_bias(y, bias, out);
    if y.is_empty() || plane == 0 {
        return;
    }
    let to = SendPtr(y.as_mut_ptr());
    each_plane(y.len() / out, out * taps, |i| {
        // SAFETY: one task per plane of `y`.
        let y = unsafe { part(to, i * out, out) };
        let x = &x[i / g.co * plane..][..plane];
        let w = &w[i % (g.groups * g.co) * taps..][..taps];
        vectorize(
            #[inline(always)]
            || {
                for (b, y) in y.chunks_mut(BLOCK).enumerate() {
                    for (tap, &w) in w.iter().enumerate() {
                        g.walk(tap, b * BLOCK..b * BLOCK + y.len(), |at, _, lo, hi, from| {
                            if lo < hi {
                                take_rows(&mut y[at + lo..at + hi], &x[from..], step, w);
                            }
                        });
                    }
                }
            },
        );
    });
}

pub(super) fn input_gradient<T: Real>(g: &Geometry, y: &[T], w: &[T], bias: Option<&[T]>, x: &mut [T]) {
    let (taps, plane, out, step) = (g.taps(), g.in_len(), g.out_len(), g.stride[2]);
    fill_bias(x, bias, plane);
    if x.is_empty() || out == 0 {
        return;
    }
    let to = SendPtr(x.as_mut_ptr());
    each_plane(x.len() / plane, out * taps * g.co, |i| {
        // SAFETY: one task per plane of `x`.
        let x = unsafe { part(to, i * plane, plane) };
        vectorize(
            #[inline(always)]
            || {
                for o in 0..g.co {
                    let y = &y[(i * g.co + o) * out..][..out];
                    let w = &w[(i % g.groups * g.co + o) * taps..][..taps];
                    for (tap, &w) in w.iter().enumerate() {
                        g.walk(tap, 0..out, |at, _, lo, hi, from| {
                            if lo < hi {
                                add_rows(&mut x[from..], step, &y[at + lo..at + hi], w);
                            }
                        });
                    }
                }
            },
        );
    });
}

pub(super) fn weight_gradient<T: Real>(g: &Geometry, y: &[T], x: &[T], w: &mut [T]) {
    let (taps, plane, out, step) = (g.taps(), g.in_len(), g.out_len(), g.stride[2]);
    let channels = g.groups * g.co;
    if w.is_empty() || out == 0 || plane == 0 {
        return w.fill(T::ZERO);
    }
    let samples = y.len() / (channels * out);
    let to = SendPtr(w.as_mut_ptr());
    each_plane(channels, samples * out * taps, |c| {
        // SAFETY: one task per channel of `w`.
        let w = unsafe { part(to, c * taps, taps) };
        vectorize(
            #[inline(always)]
            || {
                for (tap, w) in w.iter_mut().enumerate() {
                    let mut sum = 0.0;
                    for n in 0..samples {
                        let y = &y[(n * channels + c) * out..][..out];
                        let x = &x[(n * g.groups + c / g.co) * plane..][..plane];
                        g.walk(tap, 0..out, |at, _, lo, hi, from| {
                            if lo < hi {
                                sum += dot(&y[at + lo..at + hi], &x[from..], step).to_f64();
                            }
                        });
                    }
                    *w = T::from_f64(sum);
                }
            },
        );
    });
}

/// `y[i] += w x[i step]`
#[inline(always)]
fn take_rows<T: Real>(y: &mut [T], x: &[T], step: usize, w: T) {
    if step == 1 {
        for (y, x) in y.iter_mut().zip(x) {
            *y += w * *x;
        }
    } else {
        for (y, x) in y.iter_mut().zip(x.iter().step_by(step)) {
            *y += w * *x;
        }
    }
}

/// `sum y[i] x[i step]` in eight partial sums.
#[inline(always)]
fn dot<T: Real>(y: &[T], x: &[T], step: usize) -> T {
    let mut acc = [T::ZERO; 8];
    if step == 1 {
        let x = &x[..y.len()];
        let (head, tail) = (y.len() / 8 * 8, y.len() % 8);
        for (y, x) in y.chunks_exact(8).zip(x.chunks_exact(8)) {
            for i in 0..8 {
                acc[i] += y[i] * x[i];
            }
        }
        for i in 0..tail {
            acc[i] += y[head + i] * x[head + i];
        }
    } else {
        for (i, (y, x)) in y.iter().zip(x.iter().step_by(step)).enumerate() {
            acc[i % 8] += *y * *x;
        }
    }
    (acc[0] + acc[4]) + (acc[1] + acc[5]) + ((acc[2] + acc[6]) + (acc[3] + acc[7]))
}
