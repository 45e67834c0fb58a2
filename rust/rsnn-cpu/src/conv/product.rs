//! The sums of products of a convolution and of its transpose: weights in packed strips, windows packed panel by panel into
//! the first-level cache straight from the image, C written where it belongs.
use super::geometry::{Patch, Patches, Window};
use super::region::{View, see};
use crate::gemm::GemmScalar;
use crate::gemm::driver::even_part;
use crate::gemm::scratch::{Slot, with};
use crate::gemm::tile::{Act, Block, Kernel, Out, Src};
use crate::pool;
use std::ops::Range;

/// Weights as a matrix per group: row `m`, channel `c` and tap lie at `m row + c channel + tap`.
#[derive(Clone, Copy)]
pub(super) struct Weights<T> {
    pub ptr: *const T,
    pub group: usize,
    pub row: usize,
    pub channel: usize,
}

/// The tensor that a product writes; images, channels and strides of the three dimensions, columns adjacent.
#[derive(Clone, Copy)]
pub(super) struct Target<T> {
    pub ptr: *mut T,
    pub image: usize,
    pub channel: usize,
    pub strides: [usize; 3],
}

/// `y[m] = sum over channels and taps of weights * x + bias[m]` for all groups and images.
pub(super) struct Job<'a, T> {
    pub window: Window,
    pub kernel_size: [usize; 3],
    pub groups: usize,
    pub images: usize,
    /// Rows and channels of one group.
    pub m: usize,
    pub channels: usize,
    pub x: View<T>,
    pub weights: Weights<T>,
    pub bias: Option<&'a [T]>,
    pub y: Target<T>,
}

// SAFETY: tasks read x and the weights and write their own positions of y; the caller lends all for the call.
unsafe impl<T> Sync for Job<'_, T> {}

/// Elements of an image region that leave room for weights in L2.
pub(super) const REGION: usize = 96 << 10;
/// Rows of weights whose K block takes a part of L2.
const ROWS: usize = 144;

impl<T> Job<'_, T> {
    /// A row of weights holds the products in the order of the sums, and the rows do not all map to one set of the cache.
    fn weights_in_place(&self) -> bool {
        let taps = self.window.weights(self.kernel_size);
        self.weights.channel == taps.len()
            && taps.iter().enumerate().all(|(i, t)| i == *t)
            && !(self.weights.row * size_of::<T>()).is_multiple_of(4096)
    }
}

/// # Safety
/// x, weights and y cover the sizes of the job; y overlaps neither and nobody else uses it.
pub(super) unsafe fn run<T: GemmScalar>(job: &Job<T>) {
    let taps = job.window.taps();
    if job.window.outputs() == 0 || job.images == 0 || job.m == 0 {
        return;
    }
    let kernel = T::kernel();
    let k = job.channels * taps;
    if k == 0 {
        // SAFETY: the caller's contract.
        return unsafe { bias_only(job) };
    }
    let kc = even_part(k, kernel.kc, 8);
    let strips = job.m.div_ceil(kernel.mr);
    let in_place = job.weights_in_place();
    let group = if in_place { 0 } else { strips * kernel.mr * k };
    with(Slot::A, job.groups * group + 2 * kernel.mr * kc, |packed: *mut T| {
        let strided = job.window.0.iter().map(|a| if a.taps > 1 { a.stride } else { 1 }).product::<usize>();
        let target = (REGION / (job.channels * strided)).clamp(192, 1024);
        let patches = Patches::new(job.images, &job.window, target);
        let threads = pool::num_threads();
        let cuts = match threads {
            1 => 1,
            _ => (4 * threads).div_ceil(patches.count() * job.groups).min(strips.div_ceil(4)).max(1),
        };
        let plan = Plan { job, kernel, k, kc, in_place, packed, group, patches };
        if !in_place {
            // SAFETY: the buffer holds the packed weights of all groups; packing ends before the tasks begin.
            unsafe { plan.pack() };
        }
        let work = job.groups * job.m * k * job.images * job.window.outputs();
        for_tasks(job.groups * plan.patches.count() * cuts, work, |task| {
            let (at, cut) = (task / cuts, task % cuts);
            let rows = pool::range(strips, cuts, cut);
            let rows = rows.start * kernel.mr..(rows.end * kernel.mr).min(job.m);
            // SAFETY: tasks own disjoint rows or positions of y.
            unsafe { plan.patch(at / plan.patches.count(), plan.patches.get(at % plan.patches.count()), rows) };
        });
    });
}

