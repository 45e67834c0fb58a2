//! Recurrent layers, one op for one layer and direction over the whole sequence: LSTM (Hochreiter and Schmidhuber 1997) with
//! an optional projection, GRU (Cho et al. 2014) and the Elman network. `stack` runs layers and directions.
mod backward;
mod define;
mod stack;
#[cfg(test)]
mod tests;

pub use rsnn_cpu::rnn::Cell;
pub use stack::{Options, cell, gru, lstm, rnn_relu, rnn_tanh};

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply_all};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Element, Result, bail, ensure};
use rsnn_cpu::gemm::GemmScalar;
use rsnn_cpu::rnn::{self as kernel, Layer};
use std::sync::Arc;

/// Inputs: x (rows, input), h0 (batch, out), for an LSTM c0 (batch, hidden), w_ih, w_hh, with `bias` b_ih and b_hh, with
/// `projected` w_hr. Outputs: y (rows, out), hn, for an LSTM cn; hidden: the states that rows
/// started from, activations of the gates, and for an LSTM all cell states, for a GRU the projected states.
#[derive(Clone)]
struct Rnn {
    cell: Cell,
    /// Rows of each step, never growing.
    sizes: Arc<[usize]>,
    reverse: bool,
    bias: bool,
    projected: bool,
}

impl Rnn {
    fn lstm(&self) -> bool {
        self.cell == Cell::Lstm
    }

    /// Position of w_ih; w_hh follows, then biases and the projection.
    fn weights_at(&self) -> usize {
        2 + usize::from(self.lstm())
    }

    fn projection_at(&self) -> usize {
        self.weights_at() + 2 + 2 * usize::from(self.bias)
    }

    /// Results that callers see.
    fn visible(&self) -> usize {
        2 + usize::from(self.lstm())
    }

    fn hidden_size(&self, ins: &[Tensor]) -> usize {
        ins[self.weights_at()].shape()[0] / self.cell.gates()
    }

    fn layer<'a, T: Element>(&'a self, ins: &'a [Tensor]) -> Layer<'a, T> {
        let w = self.weights_at();
        Layer {
            cell: self.cell,
            sizes: &self.sizes,
            reverse: self.reverse,
            input: ins[0].shape()[1],
            hidden: self.hidden_size(ins),
            x: ins[0].as_slice(),
            h0: ins[1].as_slice(),
            c0: if self.lstm() { ins[2].as_slice() } else { &[] },
            w_ih: ins[w].as_slice(),
            w_hh: ins[w + 1].as_slice(),
            bias: self.bias.then(|| (ins[w + 2].as_slice(), ins[w + 3].as_slice())),
            w_hr: self.projected.then(|| ins[self.projection_at()].as_slice()),
        }
    }

    fn forward<T: GemmScalar + Element>(&self, call: &CpuCall) {
        let (seen, keeps) = (self.visible(), matches!(self.cell, Cell::Lstm | Cell::Gru));
        let outputs = kernel::Outputs {
            y: call.output(0),
            hn: call.output(1),
            cn: if self.lstm() { call.output(2) } else { &mut [] },
            states: call.output(seen),
            gates: call.output(seen + 1),
            cell: if keeps { call.output(seen + 2) } else { &mut [] },
        };
        kernel::forward::<T>(&self.layer(call.ins), outputs);
    }

