//! Joining, splitting and rearranging.
use crate::prelude::*;
use rsnn_ops::{blocks, flip as rearrange, join as ops};

#[pyfunction]
#[pyo3(signature = (tensors, dim=0))]
fn cat(tensors: Several, dim: i64) -> Out {
    run(|| ops::cat(&tensors.0, dim))
}

#[pyfunction]
#[pyo3(signature = (tensors, dim=0))]
fn stack(tensors: Several, dim: i64) -> Out {
    run(|| ops::stack(&tensors.0, dim))
}

#[pyfunction]
#[pyo3(signature = (x, size, dim=0))]
fn split(x: In, size: i64, dim: i64) -> Outs {
    run_all(|| ops::split(&x, size, dim))
}

#[pyfunction]
#[pyo3(signature = (x, sizes, dim=0))]
fn split_with_sizes(x: In, sizes: Vec<i64>, dim: i64) -> Outs {
    run_all(|| ops::split_with_sizes(&x, &sizes, dim))
}

#[pyfunction]
#[pyo3(signature = (x, chunks, dim=0))]
fn chunk(x: In, chunks: i64, dim: i64) -> Outs {
    run_all(|| ops::chunk(&x, chunks, dim))
}

#[pyfunction]
#[pyo3(signature = (x, dim=0))]
fn unbind(x: In, dim: i64) -> Outs {
    run_all(|| ops::unbind(&x, dim))
}

#[pyfunction]
fn flip(x: In, dims: Vec<i64>) -> Out {
    run(|| rearrange::flip(&x, &dims))
}

#[pyfunction]
#[pyo3(signature = (x, shifts, dims=vec![]))]
fn roll(x: In, shifts: Vec<i64>, dims: Vec<i64>) -> Out {
    run(|| rearrange::roll(&x, &shifts, &dims))
}

#[pyfunction]
fn repeat(x: In, sizes: Vec<i64>) -> Out {
    run(|| rearrange::repeat(&x, &sizes))
}

#[pyfunction]
fn tile(x: In, sizes: Vec<i64>) -> Out {
    run(|| rearrange::tile(&x, &sizes))
}

/// `repeats` is an int or a tensor.
#[pyfunction]
#[pyo3(signature = (x, repeats, dim=None, output_size=None))]
fn repeat_interleave(x: In, repeats: In, dim: Option<i64>, output_size: Option<i64>) -> Out {
    run(|| rearrange::repeat_interleave_tensor(&x, &repeats, dim, output_size))
}

/// Each position as often as `repeats` says.
#[pyfunction]
fn interleave_index(repeats: In) -> Out {
    run(|| rearrange::interleave_index(&repeats))
}

/// Widths of the last dimension come first.
#[pyfunction]
#[pyo3(signature = (x, widths, mode, value=None))]
fn pad(x: In, widths: Vec<i64>, mode: &str, value: Option<In>) -> Out {
    run(|| rsnn_ops::pad::pad(&x, &widths, mode, opt(&value)))
}

#[pyfunction]
fn im2col(x: In, kernel: [i64; 2], dilation: [i64; 2], padding: [i64; 2], stride: [i64; 2]) -> Out {
    run(|| blocks::unfold(&x, kernel, dilation, padding, stride))
}

#[pyfunction]
fn col2im(x: In, size: [i64; 2], kernel: [i64; 2], dilation: [i64; 2], padding: [i64; 2], stride: [i64; 2]) -> Out {
    run(|| blocks::fold(&x, size, kernel, dilation, padding, stride))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        cat,
        stack,
        split,
        split_with_sizes,
        chunk,
        unbind,
        flip,
        roll,
        repeat,
        tile,
        repeat_interleave,
        interleave_index,
        pad,
        im2col,
        col2im,
    );
    Ok(())
}
