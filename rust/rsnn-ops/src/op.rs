//! The op contract: one type per op says its name, checks, kernels and gradient. `apply` is the only road to a kernel.
use crate::autograd::{self, Ctx, Node};
use crate::pointwise;
use crate::release;
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Device, Element, Layout, Result, bail, ensure};
use smallvec::SmallVec;
use std::cell::Cell;
use std::sync::Arc;

pub type Tensors = SmallVec<[Tensor; 2]>;
pub type Metas = SmallVec<[Meta; 2]>;
pub type Grads = SmallVec<[Option<Tensor>; 4]>;

/// Which inputs and outputs backward needs: bit i is tensor i.
#[derive(Clone, Copy)]
pub struct Saves {
    pub inputs: u32,
    pub outputs: u32,
}

impl Saves {
    pub const NONE: Saves = Saves { inputs: 0, outputs: 0 };
    pub const INPUTS: Saves = Saves { inputs: !0, outputs: 0 };
    pub const OUTPUTS: Saves = Saves { inputs: 0, outputs: !0 };
    pub const ALL: Saves = Saves { inputs: !0, outputs: !0 };
}

/// How a kernel wants its half-precision tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Inputs arrive as float32 and outputs are rounded once; the kernel knows no half type.
    Widen,
    /// The kernel handles half types itself (copies, casts, indexing).
    Native,
}

/// Meaning, checks, kernels and gradient of one operation.
pub trait Op: Send + Sync + 'static {
    /// torch's name: errors, tests, benches.
    fn name(&self) -> &'static str;

    /// Every check that a user can trip; shapes, dtypes and devices of the outputs.
    fn infer(&self, ins: &[Tensor]) -> Result<Metas>;

    /// Output `i` before the kernel runs: contiguous, unless the op keeps the layout of an input.
    fn empty(&self, i: usize, meta: &Meta, ins: &[Tensor]) -> Result<Tensor> {
        let _ = i;
        if self.pointwise() { pointwise::empty(meta, ins) } else { Tensor::empty_meta(meta) }
    }

    /// True when each element of the one output depends on the elements at its place alone: the output follows the layouts of
    /// the inputs, and kernels may see the dimensions in any order.
    fn pointwise(&self) -> bool {
        false
    }

    /// The CPU kernel. Inputs are contiguous unless `strided` says otherwise; outputs are what `empty` gave, or contiguous.
    fn cpu(&self, call: &CpuCall) -> Result<()>;

    /// The GPU kernel; without one the op refuses and names itself, never a silent copy to the CPU.
    fn gpu(&self, call: &GpuCall) -> Result<()> {
        let _ = call;
        bail!(NotImplemented, "{}: no kernel for device gpu; move the inputs with .cpu()", self.name())
    }

    /// Gradients for every input (`None` where there is none). With `create_graph` the tensor ops in here are recorded.
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads>;

    /// The meaning in smaller differentiable ops; fused ops have it, primitives do not.
    /// It is the kernel's oracle and the road to second derivatives.
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        let _ = ins;
        None
    }

    fn saves(&self) -> Saves {
        Saves::INPUTS
    }

    /// What to keep when gradients flow to the inputs of `followed` only (bit i is input i).
    fn saves_for(&self, followed: u32) -> Saves {
        let _ = followed;
        self.saves()
    }

    /// Saved inputs whose data of now counts even after `x.data = y`: those that torch saves a view of.
    fn saves_data(&self) -> u32 {
        0
    }

    /// How many trailing outputs are only for backward (statistics, masks).
    fn hidden(&self) -> usize {
        0
    }

    /// True when the kernels read any strides.
    fn strided(&self) -> bool {
        false
    }

    fn half(&self) -> Half {
        Half::Widen
    }
}

/// Tensors of one kernel launch on the CPU.
pub struct CpuCall<'a> {
    pub ins: &'a [Tensor],
    pub outs: &'a [Tensor],
}

impl CpuCall<'_> {
    /// Input `i`, contiguous.
    pub fn input<T: Element>(&self, i: usize) -> &[T] {
        self.ins[i].as_slice()
    }

    /// Output `i`, contiguous.
    #[allow(clippy::mut_from_ref)]
    pub fn output<T: Element>(&self, i: usize) -> &mut [T] {
        self.outs[i].as_mut_slice()
    }
}

/// Tensors of one kernel launch on the GPU.
pub struct GpuCall<'a> {
    pub ins: &'a [Tensor],
    pub outs: &'a [Tensor],
    pub index: u32,
}

