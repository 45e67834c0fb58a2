//! Running sums and products along `len` of `[outer, len, inner]`, accumulated in f64 or i64.
use super::reduce::{Axis, Sum};
use super::{Parts, par_rows};
use crate::simd::vectorize;

/// `out[r] = op(out[r - 1], x[r])` along `len`; `reverse` runs from the end.
#[inline(always)]
fn scan<T: Sum>(
    x: &[T],
    out: &mut [T::Out],
    axis: Axis,
    reverse: bool,
    start: T::Acc,
    op: impl Fn(T::Acc, T::Acc) -> T::Acc + Sync,
) {
    let Axis { outer, len, inner } = axis;
    assert!(x.len() == outer * len * inner && out.len() == x.len());
    let out = Parts::new(out);
    par_rows(outer, len * inner, |range| {
        let mut acc = vec![start; inner];
        vectorize(
            #[inline(always)]
            || {
                for o in range {
                    if inner == 1 {
                        let at = o * len..(o + 1) * len;
                        // SAFETY: each row is written once.
                        scan_run(&x[at.clone()], unsafe { out.get(at) }, reverse, start, &op);
                        continue;
                    }
                    acc.fill(start);
                    for r in 0..len {
                        let at = (o * len + if reverse { len - 1 - r } else { r }) * inner;
                        // SAFETY: each element is written once.
                        let out = unsafe { out.get(at..at + inner) };
                        for ((a, x), out) in acc.iter_mut().zip(&x[at..at + inner]).zip(out) {
                            *a = op(*a, x.widen());
                            *out = T::narrow(*a);
                        }
                    }
                }
            },
        );
    });
}

/// Running sum; `reverse` sums from the end (the gradient of `cumsum`).
pub fn cumsum<T: Sum>(x: &[T], out: &mut [T::Out], axis: Axis, reverse: bool) {
    scan(
        x,
        out,
        axis,
        reverse,
        T::ZERO,
        #[inline(always)]
        |a, b| T::add(a, b),
    );
}

/// Running product.
pub fn cumprod<T: Sum>(x: &[T], out: &mut [T::Out], axis: Axis) {
    scan(
        x,
        out,
        axis,
        false,
        T::ONE,
        #[inline(always)]
        |a, b| T::mul(a, b),
    );
}

#[inline(always)]
fn scan_run<T: Sum>(x: &[T], out: &mut [T::Out], reverse: bool, start: T::Acc, op: impl Fn(T::Acc, T::Acc) -> T::Acc) {
    let mut acc = start;
    let step = |(out, x): (&mut T::Out, &T)| {
        acc = op(acc, x.widen());
        *out = T::narrow(acc);
    };
    let pairs = out.iter_mut().zip(x);
    if reverse { pairs.rev().for_each(step) } else { pairs.for_each(step) }
}
