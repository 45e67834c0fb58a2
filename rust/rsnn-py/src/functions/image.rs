//! Resizing and sampling of images, and distances between rows.
use crate::prelude::*;

#[pyfunction]
pub fn interpolate(
    x: In,
    mode: &str,
    sizes: Vec<i64>,
    scales: Vec<Option<f64>>,
    align_corners: bool,
    antialias: bool,
) -> Out {
    run(|| rsnn_ops::interpolate::interpolate(&x, mode, &sizes, &scales, align_corners, antialias))
}
#[pyfunction]
pub fn grid_sample(x: In, grid: In, mode: &str, padding_mode: &str, align_corners: bool) -> Out {
    run(|| rsnn_ops::grid_sample::grid_sample(&x, &grid, mode, padding_mode, align_corners))
}
#[pyfunction]
pub fn pdist(x: In, p: f64) -> Out {
    run(|| rsnn_ops::pdist::pdist(&x, p))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, interpolate, grid_sample, pdist);
    Ok(())
}
