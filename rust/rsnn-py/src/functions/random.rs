//! Generators and random tensors. Functions take `generator=None` for the default generator.
use crate::dtype::{PyDType, PyDevice};
use crate::prelude::*;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use rsnn_ops::random::{self as ops, Handle};
use rsnn_ops::{DType, Device, Tensor};

/// A source of random numbers with a state of its own.
#[pyclass(frozen, name = "Generator", module = "rsnn")]
pub struct Generator(Handle);

type Gen<'a> = Option<&'a Bound<'a, Generator>>;

fn handle<'a>(generator: Gen<'a>) -> Option<&'a Handle> {
    generator.map(|g| &g.get().0)
}

/// A seed from a Python int in -2^63 .. 2^64; negative ones wrap as in torch.
fn seed_of(seed: &Bound<'_, PyAny>) -> PyResult<u64> {
    if let Ok(s) = seed.extract::<u64>() {
        return Ok(s);
    }
    match seed.extract::<i64>() {
        Ok(s) => Ok(s as u64),
        Err(_) if seed.is_instance_of::<pyo3::types::PyInt>() => {
            Err(PyValueError::new_err("Overflow when unpacking long long"))
        }
        Err(_) => {
            Err(PyRuntimeError::new_err(format!("manual_seed expected a long, but got {}", seed.get_type().name()?)))
        }
    }
}

fn state_of(h: &Handle) -> Out {
    run(|| {
        let bytes = h.lock().state();
        Tensor::from_slice(&bytes, &[bytes.len()])
    })
}

fn restore(h: &Handle, state: &In) -> PyResult<()> {
    if state.dtype() != DType::U8 || state.device() != Device::Cpu {
        return Err(PyTypeError::new_err("RNG state must be a rsnn.ByteTensor"));
    }
    guard(|| ops::set_state(Some(h), rsnn_ops::copy::contiguous(state)?.as_slice()))
}

#[pymethods]
impl Generator {
    #[new]
    #[pyo3(signature = (device=None))]
    fn new(device: Option<&Bound<'_, PyAny>>) -> PyResult<Generator> {
        match crate::dtype::device(device)? {
            Device::Cpu => Ok(Generator(Handle::default())),
            other => Err(pyo3::exceptions::PyNotImplementedError::new_err(format!(
                "Generator: no generator for device {other}; random tensors are drawn on the CPU"
            ))),
        }
    }
    #[getter]
    fn device(&self) -> PyDevice {
        PyDevice::of(Device::Cpu)
    }
    fn manual_seed<'py>(slf: Bound<'py, Self>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        slf.get().0.lock().manual_seed(seed_of(seed)?);
        Ok(slf)
    }
    fn seed(&self) -> u64 {
        self.0.lock().seed()
    }
    fn initial_seed(&self) -> u64 {
        self.0.lock().initial_seed()
    }
    fn get_state(&self) -> Out {
        state_of(&self.0)
    }
    fn set_state<'py>(slf: Bound<'py, Self>, state: In) -> PyResult<Bound<'py, Self>> {
        restore(&slf.get().0, &state)?;
        Ok(slf)
    }
    fn clone_state(&self) -> Generator {
        let copy = self.0.lock().clone();
        Generator(std::sync::Arc::new(parking_lot::Mutex::new(copy)))
    }
}

/// The default generator as an object.
#[pyfunction]
fn default_generator() -> Generator {
    Generator(ops::default_generator().clone())
}

fn fresh(
    shape: Vec<i64>,
    device: Option<&Bound<'_, PyAny>>,
    f: impl FnOnce(&[usize], Device) -> rsnn_ops::Result<Tensor>,
) -> Out {
    let device = crate::dtype::device(device)?;
    let shape = crate::tensor::unsigned(&shape)?;
    run(|| f(&shape, device))
}

