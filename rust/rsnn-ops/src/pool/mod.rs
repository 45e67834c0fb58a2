//! Pooling over 1 to 3 dimensions: the largest element or the mean of sliding windows, or of as many windows as the
//! output has elements (adaptive).
mod check;
mod kernel;
#[cfg(test)]
mod tests;
mod windows;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{index, view};
use rsnn_core::{DType, Dims, Result, bail, dispatch, ensure};
use smallvec::smallvec;
use std::sync::Arc;
use windows::{Sliding, Windows};

/// torch's names of the four ops for 1, 2 and 3 dimensions.
type Names = [&'static str; 3];
const MAX: Names = ["max_pool1d", "max_pool2d", "max_pool3d"];
const AVG: Names = ["avg_pool1d", "avg_pool2d", "avg_pool3d"];
const ADAPTIVE_MAX: Names = ["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"];
const FRACTIONAL_MAX: Names = ["fractional_max_pool1d", "fractional_max_pool2d", "fractional_max_pool3d"];
const ADAPTIVE_AVG: Names = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"];

/// Outputs: the largest element of each window and its place in the plane.
struct Max {
    name: &'static str,
    windows: Windows,
}

impl Op for Max {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(x.dtype() != DType::Bool, NotImplemented, "\"{}\" not implemented for 'Bool'", self.name);
        let y = Meta::new(&self.windows.shape(x), x.dtype(), x.device());
        Ok(smallvec![y.clone(), Meta { dtype: DType::I64, ..y }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(all, call.ins[0].dtype(), T => {
            let (w, x) = (&self.windows, call.input::<T>(0));
            kernel::max(|_| w, [w.in_len(), w.out_len()], w.reads(), x, call.output(0), call.output(1));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        Ok(smallvec![max_gradient(cx, grads, self.windows.rank)?])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 0b10 }
    }
}

fn max_gradient(cx: &Ctx, grads: &[Option<Tensor>], rank: usize) -> Result<Option<Tensor>> {
    let Some(g) = &grads[0] else { return Ok(None) };
    let op = Spread { input: cx.input_meta(0).shape.clone(), rank };
    apply(op, &[g.clone(), cx.output(1)?]).map(Some)
}

/// `(x, samples) -> (y, places)`: as `Max`, with windows that differ from plane to plane. Samples are `[planes][rank]`.
struct FractionalMax {
    rank: usize,
    input: [usize; 3],
    kernel: [usize; 3],
    output: [usize; 3],
}

impl Op for FractionalMax {
    fn name(&self) -> &'static str {
        FRACTIONAL_MAX[self.rank - 1]
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        let mut shape = x.shape()[..x.ndim() - self.rank].to_vec();
        shape.extend(&self.output[3 - self.rank..]);
        let y = Meta::new(&shape, x.dtype(), x.device());
        Ok(smallvec![y.clone(), Meta { dtype: DType::I64, ..y }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let [from, to, cost] = [
            self.input.iter().product(),
            self.output.iter().product::<usize>(),
            (0..3).map(|a| self.output[a] * self.kernel[a]).product(),
        ];
        dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            let samples = call.input::<T>(1);
            let windows = |plane: usize| {
                let mut draw = [T::default(); 3];
                let samples = &samples[plane * self.rank..][..self.rank];
                for (a, to) in draw[3 - self.rank..].iter_mut().enumerate() {
                    // In two dimensions the first number belongs to the width.
                    *to = samples[if self.rank == 2 { 1 - a } else { a }];
                }
                Windows::fractional(self.rank, self.input, self.kernel, self.output, draw)
            };
            kernel::max(windows, [from, to], cost, call.input::<T>(0), call.output(0), call.output(1));
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        Ok(smallvec![max_gradient(cx, grads, self.rank)?, None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 0b10 }
    }
}

/// `(g, places) -> x`: adds each element of `g` at its place in a plane of zeros.
struct Spread {
    input: Dims,
    rank: usize,
}

impl Spread {
    /// Planes and elements per plane of a tensor.
    fn planes(&self, shape: &[usize]) -> [usize; 2] {
        let (lead, plane) = shape.split_at(shape.len() - self.rank);
        [lead.iter().product(), plane.iter().product()]
    }
}

impl Op for Spread {
    fn name(&self) -> &'static str {
        "max_pool_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![Meta::new(&self.input, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let [planes, to] = self.planes(&self.input);
        let [_, from] = self.planes(call.ins[0].shape());
        let places = call.input::<i64>(1);
        let bad = dispatch!(float, call.ins[0].dtype(), self.name(), T => {
            kernel::spread::<T>(call.input(0), places, call.output(0), planes, [from, to])
        });
        if let Some(bad) = bad {
            bail!(Index, "{}: found an invalid index {bad} for a plane of {to} elements", self.name());
        }
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let places = cx.input(1)?;
        let flat = view::reshape(&places, &self.planes(places.shape()))?;
        let taken = index::gather(&view::reshape(g, &self.planes(&self.input))?, 1, &flat)?;
        Ok(smallvec![Some(view::reshape(&taken, places.shape())?), None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0b10, outputs: 0 }
    }
}

/// Mean of each window, or its transpose: every element of the output shared out over its window.
#[derive(Clone)]
struct Mean {
    name: &'static str,
    windows: Arc<Windows>,
    transposed: bool,
}

impl Op for Mean {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(
            x.dtype().is_float(),
            NotImplemented,
            "\"{}\" not implemented for '{}'",
            self.name,
            x.dtype().scalar_name()
        );
        let mut shape = self.windows.shape(x);
        if self.transposed {
            let rank = self.windows.rank;
            let lead = shape.len() - rank;
            shape[lead..].copy_from_slice(&self.windows.input[3 - rank..]);
        }
        Ok(smallvec![Meta::new(&shape, x.dtype(), x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name, T => match self.transposed {
            false => kernel::mean::<T>(&self.windows, call.input(0), call.output(0)),
            true => kernel::share::<T>(&self.windows, call.input(0), call.output(0)),
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let op = Mean { transposed: !self.transposed, ..self.clone() };
        Ok(smallvec![Some(apply(op, std::slice::from_ref(g))?)])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

fn max_of(name: &'static str, windows: Windows, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut out = apply_all(Arc::new(Max { name, windows }), std::slice::from_ref(x))?;
    let places = out.swap_remove(1);
    Ok((out.swap_remove(0), places))
}

/// Largest element of every window, and its index in the flattened plane; NaN wins.
pub fn max_pool(
    x: &Tensor,
    kernel: &[i64],
    stride: &[i64],
    padding: &[i64],
    dilation: &[i64],
    ceil_mode: bool,
) -> Result<(Tensor, Tensor)> {
    let rank = check::rank("max_pool", kernel)?;
    let name = MAX[rank - 1];
    check::max_input(name, x, rank)?;
    let sliding = check::sliding(name, rank, [kernel, stride, padding, dilation], ceil_mode)?;
    let input = check::fits(name, x, rank, &sliding)?;
    max_of(name, Windows::sliding(rank, input, &sliding, None), x)
}

/// Mean of every window, padding counted as zeros or not at all.
pub fn avg_pool(
    x: &Tensor,
    kernel: &[i64],
    stride: &[i64],
    padding: &[i64],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Option<i64>,
) -> Result<Tensor> {
    let rank = check::rank("avg_pool", kernel)?;
    let name = AVG[rank - 1];
    check::avg_input(name, x, rank)?;
    ensure!(divisor_override != Some(0), Runtime, "divisor must be not zero");
    let sliding = check::sliding(name, rank, [kernel, stride, padding, &[1]], ceil_mode)?;
    let sliding = Sliding { count_include_pad, ..sliding };
    let input = check::fits(name, x, rank, &sliding)?;
    let windows = Windows::sliding(rank, input, &sliding, divisor_override.map(|d| d as f64));
    apply(Mean { name, windows: Arc::new(windows), transposed: false }, std::slice::from_ref(x))
}

/// Mean of `output` windows that cover the input evenly.
pub fn adaptive_avg_pool(x: &Tensor, output: &[i64]) -> Result<Tensor> {
    let rank = check::rank("adaptive_avg_pool", output)?;
    let name = ADAPTIVE_AVG[rank - 1];
    let (input, output) = check::adaptive(name, x, rank, output)?;
    let windows = Arc::new(Windows::adaptive(rank, input, output));
    apply(Mean { name, windows, transposed: false }, std::slice::from_ref(x))
}

/// Largest element of `output` windows that cover the input evenly, and its index in the flattened plane.
pub fn adaptive_max_pool(x: &Tensor, output: &[i64]) -> Result<(Tensor, Tensor)> {
    let rank = check::rank("adaptive_max_pool", output)?;
    let name = ADAPTIVE_MAX[rank - 1];
    ensure!(x.dtype().is_float(), NotImplemented, "\"{name}\" not implemented for '{}'", x.dtype().scalar_name());
    let (input, output) = check::adaptive(name, x, rank, output)?;
    max_of(name, Windows::adaptive(rank, input, output), x)
}

/// Largest element of windows at steps that `samples (N, C, rank)` choose, and its index in the flattened plane.
pub fn fractional_max_pool(x: &Tensor, kernel: &[i64], output: &[i64], samples: &Tensor) -> Result<(Tensor, Tensor)> {
    let rank = check::rank("fractional_max_pool", kernel)?;
    let name = FRACTIONAL_MAX[rank - 1];
    let (input, output) = check::adaptive(name, x, rank, output)?;
    let kernel = windows::spread(name, "kernel_size", kernel, rank, 1)?;
    for a in 3 - rank..3 {
        let (size, n, pool) = (input[a], output[a], kernel[a]);
        ensure!(
            pool > 0 && (n + pool).saturating_sub(1) <= size,
            Runtime,
            "{name}: pool size {pool} with output size {n} is too large relative to input {size}"
        );
    }
    let lead = &x.shape()[..x.ndim() - rank];
    let mut wanted = lead.to_vec();
    wanted.push(rank);
    let samples = crate::copy::to_dtype(&view::expand(samples, &wanted)?, x.dtype())?.detach();
    let op = FractionalMax { rank, input, kernel, output };
    let mut out = apply_all(Arc::new(op), &[x.clone(), samples])?;
    let places = out.swap_remove(1);
    Ok((out.swap_remove(0), places))
}