thread_local! {
    static USE_DEFINE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with every fused op replaced by its `define`: the oracle that tests compare kernels with.
pub fn with_define<R>(on: bool, f: impl FnOnce() -> R) -> R {
    let before = USE_DEFINE.replace(on);
    let r = f();
    USE_DEFINE.set(before);
    r
}

/// Sets whether fused ops run through `define`; returns the previous setting.
pub fn set_use_define(on: bool) -> bool {
    USE_DEFINE.replace(on)
}

/// Runs `op` on `ins` and records it: the result of a one-output op.
pub fn apply(op: impl Op, ins: &[Tensor]) -> Result<Tensor> {
    let mut outs = match defined(&op, ins) {
        Some(outs) => outs?,
        None if autograd::is_watched() => apply_watched(Arc::new(op), ins)?,
        None => {
            let outs = launch(&op, ins)?;
            if follows(ins) {
                Node::record(Arc::new(op), ins, &outs)?;
            }
            outs
        }
    };
    match outs.is_empty() {
        true => bail!(Runtime, "the operation has no output"),
        false => Ok(outs.swap_remove(0)),
    }
}

/// Runs `op` on `ins` and records it; hidden outputs are kept for backward and not returned.
pub fn apply_all(op: Arc<dyn Op>, ins: &[Tensor]) -> Result<Tensors> {
    if autograd::is_watched() {
        return apply_watched(op, ins);
    }
    apply_plain(op, ins)
}

/// `apply_all` under autocast or a profiler.
#[cold]
fn apply_watched(op: Arc<dyn Op>, ins: &[Tensor]) -> Result<Tensors> {
    let (name, begin) = (op.name(), crate::profile::now());
    let cast = crate::autocast::inputs(name, ins)?;
    let outs = apply_plain(op, cast.as_deref().unwrap_or(ins));
    crate::profile::note(name, begin);
    outs
}

fn apply_plain(op: Arc<dyn Op>, ins: &[Tensor]) -> Result<Tensors> {
    if let Some(outs) = defined(&*op, ins) {
        return outs;
    }
    let hidden = op.hidden();
    let mut outs = launch(&*op, ins)?;
    if follows(ins) {
        Node::record(op, ins, &outs)?;
    }
    outs.truncate(outs.len() - hidden);
    Ok(outs)
}

/// The results by `define`, where that was asked for.
fn defined(op: &dyn Op, ins: &[Tensor]) -> Option<Result<Tensors>> {
    if !USE_DEFINE.get() {
        return None;
    }
    let outs = op.define(ins)?;
    Some(op.infer(ins).and(outs))
}

/// Checks and runs `op`; records nothing.
fn launch(op: &dyn Op, ins: &[Tensor]) -> Result<Tensors> {
    let mut outs = Tensors::new();
    for (i, meta) in op.infer(ins)?.iter().enumerate() {
        outs.push(op.empty(i, meta, ins)?);
    }
    run(op, ins, &outs)?;
    Ok(outs)
}

/// Whether autograd follows a call with these inputs.
fn follows(ins: &[Tensor]) -> bool {
    autograd::is_enabled() && ins.iter().any(Tensor::requires_grad)
}

/// Runs the kernel of `op` into `outs`, which may be of any layout; records nothing.
pub fn run(op: &dyn Op, ins: &[Tensor], outs: &[Tensor]) -> Result<()> {
    let device = outs.first().or(ins.first()).map_or(Device::Cpu, Tensor::device);
    for t in ins {
        ensure!(
            t.device() == device || (t.ndim() == 0 && t.device() == Device::Cpu),
            Runtime,
            "{}: Expected all tensors to be on the same device, but found at least two devices, {device} and {}!",
            op.name(),
            t.device()
        );
    }
    if op.pointwise() && !outs.iter().all(Tensor::is_contiguous) {
        let (ins, outs) = pointwise::arranged(ins, outs);
        return run_on(device, op, &ins, &outs);
    }
    run_on(device, op, ins, outs)
}

fn run_on(device: Device, op: &dyn Op, ins: &[Tensor], outs: &[Tensor]) -> Result<()> {
    match device {
        Device::Cpu => run_cpu(op, ins, outs).and_then(|()| crate::interrupt::finished()),
        Device::Gpu(index) => crate::gpu::run(op, ins, outs, index),
    }
}

fn run_cpu(op: &dyn Op, ins: &[Tensor], outs: &[Tensor]) -> Result<()> {
    let work: usize = ins.iter().chain(outs).map(Tensor::numel).sum();
    if work < release::LONG {
        return kernel(op, ins, outs);
    }
    // Other threads may give these tensor objects other data while the lock is released; the kernel keeps its own handles.
    let private = |ts: &[Tensor]| ts.iter().map(Tensor::private).collect::<Tensors>();
    let (ins, outs) = (private(ins), private(outs));
    release::unlocked(|| kernel(op, &ins, &outs)).unwrap_or(Ok(()))
}

fn kernel(op: &dyn Op, ins: &[Tensor], outs: &[Tensor]) -> Result<()> {
    let widen = op.half() == Half::Widen && ins.iter().chain(outs).any(|t| t.dtype().is_half());
    let plain = op.strided() || ins.iter().all(Tensor::is_contiguous);
    if !widen && plain {
        return op.cpu(&CpuCall { ins, outs });
    }
    let ready: Tensors = ins
        .iter()
        .map(|t| {
            let t = if widen && t.dtype().is_half() { crate::copy::cast(t, DType::F32)? } else { t.clone() };
            if op.strided() { Ok(t) } else { crate::copy::contiguous(&t) }
        })
        .collect::<Result<_>>()?;
    if !widen {
        return op.cpu(&CpuCall { ins: &ready, outs });
    }
    let wide: Tensors = outs
        .iter()
        .map(|t| if t.dtype().is_half() { Tensor::empty(t.shape(), DType::F32, Device::Cpu) } else { Ok(t.clone()) })
        .collect::<Result<_>>()?;
    op.cpu(&CpuCall { ins: &ready, outs: &wide })?;
    for (w, o) in wide.iter().zip(outs) {
        if o.dtype().is_half() {
            crate::copy::copy_into(w, o)?;
        }
    }
    Ok(())
}

/// Makes and records a view: shares storage, runs no kernel. `op` supplies the gradient.
pub fn view(op: impl Op, x: &Tensor, layout: Layout) -> Tensor {
    let y = x.alias(layout);
    autograd::track_view(Arc::new(op), x, &y);
    y
}

/// A clear refusal for ops whose gradient does not exist.
pub fn not_differentiable(name: &str) -> Result<Grads> {
    bail!(Runtime, "derivative for {name} is not implemented")
}
