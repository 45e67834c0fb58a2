//! One file per topic; each registers its functions.
mod conv;
mod gpu;
mod image;
mod index;
mod join;
mod linalg;
mod nn;
mod norm2d;
mod optim;
mod random;
mod reduce;
mod rnn;
mod sort;
mod special;
mod unary;

use pyo3::prelude::*;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    conv::register(m)?;
    gpu::register(m)?;
    image::register(m)?;
    index::register(m)?;
    join::register(m)?;
    linalg::register(m)?;
    nn::register(m)?;
    norm2d::register(m)?;
    optim::register(m)?;
    random::register(m)?;
    reduce::register(m)?;
    rnn::register(m)?;
    sort::register(m)?;
    special::register(m)?;
    unary::register(m)?;
    Ok(())
}
