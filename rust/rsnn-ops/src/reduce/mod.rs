//! Reductions over dimensions: the plan they share, and sum and mean. Each other kind has its file.
mod extreme;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod logic;
mod norm;
mod prod;
mod stat;
#[cfg(test)]
mod tests;

pub use extreme::{amax, amin, argmax, argmin, max, max_dim, min, min_dim};
pub use logic::{all, any, count_nonzero};
pub use norm::{logsumexp, norm};
pub use prod::prod;
pub use stat::{nanmean, nansum, std, std_mean, var, var_mean};

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor, wrap_dims};
use crate::view;
use rsnn_core::{DType, Device, Dims, Result, ensure};
use rsnn_cpu::rows::reduce::Axis;
use smallvec::SmallVec;

/// Runs `$body` with `$T` bound to the element type; half types never get here, kernels see them widened.
macro_rules! dispatch_ordered {
    ($dtype:expr, $op:expr, $T:ident => $body:expr) => {
        match $dtype {
            rsnn_core::DType::Bool => {
                type $T = bool;
                $body
            }
            rsnn_core::DType::U8 => {
                type $T = u8;
                $body
            }
            rsnn_core::DType::I8 => {
                type $T = i8;
                $body
            }
            rsnn_core::DType::I16 => {
                type $T = i16;
                $body
            }
            rsnn_core::DType::I32 => {
                type $T = i32;
                $body
            }
            rsnn_core::DType::I64 => {
                type $T = i64;
                $body
            }
            rsnn_core::DType::F32 => {
                type $T = f32;
                $body
            }
            rsnn_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => rsnn_core::bail!(NotImplemented, "\"{}\" not implemented for '{}'", $op, other.scalar_name()),
        }
    };
}
pub(crate) use dispatch_ordered;

/// Layout of a pass along `dim`; a 0-d tensor counts as one element.
pub(crate) fn axis(shape: &[usize], dim: usize) -> Axis {
    match shape.get(dim) {
        Some(&len) => Axis { outer: shape[..dim].iter().product(), len, inner: shape[dim + 1..].iter().product() },
        None => Axis { outer: 1, len: 1, inner: 1 },
    }
}

/// The dimensions of a reduction, normalised.
#[derive(Clone, Debug)]
pub struct Plan {
    pub dims: SmallVec<[usize; 6]>,
    pub keepdim: bool,
}

impl Plan {
    /// `dims` empty means all dimensions.
    pub fn new(op: &str, x: &Tensor, dims: &[i64], keepdim: bool) -> Result<Plan> {
        let mut dims = wrap_dims(op, dims, x.ndim())?;
        if x.ndim() == 0 {
            dims.clear();
        }
        dims.sort_unstable();
        Ok(Plan { dims, keepdim })
    }

    /// Shape with the reduced dimensions as 1.
    pub fn kept(&self, shape: &[usize]) -> Dims {
        shape.iter().enumerate().map(|(i, &d)| if self.dims.contains(&i) { 1 } else { d }).collect()
    }

    /// Shape of the result.
    pub fn shape(&self, shape: &[usize]) -> Dims {
        if self.keepdim {
            return self.kept(shape);
        }
        shape.iter().enumerate().filter(|(i, _)| !self.dims.contains(i)).map(|(_, &d)| d).collect()
    }

    /// Number of elements that go into one result.
    pub fn count(&self, shape: &[usize]) -> usize {
        self.dims.iter().map(|&d| shape[d]).product()
    }

