//! Padding of the last dimensions by a constant or by the input itself: reflected, repeated from the edge, or wrapped around.
use crate::autograd::Ctx;
use crate::index::kernel::by_size;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::view::View;
use rsnn_core::{Dims, Result, bail, dispatch, ensure};
use rsnn_cpu::moves::pad::{self as kernel, Axis, OUTSIDE};
use smallvec::smallvec;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Constant,
    Reflect,
    Replicate,
    Circular,
}

/// Widths left and right of each of the last dimensions; negative ones crop.
type Widths = Vec<[i64; 2]>;

#[derive(Clone)]
struct Pad {
    mode: Mode,
    widths: Widths,
    axes: Arc<[Axis]>,
    /// What a constant padding holds if not zero: 0-d, of the dtype of the input, on the CPU.
    value: Option<Tensor>,
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let mut shape = Dims::from_slice(ins[0].shape());
        let lead = shape.len() - self.axes.len();
        shape[lead..].iter_mut().zip(self.axes.iter()).for_each(|(d, a)| *d = a.len());
        rsnn_core::checked_numel(&shape)?;
        Ok(smallvec![Meta { shape, ..ins[0].meta() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, out) = (&call.ins[0], &call.outs[0]);
        let planes = x.shape()[..x.ndim() - self.axes.len()].iter().product();
        by_size!(x.dtype(), T => {
            // SAFETY: the value has one element of this width.
            let value = self.value.as_ref().map_or(T::default(), |v| unsafe { *v.ptr::<T>() });
            // SAFETY: input and output are contiguous, of the shapes that the axes were made from.
            unsafe { kernel::pad(x.ptr::<T>().cast_const(), out.ptr::<T>(), planes, &self.axes, value) }
        });
        Ok(())
    }
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        let (x, out) = (&call.ins[0], &call.outs[0]);
        if self.mode != Mode::Constant {
            bail!(NotImplemented, "pad: no kernel for device gpu in mode {:?}; move the inputs with .cpu()", self.mode);
        }
        crate::fill::fill_raw(out, self.value.as_ref().map_or(Ok(0.0), Tensor::item)?)?;
        let (mut from, mut to) = (x.layout().clone(), out.layout().clone());
        let lead = x.ndim() - self.axes.len();
        for (i, a) in self.axes.iter().enumerate() {
            let part = |start| View::Slice { dim: lead + i, start, step: 1, len: a.inner.len() };
            (from, to) = (part(a.inner.start).layout(&from), part(a.sides[0].len()).layout(&to));
        }
        if from.numel() > 0 { crate::copy::copy_into(&x.alias(from), &out.alias(to)) } else { Ok(()) }
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        let dx = match self.mode {
            Mode::Constant => {
                let back = self.widths.iter().map(|[left, right]| [-left, -right]).collect();
                apply(Pad::new(g.shape(), Mode::Constant, back, None)?, std::slice::from_ref(g))?
            }
            _ => apply(Unpad { pad: self.clone(), input: shape.clone() }, std::slice::from_ref(g))?,
        };
        Ok(smallvec![Some(dx)])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// Adds each element of a padded tensor to the one it was read from: the gradient of the modes that repeat the input.
struct Unpad {
    pad: Pad,
    input: Dims,
}

impl Op for Unpad {
    fn name(&self) -> &'static str {
        "pad_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![Meta::new(&self.input, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (g, out) = (&call.ins[0], &call.outs[0]);
        let axes = &self.pad.axes;
        let planes = out.shape()[..out.ndim() - axes.len()].iter().product();
        dispatch!(float, g.dtype(), self.name(), T => {
            let zero = T::default();
            // SAFETY: input and output are contiguous, of the shapes that the axes were made from.
            unsafe { kernel::unpad(g.ptr::<T>().cast_const(), out.ptr::<T>(), planes, axes, zero, |a, b| a + b) }
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(apply(self.pad.clone(), std::slice::from_ref(g))?)])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

impl Pad {
    fn new(shape: &[usize], mode: Mode, widths: Widths, value: Option<Tensor>) -> Result<Pad> {
        let lead = shape.len() - widths.len();
        let axes = widths.iter().enumerate().map(|(i, w)| mode.axis(shape, lead + i, *w)).collect::<Result<_>>()?;
        Ok(Pad { mode, widths, axes, value })
    }
}

impl Mode {
    fn axis(self, shape: &[usize], dim: usize, [left, right]: [i64; 2]) -> Result<Axis> {
        let size = shape[dim] as i64;
        let most = left.max(right).max(size);
        ensure!(
            (0..1 << 40).contains(&most) && left.min(right) > -1 << 40,
            Runtime,
            "pad: ({left}, {right}) is too much"
        );
        self.check(shape, dim, [left, right])?;
        // Positions left..right of the input grown by the widths; those within its bounds make the stretch.
        let (start, end) = (-left, size + right);
        let inner = start.max(0).min(size)..end.min(size).max(0);
        let all = |range: std::ops::Range<i64>| range.map(|i| self.source(i, size, &inner)).collect::<Vec<_>>();
        let sides = match self {
            Mode::Circular => {
                let len = inner.end - inner.start;
                [all(-left.max(0)..0), all(len..len + right.max(0))]
            }
            _ => [all(start..end.min(0).max(start)), all(start.max(size).min(end)..end)],
        };
        let inner = inner.start as usize..inner.end.max(inner.start) as usize;
        Ok(Axis { size: shape[dim], inner, sides })
    }

    fn check(self, shape: &[usize], dim: usize, [left, right]: [i64; 2]) -> Result<()> {
        let size = shape[dim] as i64;
        let out = size + left + right;
        match self {
            Mode::Constant => ensure!(
                size + left.min(0) + right.min(0) >= 0,
                Runtime,
                "The input size {size}, plus negative padding {left} and {right} resulted in a negative output size, which is invalid. Check dimension {dim} of your input."
            ),
            Mode::Reflect => ensure!(
                left < size && right < size,
                Runtime,
                "Padding size should be less than the corresponding input dimension, but got: padding ({left}, {right}) at dimension {dim} of input {shape:?}"
            ),
            Mode::Replicate => {}
            Mode::Circular => {
                ensure!(left <= size && right <= size, Runtime, "Padding value causes wrapping around more than once.");
                let kept = size + left.min(0) + right.min(0);
                let empty = out < 0 || kept < 0 || (kept == 0 && out > 0);
                ensure!(!empty, Runtime, "Negative padding value is resulting in an empty dimension");
            }
        }
        let cropped = matches!(self, Mode::Reflect | Mode::Replicate) && out < 1;
        ensure!(!cropped, Runtime, "input ({size}) is too small. Calculated output at dimension {dim}: {out}");
        Ok(())
    }

    /// The input position that output position `i` reads; for circular padding `i` counts from the start of `inner`.
    fn source(self, i: i64, size: i64, inner: &std::ops::Range<i64>) -> usize {
        let at = match self {
            Mode::Constant => return OUTSIDE,
            Mode::Reflect if size < 2 => 0,
            Mode::Reflect => {
                let period = 2 * (size - 1);
                let at = i.rem_euclid(period);
                at.min(period - at)
            }
            Mode::Replicate => i.clamp(0, size - 1),
            Mode::Circular => inner.start + i.rem_euclid((inner.end - inner.start).max(1)),
        };
        at as usize
    }
}

/// `pad(x, widths, mode, value)`: widths of the last dimension first, as (left, right).
pub fn pad(x: &Tensor, widths: &[i64], mode: &str, value: Option<&Tensor>) -> Result<Tensor> {
    let mode = match mode {
        "constant" => Mode::Constant,
        "reflect" => Mode::Reflect,
        "replicate" => Mode::Replicate,
        "circular" => Mode::Circular,
        other => bail!(NotImplemented, "Unrecognised padding mode {other}"),
    };
    ensure!(
        widths.len().is_multiple_of(2) && widths.len() / 2 <= x.ndim(),
        Runtime,
        "pad: {} widths do not fit {} dimensions",
        widths.len(),
        x.ndim()
    );
    if widths.iter().all(|&w| w == 0) {
        return crate::copy::copy(x);
    }
    let value = match value {
        Some(v) => {
            ensure!(v.ndim() == 0, Runtime, "pad: the value must be a number");
            Some(crate::device::to_device(&crate::copy::to_dtype(&v.detach(), x.dtype())?, rsnn_core::Device::Cpu)?)
        }
        None => None,
    };
    let widths = widths.chunks_exact(2).rev().map(|w| [w[0], w[1]]).collect();
    apply(Pad::new(x.shape(), mode, widths, value)?, std::slice::from_ref(x))
}
