//! Padding: along each padded dimension a stretch of the input, with the sources of what lies left and right of it in tables.
use super::{run, tasks};
use crate::pool::{self, SendPtr};
use crate::simd::vectorize;
use std::ops::Range;

/// One dimension.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Length in the input.
    pub size: usize,
    /// The input positions that come through one after another.
    pub inner: Range<usize>,
    /// Input positions of what lies left and right of them in the output; `OUTSIDE` where there is none.
    pub sides: [Vec<usize>; 2],
}

/// No position of the input.
pub const OUTSIDE: usize = usize::MAX;

impl Axis {
    /// Length in the output.
    pub fn len(&self) -> usize {
        self.sides[0].len() + self.inner.len() + self.sides[1].len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The input position of output position `i`.
    #[inline(always)]
    fn source(&self, i: usize) -> usize {
        let Some(i) = i.checked_sub(self.sides[0].len()) else { return self.sides[0][i] };
        match i.checked_sub(self.inner.len()) {
            None => self.inner.start + i,
            Some(i) => self.sides[1][i],
        }
    }

    /// Calls `f` with the output and input positions of what lies beside the stretch.
    #[inline(always)]
    fn edges(&self, mut f: impl FnMut(usize, usize)) {
        let [left, right] = &self.sides;
        let after = left.len() + self.inner.len();
        left.iter().enumerate().for_each(|(i, s)| f(i, *s));
        right.iter().enumerate().for_each(|(i, s)| f(after + i, *s));
    }
}

/// Rows of one plane: which row of the input each row of the output reads.
struct Rows<'a> {
    outer: &'a [Axis],
    index: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn new(outer: &'a [Axis], mut at: usize) -> Rows<'a> {
        let mut index = vec![0; outer.len()];
        for (a, i) in outer.iter().zip(&mut index).rev() {
            *i = at % a.len();
            at /= a.len();
        }
        Rows { outer, index }
    }

    /// The row of the input under the present row of the output.
    #[inline(always)]
    fn source(&self) -> Option<usize> {
        let mut row = 0;
        for (a, &i) in self.outer.iter().zip(&self.index) {
            let s = a.source(i);
            if s == OUTSIDE {
                return None;
            }
            row = row * a.size + s;
        }
        Some(row)
    }

    #[inline(always)]
    fn advance(&mut self) {
        for (a, i) in self.outer.iter().zip(&mut self.index).rev() {
            *i += 1;
            if *i < a.len() {
                return;
            }
            *i = 0;
        }
    }
}

fn product(axes: &[Axis], f: impl Fn(&Axis) -> usize) -> usize {
    axes.iter().map(f).product()
}

/// Fills `planes` padded planes from planes of `axes`; `value` goes where the tables name nothing.
///
/// # Safety
/// `x` has `planes` times the product of the sizes of `axes` elements, `out` `planes` times the product of their lengths.
pub unsafe fn pad<T: Copy + Send + Sync>(x: *const T, out: *mut T, planes: usize, axes: &[Axis], value: T) {
    let Some((last, outer)) = axes.split_last() else { return };
    let (width, height) = (last.len(), product(outer, Axis::len));
    let rows = planes * height;
    if rows * width == 0 {
        return;
    }
    let size = product(outer, |a| a.size);
    let chunks = tasks::<T>(rows * width).min(rows);
    let (x, out) = (SendPtr(x.cast_mut()), SendPtr(out));
    pool::for_each_chunk(chunks, |c| {
        let part = pool::range(rows, chunks, c);
        let mut at = Rows::new(outer, part.start % height);
        let (mut plane, mut left) = (part.start / height, height - part.start % height);
        // SAFETY: the tables name positions below the sizes; tasks write disjoint rows.
        vectorize(
            #[inline(always)]
            || unsafe {
                for row in part {
                    let to = out.get().add(row * width);
                    match at.source() {
                        Some(s) => copy_row(x.get().add((plane * size + s) * last.size), to, last, value),
                        None => (0..width).for_each(|k| *to.add(k) = value),
                    }
                    at.advance();
                    left -= 1;
                    if left == 0 {
                        (plane, left) = (plane + 1, height);
                    }
                }
            },
        );
    });
}

/// # Safety
/// `from` has the elements of a row of the input, `to` those of a row of the output.
#[inline(always)]
unsafe fn copy_row<T: Copy>(from: *const T, to: *mut T, last: &Axis, value: T) {
    // SAFETY: the contract.
    unsafe {
        last.edges(|k, s| *to.add(k) = if s == OUTSIDE { value } else { *from.add(s) });
        run(from.add(last.inner.start), to.add(last.sides[0].len()), last.inner.len());
    }
}

/// The transpose of `pad`: adds every element of `g` to the one it was read from, in the order of `g`.
///
/// # Safety
/// As for `pad`, with `g` as large as its output and `out` as its input.
pub unsafe fn unpad<T: Copy + Send + Sync>(
    g: *const T,
    out: *mut T,
    planes: usize,
    axes: &[Axis],
    zero: T,
    add: impl Fn(T, T) -> T + Copy + Sync,
) {
    let Some((last, outer)) = axes.split_last() else { return };
    let (width, height) = (last.len(), product(outer, Axis::len));
    let size = product(axes, |a| a.size);
    let chunks = tasks::<T>(planes * height * width).min(planes.max(1));
    let (g, out) = (SendPtr(g.cast_mut()), SendPtr(out));
    pool::for_each_chunk(chunks, |c| {
        let part = pool::range(planes, chunks, c);
        // SAFETY: the tables name positions below the sizes; tasks write disjoint planes.
        vectorize(
            #[inline(always)]
            || unsafe {
                for plane in part {
                    let to = out.get().add(plane * size);
                    (0..size).for_each(|i| *to.add(i) = zero);
                    let mut at = Rows::new(outer, 0);
                    for row in 0..if width == 0 { 0 } else { height } {
                        if let Some(s) = at.source() {
                            let from = g.get().cast_const().add((plane * height + row) * width);
                            add_row(from, to.add(s * last.size), last, add);
                        }
                        at.advance();
                    }
                }
            },
        );
    });
}

/// # Safety
/// `from` has the elements of a row of the output, `to` those of a row of the input.
#[inline(always)]
unsafe fn add_row<T: Copy>(from: *const T, to: *mut T, last: &Axis, add: impl Fn(T, T) -> T) {
    // SAFETY: the contract.
    unsafe {
        last.edges(|k, s| {
            if s != OUTSIDE {
                *to.add(s) = add(*to.add(s), *from.add(k));
            }
        });
        let (from, to) = (from.add(last.sides[0].len()), to.add(last.inner.start));
        (0..last.inner.len()).for_each(
            #[inline(always)]
            |i| *to.add(i) = add(*to.add(i), *from.add(i)),
        );
    }
}
