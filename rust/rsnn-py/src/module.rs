//! Slots of `rsnn.nn.Module` classes: reading an attribute, and the call. Each does what Module's own `__getattr__` and
//! `__call__` do in Python, and hands over to them wherever something unusual is asked for.
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use std::ptr::null_mut;

type Object = *mut ffi::PyObject;

unsafe extern "C" {
    /// What a class and its bases define under a name: a borrowed reference, or null without an exception.
    fn _PyType_Lookup(class: *mut ffi::PyTypeObject, name: Object) -> Object;
    fn PyMethod_New(function: Object, object: Object) -> Object;
}

/// What `__call__` looks at besides the module.
struct Globals {
    /// Dicts of the hooks of all modules.
    hooks: [Py<PyAny>; 4],
    /// Called with an error of a forward and the module, on the error's way out.
    failed: Py<PyAny>,
}

static GLOBALS: PyOnceLock<Globals> = PyOnceLock::new();

/// Makes reading an attribute of instances of `cls` native; its `__getattr__` is Module's own.
///
/// Python's slot comes to `__getattr__` by way of an exception, which costs more than many an op. Assigning
/// `__getattr__` or `__getattribute__` later puts Python's slot back.
#[pyfunction]
fn read_natively(cls: &Bound<'_, PyType>) {
    // SAFETY: a class made in Python is writable, and no instance of it exists yet; the GIL is held.
    unsafe { (*cls.as_type_ptr()).tp_getattro = Some(attribute) };
}

/// Makes the call of instances of `cls` native; its `__call__` is Module's own.
#[pyfunction]
fn call_natively(cls: &Bound<'_, PyType>, hooks: [Py<PyAny>; 4], failed: Py<PyAny>) {
    let py = cls.py();
    GLOBALS.get_or_init(py, || Globals { hooks, failed });
    // SAFETY: as above.
    unsafe { (*cls.as_type_ptr()).tp_call = Some(call) };
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    crate::prelude::functions!(m, read_natively, call_natively);
    Ok(())
}

/// `module.name`.
unsafe extern "C" fn attribute(module: Object, name: Object) -> Object {
    // SAFETY: the interpreter calls it with the GIL held, a module and a string.
    unsafe {
        let py = Python::assume_attached();
        let class = ffi::Py_TYPE(module);
        if _PyType_Lookup(class, name).is_null() {
            let found = own(py, module, name);
            if !found.is_null() || !ffi::PyErr_Occurred().is_null() {
                return found;
            }
        } else {
            let found = ffi::PyObject_GenericGetAttr(module, name);
            if !found.is_null() || ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) == 0 {
                return found;
            }
            ffi::PyErr_Clear();
        }
        call_special(py, intern!(py, "__getattr__"), module, name)
    }
}

/// What `module` itself has under `name`, as an attribute or as a member; null where that is nothing or not plain to see.
unsafe fn own(py: Python<'_>, module: Object, name: Object) -> Object {
    // SAFETY: as in `attribute`; what a dict lends is kept before the dict is let go.
    unsafe {
        let state = ffi::PyObject_GenericGetDict(module, null_mut());
        if state.is_null() {
            return null_mut();
        }
        let state = Bound::from_owned_ptr(py, state);
        let mut found = ffi::PyDict_GetItemWithError(state.as_ptr(), name);
        for kind in [intern!(py, "_parameters"), intern!(py, "_buffers"), intern!(py, "_modules")] {
            if !found.is_null() || !ffi::PyErr_Occurred().is_null() {
                break;
            }
            let members = ffi::PyDict_GetItemWithError(state.as_ptr(), kind.as_ptr());
            if members.is_null() {
                continue;
            }
            if ffi::PyDict_CheckExact(members) == 0 {
                break;
            }
            found = ffi::PyDict_GetItemWithError(members, name);
        }
        ffi::Py_XINCREF(found);
        found
    }
}

