"""gradcheck accepts right gradients and finds wrong ones."""

import pytest
import rsnn
from rsnn.autograd import gradcheck, gradgradcheck
from rsnn.autograd.gradcheck import GradcheckError


class Cube(rsnn.autograd.Function):
    factor = 3

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * Cube.factor * x**2


def x(*shape):
    rsnn.manual_seed(0)
    return rsnn.randn(shape, dtype=rsnn.float64).requires_grad_()


@pytest.mark.parametrize("fast_mode", [False, True])
def test_right_gradients(fast_mode):
    assert gradcheck(lambda a, b: a @ b, (x(2, 3), x(3, 2)), fast_mode=fast_mode)
    assert gradcheck(lambda a: (a.exp(), a.sum(), a.detach()), x(2, 2), fast_mode=fast_mode)
    assert gradcheck(lambda a, n: a * n, (x(3), 2.0), fast_mode=fast_mode)
    assert gradcheck(rsnn.tanh, x(2, 3).detach().t().requires_grad_(), fast_mode=fast_mode)
    assert gradcheck(Cube.apply, x(3), fast_mode=fast_mode)
    assert gradcheck(rsnn.sin, x(), fast_mode=fast_mode)
    assert gradcheck(rsnn.sin, x(0, 2), fast_mode=fast_mode)
    assert gradgradcheck(Cube.apply, x(3), fast_mode=fast_mode)
    assert gradgradcheck(lambda a, b: a * b.exp(), (x(2, 2), x(2)), fast_mode=fast_mode)
    assert gradgradcheck(rsnn.sin, x(2, 2), gen_non_contig_grad_outputs=True, fast_mode=fast_mode)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_wrong_gradients(fast_mode, monkeypatch):
    monkeypatch.setattr(Cube, "factor", 3.1)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(Cube.apply, x(3), fast_mode=fast_mode)
    assert not gradcheck(Cube.apply, x(3), fast_mode=fast_mode, raise_exception=False)


def test_inputs():
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(rsnn.sin, rsnn.ones(2))
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(rsnn.sin, rsnn.ones(1, dtype=rsnn.float64).expand(3).requires_grad_())
    a = x(3)
    before = a.tolist()
    gradcheck(rsnn.sin, a)
    assert a.tolist() == before
