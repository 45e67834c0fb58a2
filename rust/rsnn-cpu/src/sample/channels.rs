//! Loops of grid sampling over eight channels that lie side by side: packed from planes, read at neighbours, summed into
//! neighbours.
use crate::vmath::Real;

/// Channels that lie together.
pub(super) const LANES: usize = 8;
/// Points or positions whose channels are put in order together.
const BLOCK: usize = 64;

/// One neighbour of a point: its position in the plane (behind the end for none) and its weight.
#[derive(Clone, Copy)]
pub(super) struct Tap<T> {
    pub at: u32,
    pub weight: T,
}

/// The channels of `x` side by side, and zeros behind the last position.
///
/// # Safety
/// `to` has room for `(plane + 1) LANES` elements.
#[inline(always)]
pub(super) unsafe fn pack<'a, T: Real>(x: &[T], plane: usize, to: *mut T) -> &'a [[T; LANES]] {
    // SAFETY: the caller's contract; all elements are written before they are read as numbers.
    let packed = unsafe {
        std::ptr::write_bytes(to, 0, if x.len() < plane * LANES { (plane + 1) * LANES } else { 0 });
        std::slice::from_raw_parts_mut(to.cast::<[T; LANES]>(), plane + 1)
    };
    for (b, block) in packed[..plane].chunks_mut(BLOCK).enumerate() {
        for (l, x) in x.chunks_exact(plane).enumerate() {
            for (to, v) in block.iter_mut().zip(&x[b * BLOCK..]) {
                to[l] = *v;
            }
        }
    }
    packed[plane] = [T::ZERO; LANES];
    packed
}

/// The reverse of `pack`, without the zeros.
#[inline(always)]
pub(super) fn unpack<T: Real>(packed: &[[T; LANES]], y: &mut [T], plane: usize) {
    for (b, block) in packed.chunks(BLOCK).enumerate() {
        for (l, y) in y.chunks_exact_mut(plane).enumerate() {
            for (to, v) in y[b * BLOCK..].iter_mut().zip(block) {
                *to = v[l];
            }
        }
    }
}

#[inline(always)]
pub(super) fn planar<T: Real>(x: &[T], plane: usize, at: usize) -> [T; LANES] {
    let mut found = [T::ZERO; LANES];
    if at < plane {
        found.iter_mut().zip(x.chunks_exact(plane)).for_each(|(f, x)| *f = x[at]);
    }
    found
}

/// Channels of `y` at all points.
#[inline(always)]
pub(super) fn sample<T: Real>(
    taps: usize,
    table: &[Tap<T>],
    y: &mut [T],
    points: usize,
    read: impl Fn(usize) -> [T; LANES],
) {
    let mut found = [[T::ZERO; LANES]; BLOCK];
    for (b, block) in table.chunks(BLOCK * taps).enumerate() {
        for (found, point) in found.iter_mut().zip(block.chunks_exact(taps)) {
            let mut sum = [T::ZERO; LANES];
            for tap in point {
                let x = read(tap.at as usize);
                for l in 0..LANES {
                    sum[l] += tap.weight * x[l];
                }
            }
            *found = sum;
        }
        for (l, y) in y.chunks_exact_mut(points).enumerate() {
            for (y, found) in y[b * BLOCK..].iter_mut().zip(&found) {
                *y = found[l];
            }
        }
    }
}

/// Calls `f(points' table, gradients)` for blocks of points with their channels side by side.
#[inline(always)]
fn each_block<T: Real>(g: &[T], points: usize, mut f: impl FnMut(usize, &[[T; LANES]])) {
    let mut block = [[T::ZERO; LANES]; BLOCK];
    for first in (0..points).step_by(BLOCK) {
        let len = BLOCK.min(points - first);
        for (l, g) in g.chunks_exact(points).enumerate() {
            for (to, g) in block.iter_mut().zip(&g[first..][..len]) {
                to[l] = *g;
            }
        }
        f(first, &block[..len]);
    }
}

/// `sums[neighbour] += weight * g`
#[inline(always)]
pub(super) fn spread<T: Real>(taps: usize, table: &[Tap<T>], g: &[T], points: usize, sums: &mut [[T; LANES]]) {
    each_block(
        g,
        points,
        #[inline(always)]
        |first, block| {
            for (g, point) in block.iter().zip(table[first * taps..].chunks_exact(taps)) {
                for tap in point {
                    let to = &mut sums[tap.at as usize];
                    for l in 0..LANES {
                        to[l] += tap.weight * g[l];
                    }
                }
            }
        },
    );
}

/// `dots[point, tap] += g . x[neighbour]`
#[inline(always)]
pub(super) fn multiply<T: Real>(
    taps: usize,
    table: &[Tap<T>],
    g: &[T],
    points: usize,
    x: &[[T; LANES]],
    dots: &mut [T],
) {
    each_block(
        g,
        points,
        #[inline(always)]
        |first, block| {
            let places = table[first * taps..].chunks_exact(taps).zip(dots[first * taps..].chunks_exact_mut(taps));
            for (g, (point, dots)) in block.iter().zip(places) {
                for (tap, dot) in point.iter().zip(dots) {
                    let x = &x[tap.at as usize];
                    let p: [T; LANES] = std::array::from_fn(|l| g[l] * x[l]);
                    *dot += (p[0] + p[4] + (p[1] + p[5])) + (p[2] + p[6] + (p[3] + p[7]));
                }
            }
        },
    );
}
