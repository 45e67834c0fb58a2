//! Data movement: strided copies, joins, padding, sliding blocks, sorting of keys. Copies know elements by their width only.
pub mod blocks;
mod copy;
mod join;
pub mod pad;
mod radix;
#[cfg(test)]
mod tests;
mod tile;

pub use copy::copy;
pub use join::{Piece, join};
pub use radix::radix_sort;

/// Least bytes of one task: a smaller copy is over before a second thread has begun.
const GRAIN: usize = 64 * 1024;

/// Tasks for `elements` of type `T`.
fn tasks<T>(elements: usize) -> usize {
    crate::pool::split(elements * size_of::<T>(), GRAIN)
}

/// Copies `len` neighbours; for a short run `memcpy` takes longer to decide how than to do it.
///
/// # Safety
/// Both runs lie in their allocations and do not overlap.
#[inline(always)]
unsafe fn run<T: Copy>(from: *const T, to: *mut T, len: usize) {
    // SAFETY: the contract.
    unsafe {
        if len * size_of::<T>() < 256 {
            for i in 0..len {
                *to.add(i) = *from.add(i);
            }
        } else {
            std::ptr::copy_nonoverlapping(from, to, len);
        }
    }
}
