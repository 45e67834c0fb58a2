//! Matrix products. `bmm` over broadcast batches is the primitive; matmul, mm, mv, dot are shapes of it.
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use crate::view;
use rsnn_core::{DType, Dims, Result, bail, broadcast_shapes, ensure};
use rsnn_cpu::gemm::{Epilogue, Gemm, GemmScalar, batched_gemm, gemm};

/// `(.., m, k) x (.., k, n)` with broadcast batch dimensions, any strides.
struct Matmul;

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (a, b) = (&ins[0], &ins[1]);
        ensure!(
            a.dtype() == b.dtype(),
            Runtime,
            "expected m1 and m2 to have the same dtype, but got: {} != {}",
            a.dtype().scalar_name(),
            b.dtype().scalar_name()
        );
        let (n, p) = (a.ndim(), b.ndim());
        let (m, k, k2, cols) = (a.shape()[n - 2], a.shape()[n - 1], b.shape()[p - 2], b.shape()[p - 1]);
        let mut shape: Dims = broadcast_shapes(&a.shape()[..n - 2], &b.shape()[..p - 2])?;
        if k != k2 && p > 2 {
            let count: usize = shape.iter().product();
            bail!(
                Runtime,
                "Expected size for first two dimensions of batch2 tensor to be: [{count}, {k}] but got: [{count}, {k2}]."
            );
        }
        ensure!(k == k2, Runtime, "mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{cols})");
        shape.extend([m, cols]);
        Ok(smallvec::smallvec![Meta { shape, dtype: a.dtype(), device: a.device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        match call.outs[0].dtype() {
            DType::F32 => run::<f32>(call, 1.0),
            DType::F64 => run::<f64>(call, 1.0),
            _ => integer(call),
        }
    }
    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::run(call)
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None, None]) };
        let da = if cx.needs(0) { Some(product(g, &view::transpose(&cx.input(1)?, -1, -2)?)?) } else { None };
        let db = if cx.needs(1) { Some(product(&view::transpose(&cx.input(0)?, -1, -2)?, g)?) } else { None };
        Ok(smallvec::smallvec![da, db])
    }
    fn saves_for(&self, followed: u32) -> Saves {
        // Each factor's gradient needs the other one.
        match followed & 3 {
            1 => Saves { inputs: 2, outputs: 0 },
            2 => Saves { inputs: 1, outputs: 0 },
            _ => self.saves(),
        }
    }
    fn strided(&self) -> bool {
        true
    }
}

/// Element offsets of every matrix of a broadcast batch.
fn offsets(t: &Tensor, batch: &[usize]) -> Vec<isize> {
    let lead = t.ndim() - 2;
    let shape = &t.shape()[..lead];
    let strides = rsnn_core::Layout {
        shape: Dims::from_slice(shape),
        strides: rsnn_core::Strides::from_slice(&t.strides()[..lead]),
        offset: 0,
    }
    .broadcast_strides(batch);
    let mut out = vec![0isize];
    for (&d, &s) in batch.iter().zip(&strides) {
        out = out.iter().flat_map(|&o| (0..d as isize).map(move |i| o + i * s)).collect();
    }
    out
}

fn run<T: GemmScalar + rsnn_core::Element>(call: &CpuCall, one: T) -> Result<()> {
    let (a, b, c) = (&call.ins[0], &call.ins[1], &call.outs[0]);
    let (n, p, q) = (a.ndim(), b.ndim(), c.ndim());
    let job = Gemm {
        m: a.shape()[n - 2],
        k: a.shape()[n - 1],
        n: b.shape()[p - 1],
        a: a.ptr::<T>().cast_const(),
        a_rs: a.strides()[n - 2],
        a_cs: a.strides()[n - 1],
        b: b.ptr::<T>().cast_const(),
        b_rs: b.strides()[p - 2],
        b_cs: b.strides()[p - 1],
        c: c.ptr::<T>(),
        c_rs: c.strides()[q - 2],
        alpha: one,
        accumulate: false,
        epilogue: Epilogue::None,
    };
    let batch = &c.shape()[..q - 2];
    if batch.iter().product::<usize>() == 1 {
        // SAFETY: shapes and strides are those of live tensors; the output is fresh.
        unsafe { gemm(&job) };
        return Ok(());
    }
    let all: Vec<_> = offsets(a, batch)
        .into_iter()
        .zip(offsets(b, batch))
        .zip(offsets(c, batch))
        .map(|((a, b), c)| (a, b, c))
        .collect();
    // SAFETY: as above; batches of the output are disjoint.
    unsafe { batched_gemm(&job, &all) };
    Ok(())
}

