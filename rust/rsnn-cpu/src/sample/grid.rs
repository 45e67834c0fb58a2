//! Sampling of images and volumes at the points of a grid. A point's neighbours and their weights are found once and
//! serve all channels, eight of which lie together while they are read.
use super::channels::{LANES, Tap, multiply, pack, planar, sample, spread, unpack};
use crate::gemm::scratch::{Slot, with};
use crate::pool::{self, SendPtr};
use crate::simd::vectorize;
use crate::vmath::Real;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Linear,
    Nearest,
    Cubic,
}

/// What is read outside of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outside {
    Zeros,
    Border,
    Reflection,
}

/// Sizes: `x` is `[images][channels][D][H][W]`, the grid `[images][points][x, y(, z)]`, `y` is `[images][channels][points]`.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    pub mode: Mode,
    pub outside: Outside,
    pub align_corners: bool,
    /// Spatial dimensions, 2 or 3.
    pub rank: usize,
    /// Depth (1 for images), height, width.
    pub size: [usize; 3],
    pub images: usize,
    pub channels: usize,
    pub points: usize,
}

/// A position outside of its dimension; a number, for points often lie outside and branches would be guessed wrong.
const NONE: usize = usize::MAX;
/// Tasks that are enough for all threads.
const TASKS: usize = 8;

/// What a point reads along one dimension: positions, weights and their slopes.
struct Line<T> {
    at: [usize; 4],
    weight: [T; 4],
    slope: [T; 4],
    len: usize,
}

#[inline(always)]
fn floor<T: Real>(x: T) -> T {
    T::from_f64(x.to_f64().floor())
}

#[inline(always)]
fn round<T: Real>(x: T) -> T {
    T::from_f64(x.to_f64().round_ties_even())
}

#[inline(always)]
fn inside<T: Real>(x: T, size: usize) -> usize {
    let there = (x >= T::ZERO) & (x <= T::from_f64((size - 1) as f64));
    let at = x.to_f64() as i64 as usize;
    if there { at } else { NONE }
}

/// Weights of four neighbours at distance `t` behind the second one, and their slopes.
#[inline(always)]
fn cubic<T: Real>(t: T) -> ([T; 4], [T; 4]) {
    let c = T::from_f64;
    let a = c(-0.75);
    let far = |x: T| ((a * x - c(5.0) * a) * x + c(8.0) * a) * x - c(4.0) * a;
    let near = |x: T| ((a + c(2.0)) * x - (a + c(3.0))) * x * x + T::ONE;
    let far_slope = |x: T| (c(3.0) * a * x - c(10.0) * a) * x + c(8.0) * a;
    let near_slope = |x: T| (c(3.0) * (a + c(2.0)) * x - c(2.0) * (a + c(3.0))) * x;
    let u = T::ONE - t;
    (
        [far(t + T::ONE), near(t), near(u), far(u + T::ONE)],
        [far_slope(t + T::ONE), near_slope(t), -near_slope(u), -far_slope(u + T::ONE)],
    )
}

impl Grid {
    /// Neighbours of a point.
    fn taps(&self) -> usize {
        match self.mode {
            Mode::Nearest => 1,
            Mode::Linear => 1 << self.rank,
            Mode::Cubic => 16,
        }
    }
    fn plane(&self) -> usize {
        self.size.iter().product()
    }
    /// Channels are read where they lie when fewer elements are read than there are.
    fn packs(&self) -> bool {
        self.points * self.taps() * 2 >= self.plane()
    }
    fn work(&self) -> usize {
        self.images * self.channels * (self.points * self.taps() + self.plane() / 4)
    }

    /// The position that padding puts in place of `x`, and its slope.
    #[inline(always)]
    fn place<T: Real>(&self, x: T, size: usize) -> (T, T) {
        let c = T::from_f64;
        let (mut x, mut slope) = (x, T::ONE);
        if self.outside == Outside::Zeros {
            return (x, slope);
        }
        let end = c((size - 1) as f64);
        if self.outside == Outside::Reflection {
            let (low, span) = if self.align_corners { (T::ZERO, end) } else { (c(-0.5), c(size as f64)) };
            if span == T::ZERO {
                return (T::ZERO, T::ZERO);
            }
            let distance = (x - low).abs();
            let extra = c(distance.to_f64() % span.to_f64());
            let even = floor(distance / span).to_f64() % 2.0 == 0.0;
            slope = if (x < low) == even { -T::ONE } else { T::ONE };
            x = if even { extra + low } else { span - extra + low };
        }
        if x.is_nan() {
            // torch's clamps send NaN to the first element of images and to the last of volumes.
            (if self.rank == 2 { T::ZERO } else { end }, T::ZERO)
        } else if x <= T::ZERO {
            (T::ZERO, T::ZERO)
        } else if x >= end {
            (end, T::ZERO)
        } else {
            (x, slope)
        }
    }

