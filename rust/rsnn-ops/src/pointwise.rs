//! Where the results of elementwise ops lie in memory, and how their kernels walk them: in the order of the operands' strides.
//! The rules are those of torch's iterators.
use crate::op::Tensors;
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Device, Dims, Layout, Result, Strides, contiguous_strides};
use smallvec::SmallVec;
use std::cmp::Ordering;

type Order = SmallVec<[usize; 6]>;

/// An empty result of an op that takes `ins` element by element.
pub(crate) fn empty(meta: &Meta, ins: &[Tensor]) -> Result<Tensor> {
    if ins.iter().all(|t| t.layout().is_row_major()) {
        return Tensor::empty_meta(meta);
    }
    let strides = alike(&meta.shape, ins).unwrap_or_else(|| packed(&meta.shape, &order(&meta.shape, ins)));
    Tensor::empty_strided(&meta.shape, strides, meta.dtype, meta.device)
}

/// An empty tensor with the shape of `x` that lies in memory as `x` does, without its gaps.
pub fn empty_like(x: &Tensor, dtype: DType, device: Device) -> Result<Tensor> {
    let layout = x.layout();
    if layout.is_row_major() {
        return Tensor::empty(x.shape(), dtype, device);
    }
    let strides = match layout.is_dense() {
        true => layout.strides.clone(),
        false => packed(x.shape(), &order(x.shape(), std::slice::from_ref(x))),
    };
    Tensor::empty_strided(x.shape(), strides, dtype, device)
}

/// Strides of the result where all operands have its shape and one layout.
fn alike(shape: &[usize], ins: &[Tensor]) -> Option<Strides> {
    let all = |holds: fn(&Layout) -> bool| ins.iter().all(|t| holds(t.layout()));
    let first = ins.first()?;
    if ins.iter().any(|t| t.shape() != shape) {
        return None;
    }
    if all(Layout::is_contiguous) {
        return Some(contiguous_strides(shape));
    }
    if all(Layout::is_channels_last) {
        return Some(packed(shape, &[1, 3, 2, 0]));
    }
    (all(Layout::is_dense) && ins.iter().all(|t| t.strides() == first.strides()))
        .then(|| first.layout().strides.clone())
}

/// Dimensions of the result from the innermost outwards. Operands decide in turn: the first that has two different strides for
/// two dimensions, or equal ones of different lengths. What none decides stays row-major.
fn order(shape: &[usize], ins: &[Tensor]) -> Order {
    let strides: SmallVec<[Strides; 4]> = ins.iter().map(|t| t.layout().broadcast_strides(shape)).collect();
    let compare = |inner: usize, outer: usize| {
        for s in strides.iter().filter(|s| s[inner] != 0 && s[outer] != 0) {
            match s[inner].cmp(&s[outer]) {
                Ordering::Equal if shape[inner] > shape[outer] => return Ordering::Greater,
                Ordering::Equal => {}
                different => return different,
            }
        }
        Ordering::Equal
    };
    let mut order: Order = (0..shape.len()).rev().collect();
    // Insertion that steps over what is undecided: a dimension moves inwards past it if it moves at all.
    for i in 1..order.len() {
        let mut at = i;
        for k in (0..i).rev() {
            match compare(order[k], order[at]) {
                Ordering::Greater => {
                    order.swap(k, at);
                    at = k;
                }
                Ordering::Less => break,
                Ordering::Equal => {}
            }
        }
    }
    order
}

/// Strides without gaps for dimensions in `order`, innermost first.
fn packed(shape: &[usize], order: &[usize]) -> Strides {
    let mut strides = Strides::from_elem(1, shape.len());
    let mut next = 1isize;
    for &d in order {
        strides[d] = next;
        next *= shape[d].max(1) as isize;
    }
    strides
}

/// The tensors of a launch with their dimensions in the order in which the result lies in memory, so that what lies alike is
/// contiguous.
pub(crate) fn arranged(ins: &[Tensor], outs: &[Tensor]) -> (Tensors, Tensors) {
    let order = outs.first().map_or_else(Order::new, memory_order);
    let all = |ts: &[Tensor]| ts.iter().map(|t| reordered(t, &order)).collect();
    (all(ins), all(outs))
}

/// `x` with its dimensions in the order in which it lies in memory: contiguous where there are no gaps.
pub(crate) fn flat(x: &Tensor) -> Tensor {
    if x.is_contiguous() { x.clone() } else { reordered_as(x, x) }
}

/// `x` with its dimensions in the order in which `like`, which has as many, lies in memory.
pub fn reordered_as(x: &Tensor, like: &Tensor) -> Tensor {
    reordered(x, &memory_order(like))
}

/// Dimensions from the outermost inwards.
pub(crate) fn memory_order(x: &Tensor) -> Order {
    let mut order: Order = (0..x.ndim()).collect();
    order.sort_by_key(|&d| std::cmp::Reverse(x.strides()[d].unsigned_abs()));
    order
}

/// `x`, filled up with leading dimensions of size 1, with its dimensions in `order`.
fn reordered(x: &Tensor, order: &[usize]) -> Tensor {
    if x.ndim() == 0 {
        return x.clone();
    }
    let (layout, lead) = (x.layout(), order.len() - x.ndim());
    let (mut shape, mut strides) = (Dims::new(), Strides::new());
    for &d in order {
        shape.push(if d < lead { 1 } else { layout.shape[d - lead] });
        strides.push(if d < lead { 1 } else { layout.strides[d - lead] });
    }
    x.alias(Layout { shape, strides, offset: layout.offset })
}
