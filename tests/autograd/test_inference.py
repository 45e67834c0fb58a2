"""Tensors made in inference mode stay out of autograd for good, as torch's do."""

import pytest
import rsnn

try:
    import torch
except ImportError:
    torch = None
LIBRARIES = [pytest.param(lib, id=lib.__name__) for lib in (rsnn, torch) if lib is not None]


@pytest.fixture(params=LIBRARIES)
def lib(request):
    return request.param


@pytest.fixture
def made(lib):
    with lib.inference_mode():
        return lib.ones(3)


def test_who_is_an_inference_tensor(lib, made):
    assert made.is_inference() and lib.is_inference(made)
    assert made[1:].is_inference() and made.view(3, 1).is_inference() and made.detach().is_inference()
    assert not made.clone().is_inference() and not (made + 1).is_inference()
    ordinary = lib.ones(3)
    with lib.inference_mode():
        assert not ordinary.is_inference() and not ordinary[:2].is_inference()
        assert (ordinary + 1).is_inference()
        with lib.inference_mode(False):
            assert not (ordinary + 1).is_inference()


def test_what_it_may_not_do(lib, made):
    weight = lib.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        weight * made
    for write in (lambda: made.add_(1), lambda: made[0].zero_(), lambda: made.copy_(weight.detach()), lambda: made.fill_(2)):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"):
            write()
        with lib.no_grad(), pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
            write()
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        made.requires_grad_()
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        _ = made._version
    if lib is rsnn:  # torch writes before it refuses
        assert made.tolist() == [1, 1, 1]


def test_what_it_may_do(lib, made):
    weight = lib.ones(3, requires_grad=True)
    (weight + made).sum().backward()  # an addition saves nothing
    assert weight.grad.tolist() == [1, 1, 1]
    with lib.no_grad():
        assert (weight * made).tolist() == [1, 1, 1]
    assert lib.ones(3).copy_(made).tolist() == [1, 1, 1]
    with lib.inference_mode():
        assert made.add_(1).requires_grad_().requires_grad
