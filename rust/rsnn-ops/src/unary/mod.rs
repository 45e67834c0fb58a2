//! One-input elementwise ops as a table (`table.rs`): name, f, fused gradient, gradient in differentiable ops.
mod activation;
mod bessel;
mod clamp;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod predicate;
mod special;
mod table;
#[cfg(test)]
mod tests;

pub use clamp::{clamp, clamp_tensor};
pub use predicate::{TESTS, test};
pub(crate) use special::lgamma;

use crate::autograd::{self, Ctx};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::pointwise;
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Device, Result, bail, ensure};
use rsnn_cpu::pool;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Up to three numbers that an op carries: slope, alpha, bounds.
pub type Params = [f64; 3];

/// What the gradient needs besides the incoming one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The input.
    X,
    /// The result.
    Y,
    Nothing,
}

/// What integers become. The text is the kernel's name in torch's refusal.
#[derive(Clone, Copy)]
pub enum Ints {
    /// They stay integers.
    Keep(&'static str, fn(i64, Params) -> i64),
    /// The result is float32.
    Promote,
    Refuse(&'static str),
}

type Kernel<T> = fn(&[T], &mut [T], Params);
type Slope<T> = fn(&[T], &[T], &mut [T], Params);

/// `(saved, g)` to the gradient, in differentiable ops.
pub type Gradient = fn(&Tensor, &Tensor, Params) -> Result<Tensor>;

/// One row of the table.
pub struct Row {
    pub name: &'static str,
    pub f32: Kernel<f32>,
    pub f64: Kernel<f64>,
    pub ints: Ints,
    pub needs: Needs,
    /// `(saved, g, dx)`: the gradient in one pass.
    pub slope32: Slope<f32>,
    pub slope64: Slope<f64>,
    /// The gradient in differentiable ops: `(saved, g)`. `None` where it is zero everywhere.
    pub grad: Option<Gradient>,
}

/// An op of the table with its parameters.
pub struct Unary {
    pub row: &'static Row,
    pub params: Params,
}

fn each<A: Copy + Send + Sync, B: Copy + Send + Sync>(
    len: usize,
    a: &[A],
    out: &mut [B],
    f: impl Fn(&[A], &mut [B]) + Sync,
) {
    let chunks = pool::split(len, 16 * 1024);
    let to = pool::SendPtr(out.as_mut_ptr());
    pool::for_each_chunk(chunks, |c| {
        let r = pool::range(len, chunks, c);
        // SAFETY: ranges of chunks are disjoint and within `out`, which has `len` elements.
        let part = unsafe { std::slice::from_raw_parts_mut(to.get().add(r.start), r.len()) };
        f(&a[r], part);
    });
}

fn refuse(kernel: &str, dtype: DType) -> Result<DType> {
    bail!(NotImplemented, "\"{kernel}\" not implemented for '{}'", dtype.scalar_name())
}

/// The result's dtype for bool input.
fn of_bool(name: &str, kernel: &str) -> Result<DType> {
    match name {
        "sign" | "nan_to_num" => Ok(DType::Bool),
        "square" | "clamp" => Ok(DType::I64),
        "neg" => bail!(
            Runtime,
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        ),
        "relu" => bail!(Runtime, "Boolean inputs not supported for relu"),
        "hardtanh" | "relu6" => bail!(Runtime, "Bool inputs not supported for hardtanh"),
        _ => refuse(kernel, DType::Bool),
    }
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        self.row.name
    }

    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        let dtype = match (x.dtype(), self.row.ints) {
            (d, _) if d.is_float() => d,
            (_, Ints::Promote) => crate::elementwise::default_dtype(),
            (d, Ints::Refuse(kernel)) => refuse(kernel, d)?,
            (DType::Bool, Ints::Keep(kernel, _)) => of_bool(self.row.name, kernel)?,
            (d, Ints::Keep(..)) => d,
        };
        Ok(smallvec::smallvec![Meta::new(x.shape(), dtype, x.device())])
    }

    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, p) = (&call.ins[0], self.params);
        let n = x.numel();
        match call.outs[0].dtype() {
            DType::F32 => {
                let x = if x.dtype() == DType::F32 { x.clone() } else { crate::copy::cast(x, DType::F32)? };
                each(n, x.as_slice(), call.output(0), |a, b| (self.row.f32)(a, b, p));
            }
            DType::F64 => {
                let x = if x.dtype() == DType::F64 { x.clone() } else { crate::copy::cast(x, DType::F64)? };
                each(n, x.as_slice(), call.output(0), |a, b| (self.row.f64)(a, b, p));
            }
            _ => {
                let Ints::Keep(_, f) = self.row.ints else {
                    bail!(NotImplemented, "{}: no integer kernel", self.name())
                };
                let wide = crate::copy::cast(x, DType::I64)?;
                let out = Tensor::empty(x.shape(), DType::I64, x.device())?;
                each(n, wide.as_slice(), out.as_mut_slice(), |a, b| {
                    b.iter_mut().zip(a).for_each(|(b, &a)| *b = f(a, p))
                });
                crate::copy::copy_into(&out, &call.outs[0])?;
            }
        }
        Ok(())
    }

    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::forward(self.row.name, self.params, call)
    }

    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let Some(grad) = self.row.grad else {
            return Ok(smallvec::smallvec![Some(crate::fill::zeros_like(g)?)]);
        };
        let saved = match self.row.needs {
            Needs::X => cx.input(0)?,
            Needs::Y => cx.output(0)?,
            Needs::Nothing => g.clone(),
        };
        if autograd::is_enabled() || !has_slope(self.row, g.device()) {
            return Ok(smallvec::smallvec![Some(grad(&saved, g, self.params)?)]);
        }
        let ins = [g.clone(), saved];
        let out = pointwise::empty(&g.meta(), &ins)?;
        crate::op::run(&SlopeOf { row: self.row, params: self.params }, &ins, std::slice::from_ref(&out))?;
        Ok(smallvec::smallvec![Some(out)])
    }

    fn saves(&self) -> Saves {
        match self.row.needs {
            Needs::X => Saves::INPUTS,
            Needs::Y => Saves::OUTPUTS,
            Needs::Nothing => Saves::NONE,
        }
    }

    fn pointwise(&self) -> bool {
        true
    }
}