#[pyfunction]
#[pyo3(signature = (shape, dtype, device=None, generator=None))]
fn rand(shape: Vec<i64>, dtype: PyDType, device: Option<&Bound<'_, PyAny>>, generator: Gen<'_>) -> Out {
    fresh(shape, device, |s, d| ops::rand(s, dtype.0, d, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (shape, dtype, device=None, generator=None))]
fn randn(shape: Vec<i64>, dtype: PyDType, device: Option<&Bound<'_, PyAny>>, generator: Gen<'_>) -> Out {
    fresh(shape, device, |s, d| ops::randn(s, dtype.0, d, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (low, high, shape, dtype, device=None, generator=None))]
fn randint(
    low: i64,
    high: i64,
    shape: Vec<i64>,
    dtype: PyDType,
    device: Option<&Bound<'_, PyAny>>,
    generator: Gen<'_>,
) -> Out {
    fresh(shape, device, |s, d| ops::randint(low, high, s, dtype.0, d, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (n, dtype, device=None, generator=None))]
fn randperm(n: i64, dtype: PyDType, device: Option<&Bound<'_, PyAny>>, generator: Gen<'_>) -> Out {
    fresh(vec![], device, |_, d| ops::randperm(n, dtype.0, d, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (mean, std, generator=None))]
fn normal(mean: In, std: In, generator: Gen<'_>) -> Out {
    run(|| ops::normal(&mean, &std, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (p, generator=None))]
fn bernoulli(p: In, generator: Gen<'_>) -> Out {
    run(|| ops::bernoulli(&p, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (p, num_samples, replacement=false, generator=None))]
fn multinomial(p: In, num_samples: i64, replacement: bool, generator: Gen<'_>) -> Out {
    run(|| ops::multinomial(&p, num_samples, replacement, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (x, generator=None))]
fn poisson(x: In, generator: Gen<'_>) -> Out {
    run(|| ops::poisson(&x, handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (count, p, generator=None))]
fn binomial(count: In, p: In, generator: Gen<'_>) -> Out {
    run(|| ops::binomial(&count, &p, handle(generator)))
}

fn filled(x: In, f: impl FnOnce(&In) -> rsnn_ops::Result<()>) -> Out {
    run(|| {
        f(&x)?;
        Ok(x.0)
    })
}

/// `p` is a number or a tensor.
#[pyfunction]
#[pyo3(signature = (x, p, generator=None))]
fn bernoulli_(x: In, p: In, generator: Gen<'_>) -> Out {
    filled(x, |x| match p.is_number() {
        true => ops::bernoulli_(x, p.item()?, handle(generator)),
        false => ops::bernoulli_tensor_(x, &p, handle(generator)),
    })
}

macro_rules! fills {
    ($($name:ident($($arg:ident = $default:literal),*)),* $(,)?) => {$(
        #[pyfunction]
        #[pyo3(signature = (x, $($arg=$default,)* generator=None))]
        fn $name(x: In, $($arg: f64,)* generator: Gen<'_>) -> Out {
            filled(x, |x| ops::$name(x, $($arg,)* handle(generator)))
        }
    )*};
}

fills! {
    uniform_(from = 0.0, to = 1.0),
    normal_(mean = 0.0, std = 1.0),
    exponential_(lambd = 1.0),
    cauchy_(median = 0.0, sigma = 1.0),
    log_normal_(mean = 1.0, std = 2.0),
    geometric_(p = 0.5),
}

/// Without `low` all values of the dtype; without `high` from `low` up.
#[pyfunction]
#[pyo3(signature = (x, low=None, high=None, generator=None))]
fn random_(x: In, low: Option<i64>, high: Option<i64>, generator: Gen<'_>) -> Out {
    filled(x, |x| ops::random_(x, low.map(|low| (low, high)), handle(generator)))
}

#[pyfunction]
#[pyo3(signature = (x, p, generator=None))]
fn dropout(x: In, p: f64, generator: Gen<'_>) -> Out {
    run(|| ops::dropout(&x, p, handle(generator)))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Generator>()?;
    functions!(
        m,
        default_generator,
        rand,
        randn,
        randint,
        randperm,
        normal,
        bernoulli,
        multinomial,
        poisson,
        binomial,
        bernoulli_,
        uniform_,
        normal_,
        exponential_,
        cauchy_,
        log_normal_,
        geometric_,
        random_,
        dropout,
    );
    Ok(())
}
