"""Recurrent layers over whole sequences: Elman RNN, LSTM and GRU, padded or packed."""

from __future__ import annotations

import rsnn
from rsnn import _rsnn as _C

from .drop import dropout as _dropout

__all__ = ["gru_cell", "lstm_cell", "recurrent", "rnn_cell"]


def rnn_cell(projected, hidden, w_hh, b_hh, activation):
    """Take one Elman step from the projected input."""
    return activation(projected + _C.linear(hidden, w_hh, b_hh))


def lstm_cell(projected, hidden, cell, w_hh, b_hh):
    """Take one LSTM step (Hochreiter & Schmidhuber 1997) from the projected input; return hidden and cell state."""
    gates = projected + _C.linear(hidden, w_hh, b_hh)
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, -1)
    cell = _C.sigmoid(forget_gate) * cell + _C.sigmoid(input_gate) * _C.tanh(candidate)
    return _C.sigmoid(output_gate) * _C.tanh(cell), cell


def gru_cell(projected, hidden, w_hh, b_hh):
    """Take one GRU step (Cho et al. 2014) from the projected input."""
    reset_x, update_x, new_x = projected.chunk(3, -1)
    reset_h, update_h, new_h = _C.linear(hidden, w_hh, b_hh).chunk(3, -1)
    reset = _C.sigmoid(reset_x + reset_h)
    update = _C.sigmoid(update_x + update_h)
    candidate = _C.tanh(new_x + reset * new_h)
    return candidate + update * (hidden - candidate)


def _stepper(mode, weights):
    """Return step(projected, state) -> state, a state being a tuple that starts with the output."""
    _, w_hh, _, b_hh, w_hr = weights
    if mode == "LSTM":

        def step(projected, state):
            hidden, cell = lstm_cell(projected, state[0], state[1], w_hh, b_hh)
            return (hidden if w_hr is None else _C.linear(hidden, w_hr, None)), cell

        return step
    if mode == "GRU":
        return lambda projected, state: (gru_cell(projected, state[0], w_hh, b_hh),)
    activation = _C.tanh if mode == "RNN_TANH" else _C.relu
    return lambda projected, state: (rnn_cell(projected, state[0], w_hh, b_hh, activation),)


def _run_padded(steps, state, step, reverse):
    outputs = []
    for projected in reversed(steps) if reverse else steps:
        state = step(projected, state)
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    return rsnn.stack(outputs), state


def _run_packed(steps, state, step, reverse, sizes):
    """Step through a packed batch; sequences are sorted by length, so the active ones are the first rows."""
    outputs = []
    if reverse:
        start = state
        state = tuple(s[: sizes[-1]] for s in start)
        for projected, size in zip(reversed(steps), reversed(sizes), strict=True):
            known = state[0].shape[0]
            if size > known:
                state = tuple(rsnn.cat([s, first[known:size]]) for s, first in zip(state, start, strict=True))
            state = step(projected, state)
            outputs.append(state[0])
        outputs.reverse()
        return rsnn.cat(outputs), state
    finished = []
    for projected, size in zip(steps, sizes, strict=True):
        if size < state[0].shape[0]:
            finished.append(tuple(s[size:] for s in state))
            state = tuple(s[:size] for s in state)
        state = step(projected, state)
        outputs.append(state[0])
    finished.append(state)
    finished.reverse()
    return rsnn.cat(outputs), tuple(rsnn.cat(parts) for parts in zip(*finished, strict=True))


def recurrent(mode, input, states, weights, num_directions, dropout_p, batch_sizes=None):
    """Run all layers.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input: (T, N, I), or packed (sum of lengths, I) with `batch_sizes`.
        states: the initial states, each (layers·directions, N, H): hidden, and for an LSTM the cell.
        weights: for each layer and direction (w_ih, w_hh, b_ih, b_hh, w_hr), None where absent.

    Returns: the last layer's output, and the final states shaped as `states`.
    """
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    layers = len(weights) // num_directions
    finals = []
    for layer in range(layers):
        outputs = []
        for direction in range(num_directions):
            slot = layer * num_directions + direction
            w_ih, _, b_ih, _, _ = weights[slot]
            # One product for all time steps.
            projected = _C.linear(input, w_ih, b_ih)
            state = tuple(s[slot] for s in states)
            step = _stepper(mode, weights[slot])
            if sizes is None:
                output, state = _run_padded(projected.unbind(0), state, step, direction == 1)
            else:
                output, state = _run_packed(projected.split(sizes), state, step, direction == 1, sizes)
            outputs.append(output)
            finals.append(state)
        input = outputs[0] if num_directions == 1 else rsnn.cat(outputs, -1)
        if dropout_p > 0.0 and layer < layers - 1:
            input = _dropout(input, dropout_p)
    return input, tuple(rsnn.stack(parts) for parts in zip(*finals, strict=True))
