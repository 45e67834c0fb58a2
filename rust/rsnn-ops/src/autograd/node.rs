//! A node of the recorded graph: who made a tensor and what its gradient needs.
use super::saved::{Ctx, SavedTensor};
use crate::op::{Grads, Op, Tensors};
use crate::tensor::{Meta, Tensor, WeakHandle};
use parking_lot::Mutex;
use rsnn_core::Result;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Called with a gradient; may replace it.
pub type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;
/// Called with all gradients of a node (and, after it ran, what it returned); may replace the list.
pub type NodeHook =
    Arc<dyn Fn(&[Option<Tensor>], &[Option<Tensor>]) -> Result<Option<Vec<Option<Tensor>>>> + Send + Sync>;

/// Output `nr` of `node`.
#[derive(Clone)]
pub struct Edge {
    pub node: Arc<Node>,
    pub nr: u32,
}

/// A backward written outside this crate (`autograd.Function`).
pub trait Custom: Send + Sync {
    fn name(&self) -> String;
    fn backward(&self, node: &Arc<Node>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>>;
    /// Drops saved tensors once the graph is consumed.
    fn release(&self);
    /// The binding's own object, for `grad_fn` to be recognised.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// An op and what it saved.
pub(crate) struct Recorded {
    op: Arc<dyn Op>,
    /// What the inputs were.
    pub metas: SmallVec<[Meta; 2]>,
    pub inputs: SmallVec<[Option<SavedTensor>; 3]>,
    pub outputs: SmallVec<[Option<SavedTensor>; 1]>,
}

impl Recorded {
    fn new(op: Arc<dyn Op>, ins: &[Tensor]) -> Recorded {
        let metas = ins.iter().map(Tensor::meta).collect();
        Recorded { op, metas, inputs: SmallVec::new(), outputs: SmallVec::new() }
    }
}

pub(crate) enum Body {
    Op(Arc<Recorded>),
    Custom(Arc<dyn Custom>),
    /// That of `Node::leaf`.
    Accumulate,
    /// Consumed by a backward.
    Released,
}

impl Body {
    /// Whether there is something to free: torch lets a node that saved nothing run again.
    fn holds(&self) -> bool {
        matches!(self, Body::Op(r) if r.inputs.iter().chain(&r.outputs).any(Option::is_some))
    }
}

#[derive(Default)]
pub struct NodeHooks {
    /// Hooks of tensors that this node produced: (output, id, hook).
    pub tensor: Vec<(u32, u64, Hook)>,
    pub pre: Vec<(u64, NodeHook)>,
    pub post: Vec<(u64, NodeHook)>,
    /// Tensors whose `.grad` is to be filled although they are not leaves: (output, tensor id, keep).
    pub retain: Vec<(u32, usize, WeakTensor)>,
}

/// Called to store a retained gradient; returns false when its tensor is gone.
pub type WeakTensor = Arc<dyn Fn(&Tensor) -> bool + Send + Sync>;

/// One recorded operation.
pub struct Node {
    /// The op's name; empty for leaves and custom functions.
    op_name: &'static str,
    pub seq: u64,
    /// Elements that the forward read and wrote.
    pub(super) elements: usize,
    pub edges: SmallVec<[Option<Edge>; 3]>,
    /// Leaves that `edges` lead to: their nodes do not keep them alive.
    _leaves: SmallVec<[Tensor; 2]>,
    /// Whose gradient this node accumulates. The leaf holds the node.
    leaf: Option<WeakHandle>,
    pub outputs: SmallVec<[Meta; 1]>,
    pub(crate) body: Mutex<Body>,
    pub hooks: Mutex<Option<Box<NodeHooks>>>,
    /// What the binding keeps for this node: its object, its metadata.
    pub note: Mutex<Option<Box<dyn std::any::Any + Send + Sync>>>,
}

static SEQ: AtomicU64 = AtomicU64::new(1);

impl Node {
    fn new(
        op_name: &'static str,
        edges: SmallVec<[Option<Edge>; 3]>,
        outputs: SmallVec<[Meta; 1]>,
        body: Body,
    ) -> Node {
        Node {
            op_name,
            seq: SEQ.fetch_add(1, Relaxed),
            elements: 0,
            _leaves: edges.iter().flatten().filter_map(|e| e.node.variable()).collect(),
            leaf: None,
            edges,
            outputs,
            body: Mutex::new(body),
            hooks: Mutex::new(None),
            note: Mutex::new(None),
        }
    }

    /// Records `op(ins) = outs`.
    pub fn record(op: Arc<dyn Op>, ins: &[Tensor], outs: &[Tensor]) -> Result<()> {
        let keep = |mask: u32, i: usize| mask & (1u32 << i.min(31)) != 0;
        let edges: SmallVec<[Option<Edge>; 3]> =
            ins.iter().map(|t| if t.dtype().is_float() { super::edge_of(t) } else { None }).collect();
        let followed = edges.iter().enumerate().fold(0, |m, (i, e)| m | (u32::from(e.is_some()) << i.min(31)));
        let (saves, data) = (op.saves_for(followed), op.saves_data());
        let name = op.name();
        let mut recorded = Recorded::new(op, ins);
        if saves.inputs != 0 {
            for (i, t) in ins.iter().enumerate() {
                let saved = if keep(saves.inputs, i) { Some(SavedTensor::new(t, None, keep(data, i))?) } else { None };
                recorded.inputs.push(saved);
            }
        }
        if saves.outputs != 0 {
            for (i, t) in outs.iter().enumerate() {
                let saved =
                    if keep(saves.outputs, i) { Some(SavedTensor::new(t, Some(i as u32), false)?) } else { None };
                recorded.outputs.push(saved);
            }
        }
        let body = Body::Op(Arc::new(recorded));
        let mut node = Node::new(name, edges, outs.iter().map(Tensor::meta).collect(), body);
        node.elements = ins.iter().chain(outs).map(Tensor::numel).sum();
        let node = node.share();
        for (i, t) in outs.iter().enumerate() {
            if t.dtype().is_float() {
                t.set_edge(Some(Edge { node: node.clone(), nr: i as u32 }));
            }
        }
        Ok(())
    }

    /// A node for an `autograd.Function`; the caller sets the edges of its outputs.
    pub fn custom(custom: Arc<dyn Custom>, edges: SmallVec<[Option<Edge>; 3]>, outputs: &[Tensor]) -> Arc<Node> {
        Node::new("", edges, outputs.iter().map(Tensor::meta).collect(), Body::Custom(custom)).share()
    }

    /// A node whose forward was never run as such (history rewritten by an in-place op).
    pub(crate) fn synthetic(
        op: Arc<dyn Op>,
        ins: &[Tensor],
        edges: SmallVec<[Option<Edge>; 3]>,
        out: Meta,
    ) -> Arc<Node> {
        let body = Body::Op(Arc::new(Recorded::new(op.clone(), ins)));
        let mut node = Node::new(op.name(), edges, smallvec::smallvec![out], body);
        node.elements = ins.iter().map(Tensor::numel).sum();
        node.share()
    }

    fn share(self) -> Arc<Node> {
        let node = Arc::new(self);
        if super::anomaly::is_on() {
            super::anomaly::recorded(&node);
        }
        node
    }

    /// torch's name of the op that made the node, as its error texts have it: `Mul`.
    pub fn short_name(&self) -> String {
        let name = self.name();
        let end = name.rfind("Backward").unwrap_or(name.len());
        name[..end].to_string()
    }

    /// torch's name of the node: `MulBackward0`, `AccumulateGrad`.
    pub fn name(&self) -> String {
        if !self.op_name.is_empty() {
            return camel(self.op_name);
        }
        match &*self.body.lock() {
            Body::Custom(c) => c.name(),
            _ => "AccumulateGrad".into(),
        }
    }

    /// The leaf whose gradient this node accumulates.
    pub fn variable(&self) -> Option<Tensor> {
        self.leaf.as_ref()?.upgrade()
    }

    pub(crate) fn is_custom(&self) -> bool {
        matches!(&*self.body.lock(), Body::Custom(_))
    }

    /// Drops what backward would need, as running it would.
    pub(crate) fn consume(&self, keep: bool) -> Result<()> {
        let mut body = self.body.lock();
        if matches!(&*body, Body::Released) {
            return Err(released());
        }
        if !keep && body.holds() {
            *body = Body::Released;
        }
        Ok(())
    }

    /// The `autograd.Function` behind this node.
    pub fn custom_body(&self) -> Option<Arc<dyn Custom>> {
        match &*self.body.lock() {
            Body::Custom(c) => Some(c.clone()),
            _ => None,
        }
    }

    /// Saved (input, output) tensors of an op's node.
    pub fn saved(self: &Arc<Self>) -> Result<Vec<Tensor>> {
        let Body::Op(recorded) = &*self.body.lock() else { return Ok(vec![]) };
        let recorded = recorded.clone();
        recorded.inputs.iter().chain(&recorded.outputs).flatten().map(|s| s.unpack(self)).collect()
    }

    pub fn hook_list(&self) -> parking_lot::MappedMutexGuard<'_, NodeHooks> {
        parking_lot::MutexGuard::map(self.hooks.lock(), |h| &mut **h.get_or_insert_with(Box::default))
    }

    /// Gradients of the inputs from gradients of the outputs. `keep` leaves the saved tensors for another backward.
    pub(crate) fn run(
        self: &Arc<Self>,
        grads: &[Option<Tensor>],
        needs: &[bool],
        keep: bool,
        create: bool,
    ) -> Result<Grads> {
        // The lock is not held while gradients are computed: they may look at this node.
        let body = {
            let mut held = self.body.lock();
            match &*held {
                Body::Op(recorded) => {
                    let recorded = recorded.clone();
                    if !keep && held.holds() {
                        *held = Body::Released;
                    }
                    Body::Op(recorded)
                }
                Body::Custom(c) => Body::Custom(c.clone()),
                Body::Accumulate => return Ok(Grads::new()),
                Body::Released => return Err(released()),
            }
        };
        let recorded = match body {
            Body::Op(recorded) => recorded,
            Body::Custom(c) => {
                let out = c.backward(self, grads)?;
                if !keep {
                    c.release();
                }
                return Ok(out.into());
            }
            _ => return Err(released()),
        };
        // Gradients are computed in the dtypes of the forward, whatever autocast would choose.
        let _plain = crate::autocast::Pause::new();
        let cx = Ctx { node: self, recorded: &recorded, needs: SmallVec::from_slice(needs) };
        if create && let Some(result) = second_order(&*recorded.op, &cx, grads) {
            return result;
        }
        recorded.op.vjp(&cx, grads)
    }

    /// Somebody gets hold of the node: what they put on it goes, as in torch, with the last graph and object that has it.
    pub fn hand_out(&self) {
        if let Some(leaf) = self.variable() {
            let kept = leaf.autograd().kept.take();
            drop(kept);
        }
    }

    pub(crate) fn take_parts(&mut self) -> (SmallVec<[Option<Edge>; 3]>, Body) {
        (std::mem::take(&mut self.edges), std::mem::replace(self.body.get_mut(), Body::Released))
    }
}

/// torch's error for a graph that was consumed.
pub fn released() -> rsnn_core::Error {
    rsnn_core::Error::Runtime(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
            .into(),
    )
}

/// `layer_norm` as torch names its node: `LayerNormBackward0`.
fn camel(name: &str) -> String {
    let words = name
        .split('_')
        .map(|w| w.chars().next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + &w[1..]));
    format!("{}Backward0", words.collect::<String>())
}

