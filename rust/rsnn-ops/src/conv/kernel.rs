//! The three convolution kernels as products with the column matrix, built block by block: output, input gradient, weight
//! gradient. Blocks and their order follow from the shape only.
use super::geometry::Geometry;
use rsnn_cpu::gemm::{Epilogue, Gemm, GemmScalar, gemm};
use rsnn_cpu::pool::{self, SendPtr};
use rsnn_cpu::vmath::Real;
use std::ops::Range;

/// Elements of a column block worth a thread of its own.
const GRAIN: usize = 1 << 15;

/// A slice of a buffer whose parts are written by different chunks.
///
/// # Safety
/// The part lies inside the buffer and nobody else uses it meanwhile.
#[allow(clippy::mut_from_ref)]
pub(super) unsafe fn part<'a, T>(p: SendPtr<T>, at: usize, len: usize) -> &'a mut [T] {
    // SAFETY: the caller's contract.
    unsafe { std::slice::from_raw_parts_mut(p.get().add(at), len) }
}

/// Every channel plane of `y` set to its bias, or to zero.
pub(super) fn fill_bias<T: Real>(y: &mut [T], bias: Option<&[T]>, plane: usize) {
    let Some(bias) = bias else { return y.fill(T::ZERO) };
    for (y, b) in y.chunks_exact_mut(plane.max(1)).zip(bias.iter().cycle()) {
        y.fill(*b);
    }
}

/// Columns of the positions `p` of one image, rows in parallel.
fn columns_of<T: Real>(g: &Geometry, x: &[T], p: &Range<usize>, columns: &mut [T]) {
    let (rows, len) = (g.rows(), p.len());
    let chunks = pool::split(rows * len, GRAIN).min(rows);
    let to = SendPtr(columns.as_mut_ptr());
    pool::for_each_chunk(chunks, |i| {
        let r = pool::range(rows, chunks, i);
        // SAFETY: chunks have disjoint rows, and the buffer holds all rows of the block.
        let columns = unsafe { part(to, r.start * len, r.len() * len) };
        g.image_to_columns(x, r, p.clone(), columns);
    });
}

/// Runs `f(task, scratch)` for every task in parallel, with a scratch of `len` elements per chunk.
fn each_task<T: Real>(tasks: usize, len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let chunks = pool::split(tasks, 1);
    pool::for_each_chunk(chunks, |i| {
        let mut scratch = vec![T::ZERO; len];
        for t in pool::range(tasks, chunks, i) {
            f(t, &mut scratch);
        }
    });
}

struct Matrix<T>(*const T, usize, usize);

/// `c (m x n, row stride c_rs) = [c +] a (m x k) b (k x n)`
///
/// # Safety
/// The matrices lie in live memory that nobody else writes, and `c` is initialised if added to.
unsafe fn product<T: GemmScalar>(
    size: [usize; 3],
    a: Matrix<T>,
    b: Matrix<T>,
    c: *mut T,
    c_rs: usize,
    accumulate: bool,
) {
    let [m, n, k] = size;
    let job = Gemm {
        m,
        n,
        k,
        a: a.0,
        a_rs: a.1 as isize,
        a_cs: a.2 as isize,
        b: b.0,
        b_rs: b.1 as isize,
        b_cs: b.2 as isize,
        c,
        c_rs: c_rs as isize,
        alpha: <T as Real>::ONE,
        accumulate,
        epilogue: Epilogue::None,
    };
    // SAFETY: the caller's contract.
    unsafe { gemm(&job) };
}

/// `y = w * x + bias`
pub(super) fn forward<T: GemmScalar>(g: &Geometry, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (rows, image, out, block) = (g.rows(), g.ci * g.in_len(), g.out_len(), g.block());
    if bias.is_some() || rows == 0 {
        fill_bias(y, bias, out);
    }
    if rows == 0 || y.is_empty() {
        return;
    }
    let (blocks, pointwise) = (out.div_ceil(block), g.pointwise());
    let to = SendPtr(y.as_mut_ptr());
    let tasks = y.len() / (g.co * out) * blocks;
    each_task(tasks, if pointwise { 0 } else { rows * block }, |t, columns| {
        let (s, p) = (t / blocks, t % blocks * block);
        let p = p..(p + block).min(out);
        let (x, w) = (&x[s * image..][..image], &w[s % g.groups * g.co * rows..][..g.co * rows]);
        let b = if pointwise {
            Matrix(x.as_ptr(), out, 1)
        } else {
            columns_of(g, x, &p, columns);
            Matrix(columns.as_ptr(), p.len(), 1)
        };
        // SAFETY: tasks write disjoint columns of `y`; the operands are slices of the sizes given.
        unsafe {
            let c = to.get().add(s * g.co * out + p.start);
            product([g.co, p.len(), rows], Matrix(w.as_ptr(), rows, 1), b, c, out, bias.is_some());
        }
    });
}