/// `(g, saved) -> dx`: the fused gradient kernel; runs only inside `Unary::vjp`, which has the differentiable form.
struct SlopeOf {
    row: &'static Row,
    params: Params,
}

impl Op for SlopeOf {
    fn name(&self) -> &'static str {
        self.row.name
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (n, p) = (call.ins[0].numel(), self.params);
        macro_rules! go {
            ($t:ty, $slope:ident) => {{
                let (s, g, out) = (call.input::<$t>(1), call.input::<$t>(0), call.output::<$t>(0));
                let chunks = pool::split(n, 16 * 1024);
                let to = pool::SendPtr(out.as_mut_ptr());
                pool::for_each_chunk(chunks, |c| {
                    let r = pool::range(n, chunks, c);
                    // SAFETY: ranges of chunks are disjoint and within `out`.
                    let part = unsafe { std::slice::from_raw_parts_mut(to.get().add(r.start), r.len()) };
                    (self.row.$slope)(&s[r.clone()], &g[r], part, p);
                });
            }};
        }
        match call.outs[0].dtype() {
            DType::F32 => go!(f32, slope32),
            DType::F64 => go!(f64, slope64),
            other => bail!(NotImplemented, "{}: no gradient for {}", self.name(), other.name()),
        }
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::backward(self.row.name, self.params, call)
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.row.name)
    }
    fn pointwise(&self) -> bool {
        true
    }
}

/// Whether the gradient of `row` has a kernel on `device`.
fn has_slope(row: &Row, device: Device) -> bool {
    #[cfg(feature = "gpu")]
    let on_gpu = gpu::has_slope(row.name);
    #[cfg(not(feature = "gpu"))]
    let on_gpu = row.name.is_empty();
    device == Device::Cpu || on_gpu
}

/// Every row of the table.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    table::MATH.iter().chain(activation::ACTIVATIONS).chain(bessel::SPECIAL)
}

/// The row called `name`.
pub fn row(name: &str) -> Result<&'static Row> {
    static ROWS: OnceLock<HashMap<&'static str, &'static Row>> = OnceLock::new();
    match ROWS.get_or_init(|| rows().map(|r| (r.name, r)).collect()).get(name) {
        Some(r) => Ok(r),
        None => bail!(NotImplemented, "{name}: no such elementwise op"),
    }
}

pub fn apply_row(row: &'static Row, x: &Tensor, params: Params) -> Result<Tensor> {
    apply(Unary { row, params }, std::slice::from_ref(x))
}

pub fn apply_named(name: &str, x: &Tensor) -> Result<Tensor> {
    apply_row(row(name)?, x, [0.0; 3])
}

/// The op called `name`, a row of the table or a test, with its parameters.
pub fn unary(name: &str, x: &Tensor, params: Params) -> Result<Tensor> {
    if TESTS.contains(&name) { test(name, x) } else { apply_row(row(name)?, x, params) }
}

/// `x.name_()`: straight into `x` when nothing is recorded, else computed and assigned.
pub fn unary_(name: &str, x: &Tensor, params: Params) -> Result<()> {
    let recorded =
        autograd::is_enabled() && (x.requires_grad() || x.autograd().base.as_ref().is_some_and(Tensor::requires_grad));
    // Where there are no gaps, the dimensions may come in the order of memory.
    let flat = pointwise::flat(x);
    let plain = flat.is_contiguous() && x.device() == Device::Cpu && matches!(x.dtype(), DType::F32 | DType::F64);
    if TESTS.contains(&name) || recorded || !plain {
        // Backward may read what `x` held before, so those values stay as a copy.
        let value = if recorded { unary(name, &crate::copy::copy(x)?, params)? } else { unary(name, x, params)? };
        ensure!(
            value.dtype().category() <= x.dtype().category(),
            Runtime,
            "result type {} can't be cast to the desired output type {}",
            value.dtype().scalar_name(),
            x.dtype().scalar_name()
        );
        return autograd::assign(x, &value);
    }
    autograd::check_inplace(x)?;
    let row = row(name)?;
    match x.dtype() {
        DType::F32 => in_place(flat.as_mut_slice(), |a, b| (row.f32)(a, b, params)),
        _ => in_place(flat.as_mut_slice(), |a, b| (row.f64)(a, b, params)),
    }
    x.bump_version();
    Ok(())
}

/// Kernels read one slice and write another, so each block is copied out first; it stays in L1.
fn in_place<T: Copy + Default + Send + Sync>(x: &mut [T], f: impl Fn(&[T], &mut [T]) + Sync) {
    let (len, chunks) = (x.len(), pool::split(x.len(), 16 * 1024));
    let to = pool::SendPtr(x.as_mut_ptr());
    pool::for_each_chunk(chunks, |c| {
        let r = pool::range(len, chunks, c);
        // SAFETY: ranges of chunks are disjoint and within `x`.
        let part = unsafe { std::slice::from_raw_parts_mut(to.get().add(r.start), r.len()) };
        let mut block = [T::default(); 1024];
        for part in part.chunks_mut(1024) {
            let block = &mut block[..part.len()];
            block.copy_from_slice(part);
            f(block, part);
        }
    });
}
