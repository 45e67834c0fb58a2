//! The Tensor class: identity of Python objects, number slots and the getters that models call most.
use crate::dtype::{PyDType, PyDevice};
use crate::prelude::*;
use crate::raise::raise;
use crate::size::size;
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError};
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyTuple, PyType};
use pyo3::{PyTypeInfo, ffi};
use rsnn_ops::elementwise::{self, Binary};
use rsnn_ops::{Tensor, view};
use std::sync::atomic::Ordering::{Acquire, Release};

/// A multi-dimensional array with autograd.
#[pyclass(frozen, subclass, weakref, dict, name = "Tensor", module = "rsnn")]
pub struct PyTensor {
    tensor: Tensor,
}

impl PyTensor {
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

impl Drop for PyTensor {
    fn drop(&mut self) {
        self.tensor.object().store(std::ptr::null_mut(), Release);
    }
}

/// Ties a tensor to the Python object that wraps it, so that it comes back as the same object.
#[inline(always)]
pub fn remember(t: &Tensor, obj: *mut ffi::PyObject) {
    if t.object().load(Acquire).is_null() {
        t.object().store(obj.cast(), Release);
    }
}

/// The Python object of a tensor: the one it has, or a new one.
pub fn wrap(py: Python<'_>, t: Tensor) -> PyResult<Bound<'_, PyAny>> {
    let obj = t.object().load(Acquire).cast::<ffi::PyObject>();
    if !obj.is_null() {
        // SAFETY: the pointer is cleared when the object dies, and the GIL is held.
        return Ok(unsafe { Bound::from_borrowed_ptr(py, obj) });
    }
    let bound = made(py, PyTensor { tensor: t })?;
    remember(&bound.get().tensor, bound.as_ptr());
    Ok(bound.into_any())
}

/// Where an object of the class Tensor holds its `PyTensor`, counted from its address.
static PLACE: PyOnceLock<usize> = PyOnceLock::new();

/// A new object of the class Tensor. `Bound::new` would give each a dict of its own, which few ever use; without one
/// Python makes it on first use.
fn made(py: Python<'_>, value: PyTensor) -> PyResult<Bound<'_, PyTensor>> {
    let Some(place) = PLACE.get(py) else {
        let bound = Bound::new(py, value)?;
        PLACE.get_or_init(py, || std::ptr::from_ref(bound.get()).addr() - bound.as_ptr().addr());
        return Ok(bound);
    };
    // SAFETY: the allocation is zeroed, which is what the dict and the list of weak references of a new object are; a
    // frozen class that is Send and Sync keeps nothing else beside its value.
    unsafe {
        let object = ffi::PyType_GenericAlloc(PyTensor::type_object_raw(py), 0);
        let bound = Bound::from_owned_ptr_or_err(py, object)?;
        bound.as_ptr().byte_add(*place).cast::<PyTensor>().write(value);
        Ok(bound.cast_into_unchecked())
    }
}

/// Sizes given as one sequence or as separate ints.
pub fn sizes(args: &Bound<'_, PyTuple>) -> PyResult<Vec<i64>> {
    if args.len() == 1
        && let Ok(v) = args.get_item(0)?.extract::<Vec<i64>>()
    {
        return Ok(v);
    }
    args.iter()
        .map(|a| {
            a.extract::<i64>().map_err(|_| {
                PyTypeError::new_err(format!("expected ints or one sequence of ints, got {}", a.get_type()))
            })
        })
        .collect()
}

fn binary(kind: Binary, a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>, swap: bool) -> PyResult<Py<PyAny>> {
    let py = a.py();
    let (Ok(x), Ok(y)) = (a.extract::<In>(), b.extract::<In>()) else {
        return Ok(py.NotImplemented());
    };
    let ins = if swap { [y.0, x.0] } else { [x.0, y.0] };
    let out = guard(|| rsnn_ops::apply(kind, &ins))?;
    Ok(wrap(py, out)?.unbind())
}

/// The root that a Python float asks for as an exponent.
fn root(exponent: &Bound<'_, PyAny>) -> Option<&'static str> {
    let number = exponent.cast::<pyo3::types::PyFloat>().ok()?;
    match number.value() {
        0.5 => Some("sqrt"),
        -0.5 => Some("rsqrt"),
        _ => None,
    }
}

/// An integer to the power of a negative Python int is no integer.
fn refuse_negative_power(x: &Tensor, exponent: &Bound<'_, PyAny>) -> PyResult<()> {
    if !x.dtype().is_float() && exponent.cast::<PyInt>().is_ok_and(|e| e.lt(0).unwrap_or(false)) {
        return Err(PyRuntimeError::new_err("Integers to negative integer powers are not allowed."));
    }
    Ok(())
}

fn in_place(kind: Binary, slf: &Bound<'_, PyTensor>, b: &Bound<'_, PyAny>) -> PyResult<()> {
    let y: In = b.extract()?;
    guard(|| elementwise::binary_(kind, &slf.get().tensor, &y))
}

type Obj = PyResult<Py<PyAny>>;

#[pymethods]
impl PyTensor {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*args, device=None))]
    fn new(
        _cls: &Bound<'_, PyType>,
        args: &Bound<'_, PyTuple>,
        device: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyTensor> {
        let device = crate::dtype::device(device)?;
        let first = args.get_item(0).ok();
        if let (Some(x), 1) = (&first, args.len()) {
            if let Ok(t) = x.cast::<PyTensor>() {
                return Ok(PyTensor { tensor: t.get().tensor.detach() });
            }
            if x.extract::<i64>().is_err() {
                let t = crate::convert::from_data(x, Some(crate::convert::default_dtype()))?;
                return Ok(PyTensor { tensor: guard(|| rsnn_ops::device::to_device(&t, device))? });
            }
        }
        let shape = if args.is_empty() { vec![0] } else { sizes(args)? };
        let shape = unsigned(&shape)?;
        let t = guard(|| Tensor::empty(&shape, crate::convert::default_dtype(), device))?;
        Ok(PyTensor { tensor: t })
    }

    /// An instance of `cls` that shares the data of `data`.
    #[staticmethod]
    #[pyo3(signature = (cls, data, require_grad=false))]
    fn _make_subclass<'py>(cls: &Bound<'py, PyType>, data: In, require_grad: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let alias = Bound::new(py, PyTensor { tensor: data.detach() })?;
        let base = py.get_type::<PyTensor>();
        let obj = base.call_method1("__new__", (cls, alias))?;
        let t = obj.cast::<PyTensor>()?.get();
        remember(&t.tensor, obj.as_ptr());
        guard(|| t.tensor.set_requires_grad(require_grad))?;
        Ok(obj)
    }

    fn __add__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Add, slf.as_any(), o, false)
    }
    fn __radd__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Add, slf.as_any(), o, true)
    }
    fn __sub__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Sub, slf.as_any(), o, false)
    }
    fn __rsub__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Sub, slf.as_any(), o, true)
    }
    fn __mul__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Mul, slf.as_any(), o, false)
    }
    fn __rmul__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Mul, slf.as_any(), o, true)
    }
    fn __truediv__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Div, slf.as_any(), o, false)
    }
    fn __rtruediv__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Div, slf.as_any(), o, true)
    }
    fn __floordiv__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::FloorDivide, slf.as_any(), o, false)
    }
    fn __rfloordiv__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::FloorDivide, slf.as_any(), o, true)
    }
    fn __mod__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Remainder, slf.as_any(), o, false)
    }
    fn __rmod__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::Remainder, slf.as_any(), o, true)
    }
    fn __pow__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>, _modulo: Option<&Bound<'_, PyAny>>) -> Obj {
        // torch's roots: that of -inf is NaN, where a power gives inf.
        if let Some(name) = root(o) {
            let out = guard(|| rsnn_ops::unary::unary(name, &slf.get().tensor, [0.0; 3]))?;
            return Ok(wrap(slf.py(), out)?.unbind());
        }
        refuse_negative_power(&slf.get().tensor, o)?;
        binary(Binary::Pow, slf.as_any(), o, false)
    }
    fn __rpow__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>, _modulo: Option<&Bound<'_, PyAny>>) -> Obj {
        binary(Binary::Pow, slf.as_any(), o, true)
    }
    fn __and__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::BitwiseAnd, slf.as_any(), o, false)
    }
    fn __rand__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::BitwiseAnd, slf.as_any(), o, true)
    }
    fn __or__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::BitwiseOr, slf.as_any(), o, false)
    }
    fn __ror__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::BitwiseOr, slf.as_any(), o, true)
    }
    fn __xor__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::BitwiseXor, slf.as_any(), o, false)
    }
    fn __rxor__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::BitwiseXor, slf.as_any(), o, true)
    }
    fn __lshift__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::ShiftLeft, slf.as_any(), o, false)
    }
    fn __rshift__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        binary(Binary::ShiftRight, slf.as_any(), o, false)
    }
    fn __iadd__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::Add, slf, o)
    }
    fn __isub__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::Sub, slf, o)
    }
    fn __imul__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::Mul, slf, o)
    }
    fn __itruediv__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::Div, slf, o)
    }
    fn __ifloordiv__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::FloorDivide, slf, o)
    }
    fn __imod__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::Remainder, slf, o)
    }
    fn __ipow__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>, _modulo: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        refuse_negative_power(&slf.get().tensor, o)?;
        in_place(Binary::Pow, slf, o)
    }
    fn __iand__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::BitwiseAnd, slf, o)
    }
    fn __ior__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::BitwiseOr, slf, o)
    }
    fn __ixor__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> PyResult<()> {
        in_place(Binary::BitwiseXor, slf, o)
    }
    fn __matmul__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>) -> Obj {
        let py = slf.py();
        let Ok(y) = o.cast::<PyTensor>() else { return Ok(py.NotImplemented()) };
        let out = guard(|| rsnn_ops::matmul::matmul(&slf.get().tensor, &y.get().tensor))?;
        Ok(wrap(py, out)?.unbind())
    }
    fn __neg__(&self) -> Out {
        run(|| elementwise::neg(&self.tensor))
    }
    fn __pos__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if slf.get().tensor.dtype() == rsnn_ops::DType::Bool {
            return Err(PyRuntimeError::new_err("The `+` operator, on a bool tensor is not supported."));
        }
        Ok(slf)
    }
    fn __invert__(&self) -> Out {
        if self.tensor.dtype().is_float() {
            let text = "~ (operator.invert) is only implemented on integer and Boolean-type tensors";
            return Err(PyTypeError::new_err(text));
        }
        run(|| rsnn_ops::unary::test("bitwise_not", &self.tensor))
    }
    fn __abs__(&self) -> Out {
        run(|| rsnn_ops::unary::apply_named("abs", &self.tensor))
    }
    fn __richcmp__(slf: &Bound<'_, Self>, o: &Bound<'_, PyAny>, op: pyo3::basic::CompareOp) -> Obj {
        use pyo3::basic::CompareOp;
        let kind = match op {
            CompareOp::Lt => Binary::Lt,
            CompareOp::Le => Binary::Le,
            CompareOp::Eq => Binary::Eq,
            CompareOp::Ne => Binary::Ne,
            CompareOp::Gt => Binary::Gt,
            CompareOp::Ge => Binary::Ge,
        };
        binary(kind, slf.as_any(), o, false)
    }
    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        slf.as_ptr() as isize >> 4
    }
    fn __len__(&self) -> PyResult<usize> {
        match self.tensor.shape().first() {
            Some(&n) => Ok(n),
            None => Err(PyTypeError::new_err("len() of a 0-d tensor")),
        }
    }
    fn __bool__(&self) -> PyResult<bool> {
        if self.tensor.numel() != 1 {
            let n = self.tensor.numel();
            return Err(PyRuntimeError::new_err(if n == 0 {
                "Boolean value of Tensor with no values is ambiguous"
            } else {
                "Boolean value of Tensor with more than one value is ambiguous"
            }));
        }
        Ok(guard(|| self.tensor.item())? != 0.0)
    }
    fn __getitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> Out {
        crate::indexing::get(&slf.get().tensor, key).map(Ret)
    }
    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        crate::indexing::set(&slf.get().tensor, key, value)
    }
    fn __delitem__(&self, _key: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("Tensor does not support deleting items"))
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        size(py, self.tensor.shape())
    }
    #[pyo3(signature = (dim=None))]
    fn size<'py>(&self, py: Python<'py>, dim: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        match dim {
            None => size(py, self.tensor.shape()),
            Some(d) => {
                if self.tensor.ndim() == 0 {
                    return Err(PyIndexError::new_err(format!(
                        "Dimension specified as {d} but tensor has no dimensions"
                    )));
                }
                let d = self.tensor.dim("size", d).map_err(raise)?;
                Ok(self.tensor.shape()[d].into_pyobject(py)?.into_any())
            }
        }
    }
    #[pyo3(signature = (dim=None))]
    fn stride<'py>(&self, py: Python<'py>, dim: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        match dim {
            None => Ok(PyTuple::new(py, self.tensor.strides())?.into_any()),
            Some(d) => {
                let d = self.tensor.dim("stride", d).map_err(raise)?;
                let s = self.tensor.strides().get(d).copied().unwrap_or(1);
                Ok(s.into_pyobject(py)?.into_any())
            }
        }
    }
    #[getter]
    fn ndim(&self) -> usize {
        self.tensor.ndim()
    }
    fn dim(&self) -> usize {
        self.tensor.ndim()
    }
    fn ndimension(&self) -> usize {
        self.tensor.ndim()
    }
    fn numel(&self) -> usize {
        self.tensor.numel()
    }
    fn nelement(&self) -> usize {
        self.tensor.numel()
    }
    fn element_size(&self) -> usize {
        self.tensor.dtype().size()
    }
    #[getter]
    fn itemsize(&self) -> usize {
        self.tensor.dtype().size()
    }
    #[getter]
    fn nbytes(&self) -> usize {
        self.tensor.numel() * self.tensor.dtype().size()
    }
    #[getter]
    fn dtype(&self, py: Python<'_>) -> PyResult<Py<PyDType>> {
        crate::dtype::object(py, self.tensor.dtype())
    }
    #[getter]
    fn device(&self) -> PyDevice {
        PyDevice::of(self.tensor.device())
    }
    #[getter]
    fn is_cuda(&self) -> bool {
        self.tensor.device() != rsnn_ops::Device::Cpu
    }
    #[getter]
    fn is_cpu(&self) -> bool {
        self.tensor.device() == rsnn_ops::Device::Cpu
    }
    #[getter]
    fn requires_grad(&self) -> bool {
        self.tensor.requires_grad()
    }
    #[setter]
    fn set_requires_grad(&self, on: bool) -> PyResult<()> {
        guard(|| self.tensor.set_requires_grad(on))
    }
    #[pyo3(signature = (requires_grad=true))]
    fn requires_grad_(slf: Bound<'_, Self>, requires_grad: bool) -> PyResult<Bound<'_, Self>> {
        remember(&slf.get().tensor, slf.as_ptr());
        guard(|| slf.get().tensor.set_requires_grad(requires_grad))?;
        Ok(slf)
    }
    #[getter]
    fn is_leaf(&self) -> bool {
        self.tensor.is_leaf()
    }
    #[getter]
    fn grad(&self, py: Python<'_>) -> PyResult<Option<Ret>> {
        let grad = self.tensor.grad();
        if grad.is_none() && !self.tensor.is_leaf() && !self.tensor.autograd().retains_grad {
            let kind = py.get_type::<pyo3::exceptions::PyUserWarning>();
            PyErr::warn(py, &kind, crate::autograd::NOT_A_LEAF, 1)?;
        }
        Ok(grad.map(Ret))
    }
    #[setter]
    fn set_grad(&self, grad: &Bound<'_, PyAny>) -> PyResult<()> {
        crate::autograd::set_grad(&self.tensor, grad)
    }
    #[deleter]
    fn delete_grad(&self) {
        self.tensor.set_grad(None);
    }
    #[getter]
    fn grad_fn(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        crate::autograd::grad_fn(py, &self.tensor)
    }
    #[getter]
    fn data(&self) -> Ret {
        Ret(self.tensor.data())
    }
    #[setter]
    fn set_data(&self, value: In) -> PyResult<()> {
        if self.tensor.requires_grad() && !value.dtype().is_float() {
            return Err(PyRuntimeError::new_err(
                "data set to a tensor that requires gradients must be floating point or complex dtype",
            ));
        }
        // SAFETY: the GIL is held, and native code that released it works on its own handles.
        unsafe { self.tensor.set_data(&value) };
        Ok(())
    }
    #[getter(_version)]
    fn version(&self) -> PyResult<u64> {
        if self.tensor.storage().is_inference() {
            return Err(PyRuntimeError::new_err("Inference tensors do not track version counter."));
        }
        Ok(self.tensor.version())
    }
    fn is_inference(&self) -> bool {
        self.tensor.storage().is_inference()
    }
    #[getter(_base)]
    fn base(&self) -> Option<Ret> {
        self.tensor.autograd().base.clone().map(Ret)
    }
    fn _is_view(&self) -> bool {
        self.tensor.autograd().base.is_some()
    }
    fn storage_offset(&self) -> usize {
        self.tensor.layout().offset
    }
    fn data_ptr(&self) -> usize {
        let start = self.tensor.storage().ptr() as usize;
        if start == 0 { 0 } else { start + self.tensor.layout().offset * self.tensor.dtype().size() }
    }
    fn _storage_key(&self) -> usize {
        std::sync::Arc::as_ptr(self.tensor.storage()) as usize
    }
    fn _storage_nbytes(&self) -> usize {
        self.tensor.storage().bytes()
    }
    fn is_floating_point(&self) -> bool {
        self.tensor.dtype().is_float()
    }
    fn _is_contiguous(&self) -> bool {
        self.tensor.is_contiguous()
    }
    fn detach(&self) -> Ret {
        Ret(self.tensor.detach())
    }
    fn _view(&self, shape: Vec<i64>) -> Out {
        run(|| {
            let shape = view::infer_shape(&shape, self.tensor.numel())?;
            view::view_as_shape(&self.tensor, &shape)
        })
    }
    #[pyo3(signature = (*places, shape=None))]
    fn reshape(&self, places: &Bound<'_, PyTuple>, shape: Option<Vec<i64>>) -> Out {
        let shape = shape.map_or_else(|| sizes(places), Ok)?;
        run(|| view::reshape(&self.tensor, &view::infer_shape(&shape, self.tensor.numel())?))
    }
    fn transpose(&self, dim0: i64, dim1: i64) -> Out {
        run(|| view::transpose(&self.tensor, dim0, dim1))
    }
    #[pyo3(signature = (*places, dims=None))]
    fn permute(&self, places: &Bound<'_, PyTuple>, dims: Option<Vec<i64>>) -> Out {
        let dims = dims.map_or_else(|| sizes(places), Ok)?;
        run(|| view::permute(&self.tensor, &dims))
    }
    fn unsqueeze(&self, dim: i64) -> Out {
        run(|| view::unsqueeze(&self.tensor, dim))
    }
}

/// Sizes that must not be negative.
pub fn unsigned(shape: &[i64]) -> PyResult<Vec<usize>> {
    shape
        .iter()
        .map(|&d| {
            usize::try_from(d).map_err(|_| {
                PyRuntimeError::new_err(format!("Trying to create tensor with negative dimension {d}: {shape:?}"))
            })
        })
        .collect()
}
