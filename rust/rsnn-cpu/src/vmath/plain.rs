//! A vector in plain code, whose arithmetic the compiler turns into the instructions of any target.
use super::lanes::Lanes;
use std::array::from_fn;
use std::ops::{Add, Div, Mul, Neg, Sub};

const N: usize = 8;

/// Eight numbers.
#[derive(Clone, Copy)]
pub struct Plain<T>([T; N]);

macro_rules! each {
    ($i:ident => $e:expr) => {
        Plain(from_fn(
            #[inline(always)]
            |$i| $e,
        ))
    };
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:tt;)*) => { $(
        impl<T: Lanes<T = T>> $trait for Plain<T> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                each!(i => self.0[i] $op other.0[i])
            }
        }
    )* };
}
operator! {
    Add add +;
    Sub sub -;
    Mul mul *;
    Div div /;
}

impl<T: Lanes<T = T>> Neg for Plain<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        each!(i => -self.0[i])
    }
}

/// Methods that act on every lane alone.
macro_rules! lanewise {
    ($($f:ident $($other:ident)?,)*) => { $(
        #[inline(always)]
        fn $f(self $(, $other: Self)?) -> Self {
            each!(i => Lanes::$f(self.0[i] $(, $other.0[i])?))
        }
    )* };
}

impl<T: Lanes<T = T> + super::Real> Lanes for Plain<T> {
    type T = T;
    type Mask = [T::Mask; N];
    type Narrow = Self;
    const WIDTH: usize = N;
    #[inline(always)]
    fn splat(x: T) -> Self {
        Plain([x; N])
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        // SAFETY: the caller's pointer is valid for all lanes.
        Plain(unsafe { p.cast::<[T; N]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        // SAFETY: as above.
        unsafe { p.cast::<[T; N]>().write(self.0) }
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        each!(i => Lanes::fma(self.0[i], b.0[i], c.0[i]))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Self::Mask {
        from_fn(
            #[inline(always)]
            |i| Lanes::lt(self.0[i], other.0[i]),
        )
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        each!(i => T::select(mask[i], yes.0[i], no.0[i]))
    }
    #[inline(always)]
    fn sum(self) -> T {
        let mut t = self.0;
        let mut n = N;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                t[i] += t[i + n];
            }
        }
        t[0]
    }
    #[inline(always)]
    fn all(mask: Self::Mask) -> bool {
        mask.into_iter().all(T::all)
    }
    lanewise! {
        max other, min other, abs, sqrt, trunc, round, copysign other, exp, exp2, exp_neg, exp2_neg, expm1, log, log2, log10,
        log1p, sin, cos, tan, asin, acos, atan, atan2 other, sinh, cosh, tanh, asinh, atanh, erf, erfc, erfinv, hypot other,
        fmod other, log1p_unit, sigmoid, gelu, gelu_grad, gelu_tanh, gelu_tanh_grad, silu_grad,
    }
}
