//! Local response norm over `[outer, channels, inner]`: each element over a power of the mean square of its neighbouring
//! channels. The window is summed anew for every channel: a sliding sum would keep the rounding of what has left it.
use super::reduce::Axis;
use super::{Parts, STRIP, strips};
use crate::simd::vectorize;
use crate::vmath::Real;
use std::ops::Range;

/// `y = x / d^beta`, `d = k + alpha / size * sum(x^2)` over the channels `c - size / 2 ..= c + (size - 1) / 2`.
#[derive(Clone, Copy, Debug)]
pub struct ResponseNorm {
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
}

/// One strip of columns.
struct Strip<'a, T> {
    norm: ResponseNorm,
    x: &'a [T],
    first: usize,
    axis: Axis,
    width: usize,
}

impl<T: Real> Strip<'_, T> {
    fn at(&self, c: usize) -> Range<usize> {
        let from = self.first + c * self.axis.inner;
        from..from + self.width
    }

    #[inline(always)]
    fn row<'a>(&self, x: &'a [T], c: usize) -> &'a [T] {
        &x[self.at(c)]
    }

    /// `d` of channel `c`.
    #[inline(always)]
    fn divisor(&self, c: usize, d: &mut [T; STRIP]) {
        let ResponseNorm { size, alpha, k, .. } = self.norm;
        let (scale, k) = (T::from_f64(alpha / size as f64), T::from_f64(k));
        d.fill(T::ZERO);
        for q in c.saturating_sub(size / 2)..=(c + (size - 1) / 2).min(self.axis.len - 1) {
            for (d, x) in d.iter_mut().zip(self.row(self.x, q)) {
                *d += *x * *x;
            }
        }
        d[..self.width].iter_mut().for_each(|d| *d = *d * scale + k);
    }

    /// `d^beta`; roots serve the usual exponents.
    #[inline(always)]
    fn power(&self, d: &[T; STRIP], out: &mut [T; STRIP]) {
        let pairs = out[..self.width].iter_mut().zip(d);
        let beta = self.norm.beta;
        if beta == 0.75 {
            pairs.for_each(|(o, d)| *o = d.sqrt() * d.sqrt().sqrt());
        } else if beta == 0.5 {
            pairs.for_each(|(o, d)| *o = d.sqrt());
        } else {
            pairs.for_each(|(o, d)| *o = d.powf(T::from_f64(beta)));
        }
    }
}

fn run<T: Real>(x: &[T], out: &mut [T], axis: Axis, norm: ResponseNorm, f: impl Fn(Strip<T>, &Parts<T>) + Sync) {
    assert!(norm.size > 0 && x.len() == axis.outer * axis.len * axis.inner && out.len() == x.len());
    let out = Parts::new(out);
    strips(axis, |o, column, width| {
        let strip = Strip { norm, x, first: o * axis.len * axis.inner + column, axis, width };
        vectorize(
            #[inline(always)]
            || f(strip, &out),
        );
    });
}

/// `axis.len` is the number of channels; `norm.size` must not be 0.
pub fn response_norm<T: Real>(x: &[T], out: &mut [T], axis: Axis, norm: ResponseNorm) {
    run(
        x,
        out,
        axis,
        norm,
        #[inline(always)]
        |s, out| {
            let (mut d, mut p) = ([T::ZERO; STRIP], [T::ZERO; STRIP]);
            for c in 0..axis.len {
                s.divisor(c, &mut d);
                s.power(&d, &mut p);
                // SAFETY: each element is written once.
                let out = unsafe { out.get(s.at(c)) };
                for ((o, x), p) in out.iter_mut().zip(s.row(x, c)).zip(&p) {
                    *o = *x / *p;
                }
            }
        },
    );
}

/// `dx = dy / d^beta - 2 beta alpha / size * x * sum(dy x / d^(beta + 1))`, the sum over the channels whose window has this one.
pub fn response_norm_backward<T: Real>(dy: &[T], x: &[T], dx: &mut [T], axis: Axis, norm: ResponseNorm) {
    assert!(dy.len() == x.len());
    let ResponseNorm { size, alpha, beta, .. } = norm;
    let factor = T::from_f64(-2.0 * beta * alpha / size as f64);
    run(
        x,
        dx,
        axis,
        norm,
        #[inline(always)]
        |s, dx| {
            let (mut d, mut p) = ([T::ZERO; STRIP], [T::ZERO; STRIP]);
            let mut terms = vec![[T::ZERO; STRIP]; axis.len];
            for (c, terms) in terms.iter_mut().enumerate() {
                s.divisor(c, &mut d);
                s.power(&d, &mut p);
                // SAFETY: the rows of this strip are written by nobody else, and one at a time.
                let dx = unsafe { dx.get(s.at(c)) };
                let ins = s.row(dy, c).iter().zip(s.row(x, c)).zip(d.iter().zip(&p));
                for ((dx, t), ((g, x), (d, p))) in dx.iter_mut().zip(terms).zip(ins) {
                    *dx = *g / *p;
                    *t = *dx * *x / *d;
                }
            }
            for c in 0..axis.len {
                let mut sum = [T::ZERO; STRIP];
                for terms in &terms[c.saturating_sub((size - 1) / 2)..=(c + size / 2).min(axis.len - 1)] {
                    for (s, t) in sum.iter_mut().zip(terms) {
                        *s += *t;
                    }
                }
                // SAFETY: as above.
                let dx = unsafe { dx.get(s.at(c)) };
                for ((dx, x), sum) in dx.iter_mut().zip(s.row(x, c)).zip(&sum) {
                    *dx += factor * *x * *sum;
                }
            }
        },
    );
}
