//! Convolutions with few rows of weights: packing windows would cost as much as multiplying them. Vectors of positions
//! slide over the image where it lies, each load serving a strip of rows.
use super::geometry::{Patch, Patches};
use super::product::{Job, REGION, for_tasks, scatter};
use super::region::{Layout, see};
use crate::gemm::GemmScalar;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::slide::{Rows, strip};

/// With more rows a packed window is used often enough.
const ROWS: usize = 24;
/// Fewer products than this are not worth it.
const PRODUCTS: usize = 32;

fn patches<T>(job: &Job<T>) -> Patches {
    let strided = job.window.0.iter().map(|a| if a.taps > 1 { a.stride } else { 1 }).product::<usize>();
    Patches::new(job.images, &job.window, (REGION / (job.channels * strided)).clamp(192, 1024))
}

pub(super) fn fits<T: GemmScalar>(job: &Job<T>) -> bool {
    let (products, outputs) = (job.channels * job.window.taps(), job.images * job.window.outputs());
    if !(1..=ROWS).contains(&job.m) || products < PRODUCTS || outputs == 0 {
        return false;
    }
    let patches = patches(job);
    // The last patch has the shortest rows.
    patches.get(patches.count() - 1).len[3] >= T::kernel().lanes
}

/// # Safety
/// As for `product::run`.
pub(super) unsafe fn run<T: GemmScalar>(job: &Job<T>) {
    let patches = patches(job);
    let group = job.channels * job.window.taps() * job.m;
    with(Slot::A, job.groups * group, |packed: *mut T| {
        // SAFETY: the buffer holds the weights of all groups; the job's weights are readable.
        let packed = unsafe {
            (0..job.groups).for_each(|g| pack(job, g, packed.add(g * group)));
            std::slice::from_raw_parts(packed, job.groups * group)
        };
        let work = packed.len() * job.images * job.window.outputs();
        for_tasks(job.groups * patches.count(), work, |task| {
            let (g, patch) = (task / patches.count(), patches.get(task % patches.count()));
            let x = job.x.part(0, g * job.channels);
            // SAFETY: the group's channels of x are readable; tasks own disjoint positions of y.
            unsafe {
                see(x, job.channels, &job.window, &patch, |base, layout| {
                    multiply(job, g, &patch, base, layout, &packed[g * group..][..group]);
                });
            }
        });
    });
}

/// The weights of a group: `[strip][product][row]`.
unsafe fn pack<T: GemmScalar>(job: &Job<T>, g: usize, mut to: *mut T) {
    let taps = job.window.weights(job.kernel_size);
    let from = job.weights.ptr.wrapping_add(g * job.weights.group);
    let mut s = 0;
    while let Some(rows) = strip(job.m, s) {
        for c in 0..job.channels {
            for tap in &taps {
                for m in rows.clone() {
                    // SAFETY: the caller's contract.
                    unsafe {
                        *to = *from.add(m * job.weights.row + c * job.weights.channel + tap);
                        to = to.add(1);
                    }
                }
            }
        }
        s += 1;
    }
}

unsafe fn multiply<T: GemmScalar>(
    job: &Job<T>,
    g: usize,
    patch: &Patch,
    base: *const T,
    layout: &Layout,
    weights: &[T],
) {
    let (lanes, len, first) = (T::kernel().lanes, patch.len[3], g * job.m);
    // The last vector of a row ends with it and may overlap the one before.
    let starts = || (0..len).step_by(lanes).map(move |c| c.min(len - lanes));
    let at: Vec<isize> =
        layout.rows(patch.len).iter().flat_map(|row| starts().map(move |c| row + c as isize)).collect();
    let products = layout.products(0..job.channels);
    let slide = |to: &[usize], out: *mut T, pitch: usize| {
        let bias = job.bias.map_or(&[][..], |b| &b[first..][..job.m]);
        let weights = weights.as_ptr();
        let rows = Rows { base, at: &at, to, products: &products, weights, bias, rows: job.m, out, pitch };
        // SAFETY: the layout covers every product of every position; the caller's places hold all vectors.
        unsafe { (T::kernel().slide_rows)(&rows) };
    };
    if job.window.dense() {
        let to: Vec<usize> = job.y.rows(patch).flat_map(|row| starts().map(move |c| row + c)).collect();
        return slide(&to, job.y.ptr.wrapping_add(first * job.y.channel), job.y.channel);
    }
    let pitch = patch.positions();
    let to: Vec<usize> = (0..pitch / len).flat_map(|row| starts().map(move |c| row * len + c)).collect();
    with(Slot::Tile, job.m * pitch, |tile: *mut T| {
        slide(&to, tile, pitch);
        for m in 0..job.m {
            // SAFETY: these positions belong to the patch; the tile holds them in rows of `len`.
            unsafe { scatter(job, patch, first + m, tile.add(m * pitch), len) };
        }
    });
}
