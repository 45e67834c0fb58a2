//! Python data to tensors and back: nested sequences, buffers, array interfaces, lists, numbers.
use crate::dtype::PyDType;
use crate::prelude::*;
use crate::raise::raise;
use crate::tensor::PyTensor;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySequence, PyString};
use rsnn_core::{Data, Element, Storage, dispatch};
use rsnn_ops::tensor::Body;
use rsnn_ops::{DType, Device, Tensor};
use std::sync::Arc;

pub use rsnn_ops::elementwise::default_dtype;

#[pyfunction]
fn get_default_dtype(py: Python<'_>) -> PyResult<Py<PyDType>> {
    crate::dtype::object(py, default_dtype())
}

#[pyfunction]
fn set_default_dtype(d: PyDType) -> PyResult<()> {
    if !d.0.is_float() {
        return Err(PyTypeError::new_err("only floating-point types are supported as the default type"));
    }
    rsnn_ops::elementwise::set_default_dtype(d.0);
    Ok(())
}

enum Leaf {
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Leaf {
    /// Whether an integer dtype can hold the number; an unsigned one takes negative numbers modulo its range.
    fn fits(&self, dtype: DType) -> bool {
        let bits = 8 * dtype.size() as i32;
        let (low, high) = match dtype {
            DType::U8 => (-255.0, 256.0),
            d if d.is_int() => (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1)),
            _ => return true,
        };
        match *self {
            Leaf::Bool(_) => true,
            Leaf::Int(i) => dtype == DType::I64 || (low..high).contains(&(i as f64)),
            // An infinity or NaN is in no range.
            Leaf::Float(f) => (low..high).contains(&f.trunc()),
        }
    }
}

/// Leaves of nested sequences in order, with the shape they imply.
struct Nested {
    shape: Vec<usize>,
    leaves: Vec<Leaf>,
    /// What the caller asked for.
    dtype: Option<DType>,
}

impl Nested {
    fn read(&mut self, obj: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        if let Some(leaf) = leaf(obj)? {
            if depth != self.shape.len() {
                return Err(PyTypeError::new_err("not a sequence"));
            }
            self.leaves.push(leaf);
            return Ok(());
        }
        if obj.is_instance_of::<PyString>() {
            return Err(if depth > 0 {
                PyValueError::new_err("too many dimensions 'str'")
            } else {
                PyTypeError::new_err("new(): invalid data type 'str'")
            });
        }
        let Ok(items) = obj.cast::<PySequence>() else {
            let got = obj.get_type().name()?;
            return Err(match self.dtype {
                Some(_) => PyTypeError::new_err(format!("new(): invalid data type '{got}'")),
                None => PyRuntimeError::new_err(format!("Could not infer dtype of {got}")),
            });
        };
        let n = items.len()?;
        if self.leaves.is_empty() && depth == self.shape.len() {
            self.shape.push(n);
        } else if depth >= self.shape.len() {
            return Err(PyTypeError::new_err("only integer tensors of a single element can be converted to an index"));
        } else if self.shape[depth] != n {
            return Err(PyValueError::new_err(format!(
                "expected sequence of length {} at dim {depth} (got {n})",
                self.shape[depth]
            )));
        }
        if depth > 64 {
            return Err(PyValueError::new_err("too many dimensions"));
        }
        for i in 0..n {
            self.read(&items.get_item(i)?, depth + 1)?;
        }
        Ok(())
    }
}

fn leaf(obj: &Bound<'_, PyAny>) -> PyResult<Option<Leaf>> {
    if let Ok(f) = obj.cast::<PyFloat>() {
        return Ok(Some(Leaf::Float(f.value())));
    }
    if let Ok(b) = obj.cast::<PyBool>() {
        return Ok(Some(Leaf::Bool(b.is_true())));
    }
    if let Ok(i) = obj.cast::<PyInt>() {
        return i.extract::<i64>().map(|i| Some(Leaf::Int(i))).map_err(|_| {
            PyValueError::new_err("Overflow when unpacking long long: value cannot be converted to int64")
        });
    }
    if let Ok(t) = obj.cast::<PyTensor>() {
        let t = t.get().tensor();
        if t.ndim() > 0 {
            return Ok(None);
        }
        let (d, v) = (t.dtype(), t.item().map_err(raise)?);
        return Ok(Some(match d {
            DType::Bool => Leaf::Bool(v != 0.0),
            d if d.is_float() => Leaf::Float(v),
            _ => Leaf::Int(t.item_i64().map_err(raise)?),
        }));
    }
    match number(obj)? {
        Some(t) if t.dtype().is_float() => Ok(Some(Leaf::Float(t.item().map_err(raise)?))),
        Some(t) if t.dtype() == DType::Bool => Ok(Some(Leaf::Bool(t.item().map_err(raise)? != 0.0))),
        Some(t) => Ok(Some(Leaf::Int(t.item_i64().map_err(raise)?))),
        None => Ok(None),
    }
}

