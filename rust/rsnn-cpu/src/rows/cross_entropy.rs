//! Cross entropy with class indices, fused with log-softmax: forward saves one log-sum-exp per row, backward rereads
//! the logits and writes the gradient.
use super::softmax::log_sum_exp;
use super::{Parts, par_rows, row, sum, sums};
use crate::simd::vectorize;
use crate::vmath::Real;

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
    let (loss, lse, all) = (Parts::new(loss), Parts::new(lse), a.weight_sum());
    par_rows(a.rows, a.cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    // SAFETY: each element is written once.
                    let (loss, lse) = unsafe { (&mut loss.get(r..r + 1)[0], &mut lse.get(r..r + 1)[0]) };
                    (*loss, *lse) = (T::ZERO, T::ZERO);
                    let Some((y, w)) = a.class(r) else { continue };
                    let x = row(a.logits, r, a.cols);
                    let (max, log) = log_sum_exp(x);
                    let s = a.label_smoothing;
                    let mut l = (1.0 - s) * w * (log - (x[y] - max)).to_f64();
                    if s > 0.0 {
                        let shifted = match a.weight {
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
                        };
                        l += s / a.cols as f64 * (log.to_f64() * all - shifted);
                    }
                    *loss = T::from_f64(l);
                    *lse = max + log;
                }
            },
        );
    });
    Ok((0..a.rows).filter_map(|r| a.class(r)).map(|(_, w)| w).sum())
}

/// Gradient of the logits, `grad` per row (or one for all): `grad * (p * ((1-s) w[y] + s/C sum(w)) - s/C w - (1-s) w[y] [c=y])`.
/// Targets were checked by the forward pass.
pub fn cross_entropy_backward<T: Real>(a: CrossEntropyArgs<T>, lse: &[T], grad: &[T], dx: &mut [T]) {
    assert!(lse.len() == a.rows && dx.len() == a.rows * a.cols && (grad.len() == 1 || grad.len() == a.rows));
    let (dx, all) = (Parts::new(dx), a.weight_sum());
    let smooth = a.label_smoothing / a.cols as f64;
    par_rows(a.rows, a.cols, |range| {
        vectorize(
            #[inline(always)]
            || {
                for r in range {
                    // SAFETY: each row is written once.
                    let dx = unsafe { dx.get(r * a.cols..(r + 1) * a.cols) };
                    let Some((y, w)) = a.class(r) else {
                        dx.fill(T::ZERO);
                        continue;
                    };
                    let g = grad[if grad.len() == 1 { 0 } else { r }].to_f64();
                    let hit = (1.0 - a.label_smoothing) * w;
                    let (scale, rest) = (T::from_f64(g * (hit + smooth * all)), T::from_f64(g * smooth));
                    let (x, lse) = (row(a.logits, r, a.cols), lse[r]);
                    match a.weight.filter(|_| smooth > 0.0) {
                        Some(w) => dx.iter_mut().zip(x).zip(w).for_each(
                            #[inline(always)]
                            |((o, x), w)| *o = (*x - lse).exp_neg() * scale - rest * *w,
                        ),
                        None => dx.iter_mut().zip(x).for_each(
                            #[inline(always)]
                            |(o, x)| *o = (*x - lse).exp_neg() * scale - rest,
                        ),
                    }
                    dx[y] -= T::from_f64(g * hit);
                }
            },
        );
    });
}
