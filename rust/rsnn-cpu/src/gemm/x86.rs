//! AVX2+FMA and AVX-512 vectors: 6x16 / 6x8 and 6x64 / 6x32 tiles.
use super::tile::{Kernel, kernel};
use super::vector::Simd;
use std::arch::x86_64::*;

/// The arithmetic that the four vector types share, by intrinsic name.
macro_rules! arithmetic {
    ($t:ty, $v:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $stream:ident, $add:ident, $mul:ident, $fma:ident) => {
        type T = $t;
        type V = $v;
        const LANES: usize = $lanes;
        #[inline(always)]
        unsafe fn splat(x: $t) -> $v {
            // SAFETY: the trait's contract: the caller has the feature.
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
            unsafe { $fma(a, b, c) }
        }
        #[inline(always)]
        unsafe fn fma1(a: $t, b: $t, c: $t) -> $t {
            a.mul_add(b, c)
        }
        #[inline(always)]
        unsafe fn stream(p: *mut $t, v: $v) {
            // SAFETY: as above, and the pointer is aligned.
            unsafe { $stream(p, v) }
        }
        #[inline(always)]
        fn fence() {
            // SAFETY: SSE is part of the x86-64 baseline.
            unsafe { _mm_sfence() }
        }
        #[inline(always)]
        fn prefetch(p: *const $t) {
            // SAFETY: a prefetch never faults, and SSE is part of the x86-64 baseline.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
        }
    };
}

#[derive(Clone, Copy)]
pub struct Avx2F32;
impl Simd for Avx2F32 {
    arithmetic!(
        f32,
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_stream_ps,
        _mm256_add_ps,
        _mm256_mul_ps,
        _mm256_fmadd_ps
    );
    #[inline(always)]
    unsafe fn sum4(v: [__m256; 4]) -> [f32; 4] {
        // SAFETY: as the caller's.
        unsafe { sum4_ps(v) }
    }
    #[inline(always)]
    unsafe fn transpose(src: *const f32, ld: isize, dst: *mut f32, ldd: usize) {
        // SAFETY: the caller has the feature and an 8 x 8 block on both sides.
        unsafe {
            // Rows i and i+4 share a register, so that the last step needs no cross-lane shuffle.
            let row = |i: isize, p: usize| {
                let low = _mm_loadu_ps(src.offset(i * ld).add(p));
                let high = _mm_loadu_ps(src.offset((i + 4) * ld).add(p));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
            };
            for half in 0..2 {
                let (r0, r1, r2, r3) = (row(0, 4 * half), row(1, 4 * half), row(2, 4 * half), row(3, 4 * half));
                let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
                let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
                let out = dst.add(4 * half * ldd);
                _mm256_storeu_ps(out, _mm256_shuffle_ps::<0x44>(a, c));
                _mm256_storeu_ps(out.add(ldd), _mm256_shuffle_ps::<0xee>(a, c));
                _mm256_storeu_ps(out.add(2 * ldd), _mm256_shuffle_ps::<0x44>(b, d));
                _mm256_storeu_ps(out.add(3 * ldd), _mm256_shuffle_ps::<0xee>(b, d));
            }
        }
    }
}

#[inline(always)]
unsafe fn sum4_ps(v: [__m256; 4]) -> [f32; 4] {
    // SAFETY: the caller has AVX.
    unsafe {
        let pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
        let sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
        std::mem::transmute::<__m128, [f32; 4]>(sums)
    }
}

#[derive(Clone, Copy)]
pub struct Avx2F64;
impl Simd for Avx2F64 {
    arithmetic!(
        f64,
        __m256d,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_stream_pd,
        _mm256_add_pd,
        _mm256_mul_pd,
        _mm256_fmadd_pd
    );
    #[inline(always)]
    unsafe fn transpose(src: *const f64, ld: isize, dst: *mut f64, ldd: usize) {
        // SAFETY: the caller has the feature and a 4 x 4 block on both sides.
        unsafe {
            let row = |i: isize, p: usize| {
                let low = _mm_loadu_pd(src.offset(i * ld).add(p));
                let high = _mm_loadu_pd(src.offset((i + 2) * ld).add(p));
                _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high)
            };
            for half in 0..2 {
                let (a, b) = (row(0, 2 * half), row(1, 2 * half));
                let out = dst.add(2 * half * ldd);
                _mm256_storeu_pd(out, _mm256_unpacklo_pd(a, b));
                _mm256_storeu_pd(out.add(ldd), _mm256_unpackhi_pd(a, b));
            }
        }
    }
}

