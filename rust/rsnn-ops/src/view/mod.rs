//! Views: new layouts over the same storage. Each kind knows its layout and its gradient.
mod last;
mod strided;

pub(crate) use last::{arranged, empty_like};
pub use strided::{AsStrided, AsStridedScatter, as_strided};

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply, view};
use crate::tensor::{Meta, Tensor, wrap_dim};
use rsnn_core::{Dims, Layout, Result, Strides, bail, checked_numel, ensure};

/// The kinds of view.
#[derive(Clone, Debug)]
pub enum View {
    Alias,
    Permute(Vec<usize>),
    Expand(Dims),
    Reshape(Dims, Strides),
    Slice { dim: usize, start: usize, step: usize, len: usize },
    Select { dim: usize, index: usize },
    Diagonal { offset: i64, dim1: usize, dim2: usize },
    Unfold { dim: usize, size: usize, step: usize },
}

impl View {
    /// The layout of this view of `l`.
    pub fn layout(&self, l: &Layout) -> Layout {
        let mut out = l.clone();
        match self {
            View::Alias => {}
            View::Permute(order) => {
                out.shape = order.iter().map(|&i| l.shape[i]).collect();
                out.strides = order.iter().map(|&i| l.strides[i]).collect();
            }
            View::Expand(shape) => {
                out.strides = l.broadcast_strides(shape);
                out.shape = shape.clone();
            }
            View::Reshape(shape, strides) => {
                out.shape = shape.clone();
                out.strides = strides.clone();
            }
            View::Slice { dim, start, step, len } => {
                out.offset = (l.offset as isize + *start as isize * l.strides[*dim]) as usize;
                out.shape[*dim] = *len;
                out.strides[*dim] *= *step as isize;
            }
            View::Select { dim, index } => {
                out.offset = (l.offset as isize + *index as isize * l.strides[*dim]) as usize;
                out.shape.remove(*dim);
                out.strides.remove(*dim);
            }
            View::Diagonal { offset, dim1, dim2 } => diagonal_layout(&mut out, *offset, *dim1, *dim2),
            View::Unfold { dim, size, step } => {
                let stride = l.strides[*dim];
                out.shape[*dim] = (l.shape[*dim] - size) / step + 1;
                out.strides[*dim] = stride * *step as isize;
                out.shape.push(*size);
                out.strides.push(stride);
            }
        }
        out
    }
}

fn diagonal_layout(out: &mut Layout, offset: i64, dim1: usize, dim2: usize) {
    let (r, c) = (out.shape[dim1] as i64, out.shape[dim2] as i64);
    let len = if offset >= 0 { r.min(c - offset) } else { (r + offset).min(c) }.max(0) as usize;
    let (s1, s2) = (out.strides[dim1], out.strides[dim2]);
    if len > 0 {
        let shift = if offset >= 0 { offset as isize * s2 } else { -offset as isize * s1 };
        out.offset = (out.offset as isize + shift) as usize;
    }
    for d in [dim1.max(dim2), dim1.min(dim2)] {
        out.shape.remove(d);
        out.strides.remove(d);
    }
    out.shape.push(len);
    out.strides.push(s1 + s2);
}

impl Op for View {
    fn name(&self) -> &'static str {
        match self {
            View::Alias => "alias",
            View::Permute(_) => "permute",
            View::Expand(_) => "expand",
            View::Reshape(..) => "view",
            View::Slice { .. } => "slice",
            View::Select { .. } => "select",
            View::Diagonal { .. } => "diagonal",
            View::Unfold { .. } => "unfold",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.layout(ins[0].layout()).shape, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        crate::copy::copy_into(&call.ins[0].alias(self.layout(call.ins[0].layout())), &call.outs[0])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        let dx = match self {
            View::Alias => g.clone(),
            View::Permute(order) => {
                let mut inverse = vec![0; order.len()];
                order.iter().enumerate().for_each(|(i, &o)| inverse[o] = i);
                view(View::Permute(inverse.clone()), g, View::Permute(inverse).layout(g.layout()))
            }
            View::Expand(_) => crate::reduce::sum_to(g, shape)?,
            View::Reshape(..) => reshape(g, shape)?,
            _ => apply(Scatter { view: self.clone(), shape: shape.clone() }, std::slice::from_ref(g))?,
        };
        Ok(smallvec::smallvec![Some(dx)])
    }
}

/// Zeros of `shape` with the input added at the elements that `view` shows: the gradient of a view.
struct Scatter {
    view: View,
    shape: Dims,
}