/// Gradient of the input, and the transposed convolution: `x = w^T y + bias`
pub(super) fn input_gradient<T: GemmScalar>(g: &Geometry, y: &[T], w: &[T], bias: Option<&[T]>, x: &mut [T]) {
    let (rows, image, out, block) = (g.rows(), g.ci * g.in_len(), g.out_len(), g.block());
    fill_bias(x, bias, g.in_len());
    if g.co == 0 || out == 0 || x.is_empty() || rows == 0 {
        return;
    }
    let to = SendPtr(x.as_mut_ptr());
    let pointwise = g.pointwise();
    each_task(x.len() / image, if pointwise { 0 } else { rows * block }, |s, columns| {
        let (y, w) = (&y[s * g.co * out..][..g.co * out], &w[s % g.groups * g.co * rows..][..g.co * rows]);
        for start in (0..out).step_by(block) {
            let p = start..(start + block).min(out);
            let (c, c_rs) = if pointwise {
                // SAFETY: this task's image.
                (unsafe { to.get().add(s * image) }, out)
            } else {
                (columns.as_mut_ptr(), p.len())
            };
            let b = Matrix(y[p.start..].as_ptr(), out, 1);
            // SAFETY: the target is this task's image or its scratch; the operands are slices of the sizes given.
            unsafe {
                product([rows, p.len(), g.co], Matrix(w.as_ptr(), 1, rows), b, c, c_rs, pointwise && bias.is_some())
            };
            if pointwise {
                continue;
            }
            let chunks = pool::split(rows * p.len(), GRAIN).min(g.ci);
            let columns = &*columns;
            pool::for_each_chunk(chunks, |i| {
                let r = pool::range(g.ci, chunks, i);
                // SAFETY: chunks have disjoint channels of this task's image.
                let x = unsafe { part(to, s * image + r.start * g.in_len(), r.len() * g.in_len()) };
                g.columns_to_image(&columns[r.start * g.taps() * p.len()..], p.clone(), x);
            });
        }
    });
}

/// Gradient of the weight: `w = sum over samples of y x^T`
pub(super) fn weight_gradient<T: GemmScalar>(g: &Geometry, y: &[T], x: &[T], w: &mut [T]) {
    let (rows, image, out, block) = (g.rows(), g.ci * g.in_len(), g.out_len(), g.block());
    if y.is_empty() || x.is_empty() || w.is_empty() {
        return w.fill(T::ZERO);
    }
    let samples = x.len() / (image * g.groups);
    // Samples are summed in a few parts side by side where the sums are small, and the parts added in order.
    let parts = ((1 << 21) / w.len()).clamp(1, samples.min(16));
    let mut sums = vec![T::ZERO; if parts > 1 { parts * w.len() } else { 0 }];
    let to = SendPtr(if parts > 1 { sums.as_mut_ptr() } else { w.as_mut_ptr() });
    let pointwise = g.pointwise();
    each_task(parts * g.groups, if pointwise { 0 } else { rows * block }, |t, columns| {
        // SAFETY: every task has its own group of its own part.
        let c = unsafe { part(to, t * g.co * rows, g.co * rows) };
        c.fill(T::ZERO);
        for s in pool::range(samples, parts, t / g.groups).map(|n| n * g.groups + t % g.groups) {
            let (x, y) = (&x[s * image..][..image], &y[s * g.co * out..][..g.co * out]);
            for start in (0..out).step_by(block) {
                let p = start..(start + block).min(out);
                let b = if pointwise {
                    Matrix(x.as_ptr(), 1, out)
                } else {
                    columns_of(g, x, &p, columns);
                    Matrix(columns.as_ptr(), 1, p.len())
                };
                let a = Matrix(y[p.start..].as_ptr(), out, 1);
                // SAFETY: `c` is this task's; the operands are slices of the sizes given.
                unsafe { product([g.co, rows, p.len()], a, b, c.as_mut_ptr(), rows, true) };
            }
        }
    });
    if parts > 1 {
        w.copy_from_slice(&sums[..w.len()]);
        for part in sums.chunks_exact(w.len()).skip(1) {
            w.iter_mut().zip(part).for_each(|(w, v)| *w += *v);
        }
    }
}
