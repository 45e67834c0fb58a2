//! Connectionist temporal classification (Graves et al. 2006): the negative log-likelihood of label sequences, summed over
//! all alignments. The gradient of the log-probabilities is torch's: that of the scores before a log-softmax.
mod define;
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{copy, device};
use rsnn_core::{DType, Device, Element, Result, bail, dispatch, ensure};
use rsnn_cpu::rows::ctc::{self as rows, CtcSaved, Sample};
use smallvec::smallvec;
use std::sync::Arc;

/// Input: log-probabilities (steps, batch, classes). Outputs: loss of each sample; hidden: the loss before `zero_infinity`
/// and the forward variables (batch, steps, states).
#[derive(Clone)]
struct Ctc {
    blank: usize,
    /// Steps and labels of each sample.
    samples: Arc<[(usize, Vec<i64>)]>,
    zero_infinity: bool,
}

impl Ctc {
    fn with<T: Element + rsnn_cpu::vmath::Real, R>(&self, log_probs: &Tensor, f: impl FnOnce(rows::Ctc<T>) -> R) -> R {
        let samples: Vec<Sample> =
            self.samples.iter().map(|(steps, labels)| Sample { steps: *steps, labels }).collect();
        let s = log_probs.shape();
        f(rows::Ctc {
            log_probs: log_probs.as_slice(),
            steps: s[0],
            classes: s[2],
            blank: self.blank,
            samples: &samples,
        })
    }
}

impl Op for Ctc {
    fn name(&self) -> &'static str {
        "ctc_loss"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, s) = (&ins[0], ins[0].shape());
        ensure!(
            x.dtype().is_float(),
            NotImplemented,
            "\"ctc_loss_cpu\" not implemented for '{}'",
            x.dtype().scalar_name()
        );
        let states = self.samples.iter().map(|(_, labels)| labels.len()).max().unwrap_or(0) * 2 + 3;
        let wide = x.dtype().compute();
        Ok(smallvec![
            Meta::new(&[s[1]], x.dtype(), x.device()),
            Meta::new(&[s[1]], wide, x.device()),
            Meta::new(&[s[1], s[0], states], wide, x.device())
        ])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), "ctc_loss_cpu", T => {
            let nll = call.output::<T>(1);
            self.with(&call.ins[0], |c| rows::ctc(c, nll, call.output(2)));
            for (loss, nll) in call.output::<T>(0).iter_mut().zip(nll) {
                *loss = if self.zero_infinity && *nll == T::INFINITY { 0.0 } else { *nll };
            }
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let ins = [g.detach(), cx.input(0)?.detach(), cx.output(1)?.detach(), cx.output(2)?.detach()];
        Ok(apply_all(Arc::new(Backward(self.clone())), &ins)?.into_iter().map(Some).collect())
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(define::meaning(self, &ins[0]).map(|loss| smallvec![loss]))
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 0b110 }
    }
    fn hidden(&self) -> usize {
        2
    }
}

/// `(dloss, log_probs, nll, alphas) -> dlog_probs`
struct Backward(Ctc);

