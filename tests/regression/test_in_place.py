"""In-place calls on tensors whose old values backward reads, and other tensor behaviour that once was wrong."""

import copy

import pytest
import rsnn


def grad_of(change):
    x = rsnn.tensor([0.3, -0.7, 1.2], requires_grad=True)
    y = x * 1
    change(y)
    y.sum().backward()
    return x.grad


@pytest.mark.parametrize(
    "in_place, plain",
    [
        (lambda y: y.pow_(3), lambda x: x**3),
        (lambda y: y.sin_(), lambda x: x.sin()),
        (lambda y: y.clamp_(-0.5, 0.5), lambda x: x.clamp(-0.5, 0.5)),
        (lambda y: y.mul_(y.detach().clone()), lambda x: x * x.detach()),
        (lambda y: y.square_().cos_(), lambda x: (x * x).cos()),
        (lambda y: y.fill_(2.0), lambda x: x * 0),
        (lambda y: y[:2].mul_(3), lambda x: x * rsnn.tensor([3.0, 3.0, 1.0])),
    ],
)
def test_gradient_of_in_place(in_place, plain):
    x = rsnn.tensor([0.3, -0.7, 1.2], requires_grad=True)
    plain(x).sum().backward()
    assert rsnn.allclose(grad_of(in_place), x.grad)


def test_in_place_factor_that_needs_grad():
    x = rsnn.tensor([2.0, 3.0], requires_grad=True)
    w = rsnn.tensor([5.0, 7.0], requires_grad=True)
    y = x * 1
    y *= w
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0] and w.grad.tolist() == [2.0, 3.0]


def test_version_check_still_holds():
    x = rsnn.ones(2, requires_grad=True)
    y = x * 1
    z = y.sin()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_shallow_copy_shares_memory():
    for t in (rsnn.zeros(2), rsnn.nn.Parameter(rsnn.zeros(2))):
        c = copy.copy(t)
        assert c.data_ptr() == t.data_ptr() and type(c) is type(t) and c.requires_grad == t.requires_grad


def test_tensor_hook_handle_removes():
    x = rsnn.ones(1, requires_grad=True)
    seen = []
    handle = x.register_hook(lambda g: seen.append(1))
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [1]


def test_ldexp_keeps_half():
    assert rsnn.ldexp(rsnn.ones(2, dtype=rsnn.float16), rsnn.tensor([1, 2])).dtype == rsnn.float16
