//! Element types of reductions: what sums accumulate in and what order means.
use crate::simd::vectorize;
use std::ops::{Add, Mul};

/// Number types of sums and products: f32, f64 accumulate in f64 and give themselves, the others give i64.
pub trait Sum: Copy + Send + Sync + 'static {
    type Acc: Copy + Send + Sync + Add<Output = Self::Acc> + Mul<Output = Self::Acc>;
    type Out: Copy + Send + Sync;
    const ZERO: Self::Acc;
    const ONE: Self::Acc;
    fn widen(self) -> Self::Acc;
    fn narrow(acc: Self::Acc) -> Self::Out;
    fn add(a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn mul(a: Self::Acc, b: Self::Acc) -> Self::Acc;
    /// Sum of four.
    fn four(x: [Self; 4]) -> Self::Acc;
    /// Product of four.
    #[inline(always)]
    fn times(x: [Self; 4]) -> Self::Acc {
        let [a, b, c, d] = x.map(Self::widen);
        Self::mul(Self::mul(a, b), Self::mul(c, d))
    }
    /// Sums of consecutive runs of `len` elements, as many as `out` has.
    fn totals(x: &[Self], len: usize, out: &mut [Self::Acc]) {
        fold_runs(
            x,
            len,
            out,
            Self::ZERO,
            #[inline(always)]
            |a, v| Self::add(a, v.widen()),
            Self::add,
        );
    }
    /// Their products.
    fn products(x: &[Self], len: usize, out: &mut [Self::Acc]) {
        fold_runs(
            x,
            len,
            out,
            Self::ONE,
            #[inline(always)]
            |a, v| Self::mul(a, v.widen()),
            Self::mul,
        );
    }
}

/// Types with an order; NaN is above and below everything.
pub trait Order: Copy + PartialOrd + Send + Sync + 'static {
    const LOWEST: Self;
    const HIGHEST: Self;
    /// NaN, where the type has it.
    const UNORDERED: Self;
    /// Largest of each of consecutive runs of `len` elements: NaN if there is one.
    fn largest(x: &[Self], len: usize, out: &mut [Self]) {
        fold_runs(x, len, out, Self::LOWEST, above, above);
    }
    /// Smallest, as `largest`.
    fn smallest(x: &[Self], len: usize, out: &mut [Self]) {
        fold_runs(x, len, out, Self::HIGHEST, below, below);
    }
    /// Not zero (NaN is not).
    fn truth(self) -> bool;
    #[inline(always)]
    fn nan(self) -> bool {
        #[allow(clippy::eq_op)]
        let nan = self != self;
        nan
    }
}

/// Folds each of consecutive runs of `len` elements.
#[inline(always)]
fn fold_runs<T: Copy, A: Copy>(
    x: &[T],
    len: usize,
    out: &mut [A],
    init: A,
    step: impl Fn(A, T) -> A,
    merge: impl Fn(A, A) -> A,
) {
    vectorize(
        #[inline(always)]
        || {
            for (r, out) in out.iter_mut().enumerate() {
                *out = super::fold(super::row(x, r, len), init, &step, &merge);
            }
        },
    );
}

/// The larger one; a NaN may or may not be seen.
#[inline(always)]
pub(super) fn above<T: Order>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// The smaller one; a NaN may or may not be seen.
#[inline(always)]
pub(super) fn below<T: Order>(a: T, b: T) -> T {
    if b < a { b } else { a }
}

macro_rules! types {
    (float $($t:ident)*) => { $(
        impl Sum for $t {
            type Acc = f64;
            type Out = $t;
            types!(@body f64 $t 0.0 1.0 + *);
            #[inline(always)]
            fn four(x: [Self; 4]) -> f64 { ((x[0] + x[1]) + (x[2] + x[3])) as f64 }
            #[inline(always)]
            fn times(x: [Self; 4]) -> f64 { ((x[0] * x[1]) * (x[2] * x[3])) as f64 }
            fn totals(x: &[Self], len: usize, out: &mut [f64]) { super::lanes::totals(x, len, out) }
            fn products(x: &[Self], len: usize, out: &mut [f64]) { super::lanes::products(x, len, out) }
        }
        impl Order for $t {
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
            const UNORDERED: Self = $t::NAN;
            fn largest(x: &[Self], len: usize, out: &mut [Self]) { super::lanes::extremes::<$t, true>(x, len, out) }
            fn smallest(x: &[Self], len: usize, out: &mut [Self]) { super::lanes::extremes::<$t, false>(x, len, out) }
            #[inline(always)]
            fn truth(self) -> bool { self != 0.0 }
        }
    )* };
    (int $($t:ident)*) => { $(
        impl Sum for $t {
            type Acc = i64;
            type Out = i64;
            types!(@body i64 i64 0 1 wrapping_add wrapping_mul);
            #[inline(always)]
            fn four(x: [Self; 4]) -> i64 { x.iter().map(|v| *v as i64).fold(0, i64::wrapping_add) }
        }
        impl Order for $t {
            const LOWEST: Self = $t::MIN;
            const HIGHEST: Self = $t::MAX;
            const UNORDERED: Self = 0;
            #[inline(always)]
            fn truth(self) -> bool { self != 0 }
        }
    )* };
    (@body $acc:ident $out:ident $zero:literal $one:literal $($op:tt)*) => {
        const ZERO: $acc = $zero;
        const ONE: $acc = $one;
        #[inline(always)]
        fn widen(self) -> $acc { self as $acc }
        #[inline(always)]
        fn narrow(acc: $acc) -> $out { acc as $out }
        types!(@ops $acc $($op)*);
    };
    (@ops $acc:ident + *) => {
        #[inline(always)]
        fn add(a: $acc, b: $acc) -> $acc { a + b }
        #[inline(always)]
        fn mul(a: $acc, b: $acc) -> $acc { a * b }
    };
    (@ops $acc:ident wrapping_add wrapping_mul) => {
        #[inline(always)]
        fn add(a: $acc, b: $acc) -> $acc { a.wrapping_add(b) }
        #[inline(always)]
        fn mul(a: $acc, b: $acc) -> $acc { a.wrapping_mul(b) }
    };
}
types!(float f32 f64);
types!(int i8 i16 i32 i64 u8);

impl Sum for bool {
    type Acc = i64;
    type Out = i64;
    types!(@body i64 i64 0 1 wrapping_add wrapping_mul);
    #[inline(always)]
    fn four(x: [Self; 4]) -> i64 {
        x.iter().map(|v| *v as i64).sum()
    }
}
impl Order for bool {
    const LOWEST: Self = false;
    const HIGHEST: Self = true;
    const UNORDERED: Self = false;
    #[inline(always)]
    fn truth(self) -> bool {
        self
    }
}
