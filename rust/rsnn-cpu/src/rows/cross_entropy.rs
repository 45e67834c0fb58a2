//! Cross entropy with class indices, fused with log-softmax: forward saves one log-sum-exp per row, backward rereads
//! the logits and writes the gradient.
use super::columns::{each_vector, get, put_past, streams};
use super::lanes::{RowKernel, each_row, exp_sum};
use super::{Parts, row, sum, sums};
use crate::simd;
use crate::vmath::{Lanes, Real};

/// Logits `[rows, cols]`, one target class per row, and torch's options.
#[derive(Clone, Copy)]
pub struct CrossEntropyArgs<'a, T> {
    pub logits: &'a [T],
    pub target: &'a [i64],
    pub weight: Option<&'a [T]>,
    pub ignore_index: i64,
    pub label_smoothing: f64,
    pub rows: usize,
    pub cols: usize,
}

/// First target that is neither `ignore_index` nor a class: `(row, value)`.
pub type BadTarget = (usize, i64);

impl<T: Real> CrossEntropyArgs<'_, T> {
    fn check(&self) -> Result<(), BadTarget> {
        assert!(self.logits.len() == self.rows * self.cols && self.target.len() == self.rows);
        assert!(self.weight.is_none_or(|w| w.len() == self.cols));
        let bad = |t: i64| t != self.ignore_index && (t < 0 || t as usize >= self.cols);
        self.target.iter().position(|t| bad(*t)).map_or(Ok(()), |r| Err((r, self.target[r])))
    }

    /// Class of row `r` and its weight; none if the row is ignored.
    #[inline(always)]
    fn class(&self, r: usize) -> Option<(usize, f64)> {
        let t = self.target[r];
        (t != self.ignore_index).then(|| (t as usize, self.weight.map_or(1.0, |w| w[t as usize].to_f64())))
    }

    /// `sum((x - max) * weight)`
    #[inline(always)]
    fn shifted(&self, x: &[T], max: T) -> f64 {
        match self.weight {
            Some(w) => sums(
                x,
                w,
                (max, T::ZERO),
                #[inline(always)]
                |x, w| [(x - max) * w],
            )[0],
            None => sum(
                x,
                max,
                #[inline(always)]
                |x| x - max,
            ),
        }
    }

    /// Sum of the class weights.
    fn weight_sum(&self) -> f64 {
        self.weight.map_or(self.cols as f64, |w| sum(w, T::ZERO, |v| v))
    }
}

/// Per row `loss = -(1 - s) w[y] logp[y] - s / C * sum_c w[c] logp[c]` (0 where ignored) and `lse`, the log-sum-exp of the
/// logits. Gives the sum of `w[y]` over the rows that count: the divisor of `reduction="mean"`.
pub fn cross_entropy<T: Real>(a: CrossEntropyArgs<T>, loss: &mut [T], lse: &mut [T]) -> Result<f64, BadTarget> {
    a.check()?;
    assert!(loss.len() == a.rows && lse.len() == a.rows);
    each_row(a.rows, a.cols, Forward { a, loss: Parts::new(loss), lse: Parts::new(lse), all: a.weight_sum() });
    Ok((0..a.rows).filter_map(|r| a.class(r)).map(|(_, w)| w).sum())
}

struct Forward<'a, T> {
    a: CrossEntropyArgs<'a, T>,
    loss: Parts<'a, T>,
    lse: Parts<'a, T>,
    all: f64,
}

impl<T: Real> RowKernel for Forward<'_, T> {
    type T = T;
    #[inline(always)]
    fn row<V: Lanes<T = T>>(&self, r: usize) {
        let a = &self.a;
        let (mut loss, mut lse) = (T::ZERO, T::ZERO);
        if let Some((y, w)) = a.class(r) {
            let x = row(a.logits, r, a.cols);
            let sum = exp_sum::<V, false>(x, &mut []);
            let (max, log) = (sum.max, sum.log());
            let s = a.label_smoothing;
            let mut l = (1.0 - s) * w * (log - (x[y] - max)).to_f64();
            if s > 0.0 {
                l += s / a.cols as f64 * (log.to_f64() * self.all - a.shifted(x, max));
            }
            (loss, lse) = (T::from_f64(l), max + log);
        }
        // SAFETY: each element is written once.
        unsafe {
            self.loss.put(r, loss);
            self.lse.put(r, lse);
        }
    }
}

/// Gradient of the logits, `grad` per row (or one for all): `grad * (p * ((1-s) w[y] + s/C sum(w)) - s/C w - (1-s) w[y] [c=y])`.
/// Targets were checked by the forward pass.
pub fn cross_entropy_backward<T: Real>(a: CrossEntropyArgs<T>, lse: &[T], grad: &[T], dx: &mut [T]) {
    assert!(lse.len() == a.rows && dx.len() == a.rows * a.cols && (grad.len() == 1 || grad.len() == a.rows));
    let past = streams(dx, a.cols);
    each_row(a.rows, a.cols, Backward { a, lse, grad, past, dx: Parts::new(dx), all: a.weight_sum() });
}

struct Backward<'a, T> {
    a: CrossEntropyArgs<'a, T>,
    lse: &'a [T],
    grad: &'a [T],
    past: bool,
    dx: Parts<'a, T>,
    all: f64,
}

impl<T: Real> RowKernel for Backward<'_, T> {
    type T = T;
    #[inline(always)]
    fn row<V: Lanes<T = T>>(&self, r: usize) {
        let a = &self.a;
        // SAFETY: each row is written once.
        let dx = unsafe { self.dx.get(r * a.cols..(r + 1) * a.cols) };
        let Some((y, w)) = a.class(r) else {
            dx.fill(T::ZERO);
            return;
        };
        let smooth = a.label_smoothing / a.cols as f64;
        let g = self.grad[if self.grad.len() == 1 { 0 } else { r }].to_f64();
        let hit = (1.0 - a.label_smoothing) * w;
        let (scale, rest) = (V::c(g * (hit + smooth * self.all)), V::c(-g * smooth));
        let (x, lse) = (row(a.logits, r, a.cols), V::splat(self.lse[r]));
        let weight = a.weight.filter(|_| smooth > 0.0);
        each_vector::<V>(
            a.cols,
            #[inline(always)]
            |j, n| {
                let p = (get::<V>(x, j, n, T::ZERO) - lse).exp_neg();
                let rest = weight.map_or(rest, |w| rest * get(w, j, n, T::ZERO));
                put_past(self.past, p.fma(scale, rest), dx, j, n);
            },
        );
        if self.past {
            simd::drain();
        }
        dx[y] -= T::from_f64(g * hit);
    }
}
