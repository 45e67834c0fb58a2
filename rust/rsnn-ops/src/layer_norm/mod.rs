//! layer_norm and rms_norm: `(x - mean) / sqrt(var + eps) * weight + bias` over the trailing dimensions; rms_norm has no
//! mean and no bias. Statistics are two-pass (Ba et al. 2016; Zhang and Sennrich 2019).
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::autograd::Ctx;
use crate::elementwise::{add, mul, scale, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{reduce, unary};
use rsnn_core::{DType, Device, Dims, Result, dispatch, ensure};
use rsnn_cpu::rows::norm::{self, NormArgs, NormBackwardArgs};
use std::sync::Arc;

/// Inputs: x, then weight and bias where present. Hidden outputs: mean (layer_norm only) and reciprocal deviation per row.
struct Norm {
    rms: bool,
    /// How many trailing dimensions are normalised together.
    dims: usize,
    eps: f64,
    weight: bool,
    bias: bool,
}

impl Norm {
    fn sizes(&self, x: &Tensor) -> (usize, usize) {
        let cols = x.shape()[x.ndim() - self.dims..].iter().product();
        (x.shape()[..x.ndim() - self.dims].iter().product(), cols)
    }

    fn bias_at(&self) -> usize {
        1 + usize::from(self.weight)
    }

    fn meaning(&self, ins: &[Tensor]) -> Result<Tensors> {
        let x = &ins[0];
        let dims: Vec<i64> = (1..=self.dims as i64).map(|d| -d).collect();
        let (_, cols) = self.sizes(x);
        let mean_of = |t: &Tensor| scale(&reduce::sum(t, &dims, true, None)?, 1.0 / cols as f64);
        let mean = mean_of(x)?;
        let centred = if self.rms { x.clone() } else { sub(x, &mean)? };
        let var = mean_of(&mul(&centred, &centred)?)?;
        let rstd = unary::apply_named(
            "reciprocal",
            &unary::apply_named("sqrt", &add(&var, &Tensor::number(self.eps, DType::F64)?)?)?,
        )?;
        let mut y = mul(&centred, &rstd)?;
        if self.weight {
            y = mul(&y, &ins[1])?;
        }
        if self.bias {
            y = add(&y, &ins[self.bias_at()])?;
        }
        Ok(smallvec::smallvec![y])
    }
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        if self.rms { "rms_norm" } else { "layer_norm" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(
            x.dtype().is_float(),
            NotImplemented,
            "\"LayerNormKernelImpl\" not implemented for '{}'",
            x.dtype().scalar_name()
        );
        let rows: Dims = Dims::from_slice(&x.shape()[..x.ndim() - self.dims]);
        let stat = Meta { shape: rows, dtype: x.dtype().compute(), device: x.device() };
        let mut out: Metas = smallvec::smallvec![x.meta(), stat.clone()];
        if !self.rms {
            out.push(stat);
        }
        Ok(out)
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (rows, cols) = self.sizes(&call.ins[0]);
        let same = call.ins.iter().all(|t| t.dtype() == call.ins[0].dtype());
        ensure!(
            same,
            Runtime,
            "mixed dtype (CPU): expect parameter to have scalar type of {}",
            call.ins[0].dtype().scalar_name()
        );
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let args = NormArgs {
                x: call.input::<T>(0),
                weight: self.weight.then(|| call.input(1)),
                bias: self.bias.then(|| call.input(self.bias_at())),
                rows,
                cols,
                eps: self.eps,
            };
            if self.rms {
                norm::rms_norm(args, call.output(0), call.output(1));
            } else {
                norm::layer_norm(args, call.output(0), call.output(2), call.output(1));
            }
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::forward(self.sizes(&call.ins[0]), self.weight, self.bias, self.eps, call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let n = cx.num_inputs();
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None; n]) };
        let x = cx.input(0)?;
        let op = NormBackward { rms: self.rms, dims: self.dims, weight: self.weight, bias: self.bias };
        let mut ins = vec![g.clone(), x, cx.output(1)?.detach()];
        if !self.rms {
            ins.push(cx.output(2)?.detach());
        }
        if self.weight {
            ins.push(cx.input(1)?);
        }
        let ins: Vec<Tensor> = ins.iter().map(Tensor::detach).collect();
        let found = apply_all(Arc::new(op), &ins)?;
        Ok(found.into_iter().map(Some).collect())
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(ins))
    }
    fn saves(&self) -> Saves {
        Saves { inputs: !0, outputs: 0b110 }
    }
    fn hidden(&self) -> usize {
        if self.rms { 1 } else { 2 }
    }
}

