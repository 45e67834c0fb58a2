//! Sliding blocks of images laid out as columns, and columns added up into images.
use super::{run, tasks};
use crate::pool::{self, SendPtr};
use crate::simd::vectorize;
use std::ops::Range;

/// Sizes of the images and of the blocks that slide over them: height, then width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    pub size: [usize; 2],
    pub kernel: [usize; 2],
    pub dilation: [usize; 2],
    pub padding: [usize; 2],
    pub stride: [usize; 2],
    /// How many blocks fit.
    pub count: [usize; 2],
}

impl Blocks {
    /// Elements of one block.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Along axis `a`, the blocks whose tap `k` lies inside the image, and the place of that tap in the first of them.
    fn inside(&self, a: usize, k: usize) -> (Range<usize>, usize) {
        let (shift, stride, padding) = (k * self.dilation[a], self.stride[a], self.padding[a]);
        let first = padding.saturating_sub(shift).div_ceil(stride);
        let end = (self.size[a] + padding).saturating_sub(shift).div_ceil(stride).min(self.count[a]);
        (first.min(end)..end, (first * stride + shift).saturating_sub(padding))
    }
}

/// `out[plane, tap, block] = x[plane, place]`, zero outside the image.
///
/// # Safety
/// `x` has `planes` images, `out` `planes * taps * blocks` elements.
pub unsafe fn unfold<T: Copy + Send + Sync>(x: *const T, out: *mut T, planes: usize, b: &Blocks, zero: T) {
    let [height, width] = b.count;
    let rows = planes * b.taps();
    let chunks = tasks::<T>(rows * height * width).min(rows);
    let (x, out) = (SendPtr(x.cast_mut()), SendPtr(out));
    pool::for_each_chunk(chunks, |c| {
        let part = pool::range(rows, chunks, c);
        // SAFETY: `inside` keeps to the image; tasks write disjoint rows.
        vectorize(
            #[inline(always)]
            || unsafe {
                for row in part {
                    let image = x.get().add(row / b.taps() * b.size[0] * b.size[1]);
                    copy_tap(image, out.get().add(row * height * width), row % b.taps(), b, zero);
                }
            },
        );
    });
}

/// # Safety
/// `image` has the elements of an image, `to` as many as there are blocks.
#[inline(always)]
unsafe fn copy_tap<T: Copy>(image: *const T, to: *mut T, tap: usize, b: &Blocks, zero: T) {
    let [height, width] = b.count;
    let (down, top) = b.inside(0, tap / b.kernel[1]);
    let (across, left) = b.inside(1, tap % b.kernel[1]);
    // SAFETY: `inside` keeps to the image.
    unsafe {
        let fill = |part: Range<usize>| part.for_each(|i| *to.add(i) = zero);
        fill(0..down.start * width);
        for (k, h) in down.clone().enumerate() {
            let from = image.add((top + k * b.stride[0]) * b.size[1] + left);
            let at = h * width;
            fill(at..at + across.start);
            match b.stride[1] {
                1 => run(from, to.add(at + across.start), across.len()),
                s => across.clone().enumerate().for_each(|(k, w)| *to.add(at + w) = *from.add(k * s)),
            }
            fill(at + across.end..at + width);
        }
        fill(down.end * width..height * width);
    }
}

/// The transpose of `unfold`: adds every element of the columns to its place, taps in order.
///
/// # Safety
/// `columns` has `planes * taps * blocks` elements, `out` has `planes` images.
pub unsafe fn fold<T: Copy + Send + Sync>(
    columns: *const T,
    out: *mut T,
    planes: usize,
    b: &Blocks,
    zero: T,
    add: impl Fn(T, T) -> T + Copy + Sync,
) {
    let [height, width] = b.count;
    let chunks = tasks::<T>(planes * b.taps() * height * width).min(planes);
    let (columns, out) = (SendPtr(columns.cast_mut()), SendPtr(out));
    pool::for_each_chunk(chunks, |c| {
        let part = pool::range(planes, chunks, c);
        // SAFETY: `inside` keeps to the image; tasks write disjoint images.
        vectorize(
            #[inline(always)]
            || unsafe {
                for plane in part {
                    let image = out.get().add(plane * b.size[0] * b.size[1]);
                    (0..b.size[0] * b.size[1]).for_each(|i| *image.add(i) = zero);
                    for tap in 0..b.taps() {
                        let (down, top) = b.inside(0, tap / b.kernel[1]);
                        let (across, left) = b.inside(1, tap % b.kernel[1]);
                        for (k, h) in down.enumerate() {
                            let to = image.add((top + k * b.stride[0]) * b.size[1] + left);
                            let row = ((plane * b.taps() + tap) * height + h) * width;
                            let from = columns.get().cast_const().add(row + across.start);
                            add_row(from, to, across.len(), b.stride[1], add);
                        }
                    }
                }
            },
        );
    });
}

/// # Safety
/// `from` has `len` elements, `to` as many at steps of `stride`.
#[inline(always)]
unsafe fn add_row<T: Copy>(from: *const T, to: *mut T, len: usize, stride: usize, add: impl Fn(T, T) -> T) {
    // SAFETY: the contract.
    unsafe {
        match stride {
            1 => (0..len).for_each(
                #[inline(always)]
                |i| *to.add(i) = add(*to.add(i), *from.add(i)),
            ),
            s => (0..len).for_each(
                #[inline(always)]
                |i| *to.add(i * s) = add(*to.add(i * s), *from.add(i)),
            ),
        }
    }
}
