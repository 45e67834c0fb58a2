//! Loops over the columns of one or several rows in `Lanes`: loads and stores that end with the row, and sums.
use crate::simd::LARGE;
use crate::vmath::Lanes;

/// Rows of at most this many columns are worked on in groups: the group and what is written of it stay in L1.
pub(crate) const SHORT: usize = 1024;
/// Vectors of a longer row at once.
pub(crate) const COLUMNS_AT_ONCE: usize = 4;

/// Steps whose sum is taken before it goes to the next level; and columns before the sum goes to f64.
const STEPS: usize = 16;
const COLUMNS: usize = 4096;

/// Columns `j..j + n` of a row, `n` at most a vector; the other lanes are `pad`.
#[inline(always)]
pub(crate) fn get<N: Lanes>(x: &[N::T], j: usize, n: usize, pad: N::T) -> N {
    debug_assert!(j + n <= x.len());
    // SAFETY: the columns lie inside the row.
    unsafe {
        let p = x.as_ptr().add(j);
        if n == N::WIDTH { N::load(p) } else { N::load_part(p, n, pad) }
    }
}

/// Writes columns `j..j + n` of a row.
#[inline(always)]
pub(crate) fn put<N: Lanes>(v: N, out: &mut [N::T], j: usize, n: usize) {
    debug_assert!(j + n <= out.len());
    // SAFETY: the columns lie inside the row.
    unsafe {
        let p = out.as_mut_ptr().add(j);
        if n == N::WIDTH { v.store(p) } else { v.store_part(p, n) }
    }
}

/// Whether rows of `cols` elements that make up `out` are written past the caches.
pub(crate) fn streams<T>(out: &[T], cols: usize) -> bool {
    let aligned = |bytes: usize| bytes.is_multiple_of(32);
    size_of_val(out) >= LARGE && aligned(out.as_ptr() as usize) && aligned(cols * size_of::<T>())
}

/// `put` of a row of such an output.
#[inline(always)]
pub(crate) fn put_past<N: Lanes>(past: bool, v: N, out: &mut [N::T], j: usize, n: usize) {
    if past && n == N::WIDTH {
        debug_assert!(j + n <= out.len());
        // SAFETY: the columns lie inside the row; `streams` has seen the alignment of rows, and vectors are of 32 bytes.
        unsafe { v.stream(out.as_mut_ptr().add(j)) };
    } else {
        put(v, out, j, n);
    }
}

/// Asks for column `j` of the row `rows` further on, which may not exist: the next group comes from memory while this one
/// is computed.
#[inline(always)]
pub(crate) fn ahead<T>(row: &[T], rows: usize, j: usize) {
    crate::simd::prefetch(row.as_ptr().wrapping_add(rows * row.len() + j));
}

/// Calls `f(j, n)` for the vectors of a row: whole ones first, so that the partial last one stays out of their loop.
#[inline(always)]
pub(crate) fn each_vector<N: Lanes>(cols: usize, mut f: impl FnMut(usize, usize)) {
    let whole = cols / N::WIDTH * N::WIDTH;
    for j in (0..whole).step_by(N::WIDTH) {
        f(j, N::WIDTH);
    }
    if whole < cols {
        f(whole, cols - whole);
    }
}

/// `K` sums over the columns of each of `R` rows, `U` vectors at once: `f(row, j, n, sums)` adds columns `j..j + n`, where
/// lanes from `n` on must add nothing.
#[inline(always)]
pub(crate) fn sums_of<N: Lanes, const R: usize, const U: usize, const K: usize>(
    cols: usize,
    f: impl Fn(usize, usize, usize, [N; K]) -> [N; K],
) -> [[f64; K]; R] {
    let (zero, step) = ([[[N::c(0.0); K]; U]; R], U * N::WIDTH);
    let mut total = [[0.0; K]; R];
    for from in (0..cols).step_by(COLUMNS) {
        let to = (from + COLUMNS).min(cols);
        let whole = from + (to - from) / step * step;
        let mut sum = zero;
        for block in (from..whole).step_by(STEPS * step) {
            let mut acc = zero;
            for j in (block..(block + STEPS * step).min(whole)).step_by(step) {
                for r in 0..R {
                    for u in 0..U {
                        acc[r][u] = f(r, j + u * N::WIDTH, N::WIDTH, acc[r][u]);
                    }
                }
            }
            for r in 0..R {
                for u in 0..U {
                    for k in 0..K {
                        sum[r][u][k] = sum[r][u][k] + acc[r][u][k];
                    }
                }
            }
        }
        for j in (whole..to).step_by(N::WIDTH) {
            for r in 0..R {
                sum[r][0] = f(r, j, (to - j).min(N::WIDTH), sum[r][0]);
            }
        }
        for r in 0..R {
            for k in 0..K {
                let mut n = U;
                while n > 1 {
                    n /= 2;
                    for u in 0..n {
                        sum[r][u][k] = sum[r][u][k] + sum[r][u + n][k];
                    }
                }
                total[r][k] += crate::vmath::Real::to_f64(sum[r][0][k].sum());
            }
        }
    }
    total
}