/// A new CPU tensor with a copy of Python data.
pub fn from_data(obj: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Tensor> {
    if let Ok(t) = obj.cast::<PyTensor>() {
        let t = t.get().tensor().detach();
        return guard(|| rsnn_ops::copy::cast(&t, dtype.unwrap_or(t.dtype())));
    }
    if obj.hasattr("__array_interface__")? {
        let t = from_array(obj)?;
        return guard(|| rsnn_ops::copy::cast(&t, dtype.unwrap_or(t.dtype())));
    }
    let mut nested = Nested { shape: vec![], leaves: vec![], dtype };
    nested.read(obj, 0)?;
    let Nested { shape, leaves, .. } = nested;
    let found = if leaves.iter().any(|l| matches!(l, Leaf::Float(_))) || leaves.is_empty() {
        default_dtype()
    } else if leaves.iter().any(|l| matches!(l, Leaf::Int(_))) {
        DType::I64
    } else {
        DType::Bool
    };
    let dtype = dtype.unwrap_or(found);
    if !leaves.iter().all(|l| l.fits(dtype)) {
        let text = format!("value cannot be converted to type {} without overflow", dtype.name());
        return Err(PyRuntimeError::new_err(text));
    }
    let t = guard(|| Tensor::empty(&shape, dtype, Device::Cpu))?;
    dispatch!(all, dtype, T => {
        for (slot, l) in t.as_mut_slice::<T>().iter_mut().zip(&leaves) {
            *slot = match *l {
                Leaf::Bool(b) => T::from_i64(i64::from(b)),
                Leaf::Int(i) => T::from_i64(i),
                Leaf::Float(f) => T::from_f64(f),
            };
        }
    });
    Ok(t)
}

#[pyfunction]
#[pyo3(signature = (data, dtype=None))]
fn tensor(data: &Bound<'_, PyAny>, dtype: Option<PyDType>) -> Out {
    from_data(data, dtype.map(|d| d.0)).map(Ret)
}

fn typestr(d: DType) -> PyResult<&'static str> {
    Ok(match d {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::BF16 => return Err(PyTypeError::new_err("Got unsupported ScalarType BFloat16")),
    })
}

/// The array interface of a CPU tensor: address, shape, strides in bytes.
#[pyfunction]
fn array_interface<'py>(py: Python<'py>, x: In) -> PyResult<Bound<'py, PyDict>> {
    if x.device() != Device::Cpu {
        return Err(PyTypeError::new_err(format!(
            "can't convert {} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
            x.device()
        )));
    }
    let d = PyDict::new(py);
    let size = x.dtype().size();
    d.set_item("version", 3)?;
    d.set_item("typestr", typestr(x.dtype())?)?;
    d.set_item("shape", pyo3::types::PyTuple::new(py, x.shape())?)?;
    d.set_item("strides", pyo3::types::PyTuple::new(py, x.strides().iter().map(|s| s * size as isize))?)?;
    d.set_item("data", (x.storage().ptr() as usize + x.layout().offset * size, false))?;
    Ok(d)
}

