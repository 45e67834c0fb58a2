//! Vector math: branch-free formulas for f32 (own polynomials, at most 2 ULP or torch's error) and f64. A formula is
//! written over `Lanes`: a scalar that LLVM vectorises inside `simd::vectorize`, or a vector of `wide` in `map1`, `map2`
//! and tasks. Products are fused where the lanes can, so results differ by a rounding between instruction sets.
mod double;
mod each;
mod hyperbolic;
mod lanes;
mod plain;
mod single;
#[cfg(test)]
mod tests;
mod trig;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use double::erfinv_of;
pub use each::*;
pub use lanes::Lanes;
pub use plain::Plain;

use crate::{pool, simd};
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// `2 sqrt(2 / pi) / ln 2` and the factor of the cube in tanh's GELU.
const TANH_U: f64 = 2.0 * 0.797_884_560_802_865_4 * std::f64::consts::LOG2_E;
const KAPPA: f64 = 0.044715;

/// The floating point numbers that kernels compute with. Call through the trait (`Real::exp(x)`): on a plain `f32` the
/// method of the same name in std wins, and that one is a scalar libm call.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    const ZERO: Self;
    const ONE: Self;
    const HALF: Self;
    const INFINITY: Self;
    const NAN: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// To the nearest integer, halves to the even one.
    fn round(self) -> Self;
    fn exp(self) -> Self;
    /// `exp` for arguments up to 80 (meant for `<= 0`), cheaper; results below the normal f32 are 0.
    fn exp_neg(self) -> Self;
    /// `2^self`, as `exp_neg`.
    fn exp2_neg(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log1p(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    fn powf(self, p: Self) -> Self;
    /// `1 / (1 + exp(-x))`, relative accuracy in both tails.
    fn sigmoid(self) -> Self;
    /// `x * Phi(x)` with the exact normal distribution function.
    fn gelu(self) -> Self;
    /// `self` if it is larger, else `other` (so a NaN in `other` wins and a NaN in `self` is lost).
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    /// `self` if it is smaller, else `other` (a NaN in `other` wins).
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        #[allow(clippy::eq_op)]
        let nan = self != self;
        nan
    }
    /// `x` limited to `[-limit, limit]`; NaN stays NaN.
    #[inline(always)]
    fn limit(self, limit: Self) -> Self {
        let x = limit.min(self);
        (-limit).max(x)
    }
    /// Runs a task on the best lanes for this type that the machine has.
    fn vectors<K: Task<T = Self>>(task: K) -> K::Out;
}

macro_rules! shared {
    ($t:ident, $vectors:path) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;
            const INFINITY: Self = $t::INFINITY;
            const NAN: Self = $t::NAN;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            shared!(@std $t, sqrt abs);
            shared!(@own $t, round exp exp_neg exp2_neg expm1 log log1p tanh erf sigmoid gelu);
            #[inline(always)]
            fn powf(self, p: Self) -> Self {
                $t::powf(self, p)
            }
            #[inline]
            fn vectors<K: Task<T = $t>>(task: K) -> K::Out {
                $vectors(task)
            }
        }
    };
    (@std $t:ident, $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self { $t::$f(self) }
    )* };
    (@own $t:ident, $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self { Lanes::$f(self) }
    )* };
}
shared!(f32, each::vectors_f32);
shared!(f64, each::singly::<f64, K>);

/// `out[i] = f(x[i])`, vectorised and in parallel. Pass `#[inline(always)] |v| ...` so that `f` is compiled for the level.
pub fn map<T: Copy + Sync, U: Copy + Send>(x: &[T], out: &mut [U], f: impl Fn(T) -> U + Sync) {
    assert_eq!(x.len(), out.len());
    let (n, chunks) = (x.len(), pool::split(x.len(), 1 << 15));
    let out = pool::SendPtr(out.as_mut_ptr());
    pool::for_each_chunk(chunks, |i| {
        let r = pool::range(n, chunks, i);
        // SAFETY: chunks are disjoint ranges of `out`, which outlives the call.
        let out = unsafe { std::slice::from_raw_parts_mut(out.get().add(r.start), r.len()) };
        let x = &x[r];
        simd::vectorize(
            #[inline(always)]
            || x.iter().zip(out).for_each(|(x, out)| *out = f(*x)),
        );
    });
}
