//! Resizing of the last one to three dimensions. A map along each axis, linear in the image: its gradient is the
//! transposed map, and so on.
mod filter;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::{copy, elementwise, index, unary};
use filter::Filter;
use rsnn_core::{DType, Result, bail, dispatch, ensure};
use rsnn_cpu::sample::{Taps, resample};
use smallvec::smallvec;
use std::sync::Arc;

#[derive(Clone)]
struct Resample {
    name: &'static str,
    axes: Arc<[Taps; 3]>,
    rank: usize,
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        self.name
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        let (name, dtype) = (self.name, x.dtype());
        ensure!(dtype.is_float(), NotImplemented, "\"{name}\" not implemented for '{}'", dtype.scalar_name());
        let mut shape = x.shape()[..x.ndim() - self.rank].to_vec();
        shape.extend(self.axes[3 - self.rank..].iter().map(Taps::output));
        Ok(smallvec![Meta::new(&shape, dtype, x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        dispatch!(float, call.ins[0].dtype(), self.name, T => {
            resample::<T>(&self.axes, call.input(0), call.output(0));
        });
        Ok(())
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None]) };
        let axes = Arc::new(self.axes.each_ref().map(|a| a.transposed()));
        Ok(smallvec![Some(apply(Resample { axes, ..self.clone() }, std::slice::from_ref(g))?)])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
}

/// What sets the sampling step of an axis.
#[derive(Clone, Copy)]
struct Step {
    input: usize,
    output: usize,
    scale: Option<f64>,
    align_corners: bool,
}

/// Resizes the trailing `sizes.len()` dimensions; `scales` set the sampling step where given, else the sizes do.
pub fn interpolate(
    x: &Tensor,
    mode: &str,
    sizes: &[i64],
    scales: &[Option<f64>],
    align_corners: bool,
    antialias: bool,
) -> Result<Tensor> {
    let rank = sizes.len();
    let Some(filter) = Filter::of(mode, antialias) else { bail!(NotImplemented, "interpolate: no mode {mode}") };
    ensure!(
        (1..=3).contains(&rank) && rank < x.ndim() && scales.len() == rank && sizes.iter().all(|&n| n > 0),
        Runtime,
        "interpolate: sizes {sizes:?} do not fit an input of {} dimensions",
        x.ndim()
    );
    let lead = x.ndim() - rank;
    let taps = |i: usize| {
        filter.taps(Step { input: x.shape()[lead + i], output: sizes[i] as usize, scale: scales[i], align_corners })
    };
    let op = |axes| Resample { name: filter.name(rank), axes: Arc::new(axes), rank };
    if x.dtype().is_float() {
        return apply(op(spread(rank, taps)), std::slice::from_ref(x));
    }
    if filter.copies() {
        return (0..rank).try_fold(x.clone(), |x, i| {
            let places: Vec<i64> = taps(i).firsts().map(|p| p as i64).collect();
            index::index_select(&x, (lead + i) as i64, &Tensor::from_slice(&places, &[places.len()])?)
        });
    }
    ensure!(
        x.dtype() == DType::U8,
        NotImplemented,
        "\"{}\" not implemented for '{}'",
        filter.name(rank),
        x.dtype().scalar_name()
    );
    // Images of bytes are rounded after each dimension, the width first.
    let mut y = copy::to_dtype(x, DType::F32)?;
    for i in (0..rank).rev() {
        let axes = spread(rank, |j| if j == i { taps(i) } else { Taps::identity(y.shape()[lead + j]) });
        y = apply(op(axes), std::slice::from_ref(&y))?;
        y = unary::apply_named("floor", &elementwise::add(&y, &Tensor::number(0.5, DType::F64)?)?)?;
        y = unary::clamp(&y, Some(0.0), Some(255.0), true)?;
    }
    copy::to_dtype(&y, DType::U8)
}

/// Three axes of which the last `rank` are given.
fn spread(rank: usize, taps: impl Fn(usize) -> Taps) -> [Taps; 3] {
    [0, 1, 2].map(|a| if a + rank < 3 { Taps::identity(1) } else { taps(a + rank - 3) })
}