    /// `x` contiguous with the reduced dimensions adjacent, and its layout.
    pub fn arrange(&self, x: &Tensor) -> Result<(Tensor, Axis)> {
        let shape = x.shape();
        let count = self.count(shape);
        let adjacent = self.dims.windows(2).all(|w| w[1] == w[0] + 1);
        if let (true, Some(&first), Some(&last)) = (adjacent, self.dims.first(), self.dims.last()) {
            let outer = shape[..first].iter().product();
            let inner = shape[last + 1..].iter().product();
            return Ok((crate::copy::contiguous(x)?, Axis { outer, len: count, inner }));
        }
        let mut order: Vec<usize> = (0..x.ndim()).filter(|d| !self.dims.contains(d)).collect();
        let outer = order.iter().map(|&d| shape[d]).product();
        order.extend(&self.dims);
        let moved = x.alias(view::View::Permute(order).layout(x.layout()));
        Ok((crate::copy::contiguous(&moved)?, Axis { outer, len: count, inner: 1 }))
    }
}

struct Sum {
    plan: Plan,
    dtype: DType,
    mean: bool,
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        if self.mean { "mean" } else { "sum" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.plan.shape(ins[0].shape()), self.dtype, ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        use rsnn_cpu::rows::reduce as rows;
        let compute = self.dtype.compute();
        let x = &call.ins[0];
        let x = if compute.is_float() && x.dtype() != compute { crate::copy::cast(x, compute)? } else { x.clone() };
        let (x, axis) = self.plan.arrange(&x)?;
        match x.dtype() {
            DType::F32 if self.mean => rows::mean(x.as_slice::<f32>(), call.output(0), axis),
            DType::F64 if self.mean => rows::mean(x.as_slice::<f64>(), call.output(0), axis),
            dtype => dispatch_ordered!(dtype, "sum_cpu", T => rows::sum(x.as_slice::<T>(), call.output(0), axis)),
        }
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::run(gpu::Reduction::Sum, &self.plan, call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        let g = if self.mean { crate::elementwise::scale(g, 1.0 / self.plan.count(shape) as f64)? } else { g.clone() };
        let g = view::reshape(&g, &self.plan.kept(shape))?;
        Ok(smallvec::smallvec![Some(view::expand(&g, shape)?)])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
}

/// `x.sum(dims, keepdim, dtype)`; integers and bool add up in int64.
pub fn sum(x: &Tensor, dims: &[i64], keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let to = dtype.unwrap_or(if x.dtype().is_float() { x.dtype() } else { DType::I64 });
    let x = if to.is_float() || x.dtype().is_float() { crate::copy::to_dtype(x, to)? } else { x.clone() };
    let plan = Plan::new("sum", &x, dims, keepdim)?;
    let dtype = if to.is_float() { to } else { DType::I64 };
    crate::copy::to_dtype(&apply(Sum { plan, dtype, mean: false }, &[x])?, to)
}

/// `x.mean(dims, keepdim, dtype)`.
pub fn mean(x: &Tensor, dims: &[i64], keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let to = dtype.unwrap_or(x.dtype());
    ensure!(
        to.is_float(),
        Runtime,
        "mean(): could not infer output dtype. {} dtype must be either a floating point or complex dtype. Got: {}",
        if dtype.is_some() { "Optional" } else { "Input" },
        to.scalar_name()
    );
    let x = crate::copy::to_dtype(x, to)?;
    let plan = Plan::new("mean", &x, dims, keepdim)?;
    if x.device() != Device::Cpu {
        let count = plan.count(x.shape()) as f64;
        return crate::elementwise::scale(&sum(&x, dims, keepdim, None)?, 1.0 / count);
    }
    apply(Sum { plan, dtype: to, mean: true }, &[x])
}

/// `g` of a reduction's result as it is broadcast over `shape`.
pub(crate) fn spread(plan: &Plan, g: &Tensor, shape: &[usize]) -> Result<Tensor> {
    view::reshape(g, &plan.kept(shape))
}

/// Sums `x` down to a shape that broadcasts to its own: the gradient of a broadcast.
pub fn sum_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let lead = x.ndim() - shape.len();
    let dims: Vec<i64> =
        (0..x.ndim()).filter(|&i| i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)).map(|i| i as i64).collect();
    let y = if dims.is_empty() { x.clone() } else { sum(x, &dims, true, Some(x.dtype()))? };
    view::reshape(&y, shape)
}
