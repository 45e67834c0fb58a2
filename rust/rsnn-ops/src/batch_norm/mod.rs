//! batch_norm: `(x - mean) / sqrt(var + eps) * weight + bias` per channel of `(N, C, *)`, with the batch's statistics in
//! training and the running ones in evaluation (Ioffe and Szegedy 2015).
use crate::autograd::Ctx;
use crate::copy::copy_into;
use crate::elementwise::{add, mul, scale, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{copy, reduce, unary, view};
use rsnn_core::{DType, Result, dispatch, ensure};
use rsnn_cpu::rows::batch_norm::{self as rows, BatchNormBackwardArgs, ChannelShape};
use smallvec::smallvec;
use std::sync::Arc;
#[cfg(test)]
mod tests;

/// Inputs: x, running mean and variance in evaluation, then weight and bias where present.
/// Outputs in training: y, mean, biased variance. Hidden: reciprocal deviation.
#[derive(Clone, Copy)]
struct BatchNorm {
    train: bool,
    eps: f64,
    weight: bool,
    bias: bool,
}

fn sizes(x: &Tensor) -> ChannelShape {
    let s = x.shape();
    ChannelShape { outer: s[0], channels: s[1], inner: s[2..].iter().product() }
}

/// How a kernel sees `x`; channels last is a matrix of channels.
fn seen(x: &Tensor, last: bool) -> ChannelShape {
    let s = sizes(x);
    if last { ChannelShape { outer: s.outer * s.inner, inner: 1, ..s } } else { s }
}

impl BatchNorm {
    fn weight_at(&self) -> usize {
        if self.train { 1 } else { 3 }
    }
    fn bias_at(&self) -> usize {
        self.weight_at() + usize::from(self.weight)
    }

    fn meaning(&self, ins: &[Tensor]) -> Result<Tensors> {
        let x = &ins[0];
        let s = sizes(x);
        let mut wide = vec![1; x.ndim()];
        wide[1] = s.channels;
        let (mean, var) = if self.train {
            let dims: Vec<i64> = (0..x.ndim() as i64).filter(|&d| d != 1).collect();
            let mean_of = |t: &Tensor| scale(&reduce::sum(t, &dims, true, None)?, 1.0 / (s.outer * s.inner) as f64);
            let mean = mean_of(x)?;
            let centred = sub(x, &mean)?;
            let var = mean_of(&mul(&centred, &centred)?)?;
            (mean, var)
        } else {
            (view::reshape(&ins[1], &wide)?, view::reshape(&ins[2], &wide)?)
        };
        let deviation = unary::apply_named("sqrt", &add(&var, &Tensor::number(self.eps, DType::F64)?)?)?;
        let mut y = mul(&sub(x, &mean)?, &unary::apply_named("reciprocal", &deviation)?)?;
        if self.weight {
            y = mul(&y, &view::reshape(&ins[self.weight_at()], &wide)?)?;
        }
        if self.bias {
            y = add(&y, &view::reshape(&ins[self.bias_at()], &wide)?)?;
        }
        if !self.train {
            return Ok(smallvec![y]);
        }
        let flat = |t: &Tensor| view::reshape(t, &[s.channels]);
        Ok(smallvec![y, flat(&mean)?, flat(&var)?])
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(
            x.dtype().is_float(),
            NotImplemented,
            "\"batch_norm\" not implemented for '{}'",
            x.dtype().scalar_name()
        );
        for t in &ins[1..] {
            ensure!(
                t.dtype() == x.dtype() || (x.dtype().is_half() && t.dtype() == DType::F32),
                Runtime,
                "mixed dtype (CPU): expect parameter to have scalar type of {}",
                if x.dtype().is_half() { "Float" } else { x.dtype().scalar_name() }
            );
        }
        let stat = Meta::new(&[x.shape()[1]], x.dtype().compute(), x.device());
        let stats = if self.train { 3 } else { 1 };
        Ok(std::iter::once(x.meta()).chain((0..stats).map(|_| stat.clone())).collect())
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (last, ins, outs) = view::arranged(call, 0)?;
        let (s, call) = (seen(&call.ins[0], last), CpuCall { ins: &ins, outs: &outs });
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let weight = self.weight.then(|| call.input::<T>(self.weight_at()));
            let bias = self.bias.then(|| call.input::<T>(self.bias_at()));
            let (x, y) = (call.input::<T>(0), call.output::<T>(0));
            if self.train {
                rows::batch_norm(x, weight, bias, s, self.eps, y, (call.output(1), call.output(2), call.output(3)));
            } else {
                let rstd = call.output::<T>(1);
                for (r, v) in rstd.iter_mut().zip(call.input::<T>(2)) {
                    *r = (1.0 / (f64::from(*v) + self.eps).sqrt()) as T;
                }
                rows::batch_norm_eval(x, call.input(1), rstd, weight, bias, s, y);
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let mut out: Grads = smallvec![None; cx.num_inputs()];
        let Some(g) = &grads[0] else { return Ok(out) };
        let (mean, rstd) = if self.train { (cx.output(1)?, cx.output(3)?) } else { (cx.input(1)?, cx.output(1)?) };
        let mut ins = vec![g.detach(), cx.input(0)?.detach(), mean.detach(), rstd.detach()];
        if self.weight {
            ins.push(cx.input(self.weight_at())?.detach());
        }
        let bias = self.bias.then(|| cx.input_meta(self.bias_at()).dtype);
        let mut found =
            apply_all(Arc::new(Backward { train: self.train, weight: self.weight, bias }), &ins)?.into_iter();
        out[0] = found.next();
        for slot in &mut out[self.weight_at()..] {
            *slot = found.next();
        }
        Ok(out)
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(ins))
    }
    fn saves(&self) -> Saves {
        Saves { inputs: !0, outputs: if self.train { 0b1010 } else { 0b10 } }
    }
    fn hidden(&self) -> usize {
        1
    }
    fn strided(&self) -> bool {
        true
    }
    fn empty(&self, i: usize, meta: &Meta, ins: &[Tensor]) -> Result<Tensor> {
        if i == 0 { view::empty_like(meta, &ins[0]) } else { Tensor::empty_meta(meta) }
    }
}

/// `(dy, x, mean, rstd, [weight]) -> (dx, [dweight], [dbias])`
struct Backward {
    train: bool,
    weight: bool,
    bias: Option<DType>,
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "batch_norm_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[1];
        let mut out: Metas = smallvec![x.meta()];
        out.extend(ins.get(4).map(Tensor::meta));
        out.extend(self.bias.map(|dtype| Meta::new(&[x.shape()[1]], dtype, x.device())));
        Ok(out)
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        if call.ins[1].numel() == 0 {
            return call.outs[1..].iter().try_for_each(|o| crate::fill::fill_raw(o, 0.0));
        }
        let (last, ins, outs) = view::arranged(call, 1)?;
        let (shape, call) = (seen(&call.ins[1], last), CpuCall { ins: &ins, outs: &outs });
        dispatch!(float, call.ins[1].dtype(), self.name(), T => {
            let args = BatchNormBackwardArgs {
                dy: call.input::<T>(0),
                x: call.input(1),
                mean: call.input(2),
                rstd: call.input(3),
                weight: self.weight.then(|| call.input(4)),
                shape,
                train: self.train,
            };
            let dweight = self.weight.then(|| call.output(1));
            let dbias = self.bias.map(|_| call.output(1 + usize::from(self.weight)));
            rows::batch_norm_backward(args, Some(call.output(0)), dweight, dbias);
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
    fn strided(&self) -> bool {
        true
    }
    fn empty(&self, i: usize, meta: &Meta, ins: &[Tensor]) -> Result<Tensor> {
        if i == 0 { view::empty_like(meta, &ins[1]) } else { Tensor::empty_meta(meta) }
    }
}

/// `running = (1 - momentum) running + momentum stat factor`, in place.
fn update(running: &Tensor, stat: &Tensor, factor: f64, momentum: f64) -> Result<()> {
    let old = copy::contiguous(&copy::cast(&running.detach(), DType::F64)?)?;
    let stat = copy::cast(&stat.detach(), DType::F64)?;
    let new: Vec<f64> = old
        .as_slice::<f64>()
        .iter()
        .zip(stat.as_slice::<f64>())
        .map(|(o, s)| (1.0 - momentum) * o + momentum * s * factor)
        .collect();
    copy_into(&Tensor::from_slice(&new, running.shape())?, &running.detach())?;
    running.bump_version();
    Ok(())
}

fn check(x: &Tensor, named: &[(&str, Option<&Tensor>)], train: bool) -> Result<()> {
    ensure!(x.ndim() >= 2, Index, "Dimension out of range (expected to be in range of [-1, 0], but got 1)");
    let s = sizes(x);
    ensure!(
        !train || s.outer * s.inner != 1,
        Value,
        "Expected more than 1 value per channel when training, got input size rsnn.Size({:?})",
        x.shape()
    );
    for (name, t) in named {
        if let Some(t) = t {
            ensure!(
                t.numel() == s.channels,
                Runtime,
                "{name} should contain {} elements not {}",
                s.channels,
                t.numel()
            );
        } else {
            let needed = !train && name.starts_with("running");
            ensure!(!needed, Runtime, "{name} must be defined in evaluation mode");
        }
    }
    Ok(())
}

/// Normalises each channel; in training the running statistics move towards the batch's by `momentum`.
#[allow(clippy::too_many_arguments)]
pub fn batch_norm(
    x: &Tensor,
    w: Option<&Tensor>,
    b: Option<&Tensor>,
    running_mean: Option<&Tensor>,
    running_var: Option<&Tensor>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Result<Tensor> {
    let named = [("running_mean", running_mean), ("running_var", running_var), ("weight", w), ("bias", b)];
    check(x, &named, training)?;
    let op = BatchNorm { train: training, eps, weight: w.is_some(), bias: b.is_some() };
    let mut ins = vec![x.clone()];
    if !training {
        ins.extend([running_mean, running_var].into_iter().flatten().map(Tensor::detach));
    }
    ins.extend([w, b].into_iter().flatten().cloned());
    let mut out = apply_all(Arc::new(op), &ins)?;
    if training && x.numel() > 0 {
        let n = (x.numel() / x.shape()[1]) as f64;
        for (running, stat, factor) in [(running_mean, &out[1], 1.0), (running_var, &out[2], n / (n - 1.0))] {
            if let Some(running) = running {
                update(running, stat, factor, momentum)?;
            }
        }
    }
    Ok(out.swap_remove(0))
}