/// In parallel where the work pays for waking a helper.
pub(super) fn for_tasks(tasks: usize, work: usize, f: impl Fn(usize) + Sync) {
    if work > 1 << 18 { pool::for_each_chunk(tasks, f) } else { (0..tasks).for_each(f) }
}

unsafe fn bias_only<T: GemmScalar>(job: &Job<T>) {
    let len = job.window.outputs();
    for n in 0..job.images {
        for c in 0..job.groups * job.m {
            let v = job.bias.map_or(T::ZERO, |b| b[c]);
            let row = vec![v; len];
            let patch = Patches::new(1, &job.window, usize::MAX / 2).get(0);
            // SAFETY: one channel of one image of y.
            unsafe { scatter(job, &Patch { lo: [n, 0, 0, 0], ..patch }, c, row.as_ptr(), patch.len[3]) };
        }
    }
}

impl<T> Target<T> {
    /// The patch's first position in a channel, for windows that fill the tensor.
    pub fn place(&self, patch: &Patch, channel: usize) -> *mut T {
        let at = patch.lo[0] * self.image + channel * self.channel;
        self.ptr.wrapping_add((0..3).fold(at, |at, a| at + patch.lo[a + 1] * self.strides[a]))
    }
    /// First elements of the patch's rows in the first channel, for windows that fill the tensor.
    pub fn rows(&self, patch: &Patch) -> impl Iterator<Item = usize> {
        let (lo, [images, deep, high, _]) = (patch.lo, patch.len);
        let (image, [sd, sh, sw]) = (self.image, self.strides);
        let start = lo[0] * image + lo[1] * sd + lo[2] * sh + lo[3] * sw;
        (0..images)
            .flat_map(move |n| (0..deep).flat_map(move |d| (0..high).map(move |h| start + n * image + d * sd + h * sh)))
    }
}

/// Copies the positions of a patch to channel `c` of y; its rows lie `ld` elements apart.
pub(super) unsafe fn scatter<T: GemmScalar>(job: &Job<T>, patch: &Patch, c: usize, mut from: *const T, ld: usize) {
    let (axes, y) = (&job.window.0, &job.y);
    let place = |a: usize, o: usize| (axes[a].from + (patch.lo[a + 1] + o) * axes[a].every) * y.strides[a];
    let (len, every) = (patch.len[3], axes[2].every * y.strides[2]);
    for n in 0..patch.len[0] {
        for d in 0..patch.len[1] {
            for h in 0..patch.len[2] {
                let at = (patch.lo[0] + n) * y.image + c * y.channel + place(0, d) + place(1, h) + place(2, 0);
                // SAFETY: these positions belong to the caller's patch; the row has one element for each.
                unsafe {
                    let to = y.ptr.add(at);
                    if every == 1 {
                        std::ptr::copy_nonoverlapping(from, to, len);
                    } else {
                        for i in 0..len {
                            *to.add(i * every) = *from.add(i);
                        }
                    }
                    from = from.add(ld);
                }
            }
        }
    }
}

/// A job with its packed weights: `[group][K block][strip][k][mr]`.
struct Plan<'a, T: GemmScalar> {
    job: &'a Job<'a, T>,
    kernel: &'static Kernel<T>,
    k: usize,
    kc: usize,
    /// Weights are read where they lie; nothing is packed.
    in_place: bool,
    packed: *mut T,
    group: usize,
    patches: Patches,
}

// SAFETY: tasks read the packed weights, and write them only while each packs its own part.
unsafe impl<T: GemmScalar> Sync for Plan<'_, T> {}

