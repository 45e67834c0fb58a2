//! `grid_sample` in differentiable ops: for every neighbour of the points its values times its weights.
use crate::elementwise::{Binary, add, div, mul, scale, sub};
use crate::op::apply;
use crate::tensor::Tensor;
use crate::{copy, fill, index, masked, select, unary, view};
use rsnn_core::{DType, Result};
use rsnn_cpu::sample::{Grid, Mode, Outside};

fn number(v: f64) -> Result<Tensor> {
    Tensor::number(v, DType::F64)
}
fn plus(x: &Tensor, v: f64) -> Result<Tensor> {
    add(x, &number(v)?)
}
fn compare(kind: Binary, x: &Tensor, v: f64) -> Result<Tensor> {
    apply(kind, &[x.clone(), number(v)?])
}
fn both(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Binary::LogicalAnd, &[a.clone(), b.clone()])
}
fn floor(x: &Tensor) -> Result<Tensor> {
    unary::apply_named("floor", &x.detach())
}

/// Positions (whole numbers) of one neighbour along a dimension, and its weights.
type Tap = (Tensor, Tensor);

pub(super) fn grid_sample(op: &Grid, x: &Tensor, grid: &Tensor) -> Result<Tensor> {
    let sizes = &x.shape()[2..];
    let mut lines = Vec::new();
    for (d, &size) in sizes.iter().enumerate() {
        // The grid counts dimensions from the last one.
        let coordinate = view::select(grid, -1, (op.rank - 1 - d) as i64)?;
        lines.push(line(op, &coordinate, size)?);
    }
    let count = lines[0].len();
    let mut sum: Option<Tensor> = None;
    for neighbour in 0..count.pow(op.rank as u32) {
        let tap = |d: usize| &lines[d][neighbour / count.pow(d as u32) % count];
        let at: Vec<&Tensor> = (0..op.rank).map(|d| &tap(d).0).collect();
        let inside = inside(&at, sizes)?;
        let mut weight = (1..op.rank).try_fold(tap(0).1.clone(), |w, d| mul(&w, &tap(d).1))?;
        let outside = unary::test("logical_not", &inside)?;
        if op.rank == 3 {
            // An infinite position has no weight that is a number.
            weight = masked::masked_fill(&weight, &outside, &fill::full(&[], 0.0, x.dtype(), x.device())?)?;
        }
        let term = mul(&pick(x, &at, &outside)?, &view::unsqueeze(&weight, 1)?)?;
        sum = Some(match sum {
            Some(sum) => add(&sum, &term)?,
            None => term,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => Ok(x.clone()),
    }
}

fn line(op: &Grid, coordinate: &Tensor, size: usize) -> Result<Vec<Tap>> {
    let n = size as f64;
    let raw = match op.align_corners {
        true => scale(&plus(coordinate, 1.0)?, (n - 1.0) / 2.0)?,
        false => scale(&plus(&scale(&plus(coordinate, 1.0)?, n)?, -1.0)?, 0.5)?,
    };
    let ones = fill::full(raw.shape(), 1.0, raw.dtype(), raw.device())?;
    match op.mode {
        Mode::Nearest => {
            let at = unary::apply_named("round", &place(op, &raw.detach(), size)?)?;
            Ok(vec![(at, ones)])
        }
        Mode::Linear => {
            let x = place(op, &raw, size)?;
            let first = floor(&x)?;
            let part = sub(&x, &first)?;
            Ok(vec![(first.clone(), sub(&ones, &part)?), (plus(&first, 1.0)?, part)])
        }
        Mode::Cubic => {
            let first = floor(&raw)?;
            let part = sub(&raw, &first)?;
            let tap = |i: usize| {
                let at = place(op, &plus(&first, i as f64 - 1.0)?, size)?;
                Ok((unary::apply_named("round", &at)?, cubic(&part, i)?))
            };
            (0..4).map(tap).collect()
        }
    }
}

/// Weight of the neighbour `tap`, whose distance from the point is `|part - (tap - 1)|`.
fn cubic(part: &Tensor, tap: usize) -> Result<Tensor> {
    let a = -0.75;
    let x = match tap {
        0 => plus(part, 1.0)?,
        1 => part.clone(),
        2 => plus(&scale(part, -1.0)?, 1.0)?,
        _ => plus(&scale(part, -1.0)?, 2.0)?,
    };
    let polynomial =
        if tap == 1 || tap == 2 { [a + 2.0, -(a + 3.0), 0.0, 1.0] } else { [a, -5.0 * a, 8.0 * a, -4.0 * a] };
    let mut y = fill::full(x.shape(), polynomial[0], x.dtype(), x.device())?;
    for c in &polynomial[1..] {
        y = plus(&mul(&y, &x)?, *c)?;
    }
    Ok(y)
}

/// The positions that padding puts in place of `x`.
fn place(op: &Grid, x: &Tensor, size: usize) -> Result<Tensor> {
    let n = size as f64;
    let mut x = x.clone();
    match op.outside {
        Outside::Zeros => return Ok(x),
        Outside::Border => {}
        Outside::Reflection if op.align_corners => x = reflect(&x, 0.0, n - 1.0)?,
        Outside::Reflection => x = reflect(&x, -0.5, n)?,
    }
    let nan = apply(Binary::Ne, &[x.clone(), x.clone()])?;
    let fallback = if op.rank == 2 { 0.0 } else { n - 1.0 };
    let x = masked::masked_fill(&x, &nan, &fill::full(&[], fallback, x.dtype(), x.device())?)?;
    unary::clamp(&x, Some(0.0), Some(n - 1.0), true)
}

/// Reflects positions into `[low, low + span]`.
fn reflect(x: &Tensor, low: f64, span: f64) -> Result<Tensor> {
    if span == 0.0 {
        return scale(x, 0.0);
    }
    let distance = unary::apply_named("abs", &plus(x, -low)?)?;
    let extra = apply(Binary::Fmod, &[distance.clone(), number(span)?])?;
    let flips = floor(&div(&distance, &number(span)?)?)?;
    let even = compare(Binary::Eq, &apply(Binary::Fmod, &[flips, number(2.0)?])?, 0.0)?;
    select::where_(&even, &plus(&extra, low)?, &plus(&scale(&extra, -1.0)?, span + low)?)
}

fn inside(at: &[&Tensor], sizes: &[usize]) -> Result<Tensor> {
    let mut all: Option<Tensor> = None;
    for (at, &size) in at.iter().zip(sizes) {
        let ok = both(&compare(Binary::Ge, at, 0.0)?, &compare(Binary::Le, at, size as f64 - 1.0)?)?;
        all = Some(match all {
            Some(all) => both(&all, &ok)?,
            None => ok,
        });
    }
    match all {
        Some(all) => Ok(all),
        None => fill::full(&[], 1.0, DType::Bool, rsnn_core::Device::Cpu),
    }
}

/// Elements of `x` at whole positions, zero outside.
fn pick(x: &Tensor, at: &[&Tensor], outside: &Tensor) -> Result<Tensor> {
    let (images, channels) = (x.shape()[0], x.shape()[1]);
    let sizes = &x.shape()[2..];
    let mut flat = fill::full(outside.shape(), 0.0, DType::I64, x.device())?;
    for (at, &size) in at.iter().zip(sizes) {
        let at = copy::to_dtype(&unary::clamp(at, Some(0.0), Some(size as f64 - 1.0), true)?, DType::I64)?;
        flat = add(&mul(&flat, &Tensor::integer(size as i64)?)?, &at)?;
    }
    let points: usize = outside.shape()[1..].iter().product();
    let flat = view::expand(&view::reshape(&flat, &[images, 1, points])?, &[images, channels, points])?;
    let found = index::gather(&view::reshape(x, &[images, channels, sizes.iter().product()])?, 2, &flat)?;
    let mut shape = vec![images, channels];
    shape.extend_from_slice(&outside.shape()[1..]);
    let zero = fill::full(&[], 0.0, x.dtype(), x.device())?;
    masked::masked_fill(&view::reshape(&found, &shape)?, &view::unsqueeze(outside, 1)?, &zero)
}
