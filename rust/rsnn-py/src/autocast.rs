//! Autocast for Python: the switches, and casts for functions that are composed in Python.
use crate::dtype::PyDType;
use crate::prelude::*;
use crate::tensor::{PyTensor, wrap};
use pyo3::types::{PyDict, PyList, PyTuple};
use rsnn_ops::autocast::{self as ac, Policy};

#[pyfunction]
fn autocast_is_enabled(gpu: bool) -> bool {
    ac::is_enabled(gpu)
}
#[pyfunction]
fn autocast_set_enabled(gpu: bool, on: bool) {
    ac::set_enabled(gpu, on);
}
#[pyfunction]
fn autocast_dtype(py: Python<'_>, gpu: bool) -> PyResult<Py<PyDType>> {
    crate::dtype::object(py, ac::dtype(gpu))
}
#[pyfunction]
fn autocast_set_dtype(gpu: bool, dtype: PyDType) {
    ac::set_dtype(gpu, dtype.0);
}
#[pyfunction]
fn is_autocast_cache_enabled() -> bool {
    ac::is_cache_enabled()
}
#[pyfunction]
fn set_autocast_cache_enabled(enabled: bool) {
    ac::set_cache_enabled(enabled);
}
#[pyfunction]
fn clear_autocast_cache() {
    ac::clear_cache();
}
#[pyfunction]
fn autocast_increment_nesting() -> usize {
    ac::enter()
}
#[pyfunction]
fn autocast_decrement_nesting() -> usize {
    ac::leave()
}

fn cast<'py>(policy: Policy, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    if let Ok(t) = x.cast::<PyTensor>() {
        let t = t.get().tensor();
        crate::tensor::remember(t, x.as_ptr());
        return wrap(py, guard(|| Ok(ac::cast_all(policy, std::slice::from_ref(t))?.swap_remove(0)))?);
    }
    if let Ok(items) = x.cast::<PyList>() {
        let items: PyResult<Vec<_>> = items.iter().map(|i| cast(policy, &i)).collect();
        return Ok(PyList::new(py, items?)?.into_any());
    }
    match x.cast_exact::<PyTuple>() {
        Ok(items) => {
            let items: PyResult<Vec<_>> = items.iter().map(|i| cast(policy, &i)).collect();
            Ok(PyTuple::new(py, items?)?.into_any())
        }
        Err(_) => Ok(x.clone()),
    }
}

/// Calls `f` with its tensors cast (`lower`: to the autocast dtype or to float32; None: not) and autocast off inside.
#[pyfunction]
fn autocast_call<'py>(
    f: &Bound<'py, PyAny>,
    lower: Option<bool>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = f.py();
    let Some(lower) = lower else {
        let _plain = ac::Pause::new();
        return f.call(args, Some(kwargs));
    };
    let policy = if lower { Policy::Lower } else { Policy::Full };
    let args = cast(policy, args.as_any())?.cast_into::<PyTuple>()?;
    let named = PyDict::new(py);
    for (key, value) in kwargs.iter() {
        named.set_item(key, cast(policy, &value)?)?;
    }
    let _plain = ac::Pause::new();
    f.call(args, Some(&named))
}

/// Whether autocast acts on this thread now.
#[pyfunction]
fn autocast_acts() -> bool {
    ac::acts()
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        autocast_is_enabled,
        autocast_set_enabled,
        autocast_dtype,
        autocast_set_dtype,
        is_autocast_cache_enabled,
        set_autocast_cache_enabled,
        clear_autocast_cache,
        autocast_increment_nesting,
        autocast_decrement_nesting,
        autocast_call,
        autocast_acts,
    );
    Ok(())
}