    #[inline(always)]
    fn line<T: Real>(&self, coordinate: T, size: usize) -> Line<T> {
        let c = T::from_f64;
        let (two, n) = (c(2.0), size as f64);
        let (raw, unit) = match self.align_corners {
            true => ((coordinate + T::ONE) / two * c(n - 1.0), c((n - 1.0) / 2.0)),
            false => (((coordinate + T::ONE) * c(n) - T::ONE) / two, c(n / 2.0)),
        };
        let mut line = Line { at: [NONE; 4], weight: [T::ONE; 4], slope: [T::ZERO; 4], len: 1 };
        match self.mode {
            Mode::Nearest => line.at[0] = inside(round(self.place(raw, size).0), size),
            Mode::Linear => {
                let (x, slope) = self.place(raw, size);
                let first = floor(x);
                let part = x - first;
                line.len = 2;
                line.at = [inside(first, size), inside(first + T::ONE, size), NONE, NONE];
                line.weight = [T::ONE - part, part, T::ZERO, T::ZERO];
                line.slope = [-slope * unit, slope * unit, T::ZERO, T::ZERO];
            }
            Mode::Cubic => {
                let first = floor(raw);
                line.len = 4;
                line.at = std::array::from_fn(|i| inside(round(self.place(first + c(i as f64 - 1.0), size).0), size));
                let slope;
                (line.weight, slope) = cubic(raw - first);
                line.slope = slope.map(|s| s * unit);
            }
        }
        line
    }

    /// Calls `f(tap, position, weight, slopes of x, y, z)` for every neighbour of a point; the position is the plane's end
    /// for one outside.
    #[inline(always)]
    fn neighbours<T: Real>(&self, point: &[T], mut f: impl FnMut(usize, usize, T, [T; 3])) {
        let [_, high, wide] = self.size;
        let (x, y) = (self.line(point[0], wide), self.line(point[1], high));
        let flat = Line { at: [0; 4], weight: [T::ONE; 4], slope: [T::ZERO; 4], len: 1 };
        let z = if self.rank == 3 { self.line(point[2], self.size[0]) } else { flat };
        let (mut tap, end) = (0, self.plane());
        for k in 0..z.len {
            for j in 0..y.len {
                for i in 0..x.len {
                    let there = (z.at[k] != NONE) & (y.at[j] != NONE) & (x.at[i] != NONE);
                    let at = z.at[k].wrapping_mul(high).wrapping_add(y.at[j]).wrapping_mul(wide).wrapping_add(x.at[i]);
                    let at = if there { at } else { end };
                    let rest = z.weight[k] * y.weight[j];
                    let slopes = [
                        rest * x.slope[i],
                        z.weight[k] * y.slope[j] * x.weight[i],
                        z.slope[k] * y.weight[j] * x.weight[i],
                    ];
                    f(tap, at, rest * x.weight[i], slopes);
                    tap += 1;
                }
            }
        }
    }

    /// The neighbours of all points of an image.
    fn table<T: Real>(&self, grid: &[T]) -> Vec<Tap<T>> {
        let (taps, none, volume) = (self.taps(), self.plane() as u32, self.rank == 3);
        let mut table = vec![Tap { at: none, weight: T::ZERO }; self.points * taps];
        vectorize(
            #[inline(always)]
            || {
                for (point, to) in grid.chunks_exact(self.rank).zip(table.chunks_exact_mut(taps)) {
                    self.neighbours(point, |tap, at, weight, _| {
                        let at = at as u32;
                        // In a volume what lies outside has no weight; in an image a weight that is NaN shows.
                        let weight = if volume & (at == none) { T::ZERO } else { weight };
                        to[tap] = Tap { at, weight };
                    });
                }
            },
        );
        table
    }

    /// Images in tasks, each with its table and a range of groups of channels: `f(task, image, groups, table)`.
    fn each_task<T: Real>(&self, grid: &[T], f: impl Fn(usize, usize, std::ops::Range<usize>, &[Tap<T>]) + Sync) {
        let (groups, cuts) = (self.channels.div_ceil(LANES), self.cuts());
        let all = self.images * cuts;
        let chunks = pool::split(self.work(), 1 << 15).min(all);
        pool::for_each_chunk(chunks, |chunk| {
            for task in pool::range(all, chunks, chunk) {
                let image = task / cuts;
                let each = self.points * self.rank;
                let table = self.table(&grid[image * each..][..each]);
                f(task, image, pool::range(groups, cuts, task % cuts), &table);
            }
        });
    }
    fn cuts(&self) -> usize {
        TASKS.div_ceil(self.images.max(1)).min(self.channels.div_ceil(LANES)).max(1)
    }
    /// First element and channels of a group in a tensor with `len` elements per channel.
    fn group(&self, image: usize, group: usize, len: usize) -> (usize, usize) {
        let first = group * LANES;
        ((image * self.channels + first) * len, (self.channels - first).min(LANES))
    }

