//! masked_fill, masked_select, masked_scatter, nonzero.
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::index::{index_copy, index_select, kernel::by_size, scalar_as};
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Device, Result, broadcast_shapes, dispatch, ensure};
use rsnn_cpu::loops;
use rsnn_cpu::pool::{self, SendPtr};
use smallvec::smallvec;

/// Whether an in-place write of `values` into `x` enters the graph.
pub(crate) fn is_recorded(x: &Tensor, values: &Tensor) -> bool {
    crate::autograd::is_enabled()
        && (x.requires_grad()
            || values.requires_grad()
            || x.autograd().base.as_ref().is_some_and(Tensor::requires_grad))
}

/// Inputs: self, mask, value (0-d, dtype of self).
struct MaskedFill;

impl Op for MaskedFill {
    fn name(&self) -> &'static str {
        "masked_fill"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let shape = broadcast_shapes(ins[1].shape(), ins[0].shape())?;
        Ok(smallvec![Meta { shape, dtype: ins[0].dtype(), device: ins[0].device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        fill_where(&call.ins[0], &call.ins[1], &call.ins[2], &call.outs[0]);
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None, None]) };
        let (mask, zero) = (cx.input(1)?, crate::fill::full(&[], 0.0, g.dtype(), g.device())?);
        let x = if cx.needs(0) { Some(apply(MaskedFill, &[g.clone(), mask.clone(), zero.clone()])?) } else { None };
        let value = if cx.needs(2) {
            Some(crate::reduce::sum(&crate::select::where_(&mask, g, &zero)?, &[], false, None)?)
        } else {
            None
        };
        Ok(smallvec![x, None, value])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
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

fn fill_where(x: &Tensor, mask: &Tensor, value: &Tensor, out: &Tensor) {
    let shape = out.shape();
    let (sx, sm) = (x.layout().broadcast_strides(shape), mask.layout().broadcast_strides(shape));
    by_size!(x.dtype(), T => {
        // SAFETY: `value` has one element of this width.
        let v = unsafe { *value.ptr::<T>() };
        let (x, m) = ((x.ptr::<T>().cast_const(), &sx[..]), (mask.ptr::<u8>().cast_const(), &sm[..]));
        // SAFETY: broadcast strides stay within each layout; `out` is fresh or is `x` element for element.
        unsafe { loops::binary(shape, x, m, (out.ptr::<T>(), out.strides()), move |x, m| if m != 0 { v } else { x }) }
    });
}

fn check_fill(mask: &Tensor, value: &Tensor) -> Result<()> {
    ensure!(
        value.ndim() == 0,
        Runtime,
        "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
        value.ndim()
    );
    ensure!(
        mask.dtype() == DType::Bool,
        Runtime,
        "masked_fill_ only supports boolean masks, but got mask with dtype {}",
        crate::index::cpp_name(mask.dtype())
    );
    Ok(())
}

/// `x.masked_fill(mask, value)` with a number or 0-d tensor.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: &Tensor) -> Result<Tensor> {
    check_fill(mask, value)?;
    let value = crate::device::to(&scalar_as(value, x.dtype())?, x.device())?;
    if x.device() != Device::Cpu {
        return crate::select::where_(mask, &value, x);
    }
    apply(MaskedFill, &[x.clone(), mask.clone(), value])
}

/// `x.masked_fill_(mask, value)`.
pub fn masked_fill_(x: &Tensor, mask: &Tensor, value: &Tensor) -> Result<()> {
    check_fill(mask, value)?;
    let shape = broadcast_shapes(x.shape(), mask.shape())?;
    ensure!(
        shape.as_slice() == x.shape(),
        Runtime,
        "output with shape {:?} doesn't match the broadcast shape {:?}",
        x.shape(),
        &shape[..]
    );
    let cpu = x.device() == Device::Cpu && mask.device() == Device::Cpu;
    let shared = std::sync::Arc::ptr_eq(x.storage(), mask.storage());
    if is_recorded(x, value) || !cpu || shared {
        return crate::autograd::assign(x, &masked_fill(x, mask, value)?);
    }
    crate::autograd::check_inplace(x)?;
    fill_where(x, mask, &crate::device::to_device(&scalar_as(value, x.dtype())?.detach(), Device::Cpu)?, x);
    x.bump_version();
    Ok(())
}

