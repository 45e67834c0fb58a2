//! `linear(x, w, b) = x w^T + b`: one product with the bias added as the last sums leave registers.
use crate::autograd::Ctx;
use crate::elementwise::add;
use crate::matmul::{matmul, product};
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::tensor::{Meta, Tensor};
use crate::{reduce, view};
use rsnn_core::{DType, Element, Result, bail, ensure};
use rsnn_cpu::gemm::{Epilogue, Gemm, GemmScalar, gemm};

struct Linear;

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (x, w) = (&ins[0], &ins[1]);
        ensure!(
            w.ndim() == 2 && x.ndim() >= 1,
            Runtime,
            "linear: expected input (*, in_features) and weight (out_features, in_features), got {:?} and {:?}",
            x.shape(),
            w.shape()
        );
        let (k, n) = (x.shape()[x.ndim() - 1], w.shape()[0]);
        let rows = x.numel() / k.max(1);
        ensure!(
            k == w.shape()[1],
            Runtime,
            "mat1 and mat2 shapes cannot be multiplied ({rows}x{k} and {}x{n})",
            w.shape()[1]
        );
        if let Some(other) = ins.iter().find(|t| t.dtype() != x.dtype()) {
            let (a, b) = (x.dtype().scalar_name(), other.dtype().scalar_name());
            if ins.len() == 2 {
                bail!(Runtime, "expected m1 and m2 to have the same dtype, but got: {a} != {b}");
            }
            bail!(Runtime, "mat1 and mat2 must have the same dtype, but got {a} and {b}");
        }
        if let Some(b) = ins.get(2) {
            ensure!(b.shape() == [n], Runtime, "linear: expected bias of shape ({n},), got {:?}", b.shape());
        }
        let mut shape = Meta::new(x.shape(), x.dtype(), x.device());
        if let Some(last) = shape.shape.last_mut() {
            *last = n;
        }
        Ok(smallvec::smallvec![shape])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        match call.outs[0].dtype() {
            DType::F32 => run::<f32>(call, 1.0),
            DType::F64 => run::<f64>(call, 1.0),
            other => bail!(Runtime, "\"addmm_impl_cpu_\" not implemented for '{}'", other.scalar_name()),
        }
    }
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        let _ = call;
        bail!(NotImplemented, "linear: runs on device gpu through matmul")
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let n = cx.num_inputs();
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None; n]) };
        let features = g.shape().last().copied().unwrap_or(1);
        let g = view::reshape(g, &[g.numel() / features.max(1), features])?;
        let shape = cx.input_meta(0).shape.clone();
        let dx = if cx.needs(0) { Some(view::reshape(&product(&g, &cx.input(1)?)?, &shape)?) } else { None };
        let dw = if cx.needs(1) {
            let x = cx.input(0)?;
            let x = view::reshape(&x, &[g.shape()[0], shape.last().copied().unwrap_or(1)])?;
            Some(product(&view::transpose(&g, 0, 1)?, &x)?)
        } else {
            None
        };
        let mut out: Grads = smallvec::smallvec![dx, dw];
        if n == 3 {
            out.push(if cx.needs(2) { Some(reduce::sum(&g, &[0], false, None)?) } else { None });
        }
        Ok(out)
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        let meaning = || {
            let y = matmul(&ins[0], &view::transpose(&ins[1], 0, 1)?)?;
            let y = if let Some(b) = ins.get(2) { add(&y, b)? } else { y };
            Ok(smallvec::smallvec![y])
        };
        Some(meaning())
    }
    fn saves_for(&self, followed: u32) -> Saves {
        // The input's gradient needs the weight and the weight's the input; the bias needs nothing.
        let inputs = ((followed & 1) << 1) | ((followed & 2) >> 1);
        Saves { inputs, outputs: 0 }
    }
    fn saves_data(&self) -> u32 {
        2
    }
    fn strided(&self) -> bool {
        true
    }
}

fn run<T: GemmScalar + Element>(call: &CpuCall, one: T) -> Result<()> {
    let (x, w, out) = (&call.ins[0], &call.ins[1], &call.outs[0]);
    let k = w.shape()[1];
    let bias = call.ins.get(2).map(crate::copy::contiguous).transpose()?;
    // Rows of x must be evenly spaced; anything else is copied.
    let x = crate::copy::contiguous(x)?;
    let job = Gemm {
        m: out.numel() / w.shape()[0].max(1),
        n: w.shape()[0],
        k,
        a: x.ptr::<T>().cast_const(),
        a_rs: k as isize,
        a_cs: 1,
        b: w.ptr::<T>().cast_const(),
        b_rs: w.strides()[1],
        b_cs: w.strides()[0],
        c: out.ptr::<T>(),
        c_rs: w.shape()[0] as isize,
        alpha: one,
        accumulate: false,
        epilogue: match &bias {
            Some(b) => Epilogue::Bias(b.as_slice()),
            None => Epilogue::None,
        },
    };
    // SAFETY: shapes and strides are those of live tensors, checked in `infer`; the output is fresh.
    unsafe { gemm(&job) };
    Ok(())
}

/// `x w^T + b` for `x (*, k)`, `w (n, k)`, `b (n,)`.
pub fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    if x.device() != rsnn_core::Device::Cpu {
        let y = matmul(x, &view::transpose(w, 0, 1)?)?;
        return b.map_or(Ok(y.clone()), |b| add(&y, b));
    }
    if w.ndim() == 1 && b.is_none() {
        return matmul(x, w);
    }
    match b {
        Some(b) if b.ndim() != 1 => add(&apply(Linear, &[x.clone(), w.clone()])?, b),
        Some(b) => apply(Linear, &[x.clone(), w.clone(), b.clone()]),
        None => apply(Linear, &[x.clone(), w.clone()]),
    }
}
