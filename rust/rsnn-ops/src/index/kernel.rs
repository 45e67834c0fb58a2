//! Raw index kernels. Rows: a contiguous tensor seen as (outer, size, inner). Along: one index per element, any strides.
//! Writers split work over destinations, so duplicates are met in index order whatever the number of threads.
use rsnn_core::{Dims, Element, Result, Strides, bail, bf16, f16};
use rsnn_cpu::pool::{self, SendPtr};
use rsnn_cpu::simd::vectorize;

const GRAIN: usize = 32 * 1024;

/// Runs `$body` with `$T` an integer as wide as `$dtype`: enough for kernels that only move elements.
macro_rules! by_size {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}
pub(crate) use by_size;

/// Elements with the arithmetic that scatters need; bool adds as or and multiplies as and.
pub trait Accumulate: Element {
    const LOWEST: Self;
    const HIGHEST: Self;
    fn plus(self, o: Self) -> Self;
    fn times(self, o: Self) -> Self;
    fn over(self, o: Self) -> Self;
    /// NaN wins.
    fn larger(self, o: Self) -> Self;
    fn smaller(self, o: Self) -> Self;
}

macro_rules! accumulate_float {
    ($($t:ty),*) => {$(
        impl Accumulate for $t {
            const LOWEST: Self = <$t>::NEG_INFINITY;
            const HIGHEST: Self = <$t>::INFINITY;
            #[inline(always)]
            fn plus(self, o: Self) -> Self { self + o }
            #[inline(always)]
            fn times(self, o: Self) -> Self { self * o }
            #[inline(always)]
            fn over(self, o: Self) -> Self { self / o }
            #[inline(always)]
            fn larger(self, o: Self) -> Self { if self > o || self.is_nan() { self } else { o } }
            #[inline(always)]
            fn smaller(self, o: Self) -> Self { if self < o || self.is_nan() { self } else { o } }
        }
    )*};
}
accumulate_float!(f32, f64, f16, bf16);

macro_rules! accumulate_int {
    ($($t:ty),*) => {$(
        impl Accumulate for $t {
            const LOWEST: Self = <$t>::MIN;
            const HIGHEST: Self = <$t>::MAX;
            #[inline(always)]
            fn plus(self, o: Self) -> Self { self.wrapping_add(o) }
            #[inline(always)]
            fn times(self, o: Self) -> Self { self.wrapping_mul(o) }
            #[inline(always)]
            fn over(self, o: Self) -> Self { self.div_euclid(o) }
            #[inline(always)]
            fn larger(self, o: Self) -> Self { self.max(o) }
            #[inline(always)]
            fn smaller(self, o: Self) -> Self { self.min(o) }
        }
    )*};
}
accumulate_int!(u8, i8, i16, i32, i64);

impl Accumulate for bool {
    const LOWEST: Self = false;
    const HIGHEST: Self = true;
    #[inline(always)]
    fn plus(self, o: Self) -> Self {
        self | o
    }
    #[inline(always)]
    fn times(self, o: Self) -> Self {
        self & o
    }
    #[inline(always)]
    fn over(self, _: Self) -> Self {
        self
    }
    #[inline(always)]
    fn larger(self, o: Self) -> Self {
        self | o
    }
    #[inline(always)]
    fn smaller(self, o: Self) -> Self {
        self & o
    }
}

/// The first index outside `0..size`.
pub fn out_of_bounds(ids: &[i64], size: usize) -> Option<i64> {
    // As unsigned, negative values are larger than every size.
    let worst = vectorize(
        #[inline(always)]
        || ids.iter().fold(0u64, |worst, &i| worst.max(i as u64)),
    );
    if ids.is_empty() || worst < size as u64 { None } else { ids.iter().copied().find(|&i| i as u64 >= size as u64) }
}

/// Refuses an index outside `0..size` in the words of torch's gather.
pub fn check_bounds(ids: &[i64], dim: usize, size: usize) -> Result<()> {
    match out_of_bounds(ids, size) {
        Some(bad) => bail!(Runtime, "index {bad} is out of bounds for dimension {dim} with size {size}"),
        None => Ok(()),
    }
}