/// Keeps a Python object alive as long as a storage borrows its memory.
struct Owner(#[allow(dead_code)] Py<PyAny>);

/// A tensor over the memory of an object with an array interface (a numpy array).
pub fn from_array(obj: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let i = obj.getattr("__array_interface__")?;
    let kind: String = i.get_item("typestr")?.extract()?;
    let dtype = DType::ALL.iter().copied().find(|&d| typestr(d).is_ok_and(|t| t[1..] == kind[1..]));
    let Some(dtype) = dtype.filter(|_| !kind.starts_with('>')) else {
        return Err(PyTypeError::new_err(format!(
            "can't convert np.ndarray of type {kind}. The only supported types are: float64, float32, float16, int64, int32, int16, int8, uint8, and bool."
        )));
    };
    let shape: Vec<usize> = i.get_item("shape")?.extract()?;
    let size = dtype.size() as isize;
    let strides: Option<Vec<isize>> = i.get_item("strides").ok().and_then(|s| s.extract().ok());
    let strides: rsnn_core::Strides = match strides {
        None => rsnn_core::contiguous_strides(&shape),
        Some(s) => {
            if s.iter().zip(&shape).any(|(&s, &d)| d > 1 && (s < 0 || s % size != 0)) {
                return Err(PyValueError::new_err(
                    "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. (You can probably work around this by making a copy of your array  with array.copy().)",
                ));
            }
            s.iter().map(|s| s.max(&0) / size).collect()
        }
    };
    let (address, _read_only): (usize, bool) = i.get_item("data")?.extract()?;
    let layout = rsnn_core::Layout { shape: shape.into(), strides, offset: 0 };
    let bytes = layout.end() * dtype.size();
    let owner = Box::new(Owner(obj.clone().unbind()));
    let storage = Storage::new(Data::Borrowed { ptr: address as *mut u8, _owner: owner }, bytes);
    let storage = storage.for_inference(rsnn_ops::autograd::is_inference());
    Ok(Tensor::from_body(Body::new(Arc::new(storage), dtype, layout)))
}

#[pyfunction]
fn from_numpy(array: &Bound<'_, PyAny>) -> Out {
    if !array.hasattr("__array_interface__")? || array.hasattr("item")? && array.cast::<PyTensor>().is_ok() {
        return Err(PyTypeError::new_err(format!("expected np.ndarray (got {})", array.get_type().name()?)));
    }
    from_array(array).map(Ret)
}

/// A 1-d tensor over (or with a copy of) the bytes of a buffer.
#[pyfunction]
#[pyo3(signature = (buffer, dtype, copy=true, offset=0, count=-1))]
fn frombuffer(buffer: &Bound<'_, PyAny>, dtype: PyDType, copy: bool, offset: usize, count: i64) -> Out {
    let view = pyo3::buffer::PyBuffer::<u8>::get(buffer)
        .map_err(|_| PyValueError::new_err("frombuffer: expected an object with a contiguous byte buffer"))?;
    let size = dtype.0.size();
    let have = view.len_bytes();
    if offset > have || !view.is_c_contiguous() {
        return Err(PyValueError::new_err(format!(
            "offset ({offset} bytes) must be non-negative and no greater than buffer length ({have} bytes) - 1"
        )));
    }
    if count < 0 && !(have - offset).is_multiple_of(size) {
        return Err(PyValueError::new_err(format!(
            "buffer length ({have} bytes) after offset ({offset} bytes) must be a multiple of element size ({size})"
        )));
    }
    let n = if count < 0 { (have - offset) / size } else { count as usize };
    if n.checked_mul(size).is_none_or(|b| b > have - offset) {
        return Err(PyValueError::new_err(format!(
            "requested buffer length ({n} * {size} bytes) after offset ({offset} bytes) must not be greater than actual buffer length ({have} bytes)"
        )));
    }
    let start = view.buf_ptr() as usize + offset;
    if copy || !start.is_multiple_of(size) {
        let t = guard(|| Tensor::empty(&[n], dtype.0, Device::Cpu))?;
        // SAFETY: `n * size` bytes are there on both sides.
        unsafe { std::ptr::copy_nonoverlapping(start as *const u8, t.ptr::<u8>(), n * size) };
        return Ok(Ret(t));
    }
    let owner = Box::new(Owner(buffer.clone().unbind()));
    let storage = Storage::new(Data::Borrowed { ptr: start as *mut u8, _owner: owner }, n * size);
    let storage = storage.for_inference(rsnn_ops::autograd::is_inference());
    let layout = rsnn_core::Layout::contiguous(&[n]);
    Ok(Ret(Tensor::from_body(Body::new(Arc::new(storage), dtype.0, layout))))
}

/// All bytes of the storage of a CPU tensor.
#[pyfunction]
fn storage_bytes<'py>(py: Python<'py>, x: In) -> PyResult<Bound<'py, PyBytes>> {
    let cpu = guard(|| rsnn_ops::device::to_device(&x, Device::Cpu))?;
    let s = cpu.storage();
    if s.bytes() == 0 {
        return Ok(PyBytes::new(py, &[]));
    }
    // SAFETY: the storage holds that many bytes and stays alive here.
    Ok(PyBytes::new(py, unsafe { std::slice::from_raw_parts(s.ptr(), s.bytes()) }))
}

/// The only element as a Python number.
#[pyfunction]
fn item<'py>(py: Python<'py>, x: In) -> PyResult<Bound<'py, PyAny>> {
    Ok(match x.dtype() {
        DType::Bool => PyBool::new(py, guard(|| x.item())? != 0.0).to_owned().into_any(),
        d if d.is_float() => PyFloat::new(py, guard(|| x.item())?).into_any(),
        _ => guard(|| x.item_i64())?.into_pyobject(py)?.into_any(),
    })
}

/// Nested lists of Python numbers.
#[pyfunction]
fn tolist<'py>(py: Python<'py>, x: In) -> PyResult<Bound<'py, PyAny>> {
    let x = guard(|| rsnn_ops::copy::contiguous(&rsnn_ops::device::to_device(&x, Device::Cpu)?))?;
    fn build<'py, T: Element>(py: Python<'py>, shape: &[usize], data: &[T]) -> PyResult<Bound<'py, PyAny>> {
        let Some((&n, rest)) = shape.split_first() else {
            return Ok(match T::DTYPE {
                DType::Bool => PyBool::new(py, data[0].to_i64() != 0).to_owned().into_any(),
                d if d.is_float() => PyFloat::new(py, data[0].to_f64()).into_any(),
                _ => data[0].to_i64().into_pyobject(py)?.into_any(),
            });
        };
        let step: usize = rest.iter().product();
        let items: PyResult<Vec<_>> = (0..n).map(|i| build(py, rest, &data[i * step..(i + 1) * step])).collect();
        Ok(PyList::new(py, items?)?.into_any())
    }
    dispatch!(all, x.dtype(), T => build(py, x.shape(), x.as_slice::<T>()))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(
        m,
        get_default_dtype,
        set_default_dtype,
        tensor,
        array_interface,
        from_numpy,
        frombuffer,
        storage_bytes,
        item,
        tolist
    );
    Ok(())
}
