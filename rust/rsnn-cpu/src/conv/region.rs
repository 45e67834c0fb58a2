//! What a patch of outputs sees of its input: the image where it lies, or a copy with zeros around it whose columns are
//! sorted by their remainder by the stride, so that every tap reads adjacent elements.
use super::geometry::{Axis, Patch, Window};
use crate::gemm::GemmScalar;
use crate::gemm::scratch::{Slot, with};
use std::ops::Range;

/// A tensor that windows slide over: images, channels, depth, height, width. Strides are in elements, none negative.
#[derive(Clone, Copy)]
pub struct View<T> {
    pub ptr: *const T,
    pub strides: [isize; 5],
}

// SAFETY: tasks only read through it, while the caller lends the tensor.
unsafe impl<T> Sync for View<T> {}

impl<T: Copy> View<T> {
    pub(super) fn at(self, offset: isize) -> Self {
        Self { ptr: self.ptr.wrapping_offset(offset), ..self }
    }
    /// The same from image `n`, channel `c` on.
    pub(super) fn part(self, n: usize, c: usize) -> Self {
        self.at(n as isize * self.strides[0] + c as isize * self.strides[1])
    }
    pub(super) fn space(&self) -> [isize; 3] {
        [self.strides[2], self.strides[3], self.strides[4]]
    }
}

/// Where a patch finds its input: output position (n, d, h, w) of the patch takes, for channel c and tap (i, j, k), element
/// `n image + d step[0] + h step[1] + w + c channel + taps[0][i] + taps[1][j] + taps[2][k]`.
pub(super) struct Layout {
    image: isize,
    pub channel: isize,
    step: [isize; 2],
    taps: [Vec<isize>; 3],
    /// Elements that may be read.
    pub len: usize,
}

impl Layout {
    /// Offset of every product of a sum: channels `c`, then the taps in order.
    pub fn products(&self, c: Range<usize>) -> Vec<isize> {
        let [d, h, w] = &self.taps;
        let mut all = Vec::with_capacity(c.len() * d.len() * h.len() * w.len());
        for c in c {
            for i in d {
                for j in h {
                    all.extend(w.iter().map(|k| c as isize * self.channel + i + j + k));
                }
            }
        }
        all
    }

    /// Offset of the first position of every row of a patch.
    pub fn rows(&self, len: [usize; 4]) -> Vec<isize> {
        let [n, d, h, _] = len.map(|v| v as isize);
        let mut all = Vec::with_capacity((n * d * h) as usize);
        for n in 0..n {
            for d in 0..d {
                all.extend((0..h).map(|h| n * self.image + d * self.step[0] + h * self.step[1]));
            }
        }
        all
    }
}

/// Elements behind the copy that may be read, so that rows can be copied in vectors.
const SLACK: usize = 64;

/// One axis of the copy: output `o` of the patch and tap `t` meet at `o step + offsets[t]`.
struct Copied {
    rows: usize,
    /// Distance of copied rows in the input.
    apart: usize,
    step: usize,
    offsets: Vec<usize>,
}

fn copied(a: &Axis, len: usize) -> Copied {
    if a.taps <= 1 {
        return Copied { rows: len, apart: a.stride, step: 1, offsets: vec![0; a.taps] };
    }
    let rows = (len - 1) * a.stride + (a.taps - 1) * a.dilation + 1;
    Copied { rows, apart: 1, step: a.stride, offsets: (0..a.taps).map(|t| t * a.dilation).collect() }
}

/// The copy that patches of one size need.
pub(super) struct Frame {
    window: Window,
    len: [usize; 4],
    d: Copied,
    h: Copied,
    w: Copied,
    /// Remainders of columns that some tap has; each is a run of adjacent elements.
    phases: Vec<usize>,
    run: usize,
    /// A run with zeros behind it.
    padded: usize,
    row: usize,
}