    /// Shapes of the weights against those of x and the states.
    fn check(&self, ins: &[Tensor]) -> Result<()> {
        let w = self.weights_at();
        for (i, t) in ins.iter().enumerate() {
            let kind = if i < w { "state" } else { "weight" };
            ensure!(
                t.dtype() == ins[0].dtype(),
                Runtime,
                "mat1 and mat2 must have the same dtype, but got {} and {} ({}: a {kind} tensor and the input)",
                t.dtype().scalar_name(),
                ins[0].dtype().scalar_name(),
                self.name()
            );
        }
        let (x, h0, w_hh) = (ins[0].shape(), ins[1].shape(), ins[w + 1].shape());
        ensure!(
            ins[w].ndim() == 2 && ins[w].shape()[0].is_multiple_of(self.cell.gates()),
            Runtime,
            "{}: expected weight_ih of shape ({} * hidden_size, input_size), got {:?}",
            self.name(),
            self.cell.gates(),
            ins[w].shape()
        );
        let (hidden, gates) = (self.hidden_size(ins), ins[w].shape()[0]);
        ensure!(
            x.len() == 2 && ins[w].shape()[1] == x[1] && x[0] == self.sizes.iter().sum::<usize>(),
            Runtime,
            "{}: input of shape {x:?} does not fit weight_ih of shape {:?}",
            self.name(),
            ins[w].shape()
        );
        ensure!(
            h0.len() == 2 && w_hh == [gates, h0[1]] && (self.projected || h0[1] == hidden),
            Runtime,
            "{}: weight_hh of shape {w_hh:?} does not fit a hidden state of {} features",
            self.name(),
            h0.last().copied().unwrap_or(0)
        );
        let batch = self.sizes.first().copied().unwrap_or(0);
        let c0_fits = !self.lstm() || ins[2].shape() == [batch, hidden];
        ensure!(
            h0[0] == batch && c0_fits,
            Runtime,
            "{}: Expected hidden size for a batch of {batch}, got {h0:?}",
            self.name()
        );
        let bias_fits = !self.bias || (ins[w + 2].shape() == [gates] && ins[w + 3].shape() == [gates]);
        let projection_fits = !self.projected || ins[self.projection_at()].shape() == [h0[1], hidden];
        ensure!(
            bias_fits && projection_fits,
            Runtime,
            "{}: biases or weight_hr do not fit a hidden size of {hidden}",
            self.name()
        );
        Ok(())
    }
}

impl Op for Rnn {
    fn name(&self) -> &'static str {
        match self.cell {
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
            Cell::Tanh => "rnn_tanh",
            Cell::Relu => "rnn_relu",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        self.check(ins)?;
        let (x, hidden) = (&ins[0], self.hidden_size(ins));
        let (rows, wide) = (x.shape()[0], x.dtype().compute());
        let mut out: Metas = smallvec::smallvec![Meta::new(&[rows, ins[1].shape()[1]], x.dtype(), x.device())];
        out.extend(ins[1..self.weights_at()].iter().map(Tensor::meta));
        out.push(Meta::new(&[rows, kernel::spaced(ins[1].shape()[1])], wide, x.device()));
        out.push(Meta::new(&[rows, hidden * self.cell.gates()], wide, x.device()));
        if self.hidden() == 3 {
            out.push(Meta::new(&[rows, hidden], wide, x.device()));
        }
        Ok(out)
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        match call.ins[0].dtype() {
            DType::F32 => self.forward::<f32>(call),
            DType::F64 => self.forward::<f64>(call),
            other => bail!(NotImplemented, "\"{}\" not implemented for '{}'", self.name(), other.scalar_name()),
        }
        Ok(())
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        backward::vjp(self, cx, grads)
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(define::meaning(self, ins))
    }
    fn saves(&self) -> Saves {
        Saves { inputs: !0, outputs: !0 << self.visible() }
    }
    fn saves_data(&self) -> u32 {
        !0 << self.weights_at()
    }
    fn hidden(&self) -> usize {
        if matches!(self.cell, Cell::Lstm | Cell::Gru) { 3 } else { 2 }
    }
}

/// Runs one layer in one direction; on devices without a kernel by its definition.
fn run(op: Rnn, ins: &[Tensor]) -> Result<Tensors> {
    if ins[0].device() == rsnn_core::Device::Cpu {
        return apply_all(Arc::new(op), ins);
    }
    op.infer(ins)?;
    define::meaning(&op, ins)
}
