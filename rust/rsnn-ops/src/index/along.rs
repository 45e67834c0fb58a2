//! gather and the scatters: one index per element along one dimension.
use super::kernel::{self, Reduce, by_size, check_bounds, in_order, still};
use super::{add_rows_into, copy_rows_into, ids, scalar_as};
use crate::autograd::Ctx;
use crate::copy::{contiguous, copy_into};
use crate::elementwise::{Binary, div, mul};
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::scan::scatter_sum;
use crate::select::where_;
use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Result, bail, dispatch, ensure};
use rsnn_cpu::loops::Walk;
use rsnn_cpu::pool::SendPtr;
use smallvec::smallvec;

struct Gather {
    dim: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, index) = (&ins[0], &ins[1]);
        ensure!(
            index.ndim() == x.ndim(),
            Runtime,
            "Index tensor must have the same number of dimensions as input tensor"
        );
        for d in 0..x.ndim() {
            ensure!(
                d == self.dim || index.shape()[d] <= x.shape()[d],
                Runtime,
                "Size does not match at dimension {d} expected index {:?} to be no larger than self {:?} apart from dimension {}",
                index.shape(),
                x.shape(),
                self.dim
            );
        }
        Ok(smallvec![Meta::new(index.shape(), x.dtype(), x.device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, index, out) = (&call.ins[0], &call.ins[1], &call.outs[0]);
        check_bounds(contiguous(&distinct(index))?.as_slice(), self.dim, x.shape()[self.dim])?;
        let (sx, step) = still(x.strides(), self.dim);
        by_size!(x.dtype(), T => {
            let (i, from, to) = (SendPtr(index.ptr::<i64>()), SendPtr(x.ptr::<T>()), SendPtr(out.ptr::<T>()));
            Walk::new(index.shape(), [index.strides(), &sx, out.strides()]).for_each(|at, len, s| {
                // SAFETY: index and output are walked in their own shape; indices were checked.
                unsafe {
                    let (i, from, to) = (i.get().offset(at[0]), from.get().offset(at[1]), to.get().offset(at[2]));
                    kernel::pick(i, from, to, len, s, step);
                }
            });
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        Ok(smallvec![Some(scatter_sum(&cx.input_meta(0).shape, self.dim, &cx.input(1)?, g)?), None])
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
}

/// Inputs: self, index, src (as large as the index).
struct Scatter {
    dim: usize,
    reduce: Reduce,
    include_self: bool,
}

impl Scatter {
    fn sum(dim: usize) -> Scatter {
        Scatter { dim, reduce: Reduce::Sum, include_self: true }
    }
    fn assign(dim: usize) -> Scatter {
        Scatter { dim, reduce: Reduce::Assign, include_self: true }
    }
}

impl Op for Scatter {
    fn name(&self) -> &'static str {
        match (self.reduce, self.include_self) {
            (Reduce::Assign, _) => "scatter",
            (Reduce::Sum, true) => "scatter_add",
            _ => "scatter_reduce",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, src) = (&ins[0], &ins[2]);
        ensure!(x.dtype() == src.dtype(), Runtime, "scatter(): Expected self.dtype to be equal to src.dtype");
        Ok(smallvec![x.meta()])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (x, index, src, out) = (&call.ins[0], &call.ins[1], &call.ins[2], &call.outs[0]);
        copy_into(x, out)?;
        let listed = contiguous(&distinct(index))?;
        check_bounds(listed.as_slice(), self.dim, out.shape()[self.dim])?;
        if self.include_self && self.moves_rows(index, &listed, src, out) {
            match self.reduce {
                Reduce::Sum => return add_rows_into(out, self.dim, listed.as_slice(), src, None),
                Reduce::Assign => return copy_rows_into(out, self.dim, listed.as_slice(), src),
                _ => {}
            }
        }
        if self.reduce == Reduce::Assign {
            by_size!(out.dtype(), T => land::<T>(out, index, src, self.dim, |_, new| new));
            return Ok(());
        }
        dispatch!(all, out.dtype(), T => {
            if !self.include_self {
                let neutral = self.reduce.neutral::<T>();
                land::<T>(out, index, src, self.dim, |_, _| neutral);
            }
            // One loop per reduction, so that the choice is not made per element.
            match self.reduce {
                Reduce::Assign | Reduce::Sum | Reduce::Mean => land::<T>(out, index, src, self.dim, |a, b| Reduce::Sum.join(a, b)),
                Reduce::Prod => land::<T>(out, index, src, self.dim, |a, b| Reduce::Prod.join(a, b)),
                Reduce::Amax => land::<T>(out, index, src, self.dim, |a, b| Reduce::Amax.join(a, b)),
                Reduce::Amin => land::<T>(out, index, src, self.dim, |a, b| Reduce::Amin.join(a, b)),
            }
        });
        if self.reduce == Reduce::Mean { self.divide(index, out) } else { Ok(()) }
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None, None]) };
        let index = cx.input(1)?;
        let take = |t: &Tensor| apply(Gather { dim: self.dim }, &[t.clone(), index.clone()]);
        let (x, src) = match self.reduce {
            Reduce::Assign => (if cx.needs(0) { Some(self.cleared(g, &index)?) } else { None }, take(g)?),
            Reduce::Sum => (Some(g.clone()), take(g)?),
            Reduce::Mean => {
                let share = div(g, &self.counts(&index, g)?)?;
                (Some(share.clone()), take(&share)?)
            }
            Reduce::Amax | Reduce::Amin => self.winner_gradient(cx, g, &index)?,
            Reduce::Prod => self.product_gradient(cx, g, &index)?,
        };
        let x = match x {
            Some(x) if !self.include_self => Some(self.cleared(&x, &index)?),
            other => other,
        };
        Ok(smallvec![x, None, Some(src)])
    }
    fn saves(&self) -> Saves {
        match self.reduce {
            Reduce::Assign | Reduce::Sum | Reduce::Mean => Saves { inputs: 2, outputs: 0 },
            _ => Saves::ALL,
        }
    }
    fn strided(&self) -> bool {
        true
    }
    fn half(&self) -> Half {
        if self.reduce == Reduce::Assign { Half::Native } else { Half::Widen }
    }
}

