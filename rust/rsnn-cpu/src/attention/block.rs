//! What both directions do to one block of transposed scores: the product that makes it, its mask, its dropout.
use super::{Attention, Mask};
use crate::gemm::GemmScalar;
use crate::gemm::tile::{Act, Block, Kernel, Out, Src};
use crate::random::philox::Keep;
use crate::simd;
use crate::vmath::Real;
use std::f64::consts::LOG2_E;
use std::ops::Range;

/// Queries and keys per block. 64 queries are half a Philox group: one group serves two rows of keys.
pub const QB: usize = 64;
pub const KB: usize = 256;

/// Which block is being worked on.
#[derive(Clone, Copy)]
pub struct Place {
    pub b: usize,
    pub h: usize,
    /// First query, their count, and the count rounded up to whole vectors.
    pub q0: usize,
    pub rows: usize,
    pub width: usize,
}

impl Place {
    pub fn new<T: GemmScalar>(a: &Attention<T>, kernel: &Kernel<T>, b: usize, h: usize, block: usize) -> Self {
        let q0 = block * QB;
        let rows = (a.q_len - q0).min(QB);
        Self { b, h, q0, rows, width: rows.next_multiple_of(kernel.lanes) }
    }

    /// One past the last key that any query of the block sees.
    pub fn key_limit<T>(&self, a: &Attention<T>) -> usize {
        if a.causal { (self.q0 + self.rows).min(a.kv_len) } else { a.kv_len }
    }
}

/// Hands out parts of a scratch buffer, each on its own cache line.
pub struct Carve<T>(pub *mut T);

impl<T> Carve<T> {
    pub const fn size(len: usize) -> usize {
        len.next_multiple_of(64)
    }
    pub fn take(&mut self, len: usize) -> *mut T {
        let p = self.0;
        self.0 = p.wrapping_add(Self::size(len));
        p
    }
}

/// Elements of a packed right operand with `k` rows and `n` columns.
pub fn panels<T>(kernel: &Kernel<T>, k: usize, n: usize) -> usize {
    k * n.next_multiple_of(kernel.nr)
}

/// Runs of the `n` keys from `k0` with the first query, a whole number of panels, that sees any of a run's keys.
pub fn key_runs(
    causal: bool,
    at: &Place,
    (k0, n): (usize, usize),
    nr: usize,
) -> impl Iterator<Item = (Range<usize>, usize)> {
    let q0 = at.q0;
    let mut start = 0;
    std::iter::from_fn(move || {
        let query = if causal { (k0 + start).saturating_sub(q0) / nr * nr } else { 0 };
        let end = if causal { (q0 + query + nr).saturating_sub(k0).min(n) } else { n };
        let run = start..end;
        start = end;
        (!run.is_empty()).then_some((run, query))
    })
}

/// Runs of the block's queries with the number of keys from `k0`, at most `n`, that a run sees.
pub fn query_runs(
    causal: bool,
    at: &Place,
    (k0, n): (usize, usize),
    mr: usize,
) -> impl Iterator<Item = (Range<usize>, usize)> {
    let (q0, rows) = (at.q0, at.rows);
    let step = if causal && k0 + n > q0 + 1 { 2 * mr } else { rows };
    (0..rows).step_by(step).map(move |start| {
        let end = (start + step).min(rows);
        (start..end, if causal { (q0 + end).saturating_sub(k0).min(n) } else { n })
    })
}

/// Left operand of a product.
#[derive(Clone, Copy)]
pub struct Left<T> {
    pub p: *const T,
    pub rs: isize,
    pub cs: isize,
}

/// `c (m x n) = alpha * a b`, added to `c` where `add`; `b` is `pack`ed with `depth >= k` rows.
/// # Safety
/// `a` has m x k elements, `b` holds `panels(depth, n)`, `c` has m rows of n.
pub unsafe fn product<T: GemmScalar>(
    kernel: &Kernel<T>,
    (m, n, k): (usize, usize, usize),
    a: Left<T>,
    (b, depth): (*const T, usize),
    (c, c_rs): (*mut T, isize),
    alpha: T,
    add: bool,
) {
    let nr = kernel.nr as isize;
    let out = Out { c, c_rs, c_cs: 1, alpha, add, act: Act::None, bias: std::ptr::null(), bias_rs: 0, bias_cs: 0 };
    let block = Block {
        m,
        n,
        k,
        a: a.p,
        a_rs: a.rs,
        a_cs: a.cs,
        a_packed: false,
        b,
        b_rs: nr,
        b_panel: nr * depth as isize,
        out,
    };
    // SAFETY: the caller's contract is the kernel's.
    unsafe { (kernel.block)(kernel, &block) }
}

/// Packs `k x n` elements (strides `rs`, `cs`) as a right operand.
/// # Safety
/// The source is readable; `dst` holds `panels(k, n)`.
pub unsafe fn pack<T>(kernel: &Kernel<T>, dst: *mut T, p: *const T, (rs, cs): (isize, isize), k: usize, n: usize) {
    // SAFETY: the caller's contract.
    unsafe { (kernel.pack_b)(dst, Src { p, rs, cs }, k, n) }
}

