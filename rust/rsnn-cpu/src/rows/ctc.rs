//! CTC: the forward and backward recursions over a blank-separated label sequence, in log space, one sample a task.
use super::Parts;
use crate::pool;
use crate::simd::vectorize;
use crate::vmath::Real;

/// A batch. Log-probabilities are (steps, batch, classes).
#[derive(Clone, Copy)]
pub struct Ctc<'a, T> {
    pub log_probs: &'a [T],
    pub steps: usize,
    pub classes: usize,
    pub blank: usize,
    pub samples: &'a [Sample<'a>],
}

/// One sample: how many steps count, and its labels, each below the number of classes.
#[derive(Clone, Copy)]
pub struct Sample<'a> {
    pub steps: usize,
    pub labels: &'a [i64],
}

/// Two cells of log 0 before the states of each row: what the recursion reads before the first.
const PAD: usize = 2;

impl<'a, T: Real> Ctc<'a, T> {
    /// Length of a row of alphas: room for the longest sample's states.
    pub fn row_len(&self) -> usize {
        PAD + 1 + 2 * self.samples.iter().map(|s| s.labels.len()).max().unwrap_or(0)
    }

    fn check(&self) {
        assert!(self.log_probs.len() == self.steps * self.samples.len() * self.classes && self.blank < self.classes);
        let fits = |s: &Sample| s.steps <= self.steps && s.labels.iter().all(|&l| (l as usize) < self.classes);
        assert!(self.samples.iter().all(fits));
    }

    /// Class of each state of a sample: blanks around and between the labels.
    fn states(&self, b: usize) -> Vec<usize> {
        let mut states = vec![self.blank];
        states.extend(self.samples[b].labels.iter().flat_map(|&l| [l as usize, self.blank]));
        states
    }

    fn row(&self, t: usize, b: usize) -> &'a [T] {
        &self.log_probs[(t * self.samples.len() + b) * self.classes..][..self.classes]
    }

    fn parallel(&self, cost: usize, f: impl Fn(usize) + Sync) {
        let n = self.samples.len();
        let chunks = pool::split(n.saturating_mul(cost), 1 << 14).min(n);
        pool::for_each_chunk(chunks, |i| pool::range(n, chunks, i).for_each(&f));
    }
}

/// 0 where a state may be entered from the state two before it, else log 0: a label after another one.
fn skips<T: Real>(states: &[usize], blank: usize) -> Vec<T> {
    let may = |s: usize| s >= 2 && states[s] != blank && states[s] != states[s - 2];
    (0..states.len()).map(|s| if may(s) { T::ZERO } else { -T::INFINITY }).collect()
}

/// `out[s] = log(sum of exp of before[s], before[s - 1], before[s - 2] + skip[s]) + emitted[s]`; `before` has two cells in front.
#[inline(always)]
fn advance<T: Real>(before: &[T], skip: &[T], emitted: &[T], out: &mut [T]) {
    let n = out.len();
    let (skip, emitted) = (&skip[..n], &emitted[..n]);
    let (same, one, two) = (&before[PAD..PAD + n], &before[PAD - 1..PAD - 1 + n], &before[..n]);
    for s in 0..n {
        let c = two[s] + skip[s];
        let m = same[s].max(one[s]).max(c);
        // All log 0: any finite shift leaves the logarithm of 0.
        let shift = if m == -T::INFINITY { T::ZERO } else { m };
        let sum = (same[s] - shift).exp_neg() + (one[s] - shift).exp_neg() + (c - shift).exp_neg();
        out[s] = shift + Real::log(sum) + emitted[s];
    }
}

fn log_add<T: Real>(a: T, b: T) -> T {
    let m = a.max(b);
    if m == -T::INFINITY { m } else { m + (Real::exp(a - m) + Real::exp(b - m)).log() }
}

/// Writes each sample's negative log-likelihood and its alphas, `(batch, steps, row_len)`.
pub fn ctc<T: Real>(c: Ctc<T>, nll: &mut [T], alphas: &mut [T]) {
    c.check();
    let (n, len) = (c.samples.len(), c.row_len());
    assert!(nll.len() == n && alphas.len() == n * c.steps * len);
    let (nll, alphas) = (Parts::new(nll), Parts::new(alphas));
    c.parallel(c.steps * len * 8, |b| {
        // SAFETY: one sample's own rows.
        let mine = unsafe { alphas.get(b * c.steps * len..(b + 1) * c.steps * len) };
        let value = likelihood(&c, b, len, mine);
        // SAFETY: one element for each sample.
        unsafe { nll.put(b, value) };
    });
}

