//! to(dtype) between float32, int32, int64, uint8 and bool.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    F32,
    I32,
    I64,
    U8,
    Bool,
}

impl Type {
    pub const ALL: [Type; 5] = [Type::F32, Type::I32, Type::I64, Type::U8, Type::Bool];

    fn stored(self) -> &'static str {
        match self {
            Type::F32 => "f32",
            Type::I32 => "i32",
            Type::I64 => "vec2<u32>",
            Type::U8 | Type::Bool => "u32",
        }
    }

    fn is_byte(self) -> bool {
        matches!(self, Type::U8 | Type::Bool)
    }
}

fn expression(from: Type, to: Type) -> &'static str {
    use Type::{Bool, F32, I32, I64, U8};
    match (from, to) {
        (F32, F32) | (I32, I32) | (I64, I64) | (U8 | Bool, U8) => "v",
        (F32, I32) => "f32_to_i32(v)",
        (F32, I64) => "f32_to_wide(v)",
        (F32, U8) => "bitcast<u32>(f32_to_i32(v))",
        (F32, Bool) => "f32_not_zero(v)",
        (I32, F32) => "f32(v)",
        (I32, I64) => "narrow(v)",
        (I32, U8) => "bitcast<u32>(v)",
        (I32, Bool) => "select(0u, 1u, v != 0)",
        (I64, F32) => "wide_to_f32(v)",
        (I64, I32) => "bitcast<i32>(v.x)",
        (I64, U8) => "v.x",
        (I64, Bool) => "select(0u, 1u, (v.x | v.y) != 0u)",
        (U8 | Bool, F32) => "f32(v)",
        (U8 | Bool, I32) => "i32(v)",
        (U8 | Bool, I64) => "vec2<u32>(v, 0u)",
        (U8 | Bool, Bool) => "select(0u, 1u, v != 0u)",
    }
}

pub fn defines(from: Type, to: Type) -> Vec<(&'static str, &'static str)> {
    let mut defines = vec![("FROM", from.stored()), ("TO", to.stored()), ("RESULT", to.stored()), ("EXPR", expression(from, to))];
    if from.is_byte() {
        defines.push(("FROM_BYTE", ""));
    }
    if to.is_byte() {
        defines.push(("TO_BYTE", ""));
    }
    defines
}

/// `out = x` as another type for `n` dense elements. A one-byte `out` starts at a multiple of 4.
pub fn cast(n: usize, from: Type, x: (&GpuBuffer, usize), to: Type, out: (&GpuBuffer, usize)) -> Result<()> {
    let defines = defines(from, to);
    let params = Params::new().u32(index_u32(n)?).u32(index_u32(x.1)?).u32(index_u32(out.1)?);
    let kernel = Kernel { name: "cast", source: SOURCE, defines: &defines };
    let items = if to.is_byte() { n.div_ceil(4) } else { n };
    out.0.context().launch_1d(&kernel, &[Binding::read(x.0), Binding::write(out.0)], &params, items as u64)
}
