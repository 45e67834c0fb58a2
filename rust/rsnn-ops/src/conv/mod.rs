//! Convolution over 1 to 3 dimensions, its transpose, and the weight's gradient: three bilinear ops over the same sizes,
//! each one's gradient is made of the other two.
mod check;
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::{reduce, view};
use rsnn_core::{Dims, Element, Result, dispatch, ensure};
use rsnn_cpu::conv::{self, Geometry, View};
use rsnn_cpu::gemm::GemmScalar;
use smallvec::smallvec;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// `(x, w, [b]) -> y`
    Forward,
    /// `(y, w, [b]) -> x`
    Transpose,
    /// `(y, x) -> w`
    Weight,
}

#[derive(Clone, Copy)]
struct Conv {
    kind: Kind,
    geometry: Geometry,
}

impl Conv {
    fn of(self, kind: Kind, ins: [Tensor; 2]) -> Result<Tensor> {
        apply(Conv { kind, ..self }, &ins)
    }

    fn run<T: GemmScalar + Element>(&self, call: &CpuCall) -> Result<()> {
        let (g, out) = (&self.geometry, call.output::<T>(0));
        let whole = |i: usize| crate::copy::contiguous(&call.ins[i]);
        let bias = call.ins.get(2).map(crate::copy::contiguous).transpose()?;
        let bias = bias.as_ref().map(Tensor::as_slice);
        match self.kind {
            Kind::Forward => {
                let (x, w) = (&call.ins[0], whole(1)?);
                // SAFETY: the geometry was made for these tensors; the view has the tensor's own strides.
                unsafe { conv::forward(g, x.shape()[0], view(x), w.as_slice(), bias, out) };
            }
            Kind::Transpose => {
                let (y, w) = (whole(0)?, whole(1)?);
                conv::input_gradient(g, y.shape()[0], y.as_slice(), w.as_slice(), bias, out);
            }
            Kind::Weight => {
                let (y, x) = (whole(0)?, &call.ins[1]);
                // SAFETY: as above.
                unsafe { conv::weight_gradient(g, x.shape()[0], y.as_slice(), view(x), out) };
            }
        }
        Ok(())
    }
}

/// The image `(N, C, *)` with its own strides: channels-last needs no copy.
fn view<T>(x: &Tensor) -> View<T> {
    let (given, mut strides) = (x.strides(), [0; 5]);
    strides[..2].copy_from_slice(&given[..2]);
    strides[7 - given.len()..].copy_from_slice(&given[2..]);
    View { ptr: x.ptr::<T>().cast_const(), strides }
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        let at = self.geometry.rank - 1;
        match self.kind {
            Kind::Forward => ["conv1d", "conv2d", "conv3d"][at],
            Kind::Transpose => ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"][at],
            Kind::Weight => "conv_weight_backward",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, w, g) = (&ins[0], &ins[1], &self.geometry);
        let dtype = x.dtype();
        ensure!(dtype.is_float(), NotImplemented, "\"{}\" not implemented for '{}'", self.name(), dtype.scalar_name());
        ensure!(
            w.dtype() == dtype,
            Runtime,
            "expected scalar type {} but found {}",
            dtype.scalar_name(),
            w.dtype().scalar_name()
        );
        if let Some(b) = ins.get(2) {
            ensure!(
                b.dtype() == dtype,
                Runtime,
                "Input type ({}) and bias type ({}) should be the same",
                crate::index::c_name(dtype),
                crate::index::c_name(b.dtype())
            );
        }
        let skip = 3 - g.rank;
        let mut shape: Dims = match self.kind {
            Kind::Forward => smallvec![x.shape()[0], g.groups * g.co],
            Kind::Transpose => smallvec![x.shape()[0], g.groups * g.ci],
            Kind::Weight => smallvec![g.groups * g.co, g.ci],
        };
        shape.extend_from_slice(match self.kind {
            Kind::Forward => &g.output[skip..],
            Kind::Transpose => &g.input[skip..],
            Kind::Weight => &g.kernel[skip..],
        });
        Ok(smallvec![Meta { shape, dtype, device: x.device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.outs[0].dtype(), self.name(), T => self.run::<T>(call))
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let mut out: Grads = smallvec![None; cx.num_inputs()];
        let Some(g) = grads[0].clone() else { return Ok(out) };
        if cx.needs(0) {
            let b = cx.input(1)?;
            out[0] = Some(match self.kind {
                Kind::Forward => self.of(Kind::Transpose, [g.clone(), b])?,
                Kind::Transpose => self.of(Kind::Forward, [g.clone(), b])?,
                Kind::Weight => self.of(Kind::Forward, [b, g.clone()])?,
            });
        }
        if cx.needs(1) {
            let a = cx.input(0)?;
            out[1] = Some(match self.kind {
                Kind::Forward => self.of(Kind::Weight, [g.clone(), a])?,
                Kind::Transpose => self.of(Kind::Weight, [a, g.clone()])?,
                Kind::Weight => self.of(Kind::Transpose, [a, g.clone()])?,
            });
        }
        if cx.needs(2) {
            let dims: Vec<i64> = (0..g.ndim() as i64).filter(|&d| d != 1).collect();
            out[2] = Some(reduce::sum(&g, &dims, false, None)?);
        }
        Ok(out)
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0b11, outputs: 0 }
    }
    fn strided(&self) -> bool {
        true
    }
}

/// Applies `op` to a batch, or to a single sample without batch dimension.
fn run(op: Conv, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let single = x.ndim() == op.geometry.rank + 1;
    let mut ins = vec![if single { view::unsqueeze(x, 0)? } else { x.clone() }, w.clone()];
    ins.extend(b.cloned());
    let y = apply(op, &ins)?;
    if single { view::squeeze(&y, Some(&[0])) } else { Ok(y) }
}

/// Cross-correlation of `x (N, C, *)` or `(C, *)` with `w (out, C / groups, *)`.
pub fn conv(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    stride: &[i64],
    padding: &[i64],
    dilation: &[i64],
    groups: i64,
) -> Result<Tensor> {
    let request =
        check::Request { x, w, b, stride, padding, dilation, output_padding: &[0], groups, transposed: false };
    run(Conv { kind: Kind::Forward, geometry: request.geometry()? }, x, w, b)
}

/// The transpose of `conv` in its input: `x (N, C, *)` or `(C, *)`, `w (C, out / groups, *)`.
#[allow(clippy::too_many_arguments)]
pub fn conv_transpose(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    stride: &[i64],
    padding: &[i64],
    output_padding: &[i64],
    groups: i64,
    dilation: &[i64],
) -> Result<Tensor> {
    let request = check::Request { x, w, b, stride, padding, dilation, output_padding, groups, transposed: true };
    run(Conv { kind: Kind::Transpose, geometry: request.geometry()? }, x, w, b)
}
