//! Philox4x32-7 and keyed dropout: the decision for an element is a function of (key, stream, index), so masks are never stored.
//! Elements go in groups of 128: 16 blocks of four words, two 16-bit uniforms per word, in an order that needs no shuffles.
//! Seven rounds are the fewest with which the generator passes BigCrush (Salmon et al. 2011).
use crate::{pool, simd, vmath::Real};
#[cfg(target_arch = "x86_64")]
use std::any::Any;

/// Elements that share one run of counters.
pub const GROUP: usize = 128;
/// Blocks of a group, and its words.
pub(super) const BLOCKS: usize = 16;
pub(super) const WORDS: usize = GROUP / 2;
pub(super) const LOW: u64 = 0xffff_ffff;
pub(super) const M0: u64 = 0xd251_1f53;
pub(super) const M1: u64 = 0xcd9e_8d57;

type Schedule = [[u64; 2]; 7];

/// The round keys.
#[inline(always)]
fn schedule(key: u64) -> Schedule {
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    let mut keys = [[0; 2]; 7];
    for k in &mut keys {
        *k = [u64::from(k0), u64::from(k1)];
        (k0, k1) = (k0.wrapping_add(0x9e37_79b9), k1.wrapping_add(0xbb67_ae85));
    }
    keys
}

/// One round; every value counts in the low half of a u64, which is what a vector multiply reads.
#[inline(always)]
fn round(c: [u64; 4], [k0, k1]: [u64; 2]) -> [u64; 4] {
    let (p0, p1) = ((c[0] & LOW) * M0, (c[2] & LOW) * M1);
    [(p1 >> 32) ^ c[1] ^ k0, p1, (p0 >> 32) ^ c[3] ^ k1, p0]
}

/// One block of four words for a 128-bit counter.
pub fn philox_u32x4(key: u64, counter_lo: u64, counter_hi: u64) -> [u32; 4] {
    let counter = [counter_lo & LOW, counter_lo >> 32, counter_hi & LOW, counter_hi >> 32];
    schedule(key).iter().fold(counter, |c, &k| round(c, k)).map(|word| word as u32)
}

/// The decisions of one dropout. Hold a copy in a local variable where it is used: it then stays in registers.
#[derive(Clone, Copy)]
pub struct Keep<T> {
    pub(super) keys: Schedule,
    pub(super) last_dropped: i32,
    pub(super) scale: T,
}

