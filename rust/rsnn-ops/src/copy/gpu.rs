//! Copies between strided layouts, for elements of 1, 4 or 8 bytes; and casts between float32, int32, int64, uint8, bool.
use rsnn_gpu::{Binding, GpuBuffer, GpuError, Kernel, Params, Result, Strided, index_u32};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");
pub(crate) const CAST: &str = include_str!("cast.wgsl");
pub(crate) const WIDTHS: [(usize, &[(&str, &str)]); 3] =
    [(1, &[("WORD", "u32"), ("BYTE", "")]), (4, &[("WORD", "u32")]), (8, &[("WORD", "vec2<u32>")])];

/// One side of the copy: strides and offset in elements.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub buffer: &'a GpuBuffer,
    pub strides: &'a [isize],
    pub offset: usize,
}

/// `out[...] = x[...]` over `shape`, elements of `width` bytes. The two must not overlap unless they are the same view.
/// One-byte elements need a dense `out` that starts at a multiple of 4 and ends its buffer or a multiple of 4.
pub(crate) fn copy(width: usize, shape: &[usize], x: Side, out: Side) -> Result<()> {
    let dims = Strided::new(shape, [x.strides, out.strides])?;
    let bytes = |elements: usize| elements as u64 * width as u64;
    let count = dims.count as usize;
    let ends_buffer = bytes(out.offset + count) == out.buffer.len();
    let whole_words = bytes(out.offset).is_multiple_of(4) && (bytes(count).is_multiple_of(4) || ends_buffer);
    let dense = dims.all_contiguous() && whole_words && bytes(x.offset).is_multiple_of(4);
    if dense && !x.buffer.same(out.buffer) {
        return x.buffer.context().copy_buffer(x.buffer, bytes(x.offset), out.buffer, bytes(out.offset), bytes(count));
    }
    if width == 1 && !(dims.is_contiguous(1) && whole_words) {
        return Err(GpuError::Invalid("copy_: bytes into part of a word, expected a dense destination".into()));
    }
    let Some((_, kind)) = WIDTHS.iter().find(|(w, _)| *w == width) else {
        return Err(GpuError::Invalid(format!("copy_: elements of {width} bytes, expected 1, 4 or 8")));
    };
    let defines: Vec<_> = kind.iter().chain(dims.defines()).copied().collect();
    let params = dims.write(Params::new()).u32(dims.count as u32).u32(index_u32(x.offset)?).u32(index_u32(out.offset)?);
    let kernel = Kernel { name: "copy", source: SOURCE, defines: &defines };
    let bindings = [Binding::read(x.buffer), Binding::write(out.buffer)];
    let items = if width == 1 { dims.count.div_ceil(4) } else { dims.count };
    out.buffer.context().launch_1d(&kernel, &bindings, &params, items)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    F32,
    I32,
    I64,
    U8,
    Bool,
}

impl Type {
    #[cfg(all(test, feature = "validate"))]
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

pub(crate) fn defines(from: Type, to: Type) -> Vec<(&'static str, &'static str)> {
    let mut defines =
        vec![("FROM", from.stored()), ("TO", to.stored()), ("RESULT", to.stored()), ("EXPR", expression(from, to))];
    if from.is_byte() {
        defines.push(("FROM_BYTE", ""));
    }
    if to.is_byte() {
        defines.push(("TO_BYTE", ""));
    }
    defines
}

/// `out = x` as another type for `n` dense elements. A one-byte `out` starts at a multiple of 4.
pub(crate) fn cast(n: usize, from: Type, x: (&GpuBuffer, usize), to: Type, out: (&GpuBuffer, usize)) -> Result<()> {
    let defines = defines(from, to);
    let params = Params::new().u32(index_u32(n)?).u32(index_u32(x.1)?).u32(index_u32(out.1)?);
    let kernel = Kernel { name: "cast", source: CAST, defines: &defines };
    let items = if to.is_byte() { n.div_ceil(4) } else { n };
    out.0.context().launch_1d(&kernel, &[Binding::read(x.0), Binding::write(out.0)], &params, items as u64)
}
