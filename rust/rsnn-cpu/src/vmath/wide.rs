//! Vectors of AVX2 with FMA, `K` at a time: the latency of a long formula is hidden only where independent ones run beside it.
//! Machines with AVX-512 use them too. Values exist only inside `with`, which has the features.
use super::lanes::{Bits, Lanes, math};
use std::arch::x86_64::*;
use std::array::from_fn;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `8 K` numbers.
#[derive(Clone, Copy)]
pub struct Wide<const K: usize>([__m256; K]);

/// Runs `f` compiled for the features of `Wide`.
/// # Safety
/// The machine has AVX2 and FMA.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn with<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// One instruction per vector.
macro_rules! each {
    ($k:ident => $e:expr) => {
        Wide(from_fn(
            #[inline(always)]
            |$k| {
                // SAFETY: values of this type exist only where the machine has AVX2 and FMA.
                unsafe { $e }
            },
        ))
    };
}

macro_rules! operator {
    ($($trait:ident $method:ident $f:ident;)*) => { $(
        impl<const K: usize> $trait for Wide<K> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                each!(k => $f(self.0[k], other.0[k]))
            }
        }
    )* };
}
operator! {
    Add add _mm256_add_ps;
    Sub sub _mm256_sub_ps;
    Mul mul _mm256_mul_ps;
    Div div _mm256_div_ps;
}

impl<const K: usize> Neg for Wide<K> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        each!(k => _mm256_xor_ps(self.0[k], _mm256_set1_ps(-0.0)))
    }
}

impl<const K: usize> Lanes for Wide<K> {
    type T = f32;
    type Mask = Self;
    type Narrow = Wide<1>;
    const WIDTH: usize = 8 * K;
    #[inline(always)]
    fn splat(x: f32) -> Self {
        each!(_k => _mm256_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        each!(k => _mm256_loadu_ps(p.add(8 * k)))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        for k in 0..K {
            // SAFETY: the caller's pointer is valid for all vectors.
            unsafe { _mm256_storeu_ps(p.add(8 * k), self.0[k]) };
        }
    }
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32) {
        for k in 0..K {
            // SAFETY: the caller's pointer is valid for all vectors, and aligned.
            unsafe { _mm256_stream_ps(p.add(8 * k), self.0[k]) };
        }
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        each!(k => _mm256_fmadd_ps(self.0[k], b.0[k], c.0[k]))
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        each!(k => _mm256_max_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        each!(k => _mm256_min_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        each!(k => _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0[k]))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        each!(k => _mm256_sqrt_ps(self.0[k]))
    }
    #[inline(always)]
    fn trunc(self) -> Self {
        each!(k => _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(self.0[k]))
    }
    #[inline(always)]
    fn round(self) -> Self {
        each!(k => _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[k]))
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        let sign: Self = each!(k => _mm256_and_ps(_mm256_set1_ps(-0.0), sign.0[k]));
        each!(k => _mm256_or_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0[k]), sign.0[k]))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Self {
        each!(k => _mm256_cmp_ps::<_CMP_LT_OQ>(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn select(mask: Self, yes: Self, no: Self) -> Self {
        each!(k => _mm256_blendv_ps(no.0[k], yes.0[k], mask.0[k]))
    }
    #[inline(always)]
    fn all(mask: Self) -> bool {
        // SAFETY: as for every value of this type.
        unsafe {
            let mut v = mask.0[0];
            for other in &mask.0[1..] {
                v = _mm256_and_ps(v, *other);
            }
            _mm256_movemask_ps(v) == 0xff
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut v = self.0;
        let mut n = K;
        while n > 1 {
            n /= 2;
            for k in 0..n {
                // SAFETY: as for every value of this type.
                v[k] = unsafe { _mm256_add_ps(v[k], v[k + n]) };
            }
        }
        // SAFETY: as above.
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(v[0]), _mm256_extractf128_ps::<1>(v[0]));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }
    math!(single);
}

/// An integer instruction on the bits.
macro_rules! integer {
    ($k:ident => $f:ident $(::<$n:ident>)? ($($x:expr),*)) => {
        each!($k => _mm256_castsi256_ps($f $(::<$n>)? ($(_mm256_castps_si256($x)),*)))
    };
}

impl<const K: usize> Bits for Wide<K> {
    const FUSED: bool = true;
    #[inline(always)]
    fn shl<const N: i32>(self) -> Self {
        integer!(k => _mm256_slli_epi32::<N>(self.0[k]))
    }
    #[inline(always)]
    fn sra<const N: i32>(self) -> Self {
        integer!(k => _mm256_srai_epi32::<N>(self.0[k]))
    }
    #[inline(always)]
    fn iadd(self, other: Self) -> Self {
        integer!(k => _mm256_add_epi32(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn isub(self, other: Self) -> Self {
        integer!(k => _mm256_sub_epi32(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        each!(k => _mm256_and_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        each!(k => _mm256_xor_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn int_to_float(self) -> Self {
        each!(k => _mm256_cvtepi32_ps(_mm256_castps_si256(self.0[k])))
    }
}
