"""Checkpointed calls give the same gradients, keep less and draw the same random numbers."""

import pytest
import rsnn
from rsnn import nn
from rsnn.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential, set_checkpoint_early_stop


def gradients(model, x, call):
    rsnn.manual_seed(3)
    x = x.clone().requires_grad_()
    model.zero_grad()
    call(x).square().sum().backward()
    return [x.grad.tolist(), *(p.grad.tolist() for p in model.parameters())]


def make():
    rsnn.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3), nn.Sigmoid()), rsnn.randn(5, 4)


@pytest.mark.parametrize("early", [True, False])
def test_same_gradients_with_dropout(early):
    model, x = make()
    want = gradients(model, x, model)
    with set_checkpoint_early_stop(early):
        assert gradients(model, x, lambda v: checkpoint(model, v, use_reentrant=False)) == want
    assert gradients(model, x, lambda v: checkpoint_sequential(model, 2, v, use_reentrant=False)) == want


def test_nested_keywords_and_plain_functions():
    model, x = make()
    want = gradients(model, x, lambda v: model(v) * 2)

    def outer(v, *, scale):
        return checkpoint(model, v) * scale

    assert gradients(model, x, lambda v: checkpoint(outer, v, scale=2)) == want


def test_runs_twice_and_keeps_nothing():
    calls = []

    def f(v):
        calls.append(1)
        return v.exp().sin()

    x = rsnn.ones(3, requires_grad=True)
    y = checkpoint(f, x)
    assert len(calls) == 1
    y.sum().backward(retain_graph=True)
    assert len(calls) == 2
    y.sum().backward()
    assert len(calls) == 3
    with rsnn.no_grad():
        checkpoint(f, x)
    assert len(calls) == 4


def test_autograd_grad_and_unused_output():
    x = rsnn.ones(3, dtype=rsnn.float64, requires_grad=True)
    y, _ = checkpoint(lambda v: (v.exp(), v.sin()), x)
    (g,) = rsnn.autograd.grad(y.sum(), x)
    assert rsnn.allclose(g, x.detach().exp())


def test_different_second_run():
    state = {"n": 0}

    def f(v):
        state["n"] += 1
        return (v if state["n"] == 1 else v[:1]).exp()

    y = checkpoint(f, rsnn.ones(3, requires_grad=True))
    with pytest.raises(CheckpointError, match="different metadata"):
        y.sum().backward()

    def g(v):
        state["n"] += 1
        return v.exp().exp() if state["n"] % 2 else v.exp()

    state["n"] = 0
    y = checkpoint(g, rsnn.ones(3, requires_grad=True))
    with pytest.raises(CheckpointError, match="different number of tensors"):
        y.sum().backward()


def test_errors_leave_as_themselves():
    def f(v):
        if calls:
            raise ZeroDivisionError("second run")
        calls.append(1)
        return v.exp()

    calls = []
    y = checkpoint(f, rsnn.ones(3, requires_grad=True))
    with pytest.raises(ZeroDivisionError, match="second run"):
        y.sum().backward()
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(f, rsnn.ones(1), determinism_check="maybe")
