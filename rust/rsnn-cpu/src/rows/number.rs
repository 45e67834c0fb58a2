//! Element types of reductions: what sums accumulate in and what order means.
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
    /// Sum of a contiguous run.
    fn total(x: &[Self]) -> Self::Acc;
}

/// Types with an order; NaN is above and below everything.
pub trait Order: Copy + PartialOrd + Send + Sync + 'static {
    const LOWEST: Self;
    const HIGHEST: Self;
    /// Not zero (NaN is not).
    fn truth(self) -> bool;
    #[inline(always)]
    fn nan(self) -> bool {
        #[allow(clippy::eq_op)]
        let nan = self != self;
        nan
    }
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
            fn total(x: &[Self]) -> f64 { super::sum(x, 0.0, #[inline(always)] |v| v) }
        }
        impl Order for $t {
            const LOWEST: Self = $t::NEG_INFINITY;
            const HIGHEST: Self = $t::INFINITY;
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
            #[inline(always)]
            fn total(x: &[Self]) -> i64 { super::fold(x, 0, #[inline(always)] |a: i64, v| a.wrapping_add(v as i64), i64::wrapping_add) }
        }
        impl Order for $t {
            const LOWEST: Self = $t::MIN;
            const HIGHEST: Self = $t::MAX;
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
    #[inline(always)]
    fn total(x: &[Self]) -> i64 {
        super::fold(
            x,
            0,
            #[inline(always)]
            |a: i64, v| a.wrapping_add(v as i64),
            i64::wrapping_add,
        )
    }
}
impl Order for bool {
    const LOWEST: Self = false;
    const HIGHEST: Self = true;
    #[inline(always)]
    fn truth(self) -> bool {
        self
    }
}
