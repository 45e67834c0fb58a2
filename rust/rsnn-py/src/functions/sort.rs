//! Sorting, selections, unique and searches.
use crate::prelude::*;
use rsnn_ops::{Result, Tensor, sort as ops};

fn pair(f: impl FnOnce() -> Result<(Tensor, Tensor)>) -> Outs {
    run_all(|| f().map(|(a, b)| vec![a, b]))
}

/// [values, indices]
#[pyfunction]
#[pyo3(signature = (x, dim=-1, descending=false))]
fn sort(x: In, dim: i64, descending: bool) -> Outs {
    pair(|| ops::sort(&x, dim, descending))
}

#[pyfunction]
#[pyo3(signature = (x, dim=-1, descending=false))]
fn argsort(x: In, dim: i64, descending: bool) -> Out {
    run(|| ops::argsort(&x, dim, descending))
}

/// [values, indices], in order.
#[pyfunction]
#[pyo3(signature = (x, k, dim=-1, largest=true))]
fn topk(x: In, k: i64, dim: i64, largest: bool) -> Outs {
    pair(|| ops::topk(&x, k, dim, largest))
}

#[pyfunction]
#[pyo3(signature = (x, k, dim=-1, keepdim=false))]
fn kthvalue(x: In, k: i64, dim: i64, keepdim: bool) -> Outs {
    pair(|| ops::kthvalue(&x, k, dim, keepdim))
}

macro_rules! selections {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dim=-1, keepdim=false))]
        fn $name(x: In, dim: i64, keepdim: bool) -> Outs {
            pair(|| ops::$name(&x, dim, keepdim))
        }
    )* };
}
selections!(median, nanmedian, mode);

#[pyfunction]
fn median_all(x: In) -> Out {
    run(|| ops::median_all(&x))
}

#[pyfunction]
fn nanmedian_all(x: In) -> Out {
    run(|| ops::nanmedian_all(&x))
}

/// [values], then inverse and counts where asked for.
#[pyfunction]
#[pyo3(signature = (x, dim=None, inverse=false, counts=false))]
fn unique(x: In, dim: Option<i64>, inverse: bool, counts: bool) -> Outs {
    run_all(|| ops::unique(&x, dim, inverse, counts))
}

/// [values], then inverse and counts where asked for.
#[pyfunction]
#[pyo3(signature = (x, dim=None, inverse=false, counts=false))]
fn unique_consecutive(x: In, dim: Option<i64>, inverse: bool, counts: bool) -> Outs {
    run_all(|| ops::unique_consecutive(&x, dim, inverse, counts))
}

#[pyfunction]
#[pyo3(signature = (sorted_sequence, values, right=false, out_int32=false, sorter=None))]
fn searchsorted(sorted_sequence: In, values: In, right: bool, out_int32: bool, sorter: Option<In>) -> Out {
    run(|| ops::searchsorted(&sorted_sequence, &values, right, out_int32, opt(&sorter)))
}

#[pyfunction]
#[pyo3(signature = (x, boundaries, right=false, out_int32=false))]
fn bucketize(x: In, boundaries: In, right: bool, out_int32: bool) -> Out {
    run(|| ops::bucketize(&x, &boundaries, right, out_int32))
}

#[pyfunction]
#[pyo3(signature = (x, weights=None, minlength=0))]
fn bincount(x: In, weights: Option<In>, minlength: i64) -> Out {
    run(|| ops::bincount(&x, opt(&weights), minlength))
}

#[pyfunction]
#[pyo3(signature = (x, bins=100, low=0.0, high=0.0))]
fn histc(x: In, bins: i64, low: f64, high: f64) -> Out {
    run(|| ops::histc(&x, bins, low, high))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, sort, argsort, topk, kthvalue, median, nanmedian, mode, median_all, nanmedian_all);
    functions!(m, unique, unique_consecutive, searchsorted, bucketize, bincount, histc);
    Ok(())
}
