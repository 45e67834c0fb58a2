//! Kernels that read images between their pixels, and distances between rows.
mod channels;
mod distance;
mod grid;
mod resample;
#[cfg(test)]
mod tests;

pub use distance::Distances;
pub use grid::{Grid, Mode, Outside};
pub use resample::{Taps, resample};
