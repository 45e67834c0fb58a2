//! Saved-tensor hooks written in Python.
use crate::prelude::*;
use crate::raise::park;
use crate::tensor::{PyTensor, wrap};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use rsnn_ops::autograd::{self as ag, SavedHooks};
use rsnn_ops::{Result, Tensor};
use std::any::Any;
use std::sync::Arc;

struct Hooks {
    pack: Py<PyAny>,
    unpack: Py<PyAny>,
}

impl SavedHooks for Hooks {
    fn pack(&self, x: &Tensor) -> Result<Box<dyn Any + Send + Sync>> {
        Python::attach(|py| {
            let out = self.pack.bind(py).call1((wrap(py, x.clone())?,))?;
            Ok(Box::new(out.unbind()) as Box<dyn Any + Send + Sync>)
        })
        .map_err(park)
    }
    fn unpack(&self, packed: &(dyn Any + Send + Sync)) -> Result<Tensor> {
        Python::attach(|py| {
            let packed = packed
                .downcast_ref::<Py<PyAny>>()
                .ok_or_else(|| PyRuntimeError::new_err("saved_tensors_hooks: foreign object"))?;
            let out = self.unpack.bind(py).call1((packed.bind(py),))?;
            match out.cast::<PyTensor>() {
                Ok(t) => Ok(t.get().tensor().clone()),
                Err(_) => Err(PyTypeError::new_err(format!(
                    "Output of saved tensor unpack_hook expected to be a Tensor but got result of type {}",
                    out.get_type().name()?
                ))),
            }
        })
        .map_err(park)
    }
}

#[pyfunction]
fn push_saved_hooks(pack: Py<PyAny>, unpack: Py<PyAny>) -> PyResult<()> {
    guard(|| ag::push_saved_hooks(Arc::new(Hooks { pack, unpack })))
}
#[pyfunction]
fn pop_saved_hooks() {
    ag::pop_saved_hooks();
}
/// Refuses hooks with this text, or allows them again; returns the previous text.
#[pyfunction]
fn disable_saved_hooks(why: Option<String>) -> PyResult<Option<String>> {
    guard(|| ag::disable_saved_hooks(why))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, push_saved_hooks, pop_saved_hooks, disable_saved_hooks);
    Ok(())
}
