//! Autograd for Python: modes, `backward` and `grad`, hooks, nodes, and the native half of `autograd.Function`.
mod anomaly;
mod function;
mod hooks;
mod node;
mod saved;

pub use node::grad_fn;

use crate::prelude::*;
use crate::tensor::PyTensor;
use node::PyNode;
use pyo3::Borrowed;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::types::{PyDict, PyTuple, PyType};
use rsnn_ops::Tensor;
use rsnn_ops::autograd::{self as ag, Edge, How, Root};

#[pyfunction]
fn is_grad_enabled() -> bool {
    ag::is_grad_mode()
}
#[pyfunction]
fn set_grad_mode(on: bool) -> bool {
    ag::set_enabled(on)
}
#[pyfunction]
fn is_inference_mode_enabled() -> bool {
    ag::is_inference()
}
#[pyfunction]
fn set_inference_mode(on: bool) -> bool {
    ag::set_inference(on)
}

/// Makes objects of `cls` natively where there are no arguments: entering a context is mostly the making of it. With
/// arguments its `__new__` runs.
#[pyfunction]
fn make_natively(cls: &Bound<'_, PyType>) {
    // SAFETY: a class made in Python is writable, and no instance of it exists yet; the GIL is held.
    unsafe { (*cls.as_type_ptr()).tp_new = Some(make) };
}

/// What `object.__new__` is to other classes: an empty object of `cls`, which `make_natively` got or a base of it did.
#[pyfunction]
fn bare_object<'py>(cls: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the bases of a class live as long as it does; every class between it and that base was made in Python.
    unsafe {
        let mut base = cls.as_type_ptr();
        while !base.is_null() && (*base).tp_new.is_none_or(|new| !std::ptr::fn_addr_eq(new, make as ffi::newfunc)) {
            base = (*base).tp_base;
        }
        if base.is_null() {
            return Err(PyTypeError::new_err("bare_object: not a class of contexts"));
        }
        Bound::from_owned_ptr_or_err(cls.py(), ffi::PyType_GenericAlloc(cls.as_type_ptr(), 0))
    }
}

unsafe extern "C" fn make(
    cls: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls it with the GIL held, a class, a tuple and a dict or null.
    unsafe {
        if ffi::PyTuple_Size(args) == 0 && kwargs.is_null() {
            return ffi::PyType_GenericAlloc(cls, 0);
        }
        let cls = Bound::from_borrowed_ptr(Python::assume_attached(), cls.cast());
        let new = || {
            let args = Bound::from_borrowed_ptr(cls.py(), args).cast_into_unchecked::<PyTuple>();
            let all = [cls.clone()].into_iter().chain(args.iter());
            let all = PyTuple::new(cls.py(), all.collect::<Vec<_>>())?;
            let kwargs = Bound::from_borrowed_ptr_or_opt(cls.py(), kwargs).map(|k| k.cast_into_unchecked::<PyDict>());
            cls.getattr("__new__")?.call(all, kwargs.as_ref())
        };
        match new() {
            Ok(object) => object.into_ptr(),
            Err(e) => {
                e.restore(cls.py());
                std::ptr::null_mut()
            }
        }
    }
}

/// A place in the graph: of a tensor, or of a `GradientEdge`.
fn place(obj: &Bound<'_, PyAny>) -> PyResult<Option<Edge>> {
    if let Ok(t) = obj.cast::<PyTensor>() {
        let t = t.get().tensor();
        crate::tensor::remember(t, obj.as_ptr());
        return Ok(ag::edge_of(t));
    }
    let (Ok(node), Ok(nr)) = (obj.getattr("node"), obj.getattr("output_nr")) else {
        return Err(PyTypeError::new_err(format!("expected Tensor or GradientEdge, got {}", obj.get_type().name()?)));
    };
    let node = node.cast::<PyNode>()?.get().node()?;
    Ok(Some(Edge { node, nr: nr.extract()? }))
}

fn roots(outputs: &[Bound<'_, PyAny>]) -> PyResult<Vec<Root>> {
    outputs
        .iter()
        .enumerate()
        .map(|(i, o)| match o.cast::<PyTensor>() {
            Ok(t) => guard(|| Root::of(t.get().tensor(), i)),
            Err(_) => match place(o)? {
                Some(edge) => guard(|| Root::at(edge)),
                None => Err(PyRuntimeError::new_err("a GradientEdge without a node")),
            },
        })
        .collect()
}

fn seeds(grads: Option<Vec<Bound<'_, PyAny>>>, count: usize) -> PyResult<Vec<Option<Tensor>>> {
    let seed = |g: Bound<'_, PyAny>| match g.cast::<PyTensor>() {
        Ok(t) => Ok(Some(t.get().tensor().clone())),
        Err(_) if g.is_none() => Ok(None),
        Err(_) => {
            let got = g.get_type().name()?.to_string();
            Err(PyTypeError::new_err(format!("gradients can be either Tensors or None, but got {got}")))
        }
    };
    let grads: Vec<_> = grads.unwrap_or_default().into_iter().map(seed).collect::<PyResult<_>>()?;
    if !grads.is_empty() && grads.len() != count {
        return Err(PyRuntimeError::new_err(format!("got {count} tensors and {} gradients", grads.len())));
    }
    Ok(grads)
}

