//! `rsnn._rsnn`: thin functions and the Tensor class over `rsnn-ops`. No maths here.
mod autograd;
mod convert;
mod dtype;
mod functions;
mod indexing;
mod methods;
mod prelude;
mod raise;
mod size;
mod tensor;

use pyo3::prelude::*;

#[pymodule]
fn _rsnn(m: &Bound<'_, PyModule>) -> PyResult<()> {
    rsnn_ops::interrupt::install(raise::check_signals);
    m.add_class::<tensor::PyTensor>()?;
    dtype::register(m)?;
    raise::register(m)?;
    size::register(m)?;
    methods::register(m)?;
    autograd::register(m)?;
    convert::register(m)?;
    functions::register(m)
}
