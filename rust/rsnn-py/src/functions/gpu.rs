//! GPUs: how many, their names, and waiting for one.
use crate::prelude::*;
use rsnn_ops::gpu;

#[pyfunction]
fn gpu_device_count() -> PyResult<usize> {
    guard(|| Ok(gpu::device_count()))
}

#[pyfunction]
fn gpu_device_name(index: usize) -> PyResult<String> {
    guard(|| gpu::device_name(index))
}

#[pyfunction]
fn gpu_synchronize(index: usize) -> PyResult<()> {
    guard(|| gpu::synchronize(index))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, gpu_device_count, gpu_device_name, gpu_synchronize);
    Ok(())
}
