//! Matrix products: `C = act(alpha A B [+ C] [+ bias])` for f32, f64 and the halves, any strides, one or a batch.
//! Packed and register-tiled for AVX2, AVX-512, NEON and plain code; bit-identical for every number of threads.
// Kernels index several register arrays by the same constant-bounded counters.
#![allow(clippy::needless_range_loop)]
mod cache;
pub(crate) mod dot;
pub(crate) mod driver;
mod narrow;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod pack;
mod prepacked;
pub(crate) mod scratch;
pub(crate) mod slide;
#[cfg(test)]
mod tests;
pub(crate) mod tile;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use narrow::{HalfScalar, batched_gemm_half, gemm_half};
pub use prepacked::{Prepacked, Rows, prepacked};

use crate::pool;
use crate::vmath::Real;
use driver::Job;
use tile::{Act, Kernel, Out, Src, kernel};
use vector::{Plain, Simd};

/// What is applied once to the finished sums; a bias holds one value per column of C.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a, T> {
    None,
    Bias(&'a [T]),
    /// `gelu(x + bias)`, the exact form with erf.
    BiasGelu(&'a [T]),
    BiasRelu(&'a [T]),
}

/// One product: A is `m x k`, B is `k x n`, C is `m x n` with adjacent columns. Strides are in elements.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a, T: Element> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: *const T,
    pub a_rs: isize,
    pub a_cs: isize,
    pub b: *const T,
    pub b_rs: isize,
    pub b_cs: isize,
    pub c: *mut T,
    pub c_rs: isize,
    /// Factor of the product; the halves take it in f32.
    pub alpha: T::Acc,
    /// Add to C's old value, before bias and activation.
    pub accumulate: bool,
    pub epilogue: Epilogue<'a, T>,
}

/// An element type of matrices.
pub trait Element: Copy + Send + Sync + 'static {
    /// The type its sums are computed in.
    type Acc: GemmScalar;
}

/// A type that the kernels compute in: f32 or f64.
pub trait GemmScalar: Real + Element<Acc = Self> + Kernels {}

/// The kernels of a type for the machine's best instruction set.
pub trait Kernels: Sized {
    fn kernel() -> &'static Kernel<Self>;
}

type PlainF32 = Plain<f32>;
type PlainF64 = Plain<f64>;
kernel!(pub PLAIN_F32, PlainF32, 4, 2, 256);
kernel!(pub PLAIN_F64, PlainF64, 4, 1, 256);

macro_rules! scalar {
    ($t:ty, $plain:ident, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl Element for $t {
            type Acc = $t;
        }
        impl GemmScalar for $t {}
        impl Kernels for $t {
            #[inline]
            fn kernel() -> &'static Kernel<$t> {
                #[cfg(target_arch = "x86_64")]
                match crate::simd::level() {
                    crate::simd::Level::Avx512 => &x86::$avx512,
                    crate::simd::Level::Avx2 => &x86::$avx2,
                    crate::simd::Level::Portable => &$plain,
                }
                #[cfg(target_arch = "aarch64")]
                return &neon::$neon;
                #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
                return &$plain;
            }
        }
    };
}
scalar!(f32, PLAIN_F32, AVX2_F32, AVX512_F32, NEON_F32);
scalar!(f64, PLAIN_F64, AVX2_F64, AVX512_F64, NEON_F64);

impl<'a, T: Element> Gemm<'a, T> {
    fn bias(&self) -> Option<&'a [T]> {
        match self.epilogue {
            Epilogue::None => None,
            Epilogue::Bias(b) | Epilogue::BiasGelu(b) | Epilogue::BiasRelu(b) => Some(b),
        }
    }

    fn bias_fits(&self) -> bool {
        self.bias().is_none_or(|b| b.len() >= self.n)
    }

    /// How results are stored, in the type of the sums.
    fn out(&self, c: *mut T::Acc, c_rs: isize, bias: *const T::Acc) -> Out<T::Acc> {
        let act = match self.epilogue {
            Epilogue::None | Epilogue::Bias(_) => Act::None,
            Epilogue::BiasGelu(_) => Act::Gelu,
            Epilogue::BiasRelu(_) => Act::Relu,
        };
        Out { c, c_rs, c_cs: 1, alpha: self.alpha, add: self.accumulate, act, bias, bias_rs: 0, bias_cs: 1 }
    }
}

impl<T: GemmScalar> Gemm<'_, T> {
    fn job(&self) -> Job<T> {
        Job {
            m: self.m,
            n: self.n,
            k: self.k,
            a: Src { p: self.a, rs: self.a_rs, cs: self.a_cs },
            b: Src { p: self.b, rs: self.b_rs, cs: self.b_cs },
            out: self.out(self.c, self.c_rs, self.bias().map_or(std::ptr::null(), <[T]>::as_ptr)),
        }
    }
}

/// Computes one product.
///
/// # Safety
/// Every element of A and B that the shape and strides name must be readable and every element of C writable
/// (and initialised, with `accumulate`); C overlaps neither A nor B nor is it used by others during the call;
/// rows of C do not overlap; the bias holds n values.
pub unsafe fn gemm<T: GemmScalar>(job: &Gemm<T>) {
    debug_assert!(job.bias_fits());
    // SAFETY: the same contract.
    unsafe { driver::run(T::kernel(), &job.job(), true) };
}

/// The same product at other places: element offsets of A, B and C for each member of the batch.
///
/// # Safety
/// As for [`gemm`] at every offset; the C of different members do not overlap.
pub unsafe fn batched_gemm<T: GemmScalar>(job: &Gemm<T>, offsets: &[(isize, isize, isize)]) {
    debug_assert!(job.bias_fits());
    let kernel = T::kernel();
    let job = job.job();
    for_batch(offsets.len(), job.work(), |i, parallel| {
        let (mut job, (a, b, c)) = (job, offsets[i]);
        job.a.p = job.a.p.wrapping_offset(a);
        job.b.p = job.b.p.wrapping_offset(b);
        job.out.c = job.out.c.wrapping_offset(c);
        // SAFETY: the same contract at this member's offsets.
        unsafe { driver::run(kernel, &job, parallel) };
    });
}

/// Parallel over the members where there are enough of them or they are small, inside each member otherwise.
fn for_batch(n: usize, work: usize, f: impl Fn(usize, bool) + Sync) {
    if n < 8 && work > 1 << 24 {
        (0..n).for_each(|i| f(i, true));
    } else {
        let chunks = pool::split(n.saturating_mul(work.max(64)), 1 << 18).min(n);
        pool::for_each_chunk(chunks, |c| pool::range(n, chunks, c).for_each(|i| f(i, false)));
    }
}
