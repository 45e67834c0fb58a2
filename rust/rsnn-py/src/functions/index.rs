//! Indexing, masks, triangles, embedding.
use crate::dtype::PyDType;
use crate::prelude::*;
use rsnn_ops::{embedding as emb, index as ops, masked, triangular};

#[pyfunction]
fn gather(x: In, dim: i64, index: In) -> Out {
    run(|| ops::gather(&x, dim, &index))
}

fn scattered(x: &In, dim: i64, index: &In, src: &In) -> rsnn_ops::Result<rsnn_ops::Tensor> {
    if src.is_number() { ops::scatter_value(x, dim, index, src) } else { ops::scatter(x, dim, index, src) }
}

/// `src` may be a number.
#[pyfunction]
fn scatter(x: In, dim: i64, index: In, src: In) -> Out {
    run(|| scattered(&x, dim, &index, &src))
}

#[pyfunction]
fn scatter_add(x: In, dim: i64, index: In, src: In) -> Out {
    run(|| ops::scatter_add(&x, dim, &index, &src))
}

#[pyfunction]
#[pyo3(signature = (x, dim, index, src, reduce, include_self=true))]
fn scatter_reduce(x: In, dim: i64, index: In, src: In, reduce: &str, include_self: bool) -> Out {
    run(|| ops::scatter_reduce(&x, dim, &index, &src, reduce, include_self))
}

#[pyfunction]
fn index_select(x: In, dim: i64, index: In) -> Out {
    run(|| ops::index_select(&x, dim, &index))
}

#[pyfunction]
#[pyo3(signature = (x, dim, index, source, alpha=1.0))]
fn index_add(x: In, dim: i64, index: In, source: In, alpha: f64) -> Out {
    run(|| ops::index_add(&x, dim, &index, &source, alpha))
}

#[pyfunction]
fn index_copy(x: In, dim: i64, index: In, source: In) -> Out {
    run(|| ops::index_copy(&x, dim, &index, &source))
}

#[pyfunction]
fn index_fill(x: In, dim: i64, index: In, value: In) -> Out {
    run(|| ops::index_fill(&x, dim, &index, &value))
}

fn slots(indices: Vec<Option<In>>) -> Vec<Option<rsnn_ops::Tensor>> {
    indices.into_iter().map(|i| i.map(|i| i.0)).collect()
}

#[pyfunction]
fn index(x: In, indices: Vec<Option<In>>) -> Out {
    run(|| ops::index(&x, &slots(indices)))
}

#[pyfunction]
#[pyo3(signature = (x, indices, values, accumulate=false))]
fn index_put(x: In, indices: Vec<Option<In>>, values: In, accumulate: bool) -> Out {
    run(|| ops::index_put(&x, &slots(indices), &values, accumulate))
}

#[pyfunction]
#[pyo3(signature = (x, indices, values, accumulate=false))]
fn index_put_(x: In, indices: Vec<Option<In>>, values: In, accumulate: bool) -> Out {
    run(|| {
        ops::index_put_(&x, &slots(indices), &values, accumulate)?;
        Ok(x.0)
    })
}

#[pyfunction]
fn take(x: In, index: In) -> Out {
    run(|| ops::take(&x, &index))
}

#[pyfunction]
#[pyo3(signature = (x, index, source, accumulate=false))]
fn put(x: In, index: In, source: In, accumulate: bool) -> Out {
    run(|| ops::put(&x, &index, &source, accumulate))
}

#[pyfunction]
fn masked_fill(x: In, mask: In, value: In) -> Out {
    run(|| masked::masked_fill(&x, &mask, &value))
}

#[pyfunction]
fn masked_fill_(x: In, mask: In, value: In) -> Out {
    run(|| {
        masked::masked_fill_(&x, &mask, &value)?;
        Ok(x.0)
    })
}

#[pyfunction]
fn masked_select(x: In, mask: In) -> Out {
    run(|| masked::masked_select(&x, &mask))
}

#[pyfunction]
fn masked_scatter(x: In, mask: In, source: In) -> Out {
    run(|| masked::masked_scatter(&x, &mask, &source))
}

#[pyfunction]
fn nonzero(x: In) -> Out {
    run(|| masked::nonzero(&x))
}

/// One tensor of coordinates per dimension.
#[pyfunction]
fn nonzero_tuple(x: In) -> Outs {
    run_all(|| masked::nonzero_tuple(&x))
}

#[pyfunction]
#[pyo3(signature = (x, diagonal=0))]
fn tril(x: In, diagonal: i64) -> Out {
    run(|| triangular::tril(&x, diagonal))
}

#[pyfunction]
#[pyo3(signature = (x, diagonal=0))]
fn triu(x: In, diagonal: i64) -> Out {
    run(|| triangular::triu(&x, diagonal))
}

#[pyfunction]
#[pyo3(signature = (row, col, offset, dtype, device=None))]
fn tril_indices(row: i64, col: i64, offset: i64, dtype: PyDType, device: Option<&Bound<'_, PyAny>>) -> Out {
    let device = crate::dtype::device(device)?;
    run(|| triangular::tril_indices(row, col, offset, dtype.0, device))
}

#[pyfunction]
#[pyo3(signature = (row, col, offset, dtype, device=None))]
fn triu_indices(row: i64, col: i64, offset: i64, dtype: PyDType, device: Option<&Bound<'_, PyAny>>) -> Out {
    let device = crate::dtype::device(device)?;
    run(|| triangular::triu_indices(row, col, offset, dtype.0, device))
}

#[pyfunction]
#[pyo3(signature = (weight, indices, padding_idx=None))]
fn embedding(weight: In, indices: In, padding_idx: Option<i64>) -> Out {
    run(|| emb::embedding(&weight, &indices, padding_idx))
}

#[pyfunction]
fn embedding_renorm_(weight: In, indices: In, max_norm: f64, norm_type: f64) -> Out {
    run(|| {
        emb::embedding_renorm_(&weight, &indices, max_norm, norm_type)?;
        Ok(weight.0)
    })
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        gather,
        scatter,
        scatter_add,
        scatter_reduce,
        index_select,
        index_add,
        index_copy,
        index_fill,
        index,
        index_put,
        index_put_,
        take,
        put,
        masked_fill,
        masked_fill_,
        masked_select,
        masked_scatter,
        nonzero,
        nonzero_tuple,
        tril,
        triu,
        tril_indices,
        triu_indices,
        embedding,
        embedding_renorm_,
    );
    Ok(())
}
