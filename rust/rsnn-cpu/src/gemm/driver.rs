//! Chooses the path for a product by its shape, blocks it for the caches and cuts it into tasks.
//! A task runs the whole K loop of its block of C, so results do not depend on the number of threads.
use super::dot::{OUTER_TERMS, SWEEP_ROWS};
use super::scratch::{Slot, with};
use super::tile::{Act, Block, Dot, Kernel, Out, Src};
use crate::pool;
use crate::vmath::Real;
use std::sync::OnceLock;

/// `out = A (m x k) * B (k x n)`.
#[derive(Clone, Copy)]
pub struct Job<T> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Src<T>,
    pub b: Src<T>,
    pub out: Out<T>,
}

// SAFETY: tasks read A and B and write disjoint blocks of C; the caller of `gemm` owns all three for the call.
unsafe impl<T> Sync for Job<T> {}

/// Below this many multiply-adds a helper thread costs more than it brings.
const SERIAL: usize = 1 << 19;
/// Below this nothing is packed unless its layout demands it.
const SMALL: usize = 32 * 32 * 32;
/// Up to this many rows (or columns) dot products beat packing, where both operands are contiguous along K.
const DOT_ROWS: usize = 40;
/// From this K on; a shorter one is summed up too often.
const DOT_SHORT: usize = 128;
/// Products that a dot sums at a time: with a longer K the rows of A leave L1.
const DOT_LONG: usize = 1024;
/// Bytes of an unpacked B that several strips of A read.
const DIRECT_BYTES: usize = 192 << 10;
/// Bytes of an A that passes from the caches for every panel of B, where it lies in rows.
const A_BYTES: usize = 1536 << 10;
/// The same for one that the calling thread packs while the others wait.
const A_PACKED: usize = 256 << 10;
/// Bytes of packed B at a time.
const B_BYTES: usize = 16 << 20;

impl<T: Real> Job<T> {
    /// `C^T = B^T A^T`.
    fn swapped(self) -> Self {
        let flip = |s: Src<T>| Src { p: s.p, rs: s.cs, cs: s.rs };
        let o = self.out;
        let out = Out { c_rs: o.c_cs, c_cs: o.c_rs, bias_rs: o.bias_cs, bias_cs: o.bias_rs, ..o };
        Self { m: self.n, n: self.m, k: self.k, a: flip(self.b), b: flip(self.a), out }
    }

    /// Both operands contiguous along K and few rows.
    fn dots_pay(&self) -> bool {
        let rows = self.m.min(self.n);
        let most = if self.k < DOT_SHORT { 6 } else { DOT_ROWS };
        self.a.cs == 1 && self.b.rs == 1 && rows <= most && self.k >= 8
    }

    /// A B that lies in rows, stays in L1 or L2 and does not map to one cache set needs no packing.
    fn direct_pays(&self) -> bool {
        let row = self.b.rs.unsigned_abs() * size_of::<T>();
        self.work() <= SMALL
            || self.work() <= SERIAL
                && self.b.cs == 1
                && self.k * self.n * size_of::<T>() <= DIRECT_BYTES
                && !row.is_multiple_of(2048)
    }

    /// All of A stays in L2 or L3: a panel of B can be packed by the task that uses it, and is then still in its cache.
    fn panels_pay(&self, kernel: &Kernel<T>) -> bool {
        let most = if self.a.cs == 1 { A_BYTES } else { A_PACKED };
        self.m > SWEEP_ROWS && self.m * self.k * size_of::<T>() <= most && self.n >= 4 * kernel.nr
    }

    /// Few terms and rows that lie side by side: storing C is the work, tiles only delay it.
    fn is_outer(&self) -> bool {
        let o = &self.out;
        self.k <= OUTER_TERMS && self.n >= 32 && self.b.cs == 1 && o.c_cs == 1 && o.bias_rs == 0 && o.act == Act::None
    }

    /// Multiply-adds.
    pub fn work(&self) -> usize {
        self.m.saturating_mul(self.n).saturating_mul(self.k)
    }
}

/// # Safety
/// The operands must cover their shapes, and nothing else may touch C during the call.
pub unsafe fn run<T: Real>(kernel: &Kernel<T>, job: &Job<T>, parallel: bool) {
    if job.m == 0 || job.n == 0 {
        return;
    }
    let direct_pays = job.direct_pays();
    let may_split = parallel && pool::num_threads() > 1;
    let parallel = may_split && !direct_pays;
    // SAFETY: each path stays inside the shapes.
    unsafe {
        if job.k == 0 {
            no_products(kernel, job);
        } else if job.is_outer() {
            outer(kernel, job, may_split);
        } else if job.dots_pay() {
            dots(kernel, &if job.n < job.m { job.swapped() } else { *job }, parallel);
        } else if direct_pays {
            direct(kernel, job);
        } else if job.m <= SWEEP_ROWS && job.b.cs == 1 {
            sweep(kernel, job, parallel);
        } else if job.n <= SWEEP_ROWS && job.a.rs == 1 {
            sweep(kernel, &job.swapped(), parallel);
        } else if job.panels_pay(kernel) {
            by_panel(kernel, job, parallel);
        } else {
            packed(kernel, job, parallel);
        }
    }
}

