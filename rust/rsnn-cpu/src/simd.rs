//! Run-time choice of instruction set: a loop is compiled once per level and the best one the machine has is called.
use std::sync::OnceLock;

/// Instruction set level that `vectorize` runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

/// The level in use: the best the machine has, lowered by `RSNN_CPU=portable|avx2`.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let asked = std::env::var("RSNN_CPU").unwrap_or_default();
        detect().min(match asked.as_str() {
            "portable" => Level::Portable,
            "avx2" => Level::Avx2,
            _ => Level::Avx512,
        })
    })
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        Level::Avx512
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
        Level::Avx2
    } else {
        Level::Portable
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn in_avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn in_avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Runs `f` with its inlined body compiled for the best instruction set of this machine.
/// Write `vectorize(#[inline(always)] || ...)`: without the attribute LLVM leaves a closure of any size outside the
/// three level functions, and its loops are compiled for the baseline only.
#[inline(always)]
pub fn vectorize<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match level() {
        // SAFETY: `level` has seen every feature that the function enables.
        Level::Avx512 => return unsafe { in_avx512(f) },
        // SAFETY: as above.
        Level::Avx2 => return unsafe { in_avx2(f) },
        Level::Portable => {}
    }
    f()
}

/// Asks for a cache line that is needed soon; any address is allowed.
#[inline(always)]
pub fn prefetch<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, and SSE is part of the baseline.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Outputs of this many bytes do not stay in the caches until they are read: they are written past them, which saves
/// reading what was there.
pub const LARGE: usize = 8 << 20;

/// Copies bytes past the caches; `drain` makes them visible to other threads.
///
/// # Safety
/// Both runs of `len` bytes lie in their allocations and do not overlap.
pub unsafe fn copy_past(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    let mut at = to.align_offset(64).min(len);
    #[cfg(not(target_arch = "x86_64"))]
    let at = 0;
    // SAFETY: positions stay below `len`; the stores begin where `to` is aligned, and SSE2 is part of the architecture.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
            std::ptr::copy_nonoverlapping(from, to, at);
            while at + 64 <= len {
                prefetch(from.wrapping_add(at + 1024));
                let line: [__m128i; 4] = std::array::from_fn(
                    #[inline(always)]
                    |i| _mm_loadu_si128(from.add(at + 16 * i).cast()),
                );
                for (i, v) in line.into_iter().enumerate() {
                    _mm_stream_si128(to.add(at + 16 * i).cast(), v);
                }
                at += 64;
            }
        }
        std::ptr::copy_nonoverlapping(from.add(at), to.add(at), len - at);
    }
}

/// Waits for the stores past the caches of this thread.
#[inline(always)]
pub fn drain() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the fence touches no memory, and SSE is part of the baseline.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}
