//! Permutations and draws from a discrete distribution, in torch's order of consumption.
use super::{Generator, Uniform};
use crate::rows::{Parts, par_rows, row};
use std::cmp::Ordering;

impl Generator {
    /// `randperm(n)`.
    pub fn randperm(&mut self, n: usize) -> Vec<i64> {
        let mut out: Vec<i64> = (0..n as i64).collect();
        let wide = n >= (u32::MAX / 20) as usize;
        for i in 0..n.saturating_sub(1) {
            let span = (n - i) as u64;
            let draw = if wide { self.random64() } else { u64::from(self.random()) };
            out.swap(i, i + (draw % span) as usize);
        }
        out
    }

    /// `multinomial(weights, n_sample, replacement)` over rows of `categories` weights; `out` holds `n_sample` per row.
    /// The caller has checked that weights are finite, not negative, with a positive sum.
    pub fn multinomial<T: Uniform>(
        &mut self,
        weights: &[T],
        categories: usize,
        n_sample: usize,
        replacement: bool,
        out: &mut [i64],
    ) {
        if categories == 0 || n_sample == 0 {
            return;
        }
        if replacement && n_sample > 1 {
            let mut cumulative = vec![T::ZERO; categories];
            for (row, out) in weights.chunks_exact(categories).zip(out.chunks_exact_mut(n_sample)) {
                self.draw_with_replacement(row, &mut cumulative, out);
            }
            return;
        }
        // The n largest of w / q with q ~ Exp(1) are a draw without replacement.
        let mut keys = vec![T::ZERO; weights.len()];
        self.exponential(&mut keys, 1.0);
        keys.iter_mut().zip(weights).for_each(|(q, &w)| *q = w / *q);
        let out = Parts::new(out);
        par_rows(weights.len() / categories, categories, |rows| {
            for r in rows {
                // SAFETY: each row is written once.
                let out = unsafe { out.get(r * n_sample..(r + 1) * n_sample) };
                largest(row(&keys, r, categories), out);
            }
        });
    }

    fn draw_with_replacement<T: Uniform>(&mut self, row: &[T], cumulative: &mut [T], out: &mut [i64]) {
        let mut sum = T::ZERO;
        for (c, &w) in cumulative.iter_mut().zip(row) {
            sum += w;
            *c = sum;
        }
        cumulative.iter_mut().for_each(|c| *c /= sum);
        for o in out {
            let u = f64::unit(self);
            let slot = cumulative.partition_point(|c| c.to_f64() < u);
            *o = slot.min(row.len() - 1) as i64;
        }
    }
}

/// Places of the largest keys in falling order, the first place first among equals.
fn largest<T: Uniform>(keys: &[T], out: &mut [i64]) {
    let n = out.len();
    if n > FEW {
        let mut order: Vec<i64> = (0..keys.len() as i64).collect();
        let descending = |&a: &i64, &b: &i64| {
            keys[b as usize].partial_cmp(&keys[a as usize]).unwrap_or(Ordering::Equal).then(a.cmp(&b))
        };
        if n < keys.len() {
            order.select_nth_unstable_by(n - 1, descending);
        }
        order.truncate(n);
        order.sort_unstable_by(descending);
        return out.copy_from_slice(&order);
    }
    let mut best: Vec<(T, i64)> = Vec::with_capacity(n);
    for (i, &key) in keys.iter().enumerate() {
        if best.len() == n {
            if !(key > best[n - 1].0) {
                continue;
            }
            best.pop();
        }
        let at = best.partition_point(|b| b.0 >= key);
        best.insert(at, (key, i as i64));
    }
    out.iter_mut().zip(best).for_each(|(o, (_, i))| *o = i);
}

/// Samples that are kept in order while the keys go by; more are selected from all.
const FEW: usize = 64;
