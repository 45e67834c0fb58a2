"""Elementwise functions with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from ._arguments import c_name, into, scalar_name
from ._dtypes import finfo
from ._predicates import result_type

Tensor = _C.Tensor


def _named(f, name, doc):
    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


def _make_unary(name, native, exact):
    direct = getattr(_C, native, None)
    if direct is None:

        def f(input, *, out=None):
            y = _C.unary(native, input)
            return y if out is None else into(y, out, exact)

    else:

        def f(input, *, out=None):
            y = direct(input)
            return y if out is None else into(y, out, exact)

    return _named(f, name, f"Apply `{name}` to each element.")


# Functions that give back the input's dtype, and with `out=` want exactly that one.
_SAME_DTYPE = {n: n for n in "abs neg sign ceil floor trunc frac".split()} | {
    "absolute": "abs", "negative": "neg", "sgn": "sign", "fix": "trunc",
}  # fmt: skip
_UNARY = {
    n: n
    for n in (
        "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh asinh acosh "
        "atanh erf erfc erfinv sigmoid tanh deg2rad rad2deg lgamma digamma sinc i0"
    ).split()
} | {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh"}
for _name, _native in (_SAME_DTYPE | _UNARY).items():
    globals()[_name] = _make_unary(_name, _native, _name in _SAME_DTYPE)


def relu(input):
    """Set negative elements to zero."""
    return _C.relu(input)


def _make_test(name, exact):
    def f(input, *, out=None):
        y = _C.test(name, input)
        return y if out is None else into(y, out, exact)

    return _named(f, name, f"Tell for each element whether `{name}` holds.")


for _name in ("logical_not", "signbit", "isposinf", "isneginf"):
    globals()[_name] = _make_test(_name, _name != "logical_not")


def isnan(input):
    """Tell for each element whether it is NaN."""
    return _C.test("isnan", input)


def isinf(input):
    """Tell for each element whether it is infinite."""
    return _C.test("isinf", input)


def isfinite(input):
    """Tell for each element whether it is neither infinite nor NaN."""
    return _C.test("isfinite", input)


def isreal(input):
    """Tell for each element whether it is real: always."""
    return _C.full(list(input.shape), 1.0, _C.bool, input.device)


def bitwise_not(input, *, out=None):
    """Flip every bit; logical not for bool."""
    y = _C.test("bitwise_not", input)
    return y if out is None else into(y, out)


def _make_binary(name, native):
    def f(input, other, *, out=None):
        y = _C.binary(native, input, other)
        return y if out is None else into(y, out)

    return _named(f, name, f"Apply `{name}` to each pair of elements.")


_BINARY = {
    n: n
    for n in (
        "mul floor_divide remainder fmod maximum minimum atan2 eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and "
        "bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift"
    ).split()
} | {
    "multiply": "mul", "arctan2": "atan2", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge",
}  # fmt: skip
for _name, _native in _BINARY.items():
    globals()[_name] = _make_binary(_name, _native)


def _scaled(other, alpha, like):
    if alpha == 1:
        return other
    floating = any(isinstance(t, Tensor) and t.is_floating_point() for t in (other, like))
    if isinstance(alpha, float) and not floating and not (isinstance(other, float) or isinstance(like, float)):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return _C.binary("mul", other, alpha)


def add(input, other, alpha=1, *, out=None):
    """Return `input + alpha * other`."""
    if alpha == 1:
        y = _C.add(input, other)
    else:
        y = _C.add(input, _scaled(other, alpha, input))
    return y if out is None else into(y, out)


def sub(input, other, alpha=1, *, out=None):
    """Return `input - alpha * other`."""
    y = _C.binary("sub", input, other if alpha == 1 else _scaled(other, alpha, input))
    return y if out is None else into(y, out)


subtract = sub


def rsub(input, other, alpha=1):
    """Return `other - alpha * input`."""
    return _C.binary("sub", other, _scaled(input, alpha, other))


def div(input, other, *, rounding_mode=None, out=None):
    """Divide; `rounding_mode` "floor" or "trunc" rounds the quotient.

    Raises:
        RuntimeError: for another rounding mode.
    """
    if rounding_mode is None:
        y = _C.binary("div", input, other)
    elif rounding_mode == "floor":
        y = _C.binary("floor_divide", input, other)
    elif rounding_mode == "trunc":
        y = _truncated(input, other)
    else:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    return y if out is None else into(y, out)


divide = div


def _truncated(input, other):
    dtype = result_type(input, other)
    if dtype.is_floating_point:
        return _C.unary("trunc", _C.binary("div", input, other))
    floor = _C.binary("floor_divide", input, other)
    inexact = _C.binary("ne", _C.binary("mul", floor, other), input)
    negative = _C.binary("ne", _C.binary("lt", input, 0), _C.binary("lt", other, 0))
    return _C.to_dtype(_C.add(floor, _C.binary("logical_and", negative, inexact)), dtype)


def true_divide(input, other, *, out=None):
    """Divide in floating point."""
    y = _C.binary("div", input, other)
    return y if out is None else into(y, out)


def pow(input, exponent, *, out=None):
    """Raise to a power."""
    if type(exponent) in (int, float) and isinstance(input, Tensor):
        if exponent < 0 and type(exponent) is int and not input.is_floating_point():
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        if exponent == 2 and (type(exponent) is int or input.is_floating_point()):
            y = _C.square(input)
            return y if out is None else into(y, out)
        # torch's roots: that of -inf is NaN, where a power gives inf.
        if exponent in (0.5, -0.5):
            y = _C.unary("sqrt" if exponent > 0 else "rsqrt", input)
            return y if out is None else into(y, out)
    y = _C.binary("pow", input, exponent)
    return y if out is None else into(y, out)


def float_power(input, exponent, *, out=None):
    """Raise to a power in float64."""
    wide = lambda t: _C.to_dtype(t, _C.float64) if isinstance(t, Tensor) else float(t)
    a, b = wide(input), wide(exponent)
    if not isinstance(a, Tensor):
        a = _C.tensor(a, _C.float64)
    y = _C.binary("pow", a, b)
    return y if out is None else into(y, out, exact=True)


def positive(input):
    """Return `input`.

    Raises:
        RuntimeError: for a bool tensor.
    """
    if input.dtype == _C.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def where(condition, input=None, other=None, *, out=None):
    """Choose elements of `input` where `condition` holds, of `other` elsewhere."""
    if input is None and other is None:
        return tuple(_C.nonzero_tuple(condition))
    y = _C.where_(condition, input, other)
    return y if out is None else into(y, out, exact=True)


def clamp(input, min=None, max=None, *, out=None):
    """Limit each element to [min, max]; the bounds may be numbers or tensors.

    Raises:
        RuntimeError: when both bounds are missing.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if min is not None and max is not None and isinstance(min, Tensor) != isinstance(max, Tensor):
        got = ", ".join(type(v).__name__ for v in (input, min, max))
        raise TypeError(f"clamp() received an invalid combination of arguments - got ({got}): both bounds are numbers or tensors")
    y = _C.clamp(input, min, max)
    return y if out is None else into(y, out)


