//! Rust errors to Python exceptions: the one table, and the door that every function goes through.
use pyo3::exceptions::{PyIndexError, PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use rsnn_ops::Error;
use std::cell::RefCell;

pyo3::create_exception!(rsnn, OutOfMemoryError, PyRuntimeError, "Memory on a device is exhausted.");

thread_local! {
    // An exception that a callback raised inside native code, on its way out.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Parks a Python exception while native code unwinds with `Error::Raised`.
pub fn park(e: PyErr) -> Error {
    RAISED.with(|r| *r.borrow_mut() = Some(e));
    Error::Raised
}

/// The Python exception of an error, marked as one of an op so that modules may add their path to its text.
pub fn raise(e: Error) -> PyErr {
    let own = !matches!(e, Error::Raised);
    let error = exception(e);
    if own {
        // Where the mark does not hold, the text stays without a path.
        let _ = Python::attach(|py| error.value(py).setattr("_rsnn_op", true));
    }
    error
}

fn exception(e: Error) -> PyErr {
    match e {
        Error::Value(s) => PyValueError::new_err(s),
        Error::Type(s) => PyTypeError::new_err(s),
        Error::Runtime(s) => PyRuntimeError::new_err(s),
        Error::Index(s) => PyIndexError::new_err(s),
        Error::NotImplemented(s) => PyNotImplementedError::new_err(s),
        Error::OutOfMemory(s) => OutOfMemoryError::new_err(s),
        Error::Raised => RAISED
            .with(|r| r.borrow_mut().take())
            .unwrap_or_else(|| PyRuntimeError::new_err("an exception was raised in a callback")),
    }
}

/// Fails with KeyboardInterrupt when the user pressed Ctrl-C.
pub fn check_signals() -> rsnn_ops::Result<()> {
    Python::attach(|py| py.check_signals()).map_err(park)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("OutOfMemoryError", m.py().get_type::<OutOfMemoryError>())
}
