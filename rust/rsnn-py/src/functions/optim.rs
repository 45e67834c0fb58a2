//! Optimizer steps: one call for all parameters of a group. No maths here; the rules are in `rsnn_cpu::rows::optim`.
use crate::prelude::*;
use rsnn_core::{DType, Result, bf16, ensure, f16};
use rsnn_cpu::rows::optim::{self as rows, Family, Item, Rule};
use rsnn_ops::{Device, Tensor, copy, pointwise, release};

/// `t` as a contiguous tensor of `dtype`, itself where it is one.
fn ready(t: &Tensor, dtype: DType) -> Result<Tensor> {
    let t = t.detach();
    if t.dtype() == dtype { copy::contiguous(&t) } else { copy::contiguous(&copy::cast(&t, dtype)?) }
}

/// `t` with its dimensions as `param` has them in memory: what lies alike needs no copy.
fn seen(t: &Tensor, param: &Tensor) -> Tensor {
    if param.is_contiguous() { t.clone() } else { pointwise::reordered_as(t, param) }
}

/// One parameter's tensors: itself, its gradient, its states.
struct Slot<const S: usize> {
    param: Tensor,
    grad: Tensor,
    state: [Option<Tensor>; S],
}

impl<const S: usize> Slot<S> {
    fn item<P: rows::Stored + rsnn_core::Element>(&self) -> Item<'_, P, S> {
        let state = self.state.each_ref().map(|s| s.as_ref().map_or(&mut [][..], Tensor::as_mut_slice));
        Item { param: self.param.as_mut_slice(), grad: self.grad.as_slice(), state }
    }
}

fn take_step<R: Rule<S>, const S: usize>(
    op: &str,
    params: &[In],
    grads: &[In],
    states: [&[In]; S],
    rules: &[R],
) -> Result<()> {
    let n = params.len();
    let fits = grads.len() == n && rules.len() == n && states.iter().all(|s| s.is_empty() || s.len() == n);
    ensure!(fits, Value, "{op}: lists of different lengths");
    let mut slots = Vec::with_capacity(n);
    for i in 0..n {
        let (p, dtype) = (&params[i].0, params[i].dtype());
        ensure!(dtype.is_float(), Runtime, "{op}: expected floating point parameters, got {}", dtype.name());
        for t in [&grads[i]].into_iter().chain(states.iter().filter_map(|s| s.get(i))) {
            ensure!(
                t.shape() == p.shape() && t.device() == Device::Cpu && p.device() == Device::Cpu,
                Runtime,
                "{op}: a parameter of shape {:?} on {} has a gradient or state of shape {:?} on {}",
                p.shape(),
                p.device(),
                t.shape(),
                t.device()
            );
        }
        let mut state = [const { None }; S];
        for (slot, all) in state.iter_mut().zip(&states) {
            *slot = all.get(i).map(|t| ready(&seen(t, p), dtype)).transpose()?;
        }
        slots.push(Slot { param: ready(&seen(p, p), dtype)?, grad: ready(&seen(&grads[i], p), dtype)?, state });
    }
    // A parameter that is in the list twice is stepped twice, one after the other.
    let mut storages: Vec<_> = slots.iter().map(|s| std::sync::Arc::as_ptr(s.param.storage())).collect();
    storages.sort_unstable();
    let shared = storages.windows(2).any(|pair| pair[0] == pair[1]);
    let together = if shared { 1 } else { n.max(1) };
    let step = || {
        for (slots, rules) in slots.chunks(together).zip(rules.chunks(together)) {
            step_slots(slots, rules);
        }
    };
    // The slots are handles of our own, so other Python threads may run meanwhile.
    match slots.iter().map(|s| s.param.numel()).sum::<usize>() < release::LONG {
        true => step(),
        false => release::unlocked(step).unwrap_or(()),
    }
    for (i, slot) in slots.iter().enumerate() {
        give_back(&slot.param, &seen(&params[i], &params[i]))?;
        for (from, all) in slot.state.iter().zip(&states) {
            if let (Some(from), Some(to)) = (from, all.get(i)) {
                give_back(from, &seen(to, &params[i]))?;
            }
        }
    }
    Ok(())
}

fn step_slots<R: Rule<S>, const S: usize>(slots: &[Slot<S>], rules: &[R]) {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let mine = || slots.iter().zip(rules).filter(|(s, _)| s.param.dtype() == dtype);
        let rules: Vec<R> = mine().map(|(_, rule)| *rule).collect();
        if rules.is_empty() {
            continue;
        }
        match dtype {
            DType::F32 => rows::step(mine().map(|(s, _)| s.item::<f32>()).collect(), &rules),
            DType::F64 => rows::step(mine().map(|(s, _)| s.item::<f64>()).collect(), &rules),
            DType::F16 => rows::step(mine().map(|(s, _)| s.item::<f16>()).collect(), &rules),
            _ => rows::step(mine().map(|(s, _)| s.item::<bf16>()).collect(), &rules),
        }
    }
}

