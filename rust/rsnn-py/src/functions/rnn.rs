//! Sequences: recurrent layers and cells over torch's flat list of weights, and the CTC loss.
use crate::prelude::*;
use rsnn_ops::Tensor;
use rsnn_ops::rnn::{self, Cell, Options};

macro_rules! layers {
    ($($name:ident)*) => {$(
        /// (output, final hidden state) of all layers.
        #[pyfunction]
        #[pyo3(signature = (input, hx, weights, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes=None))]
        pub fn $name(
            input: In,
            hx: In,
            weights: Vec<In>,
            has_biases: bool,
            num_layers: usize,
            dropout: f64,
            train: bool,
            bidirectional: bool,
            batch_first: bool,
            batch_sizes: Option<Vec<usize>>,
        ) -> Outs {
            let o = Options { has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes };
            run_all(|| rnn::$name(&input, &hx, &tensors(weights), &o))
        }
    )*};
}
layers!(gru rnn_tanh rnn_relu);

/// (output, final hidden state, final cell state) of all layers.
#[pyfunction]
#[pyo3(signature = (input, hx, weights, has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes=None))]
pub fn lstm(
    input: In,
    hx: Vec<In>,
    weights: Vec<In>,
    has_biases: bool,
    num_layers: usize,
    dropout: f64,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    batch_sizes: Option<Vec<usize>>,
) -> Outs {
    let o = Options { has_biases, num_layers, dropout, train, bidirectional, batch_first, batch_sizes };
    run_all(|| rnn::lstm(&input, &tensors(hx), &tensors(weights), &o))
}

fn flat(w_ih: In, w_hh: In, b_ih: Option<In>, b_hh: Option<In>) -> Vec<Tensor> {
    [w_ih.0, w_hh.0].into_iter().chain(b_ih.map(|b| b.0)).chain(b_hh.map(|b| b.0)).collect()
}

macro_rules! cells {
    ($($name:ident $cell:ident)*) => {$(
        /// The hidden state after one step.
        #[pyfunction]
        #[pyo3(signature = (input, hx, w_ih, w_hh, b_ih=None, b_hh=None))]
        pub fn $name(input: In, hx: In, w_ih: In, w_hh: In, b_ih: Option<In>, b_hh: Option<In>) -> Out {
            run(|| Ok(rnn::cell(Cell::$cell, &input, &[hx.0], &flat(w_ih, w_hh, b_ih, b_hh))?.swap_remove(0)))
        }
    )*};
}
cells!(gru_cell Gru rnn_tanh_cell Tanh rnn_relu_cell Relu);

/// Hidden and cell state after one step.
#[pyfunction]
#[pyo3(signature = (input, hx, w_ih, w_hh, b_ih=None, b_hh=None))]
pub fn lstm_cell(input: In, hx: Vec<In>, w_ih: In, w_hh: In, b_ih: Option<In>, b_hh: Option<In>) -> Outs {
    run_all(|| rnn::cell(Cell::Lstm, &input, &tensors(hx), &flat(w_ih, w_hh, b_ih, b_hh)))
}

/// Loss of each sample.
#[pyfunction]
pub fn ctc_loss(
    log_probs: In,
    targets: In,
    input_lengths: Vec<i64>,
    target_lengths: Vec<i64>,
    blank: i64,
    zero_infinity: bool,
) -> Out {
    run(|| rsnn_ops::ctc::ctc_loss(&log_probs, &targets, &input_lengths, &target_lengths, blank, zero_infinity))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, lstm, gru, rnn_tanh, rnn_relu, lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell, ctc_loss);
    Ok(())
}
