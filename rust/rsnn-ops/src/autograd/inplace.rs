//! What views and in-place ops do to history.
use super::node::{Edge, Node, accumulator};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::view::{AsStrided, AsStridedScatter};
use rsnn_core::{Layout, Result, ensure};
use std::sync::Arc;

/// How a view came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creation {
    #[default]
    Recorded,
    NoGrad,
    Inference,
    /// Inside, or as the result of, an `autograd.Function`.
    Function,
}

/// Where gradients of `x` go: its node, a leaf's accumulator, or nowhere.
pub fn edge_of(x: &Tensor) -> Option<Edge> {
    let meta = x.autograd();
    if let Some(base) = &meta.base
        && meta.view_version != x.version()
        && base.requires_grad()
    {
        let (node, base) = (meta.node.clone(), base.clone());
        drop(meta);
        return if base.autograd().node.is_some() { Some(regenerate(x, &base)) } else { node.or_else(|| leaf_edge(x)) };
    }
    let node = meta.node.clone();
    drop(meta);
    node.or_else(|| leaf_edge(x))
}

fn leaf_edge(x: &Tensor) -> Option<Edge> {
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
    if x.is_inference() {
        return;
    }
    let root = x.autograd().base.clone().unwrap_or_else(|| x.clone());
    if super::is_enabled() && x.requires_grad() && x.dtype().is_float() {
        // A view saves no tensor, so no pack hook runs and nothing can fail.
        let _ = Node::record(op, std::slice::from_ref(x), std::slice::from_ref(y));
    }
    let mut meta = y.autograd();
    meta.view_version = y.version();
    meta.base = Some(root);
    meta.creation = match () {
        () if super::is_inference() => Creation::Inference,
        () if !super::is_enabled() => Creation::NoGrad,
        () => x.autograd().creation,
    };
}

