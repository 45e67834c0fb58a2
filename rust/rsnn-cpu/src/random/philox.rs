//! Philox4x32-10 and keyed dropout: the decision for an element is a function of (key, stream, index), so masks are never stored.
//! Elements go in groups of 128: 16 blocks of four words, two 16-bit uniforms per word, in an order that needs no shuffles.
use crate::{pool, vmath::Real};

/// Elements that share one run of counters.
pub const GROUP: usize = 128;
const LANES: usize = 16;
const LOW: u64 = 0xffff_ffff;

/// The ten rounds on one block; every value sits in the low half of a u64, which is what a vector multiply reads.
#[inline(always)]
fn rounds(mut c: [u64; 4], key: u64) -> [u32; 4] {
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    for _ in 0..10 {
        let p0 = (c[0] & LOW) * 0xd251_1f53;
        let p1 = (c[2] & LOW) * 0xcd9e_8d57;
        c = [(p1 >> 32) ^ c[1] ^ u64::from(k0), p1, (p0 >> 32) ^ c[3] ^ u64::from(k1), p0];
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
    }
    [c[0] as u32, c[1] as u32, c[2] as u32, c[3] as u32]
}

/// One block of four words for a 128-bit counter.
pub fn philox_u32x4(key: u64, counter_lo: u64, counter_hi: u64) -> [u32; 4] {
    rounds([counter_lo & LOW, counter_lo >> 32, counter_hi & LOW, counter_hi >> 32], key)
}

/// Multipliers of the 128 elements of group `index` of `stream`: `scale` where kept, else 0.
#[inline(always)]
pub fn multipliers<T: Real>(key: u64, stream: u64, index: u64, threshold: u32, scale: T) -> [T; GROUP] {
    let mut words = [0u32; GROUP / 2];
    for lane in 0..LANES {
        let block = index * LANES as u64 + lane as u64;
        let four = rounds([block & LOW, block >> 32, stream & LOW, stream >> 32], key);
        for w in 0..4 {
            words[w * LANES + lane] = four[w];
        }
    }
    let mut out = [T::ZERO; GROUP];
    let (low, high) = out.split_at_mut(GROUP / 2);
    for ((low, high), &word) in low.iter_mut().zip(high).zip(&words) {
        *low = if word & 0xffff >= threshold { scale } else { T::ZERO };
        *high = if word >> 16 >= threshold { scale } else { T::ZERO };
    }
    out
}

/// The largest 16-bit uniform + 1 that drops an element: drop when `uniform < threshold(p)`.
pub fn threshold(p: f64) -> u32 {
    (p.clamp(0.0, 1.0) * 65536.0).round() as u32
}

/// Whether element `index` of `stream` is kept; the slow way, for checks and odd elements.
pub fn keep(key: u64, stream: u64, index: u64, p: f64) -> bool {
    let at = index as usize % GROUP;
    let block = index / GROUP as u64 * LANES as u64 + (at % LANES) as u64;
    let word = philox_u32x4(key, block, stream)[at / LANES % 4];
    let uniform = if at < GROUP / 2 { word & 0xffff } else { word >> 16 };
    uniform >= threshold(p)
}

/// `out[i] = x[i] * (keep(i) ? 1 / (1 - p) : 0)`; the backward pass is the same call on the gradient. `stream` separates
/// tensors that share a key.
pub fn dropout<T: Real>(x: &[T], out: &mut [T], p: f64, key: u64, stream: u64) {
    debug_assert_eq!(x.len(), out.len(), "dropout: lengths differ");
    let len = x.len().min(out.len());
    // SAFETY: both slices hold `len` elements.
    unsafe { run(x.as_ptr(), out.as_mut_ptr(), len, p, key, stream) }
}

/// `dropout` that writes over its input.
pub fn dropout_in_place<T: Real>(x: &mut [T], p: f64, key: u64, stream: u64) {
    // SAFETY: the pointer covers `x.len()` elements; each is read before it is written.
    unsafe { run(x.as_ptr(), x.as_mut_ptr(), x.len(), p, key, stream) }
}

/// The multiplier that `dropout` applies: `1 / (1 - p)` or 0.
pub fn dropout_mask<T: Real>(out: &mut [T], p: f64, key: u64, stream: u64) {
    out.fill(T::ONE);
    dropout_in_place(out, p, key, stream);
}

/// # Safety
/// `x` and `out` cover `len` elements; they are the same buffer or disjoint.
unsafe fn run<T: Real>(x: *const T, out: *mut T, len: usize, p: f64, key: u64, stream: u64) {
    let groups = len.div_ceil(GROUP);
    let chunks = pool::split(groups, 256);
    let (x, out) = (pool::SendPtr(x.cast_mut()), pool::SendPtr(out));
    let (threshold, scale) = (threshold(p), T::from_f64(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 }));
    pool::for_each_chunk(chunks, |i| {
        let (x, out) = (x.get(), out.get());
        let range = pool::range(groups, chunks, i);
        crate::simd::vectorize(
            #[inline(always)]
            || {
                for g in range {
                    let keep = multipliers(key, stream, g as u64, threshold, scale);
                    let (at, n) = (g * GROUP, (len - g * GROUP).min(GROUP));
                    // SAFETY: `n` elements from `at` lie below `len`.
                    unsafe { multiply(x.add(at), out.add(at), &keep[..n]) };
                }
            },
        );
    });
}

/// # Safety
/// `x` and `out` cover the length of `keep`.
#[inline(always)]
unsafe fn multiply<T: Real>(x: *const T, out: *mut T, keep: &[T]) {
    for (i, &k) in keep.iter().enumerate() {
        // SAFETY: the caller's contract.
        unsafe { *out.add(i) = *x.add(i) * k };
    }
}

impl super::Generator {
    /// Draws the key of one dropout call from the twister, so that `manual_seed` governs dropout too.
    pub fn dropout_key(&mut self) -> u64 {
        self.random64()
    }
}
