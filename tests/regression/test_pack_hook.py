"""An exception in a pack hook leaves the operation as itself."""

import pytest
import rsnn


def test_pack_hook_raises():
    def pack(t):
        raise KeyError("pack")

    x = rsnn.ones(2, requires_grad=True)
    with rsnn.autograd.graph.saved_tensors_hooks(pack, lambda t: t), pytest.raises(KeyError, match="pack"):
        x * x
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
