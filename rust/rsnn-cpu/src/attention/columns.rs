//! Loops over the columns of a block of scores in the vectors that fit.
use super::block::QB;
use crate::vmath::Lanes;

/// Work on the columns from `j` that one value of `V` holds.
pub trait Columns<T> {
    fn at<V: Lanes<T = T>>(&mut self, j: usize);
}

/// Every column below `width`, which is a whole number of vectors of the products' kernel.
#[inline(always)]
pub fn each<V: Lanes>(width: usize, mut work: impl Columns<V::T>) {
    let mut j = 0;
    if V::WIDTH > V::Narrow::WIDTH {
        while j + V::WIDTH <= width {
            work.at::<V>(j);
            j += V::WIDTH;
        }
    }
    while j + V::Narrow::WIDTH <= width {
        work.at::<V::Narrow>(j);
        j += V::Narrow::WIDTH;
    }
    // Only lanes narrower than 8 leave a rest, and `V` is a single number then.
    while j + V::WIDTH <= width {
        work.at::<V>(j);
        j += V::WIDTH;
    }
}

/// # Safety
/// `V::WIDTH` columns from `j` exist.
#[inline(always)]
pub unsafe fn load<V: Lanes>(row: &[V::T; QB], j: usize) -> V {
    debug_assert!(j + V::WIDTH <= QB);
    // SAFETY: the caller's contract.
    unsafe { V::load(row.as_ptr().add(j)) }
}

/// # Safety
/// As for `load`.
#[inline(always)]
pub unsafe fn store<V: Lanes>(x: V, row: &mut [V::T; QB], j: usize) {
    debug_assert!(j + V::WIDTH <= QB);
    // SAFETY: the caller's contract.
    unsafe { x.store(row.as_mut_ptr().add(j)) }
}
