//! The register tile and the loops around it, generic over the vector type; `kernel!` compiles them for one ISA.
//! The accumulators are only ever indexed by constants: a dynamic index would move them to memory in the K loop.
use super::slide::{Rows, Slide};
use super::vector::Simd;
use crate::vmath::Real;

/// What happens to a finished sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    None,
    Relu,
    Gelu,
}

/// Where and how results are stored: `c = act(alpha * sum [+ c] [+ bias])`.
#[derive(Clone, Copy)]
pub struct Out<T> {
    pub c: *mut T,
    pub c_rs: isize,
    /// 1 except in dot products whose rows and columns were swapped.
    pub c_cs: isize,
    pub alpha: T,
    /// Add to what C holds.
    pub add: bool,
    pub act: Act,
    /// Null for none; one value per column, or per row after a swap.
    pub bias: *const T,
    pub bias_rs: usize,
    pub bias_cs: usize,
}

impl<T: Real> Out<T> {
    /// The same for the block that starts at row `i`, column `j`.
    #[inline(always)]
    pub fn at(&self, i: usize, j: usize) -> Self {
        let step = i * self.bias_rs + j * self.bias_cs;
        let bias = if self.bias.is_null() { self.bias } else { self.bias.wrapping_add(step) };
        Self { c: self.c.wrapping_offset(i as isize * self.c_rs + j as isize * self.c_cs), bias, ..*self }
    }
}

/// One block of C: `m x n` with `k` products each, summed in order of `p`.
#[derive(Clone, Copy)]
pub struct Block<T> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: *const T,
    /// Strides of A; unused where `a_packed`: then A is strips of `mr` rows, `[strip][k][mr]`.
    pub a_rs: isize,
    pub a_cs: isize,
    pub a_packed: bool,
    /// Rows of B: `b_rs` apart, the panels of `nr` columns `b_panel` apart, columns adjacent.
    pub b: *const T,
    pub b_rs: isize,
    pub b_panel: isize,
    pub out: Out<T>,
}

/// A matrix operand.
#[derive(Clone, Copy)]
pub struct Src<T> {
    pub p: *const T,
    pub rs: isize,
    pub cs: isize,
}

impl<T> Src<T> {
    #[inline(always)]
    pub fn at(self, i: usize, j: usize) -> Self {
        Self { p: self.p.wrapping_offset(i as isize * self.rs + j as isize * self.cs), ..self }
    }
}

/// Dot products of rows of A with columns of B, both contiguous along K.
#[derive(Clone, Copy)]
pub struct Dot<T> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: *const T,
    pub a_rs: isize,
    pub b: *const T,
    pub b_cs: isize,
    pub out: Out<T>,
}

/// The loops compiled for one instruction set.
pub struct Kernel<T> {
    pub mr: usize,
    pub nr: usize,
    /// Length of a K block.
    pub kc: usize,
    pub lanes: usize,
    /// Every row and column of the block must be readable up to the block's own edge, and B's panels up to a whole vector.
    pub block: unsafe fn(&Kernel<T>, &Block<T>),
    /// `m x k` of A into strips; the buffer needs `mr` rows more than m and 16 elements more.
    pub pack_a: unsafe fn(*mut T, Src<T>, usize, usize),
    /// `k x n` of B into panels.
    pub pack_b: unsafe fn(*mut T, Src<T>, usize, usize),
    pub dot: unsafe fn(&Dot<T>),
    /// A block with few rows and B unpacked, for a B that is read once.
    pub sweep: unsafe fn(&Block<T>),
    /// A block of few terms, B unpacked, no activation.
    pub outer: unsafe fn(&Block<T>),
    pub finish: unsafe fn(&Out<T>, *mut T, usize, usize, usize),
    /// `dst[p * ldd + i] = src[i * ld + p]` for a block of `lanes x lanes`.
    pub transpose: unsafe fn(*const T, isize, *mut T, usize),
    pub slide: unsafe fn(&Slide<T>),
    pub slide_rows: unsafe fn(&Rows<T>),
    pub correlate: unsafe fn(*const T, &[isize], &[isize], *const T, *mut T),
}

