//! `Node`: a step of the recorded graph as `grad_fn` shows it; one Python class per kind of node, as in torch.
use super::hooks::{self, Place};
use crate::prelude::*;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType, PyWeakrefReference};
use rsnn_ops::Tensor;
use rsnn_ops::autograd::{self as ag, Node};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock, Weak};

/// How a Python object holds its node. The context of a Function is held by its node and must not hold it.
enum Link {
    /// And the leaf of a node that accumulates.
    Strong {
        node: Arc<Node>,
        _leaf: Option<Tensor>,
    },
    Weak(Weak<Node>),
}

/// A step of the recorded graph.
#[pyclass(frozen, subclass, weakref, name = "Node", module = "rsnn.autograd.graph")]
pub struct PyNode {
    link: OnceLock<Link>,
}

impl PyNode {
    /// The node behind the object.
    pub fn node(&self) -> PyResult<Arc<Node>> {
        let node = match self.link.get() {
            Some(Link::Strong { node, .. }) => Some(node.clone()),
            Some(Link::Weak(node)) => node.upgrade(),
            None => None,
        };
        node.ok_or_else(|| {
            PyRuntimeError::new_err("this context belongs to no graph: nothing was recorded, or its outputs are gone")
        })
    }

    /// Ties the context of a Function to the node that owns it.
    pub fn tie(&self, node: &Arc<Node>) {
        let _ = self.link.set(Link::Weak(Arc::downgrade(node)));
    }
}

/// What the binding keeps for a node.
#[derive(Default)]
pub struct Note {
    object: Option<Py<PyWeakrefReference>>,
    metadata: Option<Py<PyDict>>,
}

fn with_note<R>(node: &Node, f: impl FnOnce(&mut Note) -> R) -> R {
    let mut held = node.note.lock();
    let mut note = held.take().and_then(|n| n.downcast::<Note>().ok()).unwrap_or_default();
    let result = f(&mut note);
    *held = Some(note);
    result
}

/// A dict that belongs to the node.
pub fn metadata(py: Python<'_>, node: &Node) -> Py<PyDict> {
    // Python objects are made outside the lock: making one may run other Python code.
    let fresh = PyDict::new(py).unbind();
    with_note(node, |note| note.metadata.get_or_insert(fresh).clone_ref(py))
}

thread_local! {
    // The node for the object that `node_object` is making.
    static MAKING: RefCell<Option<Arc<Node>>> = const { RefCell::new(None) };
}

static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// The class of nodes called `name`.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let classes = CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    if let Some(class) = classes.get_item(name)? {
        return Ok(class);
    }
    let body = PyDict::new(py);
    body.set_item("__module__", "rsnn.autograd.graph")?;
    let bases = PyTuple::new(py, [py.get_type::<PyNode>()])?;
    let class = py.get_type::<PyType>().call1((name, bases, body))?;
    classes.set_item(name, &class)?;
    Ok(class)
}

/// The Python object of a tensor's history.
pub fn grad_fn(py: Python<'_>, t: &Tensor) -> PyResult<Option<Py<PyAny>>> {
    if t.is_leaf() {
        return Ok(None);
    }
    ag::edge_of(t).map(|e| node_object(py, &e.node)).transpose()
}

/// The Python object of a node: always the same while somebody holds it.
pub fn node_object(py: Python<'_>, node: &Arc<Node>) -> PyResult<Py<PyAny>> {
    if let Some(ctx) = super::function::context(py, node) {
        return Ok(ctx);
    }
    let known = with_note(node, |note| note.object.as_ref().map(|r| r.clone_ref(py)));
    if let Some(object) = known.and_then(|r| r.bind(py).upgrade()) {
        return Ok(object.unbind());
    }
    node.hand_out();
    let class = class(py, &node.name())?;
    MAKING.with(|m| *m.borrow_mut() = Some(node.clone()));
    let object = class.call0();
    MAKING.with(|m| m.borrow_mut().take());
    let object = object?;
    let reference = PyWeakrefReference::new(&object)?.unbind();
    let old = with_note(node, |note| note.object.replace(reference));
    drop(old);
    Ok(object.unbind())
}

#[pymethods]
impl PyNode {
    #[new]
    fn new() -> PyNode {
        let link = OnceLock::new();
        if let Some(node) = MAKING.with(|m| m.borrow_mut().take()) {
            let _leaf = node.variable();
            let _ = link.set(Link::Strong { node, _leaf });
        }
        PyNode { link }
    }
    /// torch's name of the kind of node.
    fn name(&self) -> PyResult<String> {
        Ok(self.node()?.name())
    }
    /// Where its gradients go: pairs of node and output number.
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let node = self.node()?;
        let items: PyResult<Vec<_>> = node
            .edges
            .iter()
            .map(|e| match e {
                Some(e) => (node_object(py, &e.node)?, e.nr).into_pyobject(py).map(Bound::into_any),
                None => (py.None(), 0).into_pyobject(py).map(Bound::into_any),
            })
            .collect();
        PyTuple::new(py, items?)
    }
    /// The leaf whose gradient it accumulates.
    #[getter]
    fn variable(&self) -> PyResult<Ret> {
        let leaf = self.node()?.variable();
        leaf.map(Ret).ok_or_else(|| PyAttributeError::new_err("'Node' object has no attribute 'variable'"))
    }
    /// A dict for the user's notes.
    #[getter]
    fn metadata(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let node = self.node()?;
        Ok(metadata(py, &node))
    }
    #[getter]
    fn requires_grad(&self) -> bool {
        true
    }
    #[getter]
    fn _saved(&self) -> Outs {
        let node = self.node()?;
        run_all(|| node.saved())
    }
    fn _sequence_nr(&self) -> PyResult<u64> {
        Ok(self.node()?.seq)
    }
    /// Call `fn(grad_inputs, grad_outputs)` after the node ran; it may return other grad_inputs.
    fn register_hook(&self, py: Python<'_>, r#fn: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let node = self.node()?;
        let id = hooks::next_id();
        node.hook_list().post.push((id, hooks::node_hook(r#fn, true)));
        hooks::handle(py, Place::Node(Arc::downgrade(&node)), id)
    }
    /// Call `fn(grad_outputs)` before the node runs; it may return other grad_outputs.
    fn register_prehook(&self, py: Python<'_>, r#fn: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let node = self.node()?;
        let id = hooks::next_id();
        node.hook_list().pre.push((id, hooks::node_hook(r#fn, false)));
        hooks::handle(py, Place::Node(Arc::downgrade(&node)), id)
    }
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{} object at {:p}>", slf.get_type().name()?, slf.as_ptr()))
    }
}
