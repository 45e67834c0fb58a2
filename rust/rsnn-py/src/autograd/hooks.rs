//! Python functions as hooks of tensors and nodes, checked as torch checks them, and the handles that remove them.
use crate::prelude::*;
use crate::raise::park;
use crate::tensor::{PyTensor, wrap};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::types::PyTuple;
use rsnn_ops::Tensor;
use rsnn_ops::autograd::{self as ag, Hook, Node, NodeHook};
use rsnn_ops::tensor::WeakHandle;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number for a new hook.
pub fn next_id() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// Gradients as a Python tuple.
pub fn list<'py>(py: Python<'py>, grads: &[Option<Tensor>]) -> PyResult<Bound<'py, PyTuple>> {
    let items: PyResult<Vec<_>> = grads.iter().map(|g| g.clone().map(|g| wrap(py, g)).transpose()).collect();
    PyTuple::new(py, items?)
}

fn name_of(f: &Bound<'_, PyAny>) -> String {
    f.getattr("__name__").and_then(|n| n.extract()).unwrap_or_else(|_| "<unknown>".into())
}

/// What a hook returned in place of `old`.
fn checked(f: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>, old: Option<&Tensor>) -> PyResult<Option<Tensor>> {
    if out.is_none() {
        return Ok(None);
    }
    let Ok(new) = out.cast::<PyTensor>() else {
        let got = out.get_type().name()?;
        return Err(PyTypeError::new_err(format!("expected Variable, but hook returned '{got}'")));
    };
    let new = new.get().tensor();
    crate::tensor::remember(new, out.as_ptr());
    if let Some(old) = old {
        let name = name_of(f);
        if new.dtype() != old.dtype() {
            let (was, got) = (old.dtype().scalar_name(), new.dtype().scalar_name());
            return Err(PyRuntimeError::new_err(format!(
                "hook '{name}' has changed the type of value (was rsnn.{was}Tensor got rsnn.{got}Tensor)"
            )));
        }
        if new.shape() != old.shape() {
            return Err(PyRuntimeError::new_err(format!("hook '{name}' has changed the size of value")));
        }
    }
    Ok(Some(new.clone()))
}

fn tensor_hook(f: Py<PyAny>) -> Hook {
    std::sync::Arc::new(move |g| {
        Python::attach(|py| {
            let f = f.bind(py);
            checked(f, &f.call1((wrap(py, g.clone())?,))?, Some(g))
        })
        .map_err(park)
    })
}

fn leaf_hook(f: Py<PyAny>) -> Hook {
    std::sync::Arc::new(move |leaf| {
        Python::attach(|py| f.bind(py).call1((wrap(py, leaf.clone())?,)).map(|_| None)).map_err(park)
    })
}

/// The values that replace `old`, as a node's hook returned them.
fn replaced(f: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>, old: &[Option<Tensor>]) -> PyResult<Vec<Option<Tensor>>> {
    let Ok(items) = out.cast::<PyTuple>() else {
        let got = out.get_type().name()?;
        return Err(PyTypeError::new_err(format!("expected tuple, but hook returned '{got}'")));
    };
    if items.len() != old.len() {
        let (name, got, want) = (name_of(f), items.len(), old.len());
        return Err(PyRuntimeError::new_err(format!(
            "hook '{name}' has returned an incorrect number of values (got {got}, but expected {want})"
        )));
    }
    items.iter().zip(old).map(|(item, old)| checked(f, &item, old.as_ref())).collect()
}

/// A hook of a node: `post` ones see what the node returned and what it was given, the others only the latter.
pub fn node_hook(f: Py<PyAny>, post: bool) -> NodeHook {
    std::sync::Arc::new(move |a, b| {
        Python::attach(|py| {
            let f = f.bind(py);
            let out = if post { f.call1((list(py, a)?, list(py, b)?))? } else { f.call1((list(py, a)?,))? };
            if out.is_none() { Ok(None) } else { replaced(f, &out, a).map(Some) }
        })
        .map_err(park)
    })
}

/// Whose hook it is.
pub enum Place {
    Leaf(WeakHandle),
    Node(Weak<Node>),
}

/// Takes one hook off when called.
#[pyclass(frozen, module = "rsnn._rsnn")]
struct HookRemover {
    place: Place,
    id: u64,
}

