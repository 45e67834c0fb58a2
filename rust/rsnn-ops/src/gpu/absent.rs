//! A build without the feature `gpu`: no device, and errors that say so.
use crate::op::Op;
use crate::tensor::Tensor;
use rsnn_core::{Result, Storage, bail};

fn absent<T>() -> Result<T> {
    bail!(Runtime, "device gpu: this build of rsnn has no GPU support")
}

pub fn device_count() -> usize {
    0
}

pub fn device_name(_index: usize) -> Result<String> {
    absent()
}

pub fn synchronize(_index: usize) -> Result<()> {
    absent()
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