/// A fused op differentiates through its definition when the gradient itself must be differentiable.
fn second_order(op: &dyn Op, cx: &Ctx, grads: &[Option<Tensor>]) -> Option<Result<Grads>> {
    let ins: Result<Tensors> = (0..cx.num_inputs()).map(|i| cx.input(i)).collect();
    let ins = match ins {
        Ok(ins) => ins,
        // An op that does not save its inputs has a vjp made of differentiable ops.
        Err(_) => return None,
    };
    // Views keep the link to the originals, so that the result is differentiable in them too.
    let ins: Tensors = ins.iter().map(crate::view::alias).collect();
    let outs = match op.define(&ins)? {
        Ok(outs) => outs,
        Err(e) => return Some(Err(e)),
    };
    let mut roots = vec![];
    let mut seeds = vec![];
    for (o, g) in outs.iter().zip(grads) {
        if let (true, Some(g)) = (o.requires_grad(), g) {
            roots.push(o.clone());
            seeds.push(Some(g.clone()));
        }
    }
    let wanted: Vec<usize> = (0..ins.len()).filter(|&i| cx.needs(i)).collect();
    let targets: Vec<Tensor> = wanted.iter().map(|&i| ins[i].clone()).collect();
    let found = match super::grad(&roots, &targets, &seeds, true, true, true) {
        Ok(found) => found,
        Err(e) => return Some(Err(e)),
    };
    let mut result: Grads = smallvec::smallvec![None; ins.len()];
    for (i, g) in wanted.into_iter().zip(found) {
        result[i] = g;
    }
    Some(Ok(result))
}

