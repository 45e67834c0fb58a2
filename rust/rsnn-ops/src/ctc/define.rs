//! CTC in smaller ops: the kernels' oracle, the road to second derivatives and to other devices.
use super::Ctc;
use crate::elementwise::{add, neg, sub};
use crate::index::gather;
use crate::join::{cat, stack};
use crate::reduce::{logsumexp, sum};
use crate::select::where_;
use crate::tensor::Tensor;
use crate::unary::{apply_named, clamp};
use crate::{device, fill, view};
use rsnn_core::{Element, Result};

/// Stands for log 0: it is finite, so that the slope of logsumexp has no NaN.
const LOW: f64 = -1e30;

/// Values for each sample as a tensor on the device of `like`.
fn table<T: Element>(values: &[T], shape: &[usize], like: &Tensor) -> Result<Tensor> {
    device::to(&Tensor::from_slice(values, shape)?, like.device())
}

fn wide(like: &Tensor, value: f64, shape: &[usize]) -> Result<Tensor> {
    view::expand(&fill::full(&[], value, like.dtype(), like.device())?, shape)
}

/// Class of every state and whether it may be entered from the state two before it: (batch, states).
fn states(op: &Ctc) -> (Vec<i64>, Vec<bool>, usize) {
    let longest = op.samples.iter().map(|(_, labels)| labels.len()).max().unwrap_or(0);
    let n = 2 * longest + 1;
    let mut classes = vec![op.blank as i64; op.samples.len() * n];
    let mut skip = vec![false; classes.len()];
    for (b, (_, labels)) in op.samples.iter().enumerate() {
        for (i, &label) in labels.iter().enumerate() {
            classes[b * n + 2 * i + 1] = label;
            skip[b * n + 2 * i + 1] = i > 0 && label != labels[i - 1] && label != op.blank as i64;
        }
    }
    (classes, skip, n)
}

/// Log-probability of ending in each state at each sample's last step: (batch, states).
fn last_alphas(op: &Ctc, x: &Tensor) -> Result<Tensor> {
    let (steps, batch) = (x.shape()[0], x.shape()[1]);
    let (classes, skip, n) = states(op);
    let classes = view::expand(&table(&classes, &[1, batch, n], x)?, &[steps, batch, n])?;
    let skip = table(&skip, &[batch, n], x)?;
    let emitted = gather(x, 2, &classes)?;
    let floor = wide(x, LOW, &[batch, n])?;
    let column = |width: usize| wide(x, LOW, &[batch, width]);
    let first: Vec<bool> = (0..n).map(|s| s < 2).collect();
    let mut alpha = where_(&table(&first, &[1, n], x)?, &view::select(&emitted, 0, 0)?, &floor)?;
    let mut alphas = vec![alpha.clone()];
    for t in 1..steps {
        let cut = |t: &Tensor| view::narrow(t, 1, 0, n as i64);
        let one = cut(&cat(&[column(1)?, alpha.clone()], 1)?)?;
        let two = where_(&skip, &cut(&cat(&[column(2)?, alpha.clone()], 1)?)?, &floor)?;
        let sum = logsumexp(&stack(&[alpha, one, two], 0)?, &[0], false)?;
        alpha = clamp(&add(&sum, &view::select(&emitted, 0, t as i64)?)?, Some(LOW), None, true)?;
        alphas.push(alpha.clone());
    }
    let last: Vec<i64> = op.samples.iter().map(|(steps, _)| steps.saturating_sub(1) as i64).collect();
    let last = view::expand(&table(&last, &[1, batch, 1], x)?, &[1, batch, n])?;
    view::select(&gather(&stack(&alphas, 0)?, 0, &last)?, 0, 0)
}

/// Zero with the slope `exp(log_probs)` in the steps that count: torch's gradient is that before a log-softmax.
fn normalizer(op: &Ctc, x: &Tensor) -> Result<Tensor> {
    let (steps, batch) = (x.shape()[0], x.shape()[1]);
    let live: Vec<bool> = (0..steps * batch).map(|i| i / batch < op.samples[i % batch].0).collect();
    let zero = fill::full(&[], 0.0, x.dtype(), x.device())?;
    let total =
        sum(&where_(&table(&live, &[steps, batch, 1], x)?, &apply_named("exp", x)?, &zero)?, &[0, 2], false, None)?;
    sub(&total, &total.detach())
}

pub(super) fn meaning(op: &Ctc, x: &Tensor) -> Result<Tensor> {
    let batch = x.shape()[1];
    let each =
        |f: &dyn Fn(usize, usize) -> i64| -> Vec<i64> { op.samples.iter().map(|(t, l)| f(*t, l.len())).collect() };
    let flags = |f: &dyn Fn(usize, usize) -> bool| -> Result<Tensor> {
        table(&op.samples.iter().map(|(t, l)| f(*t, l.len())).collect::<Vec<_>>(), &[batch, 1], x)
    };
    let low = wide(x, LOW, &[batch, 1])?;
    let zero = wide(x, 0.0, &[batch])?;
    let (at_blank, at_label) = if x.shape()[0] > 0 {
        let last = last_alphas(op, x)?;
        let blank = gather(&last, 1, &table(&each(&|_, l| 2 * l as i64), &[batch, 1], x)?)?;
        let label = gather(&last, 1, &table(&each(&|_, l| (2 * l as i64 - 1).max(0)), &[batch, 1], x)?)?;
        (blank, where_(&flags(&|_, l| l > 0)?, &label, &low)?)
    } else {
        (low.clone(), low.clone())
    };
    // Without steps only the empty sequence is possible.
    let at_blank = where_(&flags(&|t, l| t == 0 && l == 0)?, &wide(x, 0.0, &[batch, 1])?, &at_blank)?;
    let at_blank = where_(&flags(&|t, l| t == 0 && l > 0)?, &low, &at_blank)?;
    let at_label = where_(&flags(&|t, _| t == 0)?, &low, &at_label)?;
    let nll = neg(&logsumexp(&cat(&[at_blank, at_label], 1)?, &[1], false)?)?;
    let bound = Tensor::number(1e29, rsnn_core::DType::F64)?;
    let impossible = crate::apply(crate::elementwise::Binary::Gt, &[nll.detach(), bound])?;
    let instead = if op.zero_infinity { zero } else { wide(x, f64::INFINITY, &[batch])? };
    where_(&impossible, &instead, &add(&nll, &normalizer(op, x)?)?)
}
