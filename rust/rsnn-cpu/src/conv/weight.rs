//! Gradient of the weight: for every channel and tap a row of the image's windows times the rows of the output's gradient,
//! summed over positions. The windows are copied row by row, the gradient is transposed into panels.
use super::geometry::{Geometry, Patch, Patches, Window};
use super::product::for_tasks;
use super::region::{Layout, View, copy, see};
use crate::gemm::GemmScalar;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::tile::{Act, Block, Kernel, Out, Src};
use crate::pool::{self, SendPtr};
use std::ops::Range;

/// Positions that are summed before the sums go to memory.
const POSITIONS: usize = 384;
/// Rows of windows that take a part of L2.
const ROWS: usize = 96;

/// `w[co][ci][tap] = sum over images and positions of y[co] * x[ci]`, both in `groups` groups.
///
/// # Safety
/// x covers `images` images of the geometry's input.
pub(super) unsafe fn run<T: GemmScalar>(g: &Geometry, images: usize, y: &[T], x: View<T>, w: &mut [T]) {
    let window = g.window().flat(x.space());
    let kernel = T::kernel();
    let patches = Patches::new(images, &window, POSITIONS);
    let group = g.ci * g.taps() * g.co;
    // Sums over a few parts of the patches side by side where the sums are small; parts are added in order.
    let parts = ((1 << 20) / w.len()).clamp(1, 16).min(patches.count());
    let strip = kernel.mr.div_ceil(g.taps());
    let cuts = (16 / (parts * g.groups)).clamp(1, (g.ci * g.taps() / (8 * kernel.mr)).max(1)).min(g.ci.div_ceil(strip));
    with(Slot::A, parts * g.groups * group, |sums: *mut T| {
        let sums = SendPtr(sums);
        let plan = Plan { g, window, kernel, patches, y: y.as_ptr(), x };
        let work = w.len() * images * g.out_len();
        for_tasks(parts * g.groups * cuts, work, |task| {
            let (at, channels) = (task / cuts, pool::range(g.ci, cuts, task % cuts));
            let (part, group_index) = (at / g.groups, at % g.groups);
            // SAFETY: every task has its own rows of the sums of its own part.
            unsafe {
                let c = sums.get().add(at * group + channels.start * g.taps() * g.co);
                plan.sum(group_index, pool::range(plan.patches.count(), parts, part), channels, c);
            }
        });
        // SAFETY: the tasks have filled the sums of all parts.
        let sums = unsafe { std::slice::from_raw_parts(sums.get(), parts * g.groups * group) };
        collect(g, sums, w);
    });
}

/// Adds the parts and transposes: sums are `[part][group][channel, tap][co]`, the weight is `[group][co][channel, tap]`.
fn collect<T: GemmScalar>(g: &Geometry, sums: &[T], w: &mut [T]) {
    let (rows, len) = (g.ci * g.taps(), w.len());
    let to = SendPtr(w.as_mut_ptr());
    let tiles = rows.div_ceil(16);
    for_tasks(g.groups * tiles, sums.len() * 8, |task| {
        let (group, r) = (task / tiles, task % tiles * 16);
        for o in 0..g.co {
            for r in r..(r + 16).min(rows) {
                let at = (group * rows + r) * g.co + o;
                let sum = sums[at..].iter().step_by(len).skip(1).fold(sums[at], |s, v| s + *v);
                // SAFETY: tasks own disjoint columns of the weight.
                unsafe { *to.get().add((group * g.co + o) * rows + r) = sum };
            }
        }
    });
}

struct Plan<'a, T: GemmScalar> {
    g: &'a Geometry,
    window: Window,
    kernel: &'static Kernel<T>,
    patches: Patches,
    y: *const T,
    x: View<T>,
}

// SAFETY: tasks only read through the pointers.
unsafe impl<T: GemmScalar> Sync for Plan<'_, T> {}