#[derive(Clone, Copy)]
pub struct Avx512F32;
impl Simd for Avx512F32 {
    arithmetic!(
        f32,
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_stream_ps,
        _mm512_add_ps,
        _mm512_mul_ps,
        _mm512_fmadd_ps
    );
    #[inline(always)]
    unsafe fn sum4(v: [__m512; 4]) -> [f32; 4] {
        // SAFETY: as the caller's.
        unsafe {
            let halves = |v: __m512| _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
            sum4_ps([halves(v[0]), halves(v[1]), halves(v[2]), halves(v[3])])
        }
    }
    #[inline(always)]
    unsafe fn transpose(src: *const f32, ld: isize, dst: *mut f32, ldd: usize) {
        // SAFETY: the caller has the feature and a 16 x 16 block on both sides.
        unsafe {
            // 128-bit lane q of a register holds row i + 4 q, so that only in-lane shuffles are left.
            let row = |i: isize, p: usize| {
                let quad = |q: isize| _mm_loadu_ps(src.offset((i + 4 * q) * ld).add(p));
                let v = _mm512_castps128_ps512(quad(0));
                let v = _mm512_insertf32x4::<1>(v, quad(1));
                _mm512_insertf32x4::<3>(_mm512_insertf32x4::<2>(v, quad(2)), quad(3))
            };
            for part in 0..4 {
                let (r0, r1, r2, r3) = (row(0, 4 * part), row(1, 4 * part), row(2, 4 * part), row(3, 4 * part));
                let (a, b) = (_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1));
                let (c, d) = (_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3));
                let out = dst.add(4 * part * ldd);
                _mm512_storeu_ps(out, _mm512_shuffle_ps::<0x44>(a, c));
                _mm512_storeu_ps(out.add(ldd), _mm512_shuffle_ps::<0xee>(a, c));
                _mm512_storeu_ps(out.add(2 * ldd), _mm512_shuffle_ps::<0x44>(b, d));
                _mm512_storeu_ps(out.add(3 * ldd), _mm512_shuffle_ps::<0xee>(b, d));
            }
        }
    }
}

#[derive(Clone, Copy)]
pub struct Avx512F64;
impl Simd for Avx512F64 {
    arithmetic!(
        f64,
        __m512d,
        8,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_stream_pd,
        _mm512_add_pd,
        _mm512_mul_pd,
        _mm512_fmadd_pd
    );
    #[inline(always)]
    unsafe fn transpose(src: *const f64, ld: isize, dst: *mut f64, ldd: usize) {
        // SAFETY: the caller has the feature and an 8 x 8 block on both sides.
        unsafe {
            let row = |i: isize, p: usize| {
                let pair = |q: isize| _mm_loadu_pd(src.offset((i + 2 * q) * ld).add(p));
                let v = _mm512_castpd128_pd512(pair(0));
                let v = _mm512_insertf64x2::<1>(v, pair(1));
                _mm512_insertf64x2::<3>(_mm512_insertf64x2::<2>(v, pair(2)), pair(3))
            };
            for part in 0..4 {
                let (a, b) = (row(0, 2 * part), row(1, 2 * part));
                let out = dst.add(2 * part * ldd);
                _mm512_storeu_pd(out, _mm512_unpacklo_pd(a, b));
                _mm512_storeu_pd(out.add(ldd), _mm512_unpackhi_pd(a, b));
            }
        }
    }
}

kernel!(pub AVX2_F32, Avx2F32, 6, 2, 384, "avx2,fma");
kernel!(pub AVX2_F64, Avx2F64, 6, 2, 384, "avx2,fma");
kernel!(pub AVX512_F32, Avx512F32, 6, 4, 384, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
kernel!(pub AVX512_F64, Avx512F64, 6, 4, 384, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
