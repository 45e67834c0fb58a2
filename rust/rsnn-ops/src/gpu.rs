//! The only file that joins tensors to the GPU crate: storage, transfers and kernel launch.
use crate::op::Op;
use crate::tensor::Tensor;
use rsnn_core::{Result, Storage, bail};

fn absent<T>() -> Result<T> {
    bail!(Runtime, "device gpu: this build of rsnn has no GPU support")
}

pub fn storage(_index: u32, _bytes: usize) -> Result<Storage> {
    absent()
}

pub fn upload(_x: &Tensor, _index: u32) -> Result<Tensor> {
    absent()
}

pub fn download(_x: &Tensor) -> Result<Tensor> {
    absent()
}

pub fn run(_op: &dyn Op, _ins: &[Tensor], _outs: &[Tensor], _index: u32) -> Result<()> {
    absent()
}

pub fn copy_into(_src: &Tensor, _dst: &Tensor) -> Result<()> {
    absent()
}

pub fn fill(_x: &Tensor, _value: f64) -> Result<()> {
    absent()
}

pub fn binary(_name: &str, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn unary(_name: &str, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn where_(_call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn sum(_plan: &crate::reduce::Plan, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn matmul(_call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn softmax(_log: bool, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn softmax_backward(_log: bool, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn layer_norm(_s: (usize, usize), _w: bool, _b: bool, _eps: f64, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}

pub fn layer_norm_backward(_s: (usize, usize), _w: bool, _b: bool, _call: &crate::op::GpuCall) -> Result<()> {
    absent()
}