impl Op for Backward {
    fn name(&self) -> &'static str {
        "ctc_loss_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[1].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[1].dtype(), "ctc_loss_backward_cpu", T => {
            let (dnll, nll, alphas) = (call.input(0), call.input(2), call.input(3));
            let saved = CtcSaved { dnll, nll, alphas, zero_infinity: self.0.zero_infinity };
            self.0.with::<T, _>(&call.ins[1], |c| rows::ctc_backward(c, saved, call.output(0)));
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

/// Labels of each sample from (batch, length) or joined targets.
fn labels(targets: &Tensor, lengths: &[usize], classes: usize) -> Result<Vec<Vec<i64>>> {
    ensure!(
        matches!(targets.dtype(), DType::I64 | DType::I32),
        Runtime,
        "Expected tensor for argument #2 'targets' to have one of the following scalar types: Long, Int; but got CPU{}Type instead (while checking arguments for ctc_loss_allocate_outputs)",
        targets.dtype().scalar_name()
    );
    let t = device::to_device(&targets.detach(), Device::Cpu)?;
    let t = copy::contiguous(&copy::cast(&t, DType::I64)?)?;
    let (all, longest) = (t.as_slice::<i64>(), lengths.iter().max().copied().unwrap_or(0));
    let found: Vec<Vec<i64>> = match targets.shape() {
        [total] => {
            let wanted: usize = lengths.iter().sum();
            ensure!(
                *total == wanted,
                Runtime,
                "Expected tensor to have size {wanted} at dimension 0, but got size {total} for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
            );
            let mut rest = all;
            lengths
                .iter()
                .map(|&n| {
                    let (mine, after) = rest.split_at(n);
                    rest = after;
                    mine.to_vec()
                })
                .collect()
        }
        [rows, width] => {
            ensure!(
                *rows == lengths.len(),
                Runtime,
                "Expected tensor to have size {} at dimension 0, but got size {rows} for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)",
                lengths.len()
            );
            ensure!(
                *width >= longest,
                Runtime,
                "Expected tensor to have size at least {longest} at dimension 1, but got size {width} for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
            );
            lengths.iter().enumerate().map(|(b, &n)| all[b * width..][..n].to_vec()).collect()
        }
        _ => bail!(
            Runtime,
            "Expected 1 to 2 dimensions, but got {}-dimensional tensor for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)",
            targets.ndim()
        ),
    };
    if let Some(bad) = found.iter().flatten().find(|&&l| l < 0 || l as usize >= classes) {
        bail!(Index, "ctc_loss: target {bad} is out of bounds for {classes} classes");
    }
    Ok(found)
}

fn lengths(name: &str, values: &[i64], batch: usize) -> Result<Vec<usize>> {
    ensure!(values.len() == batch, Runtime, "{name} must be of size batch_size");
    if let Some(bad) = values.iter().find(|v| **v < 0) {
        bail!(
            Runtime,
            "Expected {name} to have value at least 0, but got value {bad} (while checking arguments for ctc_loss_allocate_outputs)"
        );
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

/// Loss of each sample. `log_probs` is (steps, batch, classes), `targets` (batch, length) or all sequences joined.
pub fn ctc_loss(
    log_probs: &Tensor,
    targets: &Tensor,
    input_lengths: &[i64],
    target_lengths: &[i64],
    blank: i64,
    zero_infinity: bool,
) -> Result<Tensor> {
    ensure!(
        log_probs.ndim() == 3,
        Runtime,
        "Expected 3-dimensional tensor, but got {}-dimensional tensor for argument #1 'log_probs' (while checking arguments for ctc_loss_allocate_outputs)",
        log_probs.ndim()
    );
    let (steps, batch, classes) = (log_probs.shape()[0], log_probs.shape()[1], log_probs.shape()[2]);
    ensure!(0 <= blank && (blank as usize) < classes, Runtime, "blank must be in label range");
    let input_lengths = lengths("input_lengths", input_lengths, batch)?;
    let target_lengths = lengths("target_lengths", target_lengths, batch)?;
    if let Some(long) = input_lengths.iter().find(|l| **l > steps) {
        bail!(
            Runtime,
            "Expected input_lengths to have value at most {steps}, but got value {long} (while checking arguments for ctc_loss_allocate_outputs)"
        );
    }
    let labels = labels(targets, &target_lengths, classes)?;
    let samples = input_lengths.into_iter().zip(labels).collect();
    let op = Ctc { blank: blank as usize, samples, zero_infinity };
    let ins = std::slice::from_ref(log_probs);
    let outs = match log_probs.device() {
        Device::Cpu => apply_all(Arc::new(op), ins)?,
        _ => smallvec![define::meaning(&op, log_probs)?],
    };
    outs.into_iter().next().map_or_else(|| bail!(Runtime, "ctc_loss has no result"), Ok)
}