/// The special method `method` of the class of `module`, with one argument.
unsafe fn call_special(py: Python<'_>, method: &Bound<'_, PyString>, module: Object, arg: Object) -> Object {
    // SAFETY: as in `attribute`.
    unsafe {
        let method = Bound::from_borrowed_ptr_or_err(py, _PyType_Lookup(ffi::Py_TYPE(module), method.as_ptr()));
        match method {
            Ok(method) => ffi::PyObject_CallFunctionObjArgs(method.as_ptr(), module, arg, null_mut::<ffi::PyObject>()),
            Err(e) => {
                e.restore(py);
                null_mut()
            }
        }
    }
}

/// `module(*args, **kwargs)`.
unsafe extern "C" fn call(module: Object, args: Object, kwargs: Object) -> Object {
    // SAFETY: the interpreter calls it with the GIL held, a module, a tuple and a dict or null.
    unsafe {
        let py = Python::assume_attached();
        let Some(globals) = GLOBALS.get(py) else { return null_mut() };
        let module = Bound::from_borrowed_ptr(py, module);
        if !has_no_hooks(&module, globals) {
            return long_way(&module, args, kwargs);
        }
        let forward = ffi::PyObject_GetAttr(module.as_ptr(), intern!(py, "forward").as_ptr());
        let mut result = null_mut();
        if !forward.is_null() {
            result = ffi::PyObject_Call(forward, args, kwargs);
            ffi::Py_DECREF(forward);
        }
        if result.is_null() {
            leave(&module, &globals.failed);
        }
        result
    }
}

/// Whether nothing but the forward has to run; false where the module lacks its state.
unsafe fn has_no_hooks(module: &Bound<'_, PyAny>, globals: &Globals) -> bool {
    let py = module.py();
    // SAFETY: the GIL is held; a dict lends what is only looked at.
    unsafe {
        let is_empty =
            |hooks: Object| !hooks.is_null() && ffi::PyDict_Check(hooks) != 0 && ffi::PyDict_Size(hooks) == 0;
        let state = ffi::PyObject_GenericGetDict(module.as_ptr(), null_mut());
        let Ok(state) = Bound::from_owned_ptr_or_err(py, state) else { return false };
        let names = [
            intern!(py, "_forward_hooks"),
            intern!(py, "_forward_pre_hooks"),
            intern!(py, "_backward_hooks"),
            intern!(py, "_backward_pre_hooks"),
        ];
        names.iter().all(|name| is_empty(ffi::PyDict_GetItemWithError(state.as_ptr(), name.as_ptr())))
            && globals.hooks.iter().all(|hooks| is_empty(hooks.as_ptr()))
    }
}

/// Module's `__call__` in Python.
unsafe fn long_way(module: &Bound<'_, PyAny>, args: Object, kwargs: Object) -> Object {
    let py = module.py();
    // SAFETY: as in `call`; Module defines the method, so that the class has one.
    unsafe {
        let method = _PyType_Lookup(ffi::Py_TYPE(module.as_ptr()), intern!(py, "__call__").as_ptr());
        let bound = PyMethod_New(method, module.as_ptr());
        if bound.is_null() {
            return null_mut();
        }
        let result = ffi::PyObject_Call(bound, args, kwargs);
        ffi::Py_DECREF(bound);
        result
    }
}

/// Shows the error that leaves the forward of `module` to `failed`.
fn leave(module: &Bound<'_, PyAny>, failed: &Py<PyAny>) {
    let py = module.py();
    let error = PyErr::fetch(py);
    let show = || {
        // Before Python 3.12 an exception on its way has no traceback of its own yet.
        error.value(py).setattr(intern!(py, "__traceback__"), error.traceback(py))?;
        failed.call1(py, (error.value(py), module))
    };
    let shown = if error.is_instance_of::<PyException>(py) { show().err() } else { None };
    shown.unwrap_or(error).restore(py);
}
