//! Advanced indexing as torch and numpy do it: index tensors and masks become one index into the indexed dimensions.
use super::{add_rows_into, copy_rows_into, ids, index_add, index_copy, index_select, scalar_as, wrapped};
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{DType, Device, Dims, Result, bail, broadcast_shapes, ensure};

/// Where an indexing reads or writes: `x` seen as (before, indexed dimensions as one, after) and one index into the middle.
struct Place {
    /// `x` with a dimension of size 1 for each 0-d mask.
    x: Tensor,
    /// Order of dimensions that brings the indexed ones together; empty when they are already.
    order: Vec<i64>,
    /// Sizes before and after the indexed dimensions.
    before: Dims,
    after: Dims,
    indexed: Dims,
    /// Common shape of the index tensors, and the flat index.
    common: Dims,
    ids: Tensor,
}

/// One index and the dimensions it counts in: a tensor has one, a mask as many as it has itself.
struct Slot {
    dim: usize,
    span: usize,
    ids: Tensor,
}

/// Masks become the flat positions of their nonzero elements.
fn slots(x: &Tensor, indices: &[Option<Tensor>]) -> Result<(Tensor, Vec<Slot>)> {
    let (mut x, mut dim, mut out) = (x.clone(), 0, vec![]);
    for index in indices {
        let Some(index) = index else {
            dim += 1;
            continue;
        };
        let (span, ids) = match index.dtype() {
            DType::Bool | DType::U8 if index.ndim() == 0 => {
                x = view::unsqueeze(&x, dim as i64)?;
                (1, crate::fill::zeros(&[usize::from(index.item()? != 0.0)], DType::I64, Device::Cpu)?)
            }
            DType::Bool | DType::U8 => {
                check_mask(&x, dim, index)?;
                (index.ndim(), crate::masked::nonzero_flat(index)?)
            }
            DType::I64 | DType::I32 => (1, ids("index", index)?),
            _ => bail!(Index, "tensors used as indices must be long, int, byte or bool tensors"),
        };
        out.push(Slot { dim, span, ids });
        dim += span;
    }
    ensure!(dim <= x.ndim(), Index, "too many indices for tensor of dimension {}", x.ndim());
    Ok((x, out))
}

fn check_mask(x: &Tensor, at: usize, mask: &Tensor) -> Result<()> {
    ensure!(at + mask.ndim() <= x.ndim(), Index, "too many indices for tensor of dimension {}", x.ndim());
    for (d, &n) in mask.shape().iter().enumerate() {
        ensure!(
            x.shape()[at + d] == n,
            Index,
            "The shape of the mask {:?} at index {d} does not match the shape of the indexed tensor {:?} at index {}",
            mask.shape(),
            x.shape(),
            at + d
        );
    }
    Ok(())
}

fn common_shape(slots: &[Slot]) -> Result<Dims> {
    let mut shape = Dims::new();
    for slot in slots {
        shape = match broadcast_shapes(&shape, slot.ids.shape()) {
            Ok(s) => s,
            Err(_) => {
                let text = |s: &Slot| std::iter::repeat_n(format!("{:?}", s.ids.shape()), s.span);
                let all: Vec<String> = slots.iter().flat_map(text).collect();
                bail!(
                    Index,
                    "shape mismatch: indexing tensors could not be broadcast together with shapes {}",
                    all.join(", ")
                )
            }
        };
    }
    Ok(shape)
}

/// The indices, broadcast, as one index into their dimensions taken together.
fn linear(shape: &[usize], slots: &[Slot], common: &[usize]) -> Result<Tensor> {
    let mut out: Option<Tensor> = None;
    for slot in slots {
        let size: usize = shape[slot.dim..slot.dim + slot.span].iter().product();
        let index = wrapped(&slot.ids, slot.dim, size)?;
        let index = if index.shape() == common {
            index
        } else {
            crate::copy::contiguous(&index.alias(view::View::Expand(Dims::from_slice(common)).layout(index.layout())))?
        };
        out = Some(match out {
            None => index,
            Some(sum) => {
                let next = Tensor::empty(common, DType::I64, Device::Cpu)?;
                let pairs = sum.as_slice::<i64>().iter().zip(index.as_slice::<i64>());
                next.as_mut_slice::<i64>().iter_mut().zip(pairs).for_each(|(o, (&s, &i))| *o = s * size as i64 + i);
                next
            }
        });
    }
    match out {
        Some(t) => Ok(t),
        None => bail!(Index, "index: no index tensor"),
    }
}