impl Frame {
    /// Rows get zeros up to a multiple of `unit` outputs.
    pub fn new(window: &Window, len: [usize; 4], unit: usize) -> Frame {
        let [d, h, w] = [0, 1, 2].map(|a| copied(&window.0[a], len[a + 1]));
        let stride = window.0[2].stride;
        let mut phases: Vec<usize> = w.offsets.iter().map(|o| o % stride).collect();
        phases.sort_unstable();
        phases.dedup();
        let run = len[3] + w.offsets.iter().map(|o| o / stride).max().unwrap_or(0);
        let padded = run + len[3].next_multiple_of(unit) - len[3];
        let row = padded * phases.len();
        Frame { window: *window, len, d, h, w, phases, run, padded, row }
    }

    fn plane(&self) -> usize {
        self.d.rows * self.h.rows * self.row
    }

    /// Elements of the copy.
    pub fn size(&self, channels: usize) -> usize {
        self.len[0] * channels * self.plane() + SLACK
    }

    pub fn layout(&self, channels: usize) -> Layout {
        let (stride, row, high) = (self.window.0[2].stride, self.row, self.h.rows);
        let run = |o: &usize| self.phases.iter().position(|p| *p == o % stride).unwrap_or(0) * self.padded + o / stride;
        Layout {
            image: (channels * self.plane()) as isize,
            channel: self.plane() as isize,
            step: [(self.d.step * high * row) as isize, (self.h.step * row) as isize],
            taps: [
                self.d.offsets.iter().map(|o| (o * high * row) as isize).collect(),
                self.h.offsets.iter().map(|o| (o * row) as isize).collect(),
                self.w.offsets.iter().map(|o| run(o) as isize).collect(),
            ],
            len: self.size(channels),
        }
    }

    /// Sets what the copy of any patch leaves out.
    ///
    /// # Safety
    /// The buffer has `size(channels)` elements.
    pub unsafe fn clear<T: GemmScalar>(&self, channels: usize, buf: *mut T) {
        // SAFETY: the caller's contract.
        unsafe { std::slice::from_raw_parts_mut(buf, self.size(channels)).fill(T::ZERO) };
    }

    /// Copies what the patch at `lo` sees of `channels` channels into a buffer that was cleared, or filled for the same `lo`.
    ///
    /// # Safety
    /// `x` is readable for the patch's images, the channels and the window's input; the buffer has `size(channels)` elements.
    pub unsafe fn fill<T: GemmScalar>(&self, x: View<T>, channels: usize, lo: [usize; 4], buf: *mut T) {
        let axes = &self.window.0;
        let first = |a: usize| (lo[a + 1] * axes[a].stride) as isize - axes[a].pad;
        let inside = |i: isize, a: usize| (0..axes[a].input as isize).contains(&i);
        for n in 0..self.len[0] {
            let x = x.part(lo[0] + n, 0);
            for i in 0..self.d.rows {
                let di = first(0) + (i * self.d.apart) as isize;
                for j in 0..self.h.rows {
                    let hj = first(1) + (j * self.h.apart) as isize;
                    if !inside(di, 0) || !inside(hj, 1) {
                        continue;
                    }
                    let src = x.at(di * x.strides[2] + hj * x.strides[3]);
                    let at = n * channels * self.plane() + (i * self.h.rows + j) * self.row;
                    for (p, phase) in self.phases.iter().enumerate() {
                        // SAFETY: row (i, j) of every channel's plane; the source row lies in the input.
                        unsafe {
                            self.fill_run(src, channels, first(2) + *phase as isize, buf.add(at + p * self.padded))
                        };
                    }
                }
            }
        }
    }

