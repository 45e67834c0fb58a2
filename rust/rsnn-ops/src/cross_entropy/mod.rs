//! cross_entropy over class indices, fused with its log-softmax: one read of the logits forward, one write backward.
use crate::autograd::Ctx;
use crate::elementwise::{add, mul, neg, scale};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{index, reduce, select, softmax, view};
use rsnn_core::{DType, Result, bail, dispatch, ensure};
use rsnn_cpu::rows::cross_entropy::{self as rows, CrossEntropyArgs};
use std::sync::Arc;

/// Inputs: logits (N, C), target (N) int64, class weights where present. Outputs: loss per row; hidden: log-sum-exp.
#[derive(Clone, Copy)]
struct CrossEntropy {
    ignore_index: i64,
    label_smoothing: f64,
}

impl CrossEntropy {
    fn meaning(&self, ins: &[Tensor]) -> Result<Tensors> {
        let (logits, target) = (&ins[0], &ins[1]);
        let (rows, classes) = (logits.shape()[0], logits.shape()[1]);
        let logp = softmax::log_softmax(logits, 1, None)?;
        let ignore =
            crate::apply(crate::elementwise::Binary::Eq, &[target.clone(), Tensor::integer(self.ignore_index)?])?;
        let class = select::where_(&ignore, &Tensor::integer(0)?, target)?;
        let at = view::unsqueeze(&class, 1)?;
        let picked = view::reshape(&index::gather(&logp, 1, &at)?, &[rows])?;
        let weight =
            ins.get(2).map(|w| view::expand(&view::reshape(w, &[1, classes])?, &[rows, classes])).transpose()?;
        let hit = match &weight {
            Some(w) => mul(&picked, &view::reshape(&index::gather(w, 1, &at)?, &[rows])?)?,
            None => picked,
        };
        let spread = match &weight {
            Some(w) => reduce::sum(&mul(&logp, w)?, &[1], false, None)?,
            None => reduce::sum(&logp, &[1], false, None)?,
        };
        let s = self.label_smoothing;
        let loss = neg(&hit)?;
        let loss = if s > 0.0 { add(&scale(&loss, 1.0 - s)?, &scale(&spread, -s / classes as f64)?)? } else { loss };
        let zero = crate::fill::full(&[], 0.0, loss.dtype(), loss.device())?;
        Ok(smallvec::smallvec![select::where_(&ignore, &zero, &loss)?])
    }
}

fn args<'a, T: rsnn_core::Element>(op: &CrossEntropy, call: &'a CpuCall, at: usize) -> CrossEntropyArgs<'a, T> {
    CrossEntropyArgs {
        logits: call.input(at),
        target: call.input(at + 1),
        weight: (call.ins.len() > at + 2 + at).then(|| call.input(at + 2 + at)),
        ignore_index: op.ignore_index,
        label_smoothing: op.label_smoothing,
        rows: call.ins[at].shape()[0],
        cols: call.ins[at].shape()[1],
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, t) = (&ins[0], &ins[1]);
        ensure!(
            x.dtype().is_float(),
            NotImplemented,
            "\"log_softmax_lastdim_kernel_impl\" not implemented for '{}'",
            x.dtype().scalar_name()
        );
        ensure!(
            x.ndim() == 2 && t.ndim() == 1 && x.shape()[0] == t.shape()[0],
            Value,
            "Expected input batch_size ({}) to match target batch_size ({}).",
            x.shape().first().unwrap_or(&1),
            t.shape().first().unwrap_or(&1)
        );
        ensure!(t.dtype() == DType::I64, Runtime, "expected scalar type Long but found {}", t.dtype().scalar_name());
        if let Some(w) = ins.get(2) {
            ensure!(
                w.shape() == [x.shape()[1]],
                Runtime,
                "weight tensor should be defined either for all {} classes or no classes but got weight tensor of shape: {:?}",
                x.shape()[1],
                w.shape()
            );
            ensure!(
                w.dtype() == x.dtype(),
                Runtime,
                "expected scalar type {} but found {}",
                x.dtype().scalar_name(),
                w.dtype().scalar_name()
            );
        }
        let row = Meta::new(t.shape(), x.dtype(), x.device());
        Ok(smallvec::smallvec![row.clone(), Meta { dtype: x.dtype().compute(), ..row }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            if let Err((_, value)) = rows::cross_entropy::<T>(args(self, call, 0), call.output(0), call.output(1)) {
                bail!(Index, "Target {value} is out of bounds.");
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let n = cx.num_inputs();
        let mut out: Grads = smallvec::smallvec![None; n];
        let Some(g) = &grads[0] else { return Ok(out) };
        ensure!(n < 3 || !cx.needs(2), NotImplemented, "cross_entropy: class weights have no gradient");
        let mut ins = vec![g.detach(), cx.input(0)?.detach(), cx.input(1)?, cx.output(1)?.detach()];
        if n == 3 {
            ins.push(cx.input(2)?.detach());
        }
        out[0] = apply_all(Arc::new(Backward(*self)), &ins)?.into_iter().next();
        Ok(out)
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(ins))
    }
    fn saves(&self) -> Saves {
        Saves { inputs: !0, outputs: 0b10 }
    }
    fn hidden(&self) -> usize {
        1
    }
}

/// `(dloss, logits, target, lse, [weight]) -> dlogits`
struct Backward(CrossEntropy);

impl Op for Backward {
    fn name(&self) -> &'static str {
        "cross_entropy_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[1].dtype(), self.name(), T => {
            rows::cross_entropy_backward::<T>(args(&self.0, call, 1), call.input(3), call.input(0), call.output(0));
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

/// Loss of each row; 0 where the target is `ignore_index`.
pub fn cross_entropy(
    x: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    ignore_index: i64,
    label_smoothing: f64,
) -> Result<Tensor> {
    let mut ins = vec![x.clone(), target.clone()];
    ins.extend(weight.cloned());
    let op = CrossEntropy { ignore_index, label_smoothing };
    Ok(apply_all(Arc::new(op), &ins)?.swap_remove(0))
}