/// K = 0: every sum is zero, bias and activation still apply.
unsafe fn no_products<T: Real>(kernel: &Kernel<T>, job: &Job<T>) {
    let mut zeros = [T::ZERO; 64];
    for i in 0..job.m {
        for j in (0..job.n).step_by(64) {
            zeros.fill(T::ZERO);
            let out = Out { alpha: T::ONE, ..job.out.at(i, j) };
            // SAFETY: one row of at most 64 columns of C.
            unsafe { (kernel.finish)(&out, zeros.as_mut_ptr(), 64, 1, (job.n - j).min(64)) };
        }
    }
}

/// Cuts `len` into chunks of whole `unit`s, if the job is worth it.
fn for_ranges(len: usize, unit: usize, parallel: bool, work: usize, f: impl Fn(usize, usize) + Sync) {
    let chunks = if parallel && work > SERIAL / 2 { pool::split(work, SERIAL / 8).min(len.div_ceil(unit)) } else { 1 };
    let units = len.div_ceil(unit);
    pool::for_each_chunk(chunks, |i| {
        let r = pool::range(units, chunks, i);
        f(r.start * unit, (r.end * unit).min(len));
    });
}

unsafe fn dots<T: Real>(kernel: &Kernel<T>, job: &Job<T>, parallel: bool) {
    // Few rows: reading B bounds it, so a byte counts like some flops.
    let work = job.work().max(job.k * job.n * 4);
    let part = even_part(job.k, if job.m > SWEEP_ROWS { DOT_LONG } else { job.k }, 8);
    for_ranges(job.n, 4, parallel, work, |j0, j1| {
        for p in (0..job.k).step_by(part) {
            let dot = job.dot((j0, j1), (p, (job.k - p).min(part)));
            // SAFETY: columns j0..j1 of the job; both operands are contiguous along K.
            unsafe { (kernel.dot)(&dot) };
        }
    });
}

unsafe fn outer<T: Real>(kernel: &Kernel<T>, job: &Job<T>, parallel: bool) {
    for_ranges(job.m, 16, parallel, job.m * job.n * 4, |i0, i1| {
        // SAFETY: rows i0..i1 of the job, B contiguous along N.
        unsafe { (kernel.outer)(&job.block(kernel, (i0, i1), (0, job.n))) };
    });
}

unsafe fn sweep<T: Real>(kernel: &Kernel<T>, job: &Job<T>, parallel: bool) {
    let work = job.work().max(job.k * job.n * 4);
    for_ranges(job.n, 512, parallel, work, |j0, j1| {
        let block = job.block(kernel, (0, job.m), (j0, j1));
        // SAFETY: columns j0..j1 of the job, at most SWEEP_ROWS rows, B contiguous along N.
        unsafe { (kernel.sweep)(&block) };
    });
}

impl<T: Real> Job<T> {
    fn dot(&self, j: (usize, usize), k: (usize, usize)) -> Dot<T> {
        Dot {
            m: self.m,
            n: j.1 - j.0,
            k: k.1,
            a: self.a.at(0, k.0).p,
            a_rs: self.a.rs,
            b: self.b.at(k.0, j.0).p,
            b_cs: self.b.cs,
            out: self.k_out((0, j.0), k),
        }
    }

    /// Where `k.1` products from `k.0` on go: added to what C holds, finished with the last.
    fn k_out(&self, at: (usize, usize), k: (usize, usize)) -> Out<T> {
        let mut out = self.out.at(at.0, at.1);
        out.add |= k.0 > 0;
        if k.0 + k.1 < self.k {
            (out.act, out.bias) = (Act::None, std::ptr::null());
        }
        out
    }

    /// The block of rows `i.0..i.1`, columns `j.0..j.1` with unpacked operands.
    fn block(&self, kernel: &Kernel<T>, i: (usize, usize), j: (usize, usize)) -> Block<T> {
        Block {
            m: i.1 - i.0,
            n: j.1 - j.0,
            k: self.k,
            a: self.a.at(i.0, 0).p,
            a_rs: self.a.rs,
            a_cs: self.a.cs,
            a_packed: false,
            b: self.b.at(0, j.0).p,
            b_rs: self.b.rs,
            b_panel: kernel.nr as isize,
            out: self.out.at(i.0, j.0),
        }
    }

