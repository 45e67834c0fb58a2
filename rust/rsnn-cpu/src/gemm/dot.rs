//! Products with few rows or few terms: dot products along contiguous K, a sweep over the rows of an unpacked B, and
//! outer products.
use super::tile::{Block, Dot, Out, finish};
use super::vector::Simd;
use crate::vmath::Real;

/// Four columns of B stay in L1 while the rows of A pass, three at a time.
#[inline(always)]
pub unsafe fn dot<S: Simd>(x: &Dot<S::T>) {
    let mut j = 0;
    while j < x.n {
        let cols = if x.n - j >= 4 { 4 } else { 1 };
        // SAFETY: column j + cols - 1 exists.
        unsafe {
            let b = x.b.offset(j as isize * x.b_cs);
            if cols == 4 {
                dot_rows::<S, 4>(x, b, j);
            } else {
                dot_rows::<S, 1>(x, b, j);
            }
        }
        j += cols;
    }
}

#[inline(always)]
unsafe fn dot_rows<S: Simd, const C: usize>(x: &Dot<S::T>, b: *const S::T, j: usize) {
    let mut i = 0;
    while i < x.m {
        // 4 = 2 + 2: a tile of one row has too few sums in flight.
        let rows = match x.m - i {
            1 => 1,
            2 | 4 => 2,
            _ => 3,
        };
        // SAFETY: rows i.. exist.
        unsafe {
            let (a, out) = (x.a.offset(i as isize * x.a_rs), x.out.at(i, j));
            match rows {
                1 => dot_tile::<S, 1, C>(x, a, b, &out),
                2 => dot_tile::<S, 2, C>(x, a, b, &out),
                _ => dot_tile::<S, 3, C>(x, a, b, &out),
            }
        }
        i += rows;
    }
}

#[inline(always)]
unsafe fn dot_tile<S: Simd, const R: usize, const C: usize>(
    x: &Dot<S::T>,
    a: *const S::T,
    b: *const S::T,
    out: &Out<S::T>,
) {
    let (ra, cb) = (
        |i: usize, p: usize| a.wrapping_offset(i as isize * x.a_rs).wrapping_add(p),
        |j: usize, p: usize| b.wrapping_offset(j as isize * x.b_cs).wrapping_add(p),
    );
    // SAFETY: k elements of R rows and C columns are readable.
    unsafe {
        let mut acc = [[S::splat(S::T::ZERO); C]; R];
        let mut p = 0;
        while p + S::LANES <= x.k {
            let mut av = [S::splat(S::T::ZERO); R];
            for i in 0..R {
                av[i] = S::load(ra(i, p));
            }
            for j in 0..C {
                let bv = S::load(cb(j, p));
                for i in 0..R {
                    acc[i][j] = S::fma(av[i], bv, acc[i][j]);
                }
            }
            p += S::LANES;
        }
        let mut sums = [[S::T::ZERO; C]; R];
        for i in 0..R {
            if C == 4 {
                let four = S::sum4([acc[i][0], acc[i][1 % C], acc[i][2 % C], acc[i][3 % C]]);
                sums[i].copy_from_slice(&four[..C]);
            } else {
                for j in 0..C {
                    sums[i][j] = S::sum(acc[i][j]);
                }
            }
        }
        while p < x.k {
            for i in 0..R {
                for j in 0..C {
                    sums[i][j] = S::fma1(*ra(i, p), *cb(j, p), sums[i][j]);
                }
            }
            p += 1;
        }
        finish(out, sums.as_mut_ptr().cast(), C, R, C);
    }
}

/// Most rows that `sweep` takes.
pub const SWEEP_ROWS: usize = 12;
/// Sums that stay in L1.
const SUMS: usize = SWEEP_ROWS * 256;

/// Few rows of C, a stripe of columns in L1, B read once and in order.
#[inline(always)]
pub unsafe fn sweep<S: Simd>(x: &Block<S::T>) {
    let mut sums = [S::T::ZERO; SUMS];
    // The fewer rows, the longer the stripe: B is then read in longer runs.
    let ld = (SUMS / x.m.clamp(1, SWEEP_ROWS)).min(x.n.next_multiple_of(64)) / 64 * 64;
    for j in (0..x.n).step_by(ld) {
        let cols = (x.n - j).min(ld);
        sums.fill(S::T::ZERO);
        let mut p = 0;
        // SAFETY: rows p.. of B and all of A exist, columns j..j+cols of B too.
        unsafe {
            while p < x.k {
                let rows = match x.k - p {
                    8.. if x.m == 1 => 8,
                    4.. => 4,
                    _ => 1,
                };
                let mut i = 0;
                while i < x.m {
                    let (row, at) = (sums.as_mut_ptr().add(i * ld), (i, p, j));
                    match (rows, x.m - i) {
                        (8, _) => sweep_rows::<S, 1, 8>(x, row, ld, at, cols),
                        (4, 1) => sweep_rows::<S, 1, 4>(x, row, ld, at, cols),
                        (4, _) => sweep_rows::<S, 2, 4>(x, row, ld, at, cols),
                        (_, 1) => sweep_rows::<S, 1, 1>(x, row, ld, at, cols),
                        _ => sweep_rows::<S, 2, 1>(x, row, ld, at, cols),
                    }
                    i += 2;
                }
                p += rows;
            }
            finish(&x.out.at(0, j), sums.as_mut_ptr(), ld, x.m, cols);
        }
    }
}