    pub fn forward<T: Real>(&self, x: &[T], grid: &[T], y: &mut [T]) {
        let (plane, points) = (self.plane(), self.points);
        if y.is_empty() {
            return;
        }
        let to = SendPtr(y.as_mut_ptr());
        self.each_task(grid, |_, image, groups, table| {
            with(Slot::Image, (plane + 1) * LANES, |packed: *mut T| {
                for group in groups {
                    let (from, lanes) = self.group(image, group, plane);
                    let x = &x[from..][..lanes * plane];
                    let (at, _) = self.group(image, group, points);
                    // SAFETY: the group's channels of y belong to this task.
                    let y = unsafe { std::slice::from_raw_parts_mut(to.get().add(at), lanes * points) };
                    vectorize(
                        #[inline(always)]
                        || {
                            let taps = self.taps();
                            if self.packs() {
                                // SAFETY: the buffer has room for the plane and one position more.
                                let packed = unsafe { pack(x, plane, packed) };
                                return sample(
                                    taps,
                                    table,
                                    y,
                                    points,
                                    #[inline(always)]
                                    |at| {
                                        // SAFETY: positions are at most `plane`.
                                        unsafe { *packed.get_unchecked(at) }
                                    },
                                );
                            }
                            sample(
                                taps,
                                table,
                                y,
                                points,
                                #[inline(always)]
                                |at| planar(x, plane, at),
                            );
                        },
                    );
                }
            });
        });
    }

    /// Gradients of `x` and of the grid, where wanted.
    pub fn backward<T: Real>(&self, g: &[T], x: &[T], grid: &[T], dx: Option<&mut [T]>, dgrid: Option<&mut [T]>) {
        let (plane, points, taps) = (self.plane(), self.points, self.taps());
        let dots_of = points * taps;
        let wants_grid = dgrid.is_some() && self.mode != Mode::Nearest;
        let mut dots = vec![T::ZERO; if wants_grid { self.images * self.cuts() * dots_of } else { 0 }];
        let (to_dots, to_x) = (SendPtr(dots.as_mut_ptr()), dx.map(|dx| SendPtr(dx.as_mut_ptr())));
        self.each_task(grid, |task, image, groups, table| {
            // SAFETY: every task has its own part of the products.
            let dots = wants_grid
                .then(|| unsafe { std::slice::from_raw_parts_mut(to_dots.get().add(task * dots_of), dots_of) });
            let dots = dots.unwrap_or_default();
            let mut sums = vec![[T::ZERO; LANES]; if to_x.is_some() { plane + 1 } else { 0 }];
            with(Slot::Image, (plane + 1) * LANES, |packed: *mut T| {
                for group in groups {
                    let (from, lanes) = self.group(image, group, plane);
                    let x = &x[from..][..lanes * plane];
                    let (at, _) = self.group(image, group, points);
                    let g = &g[at..][..lanes * points];
                    vectorize(
                        #[inline(always)]
                        || {
                            if wants_grid {
                                // SAFETY: the buffer has room for the plane and one position more.
                                let packed = unsafe { pack(x, plane, packed) };
                                multiply(taps, table, g, points, packed, dots);
                            }
                            if let Some(to) = to_x {
                                // SAFETY: the group's channels of dx belong to this task.
                                let dx = unsafe { std::slice::from_raw_parts_mut(to.get().add(from), lanes * plane) };
                                sums.fill([T::ZERO; LANES]);
                                spread(taps, table, g, points, &mut sums);
                                unpack(&sums[..plane], dx, plane);
                            }
                        },
                    );
                }
            });
        });
        if let Some(dgrid) = dgrid {
            self.grid_gradient(&dots, grid, dgrid);
        }
    }

    /// Products of gradients and neighbours, times the slopes of the weights; the tasks' parts add up in order.
    fn grid_gradient<T: Real>(&self, dots: &[T], grid: &[T], dgrid: &mut [T]) {
        if dots.is_empty() {
            return dgrid.fill(T::ZERO);
        }
        let (taps, cuts) = (self.taps(), self.cuts());
        let all = self.images * self.points;
        let chunks = pool::split(all * taps * 4, 1 << 15).min(all);
        let to = SendPtr(dgrid.as_mut_ptr());
        pool::for_each_chunk(chunks, |chunk| {
            vectorize(
                #[inline(always)]
                || {
                    for point in pool::range(all, chunks, chunk) {
                        let (image, at) = (point / self.points, point % self.points);
                        let mut sum = [T::ZERO; 3];
                        self.neighbours(&grid[point * self.rank..][..self.rank], |tap, place, _, slopes| {
                            if place == self.plane() {
                                return;
                            }
                            let mut dot = T::ZERO;
                            for cut in 0..cuts {
                                dot += dots[((image * cuts + cut) * self.points + at) * taps + tap];
                            }
                            for (sum, slope) in sum.iter_mut().zip(slopes) {
                                *sum += slope * dot;
                            }
                        });
                        for (d, sum) in sum[..self.rank].iter().enumerate() {
                            // SAFETY: every task has its own points.
                            unsafe { *to.get().add(point * self.rank + d) = *sum };
                        }
                    }
                },
            );
        });
    }
}