impl Op for Scatter {
    fn name(&self) -> &'static str {
        "view_scatter"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.shape, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        crate::fill::fill_raw(out, 0.0)?;
        let target = out.alias(self.view.layout(out.layout()));
        match self.view {
            View::Unfold { .. } => strided::add_overlapping(&call.ins[0], &target),
            _ => crate::copy::copy_into(&call.ins[0], &target),
        }
    }
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        let out = &call.outs[0];
        crate::fill::fill_raw(out, 0.0)?;
        if matches!(self.view, View::Unfold { .. }) {
            bail!(NotImplemented, "unfold: no gradient kernel for device gpu");
        }
        crate::copy::copy_into(&call.ins[0], &out.alias(self.view.layout(out.layout())))
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
    fn half(&self) -> Half {
        if matches!(self.view, View::Unfold { .. }) { Half::Widen } else { Half::Native }
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        Ok(grads.iter().map(|g| g.as_ref().map(|g| make(self.view.clone(), g))).collect())
    }
}

fn make(kind: View, x: &Tensor) -> Tensor {
    let layout = kind.layout(x.layout());
    view(kind, x, layout)
}

/// The same tensor as a new view, linked to `x` in the graph.
pub fn alias(x: &Tensor) -> Tensor {
    make(View::Alias, x)
}

pub fn permute(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    ensure!(
        dims.len() == x.ndim(),
        Runtime,
        "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = {} is not equal to len(dims) = {}",
        x.ndim(),
        dims.len()
    );
    let mut order = vec![];
    for &d in dims {
        let d = wrap_dim("permute", d, x.ndim())?;
        ensure!(!order.contains(&d), Runtime, "permute(): duplicate dims are not allowed.");
        order.push(d);
    }
    Ok(make(View::Permute(order), x))
}

pub fn transpose(x: &Tensor, a: i64, b: i64) -> Result<Tensor> {
    let (a, b) = (wrap_dim("transpose", a, x.ndim())?, wrap_dim("transpose", b, x.ndim())?);
    let mut order: Vec<usize> = (0..x.ndim()).collect();
    if !order.is_empty() {
        order.swap(a, b);
    }
    Ok(make(View::Permute(order), x))
}

pub fn expand(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let lead = shape.len().checked_sub(x.ndim());
    let Some(lead) = lead else {
        bail!(
            Runtime,
            "expand: the number of sizes provided ({}) must be greater or equal to the number of dimensions in the tensor ({})",
            shape.len(),
            x.ndim()
        )
    };
    if let Some(i) = (0..x.ndim()).rev().find(|&i| x.shape()[i] != 1 && x.shape()[i] != shape[lead + i]) {
        bail!(
            Runtime,
            "The expanded size of the tensor ({}) must match the existing size ({}) at non-singleton dimension {}.  Target sizes: {shape:?}.  Tensor sizes: {:?}",
            shape[lead + i],
            x.shape()[i],
            lead + i,
            x.shape()
        );
    }
    Ok(make(View::Expand(Dims::from_slice(shape)), x))
}

/// Fills in the one size given as -1.
pub fn infer_shape(shape: &[i64], numel: usize) -> Result<Dims> {
    let unknown: Vec<usize> = (0..shape.len()).filter(|&i| shape[i] == -1).collect();
    ensure!(unknown.len() <= 1, Runtime, "only one dimension can be inferred");
    if let Some(&bad) = shape.iter().find(|&&d| d < -1) {
        bail!(Runtime, "invalid shape dimension {bad}");
    }
    let mut out: Dims = shape.iter().map(|&d| d.max(0) as usize).collect();
    if let Some(&at) = unknown.first() {
        out[at] = 1;
        let known = checked_numel(&out)?;
        ensure!(
            known != 0,
            Runtime,
            "cannot reshape tensor of {numel} elements into shape {shape:?} because the unspecified dimension size -1 can be any value and is ambiguous"
        );
        ensure!(numel.is_multiple_of(known), Runtime, "shape '{shape:?}' is invalid for input of size {numel}");
        out[at] = numel / known;
    }
    ensure!(checked_numel(&out)? == numel, Runtime, "shape '{shape:?}' is invalid for input of size {numel}");
    Ok(out)
}