/// A contiguous tensor seen from one of its dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    pub outer: usize,
    pub size: usize,
    pub inner: usize,
}

impl Lines {
    pub fn of(shape: &[usize], dim: usize) -> Lines {
        if shape.is_empty() {
            return Lines { outer: 1, size: 1, inner: 1 };
        }
        Lines { outer: shape[..dim].iter().product(), size: shape[dim], inner: shape[dim + 1..].iter().product() }
    }
}

/// `out[o, j, :] = x[o, ids[j], :]`.
///
/// # Safety
/// `x` has the elements of `lines`, `out` those of (outer, ids, inner); every index is below `size`.
pub unsafe fn take_rows<T: Copy + Send>(x: *const T, out: *mut T, lines: Lines, ids: &[i64]) {
    let Lines { outer, size, inner } = lines;
    let (n, rows) = (ids.len(), outer * ids.len());
    if n == 0 || inner == 0 {
        return;
    }
    let chunks = pool::split(rows, (GRAIN / inner).max(1));
    let (x, out) = (SendPtr(x.cast_mut()), SendPtr(out));
    pool::for_each_chunk(chunks, |c| {
        let r = pool::range(rows, chunks, c);
        let (mut o, mut j) = (r.start / n, r.start % n);
        for row in r {
            // SAFETY: row < outer * n and ids[j] < size by the contract.
            unsafe {
                let from = x.get().add((o * size + ids[j] as usize) * inner);
                if inner == 1 {
                    *out.get().add(row) = *from;
                } else {
                    std::ptr::copy_nonoverlapping(from, out.get().add(row * inner), inner);
                }
            }
            j += 1;
            if j == n {
                (o, j) = (o + 1, 0);
            }
        }
    });
}

/// Calls `f(destination, source, length)` for every piece of every row, rows of one destination in index order.
fn each_row(lines: Lines, ids: &[i64], f: impl Fn(usize, usize, usize) + Sync) {
    let Lines { outer, size, inner } = lines;
    let n = ids.len();
    if n == 0 || inner == 0 || outer == 0 {
        return;
    }
    let wanted = pool::split(outer * n * inner, GRAIN);
    let columns = if outer >= wanted { 1 } else { (inner / 64).clamp(1, wanted) };
    let tasks = outer * columns;
    let chunks = wanted.min(tasks);
    pool::for_each_chunk(chunks, |c| {
        for task in pool::range(tasks, chunks, c) {
            let (o, piece) = (task / columns, pool::range(inner, columns, task % columns));
            for (j, &i) in ids.iter().enumerate() {
                f((o * size + i as usize) * inner + piece.start, (o * n + j) * inner + piece.start, piece.len());
            }
        }
    });
}

/// `out[o, ids[j], :] += alpha * src[o, j, :]`.
///
/// # Safety
/// `out` has the elements of `lines`, `src` those of (outer, ids, inner); every index is below `size`.
pub unsafe fn add_rows<T: Accumulate>(out: *mut T, lines: Lines, ids: &[i64], src: *const T, alpha: Option<T>) {
    let (out, src) = (SendPtr(out), SendPtr(src.cast_mut()));
    each_row(lines, ids, |to, from, len| {
        // SAFETY: both pieces lie in their tensors; tasks write disjoint columns.
        vectorize(
            #[inline(always)]
            || unsafe {
                let (to, from) = (out.get().add(to), src.get().add(from));
                match alpha {
                    None => (0..len).for_each(
                        #[inline(always)]
                        |k| *to.add(k) = (*to.add(k)).plus(*from.add(k)),
                    ),
                    Some(a) => (0..len).for_each(
                        #[inline(always)]
                        |k| *to.add(k) = (*to.add(k)).plus(a.times(*from.add(k))),
                    ),
                }
            },
        );
    });
}

