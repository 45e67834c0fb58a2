//! The gradient op of a recurrent layer.
use super::Rnn;
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, apply_all};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Element, Result, bail};
use rsnn_cpu::gemm::GemmScalar;
use rsnn_cpu::rnn as kernel;
use std::sync::Arc;

/// Inputs: the gradients of y, hn and cn that exist, then the hidden outputs, then the layer's inputs.
/// Outputs: the wanted gradients, in order of the layer's inputs.
struct Backward {
    rnn: Rnn,
    /// Which of the results' gradients exist.
    exist: [bool; 3],
    /// Inputs of the layer whose gradients are wanted: bit i is input i.
    wanted: u32,
}

pub(super) fn vjp(rnn: &Rnn, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
    let n = cx.num_inputs();
    let mut out: Grads = smallvec::smallvec![None; n];
    let visible = &grads[..rnn.visible()];
    let wanted = (0..n).filter(|&i| cx.needs(i)).fold(0, |bits, i| bits | 1 << i);
    if visible.iter().all(Option::is_none) || wanted == 0 {
        return Ok(out);
    }
    let mut ins: Vec<Tensor> = visible.iter().flatten().map(Tensor::detach).collect();
    let mut exist = [false; 3];
    exist.iter_mut().zip(visible).for_each(|(e, g)| *e = g.is_some());
    for i in rnn.visible()..rnn.visible() + rnn.hidden() {
        ins.push(cx.output(i)?.detach());
    }
    for i in 0..n {
        ins.push(cx.input(i)?.detach());
    }
    let found = apply_all(Arc::new(Backward { rnn: rnn.clone(), exist, wanted }), &ins)?;
    for (i, g) in (0..n).filter(|&i| cx.needs(i)).zip(found) {
        out[i] = Some(g);
    }
    Ok(out)
}

impl Backward {
    /// Where the saved outputs and the layer's inputs start.
    fn starts(&self) -> (usize, usize) {
        let saved = self.exist.iter().filter(|e| **e).count();
        (saved, saved + self.rnn.hidden())
    }

    fn run<T: GemmScalar + Element>(&self, call: &CpuCall) -> Result<()> {
        let (saved_at, ins_at) = self.starts();
        let mut given = 0..saved_at;
        let mut incoming = self.exist.iter().map(|e| if *e { given.next().map(|i| call.input::<T>(i)) } else { None });
        let mut next = || incoming.next().flatten();
        let incoming = kernel::Incoming { y: next(), hn: next(), cn: next() };
        let saved = kernel::Saved {
            states: call.input(saved_at),
            gates: call.input(saved_at + 1),
            cell: if self.rnn.hidden() == 3 { call.input(saved_at + 2) } else { &[] },
        };
        let layer = self.rnn.layer::<T>(&call.ins[ins_at..]);
        let (mut outs, mut at) = (0..call.outs.len(), 0..);
        let mut grad = |present: bool| {
            let i = if present { at.next()? } else { return None };
            if self.wanted >> i & 1 == 1 { outs.next().map(|o| call.output::<T>(o)) } else { None }
        };
        let (bias, lstm) = (self.rnn.bias, self.rnn.lstm());
        let grads = kernel::Grads {
            x: grad(true),
            h0: grad(true),
            c0: grad(lstm),
            w_ih: grad(true),
            w_hh: grad(true),
            b_ih: grad(bias),
            b_hh: grad(bias),
            w_hr: grad(self.rnn.projected),
        };
        let scratch = Tensor::empty(&[kernel::scratch_len(&layer)], T::DTYPE, Device::Cpu)?;
        kernel::backward(&layer, saved, incoming, grads, scratch.as_mut_slice());
        Ok(())
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "rnn_backward"
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let layer = &ins[self.starts().1..];
        Ok(layer.iter().enumerate().filter(|(i, _)| self.wanted >> i & 1 == 1).map(|(_, t)| t.meta()).collect())
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        // The last input is a weight, which has the layer's dtype.
        match call.ins[call.ins.len() - 1].dtype() {
            DType::F32 => self.run::<f32>(call),
            DType::F64 => self.run::<f64>(call),
            other => bail!(NotImplemented, "\"{}\" not implemented for '{}'", self.name(), other.scalar_name()),
        }
    }
    fn vjp(&self, _: &Ctx, _: &[Option<Tensor>]) -> Result<Grads> {
        crate::op::not_differentiable(self.name())
    }
}
