//! Rearranging copies: flip, roll, repeat, tile, repeat_interleave.
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Tensor, wrap_dims};
use crate::view;
use rsnn_core::{DType, Dims, Result, bail, ensure};
use smallvec::{SmallVec, smallvec};

#[derive(Clone)]
struct Flip {
    dims: SmallVec<[usize; 6]>,
}

impl Flip {
    fn copy(&self, x: &Tensor, out: &Tensor) -> Result<()> {
        let mut layout = x.layout().clone();
        for &d in self.dims.iter().filter(|&&d| x.shape()[d] > 1) {
            let last = (layout.shape[d] - 1) as isize * layout.strides[d];
            layout.offset = (layout.offset as isize + last) as usize;
            layout.strides[d] = -layout.strides[d];
        }
        if x.numel() > 0 { crate::copy::copy_into(&x.alias(layout), out) } else { Ok(()) }
    }
}

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        self.copy(&call.ins[0], &call.outs[0])
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        grads.iter().map(|g| g.as_ref().map(|g| apply(self.clone(), std::slice::from_ref(g))).transpose()).collect()
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// `x.flip(dims)`; an empty list flips nothing.
pub fn flip(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let dims = if dims.is_empty() { SmallVec::new() } else { wrap_dims("flip", dims, x.ndim())? };
    let dims = if x.ndim() == 0 { SmallVec::new() } else { dims };
    apply(Flip { dims }, std::slice::from_ref(x))
}

/// `x.roll(shifts, dims)`; without dims the flattened tensor is rolled.
pub fn roll(x: &Tensor, shifts: &[i64], dims: &[i64]) -> Result<Tensor> {
    ensure!(!shifts.is_empty(), Runtime, "`shifts` required");
    if let ([shift], []) = (shifts, dims) {
        let flat = view::reshape(x, &[x.numel()])?;
        return view::reshape(&roll(&flat, &[*shift], &[0])?, x.shape());
    }
    ensure!(
        shifts.len() == dims.len(),
        Runtime,
        "shifts and dimensions must align. shifts: {}, dims:{}",
        shifts.len(),
        dims.len()
    );
    let mut y = x.clone();
    for (&shift, &dim) in shifts.iter().zip(dims) {
        let dim = x.dim("roll", dim)?;
        let n = x.shape().get(dim).copied().unwrap_or(0);
        let k = if n == 0 { 0 } else { shift.rem_euclid(n as i64) as usize };
        if k > 0 {
            let (tail, head) = (view::slice(&y, dim, n - k, k, 1), view::slice(&y, dim, 0, n - k, 1));
            y = crate::join::cat(&[tail, head], dim as i64)?;
        }
    }
    if y.same(x) { crate::copy::copy(x) } else { Ok(y) }
}

/// `x.repeat(sizes)`.
pub fn repeat(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    ensure!(
        sizes.len() >= x.ndim(),
        Runtime,
        "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
    );
    let lead = sizes.len() - x.ndim();
    let size = |i: usize| if i < lead { 1 } else { x.shape()[i - lead] };
    if sizes.iter().any(|&s| s < 0) {
        let shape: Vec<i64> = sizes.iter().enumerate().map(|(i, &s)| s * size(i) as i64).collect();
        let bad = shape.iter().find(|&&d| d < 0).copied().unwrap_or(-1);
        bail!(Runtime, "Trying to create tensor with negative dimension {bad}: {shape:?}");
    }
    // Each repeated dimension gets a broadcast dimension in front of it.
    let (mut split, mut wide, mut shape) = (Dims::new(), Dims::new(), Dims::new());
    for (i, &s) in sizes.iter().enumerate() {
        let (s, d) = (s as usize, size(i));
        if s != 1 {
            split.push(1);
            wide.push(s);
        }
        split.push(d);
        wide.push(d);
        shape.push(s * d);
    }
    let y = view::expand(&view::reshape(x, &split)?, &wide)?;
    // A copy even where nothing repeats, as torch makes one.
    view::reshape(&crate::copy::copy(&y)?, &shape)
}

