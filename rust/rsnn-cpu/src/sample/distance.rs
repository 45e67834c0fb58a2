//! Distances between all pairs of rows of one matrix, in the order of its upper triangle.
use crate::pool::{self, SendPtr};
use crate::simd::vectorize;
use crate::vmath::Real;

/// The p-norm distances of `rows` rows of `cols` numbers.
pub struct Distances {
    pub rows: usize,
    pub cols: usize,
    pub p: f64,
}

const LANES: usize = 16;
/// Columns whose gradients stay in registers.
const COLUMNS: usize = 32;

impl Distances {
    /// Place of the pair `i < j`.
    fn place(&self, i: usize, j: usize) -> usize {
        i * (2 * self.rows - i - 1) / 2 + j - i - 1
    }

    fn each_row(&self, f: impl Fn(usize) + Sync) {
        let chunks = pool::split(self.rows * self.rows * self.cols.max(1), 1 << 15).min(self.rows.max(1));
        // Interleaved rows: later ones have fewer pairs.
        pool::for_each_chunk(chunks, |c| (c..self.rows).step_by(chunks).for_each(&f));
    }

    pub fn forward<T: Real>(&self, x: &[T], y: &mut [T]) {
        let to = SendPtr(y.as_mut_ptr());
        self.each_row(|i| {
            let first = i + 1;
            let (at, len) = (self.place(i, first), self.rows - first);
            // SAFETY: row i has its own places for the pairs with later rows.
            let y = unsafe { std::slice::from_raw_parts_mut(to.get().add(at), len) };
            let row = |i: usize| &x[i * self.cols..][..self.cols];
            vectorize(
                #[inline(always)]
                || {
                    for (y, j) in y.iter_mut().zip(first..) {
                        *y = distance(row(i), row(j), self.p);
                    }
                },
            );
        });
    }

    /// Gradient of the rows; `d` are the distances, `g` their gradient.
    pub fn backward<T: Real>(&self, g: &[T], x: &[T], d: &[T], dx: &mut [T]) {
        let to = SendPtr(dx.as_mut_ptr());
        self.each_row(|i| {
            // SAFETY: every task has its own rows of dx.
            let dx = unsafe { std::slice::from_raw_parts_mut(to.get().add(i * self.cols), self.cols) };
            dx.fill(T::ZERO);
            let mut others = Vec::with_capacity(self.rows);
            for j in (0..self.rows).filter(|&j| j != i) {
                let at = self.place(i.min(j), i.max(j));
                if d[at] != T::ZERO {
                    others.push(Other { row: j, d: d[at], factor: self.factor(g[at], d[at]) });
                }
            }
            let q = T::from_f64(self.p - 1.0);
            vectorize(
                #[inline(always)]
                || match self.p {
                    0.0 => {}
                    1.0 => add_slopes(x, i, &others, dx, |v, o| o.factor * sign(v)),
                    2.0 => add_slopes(x, i, &others, dx, |v, o| o.factor * v),
                    p if p.is_infinite() => {
                        add_slopes(x, i, &others, dx, |v, o| if v.abs() == o.d { o.factor * sign(v) } else { T::ZERO })
                    }
                    _ => add_slopes(x, i, &others, dx, |v, o| {
                        if v == T::ZERO { T::ZERO } else { o.factor * sign(v) * v.abs().powf(q) }
                    }),
                },
            );
        });
    }

    /// The part of a slope that all columns share.
    fn factor<T: Real>(&self, g: T, d: T) -> T {
        match self.p {
            0.0 | 1.0 => g,
            2.0 => g / d,
            p if p.is_infinite() => g,
            p => g / d.powf(T::from_f64(p - 1.0)),
        }
    }
}

/// A row at a distance that is not zero.
struct Other<T> {
    row: usize,
    d: T,
    factor: T,
}

/// `dx += slope(x[i] - x[other])` for all others.
#[inline(always)]
fn add_slopes<T: Real>(x: &[T], i: usize, others: &[Other<T>], dx: &mut [T], slope: impl Fn(T, &Other<T>) -> T) {
    let cols = dx.len();
    let whole = cols / COLUMNS * COLUMNS;
    for c in (0..whole).step_by(COLUMNS) {
        let a = &x[i * cols + c..][..COLUMNS];
        let mut sums = [T::ZERO; COLUMNS];
        for other in others {
            let b = &x[other.row * cols + c..][..COLUMNS];
            for l in 0..COLUMNS {
                sums[l] += slope(a[l] - b[l], other);
            }
        }
        dx[c..][..COLUMNS].copy_from_slice(&sums);
    }
    for other in others {
        for c in whole..cols {
            dx[c] += slope(x[i * cols + c] - x[other.row * cols + c], other);
        }
    }
}

/// Folds `f(|a - b|)` in lanes.
#[inline(always)]
fn fold<T: Real>(a: &[T], b: &[T], f: impl Fn(T) -> T, join: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (rest_a, rest_b) = (whole_a.remainder(), whole_b.remainder());
    for (a, b) in whole_a.zip(whole_b) {
        for l in 0..LANES {
            lanes[l] = join(lanes[l], f((a[l] - b[l]).abs()));
        }
    }
    for (l, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        lanes[l] = join(lanes[l], f((*a - *b).abs()));
    }
    for half in [8, 4, 2, 1] {
        for l in 0..half {
            lanes[l] = join(lanes[l], lanes[l + half]);
        }
    }
    lanes[0]
}

#[inline(always)]
fn distance<T: Real>(a: &[T], b: &[T], p: f64) -> T {
    let add = |s: T, v: T| s + v;
    match p {
        0.0 => fold(a, b, |v| if v == T::ZERO { T::ZERO } else { T::ONE }, add),
        1.0 => fold(a, b, |v| v, add),
        2.0 => fold(a, b, |v| v * v, add).sqrt(),
        _ if p.is_infinite() => fold(a, b, |v| v, |s, v| if v > s || v.is_nan() { v } else { s }),
        _ => {
            let q = T::from_f64(p);
            fold(a, b, |v| v.powf(q), add).powf(T::from_f64(1.0 / p))
        }
    }
}

#[inline(always)]
fn sign<T: Real>(v: T) -> T {
    let up = if v > T::ZERO { T::ONE } else { T::ZERO };
    up - if v < T::ZERO { T::ONE } else { T::ZERO }
}
