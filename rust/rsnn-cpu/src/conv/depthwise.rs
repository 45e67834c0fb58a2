//! Convolutions whose groups have one input channel: each plane slides over its image in vectors of positions.
use super::geometry::{Geometry, Patch, Patches, Window};
use super::product::{Job, for_tasks, scatter};
use super::region::{Frame, View};
use crate::gemm::GemmScalar;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::slide::Slide;
use crate::pool::{self, SendPtr};

/// Positions taken together, so that what they see stays in the first-level cache.
const POSITIONS: usize = 4096;
/// A result of this many bytes is written past the caches.
const STREAM: usize = 16 << 20;

/// One patch of every image: its copy, and where vectors and products lie in it.
struct Sight {
    patch: Patch,
    frame: Frame,
    at: Vec<isize>,
    products: Vec<isize>,
    channel: isize,
    /// Vectors of a row.
    vectors: usize,
}

/// How planes are cut: `planes` groups are copied together.
struct Cut {
    planes: usize,
    patches: Vec<Sight>,
}

fn cut<T: GemmScalar>(window: &Window, channels: usize, groups: usize, x: &View<T>) -> Cut {
    let lanes = T::kernel().lanes;
    let patches = Patches::new(1, window, POSITIONS);
    // Adjacent channels are transposed in blocks.
    let least = if x.strides[1] == 1 { lanes } else { 1 };
    let planes = (POSITIONS / (patches.positions() * channels)).max(least).min(groups);
    let view = |i: usize| {
        let patch = patches.get(i);
        let frame = Frame::new(window, patch.len, lanes);
        let layout = frame.layout(planes * channels);
        let vectors = patch.len[3].div_ceil(lanes);
        let rows = layout.rows(patch.len);
        let at = rows.iter().flat_map(|row| (0..vectors).map(move |v| row + (v * lanes) as isize)).collect();
        Sight { patch, frame, at, products: layout.products(0..channels), channel: layout.channel, vectors }
    };
    Cut { planes, patches: (0..patches.count()).map(view).collect() }
}

/// # Safety
/// As for `product::run`.
pub(super) unsafe fn run<T: GemmScalar>(job: &Job<T>) {
    let k = job.channels * job.window.taps();
    let outputs = job.images * job.groups * job.m * job.window.outputs();
    if outputs == 0 {
        return;
    }
    let cut = cut(&job.window, job.channels, job.groups, &job.x);
    let batches = job.groups.div_ceil(cut.planes);
    let taps = job.window.weights(job.kernel_size);
    let stream = outputs * size_of::<T>() >= STREAM;
    let work = outputs * (k + 4);
    let all = job.images * batches;
    let chunks = pool::split(work, 1 << 19).min(all);
    for view in &cut.patches {
        for_tasks(chunks, work, |chunk| {
            with(Slot::Image, view.frame.size(cut.planes * job.channels), |image: *mut T| {
                let mut weights = vec![T::ZERO; k];
                // SAFETY: the buffer has the frame's size.
                unsafe { view.frame.clear(cut.planes * job.channels, image) };
                for at in pool::range(all, chunks, chunk) {
                    let (n, first) = (at / batches, at % batches * cut.planes);
                    let groups = first..(first + cut.planes).min(job.groups);
                    let x = job.x.part(n, first * job.channels);
                    // SAFETY: the planes of these groups in image n; y's planes at this patch belong to the task.
                    unsafe {
                        view.frame.fill(x, groups.len() * job.channels, view.patch.lo, image);
                        for g in groups {
                            let base = image.offset(((g - first) * job.channels) as isize * view.channel);
                            for m in 0..job.m {
                                gather(job, g, m, &taps, &mut weights);
                                plane(job, view, (n, g * job.m + m), base, &weights, stream);
                            }
                        }
                    }
                }
            });
        });
    }
}

/// The weights of row `m` of a group, in the order of the products.
unsafe fn gather<T: GemmScalar>(job: &Job<T>, g: usize, m: usize, taps: &[usize], weights: &mut [T]) {
    let from = job.weights.ptr.wrapping_add(job.weights.group * g + job.weights.row * m);
    for (c, some) in weights.chunks_exact_mut(taps.len().max(1)).enumerate() {
        for (w, t) in some.iter_mut().zip(taps) {
            // SAFETY: the weights of the group are readable.
            *w = unsafe { *from.add(c * job.weights.channel + t) };
        }
    }
}