impl<T: GemmScalar> Plan<'_, T> {
    unsafe fn pack(&self) {
        let (job, mr) = (self.job, self.kernel.mr);
        let taps = job.window.weights(job.kernel_size);
        let in_order = job.weights.channel == taps.len() && taps.iter().enumerate().all(|(i, t)| i == *t);
        let strips = job.m.div_ceil(mr);
        // A few strips together: packing a strip may write a little behind its end, where the next one begins.
        let blocks = self.k.div_ceil(self.kc);
        for_tasks(job.groups * blocks, job.groups * job.m * self.k * 16, |i| {
            let (g, p) = (i / blocks, i % blocks * self.kc);
            let kb = (self.k - p).min(self.kc);
            let src = job.weights.ptr.wrapping_add(g * job.weights.group);
            let mut dst = self.packed.wrapping_add(g * self.group + p * strips * mr);
            // SAFETY: the weights of group g are readable; the block has its own part of the buffer.
            unsafe {
                if in_order {
                    let a = Src { p: src.add(p), rs: job.weights.row as isize, cs: 1 };
                    return pack_exact(self.kernel, dst, a, job.m, kb);
                }
                for strip in 0..strips {
                    for k in p..p + kb {
                        let at = k / taps.len() * job.weights.channel + taps[k % taps.len()];
                        for r in 0..mr {
                            let row = (strip * mr + r).min(job.m - 1);
                            *dst.add(r) = *src.add(row * job.weights.row + at);
                        }
                        dst = dst.add(mr);
                    }
                }
            }
        });
    }

    /// One patch of one group, rows `rows` of the result.
    unsafe fn patch(&self, g: usize, patch: Patch, rows: Range<usize>) {
        let job = self.job;
        let x = job.x.part(0, g * job.channels);
        // SAFETY: the group's channels of x are readable.
        unsafe {
            see(x, job.channels, &job.window, &patch, |base, layout| {
                let products = layout.products(0..job.channels);
                let panels = panels(&layout.rows(patch.len), patch.len[3], self.kernel.nr, &products, layout.len);
                with(Slot::B, (self.kc + 2) * self.kernel.nr, |panel: *mut T| {
                    std::slice::from_raw_parts_mut(panel, (self.kc + 2) * self.kernel.nr).fill(T::ZERO);
                    let step = even_part(rows.len(), ROWS, self.kernel.mr);
                    for m in rows.clone().step_by(step) {
                        let m = m..(m + step).min(rows.end);
                        self.rows(g, &patch, m, &Windows { base, products: &products, panels: &panels, panel });
                    }
                });
            });
        }
    }

    unsafe fn rows(&self, g: usize, patch: &Patch, m: Range<usize>, windows: &Windows<T>) {
        let (job, first) = (self.job, g * self.job.m + m.start);
        let dense = job.window.dense() && patch.len[0] == 1;
        // SAFETY: rows m of the group and the patch's positions belong to this task.
        unsafe {
            if dense {
                return self.multiply(g, m, windows, job.y.place(patch, first), job.y.channel);
            }
            let width = patch.positions().next_multiple_of(self.kernel.nr);
            with(Slot::Tile, m.len() * width, |tile: *mut T| {
                self.multiply(g, m.clone(), windows, tile, width);
                for i in 0..m.len() {
                    scatter(job, patch, first + i, tile.add(i * width), patch.len[3]);
                }
            });
        }
    }

    /// The whole K loop for rows `m` of group `g` and all panels, `c` being the first result.
    unsafe fn multiply(&self, g: usize, m: Range<usize>, windows: &Windows<T>, c: *mut T, c_rs: usize) {
        let (job, kernel) = (self.job, self.kernel);
        let (mr, nr) = (kernel.mr, kernel.nr);
        let strips = job.m.div_ceil(mr);
        let bias = job.bias.map_or(std::ptr::null(), |b| b[g * job.m + m.start..].as_ptr());
        for p in (0..self.k).step_by(self.kc) {
            let kb = (self.k - p).min(self.kc);
            let last = p + kb == self.k;
            let a = match self.in_place {
                true => job.weights.ptr.wrapping_add(g * job.weights.group + m.start * job.weights.row + p),
                false => self.packed.wrapping_add(g * self.group + p * strips * mr + m.start * kb),
            };
            for (j, panel) in windows.panels.iter().enumerate() {
                let out = Out {
                    c: c.wrapping_add(j * nr),
                    c_rs: c_rs as isize,
                    c_cs: 1,
                    alpha: T::ONE,
                    add: p > 0,
                    act: Act::None,
                    bias: if last { bias } else { std::ptr::null() },
                    bias_rs: 1,
                    bias_cs: 0,
                };
                let block = Block {
                    m: m.len(),
                    n: panel.cols,
                    k: kb,
                    a,
                    a_rs: job.weights.row as isize,
                    a_cs: 1,
                    a_packed: !self.in_place,
                    b: windows.panel,
                    b_rs: nr as isize,
                    b_panel: (nr * kb) as isize,
                    out,
                };
                // SAFETY: the panel's buffer holds a K block; strips of A are packed; C belongs to the task.
                unsafe {
                    panel.pack(windows.panel, nr, windows.base, &windows.products[p..p + kb]);
                    (kernel.block)(kernel, &block);
                }
            }
        }
    }
}

