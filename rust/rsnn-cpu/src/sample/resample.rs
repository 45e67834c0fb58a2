//! Separable resampling: along each axis every output position is a weighted sum of input positions. The transpose of
//! such a map is one again, so that one kernel serves forward and backward.
use crate::pool::{self, SendPtr};
use crate::simd::vectorize;
use crate::vmath::Real;
use std::ops::Range;

/// The input positions that each output position of one axis reads, with their weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    input: usize,
    starts: Vec<usize>,
    taps: Vec<(usize, f64)>,
}

impl Taps {
    /// One list per output position; positions outside `input` are left out.
    pub fn new<L: IntoIterator<Item = (usize, f64)>>(input: usize, lists: impl IntoIterator<Item = L>) -> Taps {
        let (mut starts, mut taps) = (vec![0], Vec::new());
        for list in lists {
            taps.extend(list.into_iter().filter(|&(at, _)| at < input));
            starts.push(taps.len());
        }
        Taps { input, starts, taps }
    }
    /// An axis that stays as it is.
    pub fn identity(n: usize) -> Taps {
        Taps::new(n, (0..n).map(|i| [(i, 1.0)]))
    }
    pub fn input(&self) -> usize {
        self.input
    }
    pub fn output(&self) -> usize {
        self.starts.len() - 1
    }
    fn of(&self, i: usize) -> &[(usize, f64)] {
        &self.taps[self.starts[i]..self.starts[i + 1]]
    }
    /// The first position that each output position reads.
    pub fn firsts(&self) -> impl Iterator<Item = usize> {
        (0..self.output()).filter_map(|i| self.of(i).first().map(|tap| tap.0))
    }
    /// For each input position the output positions that read it, in order.
    pub fn transposed(&self) -> Taps {
        let mut lists = vec![Vec::new(); self.input];
        for i in 0..self.output() {
            self.of(i).iter().for_each(|&(at, weight)| lists[at].push((i, weight)));
        }
        Taps::new(self.output(), lists)
    }
    fn is_identity(&self) -> bool {
        self.input == self.output() && (0..self.input).all(|i| *self.of(i) == [(i, 1.0)])
    }
}

/// One axis of a plane `[outer][axis][inner]`, its weights in the element type.
struct Step<T> {
    outer: usize,
    inner: usize,
    input: usize,
    output: usize,
    starts: Vec<usize>,
    taps: Vec<(usize, T)>,
    /// Number of taps, where it is the same everywhere.
    width: usize,
}

impl<T: Real> Step<T> {
    fn new(taps: &Taps, outer: usize, inner: usize) -> Step<T> {
        let width = taps.of(0).len();
        let even = (0..taps.output()).all(|i| taps.of(i).len() == width);
        Step {
            outer,
            inner,
            input: taps.input,
            output: taps.output(),
            starts: taps.starts.clone(),
            taps: taps.taps.iter().map(|&(at, w)| (at, T::from_f64(w))).collect(),
            width: if even { width } else { 0 },
        }
    }
    /// Rows of the result that are computed one by one, and their length.
    fn rows(&self) -> [usize; 2] {
        if self.inner == 1 { [self.outer, self.output] } else { [self.outer * self.output, self.inner] }
    }
    fn results(&self) -> usize {
        self.outer * self.output * self.inner
    }
    fn work(&self) -> usize {
        self.outer * self.taps.len() * self.inner
    }

