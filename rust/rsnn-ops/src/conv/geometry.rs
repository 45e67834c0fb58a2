//! Sizes of one convolution, always in three spatial dimensions (missing leading ones have size 1), and the copy between
//! an image and its columns: one row per weight, one column per output position.
use rsnn_cpu::vmath::Real;
use std::ops::Range;

/// "Input" is the side that windows slide over and "output" the side with one value per window, in all three ops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Geometry {
    /// Spatial dimensions of the tensors.
    pub rank: usize,
    pub groups: usize,
    /// Channels per group on the input side.
    pub ci: usize,
    /// Channels per group on the output side.
    pub co: usize,
    pub input: [usize; 3],
    pub output: [usize; 3],
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub pad: [usize; 3],
    pub dilation: [usize; 3],
}

impl Geometry {
    /// Weights of one channel pair.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
    /// Rows of the column matrix.
    pub fn rows(&self) -> usize {
        self.ci * self.taps()
    }
    pub fn in_len(&self) -> usize {
        self.input.iter().product()
    }
    pub fn out_len(&self) -> usize {
        self.output.iter().product()
    }
    /// True when the columns are the image itself.
    pub fn pointwise(&self) -> bool {
        self.taps() == 1 && self.stride == [1; 3] && self.pad == [0; 3] && self.input == self.output
    }
    /// True when channels do not mix and a product of matrices would be one row high.
    pub fn depthwise(&self) -> bool {
        self.ci == 1 && self.groups > 1
    }
    /// Output positions per column block: the block stays in the second-level cache.
    pub fn block(&self) -> usize {
        if self.pointwise() {
            return self.out_len().max(1);
        }
        ((1 << 17) / self.rows().max(1) / 16 * 16).clamp(64, 4096).min(self.out_len().max(1))
    }

    /// The output positions along `axis` whose tap `k` lies inside the input.
    #[inline(always)]
    fn inside(&self, axis: usize, k: usize) -> Range<usize> {
        let (s, before) = (self.stride[axis], self.pad[axis]);
        let at = k * self.dilation[axis];
        let lo = before.saturating_sub(at).div_ceil(s);
        let hi = (self.input[axis] + before).saturating_sub(at).div_ceil(s).min(self.output[axis]);
        lo.min(hi)..hi
    }

    /// Walks output positions `p` row by row for one tap: `f(at, len, lo, hi, from)` has the row's place in the block, its
    /// length, the part of it that meets the input, and the input offset of that part's first element.
    #[inline(always)]
    pub fn walk(&self, tap: usize, p: Range<usize>, mut f: impl FnMut(usize, usize, usize, usize, usize)) {
        let [_, kh, kw] = self.kernel;
        let k = [tap / (kh * kw), tap / kw % kh, tap % kw];
        let [depth, high, wide] = [self.inside(0, k[0]), self.inside(1, k[1]), self.inside(2, k[2])];
        let [_, oh, ow] = self.output;
        let offset = |axis: usize, o: usize| o * self.stride[axis] + k[axis] * self.dilation[axis] - self.pad[axis];
        let mut pos = p.start;
        while pos < p.end {
            let (w, row) = (pos % ow, pos / ow);
            let (h, d) = (row % oh, row / oh);
            let len = (ow - w).min(p.end - pos);
            if depth.contains(&d) && high.contains(&h) {
                let lo = wide.start.clamp(w, w + len);
                let hi = wide.end.clamp(lo, w + len);
                let from = if lo < hi {
                    (offset(0, d) * self.input[1] + offset(1, h)) * self.input[2] + offset(2, lo)
                } else {
                    0
                };
                f(pos - p.start, len, lo - w, hi - w, from);
            } else {
                f(pos - p.start, len, 0, 0, 0);
            }
            pos += len;
        }
    }

    /// Rows `rows` of the columns of output positions `p` of one image `x`.
    pub fn image_to_columns<T: Real>(&self, x: &[T], rows: Range<usize>, p: Range<usize>, columns: &mut [T]) {
        let (taps, plane, step) = (self.taps(), self.in_len(), self.stride[2]);
        for (row, columns) in rows.zip(columns.chunks_exact_mut(p.len())) {
            let x = &x[row / taps * plane..][..plane];
            self.walk(row % taps, p.clone(), |at, len, lo, hi, from| {
                let to = &mut columns[at..at + len];
                to[..lo].fill(T::ZERO);
                to[hi..].fill(T::ZERO);
                if lo == hi {
                    return;
                }
                if step == 1 {
                    to[lo..hi].copy_from_slice(&x[from..from + hi - lo]);
                } else {
                    for (t, v) in to[lo..hi].iter_mut().zip(x[from..].iter().step_by(step)) {
                        *t = *v;
                    }
                }
            });
        }
    }

    /// Adds the columns of the channels that `x` holds to the image `x`: the transpose of `image_to_columns`.
    pub fn columns_to_image<T: Real>(&self, columns: &[T], p: Range<usize>, x: &mut [T]) {
        let (taps, step) = (self.taps(), self.stride[2]);
        for (x, columns) in x.chunks_exact_mut(self.in_len()).zip(columns.chunks_exact(taps * p.len())) {
            for (tap, columns) in columns.chunks_exact(p.len()).enumerate() {
                self.walk(tap, p.clone(), |at, _, lo, hi, from| {
                    if lo < hi {
                        add_rows(&mut x[from..], step, &columns[at + lo..at + hi], T::ONE);
                    }
                });
            }
        }
    }
}

/// `x[i step] += w y[i]`
#[inline(always)]
pub(super) fn add_rows<T: Real>(x: &mut [T], step: usize, y: &[T], w: T) {
    if step == 1 {
        for (x, y) in x.iter_mut().zip(y) {
            *x += w * *y;
        }
    } else {
        for (x, y) in x.iter_mut().step_by(step).zip(y) {
            *x += w * *y;
        }
    }
}
