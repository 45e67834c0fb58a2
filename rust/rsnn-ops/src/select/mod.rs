//! `where`: elements of one tensor or another by a condition.
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::autograd::Ctx;
use crate::elementwise::common;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Result, broadcast_shapes, dispatch, ensure};
use rsnn_cpu::loops;

struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        ensure!(
            matches!(ins[0].dtype(), DType::Bool | DType::U8),
            Runtime,
            "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
            ins[0].dtype().scalar_name()
        );
        let shape = broadcast_shapes(ins[0].shape(), &broadcast_shapes(ins[1].shape(), ins[2].shape())?)?;
        Ok(smallvec::smallvec![Meta { shape, dtype: common(&ins[1], &ins[2]), device: ins[0].device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        let shape = out.shape();
        let ready =
            |t: &Tensor| if t.dtype() == out.dtype() { Ok(t.clone()) } else { crate::copy::cast(t, out.dtype()) };
        let (c, a, b) = (&call.ins[0], ready(&call.ins[1])?, ready(&call.ins[2])?);
        let strides = [c, &a, &b].map(|t| t.layout().broadcast_strides(shape));
        dispatch!(all, out.dtype(), T => {
            let condition = (c.ptr::<u8>().cast_const(), &strides[0][..]);
            let (x, y) = ((a.ptr::<T>().cast_const(), &strides[1][..]), (b.ptr::<T>().cast_const(), &strides[2][..]));
            // SAFETY: broadcast strides stay within each layout; `out` is fresh.
            unsafe {
                loops::ternary(shape, condition, x, y, (out.ptr::<T>(), out.strides()), |c, x, y| if c != 0 { x } else { y })
            }
        });
        Ok(())
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::run(call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None, None, None]) };
        let (c, zero) = (cx.input(0)?, crate::fill::full(&[], 0.0, g.dtype(), g.device())?);
        let a = if cx.needs(1) { Some(where_(&c, g, &zero)?) } else { None };
        let b = if cx.needs(2) { Some(where_(&c, &zero, g)?) } else { None };
        Ok(smallvec::smallvec![None, a, b])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 0 }
    }
    fn strided(&self) -> bool {
        true
    }
    fn half(&self) -> Half {
        Half::Native
    }
    fn pointwise(&self) -> bool {
        true
    }
}

/// `a` where `condition` holds, `b` elsewhere, broadcast together.
pub fn where_(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Where, &[condition.clone(), a.clone(), b.clone()])
}
