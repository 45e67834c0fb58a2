//! Vectors of positions that slide over an image: a weighted sum of shifted loads, and its transpose.
use super::vector::Simd;

/// Vector `i` of `out` is the sum over k of `weights[k]` times the vector at `base[at[i] + products[k]]`, plus `bias`.
pub struct Slide<'a, T> {
    pub base: *const T,
    pub at: &'a [isize],
    pub products: &'a [isize],
    pub weights: *const T,
    pub bias: T,
    pub out: *mut T,
    /// Write past the caches.
    pub stream: bool,
}

/// # Safety
/// Every vector is readable or writable, and there is a weight for each product.
#[inline(always)]
pub unsafe fn slide<S: Simd>(x: &Slide<S::T>) {
    let mut i = 0;
    while i < x.at.len() {
        // SAFETY: vectors i.. exist; the groups end with the last one.
        unsafe {
            i += match x.at.len() - i {
                8.. => sums::<S, 8>(x, i),
                7 => sums::<S, 7>(x, i),
                4.. => sums::<S, 4>(x, i),
                2.. => sums::<S, 2>(x, i),
                _ => sums::<S, 1>(x, i),
            };
        }
    }
    if x.stream {
        S::fence();
    }
}

#[inline(always)]
unsafe fn sums<S: Simd, const N: usize>(x: &Slide<S::T>, i: usize) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        let mut acc = [S::splat(x.bias); N];
        let mut from = [x.base; N];
        for v in 0..N {
            from[v] = x.base.offset(*x.at.get_unchecked(i + v));
        }
        for (k, &offset) in x.products.iter().enumerate() {
            let w = S::splat(*x.weights.add(k));
            for v in 0..N {
                acc[v] = S::fma(w, S::load(from[v].offset(offset)), acc[v]);
            }
        }
        let out = x.out.add(i * S::LANES);
        // Aligned vectors only, as the instruction asks.
        if x.stream && out.addr().is_multiple_of(S::LANES * size_of::<S::T>()) {
            for v in 0..N {
                S::stream(out.add(v * S::LANES), acc[v]);
            }
        } else {
            for v in 0..N {
                S::store(out.add(v * S::LANES), acc[v]);
            }
        }
    }
    N
}

/// Rows of weights over the same vectors: row `r` of vector `i` goes to `out[r pitch + to[i]]`.
pub struct Rows<'a, T> {
    pub base: *const T,
    pub at: &'a [isize],
    pub to: &'a [usize],
    pub products: &'a [isize],
    /// `[strip][product][row]` for the strips of `strip(rows, i)`.
    pub weights: *const T,
    /// One for each row, or nothing.
    pub bias: &'a [T],
    pub rows: usize,
    pub out: *mut T,
    pub pitch: usize,
}

/// Most rows that are summed together.
const STRIP: usize = 6;

/// The `i`-th of the nearly equal strips of `rows` rows.
pub fn strip(rows: usize, i: usize) -> Option<std::ops::Range<usize>> {
    let strips = rows.div_ceil(STRIP);
    (i < strips).then(|| rows * i / strips..rows * (i + 1) / strips)
}

/// # Safety
/// As for `slide`; `to` has a place for each vector.
#[inline(always)]
pub unsafe fn slide_rows<S: Simd>(x: &Rows<S::T>) {
    // Vectors of a group: as many accumulators as there are registers for.
    let n = match x.rows {
        1 => 8,
        2 => 6,
        3 => 3,
        _ => 2,
    };
    let all = x.at.len();
    let n = if all < n { 1 } else { n };
    for i in (0..all).step_by(n) {
        // The last group may overlap the one before.
        let i = i.min(all - n);
        let mut s = 0;
        while let Some(rows) = strip(x.rows, s) {
            // SAFETY: the caller's contract: vectors i.. i + n exist.
            unsafe {
                match (rows.len(), n) {
                    (1, 8) => row_sums::<S, 1, 8>(x, i, rows.start),
                    (2, 6) => row_sums::<S, 2, 6>(x, i, rows.start),
                    (3, 3) => row_sums::<S, 3, 3>(x, i, rows.start),
                    (3, 2) => row_sums::<S, 3, 2>(x, i, rows.start),
                    (4, 2) => row_sums::<S, 4, 2>(x, i, rows.start),
                    (5, 2) => row_sums::<S, 5, 2>(x, i, rows.start),
                    (6, 2) => row_sums::<S, 6, 2>(x, i, rows.start),
                    _ => {
                        for row in rows.clone() {
                            (i..i + n).for_each(|i| row_sum::<S>(x, i, &rows, row));
                        }
                    }
                }
            }
            s += 1;
        }
    }
}

