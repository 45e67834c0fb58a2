//! NEON vectors: 8x12 tiles for f32, 8x6 for f64.
use super::tile::{Kernel, kernel};
use super::vector::Simd;
use std::arch::aarch64::*;

macro_rules! neon {
    ($name:ident, $t:ty, $v:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $add:ident, $mul:ident, $fma:ident) => {
        #[derive(Clone, Copy)]
        pub struct $name;
        impl Simd for $name {
            type T = $t;
            type V = $v;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: $t) -> $v {
                // SAFETY: NEON is part of the aarch64 baseline.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(p: *const $t) -> $v {
                // SAFETY: as above, and the pointer is valid for a vector.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(p: *mut $t, v: $v) {
                // SAFETY: as above.
                unsafe { $store(p, v) }
            }
            #[inline(always)]
            unsafe fn add(a: $v, b: $v) -> $v {
                // SAFETY: as above.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            unsafe fn mul(a: $v, b: $v) -> $v {
                // SAFETY: as above.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            unsafe fn fma(a: $v, b: $v, c: $v) -> $v {
                // SAFETY: as above.
                unsafe { $fma(c, a, b) }
            }
            #[inline(always)]
            unsafe fn fma1(a: $t, b: $t, c: $t) -> $t {
                a.mul_add(b, c)
            }
            #[inline(always)]
            unsafe fn transpose(src: *const $t, ld: isize, dst: *mut $t, ldd: usize) {
                for p in 0..$lanes {
                    for i in 0..$lanes {
                        // SAFETY: the caller's block is LANES x LANES on both sides.
                        unsafe { *dst.add(p * ldd + i) = *src.offset(i as isize * ld + p as isize) };
                    }
                }
            }
        }
    };
}

neon!(NeonF32, f32, float32x4_t, 4, vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32, vmulq_f32, vfmaq_f32);
neon!(NeonF64, f64, float64x2_t, 2, vdupq_n_f64, vld1q_f64, vst1q_f64, vaddq_f64, vmulq_f64, vfmaq_f64);

kernel!(pub NEON_F32, NeonF32, 8, 3, 256, "neon");
kernel!(pub NEON_F64, NeonF64, 8, 3, 256, "neon");
