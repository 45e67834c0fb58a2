//! Products. The gradient multiplies what is left and right of each element, so zeros need no case of their own.
use super::{axis, dispatch_ordered};
use crate::autograd::Ctx;
use crate::elementwise::mul;
use crate::op::{CpuCall, Grads, Metas, Op, apply};
use crate::scan::{cumprod_from, shift};
use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Dims, Result};
use rsnn_cpu::rows::reduce as rows;

/// Product along one dim, which goes away.
struct Prod {
    dim: usize,
}

impl Op for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let mut shape = Dims::from_slice(ins[0].shape());
        shape.remove(self.dim);
        let dtype = if ins[0].dtype().is_float() { ins[0].dtype() } else { DType::I64 };
        Ok(smallvec::smallvec![Meta { shape, dtype, device: ins[0].device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch_ordered!(call.ins[0].dtype(), "prod_cpu", T => rows::prod(call.input::<T>(0), call.output(0), axis));
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let (x, dim) = (cx.input(0)?, self.dim);
        let left = shift(&cumprod_from(&x, dim, false)?, dim, false, 1.0)?;
        let right = shift(&cumprod_from(&x, dim, true)?, dim, true, 1.0)?;
        let g = view::unsqueeze(g, dim as i64)?;
        Ok(smallvec::smallvec![Some(mul(&g, &mul(&left, &right)?)?)])
    }
}

/// `x.prod(dim, keepdim, dtype)`, over all elements without `dim`; integers and bool multiply in int64.
pub fn prod(x: &Tensor, dim: Option<i64>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
    let to = dtype.unwrap_or(if x.dtype().is_float() { x.dtype() } else { DType::I64 });
    let x = crate::copy::to_dtype(x, to)?;
    let y = match dim {
        Some(dim) if x.ndim() > 0 => {
            let dim = x.dim("prod", dim)?;
            let y = apply(Prod { dim }, &[x])?;
            if keepdim { view::unsqueeze(&y, dim as i64)? } else { y }
        }
        _ => {
            x.dim("prod", dim.unwrap_or(0))?;
            let y = apply(Prod { dim: 0 }, &[view::reshape(&x, &[x.numel()])?])?;
            if keepdim { view::reshape(&y, &vec![1; x.ndim()])? } else { y }
        }
    };
    crate::copy::to_dtype(&y, to)
}
