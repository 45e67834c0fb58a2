//! Shape, strides and offset: everything that makes a view.
use crate::{Result, bail};
use smallvec::SmallVec;

pub type Dims = SmallVec<[usize; 6]>;
pub type Strides = SmallVec<[isize; 6]>;

/// How elements of a storage are addressed; strides and offset count elements.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Layout {
    pub shape: Dims,
    pub strides: Strides,
    pub offset: usize,
}

impl Clone for Layout {
    // A derived one would clone number by number.
    fn clone(&self) -> Layout {
        Layout {
            shape: Dims::from_slice(&self.shape),
            strides: Strides::from_slice(&self.strides),
            offset: self.offset,
        }
    }
}

/// Row-major strides of `shape`.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1) as isize;
    }
    strides
}

/// Number of elements, or an error where it does not fit the address space.
pub fn checked_numel(shape: &[usize]) -> Result<usize> {
    let mut n: usize = 1;
    for &d in shape {
        n = match n.checked_mul(d) {
            Some(n) if n <= isize::MAX as usize / 16 => n,
            _ => bail!(Runtime, "Storage size calculation overflowed with sizes={shape:?}"),
        };
    }
    Ok(n)
}

/// The common shape of `a` and `b` under broadcasting.
pub fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Dims> {
    if a == b {
        return Ok(Dims::from_slice(a));
    }
    let n = a.len().max(b.len());
    let mut out: Dims = SmallVec::from_elem(1, n);
    for i in 0..n {
        let x = if i + a.len() >= n { a[i + a.len() - n] } else { 1 };
        let y = if i + b.len() >= n { b[i + b.len() - n] } else { 1 };
        out[i] = if x == y || y == 1 {
            x
        } else if x == 1 {
            y
        } else {
            bail!(
                Runtime,
                "The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {i}"
            )
        };
    }
    Ok(out)
}

impl Layout {
    pub fn contiguous(shape: &[usize]) -> Layout {
        Layout { shape: SmallVec::from_slice(shape), strides: contiguous_strides(shape), offset: 0 }
    }

    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Row-major without gaps; dimensions of size 1 have no say.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1isize;
        for (&d, &s) in self.shape.iter().zip(&self.strides).rev() {
            if d == 0 {
                return true;
            }
            if d != 1 {
                if s != expected {
                    return false;
                }
                expected *= d as isize;
            }
        }
        true
    }

    /// Row-major without gaps, strides of dimensions of size 1 included.
    pub fn is_row_major(&self) -> bool {
        let mut expected = 1isize;
        self.shape.iter().zip(&self.strides).rev().all(|(&d, &s)| {
            let fits = s == expected;
            expected *= d.max(1) as isize;
            fits
        })
    }

    /// `(N, C, H, W)` that lies in memory as `(N, H, W, C)`; dimensions of size 1 have no say.
    pub fn is_channels_last(&self) -> bool {
        let mut expected = 1isize;
        self.ndim() == 4
            && [1, 3, 2, 0].iter().all(|&i| {
                let (d, s) = (self.shape[i], self.strides[i]);
                let fits = d == 1 || s == expected;
                expected *= d as isize;
                fits
            })
    }

    /// Without gaps or overlaps, dimensions in any order.
    pub fn is_dense(&self) -> bool {
        let mut long: SmallVec<[(isize, usize); 6]> =
            self.strides.iter().copied().zip(self.shape.iter().copied()).filter(|(_, d)| *d != 1).collect();
        long.sort_unstable();
        let mut expected = 1isize;
        self.numel() == 0
            || long.iter().all(|&(s, d)| {
                let fits = s == expected;
                expected *= d as isize;
                fits
            })
    }

    /// Strides for reading this layout as `shape` (broadcast dimensions get stride 0). `shape` must be a broadcast of ours.
    pub fn broadcast_strides(&self, shape: &[usize]) -> Strides {
        let lead = shape.len() - self.ndim();
        (0..shape.len())
            .map(|i| if i < lead || (self.shape[i - lead] == 1 && shape[i] != 1) { 0 } else { self.strides[i - lead] })
            .collect()
    }

    /// One past the largest element offset that this layout reaches (0 when it is empty).
    pub fn end(&self) -> usize {
        if self.numel() == 0 {
            return 0;
        }
        let mut end = self.offset as isize + 1;
        for (&d, &s) in self.shape.iter().zip(&self.strides) {
            end += (d as isize - 1) * s.max(0);
        }
        end as usize
    }

    /// Strides that show the same elements as `shape` without a copy, if there are any.
    pub fn view_strides(&self, shape: &[usize]) -> Option<Strides> {
        if self.numel() == 0 || self.is_contiguous() {
            return Some(contiguous_strides(shape));
        }
        let mut out: Strides = SmallVec::from_elem(0, shape.len());
        let mut view_d = shape.len();
        let (mut tensor_numel, mut view_numel) = (1usize, 1usize);
        let mut base_stride = *self.strides.last()?;
        for d in (0..self.ndim()).rev() {
            tensor_numel *= self.shape[d];
            let chunk_ends =
                d == 0 || (self.shape[d - 1] != 1 && self.strides[d - 1] != tensor_numel as isize * base_stride);
            if chunk_ends {
                while view_d > 0 && (view_numel < tensor_numel || shape[view_d - 1] == 1) {
                    view_d -= 1;
                    out[view_d] = view_numel as isize * base_stride;
                    view_numel *= shape[view_d];
                }
                if view_numel != tensor_numel {
                    return None;
                }
                if d > 0 {
                    base_stride = self.strides[d - 1];
                    tensor_numel = 1;
                    view_numel = 1;
                }
            }
        }
        (view_d == 0).then_some(out)
    }
}
