//! `rsnn.dtype` and `rsnn.device` objects.
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use rsnn_ops::{DType, Device};

/// An element type, such as `rsnn.float32`.
#[pyclass(frozen, name = "dtype", module = "rsnn", eq, hash, from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PyDType(pub DType);

static DTYPES: PyOnceLock<Vec<Py<PyDType>>> = PyOnceLock::new();

/// The one object of a dtype.
pub fn object(py: Python<'_>, dtype: DType) -> PyResult<Py<PyDType>> {
    let all = DTYPES
        .get_or_try_init(py, || DType::ALL.iter().map(|&d| Py::new(py, PyDType(d))).collect::<PyResult<Vec<_>>>())?;
    let at = DType::ALL.iter().position(|&d| d == dtype).unwrap_or(0);
    Ok(all[at].clone_ref(py))
}

#[pymethods]
impl PyDType {
    fn __repr__(&self) -> String {
        format!("rsnn.{}", self.0.name())
    }
    fn __reduce__(&self) -> String {
        self.0.name().into()
    }
    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_float()
    }
    #[getter]
    fn is_complex(&self) -> bool {
        false
    }
    #[getter]
    fn is_signed(&self) -> bool {
        !matches!(self.0, DType::U8 | DType::Bool)
    }
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }
    /// The name without a prefix, as numpy spells it.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn to_real(slf: Py<Self>) -> Py<Self> {
        slf
    }
}

/// Where a tensor lives: `device("cpu")`, `device("gpu", 1)`. torch's `cuda`, `xpu` and `mps` mean the GPU.
#[pyclass(frozen, name = "device", module = "rsnn", eq, hash, from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PyDevice {
    gpu: bool,
    index: Option<u32>,
}

impl PyDevice {
    pub fn of(device: Device) -> PyDevice {
        match device {
            Device::Cpu => PyDevice { gpu: false, index: None },
            Device::Gpu(i) => PyDevice { gpu: true, index: Some(i) },
        }
    }

    pub fn device(&self) -> Device {
        if self.gpu { Device::Gpu(self.index.unwrap_or(0)) } else { Device::Cpu }
    }
}

#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (device, index=None))]
    fn new(device: &Bound<'_, PyAny>, index: Option<i64>) -> PyResult<PyDevice> {
        let mut d = parse(device)?;
        if let Some(i) = index {
            d.index = Some(u32::try_from(i).map_err(|_| {
                PyRuntimeError::new_err(if i < 0 {
                    "Device index must not be negative"
                } else {
                    "Device index is too large"
                })
            })?);
        }
        Ok(d)
    }
    #[getter(r#type)]
    fn kind(&self) -> &'static str {
        if self.gpu { "gpu" } else { "cpu" }
    }
    #[getter]
    fn index(&self) -> Option<u32> {
        self.index
    }
    fn __repr__(&self) -> String {
        match self.index {
            Some(i) => format!("device(type='{}', index={i})", self.kind()),
            None => format!("device(type='{}')", self.kind()),
        }
    }
    fn __str__(&self) -> String {
        match self.index {
            Some(i) => format!("{}:{i}", self.kind()),
            None => self.kind().into(),
        }
    }
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        (slf.get_type(), (slf.get().__str__(),)).into_pyobject(py)
    }
}

/// A device from a device object, a string or an index.
pub fn parse(obj: &Bound<'_, PyAny>) -> PyResult<PyDevice> {
    if let Ok(d) = obj.cast::<PyDevice>() {
        return Ok(d.get().clone());
    }
    if let Ok(i) = obj.extract::<u32>() {
        return Ok(PyDevice { gpu: true, index: Some(i) });
    }
    let Ok(text) = obj.extract::<String>() else {
        return Err(PyTypeError::new_err(format!(
            "device(): argument 'device' must be str or device, not {}",
            obj.get_type().name()?
        )));
    };
    let (kind, index) = match text.split_once(':') {
        Some((k, i)) => (
            k.to_string(),
            Some(i.parse::<u32>().map_err(|_| PyRuntimeError::new_err(format!("Invalid device string: '{text}'")))?),
        ),
        None => (text.clone(), None),
    };
    match kind.as_str() {
        "cpu" => Ok(PyDevice { gpu: false, index }),
        "gpu" | "cuda" | "xpu" | "mps" => Ok(PyDevice { gpu: true, index }),
        "" => Err(PyRuntimeError::new_err("Device string must not be empty")),
        "meta" => Err(PyNotImplementedError::new_err(
            "device 'meta': rsnn has no tensors without data. Build a module without initial values with \
             rsnn.nn.utils.skip_init, or give one fresh memory with Module.to_empty(device=...)",
        )),
        _ => Err(PyRuntimeError::new_err(format!(
            "Expected one of cpu, gpu, cuda, xpu, mps device type at start of device string: {text}"
        ))),
    }
}

/// An optional device argument; the CPU when absent.
pub fn device(obj: Option<&Bound<'_, PyAny>>) -> PyResult<Device> {
    obj.map_or(Ok(Device::Cpu), |d| Ok(parse(d)?.device()))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDType>()?;
    m.add_class::<PyDevice>()?;
    for d in DType::ALL {
        m.add(d.name(), object(m.py(), d)?)?;
    }
    Ok(())
}
