//! What the formulas of vector math are written in: one number or a whole vector of them, so that a formula exists once
//! for the portable loops (`f32`, `f64`) and for the vectors of `wide`.
use super::{Plain, Real, STEP};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// One or more numbers that are computed together. Where numbers are compared the second operand wins on NaN.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The number in a lane.
    type T: Real;
    /// The result of a comparison.
    type Mask: Copy;
    /// Lanes of one vector, for loops that take several slices together and need no more.
    type Narrow: Lanes<T = Self::T>;
    /// Numbers per value.
    const WIDTH: usize;
    fn splat(x: Self::T) -> Self;
    /// # Safety
    /// `p` is valid for `WIDTH` numbers.
    unsafe fn load(p: *const Self::T) -> Self;
    /// # Safety
    /// As for `load`.
    unsafe fn store(self, p: *mut Self::T);
    /// `self * b + c`, rounded once where the instruction set can.
    fn fma(self, b: Self, c: Self) -> Self;
    /// `self` if it is larger, else `other`.
    fn max(self, other: Self) -> Self;
    /// `self` if it is smaller, else `other`.
    fn min(self, other: Self) -> Self;
    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn trunc(self) -> Self;
    /// To the nearest integer, halves to the even one.
    fn round(self) -> Self;
    fn copysign(self, sign: Self) -> Self;
    fn lt(self, other: Self) -> Self::Mask;
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Whether the mask holds in every lane.
    fn all(mask: Self::Mask) -> bool;
    /// Sum of the lanes, by halves.
    fn sum(self) -> Self::T;

    fn exp(self) -> Self;
    fn exp2(self) -> Self;
    /// `exp` for arguments up to 80 (meant for `<= 0`), cheaper; 0 below about -87.
    fn exp_neg(self) -> Self;
    /// `2^self` for arguments up to 80 (meant for `<= 0`), cheaper still; 0 below about -127.
    fn exp2_neg(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log2(self) -> Self;
    fn log10(self) -> Self;
    fn log1p(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    /// The angle of the point `(other, self)`.
    fn atan2(self, other: Self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn tanh(self) -> Self;
    fn asinh(self) -> Self;
    fn atanh(self) -> Self;
    fn erf(self) -> Self;
    fn erfc(self) -> Self;
    fn erfinv(self) -> Self;
    /// The length of `(self, other)`.
    fn hypot(self, other: Self) -> Self;
    /// The remainder of the truncated quotient, exact.
    fn fmod(self, other: Self) -> Self;
    /// `log(1 + self)` for `0 <= self <= 1`.
    fn log1p_unit(self) -> Self;
    /// `1 / (1 + exp(-x))`
    fn sigmoid(self) -> Self;
    /// `x * Phi(x)` with the exact normal distribution function.
    fn gelu(self) -> Self;
    fn gelu_grad(self) -> Self;
    /// `x / 2 * (1 + tanh(u))`, `u = sqrt(2 / pi) * (x + 0.044715 x^3)`
    fn gelu_tanh(self) -> Self;
    fn gelu_tanh_grad(self) -> Self;
    /// Derivative of `silu`: `s * (1 + x * (1 - s))`.
    fn silu_grad(self) -> Self;

    /// `load` of the first `n <= WIDTH`, the others `pad`.
    /// # Safety
    /// `p` is valid for `n` numbers.
    #[inline(always)]
    unsafe fn load_part(p: *const Self::T, n: usize, pad: Self::T) -> Self {
        let mut part = [pad; STEP];
        // SAFETY: the caller's pointer, and WIDTH <= STEP.
        unsafe {
            std::ptr::copy_nonoverlapping(p, part.as_mut_ptr(), n.min(Self::WIDTH));
            Self::load(part.as_ptr())
        }
    }
    /// `store` of the first `n <= WIDTH`.
    /// # Safety
    /// As for `load_part`.
    #[inline(always)]
    unsafe fn store_part(self, p: *mut Self::T, n: usize) {
        let mut part = [Self::T::ZERO; STEP];
        // SAFETY: as above.
        unsafe {
            self.store(part.as_mut_ptr());
            std::ptr::copy_nonoverlapping(part.as_ptr(), p, n.min(Self::WIDTH));
        }
    }
    /// `f` of every lane.
    #[inline(always)]
    fn lanewise(self, f: fn(Self::T) -> Self::T) -> Self {
        self.lanewise2(self, |x, _| f(x))
    }
    /// `f` of every pair of lanes.
    #[inline(always)]
    fn lanewise2(self, other: Self, f: impl Fn(Self::T, Self::T) -> Self::T) -> Self {
        let (mut x, mut y) = ([Self::T::ZERO; STEP], [Self::T::ZERO; STEP]);
        // SAFETY: WIDTH <= STEP.
        unsafe {
            self.store(x.as_mut_ptr());
            other.store(y.as_mut_ptr());
            for (x, y) in x.iter_mut().zip(y).take(Self::WIDTH) {
                *x = f(*x, y);
            }
            Self::load(x.as_ptr())
        }
    }
    /// `store` past the caches, where the machine can; `simd::drain` makes it visible to other threads.
    /// # Safety
    /// As for `load`, and `p` is aligned to 32 bytes.
    #[inline(always)]
    unsafe fn stream(self, p: *mut Self::T) {
        // SAFETY: the caller's pointer.
        unsafe { self.store(p) };
    }
    /// A constant.
    #[inline(always)]
    fn c(x: f64) -> Self {
        Self::splat(Self::T::from_f64(x))
    }
    /// `self` limited to `[low, high]`; NaN stays NaN.
    #[inline(always)]
    fn limit(self, low: f64, high: f64) -> Self {
        Self::c(low).max(Self::c(high).min(self))
    }
    /// `fmod` with the sign of the divisor.
    #[inline(always)]
    fn remainder(self, other: Self) -> Self {
        let rest = self.fmod(other);
        let against = (rest * Self::c(1.0).copysign(other)).lt(Self::c(0.0));
        Self::select(against, rest + other, rest)
    }
    /// `x * sigmoid(x)`
    #[inline(always)]
    fn silu(self) -> Self {
        self * self.sigmoid()
    }
    /// `log(1 + exp(x))` without overflow.
    #[inline(always)]
    fn softplus(self) -> Self {
        Self::c(0.0).max(self) + (-self.abs()).exp_neg().log1p_unit()
    }
    /// `x * tanh(softplus(x))`: with `e = exp(x)` the factor is `n / (n + 2)`, `n = e (e + 2)`, and 1 beyond 20.
    #[inline(always)]
    fn mish(self) -> Self {
        let e = Self::c(20.0).min(self).exp();
        let n = e * (e + Self::c(2.0));
        self * (n / (n + Self::c(2.0)))
    }
    /// `w + x (1 - w^2) sigmoid(x)`, `w` the factor in `mish`.
    #[inline(always)]
    fn mish_grad(self) -> Self {
        let x = self.limit(-750.0, 20.0);
        let e = x.exp();
        let n = e * (e + Self::c(2.0));
        let inv = Self::c(1.0) / (n + Self::c(2.0));
        // (1 - w^2) sigmoid(x) = 4 e (1 + e) / (n + 2)^2
        (n * inv) + x * (Self::c(4.0) * e * (e + Self::c(1.0)) * inv * inv)
    }
}

/// Lanes of f32, whose bits can be reached.
pub trait Bits: Lanes<T = f32> {
    /// Whether `fma` rounds once.
    const FUSED: bool;
    fn bits(x: u32) -> Self {
        Self::splat(f32::from_bits(x))
    }
    /// The integer operations on the lanes' bits.
    fn shl<const N: i32>(self) -> Self;
    fn sra<const N: i32>(self) -> Self;
    fn iadd(self, other: Self) -> Self;
    fn isub(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// The bits taken as an integer, in floating point.
    fn int_to_float(self) -> Self;
}

/// The part that both number types share.
macro_rules! scalar {
    ($t:ident, $fma:expr) => {
        type T = $t;
        type Mask = bool;
        type Narrow = Plain<$t>;
        const WIDTH: usize = 1;
        #[inline(always)]
        fn splat(x: $t) -> $t {
            x
        }
        #[inline(always)]
        unsafe fn load(p: *const $t) -> $t {
            // SAFETY: the caller's pointer is valid.
            unsafe { *p }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut $t) {
            // SAFETY: as above.
            unsafe { *p = self }
        }
        #[inline(always)]
        fn fma(self, b: $t, c: $t) -> $t {
            const F: fn($t, $t, $t) -> $t = $fma;
            F(self, b, c)
        }
        #[inline(always)]
        fn max(self, other: $t) -> $t {
            if self > other { self } else { other }
        }
        #[inline(always)]
        fn min(self, other: $t) -> $t {
            if self < other { self } else { other }
        }
        #[inline(always)]
        fn abs(self) -> $t {
            $t::abs(self)
        }
        #[inline(always)]
        fn sqrt(self) -> $t {
            $t::sqrt(self)
        }
        #[inline(always)]
        fn trunc(self) -> $t {
            $t::trunc(self)
        }
        #[inline(always)]
        fn round(self) -> $t {
            $t::round_ties_even(self)
        }
        #[inline(always)]
        fn copysign(self, sign: $t) -> $t {
            $t::copysign(self, sign)
        }
        #[inline(always)]
        fn lt(self, other: $t) -> bool {
            self < other
        }
        #[inline(always)]
        fn select(mask: bool, yes: $t, no: $t) -> $t {
            if mask { yes } else { no }
        }
        #[inline(always)]
        fn all(mask: bool) -> bool {
            mask
        }
        #[inline(always)]
        fn sum(self) -> $t {
            self
        }
    };
}

/// Methods that are functions of a module.
macro_rules! math {
    ($m:ident) => {
        $crate::vmath::lanes::math!(@ $m exp exp2 exp_neg exp2_neg expm1 log log2 log10 log1p sin cos tan asin acos atan sinh
            cosh tanh asinh atanh erf erfc erfinv log1p_unit sigmoid gelu gelu_grad gelu_tanh gelu_tanh_grad silu_grad);
        #[inline(always)]
        fn atan2(self, other: Self) -> Self { $crate::vmath::$m::atan2(self, other) }
        #[inline(always)]
        fn hypot(self, other: Self) -> Self { $crate::vmath::$m::hypot(self, other) }
        #[inline(always)]
        fn fmod(self, other: Self) -> Self { $crate::vmath::$m::fmod(self, other) }
    };
    (@ $m:ident $($f:ident)*) => { $(
        #[inline(always)]
        fn $f(self) -> Self { $crate::vmath::$m::$f(self) }
    )* };
}
pub(super) use math;

impl Lanes for f32 {
    scalar!(f32, |a, b, c| if FUSED { a.mul_add(b, c) } else { a * b + c });
    math!(single);
}

impl Lanes for f64 {
    scalar!(f64, |a, b, c| a * b + c);
    math!(double);
}

/// Whether the whole build has fused multiply-add; where it has not, `mul_add` would be a library call.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

impl Bits for f32 {
    const FUSED: bool = FUSED;
    #[inline(always)]
    fn shl<const N: i32>(self) -> f32 {
        f32::from_bits(self.to_bits() << N)
    }
    #[inline(always)]
    fn sra<const N: i32>(self) -> f32 {
        f32::from_bits((self.to_bits() as i32 >> N) as u32)
    }
    #[inline(always)]
    fn iadd(self, other: f32) -> f32 {
        f32::from_bits(self.to_bits().wrapping_add(other.to_bits()))
    }
    #[inline(always)]
    fn isub(self, other: f32) -> f32 {
        f32::from_bits(self.to_bits().wrapping_sub(other.to_bits()))
    }
    #[inline(always)]
    fn and(self, other: f32) -> f32 {
        f32::from_bits(self.to_bits() & other.to_bits())
    }
    #[inline(always)]
    fn xor(self, other: f32) -> f32 {
        f32::from_bits(self.to_bits() ^ other.to_bits())
    }
    #[inline(always)]
    fn int_to_float(self) -> f32 {
        self.to_bits() as i32 as f32
    }
}
