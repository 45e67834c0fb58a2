//! `as_strided`, its gradient, and the scatter that in-place writes to views turn into.
use crate::autograd::Ctx;
use crate::index::kernel::{Accumulate, serial};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply, view};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Layout, Result, bail, ensure};

/// `layout` read from the storage of a base with layout `base`.
pub struct AsStrided {
    pub layout: Layout,
    pub base: Layout,
}

/// The base with the elements of `layout` replaced by the second input.
pub struct AsStridedScatter {
    pub layout: Layout,
    pub base: Layout,
}

/// Adds every element of `src` to its place in `target`, whose elements may coincide.
pub(super) fn add_overlapping(src: &Tensor, target: &Tensor) -> Result<()> {
    fn run<T: Accumulate>(src: &Tensor, target: &Tensor) {
        let (from, to) = (src.ptr::<T>(), target.ptr::<T>());
        serial(
            target.shape(),
            [0, 0],
            [src.strides(), target.strides()],
            #[inline(always)]
            |at, len, s| {
                for j in 0..len as isize {
                    // SAFETY: both layouts lie in their storages.
                    unsafe {
                        let to = to.offset(at[1] + j * s[1]);
                        *to = (*to).plus(*from.offset(at[0] + j * s[0]));
                    }
                }
            },
        );
    }
    match target.dtype() {
        DType::F32 => run::<f32>(src, target),
        DType::F64 => run::<f64>(src, target),
        other => bail!(NotImplemented, "as_strided: no gradient for {}", other.name()),
    }
    Ok(())
}

/// `g` laid out in memory as `base` is, offset removed.
fn with_geometry(g: &Tensor, base: &Layout) -> Result<Tensor> {
    if base.is_contiguous() {
        return crate::copy::to_contiguous(g);
    }
    ensure!(!g.requires_grad(), NotImplemented, "as_strided: no second derivative for a non-contiguous base");
    let buffer = crate::fill::zeros(&[base.end() - base.offset], g.dtype(), g.device())?;
    let shaped = buffer.alias(Layout { offset: 0, ..base.clone() });
    crate::copy::copy_into(g, &shaped)?;
    Ok(shaped)
}

fn relative(layout: &Layout, base: &Layout) -> Result<Layout> {
    ensure!(layout.offset >= base.offset, Runtime, "as_strided: the view begins before its base");
    Ok(Layout { offset: layout.offset - base.offset, ..layout.clone() })
}

/// Gradient of `AsStrided`: zeros in the geometry of the base, with the gradient added at the viewed elements.
struct Backward {
    layout: Layout,
    base: Layout,
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "as_strided_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.base.shape, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        let extent = self.base.end().max(self.layout.end()).max(1) - self.base.offset.min(self.base.end().max(1) - 1);
        let buffer = crate::fill::zeros(&[extent], out.dtype(), out.device())?;
        add_overlapping(&call.ins[0], &buffer.alias(relative(&self.layout, &self.base)?))?;
        crate::copy::copy_into(&buffer.alias(Layout { offset: 0, ..self.base.clone() }), out)
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn strided(&self) -> bool {
        true
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let g = with_geometry(g, &self.base)?;
        let layout = relative(&self.layout, &self.base)?;
        Ok(smallvec::smallvec![Some(restride(&g, layout))])
    }
}

/// `layout` counted from the first element of `x`.
fn restride(x: &Tensor, layout: Layout) -> Tensor {
    let layout = Layout { offset: layout.offset + x.layout().offset, ..layout };
    view(AsStrided { layout: layout.clone(), base: x.layout().clone() }, x, layout)
}

impl Op for AsStrided {
    fn name(&self) -> &'static str {
        "as_strided"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![Meta::new(&self.layout.shape, ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        crate::copy::copy_into(&call.ins[0].alias(self.layout.clone()), &call.outs[0])
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn vjp(&self, _: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let op = Backward { layout: self.layout.clone(), base: self.base.clone() };
        Ok(smallvec::smallvec![Some(apply(op, std::slice::from_ref(g))?)])
    }
}

impl Op for AsStridedScatter {
    fn name(&self) -> &'static str {
        "copy_slices"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(smallvec::smallvec![ins[0].meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        crate::copy::copy_into(&call.ins[0], out)?;
        ensure!(self.base.is_contiguous(), NotImplemented, "as_strided_scatter: expected a contiguous base");
        crate::copy::copy_into(&call.ins[1], &out.alias(relative(&self.layout, &self.base)?))
    }
    fn saves(&self) -> Saves {
        Saves::NONE
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None, None]) };
        let layout = relative(&self.layout, &self.base)?;
        let g = with_geometry(g, &self.base)?;
        let source = if cx.needs(1) { Some(restride(&g, layout.clone())) } else { None };
        let base = if cx.needs(0) { Some(without(&g, &layout, &self.base)?) } else { None };
        Ok(smallvec::smallvec![base, source])
    }
}

/// `g` with zeros at the elements of `layout`.
fn without(g: &Tensor, layout: &Layout, base: &Layout) -> Result<Tensor> {
    if g.requires_grad() && crate::autograd::is_enabled() {
        let zeros = crate::fill::zeros(&layout.shape, g.dtype(), g.device())?;
        let op = AsStridedScatter { layout: layout.clone(), base: Layout { offset: 0, ..base.clone() } };
        return apply(op, &[g.clone(), zeros]);
    }
    let copy = with_geometry(&crate::copy::copy(g)?, base)?;
    let offset = layout.offset + copy.layout().offset;
    crate::fill::fill_raw(&copy.alias(Layout { offset, ..layout.clone() }), 0.0)?;
    Ok(copy)
}

/// `x.as_strided(shape, strides, offset)` with the bounds check that keeps every element in the storage.
pub fn as_strided(x: &Tensor, shape: &[i64], strides: &[i64], offset: Option<i64>) -> Result<Tensor> {
    ensure!(
        shape.len() == strides.len(),
        Runtime,
        "mismatch in length of strides and shape: {} and {}",
        strides.len(),
        shape.len()
    );
    ensure!(
        strides.iter().all(|&s| s >= 0),
        Runtime,
        "as_strided: Negative strides are not supported at the moment, got strides: {strides:?}"
    );
    if let Some(&bad) = shape.iter().chain(&offset).find(|&&v| v < 0) {
        bail!(Runtime, "as_strided: Negative sizes or offsets are not supported, got {bad}");
    }
    let layout = Layout {
        shape: shape.iter().map(|&d| d as usize).collect(),
        strides: strides.iter().map(|&s| s as isize).collect(),
        offset: offset.map_or(x.layout().offset, |o| o as usize),
    };
    rsnn_core::checked_numel(&layout.shape)?;
    let have = x.storage().bytes() / x.dtype().size();
    let reach: i128 = layout.shape.iter().zip(&layout.strides).map(|(&d, &s)| (d as i128 - 1) * s as i128).sum();
    ensure!(
        layout.numel() == 0 || layout.offset as i128 + reach < have as i128,
        Runtime,
        "setStorage: sizes {shape:?}, strides {strides:?}, storage offset {}, and itemsize {} requiring a storage size of {} are out of bounds for storage of size {}",
        layout.offset,
        x.dtype().size(),
        (layout.offset as i128 + reach + 1) * x.dtype().size() as i128,
        x.storage().bytes()
    );
    Ok(view(AsStrided { layout: layout.clone(), base: x.layout().clone() }, x, layout))
}
