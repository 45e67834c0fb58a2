//! `x[key]` and `x[key] = value`: basic keys become views, tensors and lists become advanced indexing.
use crate::prelude::*;
use crate::raise::raise;
use crate::tensor::PyTensor;
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::types::{PyBool, PyEllipsis, PyInt, PyList, PySlice, PyTuple};
use rsnn_ops::{DType, Tensor, view};

/// What is left of a key after its basic parts were applied as views.
struct Parsed {
    view: Tensor,
    /// One entry per dimension of `view`; empty when there is no advanced part.
    advanced: Vec<Option<Tensor>>,
}

fn index_value(item: &Bound<'_, PyAny>) -> Option<i64> {
    if item.cast::<PyBool>().is_ok() {
        return None;
    }
    if item.cast::<PyInt>().is_ok() {
        return item.extract().ok();
    }
    if let Ok(t) = item.cast::<PyTensor>() {
        let t = t.get().tensor();
        return (t.ndim() == 0 && t.dtype().is_int()).then(|| t.item_i64().ok()).flatten();
    }
    if item.cast::<PyList>().is_ok()
        || item.cast::<PyTuple>().is_ok()
        || item.hasattr("__array_interface__").unwrap_or(false)
    {
        return None;
    }
    item.call_method0("__index__").ok()?.extract().ok()
}

fn slice_of(x: &Tensor, dim: usize, s: &Bound<'_, PySlice>) -> PyResult<Tensor> {
    let size = x.shape()[dim];
    let i = s.indices(size as isize).map_err(|e| {
        if s.to_string().contains(", 0)") { PyValueError::new_err("slice step cannot be zero") } else { e }
    })?;
    if i.step <= 0 {
        return Err(PyValueError::new_err("step must be greater than zero"));
    }
    let start = (i.start.max(0) as usize).min(size);
    Ok(view::slice(x, dim, start, i.slicelength, i.step as usize))
}

fn parse(x: &Tensor, key: &Bound<'_, PyAny>) -> PyResult<Parsed> {
    let items: Vec<Bound<'_, PyAny>> = match key.cast::<PyTuple>() {
        Ok(t) => t.iter().collect(),
        Err(_) => vec![key.clone()],
    };
    let mut used = 0;
    for item in &items {
        if item.is_none() || item.cast::<PyEllipsis>().is_ok() || item.cast::<PyBool>().is_ok() {
            continue;
        }
        used += match item.cast::<PyTensor>() {
            Ok(t) if t.get().tensor().dtype() == DType::Bool => t.get().tensor().ndim(),
            _ => 1,
        };
    }
    if used > x.ndim() {
        return Err(PyIndexError::new_err(if x.ndim() == 0 {
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number".to_string()
        } else {
            format!("too many indices for tensor of dimension {}", x.ndim())
        }));
    }
    let mut y = x.clone();
    let mut dim = 0;
    let mut advanced: Vec<Option<Tensor>> = vec![];
    let mut any = false;
    for (place, item) in items.iter().enumerate() {
        if item.is_none() {
            y = view::unsqueeze(&y, dim as i64).map_err(raise)?;
            advanced.push(None);
            dim += 1;
        } else if item.cast::<PyEllipsis>().is_ok() {
            let skip = x.ndim() - used;
            (0..skip).for_each(|_| advanced.push(None));
            dim += skip;
        } else if let Ok(s) = item.cast::<PySlice>() {
            y = slice_of(&y, dim, s)?;
            advanced.push(None);
            dim += 1;
        } else if let Some(i) = index_value(item) {
            let size = y.shape()[dim] as i64;
            if i < -size || i >= size {
                return Err(PyIndexError::new_err(format!(
                    "index {i} is out of bounds for dimension {place} with size {size}"
                )));
            }
            y = view::select(&y, dim as i64, i).map_err(raise)?;
        } else {
            let t = match item.cast::<PyBool>() {
                Ok(b) => {
                    y = view::unsqueeze(&y, dim as i64).map_err(raise)?;
                    Tensor::from_slice(&[b.is_true()], &[1]).map_err(raise)?
                }
                Err(_) => advanced_item(item)?,
            };
            dim += if t.dtype() == DType::Bool { t.ndim() } else { 1 };
            // A mask of several dimensions stays one entry here; `index` expands it.
            advanced.push(Some(t));
            any = true;
        }
    }
    Ok(Parsed { view: y, advanced: if any { advanced } else { vec![] } })
}

fn advanced_item(item: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let t = match item.cast::<PyTensor>() {
        Ok(t) => t.get().tensor().clone(),
        Err(_) => match item.cast::<PyList>() {
            Ok(l) if l.is_empty() => Tensor::from_slice::<i64>(&[], &[0]).map_err(raise)?,
            _ => crate::convert::from_data(item, None).map_err(|_| {
                PyTypeError::new_err(format!(
                    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})",
                    item.get_type().name().map_or_else(|_| "?".into(), |n| n.to_string())
                ))
            })?,
        },
    };
    match t.dtype() {
        DType::Bool | DType::I64 => Ok(t),
        d if d.is_int() && d != DType::U8 && d != DType::I8 && d != DType::I16 => {
            guard(|| rsnn_ops::copy::cast(&t, DType::I64))
        }
        DType::U8 => guard(|| rsnn_ops::copy::cast(&t, DType::Bool)),
        _ => Err(PyIndexError::new_err("tensors used as indices must be long, int, byte or bool tensors")),
    }
}

pub fn get(x: &Tensor, key: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let p = parse(x, key)?;
    if p.advanced.is_empty() {
        return Ok(if p.view.same(x) { view::alias(x) } else { p.view });
    }
    guard(|| rsnn_ops::index::index(&p.view, &p.advanced))
}

pub fn set(x: &Tensor, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let p = parse(x, key)?;
    let value = match value.extract::<In>() {
        Ok(v) => v.0,
        Err(_) => crate::convert::from_data(value, Some(x.dtype()))?,
    };
    if !p.advanced.is_empty() {
        return guard(|| {
            let masked = p.advanced.iter().flatten().any(|t| t.dtype() == DType::Bool);
            let converts = value.is_number() || masked && value.numel() == 1;
            let value = if converts { rsnn_ops::copy::to_dtype(&value, x.dtype())? } else { value };
            rsnn_ops::index::index_put_(&p.view, &p.advanced, &value, false)
        });
    }
    if value.ndim() == 0 && !value.requires_grad() {
        return guard(|| rsnn_ops::fill::fill_(&p.view, value.item()?));
    }
    // Leading dimensions of size 1 may be dropped from the value, as torch allows.
    let mut v = value;
    while v.ndim() > p.view.ndim() && v.shape()[0] == 1 {
        v = view::select(&v, 0, 0).map_err(raise)?;
    }
    guard(|| rsnn_ops::copy::copy_(&p.view, &v))
}
