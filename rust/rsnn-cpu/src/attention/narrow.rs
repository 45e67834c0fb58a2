//! The forward pass of few queries, as in decoding: limited by memory, so keys and values are read once, in place, by the
//! products for few rows. Heads that share keys are one task; several ranges of keys are merged afterwards.
use super::block::exponent;
use super::{Attention, Mask, ViewMut};
use crate::gemm::GemmScalar;
use crate::gemm::dot::SWEEP_ROWS;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::tile::{Act, Block, Dot, Kernel, Out};
use crate::pool::{self, SendPtr};
use crate::vmath::{Lanes, Real, STEP, Task};
use std::f64::consts::LOG2_E;
use std::ops::Range;

/// Most queries of a head that take this way; more are faster in blocks.
const QUERIES: usize = 4;
/// Keys whose scores are computed at once.
const KEYS: usize = 512;
/// Tasks worth having; fewer heads than this split their keys.
const TASKS: usize = 64;

pub fn fits<T>(a: &Attention<T>) -> bool {
    a.q_len <= QUERIES && a.dropout == 0.0
}

/// What is known of a row after some keys: the largest score, the sum of weights, then the weighted sum of values.
struct Records<T> {
    ptr: *mut T,
    size: usize,
}

impl<T> Records<T> {
    /// # Safety
    /// Record `row` exists and is used by one caller at a time.
    #[inline(always)]
    unsafe fn row<'a>(&self, row: usize) -> &'a mut [T] {
        // SAFETY: the caller's contract.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(row * self.size), self.size) }
    }
}

/// As [`super::forward`].
///
/// # Safety
/// As there; `fits` holds.
pub unsafe fn forward<T: GemmScalar>(a: &Attention<T>, out: ViewMut<T>, lse: *mut T) {
    let (heads, rows) = (a.batch * a.kv_heads, a.q_len * (a.heads / a.kv_heads));
    let keys = if a.causal { a.kv_len.min(a.q_len) } else { a.kv_len };
    let splits = TASKS.checked_div(heads).unwrap_or(1).clamp(1, keys.div_ceil(2 * KEYS).max(1));
    let size = 2 + a.dv;
    let mut records = vec![T::ZERO; heads * splits * rows * size];
    let job = (a, records.as_mut_ptr(), out, lse);
    let job = SendPtr(std::ptr::from_ref(&job).cast_mut());
    let finish = move |head: usize| {
        // SAFETY: the job outlives the call; the head's records are complete and its results are written by one caller.
        unsafe {
            let (a, records, out, lse) = *job.get();
            let records = Records { ptr: records.add(head * splits * rows * size), size };
            for row in 0..rows {
                let record = records.row(row);
                (1..splits).for_each(|split| merge(record, records.row(split * rows + row)));
                let query = head * rows + row;
                let (b, h, l) = (query / a.q_len / a.heads, query / a.q_len % a.heads, query % a.q_len);
                *lse.add(query) = divide(record, std::slice::from_raw_parts_mut(out.at(b, h, l), a.dv));
            }
        }
    };
    a.each_task(heads * splits, |task| {
        let (head, split) = (task / splits, task % splits);
        // SAFETY: as above; every task has records of its own.
        unsafe {
            let (a, records, ..) = *job.get();
            let records = Records { ptr: records.add(task * rows * size), size };
            range(a, T::kernel(), (head / a.kv_heads, head % a.kv_heads), pool::range(keys, splits, split), &records);
        }
        if splits == 1 {
            finish(head);
        }
    });
    if splits > 1 {
        (0..heads).for_each(finish);
    }
}

/// One range of keys for the queries of all heads that share them.
unsafe fn range<T: GemmScalar>(
    a: &Attention<T>,
    kernel: &Kernel<T>,
    (b, kv): (usize, usize),
    keys: Range<usize>,
    records: &Records<T>,
) {
    let group = a.heads / a.kv_heads;
    let rows = group * a.q_len;
    // SAFETY: the scratch holds the queries and a row of scores for each; keys and values in `keys` exist.
    unsafe {
        (0..rows).for_each(|row| records.row(row)[0] = -T::INFINITY);
        with(Slot::A, rows * (KEYS + a.d), |s: *mut T| {
            let q = s.add(rows * KEYS);
            for row in 0..rows {
                let from = a.q.at(b, kv * group + row / a.q_len, row % a.q_len);
                std::ptr::copy_nonoverlapping(from, q.add(row * a.d), a.d);
            }
            for k0 in keys.clone().step_by(KEYS) {
                let n = (keys.end - k0).min(KEYS);
                let (k, v) = (a.k.at(b, kv, k0), a.v.at(b, kv, k0));
                let to = plain(s, KEYS, T::from_f64(a.scale * LOG2_E), false);
                (kernel.dot)(&Dot { m: rows, n, k: a.d, a: q, a_rs: a.d as isize, b: k, b_cs: a.k.row(), out: to });
                for row in 0..rows {
                    let scores = std::slice::from_raw_parts_mut(s.add(row * KEYS), n.next_multiple_of(STEP));
                    let (scores_of_keys, rest) = scores.split_at_mut(n);
                    rest.fill(-T::INFINITY);
                    hide(a, scores_of_keys, (b, kv * group + row / a.q_len, row % a.q_len), k0);
                    T::vectors(Weigh { scores, record: records.row(row) });
                }
                for row in (0..rows).step_by(SWEEP_ROWS) {
                    let to = plain(records.row(row).as_mut_ptr().add(2), records.size, T::ONE, true);
                    let (m, weights) = ((rows - row).min(SWEEP_ROWS), s.add(row * KEYS));
                    let (a_rs, b_rs) = (KEYS as isize, a.v.row());
                    let block = Block {
                        m,
                        n: a.dv,
                        k: n,
                        a: weights,
                        a_rs,
                        a_cs: 1,
                        a_packed: false,
                        b: v,
                        b_rs,
                        b_panel: 0,
                        out: to,
                    };
                    (kernel.sweep)(&block);
                }
            }
        })
    }
}