/// Compiles the generic loops as functions with the given target features and puts them in a table.
macro_rules! kernel {
    ($vis:vis $name:ident, $simd:ident, $mr:literal, $nv:literal, $kc:literal $(, $features:literal)?) => {
        $vis static $name: Kernel<<$simd as Simd>::T> = {
            use $crate::gemm::slide::{Rows, Slide};
            type T = <$simd as Simd>::T;
            use $crate::gemm::tile as t;
            $(#[target_feature(enable = $features)])?
            unsafe fn block(kernel: &Kernel<T>, x: &t::Block<T>) {
                // SAFETY: the same contract; this function has the features of the vector type.
                unsafe { t::block::<$simd, $mr, $nv>(kernel, x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pack_a(dst: *mut T, a: t::Src<T>, m: usize, k: usize) {
                // SAFETY: as above.
                unsafe { $crate::gemm::pack::pack_a::<$simd, $mr>(dst, a, m, k) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn pack_b(dst: *mut T, b: t::Src<T>, k: usize, n: usize) {
                // SAFETY: as above.
                unsafe { $crate::gemm::pack::pack_b::<$simd, $nv>(dst, b, k, n) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn dot(x: &t::Dot<T>) {
                // SAFETY: as above.
                unsafe { $crate::gemm::dot::dot::<$simd>(x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sweep(x: &t::Block<T>) {
                // SAFETY: as above.
                unsafe { $crate::gemm::dot::sweep::<$simd>(x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn outer(x: &t::Block<T>) {
                // SAFETY: as above.
                unsafe { $crate::gemm::dot::outer::<$simd>(x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn finish(out: &t::Out<T>, buf: *mut T, ld: usize, rows: usize, cols: usize) {
                // SAFETY: as above.
                unsafe { t::finish::<T>(out, buf, ld, rows, cols) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn transpose(src: *const T, ld: isize, dst: *mut T, ldd: usize) {
                // SAFETY: as above.
                unsafe { <$simd as Simd>::transpose(src, ld, dst, ldd) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn slide(x: &Slide<T>) {
                // SAFETY: as above.
                unsafe { $crate::gemm::slide::slide::<$simd>(x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn slide_rows(x: &Rows<T>) {
                // SAFETY: as above.
                unsafe { $crate::gemm::slide::slide_rows::<$simd>(x) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn correlate(base: *const T, at: &[isize], products: &[isize], y: *const T, sums: *mut T) {
                // SAFETY: as above.
                unsafe { $crate::gemm::slide::correlate::<$simd>(base, at, products, y, sums) }
            }
            Kernel { mr: $mr, nr: $nv * <$simd as Simd>::LANES, kc: $kc, lanes: <$simd as Simd>::LANES, block, pack_a, pack_b, dot, sweep, outer, finish, transpose, slide, slide_rows, correlate }
        };
    };
}
pub(crate) use kernel;

/// Panel by panel (the panel stays in L1), strip by strip (A streams from L2).
#[inline(always)]
pub unsafe fn block<S: Simd, const MR: usize, const NV: usize>(kernel: &Kernel<S::T>, x: &Block<S::T>) {
    let nr = NV * S::LANES;
    let mut b = x.b;
    for j in (0..x.n).step_by(nr) {
        let cols = (x.n - j).min(nr);
        for i in (0..x.m).step_by(MR) {
            let t = Tile { x, kernel, b, rows: (x.m - i).min(MR), cols, out: x.out.at(i, j) };
            // SAFETY: strip i and panel j lie inside the caller's operands.
            unsafe {
                if x.a_packed {
                    tile_by_size::<S, MR, NV, true>(&t, x.a.add(i * x.k));
                } else {
                    tile_by_size::<S, MR, NV, false>(&t, x.a.offset(i as isize * x.a_rs));
                }
            }
        }
        b = b.wrapping_offset(x.b_panel);
    }
}

struct Tile<'a, T> {
    x: &'a Block<T>,
    kernel: &'a Kernel<T>,
    b: *const T,
    rows: usize,
    cols: usize,
    out: Out<T>,
}

/// Edges use smaller tiles, so that few rows or columns cost less than a whole tile.
#[inline(always)]
unsafe fn tile_by_size<S: Simd, const MR: usize, const NV: usize, const PACKED: bool>(t: &Tile<S::T>, a: *const S::T) {
    // SAFETY: rows <= R and cols <= V * LANES in every arm.
    unsafe {
        if t.rows > 4 {
            tile_by_cols::<S, MR, MR, NV, PACKED>(t, a);
        } else if t.rows > 2 {
            tile_by_cols::<S, 4, MR, NV, PACKED>(t, a);
        } else {
            tile_by_cols::<S, 2, MR, NV, PACKED>(t, a);
        }
    }
}

#[inline(always)]
unsafe fn tile_by_cols<S: Simd, const R: usize, const MR: usize, const NV: usize, const PACKED: bool>(
    t: &Tile<S::T>,
    a: *const S::T,
) {
    // SAFETY: as above.
    unsafe {
        if t.cols > 2 * S::LANES {
            tile::<S, R, NV, MR, NV, PACKED>(t, a);
        } else if t.cols > S::LANES {
            tile::<S, R, 2, MR, NV, PACKED>(t, a);
        } else {
            tile::<S, R, 1, MR, NV, PACKED>(t, a);
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize, const MR: usize, const NV: usize, const PACKED: bool>(
    t: &Tile<S::T>,
    mut a: *const S::T,
) {
    if R > MR || V > NV {
        return; // never chosen; spares the compiler the code
    }
    let x = t.x;
    // Rows beyond the edge repeat the last one: read twice, never stored.
    let mut off = [0isize; R];
    for (i, o) in off.iter_mut().enumerate() {
        *o = i.min(t.rows - 1) as isize * x.a_rs;
    }
    for i in 0..R {
        for j in 0..V {
            S::prefetch(t.out.c.wrapping_offset(i as isize * t.out.c_rs).wrapping_add(j * S::LANES));
        }
    }
    let (mut b, mut k) = (t.b, x.k);
    // SAFETY: k rows of A and B are readable; the stores below stay inside rows x cols of C.
    unsafe {
        let mut acc = [[S::splat(S::T::ZERO); V]; R];
        while k > 0 {
            let mut bv = [S::splat(S::T::ZERO); V];
            for j in 0..V {
                bv[j] = S::load(b.add(j * S::LANES));
            }
            for i in 0..R {
                let av = S::splat(if PACKED { *a.add(i) } else { *a.offset(off[i]) });
                for j in 0..V {
                    acc[i][j] = S::fma(av, bv[j], acc[i][j]);
                }
            }
            a = if PACKED { a.add(MR) } else { a.wrapping_offset(x.a_cs) };
            b = b.wrapping_offset(x.b_rs);
            k -= 1;
        }
        if t.rows == R && t.cols == V * S::LANES && t.out.act == Act::None {
            store_full::<S, R, V>(&t.out, &acc);
        } else {
            let mut spill = std::mem::MaybeUninit::<[[[S::V; V]; R]; 1]>::uninit();
            let p = std::hint::black_box(spill.as_mut_ptr().cast::<S::T>());
            for i in 0..R {
                for j in 0..V {
                    S::store(p.add((i * V + j) * S::LANES), acc[i][j]);
                }
            }
            (t.kernel.finish)(&t.out, p, V * S::LANES, t.rows, t.cols);
        }
    }
}

#[inline(always)]
unsafe fn store_full<S: Simd, const R: usize, const V: usize>(out: &Out<S::T>, acc: &[[S::V; V]; R]) {
    // SAFETY: the whole tile lies inside C, and the bias has a value per column.
    unsafe {
        let alpha = S::splat(out.alpha);
        // The usual cases in loops small enough to unroll: the sums then stay in registers.
        if out.bias.is_null() && out.add {
            for i in 0..R {
                for j in 0..V {
                    let p = out.c.offset(i as isize * out.c_rs).add(j * S::LANES);
                    S::store(p, S::add(S::mul(acc[i][j], alpha), S::load(p)));
                }
            }
            return;
        }
        if out.bias.is_null() {
            for i in 0..R {
                for j in 0..V {
                    S::store(out.c.offset(i as isize * out.c_rs).add(j * S::LANES), S::mul(acc[i][j], alpha));
                }
            }
            return;
        }
        let mut bias = [S::splat(S::T::ZERO); V];
        if out.bias_rs == 0 {
            for j in 0..V {
                bias[j] = S::load(out.bias.add(j * S::LANES));
            }
        }
        for i in 0..R {
            if out.bias_rs != 0 {
                bias = [S::splat(*out.bias.add(i * out.bias_rs)); V];
            }
            for j in 0..V {
                let p = out.c.offset(i as isize * out.c_rs).add(j * S::LANES);
                let mut v = S::mul(acc[i][j], alpha);
                if out.add {
                    v = S::add(v, S::load(p));
                }
                S::store(p, S::add(v, bias[j]));
            }
        }
    }
}

/// Stores `rows x cols` sums that lie in a buffer; activations run over the buffer, where they vectorise.
#[inline(always)]
pub unsafe fn finish<T: Real>(out: &Out<T>, buf: *mut T, ld: usize, rows: usize, cols: usize) {
    // SAFETY: the caller's buffer holds rows x ld values, and C and bias cover rows x cols.
    unsafe {
        for i in 0..rows {
            let (row, c) = (buf.add(i * ld), out.c.offset(i as isize * out.c_rs));
            for j in 0..cols {
                let mut v = *row.add(j) * out.alpha;
                if out.add {
                    v += *c.offset(j as isize * out.c_cs);
                }
                if !out.bias.is_null() {
                    v += *out.bias.add(i * out.bias_rs + j * out.bias_cs);
                }
                *row.add(j) = v;
            }
        }
        let all = std::slice::from_raw_parts_mut(buf, rows * ld);
        match out.act {
            Act::None => {}
            // A NaN stays: the comparison is false for it.
            Act::Relu => all.iter_mut().for_each(|v| *v = if *v < T::ZERO { T::ZERO } else { *v }),
            Act::Gelu => all.iter_mut().for_each(|v| *v = Real::gelu(*v)),
        }
        for i in 0..rows {
            let (row, c) = (buf.add(i * ld), out.c.offset(i as isize * out.c_rs));
            for j in 0..cols {
                *c.offset(j as isize * out.c_cs) = *row.add(j);
            }
        }
    }
}
