"""Recurrent layers and cells beside torch's: every option, every gradient, packed sequences, second derivatives."""

import itertools

import numpy as np
import pytest
from harness import fill, tensor

KINDS = [("LSTM", {}), ("LSTM", {"proj_size": 3}), ("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})]
IDS = ["lstm", "lstm_proj", "gru", "tanh", "relu"]
kinds = pytest.mark.parametrize(("name", "extra"), KINDS, ids=IDS)


def make_states(lib, layer, batch, grad=True, dtype="float32"):
    slots = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or layer.hidden_size] + ([layer.hidden_size] if layer.mode == "LSTM" else [])
    states = [tensor(lib, slots, batch, n, seed=i, grad=grad, dtype=dtype) for i, n in enumerate(sizes)]
    return states, tuple(states) if layer.mode == "LSTM" else states[0]


def run(lib, record, layer, x, hx, leaves, data=lambda out: out):
    out, state = layer(x, hx)
    parts = [data(out), *(state if isinstance(state, tuple) else (state,))]
    record(parts)
    loss = 0
    for part in parts:
        weight = np.cos(np.arange(part.numel()) * 0.7 + 0.3).reshape(tuple(part.shape))
        loss = loss + (part * lib.from_numpy(weight).to(part.dtype)).sum()
    loss.backward()
    record([leaf.grad for leaf in leaves], [(n, p.grad) for n, p in layer.named_parameters()])


@kinds
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    ("bidirectional", "batch_first", "bias"), list(itertools.product([False, True], repeat=3)), ids=str
)
def test_options(same, name, extra, layers, bidirectional, batch_first, bias):
    def scenario(lib, record):
        options = {"bidirectional": bidirectional, "batch_first": batch_first, "bias": bias, **extra}
        layer = fill(lib, getattr(lib.nn, name)(5, 7, layers, **options))
        x = tensor(lib, 2, 6, 5, grad=True)
        states, hx = make_states(lib, layer, 2 if batch_first else 6)
        run(lib, record, layer, x, hx, [x, *states])
        record(layer(x.detach())[0])

    same(scenario, tolerance=5e-5)


@kinds
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (4, 2), (1, 5), (9, 17)], ids=str)
def test_shapes_in_double(same, name, extra, shape):
    """From one step to sequences long enough for packed weights, units that fill no vector, odd batches."""

    def scenario(lib, record):
        layer = fill(lib, getattr(lib.nn, name)(3, 70, bidirectional=True, **extra).double())
        x = tensor(lib, *shape, 3, grad=True, dtype="float64")
        states, hx = make_states(lib, layer, shape[1], dtype="float64")
        run(lib, record, layer, x, hx, [x, *states])

    same(scenario)


@kinds
def test_large_steps(same, name, extra):
    """Work for several tasks in each step."""

    def scenario(lib, record):
        layer = fill(lib, getattr(lib.nn, name)(20, 160, **extra))
        with lib.no_grad():  # a relu network of this size explodes with the usual values
            [p.mul_(0.2) for p in layer.parameters()]
        x = tensor(lib, 8, 24, 20, grad=True)
        states, hx = make_states(lib, layer, 24)
        run(lib, record, layer, x, hx, [x, *states])

    same(scenario, tolerance=5e-4)


@kinds
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[4, 7, 1, 5], [5], [3, 3, 3]], ids=str)
def test_packed(same, name, extra, bidirectional, lengths):
    def scenario(lib, record):
        rnn = lib.nn.utils.rnn
        layer = fill(lib, getattr(lib.nn, name)(3, 6, 2, bidirectional=bidirectional, **extra))
        x = tensor(lib, max(lengths), len(lengths), 3, grad=True)
        states, hx = make_states(lib, layer, len(lengths))
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        run(lib, record, layer, packed, hx, [x, *states], data=lambda out: rnn.pad_packed_sequence(out)[0])

    same(scenario, tolerance=5e-5)


@kinds
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half(same, name, extra, dtype):
    def scenario(lib, record):
        layer = fill(lib, getattr(lib.nn, name)(5, 8, **extra).to(getattr(lib, dtype)))
        x = tensor(lib, 4, 2, 5).to(getattr(lib, dtype))
        out, state = layer(x)
        record(out, state)

    # torch rounds after every operation of a step, the kernel once for each result.
    same(scenario, tolerance=2e-3 if dtype == "float16" else 2e-2)