/// `x.view(shape)`: never copies.
pub fn view_as_shape(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let Some(strides) = x.layout().view_strides(shape) else {
        bail!(
            Runtime,
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    };
    Ok(make(View::Reshape(Dims::from_slice(shape), strides), x))
}

/// `x.reshape(shape)`: a view where strides allow, else a copy.
pub fn reshape(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    ensure!(
        checked_numel(shape)? == x.numel(),
        Runtime,
        "shape '{shape:?}' is invalid for input of size {}",
        x.numel()
    );
    if x.shape() == shape {
        return Ok(alias(x));
    }
    match x.layout().view_strides(shape) {
        Some(strides) => Ok(make(View::Reshape(Dims::from_slice(shape), strides), x)),
        None => view_as_shape(&crate::copy::copy(x)?, shape),
    }
}

/// `x[start:start + len * step:step]` along `dim`; the caller has clamped the range.
pub fn slice(x: &Tensor, dim: usize, start: usize, len: usize, step: usize) -> Tensor {
    make(View::Slice { dim, start, step, len }, x)
}

pub fn narrow(x: &Tensor, dim: i64, start: i64, length: i64) -> Result<Tensor> {
    ensure!(x.ndim() > 0, Runtime, "narrow() cannot be applied to a 0-dim tensor.");
    let dim = wrap_dim("narrow", dim, x.ndim())?;
    let size = x.shape()[dim] as i64;
    ensure!(length >= 0, Runtime, "narrow(): length must be non-negative.");
    ensure!(
        -size <= start && start <= size,
        Index,
        "start out of range (expected to be in range of [{}, {size}], but got {start})",
        -size
    );
    let start = if start < 0 { start + size } else { start };
    ensure!(start + length <= size, Runtime, "start ({start}) + length ({length}) exceeds dimension size ({size}).");
    Ok(slice(x, dim, start as usize, length as usize, 1))
}

pub fn select(x: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    ensure!(x.ndim() > 0, Index, "select() cannot be applied to a 0-dim tensor.");
    let dim = wrap_dim("select", dim, x.ndim())?;
    let size = x.shape()[dim] as i64;
    ensure!(
        -size <= index && index < size,
        Index,
        "select(): index {index} out of range for tensor of size {:?} at dimension {dim}",
        x.shape()
    );
    Ok(make(View::Select { dim, index: (if index < 0 { index + size } else { index }) as usize }, x))
}

pub fn unsqueeze(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = wrap_dim("unsqueeze", dim, x.ndim() + 1)?;
    let mut l = x.layout().clone();
    let stride = if dim < x.ndim() { l.shape[dim].max(1) as isize * l.strides[dim] } else { 1 };
    l.shape.insert(dim, 1);
    l.strides.insert(dim, stride);
    Ok(make(View::Reshape(l.shape, l.strides), x))
}

/// Drops dimensions of size 1: those listed, or all.
pub fn squeeze(x: &Tensor, dims: Option<&[i64]>) -> Result<Tensor> {
    let dims = match dims {
        None => (0..x.ndim()).collect(),
        Some([]) => return Ok(alias(x)),
        Some(dims) => crate::tensor::wrap_dims("squeeze", dims, x.ndim())?,
    };
    let keep: Vec<usize> = (0..x.ndim()).filter(|i| !(dims.contains(i) && x.shape()[*i] == 1)).collect();
    let shape = keep.iter().map(|&i| x.shape()[i]).collect();
    let strides = keep.iter().map(|&i| x.strides()[i]).collect();
    Ok(make(View::Reshape(shape, strides), x))
}

pub fn diagonal(x: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
    let (dim1, dim2) = (wrap_dim("diagonal", dim1, x.ndim())?, wrap_dim("diagonal", dim2, x.ndim())?);
    ensure!(dim1 != dim2, Runtime, "diagonal dimensions cannot be identical {dim1}, {dim2}");
    Ok(make(View::Diagonal { offset, dim1, dim2 }, x))
}

pub fn unfold(x: &Tensor, dim: i64, size: i64, step: i64) -> Result<Tensor> {
    let dim = wrap_dim("unfold", dim, x.ndim())?;
    let have = x.shape().get(dim).copied().unwrap_or(1) as i64;
    ensure!(
        size >= 0 && size <= have,
        Runtime,
        "maximum size for tensor at dimension {dim} is {have} but size is {size}"
    );
    ensure!(step > 0, Runtime, "step is {step} but must be > 0");
    if x.ndim() == 0 {
        return unfold(&unsqueeze(x, 0)?, 0, size, step).and_then(|y| select(&y, 0, 0));
    }
    Ok(make(View::Unfold { dim, size: size as usize, step: step as usize }, x))
}