/// `tile(x, dims)`: `repeat` with missing leading sizes taken as 1.
pub fn tile(x: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    let mut all = vec![1; x.ndim().saturating_sub(sizes.len())];
    all.extend(sizes);
    repeat(x, &all)
}

/// `repeat_interleave(x, repeats, dim)` with one count for every row.
pub fn repeat_interleave(x: &Tensor, repeats: i64, dim: Option<i64>) -> Result<Tensor> {
    ensure!(repeats >= 0, Runtime, "Repeats must be non-negative");
    let (x, dim) = match dim {
        None => (view::reshape(x, &[x.numel()])?, 0),
        Some(d) if x.ndim() == 0 => (view::unsqueeze(x, 0)?, x.dim("repeat_interleave", d)?),
        Some(d) => (x.clone(), x.dim("repeat_interleave", d)?),
    };
    let mut wide = Dims::from_slice(x.shape());
    ensure!(
        x.numel().checked_mul(repeats as usize).is_some_and(|n| n < 1 << 60),
        Runtime,
        "repeat_interleave: {repeats} repeats are too many"
    );
    wide.insert(dim + 1, repeats as usize);
    let y = view::expand(&view::unsqueeze(&x, dim as i64 + 1)?, &wide)?;
    wide.remove(dim + 1);
    wide[dim] *= repeats as usize;
    view::reshape(&crate::copy::copy(&y)?, &wide)
}

/// `repeat_interleave(repeats)`: each position as often as `repeats` says.
pub fn interleave_index(repeats: &Tensor) -> Result<Tensor> {
    ensure!(repeats.ndim() == 1, Runtime, "repeat_interleave only accept 1D vector as repeat");
    ensure!(
        matches!(repeats.dtype(), DType::I64 | DType::I32),
        NotImplemented,
        "\"repeat_interleave_cpu\" not implemented for '{}'",
        repeats.dtype().scalar_name()
    );
    let counts = crate::index::ids("repeat_interleave", repeats)?;
    let counts = counts.as_slice::<i64>();
    ensure!(counts.iter().all(|&n| n >= 0), Runtime, "repeats can not be negative");
    let total = counts.iter().try_fold(0i64, |sum, &n| sum.checked_add(n)).unwrap_or(i64::MAX) as usize;
    let index = Tensor::empty(&[total], DType::I64, rsnn_core::Device::Cpu)?;
    let all = counts.iter().enumerate().flat_map(|(i, &n)| std::iter::repeat_n(i as i64, n as usize));
    index.as_mut_slice::<i64>().iter_mut().zip(all).for_each(|(slot, i)| *slot = i);
    Ok(index)
}

/// `repeat_interleave(x, repeats, dim, output_size)` with a count for each row (or one for all).
pub fn repeat_interleave_tensor(
    x: &Tensor,
    repeats: &Tensor,
    dim: Option<i64>,
    output_size: Option<i64>,
) -> Result<Tensor> {
    let x = if dim.is_none() { view::reshape(x, &[x.numel()])? } else { x.clone() };
    let dim = x.dim("repeat_interleave", dim.unwrap_or(0))?;
    ensure!(repeats.ndim() <= 1, Runtime, "repeats must be 0-dim or 1-dim tensor");
    if repeats.numel() == 1 && matches!(repeats.dtype(), DType::I64 | DType::I32) {
        return repeat_interleave(&x, repeats.item_i64()?, Some(dim as i64));
    }
    let size = x.shape().get(dim).copied().unwrap_or(1);
    ensure!(
        repeats.numel() == size,
        Runtime,
        "repeats must have the same size as input along dim, but got repeats.size(0) = {} and input.size({dim}) = {size}",
        repeats.numel()
    );
    let index = interleave_index(repeats)?;
    ensure!(
        output_size.is_none_or(|n| n == index.numel() as i64),
        Runtime,
        "allocated size does not match required size"
    );
    crate::index::index_select(&x, dim as i64, &index)
}
