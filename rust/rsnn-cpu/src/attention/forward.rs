//! The forward pass: one task per (batch, head, block of queries), running maximum and sum over blocks of keys.
use super::block::{Carve, Drop, KB, Left, Place, QB, pack, panels, product, scores};
use super::weight::fused;
use super::{Attention, Scalar, ViewMut};
use crate::gemm::scratch::{Slot, with};
use crate::gemm::tile::Kernel;
use crate::pool::SendPtr;
use crate::{simd, vmath::Real};

/// Writes `out` (batch, heads, q_len, dv) and `lse`, the log-sum-exp of each row, contiguous (batch, heads, q_len).
/// A row that sees no key gives 0 and an lse of minus infinity.
///
/// # Safety
/// All views and the mask cover the shapes in `a`; results overlap nothing.
pub unsafe fn forward<T: Scalar>(a: &Attention<T>, out: ViewMut<T>, lse: *mut T) {
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

unsafe fn forward_block<T: Scalar>(a: &Attention<T>, kernel: &Kernel<T>, at: &Place, out: ViewMut<T>, lse: *mut T) {
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
            let acc_rows = std::slice::from_raw_parts_mut(acc.cast::<T>(), QB * wide);
            acc_rows.fill(T::ZERO);
            for k0 in (0..limit).step_by(KB) {
                let n = (limit - k0).min(KB);
                scores(a, kernel, at, (k0, n), qt, s);
                let rows = std::slice::from_raw_parts_mut(s.cast::<[T; QB]>(), n);
                if !absorb(rows, at.width, &mut running, acc_rows, wide) {
                    continue;
                }
                if let Some(drop) = drop {
                    drop_rows(rows, &drop, k0, at.q0 / QB);
                }
                pack(kernel, vb, a.v.at(at.b, at.h / group, k0), (a.v.row(), 1), n, a.dv);
                let weights = Left { p: s.cast_const(), rs: 1, cs: QB as isize };
                product(kernel, (at.rows, wide, n), weights, vb, (acc, wide as isize), T::ONE, true);
            }
            for r in 0..at.rows {
                let sum = running.sum[r];
                // Not `sum > 0`: a NaN has to come out.
                let factor = if sum == T::ZERO { T::ZERO } else { T::ONE / sum };
                let to = std::slice::from_raw_parts_mut(out.at(at.b, at.h, at.q0 + r), a.dv);
                to.iter_mut().zip(&acc_rows[r * wide..]).for_each(|(o, &x)| *o = x * factor);
                *lse.add(r) = if sum == T::ZERO { -T::INFINITY } else { running.max[r] + Real::log(sum) };
            }
        }
    })
}

/// Turns scores into `exp(score - max)` and folds them into the running maximum, sum and result; false if every score is hidden.
fn absorb<T: Scalar>(rows: &mut [[T; QB]], width: usize, running: &mut Running<T>, acc: &mut [T], wide: usize) -> bool {
    simd::vectorize(
        #[inline(always)]
        || match (fused(), width) {
            // The usual width as a constant: its loops unroll.
            (true, QB) => absorb_width::<T, true>(rows, QB, running, acc, wide),
            (true, _) => absorb_width::<T, true>(rows, width, running, acc, wide),
            (false, _) => absorb_width::<T, false>(rows, width, running, acc, wide),
        },
    )
}

#[inline(always)]
fn absorb_width<T: Scalar, const FUSED: bool>(
    rows: &mut [[T; QB]],
    w: usize,
    running: &mut Running<T>,
    acc: &mut [T],
    wide: usize,
) -> bool {
    let mut max = running.max;
    for row in rows.iter() {
        for j in 0..w {
            max[j] = Real::max(max[j], row[j]);
        }
    }
    if max[..w].iter().all(|&m| m == -T::INFINITY) {
        return false;
    }
    // A row that has seen nothing yet keeps a finite base, so that hidden scores become 0 and not NaN.
    let mut base = [T::ZERO; QB];
    let mut factor = [T::ONE; QB];
    for j in 0..w {
        base[j] = if max[j] == -T::INFINITY { T::ZERO } else { max[j] };
        factor[j] = (running.max[j] - base[j]).weight::<FUSED>();
    }
    let mut sum = [T::ZERO; QB];
    for row in rows.iter_mut() {
        for j in 0..w {
            let p = (row[j] - base[j]).weight::<FUSED>();
            row[j] = p;
            sum[j] += p;
        }
    }
    for j in 0..w {
        running.sum[j] = running.sum[j] * factor[j] + sum[j];
    }
    for (row, &f) in acc.chunks_exact_mut(wide).zip(&factor[..w]) {
        if f != T::ONE {
            row.iter_mut().for_each(|x| *x *= f);
        }
    }
    running.max = max;
    true
}

fn drop_rows<T: Scalar>(rows: &mut [[T; QB]], drop: &Drop<T>, k0: usize, q_block: usize) {
    simd::vectorize(
        #[inline(always)]
        || {
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
