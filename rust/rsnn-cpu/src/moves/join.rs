//! Rows put together from pieces of several sources.
use super::GRAIN;
use crate::pool::{self, SendPtr};

/// A source of `join`: `len` bytes of each row, rows `step` bytes apart.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub from: *const u8,
    pub step: isize,
    pub len: usize,
}

// SAFETY: the pointer is only read inside `join`.
unsafe impl Send for Piece {}
// SAFETY: as above.
unsafe impl Sync for Piece {}

/// Writes `rows` rows, each made of all pieces one after another.
///
/// # Safety
/// The pieces lie in their allocations, `out` has room for all rows and overlaps no piece.
pub unsafe fn join(pieces: &[Piece], rows: usize, out: *mut u8) {
    let width: usize = pieces.iter().map(|p| p.len).sum();
    let total = width * rows;
    let out = SendPtr(out);
    let chunks = pool::split(total, GRAIN);
    pool::for_each_chunk(chunks, |c| {
        let bytes = pool::range(total, chunks, c);
        let Some(mut row) = bytes.start.checked_div(width) else { return };
        let (mut at, mut skip) = (bytes.start, bytes.start % width);
        while at < bytes.end {
            for p in pieces {
                let len = p.len.saturating_sub(skip).min(bytes.end - at);
                // SAFETY: the rest of this piece of this row, and its place in the output.
                unsafe {
                    let from = p.from.offset(row as isize * p.step).add(skip.min(p.len));
                    std::ptr::copy_nonoverlapping(from, out.get().add(at), len);
                }
                skip = skip.saturating_sub(p.len);
                at += len;
            }
            row += 1;
        }
    });
}