impl<T: Real> Keep<T> {
    pub fn new(key: u64, p: f64) -> Self {
        let scale = T::from_f64(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 });
        Self { keys: schedule(key), last_dropped: threshold(p) as i32 - 1, scale }
    }

    /// The words of group `index` of `stream`: 1 and 0 of each block, then 3 and 2. The halves of word `i` decide on
    /// elements `i` and `i + 64`.
    #[inline(always)]
    fn words(&self, stream: u64, index: u64) -> [u32; WORDS] {
        let first = index * BLOCKS as u64;
        let mut pairs = [0; WORDS / 2];
        for i in 0..BLOCKS {
            let mut c = [u64::from(first as u32 + i as u32), first >> 32, stream & LOW, stream >> 32];
            for &k in &self.keys[..6] {
                c = round(c, k);
            }
            // The last round leaves a word in each half: the high half of a product stays where it is, and what it is mixed
            // with moves there.
            let [k0, k1] = self.keys[6];
            pairs[i] = (((c[2] & LOW) * M1) ^ ((c[1] ^ k0) << 32)).to_le();
            pairs[BLOCKS + i] = (((c[0] & LOW) * M0) ^ ((c[3] ^ k1) << 32)).to_le();
        }
        // SAFETY: both are 256 bytes of integers.
        let mut words = unsafe { std::mem::transmute::<[u64; WORDS / 2], [u32; WORDS]>(pairs) };
        for word in &mut words {
            *word = u32::from_le(*word);
        }
        words
    }

    #[inline(always)]
    fn factor(&self, uniform: u32) -> T {
        if uniform as i32 > self.last_dropped { self.scale } else { T::ZERO }
    }

    /// Multipliers of the 128 elements of group `index` of `stream`: `1 / (1 - p)` where kept, else 0.
    #[inline(always)]
    pub fn multipliers(&self, stream: u64, index: u64) -> [T; GROUP] {
        let mut out = [T::ZERO; GROUP];
        let words = self.words(stream, index);
        for i in 0..WORDS {
            out[i] = self.factor(words[i] & 0xffff);
            out[WORDS + i] = self.factor(words[i] >> 16);
        }
        out
    }

    /// `out = x * multipliers` of a whole group.
    /// # Safety
    /// `x` and `out` cover 128 elements; they are the same or disjoint.
    #[inline(always)]
    unsafe fn multiply(&self, words: &[u32; WORDS], x: *const T, out: *mut T) {
        // Loops, since the closures of `map` and `from_fn` on arrays may end up outside, compiled for the baseline.
        for i in (0..WORDS).step_by(8) {
            for half in 0..2 {
                let at = half * WORDS + i;
                // SAFETY: eight elements from `at` are inside; they are read before they are written.
                unsafe {
                    let mut eight = x.add(at).cast::<[T; 8]>().read();
                    for t in 0..8 {
                        eight[t] *= self.factor(words[i + t] >> (16 * half) & 0xffff);
                    }
                    out.add(at).cast::<[T; 8]>().write(eight);
                }
            }
        }
    }
}

/// The largest 16-bit uniform + 1 that drops an element: drop when `uniform < threshold(p)`.
fn threshold(p: f64) -> u32 {
    (p.clamp(0.0, 1.0) * 65536.0).round() as u32
}

/// Whether element `index` of `stream` is kept; the slow way, for checks and odd elements.
pub fn keep(key: u64, stream: u64, index: u64, p: f64) -> bool {
    let (group, at) = (index / GROUP as u64, index as usize % GROUP);
    let word = at % WORDS;
    let four = philox_u32x4(key, group * BLOCKS as u64 + (word / 2 % BLOCKS) as u64, stream);
    let word = four[word / (2 * BLOCKS) * 2 + 1 - word % 2];
    let uniform = if at < WORDS { word & 0xffff } else { word >> 16 };
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
    let keep = Keep::<T>::new(key, p);
    pool::for_each_chunk(chunks, |i| {
        let (x, out) = (x.get(), out.get());
        let range = pool::range(groups, chunks, i);
        #[cfg(target_arch = "x86_64")]
        let range = match (&keep as &dyn Any).downcast_ref() {
            Some(keep) if simd::level() >= simd::Level::Avx2 => {
                let whole = range.start..range.end.min(len / GROUP);
                // SAFETY: whole groups lie below `len`, this is float32, and the level has AVX2.
                unsafe { super::dropout::multiply(keep, stream, whole.clone(), x.cast(), out.cast()) };
                whole.end..range.end
            }
            _ => range,
        };
        simd::vectorize(
            #[inline(always)]
            || {
                let (keep, stream) = (keep, stream);
                for g in range {
                    let (at, n) = (g * GROUP, (len - g * GROUP).min(GROUP));
                    // SAFETY: `n` elements from `at` lie below `len`.
                    unsafe {
                        if n == GROUP {
                            keep.multiply(&keep.words(stream, g as u64), x.add(at), out.add(at));
                            continue;
                        }
                        let factors = keep.multipliers(stream, g as u64);
                        for (j, &factor) in factors[..n].iter().enumerate() {
                            *out.add(at + j) = *x.add(at + j) * factor;
                        }
                    }
                }
            },
        );
    });
}

impl super::Generator {
    /// Draws the key of one dropout call from the twister, so that `manual_seed` governs dropout too.
    pub fn dropout_key(&mut self) -> u64 {
        self.random64()
    }
}
