//! The backward pass: one task per (batch, key head) and fixed range of keys; probabilities are recomputed block by block.
//! A task owns its rows of dk and dv; with several ranges of keys each has its own dq, summed in order afterwards.
use super::block::{Carve, Drop, KB, Left, Place, QB, key_runs, pack, panels, product, query_runs, scores};
use super::columns::{self, Columns, load, store};
use super::{Attention, View, ViewMut};
use crate::gemm::GemmScalar;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::tile::Kernel;
use crate::pool::{self, SendPtr};
use crate::simd;
use crate::vmath::{Lanes, Real, Task};
use std::ops::Range;

/// Tasks worth having; fewer heads than this split their keys.
const TASKS: usize = 16;

/// What the forward pass made, and the gradient that arrived.
#[derive(Clone, Copy)]
struct Saved<T> {
    out: View<T>,
    lse: *const T,
    d_out: View<T>,
}

/// Where gradients go.
#[derive(Clone, Copy)]
struct Grads<T> {
    dq: ViewMut<T>,
    dk: ViewMut<T>,
    dv: ViewMut<T>,
}

/// Writes dq (batch, heads, q_len, d), dk (batch, kv_heads, kv_len, d) and dv (.., dv) from the forward pass's `out` and
/// `lse` and the gradient of `out`.
///
/// # Safety
/// All views and the mask cover the shapes in `a`; results overlap nothing.
pub unsafe fn backward<T: GemmScalar>(
    a: &Attention<T>,
    (out, lse, d_out): (View<T>, *const T, View<T>),
    dq: ViewMut<T>,
    dk: ViewMut<T>,
    dv: ViewMut<T>,
) {
    let heads = a.batch * a.kv_heads;
    let key_blocks = a.kv_len.div_ceil(KB);
    let splits = TASKS.checked_div(heads).unwrap_or(1).clamp(1, key_blocks.clamp(1, 8));
    let q_size = a.batch * a.heads * a.q_len * a.d;
    let mut partial: Vec<T> = Vec::new();
    if splits > 1 {
        partial.resize(q_size * splits, T::ZERO);
    }
    let partial_ptr = SendPtr(partial.as_mut_ptr());
    let job = (a, Saved { out, lse, d_out }, Grads { dq, dk, dv });
    let job = SendPtr(std::ptr::from_ref(&job).cast_mut());
    a.each_task(heads * splits, |task| {
        let (head, split) = (task / splits, task % splits);
        // SAFETY: the job outlives the call and is only read; tasks write disjoint rows.
        unsafe {
            let (a, saved, mut grads) = *job.get();
            if splits > 1 {
                let ptr = partial_ptr.get().add(split * q_size);
                grads.dq = ViewMut::contiguous(ptr, a.heads, a.q_len, a.d);
            }
            let range = pool::range(key_blocks, splits, split);
            let keys = range.start * KB..(range.end * KB).min(a.kv_len);
            head_range(a, &saved, &grads, head / a.kv_heads, head % a.kv_heads, keys);
        }
    });
    if splits > 1 {
        // SAFETY: the partials are complete.
        unsafe { sum_partials(a, &partial, splits, dq) };
    }
}

unsafe fn sum_partials<T: GemmScalar>(a: &Attention<T>, partial: &[T], splits: usize, dq: ViewMut<T>) {
    let rows = a.batch * a.heads * a.q_len;
    let size = rows * a.d;
    let (ptr, strides, heads, q_len, d) = (SendPtr(dq.ptr), dq.strides, a.heads, a.q_len, a.d);
    let chunks = pool::split(rows, 256);
    pool::for_each_chunk(chunks, |i| {
        let dq = ViewMut { ptr: ptr.get(), strides };
        for row in pool::range(rows, chunks, i) {
            let (b, h, l) = (row / q_len / heads, row / q_len % heads, row % q_len);
            // SAFETY: each row of dq belongs to one chunk.
            let to = unsafe { std::slice::from_raw_parts_mut(dq.at(b, h, l), d) };
            simd::vectorize(
                #[inline(always)]
                || {
                    to.copy_from_slice(&partial[row * d..][..d]);
                    for split in 1..splits {
                        let from = &partial[split * size + row * d..][..d];
                        to.iter_mut().zip(from).for_each(|(t, &x)| *t += x);
                    }
                },
            );
        }
    });
}

/// The scratch of one task.
struct Scratch<T> {
    /// Packed transposes of the block's queries and output gradients: right operands of the two score products.
    qt: *mut T,
    dot: *mut T,
    /// The same rows packed as right operands of dk and dv.
    qb: *mut T,
    dob: *mut T,
    /// The block of keys packed as right operand of dq.
    kb: *mut T,
    p: *mut T,
    ds: *mut T,
}

