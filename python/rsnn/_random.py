"""Random tensors with torch's signatures and, from the same seed, torch's values."""

from . import _rsnn as _C
from ._arguments import into
from ._creation import _device, _dtype, _finish, _shape, _sizes, empty_like
from ._layout import channels_last, channels_last_3d
from .random import default_generator as default_generator

Tensor = _C.Tensor


def rand(*sizes, size=None, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Draw uniformly from [0, 1).

    Example:
        >>> import rsnn
        >>> _ = rsnn.manual_seed(0)
        >>> rsnn.rand(1).item()
        0.49625658988952637
    """
    t = _C.rand(_sizes("rand", sizes, size), _dtype(dtype, out), _device(device), generator)
    return _finish(t, None, requires_grad, out, dtype)


def randn(*sizes, size=None, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Draw from the standard normal distribution."""
    t = _C.randn(_sizes("randn", sizes, size), _dtype(dtype, out), _device(device), generator)
    return _finish(t, None, requires_grad, out, dtype)


def randint(
    low=0, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Draw integers from [low, high), int64 unless another dtype is given."""
    if size is None:
        low, high, size = 0, low, high
    if size is None:
        raise TypeError('randint() missing 1 required positional arguments: "size"')
    kind = dtype or (_C.int64 if out is None else out.dtype)
    t = _C.randint(int(low), int(high), _shape((size,)), kind, _device(device), generator)
    return _finish(t, None, requires_grad, out, dtype)


def randperm(
    n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Draw a permutation of 0 .. n - 1."""
    kind = dtype or (_C.int64 if out is None else out.dtype)
    return _finish(_C.randperm(n, kind, _device(device), generator), None, requires_grad, out, dtype)


def _drawn_like(draw, fill, input, dtype, device, memory_format, requires_grad, **options):
    dtype, device = dtype or input.dtype, device if device is not None else input.device
    if input._is_contiguous() and memory_format not in (channels_last, channels_last_3d):
        return draw(list(input.shape), dtype=dtype, device=device, requires_grad=requires_grad, **options)
    t = fill(empty_like(input, dtype=dtype, device=device, memory_format=memory_format), **options)
    return t.requires_grad_(True) if requires_grad else t


def rand_like(
    input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None
):
    """Draw uniformly, shaped like `input`."""
    return _drawn_like(rand, Tensor.uniform_, input, dtype, device, memory_format, requires_grad, generator=generator)


def randn_like(
    input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None
):
    """Draw normally, shaped like `input`."""
    return _drawn_like(randn, Tensor.normal_, input, dtype, device, memory_format, requires_grad, generator=generator)


def randint_like(
    input, low=0, high=None, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
    memory_format=None,
):  # fmt: skip
    """Draw integers, shaped like `input`."""
    low, high = (0, low) if high is None else (low, high)
    draw = lambda size, **options: randint(low, high, size, **options)
    fill = lambda t, generator: t.random_(int(low), int(high), generator=generator)
    return _drawn_like(draw, fill, input, dtype, device, memory_format, requires_grad, generator=generator)


def normal(
    mean, std=1.0, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Draw normally with given means and deviations: tensors, or numbers with a size."""
    if size is not None:
        t = _C.empty(_shape((size,)), _dtype(dtype, out), _device(device))
        t = _C.normal_(t, float(mean), float(std), generator)
    elif not (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        raise TypeError("normal() received an invalid combination of arguments: numbers for mean and std need a size")
    else:
        as_t = lambda v: v if isinstance(v, Tensor) else _C.tensor(float(v), None)
        t = _C.normal(as_t(mean), as_t(std), generator)
    return _finish(t, None, requires_grad, out, dtype)


def bernoulli(input, p=None, *, generator=None, out=None):
    """Draw 0 or 1 with the probabilities in `input` (or one probability `p`)."""
    probabilities = input if p is None else _C.full(list(input.shape), float(p), input.dtype, input.device)
    return _finish(_C.bernoulli(probabilities, generator), None, False, out)


def poisson(input, generator=None):
    """Draw from Poisson distributions with the rates in `input`."""
    return _C.poisson(input, generator)


def binomial(count, prob, generator=None):
    """Draw the number of successes among `count` trials of probability `prob`, both floating point tensors."""
    return _C.binomial(count, prob, generator)


def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Draw indices with probabilities proportional to rows of `input`.

    Raises:
        RuntimeError: for negative, infinite or NaN probabilities, or too few of them.
    """
    y = _C.multinomial(input, num_samples, replacement, generator)
    return y if out is None else into(y, out, exact=True)
