//! Tensors kept for backward, with torch's version check, and the context that `vjp` reads them from.
use super::node::{Node, Recorded};
use crate::tensor::{Body, Meta, Tensor};
use rsnn_core::{Result, bail, ensure};
use smallvec::SmallVec;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

/// What `saved_tensors_hooks` installs: pack on save, unpack on use.
pub trait SavedHooks: Send + Sync {
    fn pack(&self, x: &Tensor) -> Result<Box<dyn Any + Send + Sync>>;
    fn unpack(&self, packed: &(dyn Any + Send + Sync)) -> Result<Tensor>;
}

#[derive(Default)]
struct Stack {
    hooks: Vec<Arc<dyn SavedHooks>>,
    /// Why hooks may not be installed now.
    disabled: Option<String>,
}

thread_local! {
    static HOOKS: RefCell<Stack> = const { RefCell::new(Stack { hooks: Vec::new(), disabled: None }) };
}

pub fn push_saved_hooks(hooks: Arc<dyn SavedHooks>) -> Result<()> {
    HOOKS.with(|h| {
        let mut h = h.borrow_mut();
        if let Some(why) = &h.disabled {
            bail!(Runtime, "{why}");
        }
        h.hooks.push(hooks);
        Ok(())
    })
}

pub fn pop_saved_hooks() {
    let last = HOOKS.with(|h| h.borrow_mut().hooks.pop());
    drop(last);
}

/// Refuses saved-tensor hooks with this text (`None`: allows them again); returns the previous text.
pub fn disable_saved_hooks(why: Option<String>) -> Result<Option<String>> {
    HOOKS.with(|h| {
        let mut h = h.borrow_mut();
        if let (Some(why), false) = (&why, h.hooks.is_empty()) {
            bail!(Runtime, "{why}");
        }
        Ok(std::mem::replace(&mut h.disabled, why))
    })
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
    /// A tensor and the data that it had, which a later `x.data = y` does not reach.
    Data(Tensor, Box<Body>),
    Packed(Box<Packed>),
}

struct Packed {
    value: Box<dyn Any + Send + Sync>,
    hooks: Arc<dyn SavedHooks>,
    of: Option<super::Edge>,
    leaf: Option<Tensor>,
}

impl SavedTensor {
    /// `data`: keep the data of now, whatever `x.data = y` puts there later.
    pub fn new(x: &Tensor, output: Option<u32>, data: bool) -> Result<SavedTensor> {
        if x.is_inference() && output.is_none() {
            return Err(refuse_inference());
        }
        let version = x.version();
        let hooks = HOOKS.with(|h| h.borrow().hooks.last().cloned());
        let kept = match hooks {
            Some(hooks) if !x.is_number() => pack(x, output.is_some(), hooks)?,
            _ if output.is_some() => Kept::Tensor(x.detach()),
            _ if data => Kept::Data(x.clone(), Box::new(x.body().clone())),
            _ => Kept::Tensor(x.clone()),
        };
        Ok(SavedTensor { kept, version, output })
    }

