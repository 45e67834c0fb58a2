//! `unique` and `unique_consecutive`: of elements, or of slices along a dimension. Values, inverse, counts; no gradient.
use super::key::Key;
use crate::reduce::dispatch_ordered;
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{DType, Dims, Result, ensure};

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

fn run(x: &Tensor, dim: Option<i64>, sorted: bool) -> Result<[Tensor; 3]> {
    let x = x.detach();
    let (rows, at) = match dim {
        None => (view::reshape(&x, &[x.numel(), 1])?, None),
        Some(dim) => {
            let dim = x.dim("unique", dim)?;
            ensure!(
                x.ndim() > 0 && x.numel() > 0,
                Runtime,
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
            );
            let front = view::transpose(&x, 0, dim as i64)?;
            let count = front.shape()[0];
            (view::reshape(&front, &[count, x.numel() / count])?, Some(dim))
        }
    };
    let keys = Rows::new(&rows)?;
    let mut order: Vec<usize> = (0..keys.count).collect();
    if sorted {
        order.sort_by(|&a, &b| keys.row(a).cmp(keys.row(b)));
    }
    let (firsts, inverse, counts) = group(&keys, &order);
    let pick = Tensor::from_slice(&firsts, &[firsts.len()])?;
    let (values, shape): (Tensor, Dims) = match at {
        None => {
            let flat = view::reshape(&x, &[x.numel()])?;
            (crate::index::gather(&flat, 0, &pick)?, Dims::from_slice(x.shape()))
        }
        Some(dim) => (crate::index::index_select(&x, dim as i64, &pick)?, Dims::from_slice(&[keys.count])),
    };
    Ok([values, Tensor::from_slice(&inverse, &shape)?, Tensor::from_slice(&counts, &[counts.len()])?])
}

/// Sorted distinct elements (or slices along `dim`), the group of each element, and the sizes of the groups.
pub fn unique(x: &Tensor, dim: Option<i64>) -> Result<[Tensor; 3]> {
    run(x, dim, true)
}

/// The same with only neighbours joined.
pub fn unique_consecutive(x: &Tensor, dim: Option<i64>) -> Result<[Tensor; 3]> {
    run(x, dim, false)
}
