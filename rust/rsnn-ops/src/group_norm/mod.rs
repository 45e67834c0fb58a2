//! group_norm: `(x - mean) / sqrt(var + eps) * weight + bias`, statistics over groups of channels of each sample, weight and
//! bias per channel (Wu and He 2018).
use crate::autograd::Ctx;
use crate::elementwise::{add, mul, scale, sub};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{reduce, unary, view};
use rsnn_core::{DType, Result, dispatch, ensure};
use rsnn_cpu::rows::group_norm::{self as rows, GroupShape};
use smallvec::smallvec;
use std::sync::Arc;

/// Inputs: x, then weight and bias where present. Hidden outputs: mean and reciprocal deviation per sample and group.
#[derive(Clone, Copy)]
struct GroupNorm {
    groups: usize,
    eps: f64,
    weight: bool,
    bias: bool,
}

impl GroupNorm {
    fn sizes(&self, x: &Tensor) -> GroupShape {
        let s = x.shape();
        GroupShape { samples: s[0], groups: self.groups, channels: s[1] / self.groups, inner: s[2..].iter().product() }
    }
    fn bias_at(&self) -> usize {
        1 + usize::from(self.weight)
    }

    fn meaning(&self, ins: &[Tensor]) -> Result<Tensors> {
        let x = &ins[0];
        let s = self.sizes(x);
        let cols = s.channels * s.inner;
        let rows = view::reshape(x, &[s.samples, s.groups, cols])?;
        let mean_of = |t: &Tensor| scale(&reduce::sum(t, &[-1], true, None)?, 1.0 / cols as f64);
        let centred = sub(&rows, &mean_of(&rows)?)?;
        let var = mean_of(&mul(&centred, &centred)?)?;
        let deviation = unary::apply_named("sqrt", &add(&var, &Tensor::number(self.eps, DType::F64)?)?)?;
        let y = mul(&centred, &unary::apply_named("reciprocal", &deviation)?)?;
        let mut y = view::reshape(&y, x.shape())?;
        let mut wide = vec![1; x.ndim()];
        wide[1] = x.shape()[1];
        if self.weight {
            y = mul(&y, &view::reshape(&ins[1], &wide)?)?;
        }
        if self.bias {
            y = add(&y, &view::reshape(&ins[self.bias_at()], &wide)?)?;
        }
        Ok(smallvec![y])
    }
}

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        let dtype = x.dtype();
        ensure!(
            dtype.is_float(),
            NotImplemented,
            "\"GroupNormKernelImpl\" not implemented for '{}'",
            dtype.scalar_name()
        );
        for t in &ins[1..] {
            ensure!(
                t.dtype() == dtype || (dtype.is_half() && t.dtype() == DType::F32),
                Runtime,
                "mixed dtype (CPU): expect parameter to have scalar type of {}",
                if dtype.is_half() { "Float" } else { dtype.scalar_name() }
            );
        }
        let stat = Meta::new(&[x.shape()[0], self.groups], dtype.compute(), x.device());
        Ok(smallvec![x.meta(), stat.clone(), stat])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        if call.ins[0].numel() == 0 {
            return Ok(());
        }
        let s = self.sizes(&call.ins[0]);
        let (last, ins, outs) = view::arranged(call, 0)?;
        let call = CpuCall { ins: &ins, outs: &outs };
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let weight = self.weight.then(|| call.input::<T>(1));
            let bias = self.bias.then(|| call.input(self.bias_at()));
            let run = if last { rows::group_norm_last } else { rows::group_norm };
            run(call.input(0), weight, bias, s, self.eps, call.output(0), call.output(1), call.output(2));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None; cx.num_inputs()]) };
        let mut ins = vec![g.detach(), cx.input(0)?.detach(), cx.output(1)?.detach(), cx.output(2)?.detach()];
        if self.weight {
            ins.push(cx.input(1)?.detach());
        }
        let bias = self.bias.then(|| cx.input_meta(self.bias_at()).dtype);
        Ok(apply_all(Arc::new(Backward { norm: *self, bias }), &ins)?.into_iter().map(Some).collect())
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(ins))
    }
    fn saves(&self) -> Saves {
        Saves { inputs: !0, outputs: 0b110 }
    }
    fn hidden(&self) -> usize {
        2
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
    norm: GroupNorm,
    bias: Option<DType>,
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "group_norm_backward"
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
        let s = self.norm.sizes(&call.ins[1]);
        let (last, ins, outs) = view::arranged(call, 1)?;
        let call = CpuCall { ins: &ins, outs: &outs };
        dispatch!(float, call.ins[1].dtype(), self.name(), T => {
            let (dy, x, mean, rstd) = (call.input::<T>(0), call.input(1), call.input(2), call.input(3));
            let weight = self.norm.weight.then(|| call.input(4));
            let dweight = self.norm.weight.then(|| call.output(1));
            let dbias = self.bias.map(|_| call.output(1 + usize::from(self.norm.weight)));
            let run = if last { rows::group_norm_last_backward } else { rows::group_norm_backward };
            run(dy, x, mean, rstd, weight, s, call.output(0), dweight, dbias);
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

/// Normalises `(N, C, *)` over `num_groups` groups of channels.
pub fn group_norm(x: &Tensor, num_groups: usize, w: Option<&Tensor>, b: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    ensure!(x.ndim() >= 2, Runtime, "Expected at least 2 dimensions for input tensor but received {}", x.ndim());
    ensure!(num_groups > 0, Runtime, "Expected num groups to be greater than 0, got {num_groups}");
    ensure!(
        x.shape()[1].is_multiple_of(num_groups),
        Runtime,
        "Expected number of channels in input to be divisible by num_groups, but got input of shape {:?} and num_groups={num_groups}",
        x.shape()
    );
    for (name, t) in [("weight", w), ("bias", b)] {
        if let Some(t) = t {
            ensure!(
                t.shape() == [x.shape()[1]],
                Runtime,
                "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape {:?} and input of shape {:?}",
                t.shape(),
                x.shape()
            );
        }
    }
    let op = GroupNorm { groups: num_groups, eps, weight: w.is_some(), bias: b.is_some() };
    let mut ins = vec![x.clone()];
    ins.extend([w, b].into_iter().flatten().cloned());
    Ok(apply_all(Arc::new(op), &ins)?.swap_remove(0))
}
