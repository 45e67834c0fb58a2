//! `Tensor`: storage + dtype + layout + autograd data. Views share the storage and cost only metadata.
use crate::autograd::{Creation, Edge, Hook, Node};
use parking_lot::{Mutex, MutexGuard};
use rsnn_core::{DType, Device, Dims, Element, Layout, Result, Storage, Strides, bail, checked_numel, ensure};
use smallvec::SmallVec;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// A multi-dimensional array that autograd can follow. Cloning copies the handle, not the data.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    body: UnsafeCell<Body>,
    tracked: AtomicBool,
    scalar: AtomicBool,
    autograd: Mutex<AutogradMeta>,
    /// The Python object that wraps this tensor, owned by the binding; null when there is none.
    object: AtomicPtr<()>,
}

// SAFETY: `body` is replaced only through the unsafe `set_body`, whose caller excludes concurrent readers.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// A tensor handle that does not keep its tensor alive.
pub struct WeakHandle(Weak<Inner>);

impl WeakHandle {
    pub fn upgrade(&self) -> Option<Tensor> {
        self.0.upgrade().map(Tensor)
    }
}

/// Data and the way to read it.
#[derive(Clone)]
pub struct Body {
    pub storage: Arc<Storage>,
    pub dtype: DType,
    pub layout: Layout,
    /// Counts modifications for this object and its views alone, where they do not share the storage's count (`x.data`).
    version: Option<Arc<AtomicU64>>,
}

impl Body {
    pub fn new(storage: Arc<Storage>, dtype: DType, layout: Layout) -> Body {
        Body { storage, dtype, layout, version: None }
    }
}

/// What autograd keeps for one tensor.
#[derive(Default)]
pub struct AutogradMeta {
    pub requires_grad: bool,
    pub grad: Option<Tensor>,
    pub node: Option<Edge>,
    /// The node that adds to `grad`, made on first use.
    pub accumulator: Weak<Node>,
    /// Keeps that node from graph to graph, as long as nobody else can have put anything on it.
    pub kept: Option<Arc<Node>>,
    pub base: Option<Tensor>,
    /// Version of the shared storage when `node` was recorded; a view whose base moved on gets a fresh node.
    pub view_version: u64,
    /// How a view came to be, which decides about in-place writes to it.
    pub creation: Creation,
    pub retains_grad: bool,
    /// The function transform that made this leaf for itself; 0 for everybody else.
    pub level: u64,
    pub hooks: Option<Box<LeafHooks>>,
}

/// Hooks of a leaf, with their numbers.
#[derive(Default)]
pub struct LeafHooks {
    pub before: Vec<(u64, Hook)>,
    pub after: Vec<(u64, Hook)>,
}

/// Shape, dtype and device of a tensor that need not exist yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Meta {
    pub shape: Dims,
    pub dtype: DType,
    pub device: Device,
}

impl Clone for Meta {
    // A derived one would clone the shape number by number.
    fn clone(&self) -> Meta {
        Meta::new(&self.shape, self.dtype, self.device)
    }
}

impl Meta {
    pub fn new(shape: &[usize], dtype: DType, device: Device) -> Meta {
        Meta { shape: Dims::from_slice(shape), dtype, device }
    }
}

impl Tensor {
    pub fn from_body(body: Body) -> Tensor {
        Tensor(Arc::new(Inner {
            body: UnsafeCell::new(body),
            tracked: AtomicBool::new(false),
            scalar: AtomicBool::new(false),
            autograd: Mutex::default(),
            object: AtomicPtr::default(),
        }))
    }

    /// A contiguous tensor with uninitialised elements.
    pub fn empty(shape: &[usize], dtype: DType, device: Device) -> Result<Tensor> {
        Tensor::allocate(Layout::contiguous(shape), dtype, device)
    }

    /// A tensor with uninitialised elements and strides that leave no gaps.
    pub fn empty_strided(shape: &[usize], strides: Strides, dtype: DType, device: Device) -> Result<Tensor> {
        Tensor::allocate(Layout { shape: Dims::from_slice(shape), strides, offset: 0 }, dtype, device)
    }

    /// Room for as many elements as `layout`, which has no gaps, shows.
    fn allocate(layout: Layout, dtype: DType, device: Device) -> Result<Tensor> {
        let bytes = checked_numel(&layout.shape)? * dtype.size();
        let storage = match device {
            Device::Cpu => Storage::cpu(bytes)?,
            Device::Gpu(index) => crate::gpu::storage(index, bytes)?,
        };
        let storage = Arc::new(storage.for_inference(crate::autograd::is_inference()));
        Ok(Tensor::from_body(Body::new(storage, dtype, layout)))
    }

    pub fn empty_meta(meta: &Meta) -> Result<Tensor> {
        Tensor::empty(&meta.shape, meta.dtype, meta.device)
    }

    /// A CPU tensor holding a copy of `data`.
    pub fn from_slice<T: Element>(data: &[T], shape: &[usize]) -> Result<Tensor> {
        ensure!(checked_numel(shape)? == data.len(), Runtime, "from_slice: {} values for shape {shape:?}", data.len());
        let t = Tensor::empty(shape, T::DTYPE, Device::Cpu)?;
        // SAFETY: freshly allocated with room for exactly `data.len()` elements.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), t.ptr::<T>(), data.len()) };
        Ok(t)
    }

