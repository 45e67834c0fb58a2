//! The forward pass: one task per (batch, head, block of queries), running maximum and sum over blocks of keys.
use super::block::{Carve, Drop, KB, Left, Place, QB, pack, panels, product, query_runs, scores};
use super::columns::{self, Columns, load, store};
use super::{Attention, ViewMut, narrow};
use crate::gemm::GemmScalar;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::tile::Kernel;
use crate::pool::SendPtr;
use crate::simd;
use crate::vmath::{Lanes, Log, Task, map1};
use std::f64::consts::LOG2_E;

/// Writes `out` (batch, heads, q_len, dv) and `lse`, the binary logarithm of each row's sum of exponentials, contiguous
/// (batch, heads, q_len). A row that sees no key gives 0 and an lse of minus infinity.
///
/// # Safety
/// All views and the mask cover the shapes in `a`; results overlap nothing.
pub unsafe fn forward<T: GemmScalar>(a: &Attention<T>, out: ViewMut<T>, lse: *mut T) {
    if narrow::fits(a) {
        // SAFETY: the same contract.
        return unsafe { narrow::forward(a, out, lse) };
    }
    let blocks = a.q_len.div_ceil(QB);
    let kernel = T::kernel();
    let (ptr, lse) = (SendPtr(out.ptr), SendPtr(lse));
    let shared = SendPtr(std::ptr::from_ref(a).cast_mut());
    let strides = out.strides;
    a.each_task(a.batch * a.heads * blocks, |task| {
        // The last block of a causal head is the longest: it goes first.
        let (head, block) = (task / blocks, blocks - 1 - task % blocks);
        // SAFETY: `a` outlives the job and is only read; tasks write disjoint rows.
        unsafe {
            let a = &*shared.get();
            let at = Place::new(a, kernel, head / a.heads, head % a.heads, block);
            forward_block(a, kernel, &at, ViewMut { ptr: ptr.get(), strides }, lse.get().add(head * a.q_len + at.q0));
        }
    });
}

/// Running statistics of a block of queries.
struct Running<T> {
    max: [T; QB],
    sum: [T; QB],
}

unsafe fn forward_block<T: GemmScalar>(a: &Attention<T>, kernel: &Kernel<T>, at: &Place, out: ViewMut<T>, lse: *mut T) {
    let wide = a.dv.next_multiple_of(kernel.lanes);
    let sizes = [panels(kernel, a.d, QB), KB * QB, QB * wide, panels(kernel, KB, a.dv)];
    let group = a.heads / a.kv_heads;
    with(Slot::A, sizes.iter().map(|&n| Carve::<T>::size(n)).sum(), |buf| {
        let mut carve = Carve(buf);
        let [qt, s, acc, vb] = sizes.map(|n| carve.take(n));
        let mut running = Running { max: [-T::INFINITY; QB], sum: [T::ZERO; QB] };
        let drop = Drop::new(a, at);
        let limit = at.key_limit(a);
        // SAFETY: the parts hold what `sizes` says; keys and values below `limit` exist.
        unsafe {
            pack(kernel, qt, a.q.at(at.b, at.h, at.q0), (1, a.q.row()), a.d, at.rows);
            let mut begun = false;
            for k0 in (0..limit).step_by(KB) {
                let n = (limit - k0).min(KB);
                scores(a, kernel, at, (k0, n), qt, s);
                let rows = std::slice::from_raw_parts_mut(s.cast::<[T; QB]>(), n);
                let acc_rows = begun.then(|| std::slice::from_raw_parts_mut(acc.cast::<T>(), at.rows * wide));
                if !T::vectors(Absorb { rows, width: at.width, running: &mut running, acc: acc_rows, wide }) {
                    continue;
                }
                if let Some(drop) = drop {
                    drop_rows(rows, &drop, k0, at.q0 / QB);
                }
                pack(kernel, vb, a.v.at(at.b, at.h / group, k0), (a.v.row(), 1), n, a.dv);
                for (queries, keys) in query_runs(a.causal, at, (k0, n), kernel.mr) {
                    let weights = Left { p: s.add(queries.start).cast_const(), rs: 1, cs: QB as isize };
                    let to = (acc.add(queries.start * wide), wide as isize);
                    product(kernel, (queries.len(), wide, keys), weights, (vb, n), to, T::ONE, begun);
                }
                begun = true;
            }
            let acc_rows = begun.then(|| std::slice::from_raw_parts(acc.cast::<T>(), at.rows * wide));
            finish(a, at, &running, acc_rows, out, std::slice::from_raw_parts_mut(lse, at.rows));
        }
    })
}