/// Scaled and masked scores of `n` keys from `k0` as exponents of 2, transposed: `s[key * QB + query]`.
/// # Safety
/// `qt` is the packed transpose of the block's queries, `s` holds `n * QB`.
pub unsafe fn scores<T: GemmScalar>(
    a: &Attention<T>,
    kernel: &Kernel<T>,
    at: &Place,
    (k0, n): (usize, usize),
    qt: *const T,
    s: *mut T,
) {
    let group = a.heads / a.kv_heads;
    let scale = T::from_f64(a.scale * LOG2_E);
    // SAFETY: n keys from k0 exist; pads of `qt` are zeros.
    unsafe {
        for (keys, query) in key_runs(a.causal, at, (k0, n), kernel.nr) {
            let left = Left { p: a.k.at(at.b, at.h / group, k0 + keys.start), rs: a.k.row(), cs: 1 };
            let to = (s.add(keys.start * QB + query), QB as isize);
            product(kernel, (keys.len(), at.width - query, a.d), left, (qt.add(query * a.d), a.d), to, scale, false);
        }
        let rows = std::slice::from_raw_parts_mut(s.cast::<[T; QB]>(), n);
        if a.causal && k0 + n > at.q0 + 1 {
            hide_future(rows, at, k0);
        }
        match a.mask {
            Mask::None => {}
            Mask::Bool { ptr, strides } => {
                let hidden = -T::INFINITY;
                let base = ptr.wrapping_offset(mask_offset(&strides, at, k0));
                mask(rows, at, base, (strides[2], strides[3]), |s, m| if m != 0 { s } else { hidden });
            }
            Mask::Float { ptr, strides } => {
                let base = ptr.wrapping_offset(mask_offset(&strides, at, k0));
                mask(rows, at, base, (strides[2], strides[3]), |s, m: T| s + exponent(m));
            }
        }
    }
}

/// A mask's number as an exponent of 2. The smallest number hides too: its multiple would be infinite, and it stays itself.
#[inline(always)]
pub fn exponent<T: Real>(m: T) -> T {
    let x = m * T::from_f64(LOG2_E);
    if x.abs() < T::INFINITY { x } else { m }
}

fn mask_offset(strides: &[isize; 4], at: &Place, k0: usize) -> isize {
    [at.b, at.h, at.q0, k0].iter().zip(strides).map(|(&i, &s)| i as isize * s).sum()
}

/// Key `k0 + r` is hidden from queries before it.
fn hide_future<T: GemmScalar>(rows: &mut [[T; QB]], at: &Place, k0: usize) {
    for (r, row) in rows.iter_mut().enumerate() {
        let first = (k0 + r).saturating_sub(at.q0).min(at.width);
        row[..first].fill(-T::INFINITY);
    }
}

/// # Safety
/// `base` and its strides cover the block's queries and keys.
unsafe fn mask<T: GemmScalar, M: Copy>(
    rows: &mut [[T; QB]],
    at: &Place,
    base: *const M,
    (q_stride, k_stride): (isize, isize),
    f: impl Fn(T, M) -> T,
) {
    simd::vectorize(
        #[inline(always)]
        || {
            for j in (0..at.width).step_by(8) {
                // Lanes beyond the last query repeat it; nobody reads them.
                let lanes: [isize; 8] = std::array::from_fn(|t| (j + t).min(at.rows - 1) as isize * q_stride);
                for (r, row) in rows.iter_mut().enumerate() {
                    let p = base.wrapping_offset(r as isize * k_stride);
                    let end = (j + 8).min(QB);
                    if q_stride == 0 {
                        // SAFETY: key r of the block is inside the mask.
                        let m = unsafe { *p };
                        row[j..end].iter_mut().for_each(|s| *s = f(*s, m));
                    } else {
                        for (s, &lane) in row[j..end].iter_mut().zip(&lanes) {
                            // SAFETY: as above, with a query below q_len.
                            *s = f(*s, unsafe { *p.offset(lane) });
                        }
                    }
                }
            }
        },
    )
}

/// Dropout's decisions for one head. Copy it where it is used, as `Keep` asks.
#[derive(Clone, Copy)]
pub struct Drop<T> {
    keep: Keep<T>,
    stream: u64,
}

impl<T: GemmScalar> Drop<T> {
    pub fn new(a: &Attention<T>, at: &Place) -> Option<Self> {
        let stream = ((at.b * a.heads + at.h) * a.kv_len.div_ceil(2)) as u64;
        (a.dropout > 0.0).then(|| Self { keep: Keep::new(a.dropout_key, a.dropout), stream })
    }

    /// Multipliers (0 or 1 / (1 - p)) of keys `k` and `k + 1`, `k` even, for the 64 queries of block `q_block`.
    #[inline(always)]
    pub fn two_rows(&self, k: usize, q_block: usize) -> [T; 2 * QB] {
        self.keep.multipliers(self.stream + (k / 2) as u64, q_block as u64)
    }
}
