"""Random tensors with torch's signatures and, from the same seed, torch's values."""

from . import _rsnn as _C
from ._creation import _device, _finish, _shape
from .random import default_generator as default_generator

Tensor = _C.Tensor


def rand(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Draw uniformly from [0, 1).

    Example:
        >>> import rsnn
        >>> _ = rsnn.manual_seed(0)
        >>> rsnn.rand(1).item()
        0.49625658988952637
    """
    t = _C.rand(_shape(size), dtype or _C.get_default_dtype(), _device(device), generator)
    return _finish(t, None, requires_grad, out)


def randn(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Draw from the standard normal distribution."""
    t = _C.randn(_shape(size), dtype or _C.get_default_dtype(), _device(device), generator)
    return _finish(t, None, requires_grad, out)


def randint(low=0, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Draw integers from [low, high)."""
    if size is None:
        low, high, size = 0, low, high
    t = _C.randint(int(low), int(high), _shape((size,)), dtype or _C.int64, _device(device), generator)
    return _finish(t, None, requires_grad, out)


def randperm(n, *, generator=None, out=None, dtype=_C.int64, layout=None, device=None, requires_grad=False):
    """Draw a permutation of 0 .. n - 1."""
    return _finish(_C.randperm(n, dtype, _device(device), generator), None, requires_grad, out)


def rand_like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Draw uniformly, shaped like `input`."""
    return rand(list(input.shape), generator=generator, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def randn_like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Draw normally, shaped like `input`."""
    return randn(list(input.shape), generator=generator, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def randint_like(input, low, high=None, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Draw integers, shaped like `input`."""
    if high is None:
        low, high = 0, low
    return randint(low, high, list(input.shape), dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


def normal(mean, std=1.0, size=None, *, generator=None, out=None, dtype=None, device=None, requires_grad=False):
    """Draw normally with given means and deviations."""
    if size is not None:
        t = empty_for(size, dtype, device)
        t = _C.normal_(t, float(mean), float(std), generator)
    else:
        as_t = lambda v: v if isinstance(v, Tensor) else _C.tensor(float(v), None)
        t = _C.normal(as_t(mean), as_t(std), generator)
    return _finish(t, None, requires_grad, out)


def empty_for(size, dtype, device):
    """Make the uninitialised tensor that a fill function draws into."""
    return _C.empty(_shape((size,)), dtype or _C.get_default_dtype(), _device(device))


def bernoulli(input, p=None, *, generator=None, out=None):
    """Draw 0 or 1 with the probabilities in `input` (or one probability `p`)."""
    probabilities = input if p is None else _C.full(list(input.shape), float(p), input.dtype, input.device)
    return _finish(_C.bernoulli(probabilities, generator), None, False, out)


def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Draw indices with probabilities proportional to rows of `input`.

    Raises:
        RuntimeError: for negative, infinite or NaN probabilities, or too few of them.
    """
    return _finish(_C.multinomial(input, num_samples, replacement, generator), None, False, out)
