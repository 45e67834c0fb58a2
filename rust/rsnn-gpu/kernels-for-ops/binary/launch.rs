//! Elementwise ops of two tensors with broadcasting, as one template over an expression.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, Strided, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// torch's name and the WGSL value of `a`, `b`, `p.c` (alpha where torch has one) and `p.d`; float32 to float32.
pub const EXPRESSIONS: &[(&str, &str)] = &[
    ("add", "a + p.c * b"),
    ("sub", "a - p.c * b"),
    ("mul", "a * b"),
    ("div", "a / b"),
    ("floor_divide", "floor_divide_f32(a, b)"),
    ("remainder", "remainder_f32(a, b)"),
    ("fmod", "fmod_f32(a, b)"),
    ("pow", "pow_f32(a, b)"),
    ("maximum", "maximum(a, b)"),
    ("minimum", "minimum(a, b)"),
    ("fmax", "select(select(max(a, b), b, is_nan(a)), a, is_nan(b))"),
    ("fmin", "select(select(min(a, b), b, is_nan(a)), a, is_nan(b))"),
    ("atan2", "atan2(a, b)"),
    ("lerp", "select(a + p.c * (b - a), b - (b - a) * (1.0 - p.c), p.c >= 0.5)"),
    ("squared_difference", "(a - b) * (a - b)"),
];

/// Comparisons by input type; the result is bool.
pub const COMPARISONS: &[(&str, In, &str)] = &[
    ("eq", In::F32, "eq_f32(a, b)"),
    ("ne", In::F32, "!eq_f32(a, b)"),
    ("lt", In::F32, "lt_f32(a, b)"),
    ("le", In::F32, "le_f32(a, b)"),
    ("gt", In::F32, "lt_f32(b, a)"),
    ("ge", In::F32, "le_f32(b, a)"),
    ("logical_and", In::F32, "not_zero_f32(a) && not_zero_f32(b)"),
    ("logical_or", In::F32, "not_zero_f32(a) || not_zero_f32(b)"),
    ("logical_xor", In::F32, "not_zero_f32(a) != not_zero_f32(b)"),
    ("eq", In::I64, "eq_i64(a, b)"),
    ("ne", In::I64, "!eq_i64(a, b)"),
    ("lt", In::I64, "lt_i64(a, b)"),
    ("le", In::I64, "!lt_i64(b, a)"),
    ("gt", In::I64, "lt_i64(b, a)"),
    ("ge", In::I64, "!lt_i64(a, b)"),
    ("eq", In::Byte, "a == b"),
    ("ne", In::Byte, "a != b"),
    ("logical_and", In::Byte, "a != 0u && b != 0u"),
    ("logical_or", In::Byte, "a != 0u || b != 0u"),
    ("logical_xor", In::Byte, "(a != 0u) != (b != 0u)"),
    // On bool only.
    ("bitwise_and", In::Byte, "a != 0u && b != 0u"),
    ("bitwise_or", In::Byte, "a != 0u || b != 0u"),
    ("bitwise_xor", In::Byte, "(a != 0u) != (b != 0u)"),
];

/// Type of both inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum In {
    F32,
    I64,
    /// bool or uint8.
    Byte,
}

/// One input: strides and offset in elements.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub buffer: &'a GpuBuffer,
    pub strides: &'a [isize],
    pub offset: usize,
}

/// `out[offset..] = expression(a, b)` in float32 over `shape`, `out` dense in row-major order.
/// `a` or `b` may be `out` itself when their views are the same.
pub fn binary(
    name: &'static str,
    expression: &str,
    shape: &[usize],
    inputs: [Input; 2],
    scalars: [f32; 2],
    out: (&GpuBuffer, usize),
) -> Result<()> {
    launch(name, expression, shape, inputs, scalars, out, In::F32, false)
}

/// `out = expression(a, b)` as bool into a buffer of its own.
pub fn compare(
    name: &'static str,
    of: In,
    expression: &str,
    shape: &[usize],
    inputs: [Input; 2],
    out: &GpuBuffer,
) -> Result<()> {
    launch(name, expression, shape, inputs, [0.0; 2], (out, 0), of, true)
}

/// The defines that fix the types: stored words, value, result, output words.
pub fn types(of: In, bool_out: bool, vec4: bool) -> Vec<(&'static str, &'static str)> {
    let (stored, value) = match of {
        In::F32 if vec4 => ("vec4<f32>", "f32"),
        In::F32 => ("f32", "f32"),
        In::I64 => ("vec2<u32>", "vec2<u32>"),
        In::Byte => ("u32", "u32"),
    };
    let (result, out) = if bool_out { ("bool", "u32") } else { (value, stored) };
    let mut defines = vec![("STORED", stored), ("T", value), ("RESULT", result), ("OUT", out)];
    let flags = [("VEC4", vec4), ("BOOL", bool_out), ("BYTE", of == In::Byte)];
    defines.extend(flags.iter().filter(|(_, on)| *on).map(|(name, _)| (*name, "")));
    defines
}

fn launch(
    name: &'static str,
    expression: &str,
    shape: &[usize],
    [a, b]: [Input; 2],
    scalars: [f32; 2],
    (out, out_offset): (&GpuBuffer, usize),
    of: In,
    bool_out: bool,
) -> Result<()> {
    let dims = Strided::new(shape, [a.strides, b.strides])?;
    let dense = dims.all_contiguous();
    let offsets = [a.offset, b.offset, out_offset];
    let aligned = dims.count.is_multiple_of(4) && offsets.iter().all(|o| o.is_multiple_of(4));
    let vec4 = dense && of == In::F32 && !bool_out && aligned;
    let unit = if vec4 { 4 } else { 1 };
    let count = dims.count / unit as u64;
    let mut defines = types(of, bool_out, vec4);
    defines.push(("EXPR", expression));
    let mut params = Params::new();
    if dense {
        defines.push(("DENSE", ""));
    } else {
        defines.extend(dims.defines());
        params = dims.write(params);
    }
    params = params.u32(index_u32(count as usize)?);
    for offset in offsets {
        params = params.u32(index_u32(offset / unit)?);
    }
    let params = params.f32(scalars[0]).f32(scalars[1]);
    let kernel = Kernel { name, source: SOURCE, defines: &defines };
    let bindings = [Binding::read(a.buffer), Binding::read(b.buffer), Binding::write(out)];
    let items = if bool_out { count.div_ceil(4) } else { count };
    out.context().launch_1d(&kernel, &bindings, &params, items)
}
