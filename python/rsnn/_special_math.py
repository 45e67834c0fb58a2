"""Elementwise functions made of others, and special functions, with torch's signatures; Tensor methods too."""

import math

from . import _rsnn as _C
from . import return_types
from ._arguments import into, into_all, scalar_name

Tensor = _C.Tensor


def _floating(x):
    return x if x.is_floating_point() else _C.to_dtype(x, _C.get_default_dtype())


def copysign(input, other, *, out=None):
    """Return magnitudes of `input` with signs of `other`."""
    if isinstance(other, str):
        raise TypeError("copysign(): argument 'other' (position 2) must be Tensor or Number, not str")
    y = _C.binary("copysign", input, other)
    return y if out is None else into(y, out)


def hypot(input, other, *, out=None):
    """Return `sqrt(input^2 + other^2)`, scaled against overflow."""
    dtype = _C.result_type([input, other])
    if not dtype.is_floating_point:
        raise NotImplementedError(f"\"hypot_cpu\" not implemented for '{scalar_name(dtype)}'")
    y = _C.binary("hypot", input, other)
    return y if out is None else into(y, out)


def logaddexp(input, other, *, out=None):
    """Return `log(exp(input) + exp(other))` without overflow."""
    y = _log_sum(input, other, math.e)
    return y if out is None else into(y, out)


def logaddexp2(input, other, *, out=None):
    """Return `log2(2^input + 2^other)`."""
    y = _log_sum(input, other, 2.0)
    return y if out is None else into(y, out)


def _log_sum(a, b, base):
    m = _C.binary("maximum", a, b)
    gap = _C.binary("sub", _C.binary("minimum", a, b), m)
    if base == 2.0:
        y = _C.add(m, _C.binary("div", _C.unary("log1p", _C.unary("exp2", gap)), math.log(2.0)))
    else:
        y = _C.add(m, _C.unary("log1p", _C.exp(gap)))
    return _C.where_(_C.binary("eq", a, b), _C.add(m, math.log(2.0) / math.log(base)), y)


def xlogy(input, other, *, out=None):
    """Return `input * log(other)`, 0 where input is 0."""
    y = _zero_times(input, other, lambda t: _C.log(t))
    return y if out is None else into(y, out)


def _zero_times(input, other, log):
    if not (isinstance(input, Tensor) or isinstance(other, Tensor)):
        raise TypeError("xlogy() received an invalid combination of arguments: one of input and other must be a Tensor")
    other = other if isinstance(other, Tensor) else _C.tensor(float(other), input.dtype if input.is_floating_point() else None)
    input = input if isinstance(input, Tensor) else _C.tensor(float(input), other.dtype if other.is_floating_point() else None)
    factor = log(other)
    # Zero times no number is zero; zero times a number leaves a slope in `input`.
    zero = _C.binary("logical_and", _C.binary("eq", input, 0), _C.test("logical_not", _C.test("isfinite", factor)))
    zero = _C.binary("logical_and", zero, _C.test("logical_not", _C.test("isnan", other)))
    return _C.mul(input, _C.where_(zero, 0.0, factor))


def _skip_nan(name, pair, wins):
    def f(input, other, *, out=None):
        first = _C.binary("logical_or", _C.binary(wins, input, other), _C.test("isnan", other))
        y = _C.where_(first, input, other)
        return y if out is None else into(y, out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Return the {pair} of two elements; NaN yields to a number."
    return f


fmax = _skip_nan("fmax", "maximum", "ge")
fmin = _skip_nan("fmin", "minimum", "le")


def ldexp(input, other, *, out=None):
    """Return `input * 2^other`."""
    if not isinstance(other, Tensor):
        y = _C.mul(input, 2.0**other)
    else:
        if input.is_floating_point() and not other.is_floating_point():
            other = _C.to_dtype(other, input.dtype)
        y = _C.mul(input, _C.binary("pow", 2.0, other))
    return y if out is None else into(y, out)


def heaviside(input, values, *, out=None):
    """Return 0 below zero, `values` at zero, 1 above.

    Raises:
        RuntimeError: for two dtypes.
    """
    if input.dtype != values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    step = _C.to_dtype(_C.binary("gt", input.detach(), 0), input.dtype)
    y = _C.where_(_C.binary("eq", input.detach(), 0), values.detach(), step)
    return y if out is None else into(y, out, exact=True)


def angle(input, *, out=None):
    """Return pi for negative elements, else 0."""
    x = _floating(input)
    y = _C.where_(_C.binary("lt", x, 0), math.pi, 0.0)
    y = _C.where_(_C.test("isnan", x), x, _C.to_dtype(y, x.dtype))
    return y if out is None else into(y, out)


def frexp(input, *, out=None):
    """Split into a mantissa in (-1, -0.5] or [0.5, 1) and an exponent of 2, an int32 tensor.

    Raises:
        RuntimeError: for integer tensors.
    """
    if not input.is_floating_point():
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    both = return_types.frexp(_C.frexp(input))
    return both if out is None else into_all(both, out)


def _pair(name, doc):
    def f(input, other, *, out=None):
        y = _C.special(name, input, other)
        return y if out is None else into(y, out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


gcd = _pair("gcd", "Return the greatest common divisor of two integers.")
lcm = _pair("lcm", "Return the least common multiple of two integers.")
nextafter = _pair("nextafter", "Return the floating point number after `input` on the way to `other`.")
igamma = _pair("igamma", "Return the regularised lower incomplete gamma function P(input, other).")
igammac = _pair("igammac", "Return the regularised upper incomplete gamma function Q(input, other).")


def polygamma(n, input, *, out=None):
    """Return the n-th derivative of digamma."""
    if not isinstance(n, int):
        n, input = input, n  # the method's order
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    y = _C.unary("polygamma", input, n)
    return y if out is None else into(y, out)


def mvlgamma(input, p, *, out=None):
    """Return the logarithm of the p-dimensional gamma function.

    Raises:
        RuntimeError: for p < 1.
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    shifts = _C.linspace(0.0, -(p - 1) / 2, p, _floating(input).dtype)
    terms = _C.unary("lgamma", _C.add(_floating(input).unsqueeze(-1), shifts))
    y = _C.add(_C.sum(terms, [-1], False, None), p * (p - 1) / 4 * math.log(math.pi))
    return y if out is None else into(y, out)
