//! DLPack both ways: capsules with and without a version, as the DLPack 1.0 headers lay them out.
use crate::prelude::*;
use crate::tensor::PyTensor;
use pyo3::exceptions::{PyBufferError, PyRuntimeError};
use pyo3::ffi;
use rsnn_core::{Data, Layout, Storage, Strides};
use rsnn_ops::tensor::Body;
use rsnn_ops::{DType, Device, Tensor};
use std::ffi::{CStr, c_void};
use std::sync::Arc;

const CPU: i32 = 1;
const FLAG_READ_ONLY: u64 = 1;
const FLAG_COPIED: u64 = 2;
const PLAIN: &CStr = c"dltensor";
const PLAIN_USED: &CStr = c"used_dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const VERSIONED_USED: &CStr = c"used_dltensor_versioned";

#[repr(C)]
#[derive(Clone, Copy)]
struct DlDevice {
    kind: i32,
    index: i32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct DlType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: DlDevice,
    ndim: i32,
    dtype: DlType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

#[repr(C)]
struct ManagedVersioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedVersioned)>,
    flags: u64,
    tensor: DlTensor,
}

fn type_of(d: DType) -> DlType {
    let code = match d {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => 0,
        DType::U8 => 1,
        DType::F16 | DType::F32 | DType::F64 => 2,
        DType::BF16 => 4,
        DType::Bool => 6,
    };
    DlType { code, bits: (d.size() * 8) as u8, lanes: 1 }
}

/// What a capsule owns: the tensor whose memory it shows, with sizes in DLPack's integers.
struct Export<M> {
    managed: M,
    _tensor: Tensor,
    _sizes: Vec<i64>,
}

fn describe(t: &Tensor, sizes: &mut [i64]) -> DlTensor {
    let (shape, strides) = sizes.split_at_mut(t.ndim());
    DlTensor {
        data: rsnn_core::dispatch!(all, t.dtype(), T => t.ptr::<T>().cast::<c_void>()),
        device: DlDevice { kind: CPU, index: 0 },
        ndim: t.ndim() as i32,
        dtype: type_of(t.dtype()),
        shape: shape.as_mut_ptr(),
        strides: strides.as_mut_ptr(),
        byte_offset: 0,
    }
}

fn export<M>(t: &Tensor, make: impl FnOnce(DlTensor) -> M) -> Box<Export<M>> {
    let mut sizes: Vec<i64> = t.shape().iter().map(|&d| d as i64).collect();
    // A dimension of size 1 or 0 may have any stride; readers that compare them expect the usual ones.
    sizes.extend(t.strides().iter().zip(t.shape()).map(|(&s, &d)| if d < 2 { 1 } else { s as i64 }));
    let tensor = describe(t, &mut sizes);
    Box::new(Export { managed: make(tensor), _tensor: t.detach(), _sizes: sizes })
}

unsafe extern "C" fn drop_plain(m: *mut Managed) {
    // SAFETY: the context is the box that `to_capsule` leaked, and a deleter is called once.
    drop(unsafe { Box::from_raw((*m).context.cast::<Export<Managed>>()) });
}

unsafe extern "C" fn drop_versioned(m: *mut ManagedVersioned) {
    // SAFETY: as above.
    drop(unsafe { Box::from_raw((*m).context.cast::<Export<ManagedVersioned>>()) });
}

/// Runs when a capsule that nobody consumed dies.
unsafe extern "C" fn discard(capsule: *mut ffi::PyObject) {
    // SAFETY: a capsule of that name holds that struct; Python calls the destructor once, with the GIL held.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, PLAIN.as_ptr()) == 1 {
            let m = ffi::PyCapsule_GetPointer(capsule, PLAIN.as_ptr()).cast::<Managed>();
            if let Some(deleter) = (*m).deleter {
                deleter(m);
            }
        } else if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) == 1 {
            let m = ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast::<ManagedVersioned>();
            if let Some(deleter) = (*m).deleter {
                deleter(m);
            }
        }
    }
}

