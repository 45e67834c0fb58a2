//! Tensors kept for backward, with torch's version check, and the context that `vjp` reads them from.
use super::node::Node;
use crate::tensor::{Meta, Tensor};
use rsnn_core::{Result, bail};
use smallvec::SmallVec;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

/// What `saved_tensors_hooks` installs: pack on save, unpack on use.
pub trait SavedHooks: Send + Sync {
    fn pack(&self, x: &Tensor) -> Result<Box<dyn Any + Send + Sync>>;
    fn unpack(&self, packed: &(dyn Any + Send + Sync)) -> Result<Tensor>;
}

thread_local! {
    static HOOKS: RefCell<Vec<Arc<dyn SavedHooks>>> = const { RefCell::new(Vec::new()) };
}

pub fn push_saved_hooks(hooks: Arc<dyn SavedHooks>) {
    HOOKS.with(|h| h.borrow_mut().push(hooks));
}

pub fn pop_saved_hooks() {
    HOOKS.with(|h| h.borrow_mut().pop());
}

/// A tensor kept for backward.
pub struct SavedTensor {
    kept: Kept,
    version: u64,
    /// Output number when this is an output of the node that saves it: kept without history, which would be a cycle.
    output: Option<u32>,
}

enum Kept {
    Tensor(Tensor),
    Packed {
        packed: Box<dyn Any + Send + Sync>,
        hooks: Arc<dyn SavedHooks>,
        of: Option<super::Edge>,
        leaf: Option<Tensor>,
    },
}

impl SavedTensor {
    pub fn new(x: &Tensor, output: Option<u32>) -> Result<SavedTensor> {
        if x.storage().is_inference() && output.is_none() {
            bail!(
                Runtime,
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `rsnn.no_grad()` instead of `rsnn.inference_mode()`."
            );
        }
        let version = x.storage().version();
        let hooks = HOOKS.with(|h| h.borrow().last().cloned());
        let kept = match hooks {
            // Hooks run without hooks: a pack function may itself compute.
            Some(hooks) if x.numel() > 0 => {
                let edge = if output.is_none() { x.autograd().node.clone() } else { None };
                let leaf = (output.is_none() && edge.is_none() && x.requires_grad()).then(|| x.clone());
                let stack = HOOKS.with(|h| std::mem::take(&mut *h.borrow_mut()));
                let packed = hooks.pack(&x.detach());
                HOOKS.with(|h| *h.borrow_mut() = stack);
                Kept::Packed { packed: packed?, hooks, of: edge, leaf }
            }
            _ if output.is_some() => Kept::Tensor(x.detach()),
            _ => Kept::Tensor(x.clone()),
        };
        Ok(SavedTensor { kept, version, output })
    }

    /// The tensor as it was saved, with its place in the graph.
    pub fn unpack(&self, owner: &Arc<Node>) -> Result<Tensor> {
        let x = match &self.kept {
            Kept::Tensor(x) => {
                let now = x.storage().version();
                if now != self.version {
                    bail!(
                        Runtime,
                        "one of the variables needed for gradient computation has been modified by an inplace operation: [{} {:?}], which is output {} of {}, is at version {now}; expected version {} instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with rsnn.autograd.set_detect_anomaly(True).",
                        x.dtype().scalar_name(),
                        x.shape(),
                        self.output.unwrap_or(0),
                        owner.name(),
                        self.version
                    );
                }
                x.clone()
            }
            Kept::Packed { packed, hooks, of, leaf } => {
                let value = hooks.unpack(&**packed)?;
                if let Some(leaf) = leaf {
                    // The graph continues at the original leaf.
                    let y = value.detach();
                    y.set_edge(super::edge_of(leaf));
                    return Ok(y);
                }
                let y = value.detach();
                if of.is_some() {
                    y.set_edge(of.clone());
                }
                y
            }
        };
        if let Some(nr) = self.output {
            let y = x.detach();
            if y.dtype().is_float() {
                y.set_edge(Some(super::Edge { node: owner.clone(), nr }));
            }
            return Ok(y);
        }
        Ok(x)
    }
}

/// What one node offers to `vjp`.
pub struct Ctx<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) inputs: &'a [Option<SavedTensor>],
    pub(crate) outputs: &'a [Option<SavedTensor>],
    pub(crate) metas: &'a [Meta],
    pub(crate) needs: SmallVec<[bool; 4]>,
}

impl Ctx<'_> {
    /// Saved input `i`.
    pub fn input(&self, i: usize) -> Result<Tensor> {
        match self.inputs.get(i) {
            Some(Some(x)) => x.unpack(self.node),
            _ => bail!(Runtime, "{}: input {i} was not saved for backward", self.node.name()),
        }
    }

    /// Saved output `i`, hidden outputs included.
    pub fn output(&self, i: usize) -> Result<Tensor> {
        match self.outputs.get(i) {
            Some(Some(x)) => x.unpack(self.node),
            _ => bail!(Runtime, "{}: output {i} was not saved for backward", self.node.name()),
        }
    }

    /// Shape, dtype and device of input `i`.
    pub fn input_meta(&self, i: usize) -> &Meta {
        &self.metas[i]
    }

    /// Whether the gradient of input `i` is wanted.
    pub fn needs(&self, i: usize) -> bool {
        self.needs.get(i).copied().unwrap_or(false)
    }

    pub fn num_inputs(&self) -> usize {
        self.metas.len()
    }
}
