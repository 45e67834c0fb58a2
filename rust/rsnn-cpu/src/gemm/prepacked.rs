//! A right operand that serves many products, as a recurrent weight does: packed once, or left where it lies when that
//! does not pay. Products run on the calling thread; callers cut columns into tasks.
use super::GemmScalar;
use super::driver::{self, Job, even_part};
use super::scratch::{Slot, with};
use super::tile::{Act, Block, Kernel, Out, Src};
use crate::pool::{self, SendPtr};
use std::ops::Range;

/// `sections` matrices `k x n` whose columns follow each other in one operand.
#[derive(Clone, Copy)]
pub struct Prepacked<T: GemmScalar> {
    kernel: &'static Kernel<T>,
    k: usize,
    n: usize,
    source: Src<T>,
    /// Null: not packed.
    packed: *const T,
}

// SAFETY: products only read the operand, which the caller of `prepacked` lends for the call.
unsafe impl<T: GemmScalar> Sync for Prepacked<T> {}

/// A left operand with adjacent columns, and where the product goes.
#[derive(Clone, Copy)]
pub struct Rows<T> {
    pub m: usize,
    pub a: *const T,
    pub a_rs: usize,
    pub c: *mut T,
    pub c_rs: usize,
    pub accumulate: bool,
}

/// Runs `f` with B (`k x (sections * n)`, strides `rs` and `cs`), packed if `pack`.
///
/// # Safety
/// B is readable for the whole call.
pub unsafe fn prepacked<T: GemmScalar, R>(
    b: (*const T, isize, isize),
    (k, n, sections): (usize, usize, usize),
    pack: bool,
    f: impl FnOnce(&Prepacked<T>) -> R,
) -> R {
    let kernel = T::kernel();
    let source = Src { p: b.0, rs: b.1, cs: b.2 };
    if !pack || k == 0 || n == 0 {
        return f(&Prepacked { kernel, k, n, source, packed: std::ptr::null() });
    }
    let section = n.next_multiple_of(kernel.nr) * k;
    with(Slot::Weight, section * sections, |buf: *mut T| {
        let packed = Prepacked { kernel, k, n, source, packed: buf };
        // SAFETY: the buffer holds every section; B is readable.
        unsafe { packed.pack(buf, section, sections) };
        f(&packed)
    })
}

impl<T: GemmScalar> Prepacked<T> {
    /// Fills the buffer: `[section][K block][panel][k][nr]`.
    unsafe fn pack(&self, buf: *mut T, section: usize, sections: usize) {
        let (nr, buf) = (self.kernel.nr, SendPtr(buf));
        let (panels, width, kc) = (self.n.div_ceil(nr), self.n.next_multiple_of(nr), self.k_block());
        let chunks = pool::split(section * sections, 1 << 15).min(panels * sections);
        pool::for_each_chunk(chunks, |i| {
            for at in pool::range(panels * sections, chunks, i) {
                let (s, j) = (at / panels, at % panels * nr);
                for p in (0..self.k).step_by(kc) {
                    let kb = (self.k - p).min(kc);
                    let b = self.source.at(p, s * self.n + j);
                    // SAFETY: each panel has its own part of the buffer; columns end with the section.
                    unsafe {
                        let dst = buf.get().add(s * section + p * width + j * kb);
                        (self.kernel.pack_b)(dst, b, kb, (self.n - j).min(nr));
                    }
                }
            }
        });
    }

    fn k_block(&self) -> usize {
        even_part(self.k, self.kernel.kc, 8)
    }

    /// Columns that a task should take at least, in whole panels.
    pub fn panel(&self) -> usize {
        self.kernel.nr
    }

    /// Columns `j` of `C (+)= A B`, B being section `s`; `rows.c` is C's first column. `j.start` is a multiple of `panel`.
    ///
    /// # Safety
    /// A is readable as `m x k`, C writable as `m x n` in columns `j`, and nobody else touches them.
    pub unsafe fn columns(&self, s: usize, rows: Rows<T>, j: Range<usize>) {
        let out = Out {
            c: rows.c,
            c_rs: rows.c_rs as isize,
            c_cs: 1,
            alpha: T::ONE,
            add: rows.accumulate,
            act: Act::None,
            bias: std::ptr::null(),
            bias_rs: 0,
            bias_cs: 1,
        }
        .at(0, j.start);
        if self.packed.is_null() {
            let a = Src { p: rows.a, rs: rows.a_rs as isize, cs: 1 };
            let b = self.source.at(0, s * self.n + j.start);
            let job = Job { m: rows.m, n: j.len(), k: self.k, a, b, out };
            // SAFETY: the caller's promise.
            return unsafe { driver::run(self.kernel, &job, false) };
        }
        let (nr, width) = (self.kernel.nr, self.n.next_multiple_of(self.kernel.nr));
        let kc = self.k_block();
        let section = self.packed.wrapping_add(s * width * self.k);
        for p in (0..self.k).step_by(kc) {
            let kb = (self.k - p).min(kc);
            let block = Block {
                m: rows.m,
                n: j.len(),
                k: kb,
                a: rows.a.wrapping_add(p),
                a_rs: rows.a_rs as isize,
                a_cs: 1,
                a_packed: false,
                b: section.wrapping_add(p * width + j.start * kb),
                b_rs: nr as isize,
                b_panel: (nr * kb) as isize,
                out: Out { add: out.add || p > 0, ..out },
            };
            // SAFETY: rows of A and panels of the packed section up to whole panels; C by the caller's promise.
            unsafe { (self.kernel.block)(self.kernel, &block) };
        }
    }
}
