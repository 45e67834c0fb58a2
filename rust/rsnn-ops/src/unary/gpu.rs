//! Elementwise ops of one float32 tensor and their gradients on the GPU: one template over an expression.
//! Inputs and output are dense.
use super::Params;
use crate::gpu::{dense, lift, no_kernel, operand, words};
use crate::op::GpuCall;
use crate::tensor::Tensor;
use rsnn_core::{DType, Result};
use rsnn_gpu::{Binding, Kernel};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// Name in the table, the value of `x`, and the gradient from `g` and what the row saves (`x` or `y`).
/// `p.c`, `p.d` and `p.e` are the op's parameters.
pub(crate) const EXPRESSIONS: &[(&str, &str, &str)] = &[
    ("neg", "-x", "-g"),
    ("abs", "abs(x)", "g * (f32(x > 0.0) - f32(x < 0.0))"),
    ("sign", "f32(x > 0.0) - f32(x < 0.0)", "g * 0.0"),
    ("square", "x * x", "2.0 * x * g"),
    ("sqrt", "sqrt(x)", "g / (2.0 * y)"),
    ("sqrt_zero_slope", "sqrt(x)", "select(g / (2.0 * y), 0.0, y == 0.0)"),
    ("rsqrt", "1.0 / sqrt(x)", "-0.5 * g * y * y * y"),
    ("reciprocal", "1.0 / x", "-g * y * y"),
    ("exp", "exp_f32(x)", "g * y"),
    ("expm1", "expm1_f32(x)", "g * (y + 1.0)"),
    ("log", "log_f32(x)", "g / x"),
    ("log1p", "log1p_f32(x)", "g / (x + 1.0)"),
    ("sin", "sin(x)", "g * cos(x)"),
    ("cos", "cos(x)", "-g * sin(x)"),
    ("tanh", "tanh_f32(x)", "g * (1.0 - y * y)"),
    ("sigmoid", "sigmoid_f32(x)", "g * y * (1.0 - y)"),
    ("erf", "erf_f32(x)", "g * 1.12837917 * exp_f32(-x * x)"),
    ("floor", "floor(x)", "g * 0.0"),
    ("ceil", "ceil(x)", "g * 0.0"),
    ("trunc", "trunc(x)", "g * 0.0"),
    ("round", "round(x)", "g * 0.0"),
    ("relu", "select(x, 0.0, x < 0.0)", "select(g, 0.0, y <= 0.0)"),
    ("relu6", "clamp_f32(x, 0.0, 6.0)", "select(g, 0.0, x <= 0.0 || x >= 6.0)"),
    ("leaky_relu", "select(x * p.c, x, x > 0.0)", "select(g * p.c, g, x > 0.0)"),
    (
        "elu",
        "select(p.c * p.d * expm1_f32(x * p.e), x * p.d, x > 0.0)",
        "select(g * (p.c * p.d * p.e) * exp_f32(x * p.e), g * p.d, x > 0.0)",
    ),
    ("silu", "x * sigmoid_f32(x)", "g * sigmoid_f32(x) * (1.0 + x * (1.0 - sigmoid_f32(x)))"),
    (
        "mish",
        "x * tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0))",
        "g * (tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0)) + x * sigmoid_f32(x) * \
         (1.0 - tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0)) * tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0))))",
    ),
    ("log_sigmoid", "select(0.0, x, x < 0.0) - log1p_f32(exp_f32(-abs(x)))", "g * sigmoid_f32(-x)"),
    (
        "softplus",
        "select(log1p_f32(exp_f32(x * p.c)) / p.c, x, x * p.c > p.d)",
        "select(g * sigmoid_f32(x * p.c), g, x * p.c > p.d)",
    ),
    ("hardtanh", "clamp_f32(x, p.c, p.d)", "select(g, 0.0, x <= p.c || x >= p.d)"),
    (
        "huber",
        "select(p.d * (abs(x) - 0.5 * p.c), 0.5 * x * x * (p.d / p.c), abs(x) <= p.c)",
        "g * (clamp_f32(x, -p.c, p.c) * (p.d / p.c))",
    ),
    ("clamp", "clamp_f32(x, p.c, p.d)", "select(0.0, g, x >= p.c && x <= p.d)"),
    ("hardsigmoid", "clamp_f32(x / 6.0 + 0.5, 0.0, 1.0)", "select(0.0, g / 6.0, x > -3.0 && x < 3.0)"),
    (
        "hardswish",
        "x * clamp_f32(x + 3.0, 0.0, 6.0) / 6.0",
        "select(select(g * (x / 3.0 + 0.5), g, x >= 3.0), 0.0, x <= -3.0)",
    ),
    ("hardshrink", "select(x, 0.0, abs(x) <= p.c)", "select(g, 0.0, abs(x) <= p.c)"),
    ("softshrink", "select(x - copy_sign(p.c, x), 0.0, abs(x) <= p.c)", "select(g, 0.0, abs(x) <= p.c)"),
    ("threshold", "select(x, p.d, x <= p.c)", "select(g, 0.0, x <= p.c)"),
    ("gelu", "0.5 * x * (1.0 + erf_f32(x * 0.707106781))", GELU_BACKWARD),
    (
        "gelu_tanh",
        "0.5 * x * (1.0 + tanh_f32(0.797884561 * (x + 0.044715 * x * x * x)))",
        "g * (0.5 * (1.0 + tanh_f32(0.797884561 * (x + 0.044715 * x * x * x))) + 0.5 * x * \
         (1.0 - tanh_f32(0.797884561 * (x + 0.044715 * x * x * x)) * tanh_f32(0.797884561 * (x + 0.044715 * x * x * x))) * \
         0.797884561 * (1.0 + 0.134145 * x * x))",
    ),
];

