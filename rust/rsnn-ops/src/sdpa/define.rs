//! Attention in smaller ops: the oracle of the kernels and the road to second derivatives and learned masks.
use super::Sdpa;
use crate::elementwise::{Binary, add, div, mul, scale, sub};
use crate::matmul::product;
use crate::op::{Tensors, apply};
use crate::tensor::Tensor;
use crate::{fill, reduce, select, unary, view};
use rsnn_core::{DType, Device, Result};
use rsnn_cpu::random::philox;

pub(super) fn meaning(op: &Sdpa, ins: &[Tensor]) -> Result<Tensors> {
    let (q, k, v) = (&ins[0], &ins[1], &ins[2]);
    let group = q.shape()[1] / k.shape()[1].max(1);
    let (k, v) = (repeat_heads(k, group)?, repeat_heads(v, group)?);
    let mut s = scale(&product(q, &view::transpose(&k, -1, -2)?)?, op.scale)?;
    let minus_inf = fill::full(&[], f64::NEG_INFINITY, s.dtype(), s.device())?;
    let shape = s.shape().to_vec();
    match ins.get(3) {
        Some(m) if m.dtype() == DType::Bool => s = select::where_(m, &s, &minus_inf)?,
        Some(m) => s = add(&s, m)?,
        None => {}
    }
    if op.causal {
        let (l, n) = (shape[2], shape[3]);
        let see: Vec<bool> = (0..l * n).map(|i| i % n <= i / n).collect();
        s = select::where_(&Tensor::from_slice(&see, &[l, n])?, &s, &minus_inf)?;
    }
    if s.numel() == 0 {
        return Ok(smallvec::smallvec![product(&s, &v)?]);
    }
    // A row without keys has maximum -inf: shifting by 0 instead leaves zeros, and the divisor 1 keeps them.
    let zero = fill::full(&[], 0.0, s.dtype(), s.device())?;
    let max = reduce::amax(&s.detach(), &[-1], true)?;
    let max = select::where_(&apply(Binary::Eq, &[max.clone(), minus_inf])?, &zero, &max)?;
    let e = unary::apply_named("exp", &sub(&s, &max)?)?;
    let total = reduce::sum(&e, &[-1], true, None)?;
    let one = fill::full(&[], 1.0, s.dtype(), s.device())?;
    let total = select::where_(&apply(Binary::Eq, &[total.clone(), zero])?, &one, &total)?;
    let mut p = div(&e, &total)?;
    if op.dropout > 0.0 {
        p = mul(&p, &mask(op, &shape, p.dtype())?)?;
    }
    Ok(smallvec::smallvec![product(&p, &v)?])
}

fn repeat_heads(t: &Tensor, group: usize) -> Result<Tensor> {
    if group == 1 {
        return Ok(t.clone());
    }
    let s = t.shape().to_vec();
    let wide = view::expand(&view::unsqueeze(t, 2)?, &[s[0], s[1], group, s[2], s[3]])?;
    view::reshape(&wide, &[s[0], s[1] * group, s[2], s[3]])
}

/// The multipliers that the kernels regenerate: blocks of 64 queries by pairs of keys, see `rsnn_cpu::attention`.
fn mask(op: &Sdpa, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let (heads, l, n) = (shape[0] * shape[1], shape[2], shape[3]);
    let m = Tensor::empty(shape, DType::F64, Device::Cpu)?;
    let out = m.as_mut_slice::<f64>();
    let kept = if op.dropout < 1.0 { 1.0 / (1.0 - op.dropout) } else { 0.0 };
    for h in 0..heads {
        for i in 0..l {
            for j in 0..n {
                let stream = (h * n.div_ceil(2) + j / 2) as u64;
                let index = (i / 64 * 128 + j % 2 * 64 + i % 64) as u64;
                let keep = philox::keep(op.key, stream, index, op.dropout);
                out[(h * l + i) * n + j] = if keep { kept } else { 0.0 };
            }
        }
    }
    crate::copy::cast(&m, dtype)
}