/// Adds P rows of B to R rows of the stripe.
#[inline(always)]
unsafe fn sweep_rows<S: Simd, const R: usize, const P: usize>(
    x: &Block<S::T>,
    sums: *mut S::T,
    ld: usize,
    (i, p, j): (usize, usize, usize),
    cols: usize,
) {
    // SAFETY: as the caller's.
    unsafe {
        let b = x.b.offset(p as isize * x.b_rs).add(j);
        let mut a = [[S::T::ZERO; P]; R];
        for r in 0..R {
            for q in 0..P {
                a[r][q] = *x.a.offset((i + r) as isize * x.a_rs + (p + q) as isize * x.a_cs);
            }
        }
        let mut c = 0;
        while c + S::LANES <= cols {
            let mut v = [S::splat(S::T::ZERO); R];
            for r in 0..R {
                v[r] = S::load(sums.add(r * ld + c));
            }
            for q in 0..P {
                let bv = S::load(b.offset(q as isize * x.b_rs).add(c));
                for r in 0..R {
                    v[r] = S::fma(S::splat(a[r][q]), bv, v[r]);
                }
            }
            for r in 0..R {
                S::store(sums.add(r * ld + c), v[r]);
            }
            c += S::LANES;
        }
        while c < cols {
            for r in 0..R {
                for q in 0..P {
                    let sum = sums.add(r * ld + c);
                    *sum = S::fma1(a[r][q], *b.offset(q as isize * x.b_rs).add(c), *sum);
                }
            }
            c += 1;
        }
    }
}

/// Most terms that `outer` takes.
pub const OUTER_TERMS: usize = 4;

/// Few products for each of many elements: row by row, what is stored bounds it. Without activation.
#[inline(always)]
pub unsafe fn outer<S: Simd>(x: &Block<S::T>) {
    // SAFETY: the same contract; K is the number of rows of B.
    unsafe {
        match x.k {
            1 => outer_rows::<S, 1>(x),
            2 => outer_rows::<S, 2>(x),
            3 => outer_rows::<S, 3>(x),
            _ => outer_rows::<S, OUTER_TERMS>(x),
        }
    }
}

#[inline(always)]
unsafe fn outer_rows<S: Simd, const K: usize>(x: &Block<S::T>) {
    let (add, biased) = (x.out.add, !x.out.bias.is_null());
    // SAFETY: rows and columns of the block exist, B's columns lie side by side, the bias has a value per column.
    unsafe {
        for i in 0..x.m {
            let mut a = [S::T::ZERO; K];
            for p in 0..K {
                a[p] = *x.a.offset(i as isize * x.a_rs + p as isize * x.a_cs);
            }
            let (av, alpha) = (a.map(|a| S::splat(a)), S::splat(x.out.alpha));
            let c = x.out.c.offset(i as isize * x.out.c_rs);
            let mut j = 0;
            while j + S::LANES <= x.n {
                let mut v = S::splat(S::T::ZERO);
                for p in 0..K {
                    v = S::fma(av[p], S::load(x.b.offset(p as isize * x.b_rs).add(j)), v);
                }
                v = S::mul(v, alpha);
                if add {
                    v = S::add(v, S::load(c.add(j)));
                }
                if biased {
                    v = S::add(v, S::load(x.out.bias.add(j)));
                }
                S::store(c.add(j), v);
                j += S::LANES;
            }
            while j < x.n {
                let mut v = S::T::ZERO;
                for p in 0..K {
                    v = S::fma1(a[p], *x.b.offset(p as isize * x.b_rs).add(j), v);
                }
                v *= x.out.alpha;
                if add {
                    v += *c.add(j);
                }
                if biased {
                    v += *x.out.bias.add(j);
                }
                *c.add(j) = v;
                j += 1;
            }
        }
    }
}