unsafe fn head_range<T: GemmScalar>(
    a: &Attention<T>,
    saved: &Saved<T>,
    grads: &Grads<T>,
    b: usize,
    kv: usize,
    keys: Range<usize>,
) {
    let kernel = T::kernel();
    let group = a.heads / a.kv_heads;
    let sizes = [
        panels(kernel, a.d, QB),
        panels(kernel, a.dv, QB),
        panels(kernel, QB, a.d),
        panels(kernel, QB, a.dv),
        panels(kernel, KB, a.d),
        KB * QB,
        KB * QB,
    ];
    // SAFETY: rows in `keys` belong to this task; the scratch holds what `sizes` says.
    unsafe {
        for l in keys.clone() {
            std::slice::from_raw_parts_mut(grads.dk.at(b, kv, l), a.d).fill(T::ZERO);
            std::slice::from_raw_parts_mut(grads.dv.at(b, kv, l), a.dv).fill(T::ZERO);
        }
        with(Slot::A, sizes.iter().map(|&n| Carve::<T>::size(n)).sum(), |buf| {
            let mut carve = Carve(buf);
            let [qt, dot, qb, dob, kb, p, ds] = sizes.map(|n| carve.take(n));
            let scratch = Scratch { qt, dot, qb, dob, kb, p, ds };
            for h in kv * group..(kv + 1) * group {
                for block in 0..a.q_len.div_ceil(QB) {
                    query_block(a, kernel, saved, grads, &Place::new(a, kernel, b, h, block), keys.clone(), &scratch);
                }
            }
        })
    }
}

/// Per query: the binary log-sum-exp (plus infinity where no key is seen, which makes the probabilities 0) and `sum(d_out * out)`.
struct Rows<T> {
    lse: [T; QB],
    delta: [T; QB],
}

unsafe fn query_block<T: GemmScalar>(
    a: &Attention<T>,
    kernel: &Kernel<T>,
    saved: &Saved<T>,
    grads: &Grads<T>,
    at: &Place,
    keys: Range<usize>,
    x: &Scratch<T>,
) {
    let (kv, d, dv) = (at.h / (a.heads / a.kv_heads), a.d, a.dv);
    let limit = at.key_limit(a).min(keys.end);
    let scale = Real::from_f64(a.scale);
    // SAFETY: the block's rows exist in every view; keys below `limit` do too.
    unsafe {
        if limit <= keys.start {
            for r in 0..at.rows {
                std::slice::from_raw_parts_mut(grads.dq.at(at.b, at.h, at.q0 + r), d).fill(T::ZERO);
            }
            return;
        }
        let (q, d_out) = (a.q.at(at.b, at.h, at.q0), saved.d_out.at(at.b, at.h, at.q0));
        let (q_row, o_row) = (a.q.row(), saved.d_out.row());
        pack(kernel, x.qt, q, (1, q_row), d, at.rows);
        pack(kernel, x.dot, d_out, (1, o_row), dv, at.rows);
        pack(kernel, x.qb, q, (q_row, 1), at.rows, d);
        pack(kernel, x.dob, d_out, (o_row, 1), at.rows, dv);
        let rows = row_values(a, saved, at);
        let drop = Drop::new(a, at);
        let first = keys.start;
        for k0 in (first..limit).step_by(KB) {
            let n = (limit - k0).min(KB);
            scores(a, kernel, at, (k0, n), x.qt, x.p);
            let runs = || key_runs(a.causal, at, (k0, n), kernel.nr);
            for (keys, query) in runs() {
                let values = Left { p: a.v.at(at.b, kv, k0 + keys.start), rs: a.v.row(), cs: 1 };
                let to = x.ds.add(keys.start * QB);
                // Where the probability is 0 a finite factor has to stand.
                (0..keys.len()).for_each(|key| std::slice::from_raw_parts_mut(to.add(key * QB), query).fill(T::ZERO));
                let size = (keys.len(), at.width - query, dv);
                product(kernel, size, values, (x.dot.add(query * dv), dv), (to.add(query), QB as isize), T::ONE, false);
            }
            let p = std::slice::from_raw_parts_mut(x.p.cast::<[T; QB]>(), n);
            let ds = std::slice::from_raw_parts_mut(x.ds.cast::<[T; QB]>(), n);
            T::vectors(ScoreGradient { p, ds, width: at.width, rows: &rows, drop, place: (k0, at.q0 / QB) });
            for (keys, query) in runs() {
                let by_key =
                    |p: *mut T| Left { p: p.add(keys.start * QB + query).cast_const(), rs: QB as isize, cs: 1 };
                let right = |b: *mut T| (b.add(query * kernel.nr).cast_const(), at.rows);
                let (k, seen) = (k0 + keys.start, at.rows - query);
                let (dk, dv_out) = (grads.dk.at(at.b, kv, k), grads.dv.at(at.b, kv, k));
                let to = (dv_out, grads.dv.row());
                product(kernel, (keys.len(), dv, seen), by_key(x.p), right(x.dob), to, T::ONE, true);
                product(kernel, (keys.len(), d, seen), by_key(x.ds), right(x.qb), (dk, grads.dk.row()), scale, true);
            }
            pack(kernel, x.kb, a.k.at(at.b, kv, k0), (a.k.row(), 1), n, d);
            for (queries, keys) in query_runs(a.causal, at, (k0, n), kernel.mr) {
                let left = Left { p: x.ds.add(queries.start).cast_const(), rs: 1, cs: QB as isize };
                let to = (grads.dq.at(at.b, at.h, at.q0 + queries.start), grads.dq.row());
                product(kernel, (queries.len(), d, keys), left, (x.kb, n), to, scale, k0 > first);
            }
        }
    }
}