    /// A 0-d tensor of `dtype` that takes part in promotion as a tensor.
    pub fn scalar(value: f64, dtype: DType) -> Result<Tensor> {
        let t = Tensor::empty(&[], dtype, Device::Cpu)?;
        // SAFETY: one element of the dispatched type was just allocated.
        rsnn_core::dispatch!(all, dtype, T => unsafe { *t.ptr::<T>() = T::from_f64(value) });
        Ok(t)
    }

    /// A Python number: a 0-d tensor that yields to the other operand's dtype within its category.
    pub fn number(value: f64, dtype: DType) -> Result<Tensor> {
        let t = Tensor::scalar(value, dtype)?;
        t.0.scalar.store(true, Relaxed);
        Ok(t)
    }

    /// A Python integer, exact beyond 2^53.
    pub fn integer(value: i64) -> Result<Tensor> {
        let t = Tensor::from_slice(&[value], &[])?;
        t.0.scalar.store(true, Relaxed);
        Ok(t)
    }

    pub fn is_number(&self) -> bool {
        self.0.scalar.load(Relaxed)
    }

    #[inline(always)]
    pub fn body(&self) -> &Body {
        // SAFETY: see `set_body`: nobody replaces the body while references to it are alive.
        unsafe { &*self.0.body.get() }
    }

    /// Replaces data and layout of this tensor object, as `x.data = y` does.
    ///
    /// # Safety
    /// No other thread may be reading this tensor during the call; the binding calls it with the GIL held.
    pub unsafe fn set_body(&self, body: Body) {
        // SAFETY: exclusive by the contract above.
        unsafe { *self.0.body.get() = body };
    }

    pub fn shape(&self) -> &[usize] {
        &self.body().layout.shape
    }

    pub fn strides(&self) -> &[isize] {
        &self.body().layout.strides
    }

    pub fn layout(&self) -> &Layout {
        &self.body().layout
    }

    pub fn storage(&self) -> &Arc<Storage> {
        &self.body().storage
    }

    pub fn dtype(&self) -> DType {
        self.body().dtype
    }

    pub fn device(&self) -> Device {
        self.body().storage.device()
    }

    pub fn ndim(&self) -> usize {
        self.body().layout.shape.len()
    }

    pub fn numel(&self) -> usize {
        self.body().layout.numel()
    }

    pub fn meta(&self) -> Meta {
        Meta::new(self.shape(), self.dtype(), self.device())
    }

    pub fn is_contiguous(&self) -> bool {
        self.body().layout.is_contiguous()
    }

    /// Address of the first element on the CPU.
    #[inline(always)]
    pub fn ptr<T>(&self) -> *mut T {
        let body = self.body();
        // SAFETY: the offset lies within the storage by construction of every layout.
        unsafe { body.storage.ptr().cast::<T>().add(body.layout.offset) }
    }

    /// The elements of a contiguous CPU tensor; empty for anything else.
    pub fn as_slice<T: Element>(&self) -> &[T] {
        if self.dtype() != T::DTYPE || !self.is_contiguous() || self.device() != Device::Cpu || self.numel() == 0 {
            return &[];
        }
        // SAFETY: contiguous, so `numel` elements of T start at `ptr`.
        unsafe { std::slice::from_raw_parts(self.ptr(), self.numel()) }
    }

    /// The elements of a contiguous CPU tensor for writing. Kernels call it on outputs that nobody else holds.
    #[allow(clippy::mut_from_ref)]
    pub fn as_mut_slice<T: Element>(&self) -> &mut [T] {
        if self.dtype() != T::DTYPE || !self.is_contiguous() || self.device() != Device::Cpu || self.numel() == 0 {
            return &mut [];
        }
        // SAFETY: contiguous as above; a kernel owns its outputs while it runs.
        unsafe { std::slice::from_raw_parts_mut(self.ptr(), self.numel()) }
    }

    /// Normalises a dimension that may count from the end.
    pub fn dim(&self, op: &str, dim: i64) -> Result<usize> {
        wrap_dim(op, dim, self.ndim())
    }

    /// A tensor over the same storage with another layout, outside autograd.
    pub fn alias(&self, layout: Layout) -> Tensor {
        let body = self.body();
        Tensor::from_body(Body { version: body.version.clone(), ..Body::new(body.storage.clone(), body.dtype, layout) })
    }

    /// The same data without history.
    pub fn detach(&self) -> Tensor {
        Tensor::from_body(self.body().clone())
    }

    /// The same operand for a kernel, as an object that no other thread can reach.
    pub(crate) fn private(&self) -> Tensor {
        let t = self.detach();
        t.0.scalar.store(self.is_number(), Relaxed);
        t
    }

    /// The same data without history and with a count of modifications of its own: autograd does not see writes to it.
    pub fn data(&self) -> Tensor {
        Tensor::from_body(Body { version: Some(Arc::default()), ..self.body().clone() })
    }

