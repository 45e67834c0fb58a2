//! Selections along a dimension: topk, kthvalue, median, mode. Each gives values and places.
use super::key::{Buffer, Key, Line, lines};
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply_all};
use crate::reduce::{axis, dispatch_ordered};
use crate::scan::scatter_sum;
use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Result, ensure};
use rsnn_cpu::pool::SendPtr;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Top { k: usize, largest: bool },
    Kth(usize),
    Median,
    NanMedian,
    Mode,
}

/// Results stand along `dim`, which has `size` of them.
struct Choose {
    dim: usize,
    kind: Kind,
    size: usize,
}

impl Op for Choose {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Top { .. } => "topk",
            Kind::Kth(_) => "kthvalue",
            Kind::Median => "median",
            Kind::NanMedian => "nanmedian",
            Kind::Mode => "mode",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let x = &ins[0];
        ensure!(
            x.dtype() != DType::Bool || self.kind == Kind::Mode,
            NotImplemented,
            "\"{}_cpu\" not implemented for 'Bool'",
            self.name()
        );
        let mut value = x.meta();
        if x.ndim() > 0 {
            value.shape[self.dim] = self.size;
        }
        let index = Meta { dtype: DType::I64, ..value.clone() };
        Ok(smallvec::smallvec![value, index])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let axis = axis(call.ins[0].shape(), self.dim);
        dispatch_ordered!(call.ins[0].dtype(), self.name(), T => {
            let x = call.input::<T>(0);
            let (out, index) = (SendPtr(call.outs[0].ptr::<T>()), SendPtr(call.outs[1].ptr::<i64>()));
            lines(axis, |line, buffer| {
                let (o, i) = (line.number / axis.inner, line.number % axis.inner);
                let put = |r: usize, place: usize| {
                    let to = (o * self.size + r) * axis.inner + i;
                    // SAFETY: `r < size`, so `to` lies in the outputs; each place is written once.
                    unsafe {
                        *out.get().add(to) = x[line.at(place)];
                        *index.get().add(to) = place as i64;
                    }
                };
                match self.kind {
                    Kind::Top { k, largest } => top(x, line, k, largest, buffer, put),
                    kind => put(0, one(x, line, kind, buffer)),
                }
            });
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None]) };
        let shape = &cx.input_meta(0).shape;
        Ok(smallvec::smallvec![Some(scatter_sum(shape, self.dim, &cx.output(1)?, g)?)])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 0, outputs: 2 }
    }
}

/// The first `k` of a line in order.
fn top<T: Key>(x: &[T], line: Line, k: usize, largest: bool, buffer: &mut Buffer, put: impl Fn(usize, usize)) {
    fn first<K: Ord>(keys: &mut [K], k: usize) {
        if k < keys.len() {
            keys.select_nth_unstable(k);
        }
        keys[..k].sort_unstable();
    }
    if k == 0 {
        return;
    }
    T::order(x, line, largest, buffer, |keys| first(keys, k), |keys| first(keys, k));
    (0..k).for_each(|r| put(r, buffer.place(r)));
}

/// The place of the one element that `kind` asks for.
fn one<T: Key>(x: &[T], line: Line, kind: Kind, buffer: &mut Buffer) -> usize {
    let nan = |i: &usize| x[line.at(*i)].nan();
    let rank = match kind {
        Kind::Kth(k) => k - 1,
        Kind::NanMedian => (line.len - (0..line.len).filter(nan).count()).saturating_sub(1) / 2,
        Kind::Mode => return mode_of(x, line, buffer),
        _ => match (0..line.len).find(nan) {
            Some(i) => return i,
            None => (line.len - 1) / 2,
        },
    };
    let pick = rank;
    T::order(
        x,
        line,
        false,
        buffer,
        |keys| {
            keys.select_nth_unstable(pick);
        },
        |keys| {
            keys.select_nth_unstable(pick);
        },
    );
    buffer.place(rank)
}