    /// The same for `k.1` products from `k.0` on.
    fn k_block(&self, kernel: &Kernel<T>, i: (usize, usize), j: (usize, usize), k: (usize, usize)) -> Block<T> {
        let mut block = self.block(kernel, i, j);
        block.k = k.1;
        block.a = self.a.at(i.0, k.0).p;
        block.out = self.k_out((i.0, j.0), k);
        block
    }
}

/// No packing, but for columns that do not fill a vector or do not lie side by side.
unsafe fn direct<T: Real>(kernel: &Kernel<T>, job: &Job<T>) {
    let nr = kernel.nr;
    let whole = match job.b.cs {
        1 if job.n.is_multiple_of(kernel.lanes) => job.n,
        1 => job.n / nr * nr,
        _ => 0,
    };
    // SAFETY: `whole` columns end at a whole vector; the rest is read by the packing only inside its shape.
    unsafe {
        if whole > 0 {
            (kernel.block)(kernel, &job.block(kernel, (0, job.m), (0, whole)));
        }
        let rest = job.n - whole;
        if rest > 0 {
            with(Slot::B, rest.next_multiple_of(nr) * job.k, |buf: *mut T| {
                (kernel.pack_b)(buf, job.b.at(0, whole), job.k, rest);
                let block = job.block(kernel, (0, job.m), (whole, job.n));
                (kernel.block)(kernel, &Block { b: buf, b_rs: nr as isize, b_panel: (nr * job.k) as isize, ..block });
            });
        }
    }
}

/// One task for each panel of B, which the task packs: no waiting until all of B is packed.
unsafe fn by_panel<T: Real>(kernel: &Kernel<T>, job: &Job<T>, parallel: bool) {
    let (nr, mr) = (kernel.nr, kernel.mr);
    let kc = even_part(job.k, kernel.kc, 8);
    let threads = if parallel && job.work() > SERIAL { pool::num_threads() } else { 1 };
    let in_place = job.a.cs == 1;
    let height = job.m.next_multiple_of(mr);
    with(Slot::A, if in_place { 0 } else { height * job.k + 64 }, |buf: *mut T| {
        let packed = pool::SendPtr(buf);
        if !in_place {
            // `[K block][strip][k][mr]`
            for p in (0..job.k).step_by(kc) {
                let kb = (job.k - p).min(kc);
                // SAFETY: the buffer holds every K block, and 64 elements more.
                unsafe { (kernel.pack_a)(packed.get().add(p * height), job.a.at(0, p), job.m, kb) };
            }
        }
        pool_or_serial(threads, job.n.div_ceil(nr), |panel| {
            let j = (panel * nr, (panel * nr + nr).min(job.n));
            with(Slot::B, nr * kc, |buf: *mut T| {
                for p in (0..job.k).step_by(kc) {
                    let mut block = job.k_block(kernel, (0, job.m), j, (p, (job.k - p).min(kc)));
                    if !in_place {
                        (block.a, block.a_packed) = (packed.get().wrapping_add(p * height), true);
                    }
                    (block.b, block.b_rs) = (buf, nr as isize);
                    // SAFETY: the buffer holds one panel of a K block; tasks own disjoint columns of C.
                    unsafe {
                        (kernel.pack_b)(buf, job.b.at(p, j.0), block.k, j.1 - j.0);
                        (kernel.block)(kernel, &block);
                    }
                }
            });
        });
    });
}

/// Columns `j0..j0+n` with their packed B: `[K block][panel][k][nr]`.
struct Packed<T> {
    b: pool::SendPtr<T>,
    j0: usize,
    n: usize,
    kc: usize,
}

unsafe fn packed<T: Real>(kernel: &Kernel<T>, job: &Job<T>, parallel: bool) {
    let parallel = parallel && job.work() > SERIAL;
    let kc = even_part(job.k, kernel.kc, 8);
    let nc = (B_BYTES / (job.k * size_of::<T>())).max(kernel.nr) / kernel.nr * kernel.nr;
    let nc = nc.min(job.n);
    with(Slot::B, nc.next_multiple_of(kernel.nr) * job.k, |buf: *mut T| {
        for j0 in (0..job.n).step_by(nc) {
            let b = Packed { b: pool::SendPtr(buf), j0, n: (job.n - j0).min(nc), kc };
            // SAFETY: the buffer holds these columns; packing ends before the tasks begin.
            unsafe {
                pack_columns(kernel, job, &b, parallel);
                multiply(kernel, job, &b, parallel);
            }
        }
    });
}