/// What reading `.grad` of a tensor that keeps none says.
pub const NOT_A_LEAF: &std::ffi::CStr = c"The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead.";

/// `x.grad = value`, with torch's checks.
pub fn set_grad(x: &Tensor, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_none() {
        x.set_grad(None);
        return Ok(());
    }
    let Ok(g) = value.cast::<PyTensor>() else {
        let got = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "assigned grad expected to be a Tensor or None but got grad of type {got}"
        )));
    };
    let g = g.get().tensor();
    crate::tensor::remember(g, value.as_ptr());
    let refusal = if g.same(x) {
        "can't assign Variable as its own grad".into()
    } else if g.dtype() != x.dtype() {
        format!(
            "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient must match the tensor's dtype.",
            rsnn_ops::index::c_name(g.dtype()),
            x.dtype().scalar_name()
        )
    } else if g.device() != x.device() {
        format!(
            "attempting to assign a gradient with device type '{}' to a tensor with device type '{}'. Please ensure that the gradient and the tensor are on the same device",
            g.device(),
            x.device()
        )
    } else if g.shape() != x.shape() {
        format!(
            "attempting to assign a gradient of size '{:?}' to a tensor of size '{:?}'. Please ensure that the gradient and the tensor are the same size",
            g.shape(),
            x.shape()
        )
    } else {
        x.set_grad(Some(g.clone()));
        return Ok(());
    };
    Err(PyRuntimeError::new_err(refusal))
}

/// One output or several.
enum Outputs<'py> {
    One(Bound<'py, PyAny>),
    Many(Vec<Bound<'py, PyAny>>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Outputs<'py> {
    type Error = PyErr;
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Outputs<'py>> {
        match obj.cast::<PyTensor>() {
            Ok(_) => Ok(Outputs::One(obj.to_owned())),
            Err(_) => obj.extract().map(Outputs::Many),
        }
    }
}

/// Accumulates into the leaves, or into `inputs` where given. The GIL is released where that pays; hooks take it.
#[pyfunction]
fn backward(
    outputs: Outputs<'_>,
    grads: Option<Vec<Bound<'_, PyAny>>>,
    keep: bool,
    create: bool,
    inputs: Option<Vec<Bound<'_, PyAny>>>,
) -> PyResult<()> {
    let outputs = match &outputs {
        Outputs::One(x) => std::slice::from_ref(x),
        Outputs::Many(xs) => xs,
    };
    let (roots, seeds) = (roots(outputs)?, seeds(grads, outputs.len())?);
    let find = |x: &Bound<'_, PyAny>| {
        if let Ok(t) = x.cast::<PyTensor>() {
            hooks::retain(t.get().tensor())?;
        }
        place(x)
    };
    let wanted = inputs.map(|xs| xs.iter().map(find).collect::<PyResult<Vec<_>>>()).transpose()?;
    let how = How { keep, create, accumulate: true };
    guard(|| ag::run_edges(&roots, &seeds, wanted.as_deref(), how)).map(drop)
}

/// Gradients at `inputs`.
#[pyfunction]
fn grad(
    outputs: Vec<Bound<'_, PyAny>>,
    inputs: Vec<Bound<'_, PyAny>>,
    grads: Option<Vec<Bound<'_, PyAny>>>,
    keep: bool,
    create: bool,
    allow_unused: bool,
) -> PyResult<Vec<Option<Ret>>> {
    let (roots, seeds) = (roots(&outputs)?, seeds(grads, outputs.len())?);
    let mut wanted = vec![];
    for x in &inputs {
        let Some(edge) = place(x)? else {
            return Err(PyRuntimeError::new_err("One of the differentiated Tensors does not require grad"));
        };
        wanted.push(Some(edge));
    }
    let how = How { keep, create, accumulate: false };
    let found = guard(|| {
        let found = ag::run_edges(&roots, &seeds, Some(&wanted), how)?;
        ag::check_used(&found, allow_unused)?;
        Ok(found)
    })?;
    Ok(found.into_iter().map(|g| g.map(Ret)).collect())
}

/// The number of the backward pass that runs on this thread, -1 without one.
#[pyfunction]
fn current_graph_task_id() -> i64 {
    ag::running_id().map_or(-1, |id| id as i64)
}
#[pyfunction]
fn will_engine_execute_node(node: &PyNode) -> PyResult<bool> {
    Ok(ag::will_run(&node.node()?))
}
#[pyfunction]
fn watch_engine(on: bool) {
    ag::watch_plans(on);
}
/// Marks a leaf that a function transform made for itself.
#[pyfunction]
fn set_transform_level(x: In, level: u64) {
    ag::set_level(&x, level);
}
/// Whether gradients of `outputs` can reach leaves of the user or of the transforms `outer`.
#[pyfunction]
fn depends_on_outer(outputs: Vec<In>, outer: Vec<u64>) -> bool {
    ag::depends_on_outer(&tensors(outputs), &outer)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyNode>()?;
    functions!(
        m,
        is_grad_enabled,
        set_grad_mode,
        is_inference_mode_enabled,
        set_inference_mode,
        make_natively,
        bare_object,
        backward,
        grad,
        current_graph_task_id,
        will_engine_execute_node,
        watch_engine,
        set_transform_level,
        depends_on_outer,
    );
    anomaly::register(m)?;
    function::register(m)?;
    hooks::register(m)?;
    saved::register(m)
}
