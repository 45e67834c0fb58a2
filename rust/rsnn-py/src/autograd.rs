//! Autograd for Python: modes, backward, hooks, nodes, and the native half of `autograd.Function`.
use crate::prelude::*;
use crate::raise::park;
use crate::tensor::{PyTensor, wrap};
use pyo3::exceptions::PyAttributeError;
use pyo3::types::PyTuple;
use rsnn_ops::autograd::{self as ag, Custom, Edge, Hook, Node, NodeHook, SavedHooks};
use rsnn_ops::{Result, Tensor};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A step of the recorded graph, as seen through `grad_fn`.
#[pyclass(frozen, name = "Node", module = "rsnn.autograd.graph", weakref)]
pub struct PyNode {
    node: Arc<Node>,
}

/// The Python object of a tensor's history.
pub fn grad_fn(py: Python<'_>, t: &Tensor) -> PyResult<Option<Py<PyAny>>> {
    if t.is_leaf() {
        return Ok(None);
    }
    ag::edge_of(t).map(|e| node_object(py, &e.node)).transpose()
}

fn node_object(py: Python<'_>, node: &Arc<Node>) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, PyNode { node: node.clone() })?.into_any())
}

fn list<'py>(py: Python<'py>, grads: &[Option<Tensor>]) -> PyResult<Bound<'py, PyTuple>> {
    let items: PyResult<Vec<_>> = grads.iter().map(|g| g.clone().map(|g| wrap(py, g)).transpose()).collect();
    PyTuple::new(py, items?)
}

fn unlist(obj: &Bound<'_, PyAny>) -> PyResult<Vec<Option<Tensor>>> {
    if obj.is_none() {
        return Ok(vec![None]);
    }
    if let Ok(t) = obj.cast::<PyTensor>() {
        return Ok(vec![Some(t.get().tensor().clone())]);
    }
    let items: Vec<Option<In>> = obj.extract()?;
    Ok(items.into_iter().map(|g| g.map(|g| g.0)).collect())
}

fn tensor_hook(f: Py<PyAny>) -> Hook {
    Arc::new(move |g| {
        Python::attach(|py| {
            let out = f.bind(py).call1((wrap(py, g.clone())?,))?;
            if out.is_none() { Ok(None) } else { Ok(Some(out.extract::<In>()?.0)) }
        })
        .map_err(park)
    })
}

fn node_hook(f: Py<PyAny>, post: bool) -> NodeHook {
    Arc::new(move |a, b| {
        Python::attach(|py| {
            let f = f.bind(py);
            let out = if post { f.call1((list(py, a)?, list(py, b)?))? } else { f.call1((list(py, a)?,))? };
            if out.is_none() { Ok(None) } else { unlist(&out).map(Some) }
        })
        .map_err(park)
    })
}

#[pymethods]
impl PyNode {
    fn name(&self) -> String {
        self.node.name()
    }
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let items: PyResult<Vec<_>> = self
            .node
            .edges
            .iter()
            .map(|e| match e {
                Some(e) => (node_object(py, &e.node)?, e.nr).into_pyobject(py).map(Bound::into_any),
                None => (py.None(), 0).into_pyobject(py).map(Bound::into_any),
            })
            .collect();
        PyTuple::new(py, items?)
    }
    #[getter]
    fn variable(&self) -> PyResult<Ret> {
        self.node.variable().map(Ret).ok_or_else(|| PyAttributeError::new_err("variable"))
    }
    #[getter]
    fn _saved(&self) -> Outs {
        run_all(|| self.node.saved())
    }
    #[getter]
    fn _sequence_nr(&self) -> u64 {
        self.node.seq
    }
    fn register_hook(&self, f: Py<PyAny>) -> (u64, bool) {
        let id = NEXT.fetch_add(1, Relaxed);
        self.node.hook_list().post.push((id, node_hook(f, true)));
        (id, true)
    }
    fn register_prehook(&self, f: Py<PyAny>) -> (u64, bool) {
        let id = NEXT.fetch_add(1, Relaxed);
        self.node.hook_list().pre.push((id, node_hook(f, false)));
        (id, true)
    }
    fn _remove_hook(&self, id: u64) {
        let mut hooks = self.node.hook_list();
        hooks.pre.retain(|h| h.0 != id);
        hooks.post.retain(|h| h.0 != id);
    }
    fn __getattr__(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
        if let Some(custom) = self.node.custom_body()
            && let Some(f) = custom.as_any().downcast_ref::<PyFunction>()
        {
            return f.ctx.bind(py).getattr(name).map(Bound::unbind);
        }
        Err(PyAttributeError::new_err(format!("'{}' object has no attribute '{name}'", self.node.name())))
    }
    fn __repr__(&self) -> String {
        format!("<{} object at {:p}>", self.node.name(), Arc::as_ptr(&self.node))
    }
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<PyNode>().is_ok_and(|o| Arc::ptr_eq(&o.get().node, &self.node))
    }
    fn __hash__(&self) -> isize {
        Arc::as_ptr(&self.node) as isize
    }
}

