//! `unique` and `unique_consecutive`: of elements, or of slices along a dimension. Values, inverse, counts; no gradient.
use super::key::Key;
use crate::reduce::dispatch_ordered;
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{DType, Dims, Result, ensure};
use rsnn_cpu::moves::radix_sort;

/// Rows to compare: `(count, keys per row, keys)`. NaN equals nothing, so its row never joins another.
struct Rows {
    count: usize,
    width: usize,
    keys: Vec<u64>,
    nan: Vec<bool>,
}

impl Rows {
    fn new(x: &Tensor) -> Result<Rows> {
        let wide = if x.dtype().is_half() { crate::copy::cast(x, DType::F32)? } else { crate::copy::contiguous(x)? };
        let (count, width) = (wide.shape()[0], wide.shape()[1]);
        dispatch_ordered!(wide.dtype(), "unique", T => {
            let xs = wide.as_slice::<T>();
            let keys = xs.iter().map(|v| v.key()).collect();
            let nan = (0..count).map(|r| xs.get(r * width..(r + 1) * width).is_some_and(|row| row.iter().any(|v| rsnn_cpu::rows::reduce::Order::nan(*v)))).collect();
            Ok(Rows { count, width, keys, nan })
        })
    }

    fn row(&self, r: usize) -> &[u64] {
        &self.keys[r * self.width..(r + 1) * self.width]
    }

    fn same(&self, a: usize, b: usize) -> bool {
        self.row(a) == self.row(b) && !self.nan[a]
    }
}

/// (first row of each group, group of each row, sizes) over rows in `order`.
fn group(rows: &Rows, order: &[usize]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let (mut firsts, mut inverse, mut counts) = (vec![], vec![0; rows.count], vec![]);
    for (at, &r) in order.iter().enumerate() {
        if at == 0 || !rows.same(order[at - 1], r) {
            firsts.push(r as i64);
            counts.push(0);
        }
        inverse[r] = firsts.len() as i64 - 1;
        if let Some(n) = counts.last_mut() {
            *n += 1;
        }
    }
    (firsts, inverse, counts)
}

/// (first place of each group, group of each element, sizes) over the elements of `x` in order; `wanted` says whether
/// groups and sizes are asked for.
fn elements<T: Key>(xs: &[T], wanted: [bool; 2]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let (low, high) = xs.iter().fold((u64::MAX, 0), |(low, high), v| (low.min(v.key()), high.max(v.key())));
    let range = high.saturating_sub(low);
    if range <= u64::from(u32::MAX) && xs.len() <= u32::MAX as usize {
        let mut packed: Vec<u64> = xs.iter().enumerate().map(|(i, v)| (v.key() - low) << 32 | i as u64).collect();
        radix_sort(&mut packed, 32, u64::BITS - range.leading_zeros());
        return grouped(xs, packed.iter().map(|k| (k >> 32, *k as u32 as usize)), wanted);
    }
    let mut packed: Vec<u128> = xs.iter().enumerate().map(|(i, v)| u128::from(v.key()) << 64 | i as u128).collect();
    packed.sort_unstable();
    grouped(xs, packed.iter().map(|k| ((k >> 64) as u64, *k as u64 as usize)), wanted)
}

/// Groups of equal keys among `(key, place)` in order.
fn grouped<T: Key>(
    xs: &[T],
    sorted: impl Iterator<Item = (u64, usize)>,
    [inverse, counts]: [bool; 2],
) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let n = xs.len();
    // One slot more than groups: a member of a group writes to the slot of the next one, which overwrites it.
    let (mut firsts, mut groups) = (vec![0; n + 1], 0);
    let mut of = vec![0; if inverse { n } else { 0 }];
    let mut starts = vec![0; if counts { n + 1 } else { 0 }];
    let mut before = None;
    for (rank, (key, place)) in sorted.enumerate() {
        firsts[groups] = place as i64;
        if counts {
            starts[groups] = rank as i64;
        }
        groups += usize::from(before != Some(key) || xs[place].nan());
        before = Some(key);
        if inverse {
            of[place] = groups as i64 - 1;
        }
    }
    firsts.truncate(groups);
    if counts {
        starts[groups] = n as i64;
        (0..groups).for_each(|g| starts[g] = starts[g + 1] - starts[g]);
        starts.truncate(groups);
    }
    (firsts, of, starts)
}

/// Values, then groups and sizes where they are `wanted`.
fn run(x: &Tensor, dim: Option<i64>, sorted: bool, wanted: [bool; 2]) -> Result<Vec<Tensor>> {
    let x = x.detach();
    let (values, shape, inverse, counts): (Tensor, Dims, _, _) = match dim {
        None => {
            let flat = view::reshape(&x, &[x.numel()])?;
            let (firsts, inverse, counts) = if sorted {
                let wide = if x.dtype().is_half() {
                    crate::copy::cast(&flat, DType::F32)?
                } else {
                    crate::copy::contiguous(&flat)?
                };
                dispatch_ordered!(wide.dtype(), "unique", T => elements::<T>(wide.as_slice(), wanted))
            } else {
                let rows = Rows::new(&view::reshape(&flat, &[x.numel(), 1])?)?;
                group(&rows, &(0..rows.count).collect::<Vec<_>>())
            };
            let pick = Tensor::from_slice(&firsts, &[firsts.len()])?;
            (crate::index::gather(&flat, 0, &pick)?, Dims::from_slice(x.shape()), inverse, counts)
        }
        Some(dim) => {
            let dim = x.dim("unique", dim)?;
            ensure!(
                x.ndim() > 0 && x.numel() > 0,
                Runtime,
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
            );
            let front = view::transpose(&x, 0, dim as i64)?;
            let count = front.shape()[0];
            let rows = Rows::new(&view::reshape(&front, &[count, x.numel() / count])?)?;
            let mut order: Vec<usize> = (0..count).collect();
            if sorted {
                order.sort_by(|&a, &b| rows.row(a).cmp(rows.row(b)));
            }
            let (firsts, inverse, counts) = group(&rows, &order);
            let pick = Tensor::from_slice(&firsts, &[firsts.len()])?;
            (crate::index::index_select(&x, dim as i64, &pick)?, Dims::from_slice(&[count]), inverse, counts)
        }
    };
    let mut found = vec![values];
    if wanted[0] {
        found.push(Tensor::from_slice(&inverse, &shape)?);
    }
    if wanted[1] {
        found.push(Tensor::from_slice(&counts, &[counts.len()])?);
    }
    Ok(found)
}

/// Sorted distinct elements (or slices along `dim`); where asked for also the group of each element and the sizes of the groups.
pub fn unique(x: &Tensor, dim: Option<i64>, inverse: bool, counts: bool) -> Result<Vec<Tensor>> {
    run(x, dim, true, [inverse, counts])
}

/// The same with only neighbours joined.
pub fn unique_consecutive(x: &Tensor, dim: Option<i64>, inverse: bool, counts: bool) -> Result<Vec<Tensor>> {
    run(x, dim, false, [inverse, counts])
}
