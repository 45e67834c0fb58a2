//! scaled_dot_product_attention: `softmax(scale * q k^T + mask) v` by blocks with an online softmax (Dao et al. 2022).
//! A fully masked row gives zeros and finite gradients.
mod define;

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use crate::{copy, view};
use rsnn_core::{DType, Element, Result, bail, ensure};
use rsnn_cpu::attention::{self, Attention, Mask, View, ViewMut};
use rsnn_cpu::gemm::GemmScalar;
use std::sync::Arc;

/// Inputs: q (B, H, L, E), k (B, G, S, E), v (B, G, S, V), mask where present (broadcast to (B, H, L, S)).
/// Outputs: (B, H, L, V); hidden: log-sum-exp (B, H, L).
#[derive(Clone, Copy)]
struct Sdpa {
    causal: bool,
    scale: f64,
    dropout: f64,
    key: u64,
}

fn view_of<T>(t: &Tensor) -> View<T> {
    let s = t.strides();
    View { ptr: t.ptr::<T>().cast_const(), strides: [s[0], s[1], s[2]] }
}

fn view_mut<T>(t: &Tensor) -> ViewMut<T> {
    let s = t.strides();
    ViewMut { ptr: t.ptr::<T>(), strides: [s[0], s[1], s[2]] }
}

/// Unit stride in the last dimension, which the kernels ask for.
fn rows(t: &Tensor) -> Result<Tensor> {
    if t.shape()[3] <= 1 || t.strides()[3] == 1 { Ok(t.clone()) } else { copy::contiguous(t) }
}