impl Place {
    fn new(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Option<Place>> {
        let (x, slots) = slots(x, indices)?;
        let Some(first) = slots.first().map(|s| s.dim) else { return Ok(None) };
        let common = common_shape(&slots)?;
        let ids = linear(x.shape(), &slots, &common)?;
        let taken: Vec<usize> = slots.iter().flat_map(|s| s.dim..s.dim + s.span).collect();
        let adjacent = taken.windows(2).all(|w| w[1] == w[0] + 1);
        let rest = |d: &usize| !taken.contains(d);
        let order: Vec<i64> = match adjacent {
            true => vec![],
            false => taken.iter().copied().chain((0..x.ndim()).filter(rest)).map(|d| d as i64).collect(),
        };
        let start = if adjacent { first } else { 0 };
        let pick = |dims: &mut dyn Iterator<Item = usize>| dims.map(|d| x.shape()[d]).collect::<Dims>();
        let before = if adjacent { pick(&mut (0..start)) } else { Dims::new() };
        let after = pick(&mut (0..x.ndim()).filter(rest).skip(before.len()));
        let indexed = pick(&mut taken.iter().copied());
        Ok(Some(Place { x, order, before, after, indexed, common, ids }))
    }

    fn shape(&self, middle: &[usize]) -> Dims {
        self.before.iter().chain(middle).chain(&self.after).copied().collect()
    }

    fn dim(&self) -> i64 {
        self.before.len() as i64
    }

    fn flat_ids(&self) -> Result<Tensor> {
        view::reshape(&self.ids, &[self.ids.numel()])
    }

    /// `x` with the indexed dimensions merged into one.
    fn merged(&self) -> Result<Tensor> {
        let x = if self.order.is_empty() { self.x.clone() } else { view::permute(&self.x, &self.order)? };
        if self.indexed.len() == 1 { Ok(x) } else { view::reshape(&x, &self.shape(&[self.indexed.iter().product()])) }
    }

    /// Undoes `merged`.
    fn restored(&self, y: &Tensor, shape: &[usize]) -> Result<Tensor> {
        let mut y = if self.indexed.len() == 1 { y.clone() } else { view::reshape(y, &self.shape(&self.indexed))? };
        if !self.order.is_empty() {
            let mut inverse = vec![0; self.order.len()];
            self.order.iter().enumerate().for_each(|(i, &o)| inverse[o as usize] = i as i64);
            y = view::permute(&y, &inverse)?;
        }
        if y.shape() == shape { Ok(y) } else { view::reshape(&y, shape) }
    }

    /// `values` broadcast to what the indexing selects, with the index dimensions merged.
    fn values(&self, x: &Tensor, values: &Tensor) -> Result<Tensor> {
        let values = if values.is_number() { scalar_as(values, x.dtype())? } else { values.clone() };
        ensure!(
            values.dtype() == x.dtype(),
            Runtime,
            "Index put requires the source and destination dtypes match, got {} for the destination and {} for the source.",
            x.dtype().scalar_name(),
            values.dtype().scalar_name()
        );
        let target = self.shape(&self.common);
        // Leading dimensions of size 1 may be dropped, as torch does.
        let extra = values.ndim().saturating_sub(target.len());
        let lead = values.shape()[..extra].iter().all(|&d| d == 1);
        let values = if extra > 0 && lead { view::reshape(&values, &values.shape()[extra..])? } else { values };
        let fits = broadcast_shapes(values.shape(), &target).is_ok_and(|s| s == target);
        ensure!(
            fits,
            Runtime,
            "shape mismatch: value tensor of shape {:?} cannot be broadcast to indexing result of shape {:?}",
            values.shape(),
            &target[..]
        );
        let values = if values.shape() == target.as_slice() { values } else { view::expand(&values, &target)? };
        if self.common.len() == 1 { Ok(values) } else { view::reshape(&values, &self.shape(&[self.ids.numel()])) }
    }
}

/// `x[indices]` with `None` for `:`; masks count for as many dimensions as they have.
pub fn index(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Tensor> {
    let Some(place) = Place::new(x, indices)? else { return Ok(view::alias(x)) };
    let y = index_select(&place.merged()?, place.dim(), &place.flat_ids()?)?;
    if place.common.len() == 1 { Ok(y) } else { view::reshape(&y, &place.shape(&place.common)) }
}

/// A mask and one value: `masked_fill` needs no list of indices.
fn as_masked_fill(
    x: &Tensor,
    indices: &[Option<Tensor>],
    values: &Tensor,
    accumulate: bool,
) -> Result<Option<(Tensor, Tensor)>> {
    let [Some(mask)] = indices else { return Ok(None) };
    let fits = mask.ndim() > 0 && mask.ndim() <= x.ndim() && mask.shape() == &x.shape()[..mask.ndim()];
    if mask.dtype() != DType::Bool || !fits || accumulate || values.numel() != 1 {
        return Ok(None);
    }
    if !values.is_number() && values.dtype() != x.dtype() {
        return Ok(None);
    }
    let mut shape = Dims::from_slice(mask.shape());
    shape.resize(x.ndim(), 1);
    Ok(Some((view::reshape(mask, &shape)?, view::reshape(values, &[])?)))
}

/// `x` with `values` written to (or added at) `x[indices]`; of equal indices the last one wins.
pub fn index_put(x: &Tensor, indices: &[Option<Tensor>], values: &Tensor, accumulate: bool) -> Result<Tensor> {
    if let Some((mask, value)) = as_masked_fill(x, indices, values, accumulate)? {
        return crate::masked::masked_fill(x, &mask, &scalar_as(&value, x.dtype())?);
    }
    let Some(place) = Place::new(x, indices)? else {
        let values = view::expand(&scalar_or(values, x)?, x.shape())?;
        return if accumulate { crate::elementwise::add(x, &values) } else { crate::copy::copy(&values) };
    };
    let (merged, values, ids) = (place.merged()?, place.values(x, values)?, place.flat_ids()?);
    let y = match accumulate {
        true => index_add(&merged, place.dim(), &ids, &values, 1.0)?,
        false => index_copy(&merged, place.dim(), &ids, &values)?,
    };
    place.restored(&y, x.shape())
}

fn scalar_or(values: &Tensor, x: &Tensor) -> Result<Tensor> {
    if values.is_number() { scalar_as(values, x.dtype()) } else { Ok(values.clone()) }
}

/// `x[indices] = values` (or `+=`) in place: straight into `x` when nothing is recorded.
pub fn index_put_(x: &Tensor, indices: &[Option<Tensor>], values: &Tensor, accumulate: bool) -> Result<()> {
    let half_sum = accumulate && x.dtype().is_half();
    if crate::masked::is_recorded(x, values) || !x.is_contiguous() || x.device() != Device::Cpu || half_sum {
        return crate::autograd::assign(x, &index_put(x, indices, values, accumulate)?);
    }
    crate::autograd::check_inplace(x)?;
    if let Some((mask, value)) = as_masked_fill(x, indices, values, accumulate)? {
        return crate::masked::masked_fill_(x, &mask, &scalar_as(&value, x.dtype())?);
    }
    let plain = x.detach();
    let Some(place) = Place::new(&plain, indices)? else {
        return crate::autograd::assign(x, &index_put(x, indices, values, accumulate)?);
    };
    if !place.order.is_empty() {
        return crate::autograd::assign(x, &index_put(x, indices, values, accumulate)?);
    }
    let values = crate::copy::contiguous(&place.values(x, &values.detach())?)?;
    let shared = std::sync::Arc::ptr_eq(values.storage(), x.storage());
    let values = if shared { crate::copy::copy(&values)? } else { values };
    let merged = place.merged()?;
    match accumulate {
        true => add_rows_into(&merged, place.before.len(), place.ids.as_slice(), &values, None)?,
        false => copy_rows_into(&merged, place.before.len(), place.ids.as_slice(), &values)?,
    }
    x.bump_version();
    Ok(())
}

fn flat_index(op: &str, x: &Tensor, index: &Tensor) -> Result<Tensor> {
    ensure!(
        index.dtype() == DType::I64,
        Runtime,
        "{op}(): Expected a long tensor for index, but got {}",
        index.dtype().scalar_name()
    );
    let ids = ids(op, index)?;
    let n = x.numel() as i64;
    if let Some(bad) = ids.as_slice::<i64>().iter().find(|&&i| i < -n || i >= n) {
        bail!(Index, "out of range: tried to access index {bad} on a tensor of {n} elements.");
    }
    view::reshape(&wrapped(&ids, 0, x.numel())?, &[ids.numel()])
}

/// `x.take(index)`: elements of the flattened tensor.
pub fn take(x: &Tensor, index: &Tensor) -> Result<Tensor> {
    let ids = flat_index("take", x, index)?;
    view::reshape(&index_select(&view::reshape(x, &[x.numel()])?, 0, &ids)?, index.shape())
}

/// `x.put(index, source, accumulate)`: writes elements of the flattened tensor.
pub fn put(x: &Tensor, index: &Tensor, source: &Tensor, accumulate: bool) -> Result<Tensor> {
    ensure!(
        index.numel() == source.numel(),
        Index,
        "put_(): Expected source and index to have the same number of elements, but got source.numel() = {}, index.numel() = {}",
        source.numel(),
        index.numel()
    );
    ensure!(
        x.dtype() == source.dtype(),
        Runtime,
        "put_(): self and source expected to have the same dtype, but got self.dtype = {} and source.dtype = {}",
        x.dtype().scalar_name(),
        source.dtype().scalar_name()
    );
    let ids = flat_index("put_", x, index)?;
    let (flat, source) = (view::reshape(x, &[x.numel()])?, view::reshape(source, &[source.numel()])?);
    let y = if accumulate { index_add(&flat, 0, &ids, &source, 1.0)? } else { index_copy(&flat, 0, &ids, &source)? };
    view::reshape(&y, x.shape())
}
