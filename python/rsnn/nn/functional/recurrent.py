"""Recurrent layers over whole sequences and the cells, by mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"."""

from __future__ import annotations

from rsnn import _rsnn as _C
from rsnn.amp.policy import recurrent_precision

__all__ = ["recurrent", "recurrent_cell"]

_LAYERS = {"RNN_TANH": _C.rnn_tanh, "RNN_RELU": _C.rnn_relu, "LSTM": _C.lstm, "GRU": _C.gru}
_CELLS = {"RNN_TANH": _C.rnn_tanh_cell, "RNN_RELU": _C.rnn_relu_cell, "LSTM": _C.lstm_cell, "GRU": _C.gru_cell}


@recurrent_precision
def recurrent(mode, input, states, weights, *options):
    """Run all layers and directions.

    Args:
        input: (L, N, I), (N, L, I) with batch_first, or packed (sum of lengths, I) with batch sizes.
        states: initial states, each (layers·directions, N, H): hidden, and for an LSTM the cell.
        weights: for each layer and direction w_ih, w_hh, b_ih, b_hh, w_hr, without those that do not exist.
        options: has_biases, num_layers, dropout, train, bidirectional, batch_first, and the batch sizes of a packed input.

    Returns: the last layer's output, and the tuple of final states.
    """
    output, *states = _LAYERS[mode](input, states if mode == "LSTM" else states[0], weights, *options)
    return output, tuple(states)


@recurrent_precision
def recurrent_cell(mode, input, states, w_ih, w_hh, b_ih=None, b_hh=None):
    """Take one step from (N, H) states; return the new state, for an LSTM the pair of hidden and cell state."""
    out = _CELLS[mode](input, states if mode == "LSTM" else states[0], w_ih, w_hh, b_ih, b_hh)
    return tuple(out) if mode == "LSTM" else out