fn plain<T: GemmScalar>(c: *mut T, c_rs: usize, alpha: T, add: bool) -> Out<T> {
    Out { c, c_rs: c_rs as isize, c_cs: 1, alpha, add, act: Act::None, bias: std::ptr::null(), bias_rs: 0, bias_cs: 0 }
}

/// Hides keys from `k0` from query `l` of head `h`.
unsafe fn hide<T: GemmScalar>(a: &Attention<T>, scores: &mut [T], (b, h, l): (usize, usize, usize), k0: usize) {
    if a.causal {
        let seen = (l + 1).saturating_sub(k0).min(scores.len());
        scores[seen..].fill(-T::INFINITY);
    }
    let at =
        |s: &[isize; 4], j: usize| b as isize * s[0] + h as isize * s[1] + l as isize * s[2] + (k0 + j) as isize * s[3];
    // SAFETY: the mask covers every score.
    unsafe {
        match a.mask {
            Mask::None => {}
            Mask::Bool { ptr, strides } => {
                for (j, s) in scores.iter_mut().enumerate() {
                    *s = if *ptr.offset(at(&strides, j)) != 0 { *s } else { -T::INFINITY };
                }
            }
            Mask::Float { ptr, strides } => {
                for (j, s) in scores.iter_mut().enumerate() {
                    *s += exponent(*ptr.offset(at(&strides, j)));
                }
            }
        }
    }
}

/// Turns a row's scores into weights and folds them into its record, whose values wait for the product with them.
struct Weigh<'a, T> {
    scores: &'a mut [T],
    record: &'a mut [T],
}

impl<T: GemmScalar> Task for Weigh<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let [old, sum, values @ ..] = self.record else { return };
        let lanes = V::Narrow::WIDTH;
        let mut max = V::Narrow::splat(*old);
        let mut total = V::Narrow::splat(T::ZERO);
        // SAFETY: a chunk is one vector.
        unsafe {
            for part in self.scores.chunks_exact(lanes) {
                max = max.max(V::Narrow::load(part.as_ptr()));
            }
            let mut each = [-T::INFINITY; STEP];
            max.store(each.as_mut_ptr());
            let max = each.into_iter().fold(-T::INFINITY, Real::max);
            let base = finite(max);
            for part in self.scores.chunks_exact_mut(lanes) {
                let p = (V::Narrow::load(part.as_ptr()) - V::Narrow::splat(base)).exp2_neg();
                p.store(part.as_mut_ptr());
                total = total + p;
            }
            let factor = Real::exp2_neg(*old - base);
            *sum = *sum * factor + total.sum();
            *old = max;
            values.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

/// The base of a row's weights: 0 where no key was seen, so that hidden scores become 0 and not NaN.
#[inline(always)]
fn finite<T: Real>(max: T) -> T {
    if max == -T::INFINITY { T::ZERO } else { max }
}

/// Adds `other` to `record`.
fn merge<T: GemmScalar>(record: &mut [T], other: &[T]) {
    let max = Real::max(record[0], other[0]);
    let factors = [record[0], other[0]].map(|old| Real::exp2_neg(old - finite(max)));
    record[0] = max;
    for (x, &y) in record[1..].iter_mut().zip(&other[1..]) {
        *x = *x * factors[0] + y * factors[1];
    }
}

/// Writes a row's result and returns its binary log-sum-exp.
fn divide<T: GemmScalar>(record: &[T], out: &mut [T]) -> T {
    let (max, sum) = (record[0], record[1]);
    // Not `sum > 0`: a NaN has to come out.
    let factor = if sum == T::ZERO { T::ZERO } else { T::ONE / sum };
    out.iter_mut().zip(&record[2..]).for_each(|(o, &x)| *o = x * factor);
    Real::log(sum) * T::from_f64(LOG2_E) + max
}