/// `out[index] = join(out[index], src)` in the order of the index along `dim`.
fn land<T: Copy + Send + Sync + 'static>(
    out: &Tensor,
    index: &Tensor,
    src: &Tensor,
    dim: usize,
    join: impl Fn(T, T) -> T + Sync,
) {
    let (so, step) = still(out.strides(), dim);
    let (i, from, to) = (SendPtr(index.ptr::<i64>()), SendPtr(src.ptr::<T>()), SendPtr(out.ptr::<T>()));
    in_order(
        index.shape(),
        dim,
        [index.strides(), src.strides(), &so],
        #[inline(always)]
        |at, len, s| {
            // SAFETY: index and source are walked in their own shape, which fits into `out`; indices were checked.
            unsafe {
                let (i, from, to) = (i.get().offset(at[0]), from.get().offset(at[1]), to.get().offset(at[2]));
                kernel::land(i, from, to, len, s, step, &join);
            }
        },
    );
}

impl Scatter {
    /// Whether each index, of which `listed` has one for each row, sends a whole row of `src` to a whole row of `out`.
    fn moves_rows(&self, index: &Tensor, listed: &Tensor, src: &Tensor, out: &Tensor) -> bool {
        const SHORT: usize = 16;
        let (wide, narrow) = (out.shape(), index.shape());
        [listed.numel(), listed.shape()[self.dim]] == [narrow[self.dim]; 2]
            && (0..wide.len()).all(|d| d == self.dim || wide[d] == narrow[d])
            && wide[self.dim + 1..].iter().product::<usize>() >= SHORT
            && src.is_contiguous()
            && out.is_contiguous()
    }

    /// How many values went into each element, at least 1.
    fn counts(&self, index: &Tensor, like: &Tensor) -> Result<Tensor> {
        let start = crate::fill::full(like.shape(), f64::from(u8::from(self.include_self)), DType::F32, like.device())?;
        let ones = crate::fill::full(index.shape(), 1.0, DType::F32, like.device())?;
        let n = apply(Scatter::sum(self.dim), &[start, index.clone(), ones])?;
        apply(Binary::Maximum, &[n, Tensor::number(1.0, DType::F32)?])
    }