/// The backward of an `autograd.Function`: its ctx, called back with gradients.
struct PyFunction {
    ctx: Py<PyAny>,
    name: String,
}

impl Custom for PyFunction {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn backward(&self, _node: &Arc<Node>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Python::attach(|py| {
            let out = self.ctx.bind(py).call_method1("_run_backward", (list(py, grads)?,))?;
            unlist(&out)
        })
        .map_err(park)
    }
    fn release(&self) {
        Python::attach(|py| {
            // A ctx without saved tensors has nothing to release.
            let _ = self.ctx.bind(py).call_method0("_release");
        });
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Records that `outputs` come from `inputs` through `ctx`. `outputs` must be fresh tensors (or modified inputs).
#[pyfunction]
fn attach_function(ctx: Py<PyAny>, name: String, inputs: Vec<In>, outputs: Vec<Option<In>>) -> PyResult<()> {
    let edges = inputs.iter().map(|t| if t.dtype().is_float() { ag::edge_of(t) } else { None }).collect();
    // A missing output is one that is not differentiable; it keeps its place.
    let empty = guard(|| Tensor::empty(&[0], rsnn_ops::DType::F32, rsnn_ops::Device::Cpu))?;
    let outs: Vec<Tensor> = outputs.iter().map(|o| o.as_ref().map_or_else(|| empty.clone(), |o| o.0.clone())).collect();
    let node = Node::custom(Arc::new(PyFunction { ctx, name }), edges, &outs);
    for (i, o) in outputs.iter().enumerate() {
        if let Some(o) = o {
            ag::set_history(o, Edge { node: node.clone(), nr: i as u32 });
        }
    }
    Ok(())
}

#[pyfunction]
fn is_grad_enabled() -> bool {
    ag::is_enabled()
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

fn seeds(grads: Option<Vec<Option<In>>>) -> Vec<Option<Tensor>> {
    grads.unwrap_or_default().into_iter().map(|g| g.map(|g| g.0)).collect()
}

#[pyfunction]
fn backward(
    py: Python<'_>,
    outputs: Vec<In>,
    grads: Option<Vec<Option<In>>>,
    keep: bool,
    create: bool,
    inputs: Vec<In>,
) -> PyResult<()> {
    let (outputs, inputs, grads) = (tensors(outputs), tensors(inputs), seeds(grads));
    let result = py.detach(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ag::backward(&outputs, &grads, keep, create, &inputs)))
    });
    guard(|| result.unwrap_or_else(|_| rsnn_core::bail!(Runtime, "rsnn: internal error in backward")))
}

#[pyfunction]
fn grad(
    py: Python<'_>,
    outputs: Vec<In>,
    inputs: Vec<In>,
    grads: Option<Vec<Option<In>>>,
    keep: bool,
    create: bool,
    allow_unused: bool,
) -> PyResult<Vec<Option<Ret>>> {
    let (outputs, inputs, grads) = (tensors(outputs), tensors(inputs), seeds(grads));
    let result = py.detach(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ag::grad(&outputs, &inputs, &grads, keep, create, allow_unused)
        }))
    });
    let found = guard(|| result.unwrap_or_else(|_| rsnn_core::bail!(Runtime, "rsnn: internal error in backward")))?;
    Ok(found.into_iter().map(|g| g.map(Ret)).collect())
}

