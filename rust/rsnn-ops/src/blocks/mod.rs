//! `unfold` of images into columns of sliding blocks, and `fold`, which adds columns up into images. Each is the other's gradient.
use crate::autograd::Ctx;
use crate::fill;
use crate::index::kernel::{Accumulate, by_size};
use crate::op::{CpuCall, GpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::view::View;
use rsnn_core::{Result, bail, dispatch, ensure};
use rsnn_cpu::moves::blocks::{self as kernel, Blocks};
use smallvec::smallvec;

/// (N, C, H, W) -> (N, C * taps, blocks), or back.
#[derive(Clone)]
struct Columns {
    blocks: Blocks,
    fold: bool,
}

impl Columns {
    /// Batch and channels of the images.
    fn planes(&self, x: &Tensor) -> [usize; 2] {
        let channels = if self.fold { x.shape()[1] / self.blocks.taps() } else { x.shape()[1] };
        [x.shape()[0], channels]
    }
}

impl Op for Columns {
    fn name(&self) -> &'static str {
        if self.fold { "col2im" } else { "im2col" }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, b) = (&ins[0], &self.blocks);
        let [n, c] = self.planes(x);
        let [h, w] = b.size;
        let columns = [n, c * b.taps(), b.count[0] * b.count[1]];
        let (from, to): (&[usize], &[usize]) =
            if self.fold { (&columns, &[n, c, h, w]) } else { (&[n, c, h, w], &columns) };
        ensure!(
            x.shape() == from,
            Runtime,
            "{}: expected an input of shape {from:?}, got {:?}",
            self.name(),
            x.shape()
        );
        rsnn_core::checked_numel(to)?;
        Ok(smallvec![Meta::new(to, x.dtype(), x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, out, b) = (&call.ins[0], &call.outs[0], &self.blocks);
        let planes = self.planes(x).iter().product();
        match self.fold {
            true => dispatch!(all, x.dtype(), T => {
                let (from, zero) = (x.ptr::<T>().cast_const(), T::default());
                // SAFETY: `infer` has compared the shapes with the sizes; both tensors are contiguous.
                unsafe { kernel::fold(from, out.ptr::<T>(), planes, b, zero, #[inline(always)] |a, b| a.plus(b)) }
            }),
            false => by_size!(x.dtype(), T => {
                // SAFETY: as above.
                unsafe { kernel::unfold(x.ptr::<T>().cast_const(), out.ptr::<T>(), planes, b, T::default()) }
            }),
        }
        Ok(())
    }
    fn gpu(&self, call: &GpuCall) -> Result<()> {
        let (x, out, b) = (&call.ins[0], &call.outs[0], &self.blocks);
        if self.fold {
            bail!(NotImplemented, "fold: no kernel for device gpu; move the inputs with .cpu()");
        }
        let [n, c] = self.planes(x);
        let size = [0, 1].map(|a| b.size[a] + 2 * b.padding[a]);
        let padded = fill::zeros(&[n, c, size[0], size[1]], x.dtype(), x.device())?;
        let (mut inside, mut windows) = (padded.layout().clone(), padded.layout().clone());
        for a in [0, 1] {
            inside = View::Slice { dim: 2 + a, start: b.padding[a], step: 1, len: b.size[a] }.layout(&inside);
            let reach = b.dilation[a] * (b.kernel[a] - 1) + 1;
            windows = View::Unfold { dim: 2 + a, size: reach, step: b.stride[a] }.layout(&windows);
            windows = View::Slice { dim: 4 + a, start: 0, step: b.dilation[a], len: b.kernel[a] }.layout(&windows);
        }
        crate::copy::copy_into(x, &padded.alias(inside))?;
        let windows = View::Permute(vec![0, 1, 4, 5, 2, 3]).layout(&windows);
        let columns =
            rsnn_core::Layout { offset: out.layout().offset, ..rsnn_core::Layout::contiguous(&windows.shape) };
        crate::copy::copy_into(&padded.alias(windows), &out.alias(columns))
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let op = Columns { blocks: self.blocks.clone(), fold: !self.fold };
        Ok(smallvec![Some(apply(op, std::slice::from_ref(g))?)])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn half(&self) -> Half {
        if self.fold { Half::Widen } else { Half::Native }
    }
}

/// A pair of sizes that a caller gave, at least `low`.
fn pair(name: &str, values: [i64; 2], low: i64) -> Result<[usize; 2]> {
    ensure!(values.iter().all(|v| (low..1 << 40).contains(v)), Runtime, "{name} {values:?} is out of range");
    Ok(values.map(|v| v as usize))
}

fn blocks(
    size: [usize; 2],
    kernel: [i64; 2],
    dilation: [i64; 2],
    padding: [i64; 2],
    stride: [i64; 2],
) -> Result<Blocks> {
    let (kernel, dilation) = (pair("kernel size", kernel, 1)?, pair("dilation", dilation, 1)?);
    let (padding, stride) = (pair("padding", padding, 0)?, pair("stride", stride, 1)?);
    let mut count = [0; 2];
    for a in [0, 1] {
        let reach = dilation[a].checked_mul(kernel[a] - 1).unwrap_or(usize::MAX - 1) + 1;
        count[a] = (size[a] + 2 * padding[a]).checked_sub(reach).map_or(0, |room| room / stride[a] + 1);
    }
    ensure!(count[0] * count[1] > 0, Runtime, "a kernel of {kernel:?} does not fit into {size:?}");
    Ok(Blocks { size, kernel, dilation, padding, stride, count })
}

/// Sliding blocks of (N, C, H, W) as columns (N, C * KH * KW, blocks).
pub fn unfold(x: &Tensor, kernel: [i64; 2], dilation: [i64; 2], padding: [i64; 2], stride: [i64; 2]) -> Result<Tensor> {
    ensure!(x.ndim() == 4, Runtime, "unfold: expected 4 dimensions, got {}", x.ndim());
    let blocks = blocks([x.shape()[2], x.shape()[3]], kernel, dilation, padding, stride)?;
    apply(Columns { blocks, fold: false }, std::slice::from_ref(x))
}

/// Columns (N, C * KH * KW, blocks) added up into images (N, C, H, W).
pub fn fold(
    x: &Tensor,
    size: [i64; 2],
    kernel: [i64; 2],
    dilation: [i64; 2],
    padding: [i64; 2],
    stride: [i64; 2],
) -> Result<Tensor> {
    ensure!(x.ndim() == 3, Runtime, "fold: expected 3 dimensions, got {}", x.ndim());
    let blocks = blocks(pair("output size", size, 0)?, kernel, dilation, padding, stride)?;
    apply(Columns { blocks, fold: true }, std::slice::from_ref(x))
}