fn capsule(py: Python<'_>, pointer: *mut c_void, name: &'static CStr) -> PyResult<Py<PyAny>> {
    // SAFETY: the pointer is not null, the name lives for ever, and `discard` knows what the name stands for.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyCapsule_New(pointer, name.as_ptr(), Some(discard))) }
        .map(Bound::unbind)
}

/// A capsule that shows the memory of a CPU tensor.
#[pyfunction]
fn to_dlpack(py: Python<'_>, x: In, versioned: bool, copied: bool) -> PyResult<Py<PyAny>> {
    if x.device() != Device::Cpu {
        return Err(PyBufferError::new_err(format!(
            "__dlpack__: got a tensor on {}, whose memory DLPack cannot show, expected one on the cpu",
            x.device()
        )));
    }
    if !versioned {
        let boxed = export(&x, |tensor| Managed { tensor, context: std::ptr::null_mut(), deleter: Some(drop_plain) });
        let raw = Box::into_raw(boxed);
        // SAFETY: the box was just leaked; its context is the box itself, which `drop_plain` takes back.
        let managed = unsafe {
            (*raw).managed.context = raw.cast::<c_void>();
            &raw mut (*raw).managed
        };
        return capsule(py, managed.cast::<c_void>(), PLAIN);
    }
    let boxed = export(&x, |tensor| ManagedVersioned {
        major: 1,
        minor: 0,
        context: std::ptr::null_mut(),
        deleter: Some(drop_versioned),
        flags: if copied { FLAG_COPIED } else { 0 },
        tensor,
    });
    let raw = Box::into_raw(boxed);
    // SAFETY: as above, with `drop_versioned`.
    let managed = unsafe {
        (*raw).managed.context = raw.cast::<c_void>();
        &raw mut (*raw).managed
    };
    capsule(py, managed.cast::<c_void>(), VERSIONED)
}

/// Foreign memory and how to give it back.
enum Foreign {
    Plain(*mut Managed),
    Versioned(*mut ManagedVersioned),
}

// SAFETY: DLPack's deleters may be called from any thread.
unsafe impl Send for Foreign {}
// SAFETY: the pointer is only used by `drop`.
unsafe impl Sync for Foreign {}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: the producer's struct lives until its deleter runs, which happens here and only here.
        unsafe {
            match *self {
                Foreign::Plain(m) => {
                    if let Some(deleter) = (*m).deleter {
                        deleter(m);
                    }
                }
                Foreign::Versioned(m) => {
                    if let Some(deleter) = (*m).deleter {
                        deleter(m);
                    }
                }
            }
        }
    }
}

/// Takes the struct out of a capsule, which is renamed so that nobody takes it again; also its flags.
fn consume(capsule: &Bound<'_, PyAny>) -> PyResult<(Foreign, u64)> {
    let p = capsule.as_ptr();
    // SAFETY: `IsValid` checks type and name; the pointer of a capsule of that name is that struct.
    unsafe {
        if ffi::PyCapsule_IsValid(p, VERSIONED.as_ptr()) == 1 {
            let m = ffi::PyCapsule_GetPointer(p, VERSIONED.as_ptr()).cast::<ManagedVersioned>();
            if (*m).major != 1 {
                let (major, minor) = ((*m).major, (*m).minor);
                return Err(PyBufferError::new_err(format!("from_dlpack: got DLPack {major}.{minor}, expected 1.x")));
            }
            ffi::PyCapsule_SetName(p, VERSIONED_USED.as_ptr());
            return Ok((Foreign::Versioned(m), (*m).flags));
        }
        if ffi::PyCapsule_IsValid(p, PLAIN.as_ptr()) == 1 {
            let m = ffi::PyCapsule_GetPointer(p, PLAIN.as_ptr()).cast::<Managed>();
            ffi::PyCapsule_SetName(p, PLAIN_USED.as_ptr());
            return Ok((Foreign::Plain(m), 0));
        }
    }
    Err(PyRuntimeError::new_err(
        "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have already constructed a tensor from it once.",
    ))
}

