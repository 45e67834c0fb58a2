//! torch's type promotion: dimensioned tensors rule, then 0-d tensors, then Python numbers, by category.
use crate::tensor::Tensor;
use rsnn_core::DType;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

static DEFAULT: AtomicU8 = AtomicU8::new(u8::MAX);

/// The dtype of new floating point tensors, and of integers that an op turns into floats.
pub fn default_dtype() -> DType {
    DType::ALL.get(usize::from(DEFAULT.load(Relaxed))).copied().unwrap_or(DType::F32)
}

/// Sets `default_dtype`; the caller has checked that it is a floating point type.
pub fn set_default_dtype(dtype: DType) {
    DEFAULT.store(DType::ALL.iter().position(|&d| d == dtype).unwrap_or(usize::from(u8::MAX)) as u8, Relaxed);
}

fn combine(higher: Option<DType>, lower: Option<DType>) -> Option<DType> {
    match (higher, lower) {
        (Some(h), Some(l)) if h.category() < l.category() => {
            Some(if h == DType::Bool || l.is_float() { h.promote(l) } else { h })
        }
        (Some(h), _) => Some(h),
        (None, l) => l,
    }
}

/// The dtype that an op over `tensors` computes in.
pub fn result_type<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> DType {
    let mut ranks: [Option<DType>; 3] = [None; 3];
    for t in tensors {
        let rank = if t.is_number() { 2 } else { usize::from(t.ndim() == 0) };
        ranks[rank] = Some(ranks[rank].map_or(t.dtype(), |d| d.promote(t.dtype())));
    }
    // A Python float is no wider than the default dtype unless a tensor asks for more.
    if ranks[2] == Some(DType::F64) {
        ranks[2] = Some(default_dtype());
    }
    combine(ranks[0], combine(ranks[1], ranks[2])).unwrap_or_else(default_dtype)
}

/// The common dtype of two operands.
#[inline]
pub fn common(a: &Tensor, b: &Tensor) -> DType {
    if a.dtype() == b.dtype() && !a.is_number() && !b.is_number() { a.dtype() } else { result_type([a, b]) }
}
