//! Products of images with sliding windows: output, gradient of the input, gradient of the weight. Windows are packed straight
//! from the image; no column matrix is built. The order of every sum follows from the shape only.
mod depthwise;
mod few;
mod geometry;
mod product;
mod region;
#[cfg(test)]
mod tests;
mod weight;

pub use geometry::Geometry;
pub use region::View;

use crate::gemm::GemmScalar;
use product::{Job, Target, Weights};

/// A contiguous tensor `[images][channels][space]`.
fn contiguous<T>(ptr: *const T, channels: usize, space: [usize; 3]) -> View<T> {
    let plane: usize = space.iter().product();
    let strides = [channels * plane, plane, space[1] * space[2], space[2], 1].map(|s| s as isize);
    View { ptr, strides }
}

fn target<T>(y: &mut [T], channels: usize, space: [usize; 3]) -> Target<T> {
    let plane: usize = space.iter().product();
    Target { ptr: y.as_mut_ptr(), image: channels * plane, channel: plane, strides: [space[1] * space[2], space[2], 1] }
}

/// `y = w * x + bias`: `w` is `[groups co][ci][kernel]`, `y` is `[images][groups co][output]`.
///
/// # Safety
/// `x` covers `images` images of `groups ci` channels of the geometry's input.
pub unsafe fn forward<T: GemmScalar>(
    g: &Geometry,
    images: usize,
    x: View<T>,
    w: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
) {
    let rows = g.ci * g.taps();
    let weights = Weights { ptr: w.as_ptr(), group: g.co * rows, row: rows, channel: g.taps() };
    let y = target(y, g.groups * g.co, g.output);
    let job = Job {
        window: g.window(),
        kernel_size: g.kernel,
        groups: g.groups,
        images,
        m: g.co,
        channels: g.ci,
        x,
        weights,
        bias,
        y,
    };
    // SAFETY: w and y are slices of the geometry's sizes, x by the caller's contract.
    unsafe { run(job, g.depthwise()) };
}

/// Gradient of the input, and the transposed convolution: `x = w^T y + bias`.
pub fn input_gradient<T: GemmScalar>(g: &Geometry, images: usize, y: &[T], w: &[T], bias: Option<&[T]>, x: &mut [T]) {
    let rows = g.ci * g.taps();
    let from = contiguous(y.as_ptr(), g.groups * g.co, g.output);
    for window in g.transposed_windows(g.depthwise()) {
        let weights = Weights { ptr: w.as_ptr(), group: g.co * rows, row: g.taps(), channel: rows };
        let job = Job {
            window,
            kernel_size: g.kernel,
            groups: g.groups,
            images,
            m: g.ci,
            channels: g.co,
            x: from,
            weights,
            bias,
            y: target(x, g.groups * g.ci, g.input),
        };
        // SAFETY: the slices have the geometry's sizes.
        unsafe { run(job, g.depthwise()) };
    }
}

unsafe fn run<T: GemmScalar>(job: Job<T>, depthwise: bool) {
    let job = Job { window: job.window.flat(job.x.space()), ..job };
    // SAFETY: the caller's contract.
    unsafe {
        match depthwise {
            true => depthwise::run(&job),
            false if few::fits(&job) => few::run(&job),
            false => product::run(&job),
        }
    }
}

/// Gradient of the weight: the sum over images and positions of `y x^T`.
///
/// # Safety
/// `x` covers `images` images of `groups ci` channels of the geometry's input.
pub unsafe fn weight_gradient<T: GemmScalar>(g: &Geometry, images: usize, y: &[T], x: View<T>, w: &mut [T]) {
    if w.is_empty() || y.is_empty() || images == 0 {
        return w.fill(T::ZERO);
    }
    // SAFETY: the caller's contract; nothing is empty.
    unsafe {
        if g.depthwise() { depthwise::weight_gradient(g, images, y, x, w) } else { weight::run(g, images, y, x, w) }
    }
}