/// Divides the rows by their sums; `acc` is absent where no query sees a key.
unsafe fn finish<T: GemmScalar>(
    a: &Attention<T>,
    at: &Place,
    running: &Running<T>,
    acc: Option<&[T]>,
    out: ViewMut<T>,
    lse: &mut [T],
) {
    map1(Log, &running.sum[..at.rows], lse);
    for (lse, &max) in lse.iter_mut().zip(&running.max) {
        *lse = *lse * T::from_f64(LOG2_E) + max;
    }
    simd::vectorize(
        #[inline(always)]
        || {
            let wide = acc.map_or(0, |acc| acc.len() / at.rows);
            for r in 0..at.rows {
                // SAFETY: the block's rows exist in `out`.
                let to = unsafe { std::slice::from_raw_parts_mut(out.at(at.b, at.h, at.q0 + r), a.dv) };
                let Some(acc) = acc else {
                    to.fill(T::ZERO);
                    continue;
                };
                let sum = running.sum[r];
                // Not `sum > 0`: a NaN has to come out.
                let factor = if sum == T::ZERO { T::ZERO } else { T::ONE / sum };
                to.iter_mut().zip(&acc[r * wide..]).for_each(|(o, &x)| *o = x * factor);
            }
        },
    );
}

/// Turns a block's scores into `2^(score - max)` and folds them into the running maximum, sum and result, if that has begun;
/// false if no query sees any of the keys.
struct Absorb<'a, T> {
    rows: &'a mut [[T; QB]],
    width: usize,
    running: &'a mut Running<T>,
    acc: Option<&'a mut [T]>,
    wide: usize,
}

impl<T: GemmScalar> Task for Absorb<'_, T> {
    type T = T;
    type Out = bool;
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) -> bool {
        let mut factor = [T::ONE; QB];
        let mut sum = [T::ZERO; QB];
        let weigh = Weigh { rows: self.rows, running: self.running, factor: &mut factor, sum: &mut sum };
        columns::each::<V>(self.width, weigh);
        if sum.iter().all(|&s| s == T::ZERO) {
            return false;
        }
        if let Some(acc) = self.acc {
            for (row, &f) in acc.chunks_exact_mut(self.wide).zip(&factor[..self.width]) {
                if f != T::ONE {
                    row.iter_mut().for_each(|x| *x *= f);
                }
            }
        }
        true
    }
}

struct Weigh<'a, T> {
    rows: &'a mut [[T; QB]],
    running: &'a mut Running<T>,
    factor: &'a mut [T; QB],
    sum: &'a mut [T; QB],
}

impl<T: GemmScalar> Columns<T> for Weigh<'_, T> {
    #[inline(always)]
    fn at<V: Lanes<T = T>>(&mut self, j: usize) {
        let Running { max: old_max, sum: old_sum } = &mut *self.running;
        // SAFETY: the columns exist in every row.
        unsafe {
            let old: V = load(old_max, j);
            let mut max = old;
            for row in self.rows.iter() {
                max = max.max(load(row, j));
            }
            // Queries that have seen nothing yet keep a finite base, so that hidden scores become 0 and not NaN.
            let base = V::select(V::splat(-T::INFINITY).lt(max), max, V::splat(T::ZERO));
            let mut sum = V::splat(T::ZERO);
            for row in self.rows.iter_mut() {
                let p = (load::<V>(row, j) - base).exp2_neg();
                store(p, row, j);
                sum = sum + p;
            }
            let factor = (old - base).exp2_neg();
            store(max, old_max, j);
            store(load::<V>(old_sum, j) * factor + sum, old_sum, j);
            store(factor, self.factor, j);
            store(sum, self.sum, j);
        }
    }
}

fn drop_rows<T: GemmScalar>(rows: &mut [[T; QB]], drop: &Drop<T>, k0: usize, q_block: usize) {
    simd::vectorize(
        #[inline(always)]
        || {
            let drop = *drop;
            for (i, pair) in rows.chunks_mut(2).enumerate() {
                let keep = drop.two_rows(k0 + 2 * i, q_block);
                for (row, keep) in pair.iter_mut().zip(keep.chunks_exact(QB)) {
                    for j in 0..QB {
                        row[j] *= keep[j];
                    }
                }
            }
        },
    )
}
