//! copy_: any strided layout to any other of the same shape, for elements of 1, 4 or 8 bytes.

use rsnn_gpu::{Binding, GpuBuffer, GpuError, Kernel, Params, Result, Strided, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");
pub const WIDTHS: [(usize, &[(&str, &str)]); 3] =
    [(1, &[("WORD", "u32"), ("BYTE", "")]), (4, &[("WORD", "u32")]), (8, &[("WORD", "vec2<u32>")])];

/// One side of the copy: strides and offset in elements.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub buffer: &'a GpuBuffer,
    pub strides: &'a [isize],
    pub offset: usize,
}

/// `out[...] = x[...]` over `shape`, elements of `width` bytes. The two must not overlap unless they are the same view.
/// One-byte elements need a dense `out` that starts at a multiple of 4 and ends its buffer or a multiple of 4.
pub fn copy(width: usize, shape: &[usize], x: Side, out: Side) -> Result<()> {
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