unsafe fn row_values<T: GemmScalar>(a: &Attention<T>, saved: &Saved<T>, at: &Place) -> Rows<T> {
    let mut rows = Rows { lse: [T::INFINITY; QB], delta: [T::ZERO; QB] };
    let head = at.b * a.heads + at.h;
    for r in 0..at.rows {
        // SAFETY: the caller's rows exist.
        let (o, d_out, lse) = unsafe {
            (
                std::slice::from_raw_parts(saved.out.at(at.b, at.h, at.q0 + r), a.dv),
                std::slice::from_raw_parts(saved.d_out.at(at.b, at.h, at.q0 + r), a.dv),
                *saved.lse.add(head * a.q_len + at.q0 + r),
            )
        };
        rows.delta[r] = simd::vectorize(
            #[inline(always)]
            || dot(o, d_out),
        );
        rows.lse[r] = if lse == -T::INFINITY { T::INFINITY } else { lse };
    }
    rows
}

#[inline(always)]
fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::ZERO; 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let mut rest = T::ZERO;
    xs.remainder().iter().zip(ys.remainder()).for_each(|(&a, &b)| rest += a * b);
    for (a, b) in xs.zip(ys) {
        for t in 0..16 {
            lanes[t] += a[t] * b[t];
        }
    }
    lanes.iter().fold(rest, |sum, &x| sum + x)
}

/// From scores `p` and weight gradients `ds` to (dropped) probabilities and score gradients:
/// `p = 2^(s - lse)`, `ds = p * (keep * dp - delta)`, `p = keep * p`.
struct ScoreGradient<'a, T> {
    p: &'a mut [[T; QB]],
    ds: &'a mut [[T; QB]],
    width: usize,
    rows: &'a Rows<T>,
    drop: Option<Drop<T>>,
    /// First key, block of queries.
    place: (usize, usize),
}

impl<T: GemmScalar> Task for ScoreGradient<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let Self { p, ds, width, rows, drop, place: (k0, q_block) } = self;
        let Some(drop) = drop else {
            for (p, ds) in p.iter_mut().zip(ds) {
                columns::each::<V>(width, Cells { p, ds, rows, keep: None });
            }
            return;
        };
        for (i, (p, ds)) in p.chunks_mut(2).zip(ds.chunks_mut(2)).enumerate() {
            let keep = drop.two_rows(k0 + 2 * i, q_block);
            for ((p, ds), keep) in p.iter_mut().zip(ds).zip(keep.as_chunks().0) {
                columns::each::<V>(width, Cells { p, ds, rows, keep: Some(keep) });
            }
        }
    }
}

struct Cells<'a, T> {
    p: &'a mut [T; QB],
    ds: &'a mut [T; QB],
    rows: &'a Rows<T>,
    keep: Option<&'a [T; QB]>,
}

impl<T: GemmScalar> Columns<T> for Cells<'_, T> {
    #[inline(always)]
    fn at<V: Lanes<T = T>>(&mut self, j: usize) {
        // SAFETY: the columns exist in every row.
        unsafe {
            let p = (load::<V>(self.p, j) - load(&self.rows.lse, j)).exp2_neg();
            let (mut ds, delta) = (load::<V>(self.ds, j), load::<V>(&self.rows.delta, j));
            let mut kept = p;
            if let Some(keep) = self.keep {
                let keep = load::<V>(keep, j);
                (ds, kept) = (ds * keep, p * keep);
            }
            store(kept, self.p, j);
            store(p * (ds - delta), self.ds, j);
        }
    }
}
