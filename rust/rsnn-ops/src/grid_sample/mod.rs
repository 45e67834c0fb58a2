//! `grid_sample`: images and volumes read at the points of a grid, by linear or cubic weights or the nearest element.
mod meaning;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply, apply_all};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{Result, bail, dispatch, ensure};
use rsnn_cpu::sample::{Grid, Mode, Outside};
use smallvec::smallvec;
use std::sync::Arc;

/// `(x, grid) -> y`
struct GridSample(Grid);

impl Op for GridSample {
    fn name(&self) -> &'static str {
        "grid_sampler"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, grid) = (&ins[0], &ins[1]);
        let mut shape = x.shape()[..2].to_vec();
        shape.extend(&grid.shape()[1..=self.0.rank]);
        Ok(smallvec![Meta::new(&shape, x.dtype(), x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            self.0.forward::<T>(call.input(0), call.input(1), call.output(0));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let ins = [g.detach(), cx.input(0)?.detach(), cx.input(1)?.detach()];
        let wanted = [cx.needs(0), cx.needs(1)];
        let mut found = apply_all(Arc::new(Backward { grid: self.0, wanted }), &ins)?.into_iter();
        Ok(wanted.iter().map(|&w| if w { found.next() } else { None }).collect())
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(meaning::grid_sample(&self.0, &ins[0], &ins[1]).map(|y| smallvec![y]))
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
}

/// `(g, x, grid) -> ([dx], [dgrid])`
struct Backward {
    grid: Grid,
    wanted: [bool; 2],
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "grid_sampler_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(self.wanted.iter().zip(&ins[1..]).filter(|(wanted, _)| **wanted).map(|(_, t)| t.meta()).collect())
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let dx = self.wanted[0].then(|| call.output::<T>(0));
            let dgrid = self.wanted[1].then(|| call.output::<T>(usize::from(self.wanted[0])));
            self.grid.backward::<T>(call.input(0), call.input(1), call.input(2), dx, dgrid);
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

fn check(x: &Tensor, grid: &Tensor, mode: Mode) -> Result<()> {
    let rank = x.ndim().wrapping_sub(2);
    let got = format!("but got input with sizes {:?} and grid with sizes {:?}", x.shape(), grid.shape());
    if !matches!(rank, 2 | 3) || grid.ndim() != x.ndim() {
        let wanted = if matches!(rank, 2 | 3) { format!("{}D", x.ndim()) } else { "4D or 5D".into() };
        bail!(Runtime, "grid_sampler(): expected {wanted} input and grid with same number of dimensions, {got}");
    }
    ensure!(
        grid.shape()[0] == x.shape()[0],
        Runtime,
        "grid_sampler(): expected grid and input to have same batch size, {got}"
    );
    ensure!(
        grid.shape()[rank + 1] == rank,
        Runtime,
        "grid_sampler(): expected grid to have size {rank} in last dimension, but got grid with sizes {:?}",
        grid.shape()
    );
    ensure!(
        grid.dtype() == x.dtype(),
        Runtime,
        "expected scalar type {} but found {}",
        x.dtype().scalar_name(),
        grid.dtype().scalar_name()
    );
    if let Some(d) = (2..x.ndim()).find(|&d| x.shape()[d] == 0) {
        bail!(
            Runtime,
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {:?} with dimension {d} being empty",
            x.shape()
        );
    }
    ensure!(mode != Mode::Cubic || rank == 2, Runtime, "grid_sampler(): bicubic interpolation only supports 4D input");
    ensure!(x.dtype().is_float(), NotImplemented, "\"grid_sampler\" not implemented for '{}'", x.dtype().scalar_name());
    let plane: usize = x.shape()[2..].iter().product();
    ensure!(u32::try_from(plane).is_ok(), Runtime, "grid_sampler(): a plane of {plane} elements is too large");
    Ok(())
}

/// Reads `x (N, C, *)` at the points of `grid (N, *, x y or x y z)`, whose corners are -1 and 1.
pub fn grid_sample(x: &Tensor, grid: &Tensor, mode: &str, padding: &str, align_corners: bool) -> Result<Tensor> {
    let mode = match mode {
        "bilinear" => Mode::Linear,
        "nearest" => Mode::Nearest,
        "bicubic" => Mode::Cubic,
        _ => bail!(Value, "grid_sampler(): no mode {mode}"),
    };
    let outside = match padding {
        "zeros" => Outside::Zeros,
        "border" => Outside::Border,
        "reflection" => Outside::Reflection,
        _ => bail!(Value, "grid_sampler(): no padding mode {padding}"),
    };
    check(x, grid, mode)?;
    let rank = x.ndim() - 2;
    let mut size = [1; 3];
    size[3 - rank..].copy_from_slice(&x.shape()[2..]);
    let op = Grid {
        mode,
        outside,
        align_corners,
        rank,
        size,
        images: x.shape()[0],
        channels: x.shape()[1],
        points: grid.shape()[1..=rank].iter().product(),
    };
    apply(GridSample(op), &[x.clone(), grid.clone()])
}