    fn divide(&self, index: &Tensor, out: &Tensor) -> Result<()> {
        let n = self.counts(index, out)?;
        dispatch!(all, out.dtype(), T => {
            for (v, n) in out.as_mut_slice::<T>().iter_mut().zip(n.as_slice::<f32>()) {
                *v = kernel::Accumulate::over(*v, <T as rsnn_core::Element>::from_f64(f64::from(*n)));
            }
        });
        Ok(())
    }

    /// `g` with zeros where the scatter landed.
    fn cleared(&self, g: &Tensor, index: &Tensor) -> Result<Tensor> {
        let zero = crate::fill::full(&[], 0.0, g.dtype(), g.device())?;
        apply(Scatter::assign(self.dim), &[g.clone(), index.clone(), view::expand(&zero, index.shape())?])
    }

    /// amax, amin: the gradient is shared evenly among the elements that equal the result.
    fn winner_gradient(&self, cx: &Ctx, g: &Tensor, index: &Tensor) -> Result<(Option<Tensor>, Tensor)> {
        let (x, src, out) = (cx.input(0)?, cx.input(2)?, cx.output(0)?);
        let take = |t: &Tensor| apply(Gather { dim: self.dim }, &[t.clone(), index.clone()]);
        let equal =
            |a: &Tensor, b: &Tensor| crate::copy::to_dtype(&apply(Binary::Eq, &[a.clone(), b.clone()])?, g.dtype());
        let (own, others) = (equal(&x, &out)?, equal(&src, &take(&out)?)?);
        let shares = apply(Scatter::sum(self.dim), &[own.clone(), index.clone(), others.clone()])?;
        let share = div(g, &shares)?;
        Ok((Some(mul(&own, &share)?), mul(&others, &take(&share)?)?))
    }

    /// prod: result / element, with a product of the others where a single zero would divide by itself.
    fn product_gradient(&self, cx: &Ctx, g: &Tensor, index: &Tensor) -> Result<(Option<Tensor>, Tensor)> {
        let (x, src, out) = (cx.input(0)?, cx.input(2)?, cx.output(0)?);
        let take = |t: &Tensor| apply(Gather { dim: self.dim }, &[t.clone(), index.clone()]);
        let again = |x: &Tensor, src: &Tensor| {
            let op = Scatter { dim: self.dim, reduce: Reduce::Prod, include_self: self.include_self };
            apply(op, &[x.clone(), index.clone(), src.clone()])
        };
        let scalar = |v: f64| crate::fill::full(&[], v, g.dtype(), g.device());
        let (zero, one) = (scalar(0.0)?, scalar(1.0)?);
        let is_zero = |t: &Tensor| apply(Binary::Eq, &[t.clone(), zero.clone()]);
        let patched = where_(&is_zero(&x)?, &one, &x)?;
        let dx = div(&mul(g, &again(&patched, &src)?)?, &patched)?;
        let src_zero = is_zero(&src)?;
        let zeros = crate::fill::zeros(x.shape(), g.dtype(), g.device())?;
        let count =
            apply(Scatter::sum(self.dim), &[zeros, index.clone(), crate::copy::to_dtype(&src_zero, g.dtype())?])?;
        let single = apply(Binary::LogicalAnd, &[src_zero.clone(), apply(Binary::Eq, &[take(&count)?, one.clone()])?])?;
        let others = again(&x, &where_(&single, &one, &src)?)?;
        let plain = div(&take(&mul(g, &out)?)?, &where_(&src_zero, &one, &src)?)?;
        Ok((Some(dx), where_(&single, &take(&mul(g, &others)?)?, &plain)?))
    }
}

/// The index without the repeats along broadcast dimensions.
fn distinct(index: &Tensor) -> Tensor {
    let mut layout = index.layout().clone();
    layout.shape.iter_mut().zip(&layout.strides).filter(|(_, s)| **s == 0).for_each(|(d, _)| *d = (*d).min(1));
    index.alias(layout)
}