    /// The tensor as it was saved, with its place in the graph.
    pub fn unpack(&self, owner: &Arc<Node>) -> Result<Tensor> {
        let x = match &self.kept {
            Kept::Data(x, body) if !Arc::ptr_eq(&body.storage, x.storage()) || body.layout != *x.layout() => {
                let y = Tensor::from_body(Body::clone(body));
                y.set_edge(super::edge_of(x));
                y
            }
            Kept::Tensor(x) | Kept::Data(x, _) => {
                let now = x.version();
                if now != self.version {
                    return Err(self.modified(x, now, owner));
                }
                x.clone()
            }
            Kept::Packed(packed) => {
                let value = packed.hooks.unpack(&*packed.value)?;
                if let Some(leaf) = &packed.leaf {
                    // The graph continues at the original leaf.
                    let y = value.detach();
                    y.set_edge(super::edge_of(leaf));
                    return Ok(y);
                }
                let y = value.detach();
                if packed.of.is_some() {
                    y.set_edge(packed.of.clone());
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

    #[cold]
    fn modified(&self, x: &Tensor, now: u64, owner: &Arc<Node>) -> rsnn_core::Error {
        let made = match self.output {
            Some(nr) => Some((nr, owner.short_name())),
            None => x.autograd().node.as_ref().map(|e| (e.nr, e.node.short_name())),
        };
        let made = made.map_or(String::new(), |(nr, name)| format!(", which is output {nr} of {name},"));
        let hint = if super::anomaly::is_on() {
            "the backtrace further above shows the operation that failed to compute its gradient. The variable in question was changed in there or anywhere later. Good luck!"
        } else {
            "enable anomaly detection to find the operation that failed to compute its gradient, with rsnn.autograd.set_detect_anomaly(True, check_nan=False)."
        };
        rsnn_core::Error::Runtime(format!(
            "one of the variables needed for gradient computation has been modified by an inplace operation: [rsnn.{}Tensor {:?}]{made} is at version {now}; expected version {} instead. Hint: {hint}",
            x.dtype().scalar_name(),
            x.shape(),
            self.version
        ))
    }
}

#[cold]
fn refuse_inference() -> rsnn_core::Error {
    rsnn_core::Error::Runtime(
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `rsnn.no_grad()` instead of `rsnn.inference_mode()`."
            .into(),
    )
}

/// Runs the pack hook, without hooks: it may itself compute.
fn pack(x: &Tensor, is_output: bool, hooks: Arc<dyn SavedHooks>) -> Result<Kept> {
    let of = if is_output { None } else { x.autograd().node.clone() };
    let leaf = (!is_output && of.is_none() && x.requires_grad()).then(|| x.clone());
    let stack = HOOKS.with(|h| std::mem::take(&mut h.borrow_mut().hooks));
    let version = x.version();
    let mode = super::GradMode::set(false);
    // An output is handed over without the history that would make it keep itself alive.
    let packed = if is_output { hooks.pack(&x.detach()) } else { hooks.pack(x) };
    drop(mode);
    HOOKS.with(|h| h.borrow_mut().hooks = stack);
    let value = packed?;
    if x.version() != version {
        bail!(
            Runtime,
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place operations on the input to a pack hook."
        );
    }
    Ok(Kept::Packed(Box::new(Packed { value, hooks, of, leaf })))
}

/// What one node offers to `vjp`.
pub struct Ctx<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) recorded: &'a Recorded,
    pub(crate) needs: SmallVec<[bool; 4]>,
}

impl Ctx<'_> {
    /// Saved input `i`, in the dtype that the forward read.
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let Some(Some(saved)) = self.recorded.inputs.get(i) else {
            bail!(Runtime, "{}: input {i} was not saved for backward", self.node.name())
        };
        let (x, meta) = (saved.unpack(self.node)?, &self.recorded.metas[i]);
        // `x.data = y` can put other data there after the forward.
        ensure!(
            x.shape() == meta.shape.as_slice(),
            Runtime,
            "{}: expected a saved tensor of size {:?}, but its data was replaced by data of size {:?}",
            self.node.name(),
            meta.shape,
            x.shape()
        );
        if x.dtype() == meta.dtype { Ok(x) } else { crate::copy::to_dtype(&x, meta.dtype) }
    }

    /// Saved output `i`, hidden outputs included.
    pub fn output(&self, i: usize) -> Result<Tensor> {
        match self.recorded.outputs.get(i) {
            Some(Some(x)) => x.unpack(self.node),
            _ => bail!(Runtime, "{}: output {i} was not saved for backward", self.node.name()),
        }
    }

    /// Shape, dtype and device of input `i`.
    pub fn input_meta(&self, i: usize) -> &Meta {
        &self.recorded.metas[i]
    }

    /// Whether the gradient of input `i` is wanted.
    pub fn needs(&self, i: usize) -> bool {
        self.needs.get(i).copied().unwrap_or(false)
    }

    pub fn num_inputs(&self) -> usize {
        self.recorded.metas.len()
    }
}
