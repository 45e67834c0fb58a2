//! The vector type that the generic kernels are written in, and its portable version.

use crate::vmath::Real;

/// One instruction set and element type. Every method is `#[inline(always)]`: it takes the features of its caller,
/// which has to be a function that enables them; that is the whole safety contract besides valid pointers.
pub trait Simd: Copy + 'static {
    type T: Real;
    type V: Copy;
    const LANES: usize;
    unsafe fn splat(x: Self::T) -> Self::V;
    unsafe fn load(p: *const Self::T) -> Self::V;
    unsafe fn store(p: *mut Self::T, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The same on scalars, rounded like the vector form.
    unsafe fn fma1(a: Self::T, b: Self::T, c: Self::T) -> Self::T;
    /// `dst[p * ldd + i] = src[i * ld + p]` for a LANES x LANES block; stores go in ascending order of `p`.
    unsafe fn transpose(src: *const Self::T, ld: isize, dst: *mut Self::T, ldd: usize);

    /// Asks for a cache line that is written soon; any address is allowed.
    #[inline(always)]
    fn prefetch(_p: *const Self::T) {}

    /// A store past the caches, for aligned addresses.
    #[inline(always)]
    unsafe fn stream(p: *mut Self::T, v: Self::V) {
        // SAFETY: as the caller's.
        unsafe { Self::store(p, v) }
    }

    /// Makes streamed stores visible before what follows.
    #[inline(always)]
    fn fence() {}

    /// Sums of the lanes of four vectors.
    #[inline(always)]
    unsafe fn sum4(v: [Self::V; 4]) -> [Self::T; 4] {
        // SAFETY: as the caller's.
        unsafe { [Self::sum(v[0]), Self::sum(v[1]), Self::sum(v[2]), Self::sum(v[3])] }
    }

    /// Sum of the lanes, by halves.
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> Self::T {
        let mut t = [Self::T::ZERO; 16];
        // SAFETY: no vector has more than 16 lanes.
        unsafe { Self::store(t.as_mut_ptr(), v) };
        let mut half = Self::LANES / 2;
        while half > 0 {
            for i in 0..half {
                t[i] += t[i + half];
            }
            half /= 2;
        }
        t[0]
    }
}

/// Four lanes in plain code, which every target's baseline vectorises.
#[derive(Clone, Copy)]
pub struct Plain<T>(std::marker::PhantomData<T>);

impl<T: Real> Simd for Plain<T> {
    type T = T;
    type V = [T; 4];
    const LANES: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: T) -> [T; 4] {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> [T; 4] {
        // SAFETY: the caller's pointer is valid for 4 elements.
        unsafe { p.cast::<[T; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut T, v: [T; 4]) {
        // SAFETY: as above.
        unsafe { p.cast::<[T; 4]>().write(v) }
    }
    #[inline(always)]
    unsafe fn add(a: [T; 4], b: [T; 4]) -> [T; 4] {
        [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
    }
    #[inline(always)]
    unsafe fn mul(a: [T; 4], b: [T; 4]) -> [T; 4] {
        [a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]]
    }
    #[inline(always)]
    unsafe fn fma(a: [T; 4], b: [T; 4], c: [T; 4]) -> [T; 4] {
        [a[0] * b[0] + c[0], a[1] * b[1] + c[1], a[2] * b[2] + c[2], a[3] * b[3] + c[3]]
    }
    #[inline(always)]
    unsafe fn fma1(a: T, b: T, c: T) -> T {
        a * b + c
    }
    #[inline(always)]
    unsafe fn transpose(src: *const T, ld: isize, dst: *mut T, ldd: usize) {
        for p in 0..4 {
            for i in 0..4 {
                // SAFETY: the caller's block is 4 x 4 on both sides.
                unsafe { *dst.add(p * ldd + i) = *src.offset(i as isize * ld + p as isize) };
            }
        }
    }
}