/// The node that accumulates into `leaf.grad`, made on first use.
pub fn accumulator(leaf: &Tensor) -> Arc<Node> {
    let mut meta = leaf.autograd();
    match &meta.kept {
        // With new data a leaf may have another shape than its node.
        Some(node) if Arc::strong_count(node) > 1 || node.outputs[0] == leaf.meta() => return node.clone(),
        Some(_) => {}
        None => {
            if let Some(node) = meta.accumulator.upgrade() {
                return node;
            }
        }
    }
    let mut node = Node::new("", SmallVec::new(), smallvec::smallvec![leaf.meta()], Body::Accumulate);
    // Leaves run as soon as they are ready.
    node.seq = u64::MAX;
    node.leaf = Some(leaf.downgrade());
    let node = Arc::new(node);
    meta.accumulator = Arc::downgrade(&node);
    let old = meta.kept.replace(node.clone());
    drop(meta);
    drop(old);
    node
}

struct Graveyard {
    busy: bool,
    parts: Vec<(SmallVec<[Option<Edge>; 3]>, Body)>,
}

thread_local! {
    static GRAVEYARD: RefCell<Graveyard> = const { RefCell::new(Graveyard { busy: false, parts: Vec::new() }) };
}

impl Drop for Node {
    // A chain of nodes is dropped by a loop: recursion would overflow the stack on long graphs. A node next to leaves
    // that saved nothing is the end of every chain.
    fn drop(&mut self) {
        let saved = !matches!(self.body.get_mut(), Body::Accumulate | Body::Released | Body::Op(_))
            || self.body.get_mut().holds();
        if !saved && self.edges.iter().flatten().all(|e| e.node.edges.is_empty()) {
            return;
        }
        let parts = self.take_parts();
        let mut parts = Some(parts);
        let first = GRAVEYARD.try_with(|g| {
            let mut g = g.borrow_mut();
            g.parts.extend(parts.take());
            !std::mem::replace(&mut g.busy, true)
        });
        if !matches!(first, Ok(true)) {
            return;
        }
        while let Some(next) = GRAVEYARD.with(|g| g.borrow_mut().parts.pop()) {
            drop(next);
        }
        GRAVEYARD.with(|g| g.borrow_mut().busy = false);
    }
}