/// `(dy, x, rstd, [mean], [weight]) -> (dx, [dweight], [dbias])`
struct NormBackward {
    rms: bool,
    dims: usize,
    weight: bool,
    bias: bool,
}

impl Op for NormBackward {
    fn name(&self) -> &'static str {
        if self.rms { "rms_norm_backward" } else { "layer_norm_backward" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[1];
        let tail = Meta::new(&x.shape()[x.ndim() - self.dims..], x.dtype(), x.device());
        let mut out: Metas = smallvec::smallvec![x.meta()];
        out.extend((0..usize::from(self.weight) + usize::from(self.bias)).map(|_| tail.clone()));
        Ok(out)
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let x = &call.ins[1];
        let cols: usize = x.shape()[x.ndim() - self.dims..].iter().product();
        let rows = x.shape()[..x.ndim() - self.dims].iter().product();
        dispatch!(float, x.dtype(), self.name(), T => {
            let args = NormBackwardArgs {
                dy: call.input::<T>(0),
                x: call.input(1),
                rstd: call.input(2),
                mean: (!self.rms).then(|| call.input(3)),
                weight: self.weight.then(|| call.input(if self.rms { 3 } else { 4 })),
                rows,
                cols,
            };
            let dweight = self.weight.then(|| call.output(1));
            if self.rms {
                norm::rms_norm_backward(args, call.output(0), dweight);
            } else {
                let dbias = self.bias.then(|| call.output(1 + usize::from(self.weight)));
                norm::layer_norm_backward(args, call.output(0), dweight, dbias);
            }
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        let x = &call.ins[1];
        let cols: usize = x.shape()[x.ndim() - self.dims..].iter().product();
        let rows = x.shape()[..x.ndim() - self.dims].iter().product();
        gpu::backward((rows, cols), self.weight, self.bias, call)
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

fn check_tail(op: &str, x: &Tensor, shape: &[usize], w: Option<&Tensor>, b: Option<&Tensor>) -> Result<()> {
    ensure!(
        !shape.is_empty(),
        Runtime,
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []"
    );
    for (name, t) in [("weight", w), ("bias", b)] {
        if let Some(t) = t {
            ensure!(
                t.shape() == shape,
                Runtime,
                "Expected {name} to be of same shape as normalized_shape, but got {name} of shape {:?} and normalized_shape = {shape:?}",
                t.shape()
            );
        }
    }
    ensure!(
        x.ndim() >= shape.len() && &x.shape()[x.ndim() - shape.len()..] == shape,
        Runtime,
        "{op}: Given normalized_shape={shape:?}, expected input with shape [*, {}], but got input of size{:?}",
        shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        x.shape()
    );
    Ok(())
}

fn run(op: Norm, x: &Tensor, w: Option<&Tensor>, b: Option<&Tensor>) -> Result<Tensor> {
    let mut ins = vec![x.clone()];
    ins.extend(w.cloned());
    ins.extend(b.cloned());
    // rms_norm has no kernel of its own on the GPU.
    if op.rms && x.device() != Device::Cpu {
        return Ok(op.meaning(&ins)?.swap_remove(0));
    }
    let mut out = apply_all(Arc::new(op), &ins)?;
    Ok(out.swap_remove(0))
}

/// Normalises over the trailing `shape`.
pub fn layer_norm(x: &Tensor, shape: &[usize], w: Option<&Tensor>, b: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    check_tail("layer_norm", x, shape, w, b)?;
    run(Norm { rms: false, dims: shape.len(), eps, weight: w.is_some(), bias: b.is_some() }, x, w, b)
}

/// Divides by the root of the mean square over the trailing `shape`.
pub fn rms_norm(x: &Tensor, shape: &[usize], w: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    check_tail("rms_norm", x, shape, w, None)?;
    run(Norm { rms: true, dims: shape.len(), eps, weight: w.is_some(), bias: false }, x, w, None)
}
