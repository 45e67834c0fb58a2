//! Elementwise ops of two tensors on the GPU with broadcasting: one template over an expression.
use super::Binary;
use crate::gpu::{lift, no_kernel, operand, strided};
use crate::op::{GpuCall, Op};
use crate::tensor::Tensor;
use rsnn_core::{DType, Result};
use rsnn_gpu::{Binding, Kernel, Params, Strided, index_u32};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// torch's name and the WGSL value of `a` and `b`; float32 to float32.
pub(crate) const EXPRESSIONS: &[(&str, &str)] = &[
    ("add", "a + b"),
    ("sub", "a - b"),
    ("mul", "a * b"),
    ("div", "a / b"),
    ("floor_divide", "floor_divide_f32(a, b)"),
    ("remainder", "remainder_f32(a, b)"),
    ("fmod", "fmod_f32(a, b)"),
    ("pow", "pow_f32(a, b)"),
    ("maximum", "maximum(a, b)"),
    ("minimum", "minimum(a, b)"),
    ("atan2", "atan2(a, b)"),
    ("hypot", "hypot_f32(a, b)"),
    ("copysign", "copy_sign(a, b)"),
];

/// Comparisons by input type; the result is bool.
pub(crate) const COMPARISONS: &[(&str, In, &str)] = &[
    ("eq", In::F32, "eq_f32(a, b)"),
    ("ne", In::F32, "!eq_f32(a, b)"),
    ("lt", In::F32, "lt_f32(a, b)"),
    ("le", In::F32, "le_f32(a, b)"),
    ("gt", In::F32, "lt_f32(b, a)"),
    ("ge", In::F32, "le_f32(b, a)"),
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
pub(crate) enum In {
    F32,
    I64,
    /// bool or uint8.
    Byte,
}

/// The dtype both operands take, and the type the kernel knows it by.
fn compared(kind: Binary, dtype: DType) -> (DType, In) {
    use Binary::{Eq, LogicalAnd, LogicalOr, LogicalXor, Ne};
    match (kind, dtype) {
        (LogicalAnd | LogicalOr | LogicalXor, _) => (DType::Bool, In::Byte),
        (_, DType::F32) => (dtype, In::F32),
        (Eq | Ne, DType::Bool | DType::U8) => (dtype, In::Byte),
        _ => (DType::I64, In::I64),
    }
}

/// `out = a op b`.
pub(super) fn run(kind: Binary, call: &GpuCall) -> Result<()> {
    let name = kind.name();
    let (compute, out) = kind.dtypes(&call.ins[0], &call.ins[1])?;
    let (dtype, of, expression) = if out == DType::Bool {
        let (dtype, of) = if kind.is_comparison() { compared(kind, compute) } else { (DType::Bool, In::Byte) };
        (dtype, of, COMPARISONS.iter().find(|row| row.0 == name && row.1 == of).map(|row| row.2))
    } else {
        let row = EXPRESSIONS.iter().find(|row| row.0 == name && compute == DType::F32);
        (compute, In::F32, row.map(|row| row.1))
    };
    let Some(expression) = expression else { return Err(no_kernel(name, compute)) };
    let (a, b) = (operand(&call.ins[0], dtype, call)?, operand(&call.ins[1], dtype, call)?);
    launch(name, expression, of, out == DType::Bool, [&a, &b], &call.outs[0])
}

/// The defines that fix the types: stored words, value, result, output words.
pub(crate) fn types(of: In, bool_out: bool, vec4: bool) -> Vec<(&'static str, &'static str)> {
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

fn launch(name: &'static str, expression: &str, of: In, bool_out: bool, ins: [&Tensor; 2], out: &Tensor) -> Result<()> {
    let shape = out.shape();
    let steps = ins.map(|t| t.layout().broadcast_strides(shape));
    let (a, b) = (strided(ins[0], &steps[0])?, strided(ins[1], &steps[1])?);
    let dims = lift(Strided::new(shape, [a.strides, b.strides]))?;
    let dense = dims.all_contiguous();
    let offsets = [a.offset, b.offset, out.layout().offset];
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
    params = params.u32(lift(index_u32(count as usize))?);
    for offset in offsets {
        params = params.u32(lift(index_u32(offset / unit))?);
    }
    let to = crate::gpu::buffer(out)?;
    let kernel = Kernel { name, source: SOURCE, defines: &defines };
    let bindings = [Binding::read(a.buffer), Binding::read(b.buffer), Binding::write(to)];
    let items = if bool_out { count.div_ceil(4) } else { count };
    lift(to.context().launch_1d(&kernel, &bindings, &params, items))
}
