//! Rows of a weight by index, with a dense gradient, and the renormalisation that `max_norm` asks for.
#[cfg(test)]
mod tests;

use crate::autograd::Ctx;
use crate::index::{add_rows_into, ids, kernel};
use crate::op::{CpuCall, Grads, Half, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Device, Dims, Result, dispatch, ensure};
use smallvec::smallvec;

struct Embedding {
    padding: Option<usize>,
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (weight, index) = (&ins[0], &ins[1]);
        ensure!(weight.ndim() == 2, Runtime, "'weight' must be 2-D");
        let mut shape = Dims::from_slice(index.shape());
        shape.push(weight.shape()[1]);
        Ok(smallvec![Meta { shape, dtype: weight.dtype(), device: weight.device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (weight, out, ids) = (&call.ins[0], &call.outs[0], call.input::<i64>(1));
        let lines = kernel::Lines::of(weight.shape(), 0);
        ensure!(kernel::out_of_bounds(ids, lines.size).is_none(), Index, "index out of range in self");
        // SAFETY: indices were checked; weight and output are contiguous.
        kernel::by_size!(weight.dtype(), T => unsafe {
            kernel::take_rows(weight.ptr::<T>().cast_const(), out.ptr::<T>(), lines, ids)
        });
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let op = EmbeddingBackward { rows: cx.input_meta(0).shape[0], padding: self.padding };
        Ok(smallvec![Some(apply(op, &[g.clone(), cx.input(1)?])?), None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
    fn half(&self) -> Half {
        Half::Native
    }
}

/// Sum of the gradients of each row, in the order of the indices; the padding row gets none.
struct EmbeddingBackward {
    rows: usize,
    padding: Option<usize>,
}

impl Op for EmbeddingBackward {
    fn name(&self) -> &'static str {
        "embedding_dense_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let width = ins[0].shape().last().copied().unwrap_or(1);
        Ok(smallvec![Meta::new(&[self.rows, width], ins[0].dtype(), ins[0].device())])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let out = &call.outs[0];
        crate::fill::fill_raw(out, 0.0)?;
        add_rows_into(out, 0, call.input(1), &call.ins[0], None)?;
        if let Some(p) = self.padding {
            let row = crate::view::View::Select { dim: 0, index: p };
            crate::fill::fill_raw(&out.alias(row.layout(out.layout())), 0.0)?;
        }
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None]) };
        let index = cx.input(1)?;
        let mut dg = apply(Embedding { padding: None }, &[g.clone(), index.clone()])?;
        if let Some(p) = self.padding {
            let mask = Tensor::empty(index.shape(), DType::Bool, Device::Cpu)?;
            let flags = mask.as_mut_slice::<bool>().iter_mut().zip(index.as_slice::<i64>());
            flags.for_each(|(m, &i)| *m = i == p as i64);
            let zero = Tensor::scalar(0.0, dg.dtype())?;
            dg = crate::masked::masked_fill(&dg, &crate::view::unsqueeze(&mask, -1)?, &zero)?;
        }
        Ok(smallvec![Some(dg), None])
    }
    fn saves(&self) -> Saves {
        Saves { inputs: 2, outputs: 0 }
    }
}

fn check_indices(op: &str, indices: &Tensor) -> Result<Tensor> {
    ensure!(
        matches!(indices.dtype(), DType::I64 | DType::I32),
        Runtime,
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got {}Tensor instead (while checking arguments for {op})",
        indices.dtype().scalar_name()
    );
    ids(op, indices)
}

/// `embedding(weight, indices)`; the row `padding_idx` (counted from the end when negative) gets no gradient.
pub fn embedding(weight: &Tensor, indices: &Tensor, padding_idx: Option<i64>) -> Result<Tensor> {
    ensure!(weight.ndim() == 2, Runtime, "'weight' must be 2-D");
    let rows = weight.shape()[0] as i64;
    let padding = match padding_idx {
        None => None,
        Some(p) => {
            ensure!((-rows..rows).contains(&p), Value, "Padding_idx must be within num_embeddings");
            Some((if p < 0 { p + rows } else { p }) as usize)
        }
    };
    apply(Embedding { padding }, &[weight.clone(), check_indices("embedding", indices)?])
}

/// Scales rows of `weight` that `indices` name down to `max_norm` in the `norm_type` norm, in place, outside autograd.
pub fn embedding_renorm_(weight: &Tensor, indices: &Tensor, max_norm: f64, norm_type: f64) -> Result<()> {
    ensure!(weight.ndim() == 2, Runtime, "'weight' must be 2-D");
    let index = check_indices("embedding_renorm_", indices)?;
    let (rows, width) = (weight.shape()[0], weight.shape()[1]);
    let ids = index.as_slice::<i64>();
    ensure!(kernel::out_of_bounds(ids, rows).is_none(), Index, "index out of range in self");
    let mut named: Vec<usize> = ids.iter().map(|&i| i as usize).collect();
    named.sort_unstable();
    named.dedup();
    let data = crate::copy::contiguous(weight)?;
    dispatch!(all, data.dtype(), T => {
        let values = data.as_mut_slice::<T>();
        for r in named {
            let row = &mut values[r * width..(r + 1) * width];
            let size = norm(row.iter().map(|v| rsnn_core::Element::to_f64(*v)), norm_type);
            if size > max_norm {
                let scale = max_norm / (size + 1e-7);
                let shrink = |v: &mut T| *v = <T as rsnn_core::Element>::from_f64(rsnn_core::Element::to_f64(*v) * scale);
                row.iter_mut().for_each(shrink);
            }
        }
    });
    if !weight.is_contiguous() {
        crate::copy::copy_into(&data, weight)?;
    }
    weight.bump_version();
    Ok(())
}

fn norm(values: impl Iterator<Item = f64>, p: f64) -> f64 {
    if p == 2.0 {
        values.map(|v| v * v).sum::<f64>().sqrt()
    } else if p.is_infinite() {
        values.fold(0.0, |m, v| m.max(v.abs()))
    } else {
        values.map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
    }
}
