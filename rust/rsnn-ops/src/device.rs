//! Moving data between devices.
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{Device, Result};

/// `x` on `device`, without history.
pub fn to_device(x: &Tensor, device: Device) -> Result<Tensor> {
    if x.device() == device {
        return Ok(x.clone());
    }
    match (x.device(), device) {
        (Device::Cpu, Device::Cpu) => Ok(x.clone()),
        (Device::Cpu, Device::Gpu(index)) => crate::gpu::upload(&crate::copy::contiguous(&x.detach())?, index),
        (Device::Gpu(_), Device::Cpu) => crate::gpu::download(x),
        (Device::Gpu(_), Device::Gpu(_)) => to_device(&to_device(x, Device::Cpu)?, device),
    }
}

struct ToDevice {
    device: Device,
}

impl Op for ToDevice {
    fn name(&self) -> &'static str {
        "to_copy"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(ins[0].shape(), ins[0].dtype(), self.device)])
    }
    fn cpu(&self, _: &CpuCall) -> Result<()> {
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        grads.iter().map(|g| g.as_ref().map(|g| to(g, cx.input_meta(0).device)).transpose()).collect()
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// `x.to(device)`; differentiable, and `x` itself when it is there already.
pub fn to(x: &Tensor, device: Device) -> Result<Tensor> {
    if x.device() == device {
        return Ok(x.clone());
    }
    let y = to_device(&x.detach(), device)?;
    if crate::autograd::is_enabled() && x.requires_grad() {
        crate::autograd::Node::record(
            std::sync::Arc::new(ToDevice { device }),
            std::slice::from_ref(x),
            std::slice::from_ref(&y),
        )?;
    }
    Ok(y)
}