/// Refuses in-place writes that autograd cannot follow.
pub fn check_inplace(x: &Tensor) -> Result<()> {
    ensure!(
        !x.is_inference() || super::is_inference(),
        Runtime,
        "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal tensor before doing inplace update. See https://github.com/pytorch/rfcs/pull/17 for more details."
    );
    if !super::is_enabled() {
        return Ok(());
    }
    let base = x.autograd().base.clone();
    if base.as_ref().is_some_and(|b| b.requires_grad() || x.requires_grad()) {
        check_view(x)?;
    }
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

/// Refuses a recorded write to a view whose own making was not recorded, as torch does.
fn check_view(x: &Tensor) -> Result<()> {
    let (creation, edge) = {
        let meta = x.autograd();
        (meta.creation, meta.node.clone())
    };
    let mode = match creation {
        Creation::Recorded => return Ok(()),
        Creation::Function => {
            let (nr, name) = edge.map_or((0, String::new()), |e| (e.nr, e.node.short_name()));
            rsnn_core::bail!(
                Runtime,
                "Output {nr} of {name} is a view and is being modified inplace. This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function."
            )
        }
        Creation::NoGrad => ["no_grad", "with grad mode enabled"],
        Creation::Inference => ["inference", "in normal mode"],
    };
    let made = match edge {
        Some(e) => format!("Output {} of {} is a view of a view which was created in", e.nr, e.node.short_name()),
        None => "A view was created in".into(),
    };
    let block = if creation == Creation::NoGrad { "no_grad" } else { "inference_mode" };
    rsnn_core::bail!(
        Runtime,
        "{made} {} mode and is being modified inplace {}. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the {block} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).",
        mode[0],
        mode[1]
    )
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
    if super::is_enabled() && base.is_some() && value.requires_grad() {
        check_view(x)?;
    }
    crate::copy::copy_into(&value, x)?;
    x.bump_version();
    if !super::is_enabled() {
        return Ok(());
    }
    let value_edge = edge_of(&value);
    let retained = old_edge.clone();
    rewrite(x, &value, base, [old_edge, base_edge, value_edge]);
    move_retained(x, retained.as_ref());
    Ok(())
}

/// Gives `x`, and the base it is a view of, the history of `value`; edges are those of x, base and value before the write.
fn rewrite(x: &Tensor, value: &Tensor, base: Option<Tensor>, edges: [Option<Edge>; 3]) {
    let [old_edge, base_edge, value_edge] = edges;
    let Some(base) = base else {
        if value_edge.is_some() || old_edge.is_none() {
            if value_edge.is_some() {
                x.set_edge(value_edge);
            }
            return;
        }
        // Overwritten by a constant: `x` keeps its place in the graph, with a zero gradient for what it was.
        let whole = Layout::contiguous(x.shape());
        let op = AsStridedScatter { layout: whole.clone(), base: whole };
        let ins = [x.clone(), value.clone()];
        let node = Node::synthetic(Arc::new(op), &ins, smallvec::smallvec![old_edge, None], x.meta());
        x.set_edge(Some(Edge { node, nr: 0 }));
        return;
    };
    if value_edge.is_none() && base_edge.is_none() {
        return;
    }
    let op = AsStridedScatter { layout: x.layout().clone(), base: base.layout().clone() };
    let ins = [base.clone(), value.clone()];
    let node = Node::synthetic(Arc::new(op), &ins, smallvec::smallvec![base_edge, value_edge], base.meta());
    base.set_edge(Some(Edge { node, nr: 0 }));
    regenerate(x, &base);
}

/// Gives `x` the history of a custom function, which made it or (`dirty`) modified it in place.
pub fn set_history(x: &Tensor, edge: Edge, dirty: bool) {
    let base = x.autograd().base.clone();
    if !dirty {
        x.set_edge(Some(edge));
        if base.is_some() {
            x.autograd().creation = Creation::Function;
        }
        return;
    }
    let old_edge = edge_of(x);
    let base_edge = base.as_ref().and_then(edge_of);
    rewrite(x, x, base, [old_edge.clone(), base_edge, Some(edge)]);
    move_retained(x, old_edge.as_ref());
}

/// Fills `x.grad` in backward although `x` is not a leaf.
pub fn retain_grad(x: &Tensor) {
    if x.is_leaf() || std::mem::replace(&mut x.autograd().retains_grad, true) {
        return;
    }
    if let Some(edge) = edge_of(x) {
        retain_at(x, &edge);
    }
}

fn retain_at(x: &Tensor, edge: &Edge) {
    // The node must not keep its own result alive.
    let weak = x.downgrade();
    let keep: super::node::WeakTensor = Arc::new(move |g: &Tensor| match weak.upgrade() {
        Some(x) => {
            // As for a leaf: what is there already is added to.
            let g = if super::is_enabled() { g.clone() } else { g.detach() };
            let sum = x.grad().map_or(Ok(g.clone()), |old| crate::elementwise::add(&old, &g));
            x.set_grad(sum.ok());
            true
        }
        None => false,
    });
    edge.node.hook_list().retain.push((edge.nr, x.id(), keep));
}

/// After an in-place op the gradient that `x` retains is that of its new value.
fn move_retained(x: &Tensor, old: Option<&Edge>) {
    if !x.autograd().retains_grad {
        return;
    }
    if let Some(old) = old {
        old.node.hook_list().retain.retain(|r| r.1 != x.id());
    }
    if let Some(edge) = edge_of(x) {
        retain_at(x, &edge);
    }
}

/// Makes `x` a leaf without history.
pub fn forget(x: &Tensor) -> Result<()> {
    ensure!(
        x.autograd().base.is_none(),
        Runtime,
        "Can't detach views in-place. Use detach() instead. If the view is a gradient that somebody else manages, see zero_grad() of the optimizers."
    );
    x.autograd().requires_grad = false;
    x.set_edge(None);
    Ok(())
}

/// Gives `x` the history of `y`.
pub fn take_history(x: &Tensor, y: &Tensor) {
    let edge = y.autograd().node.clone();
    if edge.is_some() {
        x.set_edge(edge);
    }
}