#[inline(always)]
unsafe fn row_sums<S: Simd, const R: usize, const N: usize>(x: &Rows<S::T>, i: usize, row: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut acc = [[S::splat(S::T::default()); N]; R];
        if !x.bias.is_empty() {
            for r in 0..R {
                acc[r] = [S::splat(x.bias[row + r]); N];
            }
        }
        let mut from = [x.base; N];
        for v in 0..N {
            from[v] = x.base.offset(*x.at.get_unchecked(i + v));
        }
        let mut weights = x.weights.add(row * x.products.len());
        for &offset in x.products {
            let mut image = [S::splat(S::T::default()); N];
            for v in 0..N {
                image[v] = S::load(from[v].offset(offset));
            }
            for r in 0..R {
                let w = S::splat(*weights.add(r));
                for v in 0..N {
                    acc[r][v] = S::fma(w, image[v], acc[r][v]);
                }
            }
            weights = weights.add(R);
        }
        for r in 0..R {
            for v in 0..N {
                S::store(x.out.add((row + r) * x.pitch + *x.to.get_unchecked(i + v)), acc[r][v]);
            }
        }
    }
}

/// One row of a strip for one vector, where there are fewer vectors than a group has.
#[inline(always)]
unsafe fn row_sum<S: Simd>(x: &Rows<S::T>, i: usize, strip: &std::ops::Range<usize>, row: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut acc = S::splat(x.bias.get(row).copied().unwrap_or_default());
        let from = x.base.offset(x.at[i]);
        let weights = x.weights.add(strip.start * x.products.len() + row - strip.start);
        for (k, &offset) in x.products.iter().enumerate() {
            acc = S::fma(S::splat(*weights.add(k * strip.len())), S::load(from.offset(offset)), acc);
        }
        S::store(x.out.add(row * x.pitch + x.to[i]), acc);
    }
}

/// `sums[k]` is the sum over i of the elements of vector `i` of y times the vector at `base[at[i] + products[k]]`.
///
/// # Safety
/// Every vector is readable; `sums` has an element for each product.
#[inline(always)]
pub unsafe fn correlate<S: Simd>(base: *const S::T, at: &[isize], products: &[isize], y: *const S::T, sums: *mut S::T) {
    let mut k = 0;
    while k < products.len() {
        let (some, to) = (&products[k..], sums.wrapping_add(k));
        // SAFETY: products k.. exist.
        unsafe {
            k += match some.len() {
                9.. => dots::<S, 9>(base, at, some, y, to),
                5.. => dots::<S, 5>(base, at, some, y, to),
                3.. => dots::<S, 3>(base, at, some, y, to),
                _ => dots::<S, 1>(base, at, some, y, to),
            };
        }
    }
}

#[inline(always)]
unsafe fn dots<S: Simd, const N: usize>(
    base: *const S::T,
    at: &[isize],
    products: &[isize],
    y: *const S::T,
    sums: *mut S::T,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        let mut acc = [S::splat(S::T::default()); N];
        let mut offset = [0; N];
        offset.copy_from_slice(&products[..N]);
        for (i, at) in at.iter().enumerate() {
            let (from, v) = (base.offset(*at), S::load(y.add(i * S::LANES)));
            for k in 0..N {
                acc[k] = S::fma(v, S::load(from.offset(offset[k])), acc[k]);
            }
        }
        for k in 0..N {
            *sums.add(k) = S::sum(acc[k]);
        }
    }
    N
}
