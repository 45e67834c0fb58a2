//! Strided copy: loops are ordered by the strides of the destination, and the two innermost make one block.
use super::tile::transpose;
use super::{run, tasks};
use crate::loops::MAX_DIMS;
use crate::pool::{self, SendPtr};
use crate::simd::{LARGE, copy_past, drain, vectorize};

/// A dimension of a copy: its length and what a step means on both sides, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dim {
    pub len: usize,
    pub from: isize,
    pub to: isize,
}

const ONE: Dim = Dim { len: 1, from: 0, to: 0 };

/// The dimensions of a copy, outermost first, merged where both sides step evenly.
struct Plan {
    dims: [Dim; MAX_DIMS],
    count: usize,
}

impl Plan {
    fn new(shape: &[usize], from: &[isize], to: &[isize]) -> Plan {
        let (mut sorted, mut n) = ([ONE; MAX_DIMS], 0);
        for (i, &len) in shape.iter().enumerate().filter(|(_, len)| **len != 1) {
            sorted[n] = Dim { len, from: from[i], to: to[i] };
            n += 1;
        }
        sorted[..n].sort_by_key(|d| (std::cmp::Reverse(d.to.abs()), std::cmp::Reverse(d.from.abs())));
        let (mut dims, mut count) = ([ONE; MAX_DIMS], 0);
        for d in &sorted[..n] {
            let len = d.len as isize;
            match dims[..count].last_mut() {
                Some(last) if last.from == d.from * len && last.to == d.to * len => {
                    *last = Dim { len: last.len * d.len, ..*d };
                }
                _ => {
                    dims[count] = *d;
                    count += 1;
                }
            }
        }
        Plan { dims, count }
    }

    /// The two dimensions of a block, taken out of the plan: rows, and the run that neighbours in the destination.
    fn take_block(&mut self) -> [Dim; 2] {
        let Some(last) = self.count.checked_sub(1) else { return [ONE; 2] };
        let run = self.dims[last];
        self.count = last;
        // Where the source runs along another dimension, that one makes a transpose with the run.
        let turned = run.to == 1 && run.from.abs() > 1;
        let across = self.dims[..last].iter().position(|d| d.from == 1).filter(|_| turned);
        let Some(at) = across.or(last.checked_sub(1)) else { return [ONE, run] };
        let rows = self.dims[at];
        self.dims.copy_within(at + 1..last, at);
        self.count = last - 1;
        [rows, run]
    }

    /// Offsets of outer position `at`.
    fn locate(&self, mut at: usize) -> [isize; 2] {
        let mut offsets = [0, 0];
        for d in self.dims[..self.count].iter().rev() {
            let i = (at % d.len) as isize;
            at /= d.len;
            offsets[0] += i * d.from;
            offsets[1] += i * d.to;
        }
        offsets
    }

    /// Steps from one outer position to the next.
    #[inline(always)]
    fn advance(&self, index: &mut [usize; MAX_DIMS], offsets: &mut [isize; 2]) {
        for (d, i) in self.dims[..self.count].iter().zip(index).rev() {
            *i += 1;
            offsets[0] += d.from;
            offsets[1] += d.to;
            if *i < d.len {
                return;
            }
            *i = 0;
            offsets[0] -= d.from * d.len as isize;
            offsets[1] -= d.to * d.len as isize;
        }
    }

    fn index(&self, mut at: usize) -> [usize; MAX_DIMS] {
        let mut index = [0; MAX_DIMS];
        for (d, i) in self.dims[..self.count].iter().zip(&mut index).rev() {
            *i = at % d.len;
            at /= d.len;
        }
        index
    }
}

