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

const LANES: usize = 8;

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
            vectorize(
                #[inline(always)]
                || {
                    let row = |i: usize| &x[i * self.cols..][..self.cols];
                    for j in i + 1..self.rows {
                        // SAFETY: every pair has its own place below `rows (rows - 1) / 2`.
                        unsafe { *to.get().add(self.place(i, j)) = distance(row(i), row(j), self.p) };
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
            vectorize(
                #[inline(always)]
                || {
                    let row = |i: usize| &x[i * self.cols..][..self.cols];
                    for j in (0..self.rows).filter(|&j| j != i) {
                        let at = self.place(i.min(j), i.max(j));
                        add_slope(row(i), row(j), self.p, g[at], d[at], dx);
                    }
                },
            );
        });
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
    for half in [4, 2, 1] {
        for l in 0..half {
            lanes[l] = join(lanes[l], lanes[l + half]);
        }
    }
    lanes[0]
}

#[inline(always)]
fn distance<T: Real>(a: &[T], b: &[T], p: f64) -> T {
    let add = |s: T, v: T| s + v;
    if p == 2.0 {
        fold(a, b, |v| v * v, add).sqrt()
    } else if p == 1.0 {
        fold(a, b, |v| v, add)
    } else if p == 0.0 {
        fold(a, b, |v| if v == T::ZERO { T::ZERO } else { T::ONE }, add)
    } else if p.is_infinite() {
        fold(a, b, |v| v, |s, v| if v > s || v.is_nan() { v } else { s })
    } else {
        let q = T::from_f64(p);
        fold(a, b, |v| v.powf(q), add).powf(T::from_f64(1.0 / p))
    }
}

#[inline(always)]
fn sign<T: Real>(v: T) -> T {
    let up = if v > T::ZERO { T::ONE } else { T::ZERO };
    up - if v < T::ZERO { T::ONE } else { T::ZERO }
}

/// `dx += g * slope of |a - b|_p = d`; rows that are equal have slope zero.
#[inline(always)]
fn add_slope<T: Real>(a: &[T], b: &[T], p: f64, g: T, d: T, dx: &mut [T]) {
    if d == T::ZERO || p == 0.0 {
        return;
    }
    if p == 2.0 {
        let c = g / d;
        add_each(a, b, dx, |v| c * v);
    } else if p == 1.0 {
        add_each(a, b, dx, |v| g * sign(v));
    } else if p.is_infinite() {
        add_each(a, b, dx, |v| if v.abs() == d { g * sign(v) } else { T::ZERO });
    } else {
        let (q, c) = (T::from_f64(p - 1.0), g / d.powf(T::from_f64(p - 1.0)));
        add_each(a, b, dx, |v| if v == T::ZERO { T::ZERO } else { c * sign(v) * v.abs().powf(q) });
    }
}

#[inline(always)]
fn add_each<T: Real>(a: &[T], b: &[T], dx: &mut [T], f: impl Fn(T) -> T) {
    for (o, (a, b)) in dx.iter_mut().zip(a.iter().zip(b)) {
        *o += f(*a - *b);
    }
}
