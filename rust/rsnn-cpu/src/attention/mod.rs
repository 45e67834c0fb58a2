//! Scaled dot-product attention by blocks with an online softmax: no q_len x kv_len matrix in memory, forward or backward.
//! Scores of a block are kept transposed (keys down, queries across): row statistics are then plain vector operations and
//! only the small query side is packed. Scores are kept as exponents of 2, which has the cheapest exponential. The backward
//! pass recomputes the probabilities from the saved log-sum-exp.
mod backward;
mod block;
mod columns;
mod forward;
mod narrow;
#[cfg(test)]
mod tests;

pub use backward::backward;
pub use forward::forward;

use crate::pool;

/// A (batch, heads, length, dim) operand: strides of the first three in elements, the last one is 1.
#[derive(Clone, Copy, Debug)]
pub struct View<T> {
    pub ptr: *const T,
    pub strides: [isize; 3],
}

/// The same for a result.
#[derive(Clone, Copy, Debug)]
pub struct ViewMut<T> {
    pub ptr: *mut T,
    pub strides: [isize; 3],
}

/// A mask over (batch, heads, q_len, kv_len), strides in elements; 0 broadcasts.
#[derive(Clone, Copy, Debug)]
pub enum Mask<T> {
    None,
    /// Not 0: attend.
    Bool {
        ptr: *const u8,
        strides: [isize; 4],
    },
    /// Added to the scaled scores.
    Float {
        ptr: *const T,
        strides: [isize; 4],
    },
}

/// `softmax(scale * q k^T + mask) v`. Query head h reads key head `h / (heads / kv_heads)`.
#[derive(Clone, Copy, Debug)]
pub struct Attention<T> {
    pub batch: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub q_len: usize,
    pub kv_len: usize,
    /// Width of q and k.
    pub d: usize,
    /// Width of v and of the result.
    pub dv: usize,
    pub scale: f64,
    /// Query i sees keys 0..=i, counted from the top left whatever the lengths are.
    pub causal: bool,
    pub mask: Mask<T>,
    /// Probability of dropping a weight; 0 for none.
    pub dropout: f64,
    /// Key of the dropout stream, the same in both directions.
    pub dropout_key: u64,
    pub q: View<T>,
    pub k: View<T>,
    pub v: View<T>,
}

impl<T> Attention<T> {
    /// Runs the tasks of a pass: on this thread alone where waking others costs more than the work.
    fn each_task(&self, tasks: usize, f: impl Fn(usize) + Sync) {
        let flop = 2.0 * (self.batch * self.heads * (self.d + self.dv)) as f64 * self.q_len as f64 * self.kv_len as f64;
        if flop < SERIAL_FLOP { (0..tasks).for_each(f) } else { pool::for_each_chunk(tasks, f) }
    }
}

/// About 30 us of one core.
const SERIAL_FLOP: f64 = 1e6;

impl<T> View<T> {
    /// A contiguous (batch, heads, len, dim) operand.
    pub fn contiguous(ptr: *const T, heads: usize, len: usize, dim: usize) -> Self {
        Self { ptr, strides: contiguous(heads, len, dim) }
    }

    #[inline(always)]
    fn at(&self, b: usize, h: usize, l: usize) -> *const T {
        self.ptr.wrapping_offset(offset(&self.strides, b, h, l))
    }

    #[inline(always)]
    fn row(&self) -> isize {
        self.strides[2]
    }
}

impl<T> ViewMut<T> {
    /// A contiguous (batch, heads, len, dim) result.
    pub fn contiguous(ptr: *mut T, heads: usize, len: usize, dim: usize) -> Self {
        Self { ptr, strides: contiguous(heads, len, dim) }
    }

    #[inline(always)]
    fn at(&self, b: usize, h: usize, l: usize) -> *mut T {
        self.ptr.wrapping_offset(offset(&self.strides, b, h, l))
    }

    #[inline(always)]
    fn row(&self) -> isize {
        self.strides[2]
    }
}

fn contiguous(heads: usize, len: usize, dim: usize) -> [isize; 3] {
    [(heads * len * dim) as isize, (len * dim) as isize, dim as isize]
}

#[inline(always)]
fn offset(strides: &[isize; 3], b: usize, h: usize, l: usize) -> isize {
    b as isize * strides[0] + h as isize * strides[1] + l as isize * strides[2]
}