    /// One run of one row in all channels: elements `start + i stride` of the row.
    ///
    /// # Safety
    /// `x` is a row of the input, `dst` the place of the run in the first plane.
    unsafe fn fill_run<T: GemmScalar>(&self, x: View<T>, channels: usize, start: isize, dst: *mut T) {
        let Axis { stride, gap, input, .. } = self.window.0[2];
        let plane = self.plane();
        // With gaps (then the stride is 1) the first element is the one at or after the start whose place divides by the gap.
        let skip = match gap {
            1 => ((-start).max(0) as usize).div_ceil(stride),
            _ => (start.max(0).unsigned_abs().next_multiple_of(gap) as isize - start) as usize,
        };
        let end = ((input as isize - start).max(0) as usize).div_ceil(stride).min(self.run);
        let lo = skip.min(end);
        let len = (end - lo).div_ceil(gap);
        let src = x.at((start + (lo * stride) as isize) / gap as isize * x.strides[4]);
        let step = stride as isize * x.strides[4];
        // SAFETY: `len` elements of the row from `src` on, into places lo.. of the run in each plane.
        unsafe {
            let lanes = T::kernel().lanes;
            let mut whole = 0;
            if x.strides[1] == 1 && step != 1 && gap == 1 {
                // Channels are adjacent: transpose blocks.
                whole = channels / lanes * lanes;
                for c in (0..whole).step_by(lanes) {
                    for i in (0..len / lanes * lanes).step_by(lanes) {
                        let block = src.ptr.offset(i as isize * step).add(c);
                        (T::kernel().transpose)(block, step, dst.add(c * plane + lo + i), plane);
                    }
                }
            }
            for c in 0..channels {
                let (from, to) = (src.ptr.offset(c as isize * x.strides[1]), dst.add(c * plane + lo));
                if step == 1 && gap == 1 {
                    copy(from, to, len);
                } else {
                    for i in if c < whole { len / lanes * lanes } else { 0 }..len {
                        *to.add(i * gap) = *from.offset(i as isize * step);
                    }
                }
            }
        }
    }
}

/// Copies a short row without a call.
///
/// # Safety
/// `len` elements on both sides, which do not overlap.
#[inline(always)]
pub(super) unsafe fn copy<T: Copy>(src: *const T, dst: *mut T, len: usize) {
    let mut i = 0;
    // SAFETY: the caller's contract.
    unsafe {
        while i + 8 <= len {
            std::ptr::copy_nonoverlapping(src.add(i), dst.add(i), 8);
            i += 8;
        }
        while i < len {
            *dst.add(i) = *src.add(i);
            i += 1;
        }
    }
}

/// Runs `f(base, layout)` for what `patch` sees of `channels` channels; `x` starts at the first of them.
///
/// # Safety
/// `x` is readable for the patch's images, the channels and the window's input.
pub(super) unsafe fn see<T: GemmScalar, R>(
    x: View<T>,
    channels: usize,
    window: &Window,
    patch: &Patch,
    f: impl FnOnce(*const T, &Layout) -> R,
) -> R {
    let inside = window.0.iter().zip(&patch.lo[1..]).zip(&patch.len[1..]).all(|((a, lo), len)| {
        let first = (lo * a.stride) as isize - a.pad;
        first >= 0 && first as usize + (len - 1) * a.stride + a.taps.saturating_sub(1) * a.dilation < a.input
    });
    if inside && window.0[2].stride == 1 && x.strides[4] == 1 {
        let (base, layout) = in_place(x, channels, window, patch);
        return f(base, &layout);
    }
    let frame = Frame::new(window, patch.len, 1);
    with(Slot::Image, frame.size(channels), |buf: *mut T| {
        // SAFETY: the buffer has the frame's size; `x` by the contract.
        unsafe {
            frame.clear(channels, buf);
            frame.fill(x, channels, patch.lo, buf);
        }
        f(buf, &frame.layout(channels))
    })
}

fn in_place<T: Copy>(x: View<T>, channels: usize, window: &Window, patch: &Patch) -> (*const T, Layout) {
    let ([image, channel, ..], space) = (x.strides, x.space());
    let step = |a: usize| window.0[a].stride as isize * space[a];
    let start = |a: usize| ((patch.lo[a + 1] * window.0[a].stride) as isize - window.0[a].pad) * space[a];
    let taps = |a: usize| (0..window.0[a].taps).map(|t| (t * window.0[a].dilation) as isize * space[a]).collect();
    let last = |a: usize| (window.0[a].input - 1) as isize * space[a] - start(a);
    let len = (patch.len[0] - 1) as isize * image + (channels - 1) as isize * channel + last(0) + last(1) + last(2);
    let base = x.part(patch.lo[0], 0).at(start(0) + start(1) + start(2)).ptr;
    let layout =
        Layout { image, channel, step: [step(0), step(1)], taps: [taps(0), taps(1), taps(2)], len: len as usize + 1 };
    (base, layout)
}