/// `out[o, ids[j], :] = src[o, j, :]`; the last of equal indices wins.
///
/// # Safety
/// As for `add_rows`.
pub unsafe fn copy_rows<T: Copy + Send>(out: *mut T, lines: Lines, ids: &[i64], src: *const T) {
    let (out, src) = (SendPtr(out), SendPtr(src.cast_mut()));
    each_row(lines, ids, |to, from, len| {
        // SAFETY: both pieces lie in their tensors, which are distinct; tasks write disjoint columns.
        unsafe { std::ptr::copy_nonoverlapping(src.get().add(from), out.get().add(to), len) }
    });
}

/// `out[o, ids[j], :] = value`.
///
/// # Safety
/// `out` has the elements of `lines`; every index is below `size`.
pub unsafe fn fill_rows<T: Copy + Send + Sync>(out: *mut T, lines: Lines, ids: &[i64], value: T) {
    let out = SendPtr(out);
    each_row(lines, ids, |to, _, len| {
        // SAFETY: the piece lies in the tensor; tasks write disjoint columns.
        unsafe { std::slice::from_raw_parts_mut(out.get().add(to), len) }.fill(value);
    });
}

/// Strides of a tensor for a walk over indices: the indexed dimension does not move by itself.
pub fn still(strides: &[isize], dim: usize) -> (Strides, isize) {
    let mut s = Strides::from_slice(strides);
    let step = s[dim];
    s[dim] = 0;
    (s, step)
}

/// `to[j] = from[j + ids[j] * step]` with a stride for each of `ids`, `from` and `to`.
///
/// # Safety
/// Everything that the strides and indices reach lies in its tensor.
#[inline(always)]
pub unsafe fn pick<T: Copy>(ids: *const i64, from: *const T, to: *mut T, len: usize, s: [isize; 3], step: isize) {
    // SAFETY: the contract.
    unsafe {
        match s {
            // One index for a whole run.
            [0, 1, 1] => std::ptr::copy_nonoverlapping(from.offset(*ids as isize * step), to, len),
            [1, 0, 1] => pick_each(ids, from, to, len, [1, 0, 1], step),
            [1, 1, 1] => pick_each(ids, from, to, len, [1, 1, 1], step),
            s => pick_each(ids, from, to, len, s, step),
        }
    }
}

/// # Safety
/// As for `pick`.
#[inline(always)]
unsafe fn pick_each<T: Copy>(
    ids: *const i64,
    from: *const T,
    to: *mut T,
    len: usize,
    [i, f, t]: [isize; 3],
    step: isize,
) {
    for j in 0..len as isize {
        // SAFETY: the contract.
        unsafe { *to.offset(j * t) = *from.offset(j * f + *ids.offset(j * i) as isize * step) }
    }
}

/// `to[j + ids[j] * step] = join(.., from[j])` in order, with a stride for each of `ids`, `from` and `to`.
///
/// # Safety
/// As for `pick`.
#[inline(always)]
pub unsafe fn land<T: Copy>(
    ids: *const i64,
    from: *const T,
    to: *mut T,
    len: usize,
    s: [isize; 3],
    step: isize,
    join: &impl Fn(T, T) -> T,
) {
    // SAFETY: the contract.
    unsafe {
        match s {
            // One index for a whole run.
            [0, f, 1] => {
                let to = to.offset(*ids as isize * step);
                if f == 1 { land_run(from, to, len, 1, join) } else { land_run(from, to, len, f, join) }
            }
            [1, 1, 0] => land_each(ids, from, to, len, [1, 1, 0], step, join),
            [1, 0, 0] => land_each(ids, from, to, len, [1, 0, 0], step, join),
            [1, 1, 1] => land_each(ids, from, to, len, [1, 1, 1], step, join),
            s => land_each(ids, from, to, len, s, step, join),
        }
    }
}

/// # Safety
/// Both runs lie in their tensors.
#[inline(always)]
unsafe fn land_run<T: Copy>(from: *const T, to: *mut T, len: usize, f: isize, join: &impl Fn(T, T) -> T) {
    for j in 0..len as isize {
        // SAFETY: the contract.
        unsafe { *to.offset(j) = join(*to.offset(j), *from.offset(j * f)) }
    }
}

