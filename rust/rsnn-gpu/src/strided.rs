//! Shapes and strides as kernels take them: operands walked together, adjacent dimensions merged,
//! at most six left, right-aligned.

use crate::error::{GpuError, Result};
use crate::launch::Params;

pub const MAX_RANK: usize = 6;

/// `N` operands of one shape, each with its own strides (0 where it is broadcast).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strided<const N: usize> {
    /// Sizes, outermost first, filled with 1 from the left.
    pub shape: [u32; MAX_RANK],
    pub strides: [[u32; MAX_RANK]; N],
    pub rank: usize,
    pub count: u64,
}

impl<const N: usize> Strided<N> {
    /// Drops dimensions of size 1 and merges neighbours that all operands walk as one.
    pub fn new(shape: &[usize], strides: [&[isize]; N]) -> Result<Self> {
        let mut sizes: Vec<usize> = Vec::with_capacity(shape.len());
        let mut steps: Vec<[isize; N]> = Vec::with_capacity(shape.len());
        for (d, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let step = strides.map(|s| s.get(d).copied().unwrap_or(0));
            match (sizes.last_mut(), steps.last_mut()) {
                (Some(outer), Some(last)) if (0..N).all(|i| last[i] == step[i] * size as isize) => {
                    *outer *= size;
                    *last = step;
                }
                _ => {
                    sizes.push(size);
                    steps.push(step);
                }
            }
        }
        Self::pack(&sizes, &steps)
    }

    fn pack(sizes: &[usize], steps: &[[isize; N]]) -> Result<Self> {
        let rank = sizes.len();
        if rank > MAX_RANK {
            return Err(GpuError::Invalid(format!(
                "a tensor with {rank} dimensions that do not merge, expected at most {MAX_RANK}. Make it contiguous first"
            )));
        }
        let mut packed = Strided {
            shape: [1; MAX_RANK],
            strides: [[0; MAX_RANK]; N],
            rank,
            count: sizes.iter().map(|&s| s as u64).product(),
        };
        for (d, (&size, step)) in sizes.iter().zip(steps).enumerate() {
            let at = MAX_RANK - rank + d;
            packed.shape[at] = index_u32(size)?;
            for (row, &stride) in packed.strides.iter_mut().zip(step) {
                row[at] = u32::try_from(stride)
                    .map_err(|_| GpuError::Invalid(format!("stride {stride}, expected it between 0 and 2^32")))?;
            }
        }
        Ok(packed)
    }

    /// Whether operand `i` lies densely in row-major order.
    pub fn is_contiguous(&self, i: usize) -> bool {
        let mut step = 1u64;
        (MAX_RANK - self.rank..MAX_RANK).rev().all(|d| {
            let dense = u64::from(self.strides[i][d]) == step;
            step *= u64::from(self.shape[d]);
            dense
        })
    }

    pub fn all_contiguous(&self) -> bool {
        (0..N).all(|i| self.is_contiguous(i))
    }

    /// Defines `R2` to `R6` up to the rank, for `//#if` around one step of index arithmetic each.
    pub fn defines(&self) -> &'static [(&'static str, &'static str)] {
        const ALL: [(&str, &str); 5] = [("R2", ""), ("R3", ""), ("R4", ""), ("R5", ""), ("R6", "")];
        &ALL[..self.rank.saturating_sub(1)]
    }

    /// Appends the shape and then each operand's strides, six words each.
    pub fn write(&self, params: Params) -> Params {
        self.strides.iter().fold(params.u32s(&self.shape), |params, row| params.u32s(row))
    }
}

/// Checks that a count or an element offset fits the kernels' 32-bit indices.
pub fn index_u32(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| GpuError::Invalid(format!("{value} elements, expected fewer than 2^32")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn merges_what_walks_as_one() {
        let s = Strided::new(&[2, 1, 3, 4], [&[12, 99, 4, 1], &[12, 0, 4, 1]]).unwrap();
        assert_eq!((s.rank, s.count, s.shape[5]), (1, 24, 24));
        assert!(s.all_contiguous());
        let s = Strided::new(&[2, 3, 4], [&[12, 4, 1], &[0, 4, 1]]).unwrap();
        assert_eq!((s.rank, &s.shape[4..], &s.strides[1][4..]), (2, &[2, 12][..], &[0, 1][..]));
        assert!(s.is_contiguous(0) && !s.is_contiguous(1) && !s.all_contiguous());
        let s = Strided::new(&[], [&[]]).unwrap();
        assert_eq!((s.rank, s.count), (0, 1));
        assert_eq!(Strided::new(&[3, 0], [&[1, 3]]).unwrap().count, 0);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let shape = [2; 7];
        let strides = [64, 1, 32, 2, 16, 4, 8];
        assert!(Strided::new(&shape, [&strides]).unwrap_err().to_string().contains("7 dimensions"));
        assert!(Strided::new(&[2], [&[-1]]).is_err());
    }
}
