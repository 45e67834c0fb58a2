//! What views and in-place ops do to history.
use super::node::{Edge, Node, accumulator};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::view::{AsStrided, AsStridedScatter};
use rsnn_core::{Layout, Result, ensure};
use std::sync::Arc;

/// Where gradients of `x` go: its node, a leaf's accumulator, or nowhere.
pub fn edge_of(x: &Tensor) -> Option<Edge> {
    let (node, base, seen) = {
        let meta = x.autograd();
        (meta.node.clone(), meta.base.clone(), meta.view_version)
    };
    if let Some(base) = base
        && base.autograd().node.is_some()
        && seen != x.storage().version()
        && base.requires_grad()
    {
        return Some(regenerate(x, &base));
    }
    if node.is_some() {
        return node;
    }
    x.requires_grad().then(|| Edge { node: accumulator(x), nr: 0 })
}

/// A view whose base was written to since the view was made gets a fresh history from the base.
fn regenerate(x: &Tensor, base: &Tensor) -> Edge {
    let op = AsStrided { layout: x.layout().clone(), base: base.layout().clone() };
    let edges = smallvec::smallvec![edge_of(base)];
    let node = Node::synthetic(Arc::new(op), std::slice::from_ref(base), edges, x.meta());
    let edge = Edge { node, nr: 0 };
    x.set_edge(Some(edge.clone()));
    edge
}

/// Records the view `y` of `x` and remembers the base that both share.
pub fn track_view(op: Arc<dyn Op>, x: &Tensor, y: &Tensor) {
    if super::is_inference() {
        return;
    }
    let root = x.autograd().base.clone().unwrap_or_else(|| x.clone());
    if super::is_enabled() && x.requires_grad() && x.dtype().is_float() {
        // A view saves no tensor, so no pack hook runs and nothing can fail.
        let _ = Node::record(op, std::slice::from_ref(x), std::slice::from_ref(y));
    }
    let mut meta = y.autograd();
    meta.view_version = y.storage().version();
    meta.base = Some(root);
}

/// Refuses in-place writes that autograd cannot follow.
pub fn check_inplace(x: &Tensor) -> Result<()> {
    ensure!(
        super::is_inference() || !x.storage().is_inference(),
        Runtime,
        "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before doing inplace update."
    );
    if !super::is_enabled() {
        return Ok(());
    }
    let base = x.autograd().base.clone();
    ensure!(
        !(x.requires_grad() && x.is_leaf()),
        Runtime,
        "a leaf Variable that requires grad is being used in an in-place operation."
    );
    if let Some(base) = base {
        ensure!(
            !(base.requires_grad() && base.is_leaf()),
            Runtime,
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        );
    }
    let expanded = x.shape().iter().zip(x.strides()).any(|(&d, &s)| d > 1 && s == 0);
    ensure!(
        !expanded,
        Runtime,
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation."
    );
    Ok(())
}

/// `x` becomes `value`: copies the data and gives `x` (and the base it is a view of) the history of `value`.
pub fn assign(x: &Tensor, value: &Tensor) -> Result<()> {
    check_inplace(x)?;
    ensure!(
        value.shape() == x.shape(),
        Runtime,
        "output with shape {:?} doesn't match the broadcast shape {:?}",
        x.shape(),
        value.shape()
    );
    let value = if value.dtype() == x.dtype() { value.clone() } else { crate::copy::to_dtype(value, x.dtype())? };
    // The old history is looked up before the version moves.
    let base = x.autograd().base.clone();
    let base_edge = base.as_ref().and_then(edge_of);
    let old_edge = if super::is_enabled() { edge_of(x) } else { None };
    crate::copy::copy_into(&value, x)?;
    x.storage().bump_version();
    if !super::is_enabled() {
        return Ok(());
    }
    let value_edge = edge_of(&value);
    let Some(base) = base else {
        if value_edge.is_some() || old_edge.is_none() {
            if value_edge.is_some() {
                x.set_edge(value_edge);
            }
            return Ok(());
        }
        // Overwritten by a constant: `x` keeps its place in the graph, with a zero gradient for what it was.
        let whole = Layout::contiguous(x.shape());
        let op = AsStridedScatter { layout: whole.clone(), base: whole };
        let ins = [x.clone(), value.clone()];
        let node = Node::synthetic(Arc::new(op), &ins, smallvec::smallvec![old_edge, None], x.meta());
        x.set_edge(Some(Edge { node, nr: 0 }));
        return Ok(());
    };
    if value_edge.is_none() && base_edge.is_none() {
        return Ok(());
    }
    let op = AsStridedScatter { layout: x.layout().clone(), base: base.layout().clone() };
    let ins = [base.clone(), value.clone()];
    let node = Node::synthetic(Arc::new(op), &ins, smallvec::smallvec![base_edge, value_edge], base.meta());
    base.set_edge(Some(Edge { node, nr: 0 }));
    regenerate(x, &base);
    Ok(())
}

/// Gives `x` the history of a custom function; a view that was modified keeps its base in step.
pub fn set_history(x: &Tensor, edge: Edge) {
    x.set_edge(Some(edge));
}

/// Fills `x.grad` in backward although `x` is not a leaf.
pub fn retain_grad(x: &Tensor) {
    if x.is_leaf() || std::mem::replace(&mut x.autograd().retains_grad, true) {
        return;
    }
    let Some(edge) = edge_of(x) else { return };
    // The node must not keep its own result alive.
    let weak = x.downgrade();
    let keep: super::node::WeakTensor = Arc::new(move |g: &Tensor| match weak.upgrade() {
        Some(x) => {
            x.set_grad(Some(g.detach()));
            true
        }
        None => false,
    });
    edge.node.hook_list().retain.push((edge.nr, keep));
}

/// Makes `x` a leaf without history.
pub fn forget(x: &Tensor) {
    x.set_edge(None);
}

/// Gives `x` the history of `y`.
pub fn take_history(x: &Tensor, y: &Tensor) {
    let edge = y.autograd().node.clone();
    if edge.is_some() {
        x.set_edge(edge);
    }
}
