//! Vector math: branch-free scalar functions that LLVM vectorises inside `simd::vectorize`, for f32 (own polynomials,
//! at most 2 ULP) and f64. A sum of products stays unfused: one result at every instruction set level, and no libm call
//! where the machine has no FMA.
mod double;
mod single;
#[cfg(test)]
mod tests;

use crate::{pool, simd};
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

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
    fn exp(self) -> Self;
    /// `exp` for arguments up to 80 (meant for `<= 0`), cheaper; results below the normal f32 are 0, `exp(-inf)` is exactly 0.
    fn exp_neg(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log1p(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    /// Scalar (libm): exact range reduction for large arguments does not vectorise.
    fn sin(self) -> Self;
    /// Scalar (libm), as `sin`.
    fn cos(self) -> Self;
    fn powf(self, p: Self) -> Self;
    /// `1 / (1 + exp(-x))`, relative accuracy in both tails.
    fn sigmoid(self) -> Self;
    /// `sigmoid`, cheaper and within 3 ULP, for use inside products.
    fn logistic(self) -> Self;
    /// `x * Phi(x)` with the exact normal distribution function.
    fn gelu(self) -> Self;
    fn gelu_grad(self) -> Self;
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
    /// `x * sigmoid(x)`
    #[inline(always)]
    fn silu(self) -> Self {
        self * self.logistic()
    }
    /// Derivative of `silu`: `s * (1 + x * (1 - s))`.
    #[inline(always)]
    fn silu_grad(self) -> Self {
        let x = self.limit(Self::from_f64(750.0));
        let s = x.logistic();
        s * (Self::ONE + x * (-x).logistic())
    }
    /// `x / 2 * (1 + tanh(u)) = x * sigmoid(2 u)`, `u = sqrt(2 / pi) * (x + 0.044715 x^3)`
    #[inline(always)]
    fn gelu_tanh(self) -> Self {
        let x = self;
        let u = x * (Self::from_f64(2.0 * GELU_BETA) + Self::from_f64(2.0 * GELU_BETA * GELU_KAPPA) * (x * x));
        x * u.logistic()
    }
    /// Derivative of `gelu_tanh`; beyond 30 it is 0 or 1 to the last bit.
    #[inline(always)]
    fn gelu_tanh_grad(self) -> Self {
        let x = self.limit(Self::from_f64(30.0));
        let (b, k) = (2.0 * GELU_BETA, 2.0 * GELU_BETA * GELU_KAPPA);
        let u = x * (Self::from_f64(b) + Self::from_f64(k) * (x * x));
        let s = u.logistic();
        s + x * s * (-u).logistic() * (Self::from_f64(b) + Self::from_f64(3.0 * k) * (x * x))
    }
    /// `log(1 + exp(x))` without overflow.
    #[inline(always)]
    fn softplus(self) -> Self {
        Self::ZERO.max(self) + (-self.abs()).exp_neg().log1p()
    }
}

const GELU_BETA: f64 = 0.797_884_560_802_865_4; // sqrt(2 / pi)
const GELU_KAPPA: f64 = 0.044715;

/// `a * b + c`: fused where the whole build has FMA (aarch64, `-C target-feature=+fma`), else two roundings.
#[inline(always)]
pub fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { a.mul_add(b, c) } else { a * b + c }
}

macro_rules! shared {
    ($t:ident, $m:ident) => {
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
            shared!(@std $t, sqrt abs sin cos);
            shared!(@own $t $m, exp exp_neg expm1 log log1p tanh erf sigmoid logistic gelu gelu_grad);
            #[inline(always)]
            fn powf(self, p: Self) -> Self {
                $t::powf(self, p)
            }
        }
    };
    (@std $t:ident, $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self { $t::$f(self) }
    )* };
    (@own $t:ident $m:ident, $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self { $m::$f(self) }
    )* };
}
shared!(f32, single);
shared!(f64, double);

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
