//! `a sigmoid(b)` of rows that hold `a` and then `b`, and its gradient.
use crate::pool::{self, SendPtr};
use crate::vmath::{Lanes, Map2, Real, Task, map2};
use std::ops::Range;

#[derive(Clone, Copy)]
struct Gate;
impl Map2 for Gate {
    #[inline(always)]
    fn apply<V: Lanes>(self, a: V, b: V) -> V {
        a * b.sigmoid()
    }
}

/// Calls `f(row, columns)` for pieces that cover `rows` times `0..half`, in parallel.
fn pieces(rows: usize, half: usize, f: impl Fn(usize, Range<usize>) + Sync) {
    let n = rows * half;
    let chunks = pool::split(n, 1 << 14);
    pool::for_each_chunk(chunks, |c| {
        let r = pool::range(n, chunks, c);
        let mut at = r.start;
        while at < r.end {
            let (row, column) = (at / half, at % half);
            let end = half.min(column + r.end - at);
            f(row, column..end);
            at += end - column;
        }
    });
}

/// `out[row, ..half]` from `x[row, ..2 half]`.
pub fn forward<T: Real>(x: &[T], out: &mut [T], half: usize) {
    assert!(x.len() == 2 * out.len());
    let to = SendPtr(out.as_mut_ptr());
    pieces(out.len() / half.max(1), half, |row, r| {
        let x = &x[2 * row * half..][..2 * half];
        // SAFETY: pieces are disjoint and within `out`.
        let out = unsafe { std::slice::from_raw_parts_mut(to.get().add(row * half + r.start), r.len()) };
        map2(Gate, &x[r.clone()], &x[half..][r], out);
    });
}

/// `a`, `b`, the incoming gradient; the gradients of `a` and `b`.
struct Back<'a, T>([&'a [T]; 3], [&'a mut [T]; 2]);

impl<T: Real> Task for Back<'_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let Back([a, b, g], [da, db]) = self;
        let n = a.len();
        for i in (0..n).step_by(V::WIDTH) {
            let whole = i + V::WIDTH <= n;
            // SAFETY: all five slices have `n` elements; a part is loaded and stored as one.
            unsafe {
                let load = |x: &[T]| {
                    let p = x.as_ptr().add(i);
                    if whole { V::load(p) } else { V::load_part(p, n - i, T::ZERO) }
                };
                let (a, g, s) = (load(a), load(g), load(b).sigmoid());
                let first = g * s;
                let second = first * a * (V::c(1.0) - s);
                if whole {
                    first.store(da.as_mut_ptr().add(i));
                    second.store(db.as_mut_ptr().add(i));
                } else {
                    first.store_part(da.as_mut_ptr().add(i), n - i);
                    second.store_part(db.as_mut_ptr().add(i), n - i);
                }
            }
        }
    }
}

/// `dx[row, ..2 half]` from `x` and `g[row, ..half]`.
pub fn backward<T: Real>(x: &[T], g: &[T], dx: &mut [T], half: usize) {
    assert!(x.len() == dx.len() && x.len() == 2 * g.len());
    let to = SendPtr(dx.as_mut_ptr());
    pieces(g.len() / half.max(1), half, |row, r| {
        let x = &x[2 * row * half..][..2 * half];
        let g = &g[row * half..][r.clone()];
        // SAFETY: pieces are disjoint and within `dx`, and so are their two halves.
        let part = |at: usize| unsafe { std::slice::from_raw_parts_mut(to.get().add(2 * row * half + at), r.len()) };
        T::vectors(Back([&x[r.clone()], &x[half..][r.clone()], g], [part(r.start), part(half + r.start)]));
    });
}
