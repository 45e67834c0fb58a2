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