fn likelihood<T: Real>(c: &Ctc<T>, b: usize, len: usize, alphas: &mut [T]) -> T {
    let (steps, states) = (c.samples[b].steps, c.states(b));
    let n = states.len();
    if steps == 0 {
        return if n == 1 { T::ZERO } else { T::INFINITY };
    }
    let skip: Vec<T> = skips(&states, c.blank);
    let mut emitted = vec![T::ZERO; n];
    for t in 0..steps {
        let (before, row) = alphas.split_at_mut(t * len);
        let row = &mut row[..len];
        let probs = c.row(t, b);
        if t == 0 {
            row.fill(-T::INFINITY);
            for (a, &class) in row[PAD..].iter_mut().zip(states.iter().take(2)) {
                *a = probs[class];
            }
            continue;
        }
        row[..PAD].fill(-T::INFINITY);
        emitted.iter_mut().zip(&states).for_each(|(e, &class)| *e = probs[class]);
        let (before, out) = (&before[(t - 1) * len..], &mut row[PAD..PAD + n]);
        vectorize(
            #[inline(always)]
            || advance(before, &skip, &emitted, out),
        );
    }
    let last = &alphas[(steps - 1) * len + PAD..][..n];
    -log_add(last[n - 1], if n > 1 { last[n - 2] } else { -T::INFINITY })
}

/// What backward reads besides the batch.
#[derive(Clone, Copy)]
pub struct CtcSaved<'a, T> {
    pub dnll: &'a [T],
    pub nll: &'a [T],
    pub alphas: &'a [T],
    /// An impossible sample has gradient 0, not NaN.
    pub zero_infinity: bool,
}

/// `dnll (exp(log_probs) - p)`, `p` the posterior of each class: the gradient before a log-softmax, torch's convention.
pub fn ctc_backward<T: Real>(c: Ctc<T>, saved: CtcSaved<T>, grad: &mut [T]) {
    c.check();
    let (n, len) = (c.samples.len(), c.row_len());
    assert!(grad.len() == c.log_probs.len() && saved.alphas.len() == n * c.steps * len);
    assert!(saved.dnll.len() == n && saved.nll.len() == n);
    let parts = Parts::new(grad);
    c.parallel(c.steps * (len * 8 + c.classes), |b| {
        let rows = |t: usize| {
            let at = (t * n + b) * c.classes;
            // SAFETY: the rows of one sample, one at a time.
            unsafe { parts.get(at..at + c.classes) }
        };
        let impossible = saved.nll[b] == T::INFINITY;
        let live = if impossible && saved.zero_infinity { 0 } else { c.samples[b].steps };
        (live..c.steps).for_each(|t| rows(t).fill(T::ZERO));
        if impossible {
            (0..live).for_each(|t| rows(t).fill(T::NAN));
        } else if live > 0 {
            posteriors(&c, b, &saved.alphas[b * c.steps * len..][..live * len], (saved.nll[b], saved.dnll[b]), rows);
        }
    });
}

fn posteriors<'g, T: Real>(
    c: &Ctc<T>,
    b: usize,
    alphas: &[T],
    (nll, scale): (T, T),
    rows: impl Fn(usize) -> &'g mut [T],
) {
    let (steps, states) = (c.samples[b].steps, c.states(b));
    let (n, len) = (states.len(), c.row_len());
    // From the end the recursion is the same, with states and steps reversed.
    let backwards: Vec<usize> = states.iter().rev().copied().collect();
    let skip: Vec<T> = skips(&backwards, c.blank);
    let (mut emitted, mut joint) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    let (mut beta, mut next) = (vec![-T::INFINITY; PAD + n], vec![-T::INFINITY; PAD + n]);
    for t in (0..steps).rev() {
        let probs = c.row(t, b);
        emitted.iter_mut().zip(&backwards).for_each(|(e, &class)| *e = probs[class]);
        if t + 1 == steps {
            for (a, e) in next[PAD..].iter_mut().zip(emitted.iter().take(2)) {
                *a = *e;
            }
        }
        let (alpha, out) = (&alphas[t * len + PAD..][..n], rows(t));
        let (now, joint) = (&mut next[PAD..], &mut joint[..]);
        vectorize(
            #[inline(always)]
            || {
                if t + 1 < steps {
                    advance(&beta, &skip, &emitted, now);
                }
                let back = now.iter().rev().zip(emitted.iter().rev());
                for (j, (a, (b, e))) in joint.iter_mut().zip(alpha.iter().zip(back)) {
                    // Impossible states stay at probability 0, also where the class itself is impossible.
                    let log = *a + *b - *e + nll;
                    *j = if log > -T::INFINITY { log.exp_neg() } else { T::ZERO };
                }
                out.iter_mut().zip(probs).for_each(|(g, p)| *g = p.exp());
            },
        );
        joint.iter().zip(&states).for_each(|(p, &class)| out[class] -= *p);
        out.iter_mut().for_each(|g| *g *= scale);
        std::mem::swap(&mut beta, &mut next);
    }
}