#[pyfunction]
fn register_hook(x: In, f: Py<PyAny>) -> PyResult<u64> {
    if !x.requires_grad() {
        return Err(pyo3::exceptions::PyRuntimeError::new_err(
            "cannot register a hook on a tensor that doesn't require gradient",
        ));
    }
    let id = NEXT.fetch_add(1, Relaxed);
    if x.is_leaf() {
        x.autograd().hooks.push((id, tensor_hook(f)));
    } else if let Some(e) = ag::edge_of(&x) {
        e.node.hook_list().tensor.push((e.nr, id, tensor_hook(f)));
    }
    Ok(id)
}
#[pyfunction]
fn register_post_accumulate_grad_hook(x: In, f: Py<PyAny>) -> PyResult<u64> {
    if !x.requires_grad() || !x.is_leaf() {
        return Err(pyo3::exceptions::PyRuntimeError::new_err(if x.requires_grad() {
            "post accumulate grad hooks cannot be registered on non-leaf tensors"
        } else {
            "cannot register a hook on a tensor that doesn't require gradient"
        }));
    }
    let id = NEXT.fetch_add(1, Relaxed);
    x.autograd().post_accumulate.push((id, tensor_hook(f)));
    Ok(id)
}
#[pyfunction]
fn remove_hook(x: In, id: u64) {
    {
        let mut meta = x.autograd();
        meta.hooks.retain(|h| h.0 != id);
        meta.post_accumulate.retain(|h| h.0 != id);
    }
    if let (false, Some(e)) = (x.is_leaf(), ag::edge_of(&x)) {
        e.node.hook_list().tensor.retain(|h| h.1 != id);
    }
}
#[pyfunction]
fn retain_grad(x: In) -> PyResult<()> {
    if !x.requires_grad() {
        return Err(pyo3::exceptions::PyRuntimeError::new_err(
            "can't retain_grad on Tensor that has requires_grad=False",
        ));
    }
    guard(|| {
        ag::retain_grad(&x);
        Ok(())
    })
}
#[pyfunction]
fn retains_grad(x: In) -> bool {
    x.autograd().retains_grad
}
#[pyfunction]
fn output_nr(x: In) -> u32 {
    ag::edge_of(&x).map_or(0, |e| e.nr)
}
#[pyfunction]
fn grad_accumulator(py: Python<'_>, x: In) -> PyResult<Option<Py<PyAny>>> {
    ag::edge_of(&x).map(|e| node_object(py, &e.node)).transpose()
}

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
                .ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("saved_tensors_hooks: foreign object"))?;
            Ok(self.unpack.bind(py).call1((packed.bind(py),))?.extract::<In>()?.0)
        })
        .map_err(park)
    }
}

#[pyfunction]
fn push_saved_hooks(pack: Py<PyAny>, unpack: Py<PyAny>) {
    ag::push_saved_hooks(Arc::new(Hooks { pack, unpack }));
}
#[pyfunction]
fn pop_saved_hooks() {
    ag::pop_saved_hooks();
}

/// The Python call stack, innermost call last, as tracebacks print it.
fn stack() -> String {
    Python::attach(|py| {
        let lines = py.import("traceback")?.call_method0("format_stack")?;
        "".into_pyobject(py)?.call_method1("join", (lines,))?.extract::<String>()
    })
    .unwrap_or_default()
}

fn warn(text: &str) -> Result<()> {
    Python::attach(|py| py.import("warnings")?.call_method1("warn", (text,)).map(drop)).map_err(park)
}

#[pyfunction]
fn set_anomaly(enabled: bool, check_nan: bool) {
    ag::anomaly::set(enabled, check_nan);
}
/// (enabled, checks for nan).
#[pyfunction]
fn anomaly() -> (bool, bool) {
    (ag::anomaly::is_enabled(), ag::anomaly::checks_nan())
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    ag::anomaly::install(ag::anomaly::Reporter { stack, warn });
    m.add_class::<PyNode>()?;
    functions!(
        m,
        attach_function,
        is_grad_enabled,
        set_grad_mode,
        is_inference_mode_enabled,
        set_inference_mode,
        backward,
        grad,
        register_hook,
        register_post_accumulate_grad_hook,
        remove_hook,
        retain_grad,
        retains_grad,
        output_nr,
        grad_accumulator,
        push_saved_hooks,
        pop_saved_hooks,
        set_anomaly,
        anomaly,
    );
    Ok(())
}
