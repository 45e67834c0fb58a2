//! One file per topic; each registers its functions.
mod conv;
mod gpu;
mod index;
mod join;
mod nn;
mod norm2d;
mod random;
mod reduce;
mod sort;
mod unary;

use pyo3::prelude::*;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    conv::register(m)?;
    gpu::register(m)?;
    index::register(m)?;
    join::register(m)?;
    nn::register(m)?;
    norm2d::register(m)?;
    random::register(m)?;
    reduce::register(m)?;
    sort::register(m)?;
    unary::register(m)?;
    Ok(())
}
