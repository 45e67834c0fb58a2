//! Optimizer steps on one float32 parameter, in place: SGD, Adam and AdamW.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// A dense tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

#[derive(Debug, Clone, Copy)]
pub struct Sgd {
    pub lr: f32,
    pub momentum: f32,
    pub dampening: f32,
    pub weight_decay: f32,
    pub nesterov: bool,
    pub maximize: bool,
}

/// One step; `momentum_buffer` (dense from its start) is there when the momentum is not 0, and filled on the `first` step.
pub fn sgd(s: Sgd, n: usize, param: Dense, grad: Dense, momentum_buffer: Option<&GpuBuffer>, first: bool) -> Result<()> {
    let mut bindings = vec![Binding::write(param.0), Binding::read(grad.0)];
    let mut defines = Vec::with_capacity(2);
    if let Some(buffer) = momentum_buffer {
        bindings.push(Binding::write(buffer));
        defines.push(("MOMENTUM", ""));
        if s.nesterov {
            defines.push(("NESTEROV", ""));
        }
    }
    let sign = if s.maximize { -1.0 } else { 1.0 };
    let floats = [s.lr, s.weight_decay, s.momentum, 1.0 - s.dampening, 0.0, 1.0, 1.0, sign];
    launch("sgd", &defines, &bindings, n, [param.1, grad.1], u32::from(first), floats)
}

#[derive(Debug, Clone, Copy)]
pub struct Adam {
    pub lr: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    /// AdamW: decay the parameter, not the gradient.
    pub decoupled: bool,
    pub maximize: bool,
}

/// Step number `step` (from 1); the states are dense from their start. `max_exp_avg_sq` is there for amsgrad.
pub fn adam(
    s: Adam,
    step: f64,
    n: usize,
    param: Dense,
    grad: Dense,
    [exp_avg, exp_avg_sq]: [&GpuBuffer; 2],
    max_exp_avg_sq: Option<&GpuBuffer>,
) -> Result<()> {
    let mut bindings =
        vec![Binding::write(param.0), Binding::read(grad.0), Binding::write(exp_avg), Binding::write(exp_avg_sq)];
    let mut defines = vec![("ADAM", "")];
    if let Some(buffer) = max_exp_avg_sq {
        bindings.push(Binding::write(buffer));
        defines.push(("AMSGRAD", ""));
    }
    if s.decoupled {
        defines.push(("DECOUPLED", ""));
    }
    let [b1, b2] = s.betas;
    let corrections = [1.0 - b1.powf(step), (1.0 - b2.powf(step)).sqrt()];
    let sign = if s.maximize { -1.0 } else { 1.0 };
    let floats = [s.lr, s.weight_decay, b1, b2, s.eps, corrections[0], corrections[1], sign].map(|v| v as f32);
    launch("adam", &defines, &bindings, n, [param.1, grad.1], 0, floats)
}

fn launch(
    name: &'static str,
    defines: &[(&str, &str)],
    bindings: &[Binding],
    n: usize,
    offsets: [usize; 2],
    first: u32,
    floats: [f32; 8],
) -> Result<()> {
    let params = Params::new().u32(index_u32(n)?).u32(index_u32(offsets[0])?).u32(index_u32(offsets[1])?).u32(first);
    let params = floats.iter().fold(params, |params, &v| params.f32(v));
    let kernel = Kernel { name, source: SOURCE, defines };
    bindings[0].buffer.context().launch_1d(&kernel, bindings, &params, n as u64)
}
