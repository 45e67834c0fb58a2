//! `rsnn.Size` as models meet it most: made from a shape, and indexed. The class itself is Python's (`rsnn._size`).
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    CLASS.get_or_try_init(py, || py.import("rsnn._size")?.getattr("Size").map(Bound::unbind)).map(|c| c.bind(py))
}

/// Makes slices of a Size sizes again. A `__getitem__` in Python would do, at five times the cost of every index.
#[pyfunction]
fn slices_stay(class: &Bound<'_, PyType>) {
    // SAFETY: a class made in Python owns its table of slots; the GIL is held.
    unsafe { (*(*class.as_type_ptr()).tp_as_mapping).mp_subscript = Some(item) };
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(pyo3::wrap_pyfunction!(slices_stay, m)?)
}

/// A `rsnn.Size` of the shape.
pub fn size<'py>(py: Python<'py>, shape: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: every item is a new reference to an int, or null with an exception set.
    fill(class(py)?, shape.len(), |i| unsafe { ffi::PyLong_FromSize_t(shape[i]) })
}

/// A Size whose items are the new references that `get` returns. It only adds methods to tuple, so it is filled as one;
/// its constructor takes twice the time.
fn fill<'py>(
    class: &Bound<'py, PyAny>,
    len: usize,
    get: impl Fn(usize) -> *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    // SAFETY: a fresh object of a tuple type with room for `len` items, filled before anybody else sees it.
    unsafe {
        let made = ffi::PyType_GenericAlloc(class.as_ptr().cast(), len as ffi::Py_ssize_t);
        let made = Bound::from_owned_ptr_or_err(py, made)?;
        for i in 0..len {
            let item = get(i);
            if item.is_null() || ffi::PyTuple_SetItem(made.as_ptr(), i as ffi::Py_ssize_t, item) != 0 {
                return Err(PyErr::fetch(py));
            }
        }
        Ok(made)
    }
}

/// `size[key]`: an int for an index, a Size for a slice.
unsafe extern "C" fn item(slf: *mut ffi::PyObject, key: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with the GIL held, `slf` is an instance of a subclass of tuple.
    unsafe {
        let Some(plain) = (*ffi::PyTuple_Type.tp_as_mapping).mp_subscript else {
            return std::ptr::null_mut();
        };
        let got = plain(slf, key);
        if got.is_null() || ffi::PySlice_Check(key) == 0 {
            return got;
        }
        let py = Python::assume_attached();
        let got = Bound::from_owned_ptr(py, got);
        let len = ffi::PyTuple_Size(got.as_ptr()).max(0) as usize;
        let get = |i: usize| {
            let item = ffi::PyTuple_GetItem(got.as_ptr(), i as ffi::Py_ssize_t);
            ffi::Py_XINCREF(item);
            item
        };
        match class(py).and_then(|class| fill(class, len, get)) {
            Ok(size) => size.into_ptr(),
            Err(e) => {
                e.restore(py);
                std::ptr::null_mut()
            }
        }
    }
}