    /// Rows `range` of one plane of the result.
    #[inline(always)]
    fn run(&self, x: &[T], y: &mut [T], range: Range<usize>) {
        let [_, len] = self.rows();
        for (row, y) in range.zip(y.chunks_exact_mut(len)) {
            if self.inner > 1 {
                let (outer, i) = (row / self.output, row % self.output);
                let x = &x[outer * self.input * self.inner..][..self.input * self.inner];
                add_rows(x, &self.taps[self.starts[i]..self.starts[i + 1]], y);
                continue;
            }
            let x = &x[row * self.input..][..self.input];
            match self.width {
                1 => self.fixed::<1>(x, y),
                2 => self.fixed::<2>(x, y),
                4 => self.fixed::<4>(x, y),
                _ => {
                    for (y, ends) in y.iter_mut().zip(self.starts.windows(2)) {
                        *y = total(x, &self.taps[ends[0]..ends[1]]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn fixed<const K: usize>(&self, x: &[T], y: &mut [T]) {
        for (y, taps) in y.iter_mut().zip(self.taps.chunks_exact(K)) {
            *y = total(x, taps);
        }
    }
}

/// A single tap keeps the sign of a zero.
#[inline(always)]
fn total<T: Real>(x: &[T], taps: &[(usize, T)]) -> T {
    let Some((&(at, w), rest)) = taps.split_first() else { return T::ZERO };
    let mut sum = w * x[at];
    for &(at, w) in rest {
        sum += w * x[at];
    }
    sum
}

/// `y = sum of weight * row of x`.
#[inline(always)]
fn add_rows<T: Real>(x: &[T], taps: &[(usize, T)], y: &mut [T]) {
    const BLOCK: usize = 16;
    let len = y.len();
    let Some((&(first, weight), rest)) = taps.split_first() else { return y.fill(T::ZERO) };
    if rest.is_empty() && weight == T::ONE {
        return y.copy_from_slice(&x[first * len..][..len]);
    }
    let whole = len / BLOCK * BLOCK;
    let (blocks, tail) = y.split_at_mut(whole);
    for (b, y) in blocks.chunks_exact_mut(BLOCK).enumerate() {
        let row = |at: usize| &x[at * len + b * BLOCK..][..BLOCK];
        let from = row(first);
        let mut sum: [T; BLOCK] = std::array::from_fn(|l| weight * from[l]);
        for &(at, w) in rest {
            let from = row(at);
            for l in 0..BLOCK {
                sum[l] += w * from[l];
            }
        }
        y.copy_from_slice(&sum);
    }
    for (i, y) in tail.iter_mut().enumerate() {
        let mut sum = weight * x[first * len + whole + i];
        for &(at, w) in rest {
            sum += w * x[at * len + whole + i];
        }
        *y = sum;
    }
}

/// The steps of a plane: along rows first where the image grows, last where it shrinks, so that most work runs on whole rows.
fn steps<T: Real>(axes: &[Taps; 3]) -> Vec<Step<T>> {
    let (mut size, out) = (axes.each_ref().map(Taps::input), axes.each_ref().map(Taps::output));
    let order = if out[0] * out[1] >= size[0] * size[1] { [2, 1, 0] } else { [0, 1, 2] };
    let mut all = Vec::new();
    for a in order {
        if !axes[a].is_identity() {
            all.push(Step::new(&axes[a], size[..a].iter().product(), size[a + 1..].iter().product()));
            size[a] = out[a];
        }
    }
    all
}

/// Planes that are enough for all threads.
const MANY: usize = 16;

/// `y[plane] = axes applied to x[plane]`, depth, height and width.
pub fn resample<T: Real>(axes: &[Taps; 3], x: &[T], y: &mut [T]) {
    let from: usize = axes.iter().map(Taps::input).product();
    let to: usize = axes.iter().map(Taps::output).product();
    if y.is_empty() {
        return;
    }
    if from == 0 {
        return y.fill(T::ZERO);
    }
    let steps = steps::<T>(axes);
    let planes = y.len() / to;
    if steps.is_empty() {
        return y.copy_from_slice(x);
    }
    let work: usize = steps.iter().map(Step::work).sum();
    let cuts = if planes < MANY { pool::split(planes * work, 1 << 15) } else { 1 };
    let chunks = if planes < MANY { 1 } else { pool::split(planes * work, 1 << 15).min(planes) };
    let to_y = SendPtr(y.as_mut_ptr());
    pool::for_each_chunk(chunks, |chunk| {
        let mut between = vec![Vec::new(); steps.len() - 1];
        for (b, s) in between.iter_mut().zip(&steps) {
            b.resize(s.results(), T::ZERO);
        }
        for i in pool::range(planes, chunks, chunk) {
            // SAFETY: one task per plane of y.
            let y = unsafe { std::slice::from_raw_parts_mut(to_y.get().add(i * to), to) };
            plane(&steps, &x[i * from..][..from], &mut between, y, cuts);
        }
    });
}

fn plane<T: Real>(steps: &[Step<T>], x: &[T], between: &mut [Vec<T>], y: &mut [T], cuts: usize) {
    for (at, step) in steps.iter().enumerate() {
        let (before, after) = between.split_at_mut(at);
        let from = before.last().map_or(x, Vec::as_slice);
        let to = after.first_mut().map_or(&mut *y, Vec::as_mut_slice);
        let [rows, len] = step.rows();
        let (cuts, ptr) = (cuts.min(rows), SendPtr(to.as_mut_ptr()));
        pool::for_each_chunk(cuts, |cut| {
            let range = pool::range(rows, cuts, cut);
            // SAFETY: every task has its own rows of the result.
            let to = unsafe { std::slice::from_raw_parts_mut(ptr.get().add(range.start * len), range.len() * len) };
            vectorize(
                #[inline(always)]
                || step.run(from, to, range),
            );
        });
    }
}
