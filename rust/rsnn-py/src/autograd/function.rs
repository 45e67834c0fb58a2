//! The native half of `autograd.Function`: its context becomes the node of what it made.
use super::hooks::list;
use super::node::PyNode;
use crate::prelude::*;
use crate::raise::park;
use parking_lot::Mutex;
use pyo3::types::PyTuple;
use rsnn_ops::autograd::{self as ag, Custom, Edge, Node, SavedTensor};
use rsnn_ops::{DType, Device, Result, Tensor};
use std::any::Any;
use std::sync::Arc;

/// The backward of a Function: its context, called back with gradients, and what it saved.
struct PyFunction {
    ctx: Py<PyAny>,
    name: String,
    /// `None` once the graph is consumed.
    saved: Mutex<Option<Arc<Vec<Option<SavedTensor>>>>>,
}

impl Custom for PyFunction {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn backward(&self, _node: &Arc<Node>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Python::attach(|py| {
            let out = self.ctx.bind(py).call_method1("_run_backward", (list(py, grads)?,))?;
            let items: Vec<Option<In>> = out.extract()?;
            Ok(items.into_iter().map(|g| g.map(|g| g.0)).collect())
        })
        .map_err(park)
    }
    fn release(&self) {
        let old = self.saved.lock().take();
        drop(old);
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The context of the Function behind a node, if there is one.
pub fn context(py: Python<'_>, node: &Node) -> Option<Py<PyAny>> {
    let custom = node.custom_body()?;
    custom.as_any().downcast_ref::<PyFunction>().map(|f| f.ctx.clone_ref(py))
}

/// Records that `outputs` come from `inputs` through `ctx`; `dirty` ones are inputs that it modified in place.
#[pyfunction]
fn attach_function(
    ctx: &Bound<'_, PyNode>,
    name: String,
    inputs: Vec<In>,
    outputs: Vec<Option<In>>,
    dirty: Vec<bool>,
) -> PyResult<()> {
    let edges = inputs.iter().map(|t| if t.dtype().is_float() { ag::edge_of(t) } else { None }).collect();
    // A missing output is one that is not differentiable; it keeps its place.
    let empty = guard(|| Tensor::empty(&[0], DType::F32, Device::Cpu))?;
    let outs: Vec<Tensor> = outputs.iter().map(|o| o.as_ref().map_or_else(|| empty.clone(), |o| o.0.clone())).collect();
    let function = PyFunction { ctx: ctx.clone().into_any().unbind(), name, saved: Mutex::new(Some(Arc::default())) };
    let node = Node::custom(Arc::new(function), edges, &outs);
    ctx.get().tie(&node);
    for (i, (o, &dirty)) in outputs.iter().zip(&dirty).enumerate() {
        if let Some(o) = o {
            ag::set_history(o, Edge { node: node.clone(), nr: i as u32 }, dirty);
        }
    }
    Ok(())
}

fn with_function<R>(ctx: &PyNode, f: impl FnOnce(&PyFunction, &Arc<Node>) -> PyResult<R>) -> PyResult<R> {
    let node = ctx.node()?;
    let custom = node.custom_body();
    match custom.as_ref().and_then(|c| c.as_any().downcast_ref::<PyFunction>()) {
        Some(function) => f(function, &node),
        None => Err(pyo3::exceptions::PyRuntimeError::new_err("not the context of an autograd.Function")),
    }
}

/// Saves tensors for backward; a number beside a tensor says which output of the Function it is.
#[pyfunction]
fn function_save(ctx: &PyNode, tensors: Vec<Option<(In, Option<u32>)>>) -> PyResult<()> {
    with_function(ctx, |function, _| {
        let saved: PyResult<Vec<_>> = tensors
            .iter()
            .map(|t| t.as_ref().map(|(t, nr)| guard(|| SavedTensor::new(t, *nr, false))).transpose())
            .collect();
        *function.saved.lock() = Some(Arc::new(saved?));
        Ok(())
    })
}

/// The saved tensors, with torch's checks.
#[pyfunction]
fn function_saved<'py>(py: Python<'py>, ctx: &PyNode) -> PyResult<Bound<'py, PyTuple>> {
    with_function(ctx, |function, node| {
        let Some(saved) = function.saved.lock().clone() else { return Err(crate::raise::raise(ag::released())) };
        let tensors: PyResult<Vec<_>> =
            saved.iter().map(|t| t.as_ref().map(|t| guard(|| t.unpack(node)).map(Ret)).transpose()).collect();
        PyTuple::new(py, tensors?)
    })
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, attach_function, function_save, function_saved);
    Ok(())
}