/// Copies a stepped tensor back to where it came from, if it was a copy.
fn give_back(from: &Tensor, to: &Tensor) -> Result<()> {
    if !std::sync::Arc::ptr_eq(from.storage(), to.storage()) {
        copy::copy_into(from, &to.detach())?;
    }
    to.bump_version();
    Ok(())
}

/// Changes 0-d counters and returns their new values.
fn update(counters: &[In], f: impl Fn(usize, f64) -> f64) -> Result<Vec<f64>> {
    let one = |(i, t): (usize, &In)| {
        ensure!(t.device() == Device::Cpu && t.numel() == 1, Runtime, "optimizer: expected a step counter on the CPU");
        let value = f(i, t.item()?);
        rsnn_ops::fill::fill_(&t.detach(), value)?;
        t.item()
    };
    counters.iter().enumerate().map(one).collect()
}

fn count(steps: &[In]) -> Result<Vec<f64>> {
    update(steps, |_, step| step + 1.0)
}

/// `family!(lr, ..)`: the Adam family's scalars from arguments of the same names.
macro_rules! family {
    ($lr:ident, $beta1:ident, $beta2:ident, $eps:ident, $weight_decay:ident, $decoupled:expr, $maximize:ident) => {
        Family {
            lr: $lr,
            betas: ($beta1, $beta2),
            eps: $eps,
            weight_decay: $weight_decay,
            decoupled: $decoupled,
            maximize: $maximize,
            rate: 0.0,
        }
    };
}

/// One Adam or AdamW step.
#[pyfunction]
pub fn adam_step(
    params: Vec<In>,
    grads: Vec<In>,
    exp_avgs: Vec<In>,
    exp_avg_sqs: Vec<In>,
    max_exp_avg_sqs: Vec<In>,
    steps: Vec<In>,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
) -> PyResult<()> {
    let family = family!(lr, beta1, beta2, eps, weight_decay, decoupled, maximize);
    guard(|| {
        let rules: Vec<_> = count(&steps)?.into_iter().map(|t| rows::Adam::new(family, amsgrad, t)).collect();
        take_step("adam_step", &params, &grads, [&exp_avgs, &exp_avg_sqs, &max_exp_avg_sqs], &rules)
    })
}

/// One NAdam step; `mu_products` are updated.
#[pyfunction]
pub fn nadam_step(
    params: Vec<In>,
    grads: Vec<In>,
    exp_avgs: Vec<In>,
    exp_avg_sqs: Vec<In>,
    mu_products: Vec<In>,
    steps: Vec<In>,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    momentum_decay: f64,
    decoupled: bool,
    maximize: bool,
) -> PyResult<()> {
    let family = family!(lr, beta1, beta2, eps, weight_decay, decoupled, maximize);
    guard(|| {
        ensure!(mu_products.len() == steps.len(), Value, "nadam_step: lists of different lengths");
        let steps = count(&steps)?;
        let mu = |t: f64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t * momentum_decay));
        let products = update(&mu_products, |i, product| product * mu(steps[i]))?;
        let rules: Vec<_> =
            steps.iter().zip(products).map(|(&t, p)| rows::NAdam::new(family, t, (mu(t), mu(t + 1.0)), p)).collect();
        take_step("nadam_step", &params, &grads, [&exp_avgs, &exp_avg_sqs], &rules)
    })
}

macro_rules! adam_like {
    ($($name:ident $rule:ident $doc:literal)*) => {$(
        #[doc = $doc]
        #[pyfunction]
        pub fn $name(
            params: Vec<In>,
            grads: Vec<In>,
            first: Vec<In>,
            second: Vec<In>,
            steps: Vec<In>,
            lr: f64,
            beta1: f64,
            beta2: f64,
            eps: f64,
            weight_decay: f64,
            decoupled: bool,
            maximize: bool,
        ) -> PyResult<()> {
            let family = family!(lr, beta1, beta2, eps, weight_decay, decoupled, maximize);
            guard(|| {
                let rules: Vec<_> = count(&steps)?.into_iter().map(|t| rows::$rule::new(family, t)).collect();
                take_step(stringify!($name), &params, &grads, [&first, &second], &rules)
            })
        }
    )*};
}
adam_like!(radam_step RAdam "One RAdam step." adamax_step Adamax "One Adamax step.");

