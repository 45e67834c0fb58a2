//! Vectors of AVX2 with FMA, four at a time: the latency of a long formula is hidden only where independent ones run beside it.
//! Machines with AVX-512 use them too. Values exist only inside `with`, which has the features.
use super::lanes::{Bits, Lanes, math};
use std::arch::x86_64::*;
use std::array::from_fn;
use std::ops::{Add, Div, Mul, Neg, Sub};

const VECTORS: usize = 4;

/// 32 numbers.
#[derive(Clone, Copy)]
pub struct Wide([__m256; VECTORS]);

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
        // SAFETY: values of this type exist only where the machine has AVX2 and FMA.
        Wide(from_fn(
            #[inline(always)]
            |$k| unsafe { $e },
        ))
    };
}

macro_rules! operator {
    ($($trait:ident $method:ident $f:ident;)*) => { $(
        impl $trait for Wide {
            type Output = Wide;
            #[inline(always)]
            fn $method(self, other: Wide) -> Wide {
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

impl Neg for Wide {
    type Output = Wide;
    #[inline(always)]
    fn neg(self) -> Wide {
        each!(k => _mm256_xor_ps(self.0[k], _mm256_set1_ps(-0.0)))
    }
}

impl Lanes for Wide {
    type T = f32;
    type Mask = Wide;
    const WIDTH: usize = 8 * VECTORS;
    #[inline(always)]
    fn splat(x: f32) -> Wide {
        each!(_k => _mm256_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Wide {
        each!(k => _mm256_loadu_ps(p.add(8 * k)))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        for k in 0..VECTORS {
            // SAFETY: the caller's pointer is valid for all vectors.
            unsafe { _mm256_storeu_ps(p.add(8 * k), self.0[k]) };
        }
    }
    #[inline(always)]
    fn fma(self, b: Wide, c: Wide) -> Wide {
        each!(k => _mm256_fmadd_ps(self.0[k], b.0[k], c.0[k]))
    }
    #[inline(always)]
    fn max(self, other: Wide) -> Wide {
        each!(k => _mm256_max_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn min(self, other: Wide) -> Wide {
        each!(k => _mm256_min_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn abs(self) -> Wide {
        each!(k => _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0[k]))
    }
    #[inline(always)]
    fn sqrt(self) -> Wide {
        each!(k => _mm256_sqrt_ps(self.0[k]))
    }
    #[inline(always)]
    fn copysign(self, sign: Wide) -> Wide {
        let sign = each!(k => _mm256_and_ps(_mm256_set1_ps(-0.0), sign.0[k]));
        each!(k => _mm256_or_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0[k]), sign.0[k]))
    }
    #[inline(always)]
    fn lt(self, other: Wide) -> Wide {
        each!(k => _mm256_cmp_ps::<_CMP_LT_OQ>(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn select(mask: Wide, yes: Wide, no: Wide) -> Wide {
        each!(k => _mm256_blendv_ps(no.0[k], yes.0[k], mask.0[k]))
    }
    math!(single);
}

/// An integer instruction on the bits.
macro_rules! integer {
    ($k:ident => $f:ident $(::<$n:literal>)? ($($x:expr),*)) => {
        each!($k => _mm256_castsi256_ps($f $(::<$n>)? ($(_mm256_castps_si256($x)),*)))
    };
}

impl Bits for Wide {
    #[inline(always)]
    fn shl23(self) -> Wide {
        integer!(k => _mm256_slli_epi32::<23>(self.0[k]))
    }
    #[inline(always)]
    fn sra23(self) -> Wide {
        integer!(k => _mm256_srai_epi32::<23>(self.0[k]))
    }
    #[inline(always)]
    fn iadd(self, other: Wide) -> Wide {
        integer!(k => _mm256_add_epi32(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn isub(self, other: Wide) -> Wide {
        integer!(k => _mm256_sub_epi32(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn and(self, other: Wide) -> Wide {
        each!(k => _mm256_and_ps(self.0[k], other.0[k]))
    }
    #[inline(always)]
    fn int_to_float(self) -> Wide {
        each!(k => _mm256_cvtepi32_ps(_mm256_castps_si256(self.0[k])))
    }
}
