//! What every function file needs: argument and result types, and `run`, the one door into native code.
use crate::tensor::{PyTensor, wrap};
pub use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyTuple};
use pyo3::{Borrowed, exceptions::PyTypeError};
use rsnn_ops::{DType, Result, Tensor};
use std::ops::Deref;

/// A tensor argument; Python numbers become numbers that yield in promotion.
#[derive(Clone)]
pub struct In(pub Tensor);

impl Deref for In {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.0
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for In {
    type Error = PyErr;
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<In> {
        if let Ok(t) = obj.cast::<PyTensor>() {
            let t = t.get().tensor();
            crate::tensor::remember(t, obj.as_ptr());
            return Ok(In(t.clone()));
        }
        match number(&obj)? {
            Some(t) => Ok(In(t)),
            None => Err(PyTypeError::new_err(format!("expected Tensor or number, got {}", obj.get_type().name()?))),
        }
    }
}

/// A tensor argument that no number can stand for.
pub struct Only(pub Tensor);

impl Deref for Only {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        &self.0
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Only {
    type Error = PyErr;
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Only> {
        match obj.cast::<PyTensor>() {
            Ok(_) => obj.extract::<In>().map(|x| Only(x.0)),
            Err(_) => Err(PyTypeError::new_err(format!("must be Tensor, not {}", obj.get_type().name()?))),
        }
    }
}

/// The tensors of a list or tuple.
pub struct Several(pub Vec<Tensor>);

impl<'a, 'py> FromPyObject<'a, 'py> for Several {
    type Error = PyErr;
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Several> {
        let each = |(i, item): (usize, Bound<'py, PyAny>)| match item.extract::<Only>() {
            Ok(x) => Ok(x.0),
            Err(_) => Err(PyTypeError::new_err(format!(
                "expected Tensor as element {i} in argument 0, but got {}",
                item.get_type().name()?
            ))),
        };
        let tensors: PyResult<Vec<Tensor>> = if let Ok(list) = obj.cast::<PyList>() {
            list.iter().enumerate().map(each).collect()
        } else if let Ok(tuple) = obj.cast::<PyTuple>() {
            tuple.iter().enumerate().map(each).collect()
        } else {
            let got = obj.get_type().name()?;
            return Err(PyTypeError::new_err(format!("must be tuple of Tensors, not {got}")));
        };
        tensors.map(Several)
    }
}

/// A Python bool, int or float as a number tensor; `None` for anything else.
pub fn number(obj: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    if let Ok(f) = obj.cast::<PyFloat>() {
        return Tensor::number(f.value(), DType::F64).map(Some).map_err(crate::raise::raise);
    }
    if let Ok(b) = obj.cast::<PyBool>() {
        return Tensor::number(f64::from(u8::from(b.is_true())), DType::Bool).map(Some).map_err(crate::raise::raise);
    }
    if let Ok(i) = obj.cast::<PyInt>() {
        let i: i64 = i.extract().map_err(|_| {
            pyo3::exceptions::PyRuntimeError::new_err(
                "Overflow when unpacking long: value cannot be converted to int64",
            )
        })?;
        return Tensor::integer(i).map(Some).map_err(crate::raise::raise);
    }
    // numpy scalars and the like convert through the number protocol.
    if obj.hasattr("dtype")?
        && obj.hasattr("item")?
        && obj.getattr("ndim").is_ok_and(|n| n.extract::<usize>().is_ok_and(|n| n == 0))
    {
        return number(&obj.call_method0("item")?);
    }
    Ok(None)
}

/// A tensor result.
pub struct Ret(pub Tensor);

impl<'py> IntoPyObject<'py> for Ret {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wrap(py, self.0)
    }
}

pub type Out = PyResult<Ret>;
pub type Outs = PyResult<Vec<Ret>>;

/// Runs native code: errors become exceptions, a panic becomes a RuntimeError.
pub fn guard<R>(f: impl FnOnce() -> Result<R>) -> PyResult<R> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
        // A kernel that Ctrl-C stopped has left garbage behind.
        Ok(r) => r.and_then(|r| rsnn_ops::interrupt::finished().map(|()| r)).map_err(crate::raise::raise),
        Err(cause) => {
            let text = cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| cause.downcast_ref::<&str>().copied())
                .unwrap_or("unknown cause");
            Err(pyo3::exceptions::PyRuntimeError::new_err(format!("rsnn: internal error: {text}")))
        }
    }
}

/// Runs `f` with the GIL released, where this thread holds it: backward runs without it already.
pub fn unlocked(f: &mut dyn FnMut()) {
    // SAFETY: asks only whether this thread holds the GIL.
    if unsafe { pyo3::ffi::PyGILState_Check() } == 0 {
        return f();
    }
    let mut f = Alone(f);
    // The closure takes the wrapper as a whole, which promises that it may run without the GIL.
    Python::attach(|py| py.detach(|| f.call()));
}

/// A closure that runs on this very thread although the GIL is released meanwhile; it touches no Python object.
struct Alone<'a>(&'a mut dyn FnMut());

// SAFETY: `detach` runs its closure on the calling thread; the bound only keeps Python objects out.
unsafe impl Send for Alone<'_> {}

impl Alone<'_> {
    fn call(&mut self) {
        (self.0)();
    }
}

/// Runs an op with one result.
pub fn run(f: impl FnOnce() -> Result<Tensor>) -> Out {
    guard(f).map(Ret)
}

/// Runs an op with several results.
pub fn run_all(f: impl FnOnce() -> Result<Vec<Tensor>>) -> Outs {
    guard(f).map(|v| v.into_iter().map(Ret).collect())
}

/// An optional tensor argument.
pub fn opt(x: &Option<In>) -> Option<&Tensor> {
    x.as_ref().map(|x| &x.0)
}

/// The tensors of a list argument.
pub fn tensors(xs: Vec<In>) -> Vec<Tensor> {
    xs.into_iter().map(|x| x.0).collect()
}

/// `functions!(m, a, b)` adds the pyfunctions `a` and `b` to module `m`.
macro_rules! functions {
    ($m:ident, $($f:path),* $(,)?) => { $( $m.add_function(pyo3::wrap_pyfunction!($f, $m)?)?; )* };
}
pub(crate) use functions;