/// # Safety
/// As for `pick`.
#[inline(always)]
unsafe fn land_each<T: Copy>(
    ids: *const i64,
    from: *const T,
    to: *mut T,
    len: usize,
    [i, f, t]: [isize; 3],
    step: isize,
    join: &impl Fn(T, T) -> T,
) {
    for j in 0..len as isize {
        // SAFETY: the contract.
        unsafe {
            let place = to.offset(j * t + *ids.offset(j * i) as isize * step);
            *place = join(*place, *from.offset(j * f));
        }
    }
}

/// Visits `shape` in row-major order within each line along `dim`; only other dimensions are split over threads.
pub fn in_order<const N: usize>(
    shape: &[usize],
    dim: usize,
    strides: [&[isize]; N],
    f: impl Fn([isize; N], usize, [isize; N]) + Sync,
) {
    let numel: usize = shape.iter().product();
    if numel == 0 {
        return;
    }
    let long = |d: &usize| shape[*d] > 1;
    let wide = |list: &[isize]| (0..shape.len()).filter(long).map(|d| list[d]).collect::<Strides>();
    let (strides, kept) = (strides.map(wide), (0..shape.len()).filter(long).map(|d| shape[d]).collect::<Dims>());
    let strides = std::array::from_fn(|n| &strides[n][..]);
    let ordered = (0..dim).filter(long).count();
    let free = (0..kept.len()).filter(|&d| d != ordered || !long(&dim));
    let Some(axis) = free.max_by_key(|&d| kept[d]) else { return serial(&kept, [0; N], strides, &f) };
    // Neighbours stay together: short runs cost more than they add, and threads that write to one line of memory wait
    // for each other.
    let least = if axis + 1 == kept.len() { 32 } else { 1 };
    let chunks = pool::split(kept[axis], (GRAIN * kept[axis] / numel).max(least));
    pool::for_each_chunk(chunks, |c| {
        let r = pool::range(kept[axis], chunks, c);
        let mut part = kept.clone();
        part[axis] = r.len();
        serial(&part, std::array::from_fn(|n| r.start as isize * strides[n][axis]), strides, &f);
    });
}

/// Visits `shape` in row-major order on this thread: `f(offsets, length, strides)` for every run along the last dimension.
pub fn serial<const N: usize>(
    shape: &[usize],
    start: [isize; N],
    strides: [&[isize]; N],
    f: impl Fn([isize; N], usize, [isize; N]),
) {
    let Some(last) = shape.len().checked_sub(1) else { return f(start, 1, [1; N]) };
    let (mut index, mut at) = (Dims::from_elem(0, last), start);
    let index = &mut index[..];
    let steps = std::array::from_fn(|n| strides[n][last]);
    if shape[last] == 0 {
        return;
    }
    vectorize(
        #[inline(always)]
        || {
            for _ in 0..shape[..last].iter().product() {
                f(at, shape[last], steps);
                for d in (0..last).rev() {
                    index[d] += 1;
                    (0..N).for_each(|n| at[n] += strides[n][d]);
                    if index[d] < shape[d] {
                        break;
                    }
                    index[d] = 0;
                    (0..N).for_each(|n| at[n] -= strides[n][d] * shape[d] as isize);
                }
            }
        },
    );
}

/// What a scatter does where it lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    Assign,
    Sum,
    Prod,
    Mean,
    Amax,
    Amin,
}

impl Reduce {
    /// The value that leaves every other one as it is.
    pub fn neutral<T: Accumulate>(self) -> T {
        match self {
            Reduce::Assign | Reduce::Sum | Reduce::Mean => T::default(),
            Reduce::Prod => T::from_i64(1),
            Reduce::Amax => T::LOWEST,
            Reduce::Amin => T::HIGHEST,
        }
    }

    #[inline(always)]
    pub fn join<T: Accumulate>(self, old: T, new: T) -> T {
        match self {
            Reduce::Assign => new,
            Reduce::Sum | Reduce::Mean => old.plus(new),
            Reduce::Prod => old.times(new),
            Reduce::Amax => old.larger(new),
            Reduce::Amin => old.smaller(new),
        }
    }
}
