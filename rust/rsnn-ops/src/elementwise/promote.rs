//! torch's type promotion: dimensioned tensors rule, then 0-d tensors, then Python numbers, by category.
use crate::tensor::Tensor;
use rsnn_core::DType;

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
    // A Python float is no wider than float32 unless a tensor asks for more.
    if ranks[2] == Some(DType::F64) {
        ranks[2] = Some(DType::F32);
    }
    combine(ranks[0], combine(ranks[1], ranks[2])).unwrap_or(DType::F32)
}

/// The common dtype of two operands.
#[inline]
pub fn common(a: &Tensor, b: &Tensor) -> DType {
    if a.dtype() == b.dtype() && !a.is_number() && !b.is_number() { a.dtype() } else { result_type([a, b]) }
}
