//! Dropout of float32 with AVX2: four Philox blocks to a vector, two vectors beside each other, and each word decides on its
//! elements as soon as it is drawn.
use super::philox::{BLOCKS, GROUP, Keep, LOW, M0, M1, WORDS};
use std::arch::x86_64::*;
use std::ops::Range;

/// Blocks of a vector; vectors at once.
const LANES: usize = 4;
const AT_ONCE: usize = 2;

/// `out = x * multipliers` of whole groups of `stream`.
///
/// # Safety
/// The machine has AVX2. `x` and `out` cover the groups; they are the same or disjoint.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn multiply(keep: &Keep<f32>, stream: u64, groups: Range<usize>, x: *const f32, out: *mut f32) {
    let split = |x: u64| [_mm256_set1_epi64x((x & LOW) as i64), _mm256_set1_epi64x((x >> 32) as i64)];
    let mut keys = [[_mm256_setzero_si256(); 2]; 7];
    for (wide, key) in keys.iter_mut().zip(&keep.keys) {
        *wide = [_mm256_set1_epi64x(key[0] as i64), _mm256_set1_epi64x(key[1] as i64)];
    }
    let [s0, s1] = split(stream);
    let (last, scale) = (_mm256_set1_epi32(keep.last_dropped), _mm256_set1_ps(keep.scale));
    for g in groups {
        for pair in 0..BLOCKS / (LANES * AT_ONCE) {
            let mut blocks = [[s0; 4]; AT_ONCE];
            for (v, c) in blocks.iter_mut().enumerate() {
                let [low, high] = split((g * BLOCKS + (pair * AT_ONCE + v) * LANES) as u64);
                *c = [_mm256_add_epi64(low, _mm256_set_epi64x(3, 2, 1, 0)), high, s0, s1];
            }
            for key in &keys[..6] {
                for c in &mut blocks {
                    *c = round(*c, *key);
                }
            }
            for (v, c) in blocks.iter().enumerate() {
                let at = g * GROUP + (pair * AT_ONCE + v) * 2 * LANES;
                for (words, at) in last_words(*c, keys[6]).into_iter().zip([at, at + WORDS / 2]) {
                    // SAFETY: eight elements from `at` and 64 further on are in the group.
                    unsafe { decide(words, last, scale, x.add(at), out.add(at)) };
                }
            }
        }
    }
}

/// `philox::round` of four blocks.
#[inline]
#[target_feature(enable = "avx2")]
fn round(c: [__m256i; 4], key: [__m256i; 2]) -> [__m256i; 4] {
    let p0 = _mm256_mul_epu32(c[0], _mm256_set1_epi64x(M0 as i64));
    let p1 = _mm256_mul_epu32(c[2], _mm256_set1_epi64x(M1 as i64));
    let mix = |p, c, k| _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64::<32>(p), c), k);
    [mix(p1, c[1], key[0]), p1, mix(p0, c[3], key[1]), p0]
}

/// The words of four blocks, two to a lane: 1 and 0, then 3 and 2.
#[inline]
#[target_feature(enable = "avx2")]
fn last_words(c: [__m256i; 4], key: [__m256i; 2]) -> [__m256i; 2] {
    let p0 = _mm256_mul_epu32(c[0], _mm256_set1_epi64x(M0 as i64));
    let p1 = _mm256_mul_epu32(c[2], _mm256_set1_epi64x(M1 as i64));
    let mix = |p, c, k| _mm256_xor_si256(p, _mm256_slli_epi64::<32>(_mm256_xor_si256(c, k)));
    [mix(p1, c[1], key[0]), mix(p0, c[3], key[1])]
}

/// Keeps or drops eight elements by the low halves of the words, and those 64 further on by the high halves.
///
/// # Safety
/// Both runs of eight elements are valid for reading from `x` and for writing to `out`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn decide(words: __m256i, last: __m256i, scale: __m256, x: *const f32, out: *mut f32) {
    let low = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
    for (uniform, at) in [(low, 0), (_mm256_srli_epi32::<16>(words), WORDS)] {
        let factor = _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(uniform, last)), scale);
        // SAFETY: the caller's elements, read before they are written.
        unsafe { _mm256_storeu_ps(out.add(at), _mm256_mul_ps(_mm256_loadu_ps(x.add(at)), factor)) };
    }
}
