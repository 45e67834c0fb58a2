//! `rsnn._rsnn`: thin functions and the Tensor class over `rsnn-ops`. No maths here.
mod autocast;
mod autograd;
mod convert;
mod dlpack;
mod dtype;
mod functions;
mod indexing;
mod methods;
mod module;
mod prelude;
mod profile;
mod raise;
mod size;
mod tensor;

use pyo3::prelude::*;

#[pymodule]
fn _rsnn(m: &Bound<'_, PyModule>) -> PyResult<()> {
    rsnn_ops::interrupt::install(raise::check_signals);
    rsnn_ops::release::install(prelude::unlocked);
    m.add_class::<tensor::PyTensor>()?;
    dtype::register(m)?;
    raise::register(m)?;
    size::register(m)?;
    methods::register(m)?;
    module::register(m)?;
    autocast::register(m)?;
    autograd::register(m)?;
    convert::register(m)?;
    dlpack::register(m)?;
    profile::register(m)?;
    functions::register(m)
}