const GELU_BACKWARD: &str = "g * (0.5 * (1.0 + erf_f32(x * 0.707106781)) + x * 0.398942280 * exp_f32(-0.5 * x * x))";

fn find(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    EXPRESSIONS.iter().find(|row| row.0 == name)
}

/// Whether the gradient of `name` has a kernel.
pub(super) fn has_slope(name: &str) -> bool {
    find(name).is_some()
}

/// `x -> y`.
pub(super) fn forward(name: &str, params: Params, call: &GpuCall) -> Result<()> {
    let out = &call.outs[0];
    match find(name).filter(|_| out.dtype() == DType::F32) {
        Some(row) => {
            let x = operand(&call.ins[0], DType::F32, call)?;
            launch(row.0, row.1, params, &x, None, out)
        }
        None => Err(no_kernel(name, out.dtype())),
    }
}

/// `(g, saved) -> dx`.
pub(super) fn backward(name: &str, params: Params, call: &GpuCall) -> Result<()> {
    let [g, saved] = call.ins else { return Err(no_kernel(name, DType::F32)) };
    match find(name).filter(|_| g.dtype() == DType::F32 && saved.dtype() == DType::F32) {
        Some(row) => launch(row.0, row.2, params, saved, Some(g), &call.outs[0]),
        None => Err(no_kernel(name, g.dtype())),
    }
}

fn launch(
    name: &'static str,
    expression: &str,
    scalars: Params,
    x: &Tensor,
    g: Option<&Tensor>,
    out: &Tensor,
) -> Result<()> {
    let (x, g, to) = (dense(x)?, g.map(dense).transpose()?, dense(out)?);
    let (n, offsets) = (out.numel(), [x.1, g.map_or(0, |g| g.1), to.1]);
    let vec4 = n.is_multiple_of(4) && offsets.iter().all(|o| o.is_multiple_of(4));
    let unit = if vec4 { 4 } else { 1 };
    let [x_at, g_at, to_at] = offsets.map(|o| o / unit);
    let params = words(&[n / unit, x_at, g_at, to_at])?;
    let params = scalars.iter().fold(params, |params, &value| params.f32(value as f32));
    let mut defines = vec![("EXPR", expression)];
    let mut bindings = vec![Binding::write(to.0), Binding::read(x.0)];
    if vec4 {
        defines.push(("VEC4", ""));
    }
    if let Some((buffer, _)) = g {
        defines.push(("BACKWARD", ""));
        bindings.push(Binding::read(buffer));
    }
    let kernel = Kernel { name, source: SOURCE, defines: &defines };
    lift(to.0.context().launch_1d(&kernel, &bindings, &params, (n / unit) as u64))
}