clip = clamp


def clamp_min(input, min, *, out=None):
    """Limit from below."""
    return clamp(input, min=min, out=out)


def clamp_max(input, max, *, out=None):
    """Limit from above."""
    return clamp(input, max=max, out=out)


def round(input, *, decimals=0, out=None):
    """Round half to even, to a number of decimals."""
    if decimals and not input.is_floating_point():
        raise NotImplementedError(f"\"round_cpu\" not implemented for '{scalar_name(input.dtype)}'")
    y = _C.unary("round_decimals", input, decimals) if decimals else _C.unary("round", input)
    return y if out is None else into(y, out, exact=True)


def logit(input, eps=None, *, out=None):
    """Return `log(x / (1 - x))`, with `x` limited to [eps, 1 - eps] where eps is given."""
    y = _C.unary("logit", input if eps is None else _C.clamp(input, eps, 1 - eps))
    return y if out is None else into(y, out)


def nan_to_num(input, nan=None, posinf=None, neginf=None, *, out=None):
    """Replace NaN and infinities by finite numbers: 0 and the dtype's limits where none are given."""
    if input.is_floating_point():
        most = finfo(input.dtype).max
        limits = (0.0 if nan is None else nan, most if posinf is None else posinf, -most if neginf is None else neginf)
        y = _C.unary("nan_to_num", input, *limits)
    else:
        y = _C.clone(input)
    return y if out is None else into(y, out, exact=True)


def addcmul(input, tensor1, tensor2, *, value=1, out=None):
    """Return `input + value * tensor1 * tensor2`."""
    if input.is_floating_point():
        y = _C.addcmul(input, tensor1, tensor2, value)
    else:
        if not (tensor1.is_floating_point() or tensor2.is_floating_point()):
            value = int(value)
        y = _C.add(input, _scaled(_C.mul(tensor1, tensor2), value, input))
    return y if out is None else into(y, out)


def addcdiv(input, tensor1, tensor2, *, value=1, out=None):
    """Return `input + value * tensor1 / tensor2`.

    Raises:
        RuntimeError: for two integer tensors, whose quotient torch leaves open.
    """
    if not (tensor1.is_floating_point() or tensor2.is_floating_point()):
        raise RuntimeError("Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform "
                           "a true division of tensor1 and tensor2.")  # fmt: skip
    y = _C.add(input, _scaled(_C.binary("div", tensor1, tensor2), value, input))
    return y if out is None else into(y, out)


def lerp(input, end, weight, *, out=None):
    """Return `input + weight * (end - input)`, counted from the nearer end, so that weight 1 gives `end` exactly."""
    for name, t in (("end", end), ("weight", weight)):
        if isinstance(t, Tensor) and t.dtype != input.dtype:
            raise RuntimeError(f"expected dtype {c_name(input.dtype)} for `{name}` but got dtype {c_name(t.dtype)}")
    if isinstance(weight, Tensor):
        near = _C.binary("lt", _C.unary("abs", weight), 0.5)
        span = _C.mul(_C.binary("sub", end, input), _C.where_(near, weight, _C.binary("sub", weight, 1)))
        y = _C.add(_C.where_(near, input, end), span)
    else:
        y = _C.lerp(input, end, weight)
    return y if out is None else into(y, out)


def threshold(input, threshold, value, inplace=False):
    """Keep elements above `threshold`, replace the others by `value`."""
    y = _C.unary("threshold", input, threshold, value)
    return _C.assign(input, y) if inplace else y