impl Sdpa {
    fn attention<T: Element>(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Attention<T> {
        let (s, kv) = (q.shape(), k.shape());
        let full = [s[0], s[1], s[2], kv[2]];
        let mask = match mask {
            None => Mask::None,
            Some(m) => {
                let st = m.layout().broadcast_strides(&full);
                let strides = [st[0], st[1], st[2], st[3]];
                match m.dtype() {
                    DType::Bool => Mask::Bool { ptr: m.ptr::<u8>(), strides },
                    _ => Mask::Float { ptr: m.ptr::<T>(), strides },
                }
            }
        };
        Attention {
            batch: s[0],
            heads: s[1],
            kv_heads: kv[1],
            q_len: s[2],
            kv_len: kv[2],
            d: s[3],
            dv: v.shape()[3],
            scale: self.scale,
            causal: self.causal,
            mask,
            dropout: self.dropout,
            dropout_key: self.key,
            q: view_of(q),
            k: view_of(k),
            v: view_of(v),
        }
    }

    fn forward<T: GemmScalar + Element>(&self, call: &CpuCall) -> Result<()> {
        let (q, k, v) = (rows(&call.ins[0])?, rows(&call.ins[1])?, rows(&call.ins[2])?);
        if q.shape()[1] == 0 || k.shape()[1] == 0 || call.outs[0].numel() == 0 {
            return Ok(());
        }
        let a = self.attention::<T>(&q, &k, &v, call.ins.get(3));
        // SAFETY: the views are those of live tensors, shapes checked in `infer`; outputs are fresh.
        unsafe { attention::forward(&a, view_mut(&call.outs[0]), call.outs[1].ptr::<T>()) };
        Ok(())
    }
}

impl Op for Sdpa {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (q, k, v) = (&ins[0], &ins[1], &ins[2]);
        let (a, b, c) = (q.shape(), k.shape(), v.shape());
        ensure!(
            q.dtype() == k.dtype() && q.dtype() == v.dtype(),
            Runtime,
            "Expected query, key, and value to have the same dtype, but got query.dtype: {} key.dtype: {} and value.dtype: {} instead.",
            q.dtype().name(),
            k.dtype().name(),
            v.dtype().name()
        );
        ensure!(
            q.dtype().is_float(),
            Runtime,
            "scaled_dot_product_attention: expected floating point inputs, got {}",
            q.dtype().name()
        );
        ensure!(
            a[3] == b[3]
                && b[2] == c[2]
                && a[0] == b[0]
                && b[0] == c[0]
                && b[1] == c[1]
                && (a[1] == b[1] || b[1] != 0 && a[1] % b[1] == 0),
            Runtime,
            "scaled_dot_product_attention: query {a:?}, key {b:?} and value {c:?} do not fit; expected (B, H, L, E), (B, H, S, E) and (B, H, S, V)"
        );
        if let Some(m) = ins.get(3) {
            let full = [a[0], a[1], a[2], b[2]];
            let fits = rsnn_core::broadcast_shapes(m.shape(), &full).is_ok_and(|s| s.as_slice() == full);
            ensure!(
                fits,
                Runtime,
                "scaled_dot_product_attention: attn_mask of shape {:?} does not broadcast to {full:?}",
                m.shape()
            );
        }
        let out = Meta::new(&[a[0], a[1], a[2], c[3]], q.dtype(), q.device());
        let lse = Meta::new(&a[..3], q.dtype().compute(), q.device());
        Ok(smallvec::smallvec![out, lse])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        match call.ins[0].dtype() {
            DType::F32 => self.forward::<f32>(call),
            DType::F64 => self.forward::<f64>(call),
            other => bail!(NotImplemented, "{}: no kernel for {}", self.name(), other.name()),
        }
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let n = cx.num_inputs();
        let mut out: Grads = smallvec::smallvec![None; n];
        let Some(g) = &grads[0] else { return Ok(out) };
        let mut ins = vec![g.detach(), cx.output(0)?.detach(), cx.output(1)?.detach()];
        for i in 0..n {
            ins.push(cx.input(i)?.detach());
        }
        for (slot, d) in out.iter_mut().zip(apply_all(Arc::new(Backward(*self)), &ins)?) {
            *slot = Some(d);
        }
        Ok(out)
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(define::meaning(self, ins))
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn hidden(&self) -> usize {
        1
    }
    fn strided(&self) -> bool {
        true
    }
}

/// `(dout, out, lse, q, k, v, [mask]) -> (dq, dk, dv)`
struct Backward(Sdpa);

impl Backward {
    fn run<T: GemmScalar + Element>(&self, call: &CpuCall) -> Result<()> {
        let i = call.ins;
        let (g, out, lse) = (rows(&i[0])?, rows(&i[1])?, copy::contiguous(&i[2])?);
        let (q, k, v) = (rows(&i[3])?, rows(&i[4])?, rows(&i[5])?);
        let (dq, dk, dv) = (&call.outs[0], &call.outs[1], &call.outs[2]);
        if dq.numel() == 0 || dk.numel() == 0 || dv.numel() == 0 {
            return call.outs.iter().try_for_each(|t| crate::fill::fill_raw(t, 0.0));
        }
        let a = self.0.attention::<T>(&q, &k, &v, i.get(6));
        let saved = (view_of::<T>(&out), lse.ptr::<T>().cast_const(), view_of::<T>(&g));
        // SAFETY: the views are those of live tensors whose shapes the forward pass checked; outputs are fresh.
        unsafe { attention::backward(&a, saved, view_mut(dq), view_mut(dk), view_mut(dv)) };
        Ok(())
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        Ok(ins[3..6].iter().map(Tensor::meta).collect())
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        match call.ins[3].dtype() {
            DType::F32 => self.run::<f32>(call),
            DType::F64 => self.run::<f64>(call),
            other => bail!(NotImplemented, "{}: no kernel for {}", self.name(), other.name()),
        }
    }
    fn strided(&self) -> bool {
        true
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}

/// How attention is to be computed.
#[derive(Clone, Copy, Default)]
pub struct Options {
    pub dropout_p: f64,
    pub is_causal: bool,
    pub scale: Option<f64>,
    pub enable_gqa: bool,
}

/// Attention of q (.., L, E) over k (.., S, E) and v (.., S, V). With a mask and `is_causal` a pair has to pass both.
pub fn sdpa(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, o: Options) -> Result<Tensor> {
    ensure!(
        [q, k, v].into_iter().all(|t| t.ndim() >= 2),
        Runtime,
        "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {} key.dim: {} and value.dim: {} instead.",
        q.ndim(),
        k.ndim(),
        v.ndim()
    );
    ensure!(
        (0.0..=1.0).contains(&o.dropout_p),
        Runtime,
        "dropout probability has to be between 0 and 1, but got {}",
        o.dropout_p
    );
    let e = q.shape()[q.ndim() - 1];
    let op = Sdpa {
        causal: o.is_causal,
        scale: o.scale.unwrap_or(1.0 / (e.max(1) as f64).sqrt()),
        dropout: o.dropout_p,
        key: if o.dropout_p > 0.0 { crate::random::draw_key(None) } else { 0 },
    };
    if let Some(m) = mask {
        ensure!(
            [DType::Bool, DType::F32, q.dtype()].contains(&m.dtype()),
            Runtime,
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {} and  query.dtype: {} instead.",
            m.dtype().name(),
            q.dtype().name()
        );
    }
    let lead = q.shape()[..q.ndim() - 2].to_vec();
    let shaped = |t: &Tensor| four(t, o.enable_gqa, &lead);
    let (q4, k4, v4) = (shaped(q)?, shaped(k)?, shaped(v)?);
    ensure!(
        o.enable_gqa || q4.shape()[1] == k4.shape()[1],
        Runtime,
        "scaled_dot_product_attention: query has {} heads and key {}; pass enable_gqa=True to share key heads",
        q4.shape()[1],
        k4.shape()[1]
    );
    ensure!(
        !o.enable_gqa || [&k4, &v4].into_iter().all(|t| t.shape()[1] != 0 && q4.shape()[1] % t.shape()[1] == 0),
        Runtime,
        "Number of heads in key and value must divide the number of heads in query, but got {}, {} and {}",
        k4.shape()[1],
        v4.shape()[1],
        q4.shape()[1]
    );
    let mask = mask.map(|m| four_mask(m, &lead)).transpose()?;
    let mask =
        mask.map(|m| if m.dtype() == DType::Bool { Ok(m) } else { copy::to_dtype(&m, q.dtype()) }).transpose()?;
    let mut ins = vec![q4, k4, v4];
    ins.extend(mask.clone());
    let recorded = crate::autograd::is_enabled();
    let learned = mask.as_ref().is_some_and(|m| recorded && m.requires_grad());
    let out = if learned {
        op.infer(&ins)?;
        define::meaning(&op, &ins)?.swap_remove(0)
    } else {
        apply_all(Arc::new(op), &ins)?.swap_remove(0)
    };
    let mut shape = lead;
    shape.extend(&out.shape()[2..]);
    if out.shape() == shape.as_slice() { Ok(out) } else { view::reshape(&out, &shape) }
}

/// (.., L, E) as (B, H, L, E), leading dimensions broadcast to those of the query (heads excepted under GQA).
fn four(t: &Tensor, gqa: bool, lead: &[usize]) -> Result<Tensor> {
    let n = t.ndim();
    let mut t = t.clone();
    if !gqa && &t.shape()[..n - 2] != lead {
        let mut shape = lead.to_vec();
        shape.extend(&t.shape()[n - 2..]);
        t = view::expand(&t, &shape)?;
    }
    match t.ndim() {
        4 => Ok(t),
        2 => view::unsqueeze(&view::unsqueeze(&t, 0)?, 0),
        3 => view::unsqueeze(&t, 0),
        n => {
            let s = t.shape().to_vec();
            view::reshape(&t, &[s[..n - 3].iter().product(), s[n - 3], s[n - 2], s[n - 1]])
        }
    }
}

fn four_mask(m: &Tensor, lead: &[usize]) -> Result<Tensor> {
    if lead.len() <= 2 {
        return if lead.len() == 2 || m.ndim() <= 2 { Ok(m.clone()) } else { view::unsqueeze(m, 0) };
    }
    if m.ndim() <= 3 {
        return Ok(m.clone());
    }
    let tail = m.shape()[m.ndim() - 2..].to_vec();
    let mut shape = lead.to_vec();
    shape.extend(&tail);
    let m = view::expand(m, &shape)?;
    let n = lead.len();
    view::reshape(&m, &[lead[..n - 1].iter().product(), lead[n - 1], tail[0], tail[1]])
}
