"""Window functions for spectra."""

import math

from . import _rsnn as _C
from ._creation import _finish
from ._layout import _refuse_layout


def _window(name, length, periodic, dtype, layout, device, requires_grad, shape):
    """Sample `shape(t)` at t = 0 .. length - 1 of a period of length - 1, or of length when periodic."""
    _refuse_layout(layout)
    dtype = dtype or _C.get_default_dtype()
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype.name}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if length <= 1:
        return _finish(_C.full([length], 1.0, dtype), device, requires_grad)
    count = length + 1 if periodic else length
    y = shape(_C.arange(0.0, float(count), 1.0, _C.float64), count - 1)
    return _finish(_C.to_dtype(y[:length], dtype), device, requires_grad)


def _cosines(*weights):
    def shape(t, period):
        angle = _C.mul(t, 2 * math.pi / period)
        y = _C.full(list(t.shape), weights[0], _C.float64)
        for k, w in enumerate(weights[1:], 1):
            y = _C.add(y, _C.mul(_C.cos(_C.mul(angle, float(k))), w))
        return y

    return shape


def bartlett_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make a triangle from 0 to 1 and back."""
    shape = lambda t, period: _C.binary("sub", 1.0, _C.unary("abs", _C.binary("sub", _C.mul(t, 2 / period), 1.0)))
    return _window("bartlett_window", window_length, periodic, dtype, layout, device, requires_grad, shape)


def blackman_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make `0.42 - 0.5 cos(x) + 0.08 cos(2x)`."""
    shape = _cosines(0.42, -0.5, 0.08)
    return _window("blackman_window", window_length, periodic, dtype, layout, device, requires_grad, shape)


def hamming_window(
    window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make `alpha - beta cos(x)`."""
    shape = _cosines(alpha, -beta)
    return _window("hamming_window", window_length, periodic, dtype, layout, device, requires_grad, shape)


def hann_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make `0.5 - 0.5 cos(x)`.

    Example:
        >>> import rsnn
        >>> rsnn.hann_window(4).tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    shape = _cosines(0.5, -0.5)
    return _window("hann_window", window_length, periodic, dtype, layout, device, requires_grad, shape)


def kaiser_window(
    window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make `I0(beta sqrt(1 - x^2)) / I0(beta)` for x from -1 to 1."""

    def shape(t, period):
        x = _C.binary("sub", _C.mul(t, 2 / period), 1.0)
        inside = _C.clamp(_C.binary("sub", 1.0, _C.square(x)), 0.0, None)
        return _C.binary("div", _C.unary("i0", _C.mul(_C.sqrt(inside), float(beta))), _C.unary("i0", _C.tensor(float(beta), _C.float64)))

    return _window("kaiser_window", window_length, periodic, dtype, layout, device, requires_grad, shape)