    /// Takes the data of `other` but goes on counting modifications as before: `x.data = other`.
    ///
    /// # Safety
    /// As for `set_body`.
    pub unsafe fn set_data(&self, other: &Tensor) {
        let version = self.body().version.clone().unwrap_or_else(|| Arc::new(AtomicU64::new(self.version())));
        // SAFETY: as the caller promises.
        unsafe { self.set_body(Body { version: Some(version), ..other.body().clone() }) };
    }

    /// How often the data was modified in place.
    pub fn version(&self) -> u64 {
        self.body().version.as_ref().map_or_else(|| self.storage().version(), |v| v.load(Relaxed))
    }

    /// Counts a modification in place.
    pub fn bump_version(&self) {
        match &self.body().version {
            Some(version) => {
                version.fetch_add(1, Relaxed);
            }
            None => self.storage().bump_version(),
        }
    }

    /// Whether this tensor was made in inference mode, or is a view of one that was.
    pub fn is_inference(&self) -> bool {
        self.storage().is_inference()
    }

    pub fn autograd(&self) -> MutexGuard<'_, AutogradMeta> {
        self.0.autograd.lock()
    }

    pub fn requires_grad(&self) -> bool {
        self.0.tracked.load(Relaxed)
    }

    pub fn set_requires_grad(&self, on: bool) -> Result<()> {
        ensure!(!on || self.dtype().is_float(), Runtime, "only Tensors of floating point dtype can require gradients");
        ensure!(
            !on || crate::autograd::is_inference() || !self.storage().is_inference(),
            Runtime,
            "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
        );
        let mut meta = self.autograd();
        if meta.node.is_some() {
            ensure!(
                on,
                Runtime,
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            );
            return Ok(());
        }
        meta.requires_grad = on;
        self.0.tracked.store(on, Relaxed);
        Ok(())
    }

    pub fn is_leaf(&self) -> bool {
        !self.requires_grad() || self.autograd().node.is_none()
    }

    pub(crate) fn set_edge(&self, edge: Option<Edge>) {
        let mut meta = self.autograd();
        self.0.tracked.store(edge.is_some() || meta.requires_grad, Relaxed);
        meta.view_version = self.version();
        meta.node = edge;
    }

    pub fn grad(&self) -> Option<Tensor> {
        self.autograd().grad.clone()
    }

    pub fn set_grad(&self, grad: Option<Tensor>) {
        let old = std::mem::replace(&mut self.autograd().grad, grad);
        drop(old);
    }

    pub fn object(&self) -> &AtomicPtr<()> {
        &self.0.object
    }

    pub fn downgrade(&self) -> WeakHandle {
        WeakHandle(Arc::downgrade(&self.0))
    }

    pub fn same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// True when this handle is the only one and its storage has no other tensor: its memory may be reused.
    pub fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && Arc::strong_count(self.storage()) == 1
    }

    /// The only element as f64.
    pub fn item(&self) -> Result<f64> {
        ensure!(self.numel() == 1, Runtime, "a Tensor with {} elements cannot be converted to Scalar", self.numel());
        let cpu = crate::device::to_device(&self.detach(), Device::Cpu)?;
        // SAFETY: one element of the dispatched type is there.
        Ok(rsnn_core::dispatch!(all, cpu.dtype(), T => unsafe { *cpu.ptr::<T>() }.to_f64()))
    }

    /// The only element of an integer tensor.
    pub fn item_i64(&self) -> Result<i64> {
        ensure!(self.numel() == 1, Runtime, "a Tensor with {} elements cannot be converted to Scalar", self.numel());
        let cpu = crate::device::to_device(&self.detach(), Device::Cpu)?;
        // SAFETY: one element of the dispatched type is there.
        Ok(rsnn_core::dispatch!(all, cpu.dtype(), T => unsafe { *cpu.ptr::<T>() }.to_i64()))
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {:?}, {})", self.shape(), self.dtype(), self.device())
    }
}

/// Normalises `dim` for a tensor of `ndim` dimensions (0-d counts as 1-d), with torch's error.
pub fn wrap_dim(op: &str, dim: i64, ndim: usize) -> Result<usize> {
    let n = ndim.max(1) as i64;
    if dim < -n || dim >= n {
        bail!(Index, "{op}: Dimension out of range (expected to be in range of [{}, {}], but got {dim})", -n, n - 1);
    }
    Ok(if dim < 0 { dim + n } else { dim } as usize)
}

/// Normalises a list of dims and refuses repeats; an empty list means every dimension.
pub fn wrap_dims(op: &str, dims: &[i64], ndim: usize) -> Result<SmallVec<[usize; 6]>> {
    let mut out: SmallVec<[usize; 6]> = SmallVec::new();
    for &d in dims {
        let d = wrap_dim(op, d, ndim)?;
        ensure!(!out.contains(&d), Runtime, "{op}: dim {d} appears multiple times in the list of dims");
        out.push(d);
    }
    if dims.is_empty() {
        out.extend(0..ndim);
    }
    Ok(out)
}

/// Strides type alias re-exported for op folders.
pub type StrideVec = Strides;