impl<T: GemmScalar> Plan<'_, T> {
    /// `c[channel, tap][co]` = the sums over `patches` for some channels of a group.
    unsafe fn sum(&self, group: usize, patches: Range<usize>, channels: Range<usize>, c: *mut T) {
        let (g, nr) = (self.g, self.kernel.nr);
        let most = self.patches.positions();
        // A distance between rows that does not map them to one cache set.
        let ld = most.next_multiple_of(16) + 16;
        let width = g.co.next_multiple_of(nr);
        with(Slot::B, width * most + 16, |b: *mut T| {
            with(Slot::Tile, ROWS * ld, |a: *mut T| {
                for i in patches.clone() {
                    let patch = self.patches.get(i);
                    // SAFETY: the buffers hold the patch; x, y and c are the caller's.
                    unsafe {
                        self.pack_gradient(group, &patch, b);
                        let x = self.x.part(0, group * g.ci + channels.start);
                        see(x, channels.len(), &self.window, &patch, |base, layout| {
                            let at = Copied { base, a, ld, b, c, add: i > patches.start };
                            self.multiply(layout, &patch, channels.len(), &at);
                        });
                    }
                }
            });
        });
    }

    /// The gradient of a group at a patch as panels of channels: `[panel][position][nr]`.
    unsafe fn pack_gradient(&self, group: usize, patch: &Patch, dst: *mut T) {
        let (g, nr) = (self.g, self.kernel.nr);
        let (plane, all) = (g.out_len(), patch.positions());
        let per_image = all / patch.len[0];
        let sizes = self.window.0.map(|a| a.output);
        let start = (patch.lo[1] * sizes[1] + patch.lo[2]) * sizes[2] + patch.lo[3];
        for j in (0..g.co).step_by(nr) {
            for n in 0..patch.len[0] {
                let channel = ((patch.lo[0] + n) * g.groups + group) * g.co + j;
                let src = Src { p: self.y.wrapping_add(channel * plane + start), rs: 1, cs: plane as isize };
                // SAFETY: positions of the patch in one image lie side by side in each channel.
                unsafe {
                    let to = dst.add(j * all + n * per_image * nr);
                    (self.kernel.pack_b)(to, src, per_image, (g.co - j).min(nr));
                }
            }
        }
    }

    unsafe fn multiply(&self, layout: &Layout, patch: &Patch, channels: usize, at: &Copied<T>) {
        let (products, rows) = (layout.products(0..channels), layout.rows(patch.len));
        let (k, nr, co) = (patch.positions(), self.kernel.nr, self.g.co);
        for (i, some) in products.chunks(ROWS).enumerate() {
            let mut to = at.a;
            for offset in some {
                let mut p = to;
                for row in &rows {
                    // SAFETY: the buffer has `ld` elements per row of windows; the layout covers every product.
                    unsafe {
                        copy(at.base.offset(row + offset), p, patch.len[3]);
                        p = p.add(patch.len[3]);
                    }
                }
                to = to.wrapping_add(at.ld);
            }
            let out = Out {
                c: at.c.wrapping_add(i * ROWS * co),
                c_rs: co as isize,
                c_cs: 1,
                alpha: T::ONE,
                add: at.add,
                act: Act::None,
                bias: std::ptr::null(),
                bias_rs: 0,
                bias_cs: 0,
            };
            let block = Block {
                m: some.len(),
                n: co,
                k,
                a: at.a,
                a_rs: at.ld as isize,
                a_cs: 1,
                a_packed: false,
                b: at.b,
                b_rs: nr as isize,
                b_panel: (k * nr) as isize,
                out,
            };
            // SAFETY: A holds the copied rows, B the packed gradient, C this task's sums.
            unsafe { (self.kernel.block)(self.kernel, &block) };
        }
    }
}

/// Buffers of one task: what the patch sees, copied windows (`ld` elements a row), packed gradient, sums.
struct Copied<T> {
    base: *const T,
    a: *mut T,
    ld: usize,
    b: *const T,
    c: *mut T,
    add: bool,
}
