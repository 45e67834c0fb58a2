//! Layers and directions on top of each other, with torch's flat list of weights, and the cells.
use super::{Cell, Rnn, run};
use crate::join::{cat, stack};
use crate::random::dropout;
use crate::tensor::Tensor;
use crate::view;
use rsnn_core::{Result, ensure};
use std::sync::Arc;

/// How layers are put together.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub has_biases: bool,
    pub num_layers: usize,
    /// Probability of dropout between layers, in training.
    pub dropout: f64,
    pub train: bool,
    pub bidirectional: bool,
    pub batch_first: bool,
    /// Rows of each step: the input is then packed, (rows, input).
    pub batch_sizes: Option<Vec<usize>>,
}

/// (output, hn, cn) of an LSTM. `hx` holds h0 and c0, each (layers * directions, batch, *); `weights` for each layer and
/// direction w_ih, w_hh, with biases b_ih, b_hh, with a projection w_hr. Input and output are (steps, batch, *), or
/// (batch, steps, *) with `batch_first`, or packed.
pub fn lstm(input: &Tensor, hx: &[Tensor], weights: &[Tensor], o: &Options) -> Result<Vec<Tensor>> {
    ensure!(hx.len() == 2, Runtime, "lstm expects two hidden states");
    layers(Cell::Lstm, input, hx, weights, o)
}

/// (output, hn) of a GRU; arguments as for `lstm` without cell state and projection.
pub fn gru(input: &Tensor, hx: &Tensor, weights: &[Tensor], o: &Options) -> Result<Vec<Tensor>> {
    layers(Cell::Gru, input, std::slice::from_ref(hx), weights, o)
}

/// (output, hn) of an Elman network with tanh.
pub fn rnn_tanh(input: &Tensor, hx: &Tensor, weights: &[Tensor], o: &Options) -> Result<Vec<Tensor>> {
    layers(Cell::Tanh, input, std::slice::from_ref(hx), weights, o)
}

/// (output, hn) of an Elman network with relu.
pub fn rnn_relu(input: &Tensor, hx: &Tensor, weights: &[Tensor], o: &Options) -> Result<Vec<Tensor>> {
    layers(Cell::Relu, input, std::slice::from_ref(hx), weights, o)
}

/// One step from `hx` (hidden, for an LSTM cell), each (batch, hidden): the new states.
pub fn cell(cell: Cell, input: &Tensor, hx: &[Tensor], weights: &[Tensor]) -> Result<Vec<Tensor>> {
    let expected = if cell == Cell::Lstm { 2 } else { 1 };
    ensure!(hx.len() == expected, Runtime, "rnn cell: expected {expected} states, got {}", hx.len());
    ensure!(
        matches!(weights.len(), 2 | 4) && input.ndim() == 2,
        Runtime,
        "rnn cell: expected input (batch, features) and two weights with or without two biases"
    );
    let op =
        Rnn { cell, sizes: Arc::new([input.shape()[0]]), reverse: false, bias: weights.len() == 4, projected: false };
    let mut ins = vec![input.clone()];
    ins.extend(hx.iter().chain(weights).cloned());
    Ok(run(op, &ins)?.into_iter().skip(1).collect())
}

/// The input as (rows, features), the rows of each step, and the shape of the output without its features.
fn flat(input: &Tensor, o: &Options) -> Result<(Tensor, Arc<[usize]>, Vec<usize>)> {
    let s = input.shape();
    if let Some(sizes) = &o.batch_sizes {
        ensure!(s.len() == 2, Runtime, "input must have 2 dimensions, got {}", s.len());
        ensure!(
            sizes.is_sorted_by(|a, b| a >= b) && sizes.last().is_some_and(|&n| n > 0),
            Runtime,
            "batch_sizes must be positive and in decreasing order"
        );
        return Ok((input.clone(), sizes.clone().into(), vec![s[0]]));
    }
    ensure!(s.len() == 3, Runtime, "input must have 3 dimensions, got {}", s.len());
    let x = if o.batch_first { view::transpose(input, 0, 1)? } else { input.clone() };
    let (steps, batch, features) = (x.shape()[0], x.shape()[1], s[2]);
    ensure!(steps > 0, Runtime, "Expected sequence length to be larger than 0 in RNN");
    let rows = view::reshape(&x, &[steps * batch, features])?;
    Ok((rows, vec![batch; steps].into(), vec![steps, batch]))
}

fn layers(kind: Cell, input: &Tensor, hx: &[Tensor], weights: &[Tensor], o: &Options) -> Result<Vec<Tensor>> {
    let directions = 1 + usize::from(o.bidirectional);
    let slots = o.num_layers * directions;
    let each = weights.len() / slots.max(1);
    let plain = 2 + 2 * usize::from(o.has_biases);
    let projected = kind == Cell::Lstm && each == plain + 1;
    ensure!(
        slots > 0 && weights.len() == slots * each && (each == plain || projected),
        Runtime,
        "rnn: expected {plain} weights for each of {slots} layers and directions, got {} in all",
        weights.len()
    );
    for h in hx {
        ensure!(
            h.ndim() == 3 && h.shape()[0] == slots,
            Runtime,
            "Expected hidden size ({slots}, batch, features), got {:?}",
            h.shape()
        );
    }
    let (mut x, sizes, lead) = flat(input, o)?;
    let mut last: Vec<Vec<Tensor>> = vec![vec![]; hx.len()];
    for layer in 0..o.num_layers {
        let mut outputs = vec![];
        for direction in 0..directions {
            let slot = layer * directions + direction;
            let op = Rnn { cell: kind, sizes: sizes.clone(), reverse: direction == 1, bias: o.has_biases, projected };
            let mut ins = vec![x.clone()];
            for h in hx {
                ins.push(view::select(h, 0, slot as i64)?);
            }
            ins.extend_from_slice(&weights[slot * each..(slot + 1) * each]);
            let mut found = run(op, &ins)?.into_iter();
            outputs.extend(found.next());
            last.iter_mut().zip(found).for_each(|(all, h)| all.push(h));
        }
        x = if directions == 1 { outputs.swap_remove(0) } else { cat(&outputs, -1)? };
        if o.train && o.dropout > 0.0 && layer + 1 < o.num_layers {
            x = dropout(&x, o.dropout, None)?;
        }
    }
    let mut shape = lead;
    shape.push(x.shape()[1]);
    let mut output = view::reshape(&x, &shape)?;
    if o.batch_first && o.batch_sizes.is_none() {
        output = view::transpose(&output, 0, 1)?;
    }
    let mut results = vec![output];
    for states in &last {
        results.push(stack(states, 0)?);
    }
    Ok(results)
}