/// `to = from` over any strides.
///
/// # Safety
/// Every element that `shape` and the strides reach lies in its allocation, and the two sides do not overlap.
pub unsafe fn copy<T: Copy>(shape: &[usize], from: (*const T, &[isize]), to: (*mut T, &[isize])) {
    if shape.contains(&0) {
        return;
    }
    if shape.len() > MAX_DIMS {
        // More than a plan holds: the rest once for each step of the first dimension.
        for i in 0..shape[0] as isize {
            // SAFETY: part of what the caller gave.
            unsafe {
                let (a, b) = (from.0.offset(i * from.1[0]), to.0.offset(i * to.1[0]));
                copy(&shape[1..], (a, &from.1[1..]), (b, &to.1[1..]));
            }
        }
        return;
    }
    let mut plan = Plan::new(shape, from.1, to.1);
    let block = plan.take_block();
    let outer: usize = plan.dims[..plan.count].iter().map(|d| d.len).product();
    let size = block[0].len * block[1].len;
    let (from, to) = (SendPtr(from.0.cast_mut()), SendPtr(to.0));
    let aligned = plan.dims[..plan.count].iter().chain(&block[..1]).all(|d| (d.to * size_of::<T>() as isize) % 16 == 0);
    let past = outer * size * size_of::<T>() >= LARGE && aligned && (to.get() as usize).is_multiple_of(16);
    // A large block is cut along its longer side, in whole lines of memory.
    let side = usize::from(block[1].len > block[0].len);
    let lines = block[side].len.div_ceil(64);
    let pieces = tasks::<T>(size).min(lines);
    let chunks = if pieces > 1 { outer * pieces } else { tasks::<T>(outer * size).min(outer) };
    pool::for_each_chunk(chunks, |c| {
        let (positions, part) = match pieces > 1 {
            true => (c / pieces..c / pieces + 1, pool::range(lines, pieces, c % pieces)),
            false => (pool::range(outer, chunks, c), 0..lines),
        };
        let (mut block, start) = (block, part.start * 64);
        block[side].len = block[side].len.min(part.end * 64) - start;
        let start = start as isize;
        let (mut index, mut at) = (plan.index(positions.start), plan.locate(positions.start));
        at = [at[0] + start * block[side].from, at[1] + start * block[side].to];
        // SAFETY: the offsets stay within both sides by the contract; tasks write disjoint elements.
        vectorize(
            #[inline(always)]
            || unsafe {
                let (from, to) = (from.get().cast_const(), to.get());
                for _ in positions {
                    let (from, to) = (from.offset(at[0]), to.offset(at[1]));
                    if past {
                        copy_block::<T, true>(from, to, block)
                    } else {
                        copy_block::<T, false>(from, to, block)
                    }
                    plan.advance(&mut index, &mut at);
                }
                if past {
                    drain();
                }
            },
        );
    });
}

/// `PAST`: the destination is written past the caches; its rows are aligned to 16 bytes.
///
/// # Safety
/// As for `copy`, for the elements of the block.
#[inline(always)]
unsafe fn copy_block<T: Copy, const PAST: bool>(from: *const T, to: *mut T, [rows, line]: [Dim; 2]) {
    if line.to == 1 && rows.from == 1 && line.from.abs() > 1 {
        // SAFETY: the contract.
        return unsafe { transpose::<T, PAST>(from, to, rows, line) };
    }
    for r in 0..rows.len as isize {
        // SAFETY: the contract.
        unsafe {
            let (from, to) = (from.offset(r * rows.from), to.offset(r * rows.to));
            match (line.from, line.to) {
                (1, 1) if PAST => copy_past(from.cast(), to.cast(), line.len * size_of::<T>()),
                (1, 1) => run(from, to, line.len),
                (0, 1) => {
                    let value = *from;
                    (0..line.len).for_each(
                        #[inline(always)]
                        |i| *to.add(i) = value,
                    );
                }
                (-1, 1) => {
                    let from = from.sub(line.len - 1);
                    (0..line.len).for_each(
                        #[inline(always)]
                        |i| *to.add(i) = *from.add(line.len - 1 - i),
                    );
                }
                _ => (0..line.len as isize).for_each(
                    #[inline(always)]
                    |i| *to.offset(i * line.to) = *from.offset(i * line.from),
                ),
            }
        }
    }
}
