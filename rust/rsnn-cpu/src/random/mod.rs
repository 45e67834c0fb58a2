//! Random numbers: the MT19937 stream consumed as torch's CPU generator consumes it, and Philox4x32-7 for keyed dropout.
//! Fills write a contiguous slice in logical order; a caller with another layout fills a contiguous buffer and copies.
#[cfg(target_arch = "x86_64")]
mod dropout;
mod fill;
mod normal;
pub mod philox;
mod sample;
#[cfg(test)]
mod tests;

pub use fill::Uniform;
pub use normal::Normal;
pub use philox::{dropout, dropout_in_place, dropout_mask};

const N: usize = 624;
const M: usize = 397;
/// Bytes of `Generator::state`, torch's own layout.
pub const STATE_BYTES: usize = 5056;
/// Seed of a generator nobody has seeded.
pub const DEFAULT_SEED: u64 = 67280421310721;

/// A CPU generator: seed, Mersenne twister state, and the normal samples left over from a pair.
#[derive(Clone)]
pub struct Generator {
    seed: u64,
    mt: [u32; N],
    /// Words left before the state must be renewed, torch's count: 1 right after seeding.
    left: u32,
    next: u32,
    next_float_normal: Option<f32>,
    next_double_normal: Option<f64>,
}

impl Default for Generator {
    fn default() -> Self {
        Self::new(DEFAULT_SEED)
    }
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        let mut generator =
            Self { seed, mt: [0; N], left: 1, next: 0, next_float_normal: None, next_double_normal: None };
        generator.manual_seed(seed);
        generator
    }

    /// Restarts the stream from `seed`; the twister takes its low 32 bits, as in torch.
    pub fn manual_seed(&mut self, seed: u64) {
        self.seed = seed;
        self.mt[0] = seed as u32;
        for j in 1..N {
            let before = self.mt[j - 1];
            self.mt[j] = 1812433253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(j as u32);
        }
        self.left = 1;
        self.next = 0;
        self.next_float_normal = None;
        self.next_double_normal = None;
    }

    /// The seed last given.
    pub fn initial_seed(&self) -> u64 {
        self.seed
    }

    /// Seeds from the system's entropy and returns the seed.
    pub fn seed(&mut self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        // `RandomState` takes its keys from the system; time and address make repeated calls differ.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        if let Ok(now) = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            hasher.write_u128(now.as_nanos());
        }
        // torch keeps such seeds within what a double holds exactly.
        let seed = hasher.finish() & ((1 << 53) - 1);
        self.manual_seed(seed);
        seed
    }

    /// One 32-bit draw.
    #[inline]
    pub fn random(&mut self) -> u32 {
        self.left -= 1;
        if self.left == 0 {
            self.renew();
        }
        let word = self.mt[self.next as usize];
        self.next += 1;
        temper(word)
    }

    /// One 64-bit draw: two words, the first one high.
    #[inline]
    pub fn random64(&mut self) -> u64 {
        let high = u64::from(self.random());
        (high << 32) | u64::from(self.random())
    }

    fn renew(&mut self) {
        crate::simd::vectorize(
            #[inline(always)]
            || twist(&mut self.mt),
        );
        self.left = N as u32;
        self.next = 0;
    }

    /// Hands `f` runs of untempered words that together are the next `count` draws, with the position of each run.
    #[inline(always)]
    fn words(&mut self, count: usize, mut f: impl FnMut(usize, &[u32])) {
        let mut done = 0;
        while done < count {
            if self.left == 1 {
                self.renew();
                // `left` counts one more than the words that remain once the state is fresh.
                self.left += 1;
            }
            let run = (self.left as usize - 1).min(count - done);
            let start = self.next as usize;
            f(done, &self.mt[start..start + run]);
            self.next += run as u32;
            self.left -= run as u32;
            done += run;
        }
    }

    /// The state in torch's 5056-byte layout; `set_state` of either side reads the other's.
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STATE_BYTES);
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        bytes.extend_from_slice(&self.left.to_le_bytes());
        bytes.extend_from_slice(&1u32.to_le_bytes());
        bytes.extend_from_slice(&u64::from(self.next).to_le_bytes());
        for word in self.mt {
            bytes.extend_from_slice(&u64::from(word).to_le_bytes());
        }
        // normal_x, normal_y (the cached sample), normal_rho, normal_is_valid, padding
        bytes.extend_from_slice(&0f64.to_le_bytes());
        bytes.extend_from_slice(&self.next_double_normal.unwrap_or(0.0).to_le_bytes());
        bytes.extend_from_slice(&0f64.to_le_bytes());
        bytes.extend_from_slice(&u64::from(self.next_double_normal.is_some()).to_le_bytes());
        bytes.extend_from_slice(&self.next_float_normal.unwrap_or(0.0).to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.next_float_normal.is_some()).to_le_bytes());
        bytes
    }

    /// Restores a state that `state` or torch's `get_state` returned; the error says what was wrong.
    pub fn set_state(&mut self, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() != STATE_BYTES {
            return Err(format!("RNG state is wrong size: got {} bytes, expected {STATE_BYTES}", bytes.len()));
        }
        let u64_at = |at: usize| bytes[at..at + 8].iter().rev().fold(0u64, |sum, &b| (sum << 8) | u64::from(b));
        let (left, next) = (u64_at(8) as u32, u64_at(16));
        let seeded = u64_at(8) >> 32 == 1;
        if !seeded || !(left == 1 || (left > 1 && u64::from(left) + next == N as u64 + 1)) {
            return Err("Invalid mt19937 state".to_string());
        }
        self.seed = u64_at(0);
        self.left = left;
        self.next = next as u32;
        for (j, word) in self.mt.iter_mut().enumerate() {
            *word = u64_at(24 + 8 * j) as u32;
        }
        let tail = 24 + 8 * N;
        self.next_double_normal = (u64_at(tail + 24) as u32 != 0).then(|| f64::from_bits(u64_at(tail + 8)));
        let float = u64_at(tail + 32);
        self.next_float_normal = ((float >> 32) as u8 != 0).then(|| f32::from_bits(float as u32));
        Ok(())
    }
}

#[inline(always)]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^ (y >> 18)
}

#[inline(always)]
fn twist(mt: &mut [u32; N]) {
    #[inline(always)]
    fn mix(u: u32, v: u32) -> u32 {
        let y = (u & 0x8000_0000) | (v & 0x7fff_ffff);
        (y >> 1) ^ ((v & 1).wrapping_neg() & 0x9908b0df)
    }
    for j in 0..N - M {
        mt[j] = mt[j + M] ^ mix(mt[j], mt[j + 1]);
    }
    for j in N - M..N - 1 {
        mt[j] = mt[j + M - N] ^ mix(mt[j], mt[j + 1]);
    }
    mt[N - 1] = mt[M - 1] ^ mix(mt[N - 1], mt[0]);
}