unsafe fn pack_columns<T: Real>(kernel: &Kernel<T>, job: &Job<T>, b: &Packed<T>, parallel: bool) {
    let nr = kernel.nr;
    let width = b.n.next_multiple_of(nr);
    let work = job.k * b.n * 8;
    for_ranges(b.n, nr, parallel, work, |j, end| {
        for p in (0..job.k).step_by(b.kc) {
            let kb = (job.k - p).min(b.kc);
            // SAFETY: each range writes its own panels.
            unsafe { (kernel.pack_b)(b.b.get().add(p * width + j * kb), job.b.at(p, b.j0 + j), kb, end - j) };
        }
    });
}

unsafe fn multiply<T: Real>(kernel: &Kernel<T>, job: &Job<T>, b: &Packed<T>, parallel: bool) {
    let threads = if parallel { pool::num_threads() } else { 1 };
    let (strips, panels) = (job.m.div_ceil(kernel.mr), b.n.div_ceil(kernel.nr));
    let mc = block_rows(kernel, size_of::<T>(), b.kc);
    let (rows, cols) = grid(strips, panels, mc / kernel.mr, threads);
    pool_or_serial(threads, rows * cols, |task| {
        let (r, c) = (pool::range(strips, rows, task / cols), pool::range(panels, cols, task % cols));
        let i = (r.start * kernel.mr, (r.end * kernel.mr).min(job.m));
        let j = (c.start * kernel.nr, (c.end * kernel.nr).min(b.n));
        // SAFETY: tasks own disjoint blocks of C.
        unsafe { task_block(kernel, job, b, i, j) };
    });
}

fn pool_or_serial(threads: usize, n: usize, f: impl Fn(usize) + Sync) {
    if threads > 1 { pool::for_each_chunk(n, f) } else { (0..n).for_each(f) }
}

/// Rows and columns of tasks: row blocks fit L2; with several threads there are a few tasks for each, the same number if
/// the shape allows: one task too many of nine costs a tenth.
fn grid(strips: usize, panels: usize, mc: usize, threads: usize) -> (usize, usize) {
    let rows = strips.div_ceil(mc.max(1));
    if threads == 1 {
        return (rows, 1);
    }
    let want = 4 * threads;
    // Row blocks shrink to 8 strips, then columns are cut into groups of at least 4 panels.
    let rows = rows.max(want.min(strips / 8)).max(1);
    let rows = if rows < threads { rows } else { rows.next_multiple_of(threads) };
    if rows >= want {
        return (rows, 1);
    }
    let cols = want.div_ceil(rows);
    let cols = if rows.is_multiple_of(threads) { cols } else { cols.next_multiple_of(threads) };
    (rows, cols.min(panels.div_ceil(4)).max(1))
}

/// The whole K loop for one block of C.
unsafe fn task_block<T: Real>(kernel: &Kernel<T>, job: &Job<T>, b: &Packed<T>, i: (usize, usize), j: (usize, usize)) {
    let (m, nr) = (i.1 - i.0, kernel.nr);
    if m == 0 || j.1 == j.0 {
        return;
    }
    let width = b.n.next_multiple_of(nr);
    // Rows are read where they lie, unless their distance maps them all to one set of the first cache.
    let in_place = job.a.cs == 1 && !(job.a.rs as usize * size_of::<T>()).is_multiple_of(4096);
    let len = if in_place { 0 } else { m.next_multiple_of(kernel.mr) * b.kc + 64 };
    with(Slot::A, len, |buf: *mut T| {
        for p in (0..job.k).step_by(b.kc) {
            let kb = (job.k - p).min(b.kc);
            let mut block = job.k_block(kernel, i, (b.j0 + j.0, b.j0 + j.1), (p, kb));
            block.b = b.b.get().wrapping_add(p * width + j.0 * kb);
            (block.b_rs, block.b_panel) = (nr as isize, (nr * kb) as isize);
            // SAFETY: rows i, K range p..p+kb of A; the buffers hold the packed forms.
            unsafe {
                if !in_place {
                    (kernel.pack_a)(buf, job.a.at(i.0, p), m, kb);
                    (block.a, block.a_packed) = (buf, true);
                }
                (kernel.block)(kernel, &block);
            }
        }
    });
}

/// `len` in equal parts of about `part`, rounded up to `unit`.
pub fn even_part(len: usize, part: usize, unit: usize) -> usize {
    len.div_ceil(len.div_ceil(part)).next_multiple_of(unit)
}

/// Rows of A whose packed K block takes a part of L2.
fn block_rows<T>(kernel: &Kernel<T>, size: usize, kc: usize) -> usize {
    static L2: OnceLock<usize> = OnceLock::new();
    let l2 = *L2.get_or_init(super::cache::l2_bytes);
    (l2 * 3 / 10 / (kc * size)).max(4 * kernel.mr) / kernel.mr * kernel.mr
}