/// Last place of the most frequent element, the smallest among equally frequent ones.
fn mode_of<T: Key>(x: &[T], line: Line, buffer: &mut Buffer) -> usize {
    T::order(x, line, false, buffer, |keys| keys.sort_unstable(), |keys| keys.sort_unstable());
    let (mut best, mut place, mut run, mut before) = (0, 0, 0, None);
    buffer.each(|_, i| {
        let key = x[line.at(i)].key();
        run = if before == Some(key) { run + 1 } else { 1 };
        before = Some(key);
        // A run that only ties with the best so far has a larger element.
        if run > best {
            (best, place) = (run, i);
        }
    });
    place
}

fn choose(x: &Tensor, dim: i64, keepdim: bool, kind: Kind) -> Result<(Tensor, Tensor)> {
    let mut op = Choose { dim: 0, kind, size: 1 };
    op.dim = x.dim(op.name(), dim)?;
    let (name, dim) = (op.name(), op.dim);
    let len = x.shape().get(dim).copied().unwrap_or(1);
    if let Kind::Top { k, .. } = kind {
        op.size = k;
    } else {
        ensure!(len > 0, Index, "{name}(): Expected reduction dim {dim} to have non-zero size.");
    }
    let outs = apply_all(Arc::new(op), std::slice::from_ref(x))?;
    if keepdim || x.ndim() == 0 {
        return Ok((outs[0].clone(), outs[1].clone()));
    }
    let drop = [dim as i64];
    Ok((view::squeeze(&outs[0], Some(&drop))?, view::squeeze(&outs[1], Some(&drop))?))
}

/// The `k` largest or smallest elements along `dim`, in order.
pub fn topk(x: &Tensor, k: i64, dim: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    ensure!(x.dtype() != DType::Bool, Runtime, "topk does not support bool dtypes on CPU");
    let at = x.dim("topk", dim)?;
    let len = x.shape().get(at).copied().unwrap_or(1);
    ensure!(k >= 0 && k as usize <= len, Runtime, "selected index k out of range");
    ensure!(x.ndim() > 0 || k == 1, Runtime, "selected index k out of range");
    choose(x, dim, true, Kind::Top { k: k as usize, largest })
}

/// The `k`-th smallest element along `dim`, counted from 1.
pub fn kthvalue(x: &Tensor, k: i64, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let at = x.dim("kthvalue", dim)?;
    let len = x.shape().get(at).copied().unwrap_or(1);
    ensure!(len > 0, Index, "kthvalue(): Expected reduction dim {at} to have non-zero size.");
    ensure!(k >= 1 && k as usize <= len, Runtime, "kthvalue(): selected number k out of range for dimension {at}");
    choose(x, dim, keepdim, Kind::Kth(k as usize))
}

/// The lower median along `dim`; NaN if there is one.
pub fn median(x: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    choose(x, dim, keepdim, Kind::Median)
}

/// The lower median of the elements that are not NaN.
pub fn nanmedian(x: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    choose(x, dim, keepdim, Kind::NanMedian)
}

/// The most frequent element along `dim`.
pub fn mode(x: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
    choose(x, dim, keepdim, Kind::Mode)
}

fn of_all(x: &Tensor, kind: Kind) -> Result<Tensor> {
    if x.numel() == 0 {
        // The sum keeps the history of `x`.
        let nan = crate::fill::full(&[], f64::NAN, x.dtype(), x.device())?;
        return crate::elementwise::add(&crate::reduce::sum(x, &[], false, Some(x.dtype()))?, &nan);
    }
    Ok(choose(&view::reshape(x, &[x.numel()])?, 0, false, kind)?.0)
}

/// The lower median of all elements.
pub fn median_all(x: &Tensor) -> Result<Tensor> {
    of_all(x, Kind::Median)
}

/// The lower median of all elements that are not NaN.
pub fn nanmedian_all(x: &Tensor) -> Result<Tensor> {
    of_all(x, Kind::NanMedian)
}
