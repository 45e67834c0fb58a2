//! Autocast: while it is on, some ops get their inputs in a half type and some in float32, as torch's CPU lists say.
//! Off, it costs nothing: `apply` asks one thread-local byte that it reads anyway.
use crate::autograd;
use crate::op::Tensors;
use crate::tensor::{Tensor, WeakHandle};
use rsnn_core::{DType, Device, Result};
use std::cell::RefCell;
use std::collections::HashMap;

/// What an op wants of its inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// The autocast dtype of the device.
    Lower,
    /// Float32.
    Full,
}

/// Native ops by torch's names; what is in neither list runs in the dtypes it is given.
/// Functions that are composed in Python have their list there.
fn policy(name: &str) -> Option<Policy> {
    match name {
        "linear"
        | "matmul"
        | "conv1d"
        | "conv2d"
        | "conv3d"
        | "conv_transpose1d"
        | "conv_transpose2d"
        | "conv_transpose3d"
        | "scaled_dot_product_attention" => Some(Policy::Lower),
        "cross_entropy" => Some(Policy::Full),
        _ => None,
    }
}

struct State {
    /// Indexed by `side`: CPU, GPU.
    enabled: [bool; 2],
    dtype: [DType; 2],
    cache_enabled: bool,
    nesting: usize,
    /// Weights that were cast in this context: key is the weight's identity.
    cache: HashMap<usize, Cast>,
}

/// A weight's cast, good as long as the weight is alive and unchanged.
struct Cast {
    of: WeakHandle,
    version: u64,
    value: Tensor,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State {
        enabled: [false; 2],
        dtype: [DType::BF16, DType::F16],
        cache_enabled: true,
        nesting: 0,
        cache: HashMap::new(),
    });
}

fn side(gpu: bool) -> usize {
    usize::from(gpu)
}

/// Whether it acts on this thread now.
pub fn acts() -> bool {
    autograd::is_autocast()
}

pub fn is_enabled(gpu: bool) -> bool {
    STATE.with(|s| s.borrow().enabled[side(gpu)])
}

pub fn set_enabled(gpu: bool, on: bool) {
    let any = STATE.with(|s| {
        let mut s = s.borrow_mut();
        s.enabled[side(gpu)] = on;
        s.enabled[0] || s.enabled[1]
    });
    autograd::set_autocast(any);
}

pub fn dtype(gpu: bool) -> DType {
    STATE.with(|s| s.borrow().dtype[side(gpu)])
}

pub fn set_dtype(gpu: bool, dtype: DType) {
    STATE.with(|s| s.borrow_mut().dtype[side(gpu)] = dtype);
}

pub fn is_cache_enabled() -> bool {
    STATE.with(|s| s.borrow().cache_enabled)
}

pub fn set_cache_enabled(on: bool) {
    STATE.with(|s| s.borrow_mut().cache_enabled = on);
}

/// Enters a context; returns the new depth.
pub fn enter() -> usize {
    STATE.with(|s| {
        let mut s = s.borrow_mut();
        s.nesting += 1;
        s.nesting
    })
}

/// Leaves a context; returns the new depth.
pub fn leave() -> usize {
    STATE.with(|s| {
        let mut s = s.borrow_mut();
        s.nesting = s.nesting.saturating_sub(1);
        s.nesting
    })
}

/// Forgets the casts of weights.
pub fn clear_cache() {
    // Dropping a cast may run code that looks at the state: it happens after the borrow.
    drop(STATE.with(|s| std::mem::take(&mut s.borrow_mut().cache)));
}

/// Runs ops as they are until dropped.
pub struct Pause(bool);

impl Pause {
    pub fn new() -> Pause {
        Pause(autograd::is_autocast() && autograd::set_autocast(false))
    }
}

impl Default for Pause {
    fn default() -> Pause {
        Pause::new()
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if self.0 {
            autograd::set_autocast(true);
        }
    }
}

/// The inputs as the op called `name` wants them; `None` when they stay as they are.
pub(crate) fn inputs(name: &str, ins: &[Tensor]) -> Result<Option<Tensors>> {
    if !autograd::is_autocast() {
        return Ok(None);
    }
    match policy(name) {
        Some(policy) => cast_all(policy, ins).map(Some),
        None => Ok(None),
    }
}

/// Tensors in the dtype of `policy`; integers, float64 and tensors of a device without autocast stay.
pub fn cast_all(policy: Policy, ins: &[Tensor]) -> Result<Tensors> {
    let _plain = Pause::new();
    ins.iter().map(|x| cast(policy, x)).collect()
}

fn cast(policy: Policy, x: &Tensor) -> Result<Tensor> {
    let gpu = x.device() != Device::Cpu;
    let (on, lower, cache) = STATE.with(|s| {
        let s = s.borrow();
        (s.enabled[side(gpu)], s.dtype[side(gpu)], s.cache_enabled)
    });
    let to = if policy == Policy::Lower { lower } else { DType::F32 };
    if !on || !x.dtype().is_float() || x.dtype() == DType::F64 || x.dtype() == to || x.is_number() {
        return Ok(x.clone());
    }
    let weight = x.dtype() == DType::F32 && x.requires_grad() && x.is_leaf() && x.autograd().base.is_none();
    if !(cache && weight && to == lower) {
        return crate::copy::to_dtype(x, to);
    }
    let version = x.version();
    let kept = STATE.with(|s| {
        let s = s.borrow();
        let cast = s.cache.get(&x.id())?;
        let same = cast.of.upgrade().is_some_and(|of| of.same(x)) && cast.version == version;
        // A cast made without recording is no good where one records.
        let recorded = cast.value.requires_grad() || !autograd::is_enabled();
        (same && recorded && cast.value.dtype() == to).then(|| cast.value.clone())
    });
    if let Some(value) = kept {
        return Ok(value);
    }
    let value = crate::copy::to_dtype(x, to)?;
    let cast = Cast { of: x.downgrade(), version, value: value.clone() };
    drop(STATE.with(|s| s.borrow_mut().cache.insert(x.id(), cast)));
    Ok(value)
}
