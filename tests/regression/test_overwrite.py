"""A non-leaf overwritten by a constant keeps its place in the graph, with a zero gradient for what it was."""

import pytest
import rsnn

WAYS = {
    "copy_": lambda y: y.copy_(rsnn.ones(2, 3)),
    "fill_": lambda y: y.fill_(5.0),
    "zero_": lambda y: y.zero_(),
    "setitem": lambda y: y.__setitem__(..., 2.0),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("transposed", [False, True])
def test_overwritten_by_a_constant(way, transposed):
    x = rsnn.ones(3, 2, requires_grad=True) if transposed else rsnn.ones(2, 3, requires_grad=True)
    y = (x * 2).t().clone() if transposed else x * 2
    WAYS[way](y)
    assert y.requires_grad and y.grad_fn is not None
    y.sum().backward()
    assert x.grad.tolist() == rsnn.zeros_like(x).tolist()