/// Layout and dtype of foreign memory, checked, and the address of its first element.
fn read(t: &DlTensor) -> PyResult<(Layout, DType, *mut u8)> {
    if t.device.kind != CPU {
        return Err(PyBufferError::new_err(format!(
            "from_dlpack: got memory on DLPack device type {}, expected the cpu (1)",
            t.device.kind
        )));
    }
    let found = DType::ALL.iter().copied().find(|&d| type_of(d) == t.dtype);
    let Some(dtype) = found else {
        let DlType { code, bits, lanes } = t.dtype;
        return Err(PyBufferError::new_err(format!(
            "Unsupported DLPack dtype: code {code}, {bits} bits, {lanes} lanes"
        )));
    };
    let n =
        usize::try_from(t.ndim).map_err(|_| PyBufferError::new_err("from_dlpack: negative number of dimensions"))?;
    let numbers = |p: *const i64| -> &[i64] {
        // SAFETY: DLPack promises `ndim` numbers wherever the pointer is not null.
        if n == 0 || p.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(p, n) } }
    };
    let shape: Option<Vec<usize>> = numbers(t.shape).iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.filter(|s| s.len() == n).ok_or_else(|| PyBufferError::new_err("from_dlpack: invalid shape"))?;
    guard(|| rsnn_core::checked_numel(&shape))?;
    let strides: Strides = if n > 0 && t.strides.is_null() {
        rsnn_core::contiguous_strides(&shape)
    } else {
        numbers(t.strides).iter().map(|&s| s as isize).collect()
    };
    if strides.iter().zip(&shape).any(|(&s, &d)| d > 1 && s < 0) {
        return Err(PyBufferError::new_err("from_dlpack: negative strides are not supported; make a copy first"));
    }
    let strides = strides.iter().map(|&s| s.max(0)).collect();
    let start = (t.data as usize).wrapping_add(t.byte_offset as usize);
    if !start.is_multiple_of(dtype.size()) {
        return Err(PyBufferError::new_err("from_dlpack: memory is not aligned to its dtype"));
    }
    Ok((Layout { shape: shape.into(), strides, offset: 0 }, dtype, start as *mut u8))
}

/// A tensor over the memory that a capsule shows, and whether that memory is read-only.
#[pyfunction]
fn from_dlpack_capsule(capsule: &Bound<'_, PyAny>) -> PyResult<(Ret, bool)> {
    let (owner, flags) = consume(capsule)?;
    // SAFETY: the struct lives as long as `owner`.
    let tensor = unsafe {
        match owner {
            Foreign::Plain(m) => &raw const (*m).tensor,
            Foreign::Versioned(m) => &raw const (*m).tensor,
        }
    };
    // SAFETY: as above.
    let (layout, dtype, ptr) = read(unsafe { &*tensor })?;
    let read_only = flags & FLAG_READ_ONLY != 0;
    if layout.numel() == 0 {
        let empty = guard(|| Tensor::empty(&layout.shape, dtype, Device::Cpu))?;
        return Ok((Ret(empty), read_only));
    }
    let bytes = layout.end() * dtype.size();
    let storage = Storage::new(Data::Borrowed { ptr, _owner: Box::new(owner) }, bytes);
    let t = Tensor::from_body(Body::new(Arc::new(storage), dtype, layout));
    Ok((Ret(t), read_only))
}

/// (device type, index) in DLPack's numbers: cpu, or WebGPU for what wgpu runs.
#[pyfunction]
fn dlpack_device(x: &Bound<'_, PyTensor>) -> PyResult<(i32, u32)> {
    match x.get().tensor().device() {
        Device::Cpu => Ok((CPU, 0)),
        Device::Gpu(index) => Ok((15, index)),
    }
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, to_dlpack, from_dlpack_capsule, dlpack_device);
    Ok(())
}