/// Integer products: rare in models, so a plain loop over int64.
fn integer(call: &CpuCall) -> Result<()> {
    ensure!(call.outs[0].dtype().is_int(), Runtime, "\"addmm_impl_cpu_\" not implemented for 'Bool'");
    let wide = |t: &Tensor| crate::copy::cast(t, DType::I64);
    let (a, b) = (wide(&call.ins[0])?, wide(&call.ins[1])?);
    let c = Tensor::empty(call.outs[0].shape(), DType::I64, call.outs[0].device())?;
    let (m, k, n) = (a.shape()[a.ndim() - 2], a.shape()[a.ndim() - 1], b.shape()[b.ndim() - 1]);
    let batch = c.shape()[..c.ndim() - 2].to_vec();
    let (x, y, z) = (a.as_slice::<i64>(), b.as_slice::<i64>(), c.as_mut_slice::<i64>());
    for ((oa, ob), oc) in offsets(&a, &batch).into_iter().zip(offsets(&b, &batch)).zip(offsets(&c, &batch)) {
        let (oa, ob, oc) = (oa as usize, ob as usize, oc as usize);
        for i in 0..m {
            for j in 0..n {
                z[oc + i * n + j] =
                    (0..k).fold(0i64, |s, l| s.wrapping_add(x[oa + i * k + l].wrapping_mul(y[ob + l * n + j])));
            }
        }
    }
    crate::copy::copy_into(&c, &call.outs[0])
}

/// Batched product of at least 2-d tensors.
pub fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Matmul, &[a.clone(), b.clone()])
}

/// `torch.matmul`: vectors gain a dimension and lose it again; many rows against one matrix become one product.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.ndim() == 0 || b.ndim() == 0 {
        bail!(Runtime, "both arguments to matmul need to be at least 1D, but they are {}D and {}D", a.ndim(), b.ndim());
    }
    if a.ndim() == 1 && b.ndim() == 1 {
        ensure!(
            a.shape() == b.shape(),
            Runtime,
            "inconsistent tensor size, expected tensor {:?} and src {:?} to have the same number of elements, but got {} and {} elements respectively",
            a.shape(),
            b.shape(),
            a.numel(),
            b.numel()
        );
    }
    if a.ndim() > 1 && b.ndim() == 1 {
        let (k, n) = (a.shape()[a.ndim() - 1], b.shape()[0]);
        let rows: usize = a.shape()[..a.ndim() - 1].iter().product();
        ensure!(k == n, Runtime, "size mismatch, got input ({rows}), mat ({rows}x{k}), vec ({n})");
    }
    let (left, right) = (a.ndim() == 1, b.ndim() == 1);
    let a2 = if left { view::unsqueeze(a, 0)? } else { a.clone() };
    let b2 = if right { view::unsqueeze(b, 1)? } else { b.clone() };
    let mut y = if a2.ndim() > 2 && b2.ndim() == 2 && a2.is_contiguous() {
        let k = a2.shape()[a2.ndim() - 1];
        let rows: usize = a2.shape()[..a2.ndim() - 1].iter().product();
        let flat = product(&view::reshape(&a2, &[rows, k])?, &b2)?;
        let mut shape = a2.shape().to_vec();
        shape.pop();
        shape.push(b2.shape()[1]);
        view::reshape(&flat, &shape)?
    } else {
        product(&a2, &b2)?
    };
    if right {
        y = view::squeeze(&y, Some(&[-1]))?;
    }
    if left {
        y = view::squeeze(&y, Some(&[if right { -1 } else { -2 }]))?;
    }
    Ok(y)
}
