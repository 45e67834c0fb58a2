//! Random tensors: generators, in-place fills, sampling. The CPU stream is consumed as torch consumes it.
mod counts;
mod dropout;
mod fill;
mod sample;
#[cfg(test)]
mod tests;

pub use counts::{binomial, poisson};
pub use dropout::{draw_key, dropout, dropout_keyed};
pub use fill::{
    bernoulli_, bernoulli_tensor_, cauchy_, exponential_, geometric_, log_normal_, normal_, random_, uniform_,
};
pub use sample::{bernoulli, multinomial, normal, rand, randint, randn, randperm};

use parking_lot::Mutex;
use rsnn_core::{Error, Result};
pub use rsnn_cpu::random::Generator;
use std::sync::{Arc, OnceLock};

/// A generator that several owners share.
pub type Handle = Arc<Mutex<Generator>>;

/// The process's own generator.
pub fn default_generator() -> &'static Handle {
    static DEFAULT: OnceLock<Handle> = OnceLock::new();
    DEFAULT.get_or_init(Handle::default)
}

/// Runs `f` on the given generator, or on the default one.
pub fn with<R>(generator: Option<&Handle>, f: impl FnOnce(&mut Generator) -> R) -> R {
    f(&mut generator.unwrap_or(default_generator()).lock())
}

/// Restarts the default generator.
pub fn manual_seed(seed: u64) {
    default_generator().lock().manual_seed(seed);
}

/// Restores a state of 5056 bytes.
pub fn set_state(generator: Option<&Handle>, bytes: &[u8]) -> Result<()> {
    with(generator, |g| g.set_state(bytes)).map_err(Error::Runtime)
}
