//! Reductions and running reductions. `dims` empty means all dimensions.
use crate::dtype::PyDType;
use crate::prelude::*;
use rsnn_ops::{Result, Tensor, reduce, scan};

fn pair(f: impl FnOnce() -> Result<(Tensor, Tensor)>) -> Outs {
    run_all(|| f().map(|(a, b)| vec![a, b]))
}

macro_rules! with_dtype {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dims, keepdim=false, dtype=None))]
        fn $name(x: In, dims: Vec<i64>, keepdim: bool, dtype: Option<PyDType>) -> Out {
            run(|| reduce::$name(&x, &dims, keepdim, dtype.map(|d| d.0)))
        }
    )* };
}
with_dtype!(mean, nansum, nanmean);

macro_rules! plain {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dims, keepdim=false))]
        fn $name(x: In, dims: Vec<i64>, keepdim: bool) -> Out {
            run(|| reduce::$name(&x, &dims, keepdim))
        }
    )* };
}
plain!(amax, amin, any, all, logsumexp);

macro_rules! places {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dim=None, keepdim=false))]
        fn $name(x: In, dim: Option<i64>, keepdim: bool) -> Out {
            run(|| reduce::$name(&x, dim, keepdim))
        }
    )* };
}
places!(argmax, argmin);

macro_rules! variance {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dims, correction=1.0, keepdim=false))]
        fn $name(x: In, dims: Vec<i64>, correction: f64, keepdim: bool) -> Out {
            run(|| reduce::$name(&x, &dims, correction, keepdim))
        }
    )* };
}
variance!(var, std);

macro_rules! variance_and_mean {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dims, correction=1.0, keepdim=false))]
        fn $name(x: In, dims: Vec<i64>, correction: f64, keepdim: bool) -> Outs {
            pair(|| reduce::$name(&x, &dims, correction, keepdim))
        }
    )* };
}
variance_and_mean!(var_mean, std_mean);

macro_rules! value_and_place {
    ($($name:ident),*) => { $(
        #[pyfunction]
        #[pyo3(signature = (x, dim, keepdim=false))]
        fn $name(x: In, dim: i64, keepdim: bool) -> Outs {
            pair(|| reduce::$name(&x, dim, keepdim))
        }
    )* };
}
value_and_place!(max_dim, min_dim);

/// Largest element of all.
#[pyfunction]
fn max(x: In) -> Out {
    run(|| reduce::max(&x))
}

/// Smallest element of all.
#[pyfunction]
fn min(x: In) -> Out {
    run(|| reduce::min(&x))
}

#[pyfunction]
#[pyo3(signature = (x, dim=None, keepdim=false, dtype=None))]
fn prod(x: In, dim: Option<i64>, keepdim: bool, dtype: Option<PyDType>) -> Out {
    run(|| reduce::prod(&x, dim, keepdim, dtype.map(|d| d.0)))
}

#[pyfunction]
#[pyo3(signature = (x, p, dims, keepdim=false, dtype=None))]
fn norm(x: In, p: f64, dims: Vec<i64>, keepdim: bool, dtype: Option<PyDType>) -> Out {
    run(|| reduce::norm(&x, p, &dims, keepdim, dtype.map(|d| d.0)))
}

#[pyfunction]
fn count_nonzero(x: In, dims: Vec<i64>) -> Out {
    run(|| reduce::count_nonzero(&x, &dims))
}

#[pyfunction]
#[pyo3(signature = (x, dim, dtype=None))]
fn cumsum(x: In, dim: i64, dtype: Option<PyDType>) -> Out {
    run(|| scan::cumsum(&x, dim, dtype.map(|d| d.0)))
}

#[pyfunction]
#[pyo3(signature = (x, dim, dtype=None))]
fn cumprod(x: In, dim: i64, dtype: Option<PyDType>) -> Out {
    run(|| scan::cumprod(&x, dim, dtype.map(|d| d.0)))
}

#[pyfunction]
fn cummax(x: In, dim: i64) -> Outs {
    pair(|| scan::cummax(&x, dim))
}

#[pyfunction]
fn cummin(x: In, dim: i64) -> Outs {
    pair(|| scan::cummin(&x, dim))
}

#[pyfunction]
fn logcumsumexp(x: In, dim: i64) -> Out {
    run(|| scan::logcumsumexp(&x, dim))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        mean,
        nansum,
        nanmean,
        amax,
        amin,
        any,
        all,
        logsumexp,
        argmax,
        argmin,
        var,
        self::std,
        var_mean,
        std_mean
    );
    functions!(m, max, min, max_dim, min_dim, prod, norm, count_nonzero);
    functions!(m, cumsum, cumprod, cummax, cummin, logcumsumexp);
    Ok(())
}