/// Index as int64, and everything at least 1-d, for a call of `op`. Only what differs in the index is stored:
/// the same index for a whole row moves the row at once.
fn prepare(op: &str, x: &Tensor, dim: i64, index: &Tensor) -> Result<(Tensor, usize, Tensor)> {
    let dim = x.dim(op, dim)?;
    ensure!(matches!(index.dtype(), DType::I64 | DType::I32), Runtime, "{op}(): Expected dtype int32/int64 for index");
    let flat = |t: &Tensor| if t.ndim() == 0 { view::unsqueeze(t, 0) } else { Ok(t.clone()) };
    let dense = ids(op, &distinct(index))?;
    let index = if dense.shape() == index.shape() { dense } else { view::expand(&dense, index.shape())? };
    Ok((flat(x)?, dim, flat(&index)?))
}

fn reshaped(y: Tensor, shape: &[usize]) -> Result<Tensor> {
    if y.shape() == shape { Ok(y) } else { view::reshape(&y, shape) }
}

/// `x.gather(dim, index)`.
pub fn gather(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let (x1, dim, i) = prepare("gather", x, dim, index)?;
    let y = apply(Gather { dim }, &[x1, i])?;
    if index.ndim() == 0 { reshaped(y, &[]) } else { Ok(y) }
}

fn scatter_with(
    op: &str,
    kind: impl FnOnce(usize) -> Scatter,
    x: &Tensor,
    dim: i64,
    index: &Tensor,
    src: &Tensor,
) -> Result<Tensor> {
    let (x1, dim, i) = prepare(op, x, dim, index)?;
    // Without indices any source will do.
    if i.numel() == 0 && (i.shape() != src.shape() || i.ndim() != x1.ndim()) {
        return crate::copy::copy(x);
    }
    let mut src = if src.ndim() == 0 { view::unsqueeze(src, 0)? } else { src.clone() };
    ensure!(i.ndim() == x1.ndim(), Runtime, "Index tensor must have the same number of dimensions as self tensor");
    ensure!(i.ndim() == src.ndim(), Runtime, "Index tensor must have the same number of dimensions as src tensor");
    let fits = (0..i.ndim()).all(|d| i.shape()[d] <= src.shape()[d] && (d == dim || i.shape()[d] <= x1.shape()[d]));
    ensure!(
        fits,
        Runtime,
        "Expected index {:?} to be no larger than self {:?} apart from dimension {dim} and to be no larger size than src {:?}",
        i.shape(),
        x1.shape(),
        src.shape()
    );
    for d in 0..i.ndim() {
        if i.shape()[d] < src.shape()[d] {
            src = view::slice(&src, d, 0, i.shape()[d], 1);
        }
    }
    reshaped(apply(kind(dim), &[x1, i, src])?, x.shape())
}

/// `x.scatter(dim, index, src)`; of equal indices the last one wins.
pub fn scatter(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    scatter_with("scatter", Scatter::assign, x, dim, index, src)
}

/// `x.scatter(dim, index, value)` with a number or 0-d tensor.
pub fn scatter_value(x: &Tensor, dim: i64, index: &Tensor, value: &Tensor) -> Result<Tensor> {
    scatter(x, dim, index, &view::expand(&scalar_as(value, x.dtype())?, index.shape())?)
}

/// `x.scatter_add(dim, index, src)`.
pub fn scatter_add(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    scatter_with("scatter_add", Scatter::sum, x, dim, index, src)
}

/// `x.scatter_reduce(dim, index, src, reduce, include_self)`.
pub fn scatter_reduce(
    x: &Tensor,
    dim: i64,
    index: &Tensor,
    src: &Tensor,
    reduce: &str,
    include_self: bool,
) -> Result<Tensor> {
    let reduce = match reduce {
        "sum" => Reduce::Sum,
        "prod" => Reduce::Prod,
        "mean" => Reduce::Mean,
        "amax" => Reduce::Amax,
        "amin" => Reduce::Amin,
        other => bail!(Runtime, "reduce argument must be either sum, prod, mean, amax or amin, got {other}"),
    };
    scatter_with("scatter_reduce", |dim| Scatter { dim, reduce, include_self }, x, dim, index, src)
}