/// One SGD step; `first` marks buffers that are created by it.
#[pyfunction]
pub fn sgd_step(
    params: Vec<In>,
    grads: Vec<In>,
    momentum_buffers: Vec<In>,
    first: Vec<bool>,
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
) -> PyResult<()> {
    let rule = rows::Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize, first: false };
    let first = |i: usize| first.get(i).copied().unwrap_or(false);
    let rules: Vec<_> = (0..params.len()).map(|i| rows::Sgd { first: first(i), ..rule }).collect();
    guard(|| take_step("sgd_step", &params, &grads, [&momentum_buffers], &rules))
}

/// One Adagrad step.
#[pyfunction]
pub fn adagrad_step(
    params: Vec<In>,
    grads: Vec<In>,
    sums: Vec<In>,
    steps: Vec<In>,
    lr: f64,
    lr_decay: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    guard(|| {
        let rate = |t: f64| lr / (1.0 + (t - 1.0) * lr_decay);
        let rule = |t: f64| rows::Adagrad { rate: rate(t), eps, weight_decay, maximize };
        let rules: Vec<_> = count(&steps)?.into_iter().map(rule).collect();
        take_step("adagrad_step", &params, &grads, [&sums], &rules)
    })
}

/// One Adadelta step.
#[pyfunction]
pub fn adadelta_step(
    params: Vec<In>,
    grads: Vec<In>,
    square_avgs: Vec<In>,
    acc_deltas: Vec<In>,
    steps: Vec<In>,
    lr: f64,
    rho: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    guard(|| {
        count(&steps)?;
        let rules = vec![rows::Adadelta { lr, rho, eps, weight_decay, maximize }; params.len()];
        take_step("adadelta_step", &params, &grads, [&square_avgs, &acc_deltas], &rules)
    })
}

/// One RMSprop step; buffers and means are empty lists where the options need none.
#[pyfunction]
pub fn rmsprop_step(
    params: Vec<In>,
    grads: Vec<In>,
    square_avgs: Vec<In>,
    momentum_buffers: Vec<In>,
    grad_avgs: Vec<In>,
    steps: Vec<In>,
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
    maximize: bool,
) -> PyResult<()> {
    guard(|| {
        count(&steps)?;
        let rule = rows::RmsProp { lr, alpha, eps, weight_decay, momentum, centered, maximize };
        let rules = vec![rule; params.len()];
        take_step("rmsprop_step", &params, &grads, [&square_avgs, &momentum_buffers, &grad_avgs], &rules)
    })
}

/// One Rprop step.
#[pyfunction]
pub fn rprop_step(
    params: Vec<In>,
    grads: Vec<In>,
    prevs: Vec<In>,
    step_sizes: Vec<In>,
    steps: Vec<In>,
    etas: (f64, f64),
    sizes: (f64, f64),
    maximize: bool,
) -> PyResult<()> {
    guard(|| {
        count(&steps)?;
        let rules = vec![rows::Rprop { etas, sizes, maximize }; params.len()];
        take_step("rprop_step", &params, &grads, [&prevs, &step_sizes], &rules)
    })
}

/// One ASGD step; `etas` and `mus` are updated.
#[pyfunction]
pub fn asgd_step(
    params: Vec<In>,
    grads: Vec<In>,
    axs: Vec<In>,
    etas: Vec<In>,
    mus: Vec<In>,
    steps: Vec<In>,
    lr: f64,
    lambd: f64,
    alpha: f64,
    t0: f64,
    weight_decay: f64,
    maximize: bool,
) -> PyResult<()> {
    guard(|| {
        ensure!(etas.len() == steps.len() && mus.len() == steps.len(), Value, "asgd_step: lists of different lengths");
        let steps = count(&steps)?;
        let mut rules = Vec::with_capacity(params.len());
        for (eta, mu) in etas.iter().zip(&mus) {
            rules.push(rows::Asgd { lambd, eta: eta.item()?, mu: mu.item()?, weight_decay, maximize });
        }
        take_step("asgd_step", &params, &grads, [&axs], &rules)?;
        update(&etas, |i, _| lr / (1.0 + lambd * lr * steps[i]).powf(alpha))?;
        update(&mus, |i, _| 1.0 / (steps[i] - t0).max(1.0))?;
        Ok(())
    })
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        adam_step,
        nadam_step,
        radam_step,
        adamax_step,
        sgd_step,
        adagrad_step,
        adadelta_step,
        rmsprop_step,
        rprop_step,
        asgd_step,
    );
    Ok(())
}