@kinds
@pytest.mark.parametrize("packed", [False, True])
def test_gradients_by_differences(rsnn, name, extra, packed):
    from rsnn.autograd.gradcheck import gradcheck, gradgradcheck

    layer = fill(rsnn, getattr(rsnn.nn, name)(2, 4, bidirectional=True, **extra).double())
    x = tensor(rsnn, 3, 2, 2, grad=True, dtype="float64")
    states, _ = make_states(rsnn, layer, 2, dtype="float64")
    names, params = zip(*layer.named_parameters())

    def f(x, *rest):
        weights, states = dict(zip(names, rest[: len(names)])), rest[len(names) :]
        if packed:
            x = rsnn.nn.utils.rnn.pack_padded_sequence(x, [3, 1])
        out, state = rsnn.func.functional_call(layer, weights, (x, states if layer.mode == "LSTM" else states[0]))
        return (out.data if packed else out), *(state if isinstance(state, tuple) else (state,))

    inputs = (x, *[p.detach().requires_grad_() for p in params], *states)
    assert gradcheck(f, inputs, fast_mode=True, atol=1e-4)
    assert gradgradcheck(f, inputs, fast_mode=True, atol=1e-4)


@kinds
def test_dropout_between_layers(rsnn, name, extra):
    layer = getattr(rsnn.nn, name)(4, 6, 2, dropout=1.0, **extra)
    x, y = tensor(rsnn, 3, 2, 4), tensor(rsnn, 3, 2, 4, seed=5)
    assert bool((layer(x)[0] == layer(y)[0]).all()), "nothing of the first layer is left"
    assert bool((layer(x)[1][0][0] != layer(y)[1][0][0]).any() if name == "LSTM" else True)
    layer.eval()
    assert not bool((layer(x)[0] == layer(y)[0]).all())
    layer = getattr(rsnn.nn, name)(4, 64, 2, dropout=0.5, **extra)
    rsnn.manual_seed(1)
    first = layer(x)[0]
    assert not bool((layer(x)[0] == first).all())
    rsnn.manual_seed(1)
    assert bool((layer(x)[0] == first).all())


CELLS = [("LSTMCell", {}), ("GRUCell", {}), ("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"})]


@pytest.mark.parametrize(("name", "extra"), CELLS, ids=["lstm", "gru", "tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (40, 3)], ids=str)
def test_cells(same, name, extra, bias, shape):
    def scenario(lib, record):
        cell = fill(lib, getattr(lib.nn, name)(3, 20, bias=bias, **extra))
        x = tensor(lib, *shape, grad=True)
        states = [tensor(lib, *shape[:-1], 20, seed=i, grad=True) for i in range(2 if name == "LSTMCell" else 1)]
        hx = tuple(states) if name == "LSTMCell" else states[0]
        for _ in range(3):
            hx = cell(x, hx)
        record(hx)
        sum((h * h).sum() for h in (hx if isinstance(hx, tuple) else (hx,))).backward()
        record(x.grad, [s.grad for s in states], [p.grad for p in cell.parameters()])
        record(cell(x.detach()))

    same(scenario, tolerance=5e-5)


def test_only_wanted_gradients(same):
    """Frozen weights and inputs without gradients change nothing in the others."""

    def scenario(lib, record):
        layer = fill(lib, lib.nn.LSTM(3, 5, 2))
        layer.weight_hh_l0.requires_grad_(False)
        layer.bias_ih_l1.requires_grad_(False)
        out, (_, cell) = layer(tensor(lib, 4, 2, 3))
        cell.sum().backward()
        record([p.grad is None for p in layer.parameters()], [p.grad for p in layer.parameters() if p.grad is not None])

    same(scenario)


def test_output_may_be_changed_in_place(same):
    def scenario(lib, record):
        layer = fill(lib, lib.nn.GRU(3, 5))
        out, state = layer(tensor(lib, 4, 2, 3))
        out[1] = 0.0
        out.mul_(2.0)
        (out.sum() + state.sum()).backward()
        record(out, [p.grad for p in layer.parameters()])

    same(scenario)


def test_backward_twice_and_through_views(same):
    def scenario(lib, record):
        layer = fill(lib, lib.nn.LSTM(3, 5, batch_first=True))
        x = tensor(lib, 2, 8, 3)[:, ::2].requires_grad_()
        out, _ = layer(x)
        loss = out.square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
        record([p.grad for p in layer.parameters()])
        record.raises(loss.backward, "Trying to backward through the graph a second time")

    same(scenario, tolerance=5e-5)


def test_errors(same):
    def scenario(lib, record):
        nn = lib.nn
        x = lib.ones(5, 2, 3)
        state = lib.ones(1, 2, 4).double()
        record.raises(lambda: nn.GRU(3, 4)(x, state), "must have the same dtype, but got Double and Float")
        record.raises(lambda: nn.GRU(3, 4)(lib.ones(0, 2, 3)), "Expected sequence length to be larger than 0 in RNN")
        record.raises(lambda: nn.LSTMCell(3, 4)(lib.ones(2, 5)), "input has inconsistent input_size: got 5 expected 3")
        record.raises(lambda: nn.GRUCell(3, 4)(lib.ones(2, 3), lib.ones(3, 4)), "Input batch size 2 doesn't match hidden")
        record(nn.LSTM(3, 4)(lib.ones(5, 0, 3))[0].shape == (5, 0, 4))

    same(scenario)
