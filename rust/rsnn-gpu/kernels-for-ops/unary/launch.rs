//! Elementwise ops of one float32 tensor and their gradients, as one template over an expression.
//! Inputs and output are dense; a strided input goes through copy first.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// torch's name, the value of `x`, and the gradient from `x`, `y` (the result) and `g`.
/// `p.c`, `p.d` and `p.e` are the op's scalars in torch's order.
pub const EXPRESSIONS: &[(&str, &str, &str)] = &[
    ("neg", "-x", "-g"),
    ("abs", "abs(x)", "g * (f32(x > 0.0) - f32(x < 0.0))"),
    ("sign", "f32(x > 0.0) - f32(x < 0.0)", "g * 0.0"),
    ("square", "x * x", "2.0 * x * g"),
    ("sqrt", "sqrt(x)", "g / (2.0 * y)"),
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
    ("elu", "select(p.c * expm1_f32(x), x, x > 0.0)", "select(g * p.c * exp_f32(x), g, x > 0.0)"),
    ("celu", "select(p.c * expm1_f32(x / p.c), x, x > 0.0)", "select(g * exp_f32(x / p.c), g, x > 0.0)"),
    (
        "selu",
        "1.05070099 * select(1.67326324 * expm1_f32(x), x, x > 0.0)",
        "1.05070099 * g * select(1.67326324 * exp_f32(x), 1.0, x > 0.0)",
    ),
    ("silu", "x * sigmoid_f32(x)", "g * sigmoid_f32(x) * (1.0 + x * (1.0 - sigmoid_f32(x)))"),
    (
        "mish",
        "x * tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0))",
        "g * (tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0)) + x * sigmoid_f32(x) * \
         (1.0 - tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0)) * tanh_f32(select(log1p_f32(exp_f32(x)), x, x > 20.0))))",
    ),
    ("logsigmoid", "select(0.0, x, x < 0.0) - log1p_f32(exp_f32(-abs(x)))", "g * sigmoid_f32(-x)"),
    (
        "softplus",
        "select(log1p_f32(exp_f32(x * p.c)) / p.c, x, x * p.c > p.d)",
        "select(g * sigmoid_f32(x * p.c), g, x * p.c > p.d)",
    ),
    ("softsign", "x / (1.0 + abs(x))", "g / ((1.0 + abs(x)) * (1.0 + abs(x)))"),
    ("tanhshrink", "x - tanh_f32(x)", "g * tanh_f32(x) * tanh_f32(x)"),
    ("hardtanh", "clamp_f32(x, p.c, p.d)", "select(g, 0.0, x <= p.c || x >= p.d)"),
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
    // Multiply and add a scalar: the affine map behind tensor-scalar arithmetic.
    ("affine", "p.c * x + p.d", "g * p.c"),
];

const GELU_BACKWARD: &str =
    "g * (0.5 * (1.0 + erf_f32(x * 0.707106781)) + x * 0.398942280 * exp_f32(-0.5 * x * x))";

/// A dense float32 tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

/// `out = expression(x)` for `n` elements; `out` may be `x`.
pub fn unary(name: &'static str, expression: &str, n: usize, x: Dense, scalars: [f32; 3], out: Dense) -> Result<()> {
    launch(name, expression, false, n, [x, x, x], scalars, out)
}

/// `out = expression(x, y, g)`. Pass `x` for `y` when the expression does not read `y`.
pub fn unary_backward(
    name: &'static str,
    expression: &str,
    n: usize,
    xyg: [Dense; 3],
    scalars: [f32; 3],
    out: Dense,
) -> Result<()> {
    launch(name, expression, true, n, xyg, scalars, out)
}

fn launch(
    name: &'static str,
    expression: &str,
    backward: bool,
    n: usize,
    xyg: [Dense; 3],
    scalars: [f32; 3],
    out: Dense,
) -> Result<()> {
    let offsets = [xyg[0].1, xyg[1].1, xyg[2].1, out.1];
    let vec4 = n.is_multiple_of(4) && offsets.iter().all(|o| o.is_multiple_of(4));
    let unit = if vec4 { 4 } else { 1 };
    let mut params = Params::new().u32(index_u32(n / unit)?);
    for offset in offsets {
        params = params.u32(index_u32(offset / unit)?);
    }
    let params = params.f32(scalars[0]).f32(scalars[1]).f32(scalars[2]);
    let mut defines = vec![("EXPR", expression)];
    if vec4 {
        defines.push(("VEC4", ""));
    }
    if backward {
        defines.push(("BACKWARD", ""));
    }
    let bindings = [Binding::write(out.0), Binding::read(xyg[0].0), Binding::read(xyg[1].0), Binding::read(xyg[2].0)];
    let used = if backward { 4 } else { 2 };
    let kernel = Kernel { name, source: SOURCE, defines: &defines };
    out.0.context().launch_1d(&kernel, &bindings[..used], &params, (n / unit) as u64)
}
