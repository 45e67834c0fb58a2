//! Reading and writing by index: rows (index_select and kin), one index per element (gather, scatter), advanced indexing.
mod advanced;
mod along;
pub(crate) mod kernel;
mod rows;
#[cfg(test)]
mod tests;

pub use advanced::{index, index_put, index_put_, put, take};
pub use along::{gather, scatter, scatter_add, scatter_reduce, scatter_value};
pub(crate) use rows::{add_rows_into, copy_rows_into};
pub use rows::{index_add, index_copy, index_fill, index_select};

use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Result, bail, ensure};

/// An index tensor as contiguous int64 without history.
pub(crate) fn ids(op: &str, index: &Tensor) -> Result<Tensor> {
    ensure!(
        index.device() == Device::Cpu,
        NotImplemented,
        "{op}: no kernel for device gpu; move the inputs with .cpu()"
    );
    let index = index.detach();
    if index.dtype() == DType::I64 { crate::copy::contiguous(&index) } else { crate::copy::cast(&index, DType::I64) }
}

/// Indices in `-size..size` turned into `0..size`; the same tensor when none was negative.
pub(crate) fn wrapped(ids: &Tensor, dim: usize, size: usize) -> Result<Tensor> {
    if kernel::out_of_bounds(ids.as_slice(), size).is_none() {
        return Ok(ids.clone());
    }
    let n = size as i64;
    let out = Tensor::empty(ids.shape(), DType::I64, Device::Cpu)?;
    for (o, &i) in out.as_mut_slice::<i64>().iter_mut().zip(ids.as_slice::<i64>()) {
        if i < -n || i >= n {
            bail!(Index, "index {i} is out of bounds for dimension {dim} with size {size}");
        }
        *o = if i < 0 { i + n } else { i };
    }
    Ok(out)
}

/// A number or 0-d tensor as a 0-d tensor of `dtype`.
pub(crate) fn scalar_as(value: &Tensor, dtype: DType) -> Result<Tensor> {
    if value.dtype().is_float() && !dtype.is_float() && dtype != DType::Bool {
        let v = value.item()?;
        ensure!(
            v.is_finite() && v.abs() < 9.3e18,
            Runtime,
            "value cannot be converted to type {} without overflow",
            c_name(dtype)
        );
    }
    crate::copy::to_dtype(value, dtype)
}

/// The C++ type that torch's other errors name.
pub(crate) fn cpp_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "unsigned char",
        DType::I8 => "signed char",
        DType::I16 => "short int",
        DType::I32 => "int",
        DType::I64 => "long int",
        DType::F16 => "c10::Half",
        DType::BF16 => "c10::BFloat16",
        DType::F32 => "float",
        DType::F64 => "double",
    }
}

/// The C++ type that torch's conversion errors name.
pub fn c_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 => "uint8_t",
        DType::I8 => "int8_t",
        DType::I16 => "int16_t",
        DType::I32 => "int",
        DType::I64 => "int64_t",
        DType::F16 => "at::Half",
        DType::BF16 => "at::BFloat16",
        DType::F32 => "float",
        DType::F64 => "double",
    }
}
