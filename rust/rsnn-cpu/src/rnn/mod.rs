//! Recurrent layers: one layer and direction over a whole sequence. The input projection of all steps is one product; each
//! step is one product with the packed recurrent weight and the gates of the same units, in one parallel region.
mod backward;
mod cell;
mod forward;
#[cfg(test)]
mod tests;

pub use backward::{Grads, Incoming, Saved, backward, scratch_len};
pub use forward::{Outputs, forward};

use crate::gemm::GemmScalar;
use crate::pool;
use std::ops::Range;

/// What happens to the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Lstm,
    Gru,
    Tanh,
    Relu,
}

impl Cell {
    /// Blocks of `hidden` rows in a weight.
    pub fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
            Cell::Tanh | Cell::Relu => 1,
        }
    }
}

/// One layer in one direction. Rows of all steps lie one after the other, `sizes[t]` of them at step `t`, never more than
/// at the step before (a packed sequence). Weights are torch's, contiguous.
#[derive(Clone, Copy)]
pub struct Layer<'a, T> {
    pub cell: Cell,
    pub sizes: &'a [usize],
    pub reverse: bool,
    pub input: usize,
    pub hidden: usize,
    /// (rows, input)
    pub x: &'a [T],
    /// (batch, out)
    pub h0: &'a [T],
    /// (batch, hidden), LSTM only
    pub c0: &'a [T],
    /// (gates * hidden, input)
    pub w_ih: &'a [T],
    /// (gates * hidden, out)
    pub w_hh: &'a [T],
    /// (gates * hidden,) both or none
    pub bias: Option<(&'a [T], &'a [T])>,
    /// (out, hidden): the projection of an LSTM's state
    pub w_hr: Option<&'a [T]>,
}

/// One step in the order of computation.
#[derive(Clone, Copy)]
struct Step {
    /// First of its rows, and their number.
    row: usize,
    n: usize,
    /// The same of the step before; rows from `before_n` on start from the initial state.
    before: usize,
    before_n: usize,
    /// The same of the step after; rows from `after_n` on end here.
    after: usize,
    after_n: usize,
}

impl<T: GemmScalar> Layer<'_, T> {
    fn rows(&self) -> usize {
        self.sizes.iter().sum()
    }

    fn batch(&self) -> usize {
        self.sizes.first().copied().unwrap_or(0)
    }

    /// Features of the hidden state.
    fn out(&self) -> usize {
        self.w_hr.map_or(self.hidden, |w| w.len() / self.hidden.max(1))
    }

    fn gate_cols(&self) -> usize {
        self.cell.gates() * self.hidden
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.sizes.len());
        let mut row = 0;
        for &n in self.sizes {
            steps.push(Step { row, n, before: 0, before_n: 0, after: 0, after_n: 0 });
            row += n;
        }
        if self.reverse {
            steps.reverse();
        }
        for i in 1..steps.len() {
            (steps[i].before, steps[i].before_n) = (steps[i - 1].row, steps[i - 1].n);
            (steps[i - 1].after, steps[i - 1].after_n) = (steps[i].row, steps[i].n);
        }
        steps
    }

    /// Packing the recurrent weight pays from a few steps on.
    fn packs(&self) -> bool {
        self.sizes.len() >= 4
    }

    fn check(&self) {
        let (rows, batch, gates) = (self.rows(), self.batch(), self.gate_cols());
        assert!(self.x.len() == rows * self.input && self.h0.len() == batch * self.out());
        assert!(self.w_ih.len() == gates * self.input && self.w_hh.len() == gates * self.out());
        assert!(self.bias.is_none_or(|(a, b)| a.len() == gates && b.len() == gates));
        assert!(self.cell != Cell::Lstm || self.c0.len() == batch * self.hidden);
        assert!(self.sizes.is_sorted_by(|a, b| a >= b) && (self.w_hr.is_none() || self.cell == Cell::Lstm));
    }
}

/// A row-major matrix whose columns are shared out to tasks.
#[derive(Clone, Copy)]
struct Mat<T> {
    p: *mut T,
    ld: usize,
    len: usize,
}

// SAFETY: tasks write disjoint columns and read only what no task writes meanwhile.
unsafe impl<T> Sync for Mat<T> {}

impl<T> Mat<T> {
    fn new(x: &mut [T], ld: usize) -> Self {
        Mat { p: x.as_mut_ptr(), ld, len: x.len() }
    }

    /// For reading only.
    fn of(x: &[T], ld: usize) -> Self {
        Mat { p: x.as_ptr().cast_mut(), ld, len: x.len() }
    }

    #[inline(always)]
    fn at(&self, row: usize, col: usize) -> *mut T {
        self.p.wrapping_add(row * self.ld + col)
    }

    /// # Safety
    /// No task writes these elements during the borrow.
    #[inline(always)]
    unsafe fn read<'a>(&self, row: usize, cols: Range<usize>) -> &'a [T] {
        assert!(cols.start <= cols.end && row * self.ld + cols.end <= self.len);
        // SAFETY: inside the matrix by the assertion, unshared by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.at(row, cols.start), cols.len()) }
    }

    /// # Safety
    /// Nobody else touches these elements during the borrow, and the matrix is not from `of`.
    #[inline(always)]
    unsafe fn write<'a>(&self, row: usize, cols: Range<usize>) -> &'a mut [T] {
        assert!(cols.start <= cols.end && row * self.ld + cols.end <= self.len);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, cols.start), cols.len()) }
    }
}

/// Distance of rows that keeps them from falling into one cache set.
pub fn spaced(cols: usize) -> usize {
    cols.next_multiple_of(16) + 16
}

/// Units (columns of a state) that one task takes.
const UNITS: usize = 32;
/// Multiply-adds of a step below which it stays on the calling thread.
const SERIAL: usize = 1 << 19;

/// Runs `f` on ranges of `0..units`, cut in whole panels by the shape alone.
fn for_units(units: usize, panel: usize, work: usize, f: impl Fn(Range<usize>) + Sync) {
    if work < SERIAL {
        return f(0..units);
    }
    let width = UNITS.next_multiple_of(panel);
    pool::for_each_chunk(units.div_ceil(width), |i| f(i * width..((i + 1) * width).min(units)));
}