/// One channel of one image of y at a patch.
unsafe fn plane<T: GemmScalar>(
    job: &Job<T>,
    view: &Sight,
    (n, channel): (usize, usize),
    base: *const T,
    weights: &[T],
    stream: bool,
) {
    let lanes = T::kernel().lanes;
    let patch = Patch { lo: [n, view.patch.lo[1], view.patch.lo[2], view.patch.lo[3]], ..view.patch };
    let bias = job.bias.map_or(T::ZERO, |b| b[channel]);
    let whole = patch.len[3].is_multiple_of(lanes) && job.window.dense();
    let slide = |out: *mut T, stream: bool| Slide {
        base,
        at: &view.at,
        products: &view.products,
        weights: weights.as_ptr(),
        bias,
        out,
        stream,
    };
    // SAFETY: the copy covers every vector and product; the plane at this patch belongs to the task.
    unsafe {
        if whole {
            return (T::kernel().slide)(&slide(job.y.place(&patch, channel), stream));
        }
        with(Slot::Tile, view.at.len() * lanes, |tile: *mut T| {
            (T::kernel().slide)(&slide(tile, false));
            scatter(job, &patch, channel, tile, view.vectors * lanes);
        });
    }
}

/// # Safety
/// As for `weight::run`.
pub(super) unsafe fn weight_gradient<T: GemmScalar>(g: &Geometry, images: usize, y: &[T], x: View<T>, w: &mut [T]) {
    let window = g.window().flat(x.space());
    let cut = cut(&window, 1, g.groups, &x);
    let (taps, lanes, plane) = (g.taps(), T::kernel().lanes, g.out_len());
    let to = SendPtr(w.as_mut_ptr());
    let sizes = window.0.map(|a| a.output);
    for_tasks(g.groups.div_ceil(cut.planes), y.len() * (taps + 4), |batch| {
        let first = batch * cut.planes;
        let groups = first..(first + cut.planes).min(g.groups);
        let mut sums = vec![0.0; groups.len() * g.co * taps];
        let mut found = vec![T::ZERO; taps];
        for view in &cut.patches {
            let (lo, width) = (view.patch.lo, view.patch.len[3]);
            let start = (lo[1] * sizes[1] + lo[2]) * sizes[2] + lo[3];
            with(Slot::Image, view.frame.size(cut.planes), |image: *mut T| {
                with(Slot::Tile, view.at.len() * lanes, |padded: *mut T| {
                    // SAFETY: the planes of these groups; the buffers have the frame's size and room for padded rows.
                    unsafe {
                        view.frame.clear(cut.planes, image);
                        for n in 0..images {
                            view.frame.fill(x.part(n, first), groups.len(), lo, image);
                            for (i, sums) in sums.chunks_exact_mut(taps).enumerate() {
                                let channel = (n * g.groups + first) * g.co + i;
                                let y = &y[channel * plane + start..];
                                let y = pad_rows(y, (view.patch.positions(), width, view.vectors * lanes), padded);
                                let base = image.offset((i / g.co) as isize * view.channel);
                                (T::kernel().correlate)(base, &view.at, &view.products, y, found.as_mut_ptr());
                                sums.iter_mut().zip(&found).for_each(|(s, v)| *s += v.to_f64());
                            }
                        }
                    }
                });
            });
        }
        for (i, sum) in sums.iter().enumerate() {
            // SAFETY: every task has its own groups of the weight.
            unsafe { *to.get().add(first * g.co * taps + i) = T::from_f64(*sum) };
        }
    });
}

/// Rows that end with whole vectors: where they lie, or copied to `dst` with zeros up to `ld` elements each.
unsafe fn pad_rows<T: GemmScalar>(src: &[T], (len, width, ld): (usize, usize, usize), dst: *mut T) -> *const T {
    if width == ld {
        return src.as_ptr();
    }
    for (i, row) in src[..len].chunks_exact(width).enumerate() {
        // SAFETY: the caller's buffer has room for the padded rows.
        let to = unsafe { std::slice::from_raw_parts_mut(dst.add(i * ld), ld) };
        to[..width].copy_from_slice(row);
        to[width..].fill(T::ZERO);
    }
    dst
}
