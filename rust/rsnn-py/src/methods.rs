//! Views, copies, fills and in-place arithmetic as plain functions; torch's signatures are put on them in Python.
use crate::dtype::{PyDType, device};
use crate::prelude::*;
use crate::tensor::unsigned;
use rsnn_ops::elementwise::{self, Binary};
use rsnn_ops::{DType, Error, copy, fill, reduce, view};

fn kind(name: &str) -> rsnn_ops::Result<Binary> {
    use rsnn_ops::Op;
    Binary::ALL
        .into_iter()
        .find(|b| b.name() == name)
        .ok_or_else(|| Error::NotImplemented(format!("{name}: no such binary op")))
}

#[pyfunction]
fn binary(name: &str, a: In, b: In) -> Out {
    run(|| rsnn_ops::apply(kind(name)?, &[a.0, b.0]))
}
#[pyfunction]
fn binary_(name: &str, a: In, b: In) -> Out {
    run(|| elementwise::binary_(kind(name)?, &a, &b).map(|()| a.0))
}
#[pyfunction]
fn binary_names() -> Vec<&'static str> {
    use rsnn_ops::Op;
    Binary::ALL.iter().map(|b| b.name()).collect()
}
#[pyfunction]
fn add(a: In, b: In) -> Out {
    run(|| elementwise::add(&a, &b))
}
#[pyfunction]
fn mul(a: In, b: In) -> Out {
    run(|| elementwise::mul(&a, &b))
}
#[pyfunction]
fn lerp(a: In, b: In, weight: f64) -> Out {
    run(|| elementwise::lerp(&a, &b, weight))
}
#[pyfunction]
fn addcmul(x: In, a: In, b: In, value: f64) -> Out {
    run(|| elementwise::addcmul(&x, &a, &b, value))
}
#[pyfunction]
fn matmul(a: Only, b: Only) -> Out {
    run(|| rsnn_ops::matmul::matmul(&a, &b))
}
#[pyfunction]
fn where_(c: In, a: In, b: In) -> Out {
    run(|| rsnn_ops::select::where_(&c, &a, &b))
}
#[pyfunction]
#[pyo3(signature = (x, dims, keepdim=false, dtype=None))]
fn sum(x: In, dims: Vec<i64>, keepdim: bool, dtype: Option<PyDType>) -> Out {
    run(|| reduce::sum(&x, &dims, keepdim, dtype.map(|d| d.0)))
}
#[pyfunction]
fn expand(x: In, shape: Vec<i64>) -> Out {
    run(|| {
        let lead = shape.len().saturating_sub(x.ndim());
        let mut out = vec![];
        for (i, &d) in shape.iter().enumerate() {
            out.push(match d {
                -1 if i < lead => {
                    rsnn_core::bail!(
                        Runtime,
                        "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                    )
                }
                -1 => x.shape()[i - lead],
                d if d < 0 => rsnn_core::bail!(Runtime, "expand: invalid size {d} at dimension {i}"),
                d => d as usize,
            });
        }
        view::expand(&x, &out)
    })
}
#[pyfunction]
fn narrow(x: In, dim: i64, start: i64, length: i64) -> Out {
    run(|| view::narrow(&x, dim, start, length))
}
#[pyfunction]
fn select(x: In, dim: i64, index: i64) -> Out {
    run(|| view::select(&x, dim, index))
}
#[pyfunction]
#[pyo3(signature = (x, dims=None))]
fn squeeze(x: In, dims: Option<Vec<i64>>) -> Out {
    run(|| view::squeeze(&x, dims.as_deref()))
}
#[pyfunction]
fn diagonal(x: In, offset: i64, dim1: i64, dim2: i64) -> Out {
    run(|| view::diagonal(&x, offset, dim1, dim2))
}
#[pyfunction]
fn unfold(x: In, dim: i64, size: i64, step: i64) -> Out {
    run(|| view::unfold(&x, dim, size, step))
}
#[pyfunction]
#[pyo3(signature = (x, size, stride, offset=None))]
fn as_strided(x: In, size: Vec<i64>, stride: Vec<i64>, offset: Option<i64>) -> Out {
    run(|| view::as_strided(&x, &size, &stride, offset))
}
#[pyfunction]
fn alias(x: In) -> Out {
    run(|| Ok(view::alias(&x)))
}
#[pyfunction]
fn clone(x: In) -> Out {
    run(|| copy::clone(&x))
}
#[pyfunction]
fn contiguous(x: In) -> Out {
    run(|| copy::to_contiguous(&x))
}
#[pyfunction]
fn to_dtype(x: In, dtype: PyDType) -> Out {
    run(|| copy::to_dtype(&x, dtype.0))
}
#[pyfunction]
fn to_device(x: In, to: &Bound<'_, PyAny>) -> Out {
    let d = device(Some(to))?;
    run(|| rsnn_ops::device::to(&x, d))
}
#[pyfunction]
fn copy_(dst: In, src: In) -> Out {
    run(|| copy::copy_(&dst, &src).map(|()| dst.0))
}
/// `x` takes the value and history of `value`: the in-place form of any op.
#[pyfunction]
fn assign(x: In, value: In) -> Out {
    run(|| rsnn_ops::autograd::assign(&x, &value).map(|()| x.0))
}
#[pyfunction]
fn fill_(x: In, value: f64) -> Out {
    run(|| fill::fill_(&x, value).map(|()| x.0))
}
#[pyfunction]
#[pyo3(signature = (shape, dtype, dev=None))]
fn empty(shape: Vec<i64>, dtype: PyDType, dev: Option<&Bound<'_, PyAny>>) -> Out {
    let (shape, dev) = (unsigned(&shape)?, device(dev)?);
    run(|| rsnn_ops::Tensor::empty(&shape, dtype.0, dev))
}
#[pyfunction]
#[pyo3(signature = (shape, value, dtype, dev=None))]
fn full(shape: Vec<i64>, value: f64, dtype: PyDType, dev: Option<&Bound<'_, PyAny>>) -> Out {
    let (shape, dev) = (unsigned(&shape)?, device(dev)?);
    run(|| fill::full(&shape, value, dtype.0, dev))
}
#[pyfunction]
#[pyo3(signature = (x, dtype, dev=None))]
fn empty_like(x: In, dtype: PyDType, dev: Option<&Bound<'_, PyAny>>) -> Out {
    let dev = device(dev)?;
    run(|| rsnn_ops::pointwise::empty_like(&x, dtype.0, dev))
}
#[pyfunction]
#[pyo3(signature = (x, value, dtype, dev=None))]
fn full_like(x: In, value: f64, dtype: PyDType, dev: Option<&Bound<'_, PyAny>>) -> Out {
    let dev = device(dev)?;
    run(|| fill::full_like(&x, value, dtype.0, dev))
}
#[pyfunction]
fn arange(start: f64, end: f64, step: f64, dtype: PyDType) -> Out {
    run(|| fill::arange(start, end, step, dtype.0))
}
#[pyfunction]
fn linspace(start: f64, end: f64, steps: usize, dtype: PyDType) -> Out {
    run(|| fill::linspace(start, end, steps, dtype.0))
}
#[pyfunction]
fn result_type(py: Python<'_>, xs: Vec<In>) -> PyResult<Py<PyDType>> {
    crate::dtype::object(py, elementwise::result_type(xs.iter().map(|x| &x.0)))
}
#[pyfunction]
fn promote_types(py: Python<'_>, a: PyDType, b: PyDType) -> PyResult<Py<PyDType>> {
    crate::dtype::object(py, DType::promote(a.0, b.0))
}
#[pyfunction]
fn same_storage(a: In, b: In) -> bool {
    std::sync::Arc::ptr_eq(a.storage(), b.storage())
}
#[pyfunction]
fn bump_version(x: In) {
    x.bump_version();
}
/// Makes `x` an empty view of nothing with new sizes over fresh storage (`resize_` that keeps what fits).
#[pyfunction]
fn resize_(x: In, shape: Vec<i64>) -> Out {
    let shape = unsigned(&shape)?;
    run(|| {
        rsnn_ops::autograd::check_inplace(&x)?;
        let n = rsnn_core::checked_numel(&shape)?;
        let have = x.storage().bytes() / x.dtype().size();
        let mut body = x.body().clone();
        if n + body.layout.offset > have {
            let fresh = rsnn_ops::Tensor::empty(&[n], x.dtype(), x.device())?;
            let old = x.alias(rsnn_core::Layout {
                offset: x.layout().offset,
                ..rsnn_core::Layout::contiguous(&[have - x.layout().offset])
            });
            copy::copy_into(&old, &view::slice(&fresh, 0, 0, old.numel(), 1))?;
            body = fresh.body().clone();
        }
        body.layout = rsnn_core::Layout { offset: body.layout.offset, ..rsnn_core::Layout::contiguous(&shape) };
        // SAFETY: the GIL is held, and native code that released it works on its own handles.
        unsafe { x.set_body(body) };
        Ok(x.0)
    })
}
/// `x` drops its history and becomes a leaf.
#[pyfunction]
fn detach_(x: In) -> Out {
    run(|| {
        rsnn_ops::autograd::forget(&x)?;
        Ok(x.0)
    })
}
/// `x` takes the layout and history of `y`, a view of it: in-place transpose, squeeze and the like.
#[pyfunction]
fn become_view(x: In, y: In) -> Out {
    run(|| {
        rsnn_ops::autograd::check_inplace(&x)?;
        // SAFETY: the GIL is held, and native code that released it works on its own handles.
        unsafe { x.set_body(y.body().clone()) };
        rsnn_ops::autograd::take_history(&x, &y);
        Ok(x.0)
    })
}
/// The bytes of contiguous `x` read as another dtype.
#[pyfunction]
fn reinterpret(x: In, shape: Vec<i64>, dtype: PyDType) -> Out {
    let shape = unsigned(&shape)?;
    run(|| {
        let start = x.layout().offset * x.dtype().size();
        let fits = rsnn_core::checked_numel(&shape)? * dtype.0.size() == x.numel() * x.dtype().size();
        rsnn_core::ensure!(
            fits && start.is_multiple_of(dtype.0.size()),
            Runtime,
            "view: the bytes of {:?} {} do not make {shape:?} {}",
            x.shape(),
            x.dtype().name(),
            dtype.0.name()
        );
        let layout = rsnn_core::Layout { offset: start / dtype.0.size(), ..rsnn_core::Layout::contiguous(&shape) };
        Ok(rsnn_ops::Tensor::from_body(rsnn_ops::tensor::Body::new(x.storage().clone(), dtype.0, layout)))
    })
}
#[pyfunction]
fn memory_stats() -> Vec<(&'static str, usize)> {
    let s = rsnn_core::memory_stats();
    vec![("live", s.live), ("peak", s.peak), ("cached", s.cached), ("hits", s.hits), ("misses", s.misses)]
}
#[pyfunction]
fn empty_cache() {
    rsnn_core::empty_cache();
}
#[pyfunction]
fn get_num_threads() -> usize {
    rsnn_cpu::pool::num_threads()
}
#[pyfunction]
fn set_num_threads(n: usize) -> PyResult<()> {
    if n == 0 {
        return Err(pyo3::exceptions::PyRuntimeError::new_err("set_num_threads expects a positive integer"));
    }
    rsnn_cpu::pool::set_num_threads(n);
    Ok(())
}
/// Runs fused ops through their definitions from now on; returns the previous setting. For tests.
#[pyfunction]
fn use_define(on: bool) -> bool {
    rsnn_ops::op::set_use_define(on)
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        binary,
        binary_,
        binary_names,
        add,
        mul,
        lerp,
        addcmul,
        matmul,
        where_,
        sum,
        expand,
        narrow,
        select,
        squeeze,
        diagonal,
        unfold,
        as_strided,
        alias,
        clone,
        contiguous,
        to_dtype,
        to_device,
        copy_,
        assign,
        fill_,
        empty,
        full,
        empty_like,
        full_like,
        arange,
        linspace,
        result_type,
        promote_types,
        same_storage,
        bump_version,
        resize_,
        detach_,
        become_view,
        reinterpret,
        memory_stats,
        empty_cache,
        get_num_threads,
        set_num_threads,
        use_define,
    );
    Ok(())
}
