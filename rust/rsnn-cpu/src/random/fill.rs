//! Serial fills from the twister, bit for bit what torch's CPU kernels write: uniform, integers, Bernoulli, exponential and kin.
use super::{Generator, temper};
use crate::vmath::Real;

/// A float that torch draws uniformly: f32 from the low 24 bits of a word, f64 from the low 53 of two.
pub trait Uniform: Real {
    /// Fills with draws from [from, to); torch computes both ends in `Self`.
    fn fill_uniform(generator: &mut Generator, out: &mut [Self], from: f64, to: f64);
    /// One draw from [0, 1).
    fn unit(generator: &mut Generator) -> Self;
}

impl Uniform for f32 {
    fn fill_uniform(generator: &mut Generator, out: &mut [f32], from: f64, to: f64) {
        let (from, to) = (from as f32, to as f32);
        let span = to - from;
        generator.words(out.len(), |at, words| {
            let out = &mut out[at..at + words.len()];
            crate::simd::vectorize(
                #[inline(always)]
                || {
                    for (o, &w) in out.iter_mut().zip(words) {
                        let value = unit_f32(temper(w)).mul_add(span, from);
                        // Rounding can reach the open end; torch folds it back onto the closed one.
                        *o = if value == to { from } else { value };
                    }
                },
            )
        });
    }
    fn unit(generator: &mut Generator) -> f32 {
        unit_f32(generator.random())
    }
}

impl Uniform for f64 {
    fn fill_uniform(generator: &mut Generator, out: &mut [f64], from: f64, to: f64) {
        let span = to - from;
        crate::simd::vectorize(
            #[inline(always)]
            || {
                for o in out {
                    let value = unit_f64(generator.random64()).mul_add(span, from);
                    *o = if value == to { from } else { value };
                }
            },
        );
    }
    fn unit(generator: &mut Generator) -> f64 {
        unit_f64(generator.random64())
    }
}

#[inline(always)]
fn unit_f32(word: u32) -> f32 {
    (word & 0xff_ffff) as f32 * (1.0 / 16_777_216.0)
}

#[inline(always)]
fn unit_f64(word: u64) -> f64 {
    (word & ((1 << 53) - 1)) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

impl Generator {
    /// `uniform_(from, to)`.
    pub fn uniform<T: Uniform>(&mut self, out: &mut [T], from: f64, to: f64) {
        T::fill_uniform(self, out, from, to);
    }

    /// `random_(from, to)` with `range = to - from`; `cast` turns the integer into the element.
    pub fn random_from_to<T>(&mut self, out: &mut [T], range: u64, from: i64, cast: impl Fn(i64) -> T) {
        // Above 2^28 torch draws 64 bits, to keep the skew of the remainder small.
        if range >= 1 << 28 {
            out.iter_mut().for_each(|o| *o = cast(((self.random64() % range) as i64).wrapping_add(from)));
        } else {
            let range = range as u32;
            out.iter_mut().for_each(|o| *o = cast(i64::from(self.random() % range) + from));
        }
    }

    /// `random_(from=i64::MIN, to=None)`: all 64 bits.
    pub fn random_full<T>(&mut self, out: &mut [T], cast: impl Fn(i64) -> T) {
        out.iter_mut().for_each(|o| *o = cast(self.random64() as i64));
    }

    /// `random_()`: from 0 up to `modulus - 1`. `modulus` is max + 1 of an integer type, 2^digits + 1 of a float type;
    /// `wide` (i64 and f64) draws 64 bits.
    pub fn random_modulus<T>(&mut self, out: &mut [T], modulus: u64, wide: bool, cast: impl Fn(u64) -> T) {
        for o in out {
            let word = if wide { self.random64() } else { u64::from(self.random()) };
            *o = cast(word % modulus);
        }
    }

    /// `bernoulli_(p)`: one 53-bit draw each, whatever the element type.
    pub fn bernoulli<T>(&mut self, out: &mut [T], p: f64, cast: impl Fn(bool) -> T) {
        out.iter_mut().for_each(|o| *o = cast(f64::unit(self) < p));
    }

    /// `bernoulli_(p)` with a tensor of probabilities (broadcast by the caller), drawn at the precision of `p`.
    pub fn bernoulli_tensor<T, P: Uniform>(&mut self, out: &mut [T], p: &[P], cast: impl Fn(bool) -> T) {
        out.iter_mut().zip(p).for_each(|(o, &p)| *o = cast(P::unit(self) < p));
    }

    /// `f` of a draw from [0, 1) each: the draws follow each other, `f` is parallel over a stretch of them.
    fn fill_with<T: Uniform>(&mut self, out: &mut [T], f: impl Fn(f64) -> f64 + Sync) {
        const STRETCH: usize = 1 << 17;
        let mut draws = vec![0.0; out.len().min(STRETCH)];
        for out in out.chunks_mut(STRETCH) {
            let draws = &mut draws[..out.len()];
            f64::fill_uniform(self, draws, 0.0, 1.0);
            crate::vmath::map(draws, out, |u| T::from_f64(f(u)));
        }
    }

    /// `exponential_(lambda)`.
    pub fn exponential<T: Uniform>(&mut self, out: &mut [T], lambda: f64) {
        self.fill_with(out, |u| -1.0 / lambda * (-u).ln_1p());
    }

    /// `geometric_(p)`: trials up to and including the first success; `cast` turns the count into the element.
    pub fn geometric<T>(&mut self, out: &mut [T], p: f64, cast: impl Fn(f64) -> T) {
        let log_failure = (-p).ln_1p();
        out.iter_mut().for_each(|o| *o = cast((f64::unit(self).ln() / log_failure).ceil()));
    }

    /// `cauchy_(median, sigma)`.
    pub fn cauchy<T: Uniform>(&mut self, out: &mut [T], median: f64, sigma: f64) {
        self.fill_with(out, |u| median + sigma * (std::f64::consts::PI * (u - 0.5)).tan());
    }

    /// `log_normal_(mean, std)`.
    pub fn log_normal<T: Uniform>(&mut self, out: &mut [T], mean: f64, std: f64) {
        out.iter_mut().for_each(|o| *o = T::from_f64(self.next_normal(mean, std).exp()));
    }
}