/// One row of coordinates in `shape` for each nonzero element, in row-major order.
fn positions(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let x = crate::device::to_device(&x.detach(), Device::Cpu)?;
    let x = crate::copy::contiguous(&x)?;
    dispatch!(all, x.dtype(), T => {
        let data = x.as_slice::<T>();
        let zero = T::default();
        let chunks = pool::split(data.len(), 32 * 1024);
        let mut counts = vec![0usize; chunks];
        let place = SendPtr(counts.as_mut_ptr());
        pool::for_each_chunk(chunks, |c| {
            let n = data[pool::range(data.len(), chunks, c)].iter().filter(|v| **v != zero).count();
            // SAFETY: one slot per chunk.
            unsafe { *place.get().add(c) = n };
        });
        let total: usize = counts.iter().sum();
        let mut start = 0;
        counts.iter_mut().for_each(|n| start += std::mem::replace(n, start));
        let out = Tensor::empty(&[total, shape.len()], DType::I64, Device::Cpu)?;
        let to = SendPtr(out.ptr::<i64>());
        pool::for_each_chunk(chunks, |c| {
            let (part, start) = (pool::range(data.len(), chunks, c), counts[c]);
            let room = counts.get(c + 1).copied().unwrap_or(total) - start;
            // SAFETY: the counts of the first pass give every chunk its own range of rows.
            let rows = unsafe { std::slice::from_raw_parts_mut(to.get().add(start * shape.len()), room * shape.len()) };
            coordinates(&data[part.clone()], part.start, shape, |v| *v != zero, rows);
        });
        Ok(out)
    })
}

/// Writes the coordinates of the elements of `data` that are `hit`; the first of them has flat index `first`.
#[inline(always)]
fn coordinates<T>(data: &[T], first: usize, shape: &[usize], hit: impl Fn(&T) -> bool, rows: &mut [i64]) {
    const PIECE: usize = 512;
    let Some((&size, outer)) = shape.split_last() else { return };
    let mut rows = rows.chunks_exact_mut(shape.len());
    let (mut found, mut lead, mut done) = ([0u16; PIECE], vec![0i64; outer.len()], 0);
    while done < data.len() {
        let (mut row, column) = ((first + done) / size, (first + done) % size);
        let piece = &data[done..data.len().min(done + (size - column).min(PIECE))];
        let mut n = 0;
        for (j, v) in piece.iter().enumerate() {
            // Written whatever the element is: the next hit overwrites a miss, and no branch is mispredicted.
            found[n] = j as u16;
            n += usize::from(hit(v));
        }
        for (&d, at) in outer.iter().zip(&mut lead).rev() {
            *at = (row % d) as i64;
            row /= d;
        }
        for (&j, to) in found[..n].iter().zip(&mut rows) {
            to[..lead.len()].copy_from_slice(&lead);
            to[lead.len()] = (column + usize::from(j)) as i64;
        }
        done += piece.len();
    }
}

/// Positions of the nonzero elements in row-major order.
pub(crate) fn nonzero_flat(x: &Tensor) -> Result<Tensor> {
    let found = positions(x, &[x.numel()])?;
    view::reshape(&found, &[found.numel()])
}

/// `x.nonzero()`: one row of coordinates per nonzero element.
pub fn nonzero(x: &Tensor) -> Result<Tensor> {
    if x.ndim() == 0 {
        return Tensor::empty(&[nonzero_flat(x)?.numel(), 0], DType::I64, Device::Cpu);
    }
    positions(x, x.shape())
}

/// `x.nonzero(as_tuple=True)`: coordinates, one tensor per dimension; a 0-d tensor counts as 1-d.
pub fn nonzero_tuple(x: &Tensor) -> Result<Vec<Tensor>> {
    let x = if x.ndim() == 0 { view::unsqueeze(&x.detach(), 0)? } else { x.detach() };
    crate::join::unbind(&nonzero(&x)?, 1)
}

/// `x.masked_select(mask)`: the chosen elements of the broadcast tensor, in order.
pub fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    ensure!(mask.dtype() == DType::Bool, Runtime, "masked_select: expected BoolTensor for mask");
    let shape = broadcast_shapes(mask.shape(), x.shape())?;
    let wide = |t: &Tensor| if t.shape() == shape.as_slice() { Ok(t.clone()) } else { view::expand(t, &shape) };
    let (x, picked) = (wide(x)?, nonzero_flat(&wide(mask)?)?);
    index_select(&view::reshape(&x, &[x.numel()])?, 0, &picked)
}

/// `x.masked_scatter(mask, source)`: elements of `source` in order at the places of the mask.
pub fn masked_scatter(x: &Tensor, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
    ensure!(
        x.dtype() == source.dtype(),
        Runtime,
        "masked_scatter: expected self and source to have same dtypes but got {} and {}",
        x.dtype().scalar_name(),
        source.dtype().scalar_name()
    );
    ensure!(
        mask.dtype() == DType::Bool,
        Runtime,
        "masked_scatter_ only supports boolean masks, but got mask with dtype {}",
        mask.dtype().scalar_name()
    );
    let shape = broadcast_shapes(mask.shape(), x.shape())?;
    let wide = |t: &Tensor| if t.shape() == shape.as_slice() { Ok(t.clone()) } else { view::expand(t, &shape) };
    let (x, places) = (wide(x)?, nonzero_flat(&wide(mask)?)?);
    let n = places.numel();
    ensure!(source.numel() >= n, Runtime, "Number of elements of source < number of ones in mask");
    let source = view::slice(&view::reshape(source, &[source.numel()])?, 0, 0, n, 1);
    view::reshape(&index_copy(&view::reshape(&x, &[x.numel()])?, 0, &places, &source)?, &shape)
}