/// Packs strips without writing behind the last one: the kernel's packing of the last strip may, so that goes by hand.
unsafe fn pack_exact<T: GemmScalar>(kernel: &Kernel<T>, dst: *mut T, a: Src<T>, m: usize, k: usize) {
    let whole = (m.div_ceil(kernel.mr) - 1) * kernel.mr;
    // SAFETY: all strips but the last are followed by the last one, which is written after them.
    unsafe {
        if whole > 0 {
            (kernel.pack_a)(dst, a, whole, k);
        }
        let (dst, a) = (dst.add(whole * k), a.at(whole, 0));
        for p in 0..k {
            for r in 0..kernel.mr {
                *dst.add(p * kernel.mr + r) = *a.p.offset(r.min(m - whole - 1) as isize * a.rs + p as isize * a.cs);
            }
        }
    }
}

/// What a task multiplies: the products of every sum and the panels of its patch.
struct Windows<'a, T> {
    base: *const T,
    products: &'a [isize],
    panels: &'a [Panel],
    panel: *mut T,
}

/// Elements copied at once.
const UNIT: usize = 4;

/// `nr` adjacent positions of a patch, as runs of adjacent elements of the region.
pub(super) struct Panel {
    cols: usize,
    /// All columns in one run that starts here.
    whole: Option<isize>,
    /// Otherwise (from, to) of `UNIT` elements each, and of single elements.
    units: Vec<(isize, usize)>,
    singles: Vec<(isize, usize)>,
}

/// Cuts rows of `len` positions into panels. Copies may run past a row but not past `end`, counted from the base.
pub(super) fn panels(rows: &[isize], len: usize, nr: usize, products: &[isize], end: usize) -> Vec<Panel> {
    let reach = products.iter().max().copied().unwrap_or(0);
    let total = rows.len() * len;
    let mut all = Vec::with_capacity(total.div_ceil(nr));
    for first in (0..total).step_by(nr) {
        let cols = (total - first).min(nr);
        let mut panel = Panel { cols, whole: None, units: Vec::new(), singles: Vec::new() };
        let mut to = 0;
        while to < cols {
            let (row, col) = ((first + to) / len, (first + to) % len);
            let (from, run) = (rows[row] + col as isize, (len - col).min(cols - to));
            if run == nr {
                panel.whole = Some(from);
            }
            for i in (0..run).step_by(UNIT) {
                let at = from + i as isize;
                // What a unit writes behind its run is overwritten by the next run, but nothing follows the last.
                if to + i + UNIT <= nr && (at + reach) as usize + UNIT <= end {
                    panel.units.push((at, to + i));
                } else {
                    panel.singles.extend((i..run.min(i + UNIT)).map(|i| (from + i as isize, to + i)));
                }
            }
            to += run;
        }
        all.push(panel);
    }
    all
}

impl Panel {
    /// # Safety
    /// `dst` holds `products.len()` rows of `nr` elements; the region reaches as far as `panels` was told.
    unsafe fn pack<T: Copy>(&self, dst: *mut T, nr: usize, base: *const T, products: &[isize]) {
        // SAFETY: the caller's contract.
        unsafe {
            match (self.whole, nr) {
                (Some(from), 16) => copy_runs::<T, 16>(dst, nr, base.offset(from), products),
                (Some(from), 32) => copy_runs::<T, 32>(dst, nr, base.offset(from), products),
                (Some(from), 64) => copy_runs::<T, 64>(dst, nr, base.offset(from), products),
                (Some(from), 8) => copy_runs::<T, 8>(dst, nr, base.offset(from), products),
                _ => {
                    for &(from, to) in &self.units {
                        copy_runs::<T, UNIT>(dst.add(to), nr, base.offset(from), products);
                    }
                    for &(from, to) in &self.singles {
                        copy_runs::<T, 1>(dst.add(to), nr, base.offset(from), products);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn copy_runs<T: Copy, const N: usize>(mut dst: *mut T, nr: usize, src: *const T, products: &[isize]) {
    for &offset in products {
        // SAFETY: the caller's contract.
        unsafe {
            std::ptr::copy_nonoverlapping(src.offset(offset), dst, N);
            dst = dst.add(nr);
        }
    }
}