#[pymethods]
impl HookRemover {
    fn __call__(&self) {
        // What is taken off is dropped outside the locks: that may run Python code.
        match &self.place {
            Place::Leaf(leaf) => {
                let Some(leaf) = leaf.upgrade() else { return };
                let (a, b) = {
                    let mut meta = leaf.autograd();
                    let hooks = meta.hooks.get_or_insert_default();
                    (taken(&mut hooks.before, |h| h.0 == self.id), taken(&mut hooks.after, |h| h.0 == self.id))
                };
                drop((a, b));
            }
            Place::Node(node) => {
                let Some(node) = node.upgrade() else { return };
                let (tensor, pre, post) = {
                    let mut hooks = node.hook_list();
                    (
                        taken(&mut hooks.tensor, |h| h.1 == self.id),
                        taken(&mut hooks.pre, |h| h.0 == self.id),
                        taken(&mut hooks.post, |h| h.0 == self.id),
                    )
                };
                drop((tensor, pre, post));
            }
        }
    }
}

/// Moves the entries that `gone` picks out of the list.
fn taken<T>(list: &mut Vec<T>, gone: impl Fn(&T) -> bool) -> Vec<T> {
    let (gone, kept) = std::mem::take(list).into_iter().partition(gone);
    *list = kept;
    gone
}

/// The handle of a hook, as `register_hook` returns it.
pub fn handle(py: Python<'_>, place: Place, id: u64) -> PyResult<Py<PyAny>> {
    static CLASS: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    let class =
        CLASS.get_or_try_init(py, || py.import("rsnn.utils.hooks")?.getattr("NativeHandle").map(Bound::unbind))?;
    class.call1(py, (HookRemover { place, id },))
}

#[pyfunction]
fn register_hook(py: Python<'_>, x: In, f: Py<PyAny>) -> PyResult<Py<PyAny>> {
    if !x.requires_grad() {
        return Err(PyRuntimeError::new_err("cannot register a hook on a tensor that doesn't require gradient"));
    }
    let id = next_id();
    let place = match ag::edge_of(&x) {
        Some(e) if !x.is_leaf() => {
            e.node.hook_list().tensor.push((e.nr, id, tensor_hook(f)));
            Place::Node(std::sync::Arc::downgrade(&e.node))
        }
        _ => {
            x.autograd().hooks.get_or_insert_default().before.push((id, tensor_hook(f)));
            Place::Leaf(x.downgrade())
        }
    };
    handle(py, place, id)
}

#[pyfunction]
fn register_post_accumulate_grad_hook(py: Python<'_>, x: In, f: Py<PyAny>) -> PyResult<Py<PyAny>> {
    if !x.requires_grad() || !x.is_leaf() {
        return Err(PyRuntimeError::new_err(if x.requires_grad() {
            "post accumulate grad hooks cannot be registered on non-leaf tensors"
        } else {
            "cannot register a hook on a tensor that doesn't require gradient"
        }));
    }
    let id = next_id();
    x.autograd().hooks.get_or_insert_default().after.push((id, leaf_hook(f)));
    handle(py, Place::Leaf(x.downgrade()), id)
}

/// Keeps the gradient of a tensor that is not a leaf.
pub fn retain(x: &Tensor) -> PyResult<()> {
    if !x.requires_grad() {
        return Err(PyRuntimeError::new_err("can't retain_grad on Tensor that has requires_grad=False"));
    }
    guard(|| {
        ag::retain_grad(x);
        Ok(())
    })
}

#[pyfunction]
fn retain_grad(x: In) -> PyResult<()> {
    retain(&x)
}
#[pyfunction]
fn retains_grad(x: In) -> bool {
    x.autograd().retains_grad
}
#[pyfunction]
fn output_nr(x: In) -> u32 {
    ag::edge_of(&x).map_or(0, |e| e.nr)
}
/// The node that gradients of `x` go to: its `grad_fn`, or what accumulates into a leaf.
#[pyfunction]
fn grad_accumulator(py: Python<'_>, x: In) -> PyResult<Option<Py<PyAny>>> {
    ag::edge_of(&x).map(|e| super::node::node_object(py, &e.node)).transpose()
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        register_hook,
        register_post_accumulate_grad_hook,
        retain_grad,
        retains_grad,
        output_nr,
        grad_accumulator
    );
    Ok(())
}
