"""Elementwise functions with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from ._creation import _into

Tensor = _C.Tensor


def _out(value, out):
    return value if out is None else _into(out, value)


def _make_unary(name, native):
    def f(input, *, out=None):
        return _out(_C.unary(native, input), out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Apply `{name}` to each element."
    return f


_UNARY = {
    n: n
    for n in (
        "abs neg sign exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh "
        "cosh asinh acosh atanh erf erfc erfinv sigmoid tanh floor ceil trunc frac relu deg2rad rad2deg lgamma digamma "
        "sinc"
    ).split()
}
_UNARY |= {
    "absolute": "abs", "negative": "neg", "sgn": "sign", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "fix": "trunc",
}  # fmt: skip
for _name, _native in _UNARY.items():
    globals()[_name] = _make_unary(_name, _native)


def _make_test(name):
    def f(input, *, out=None):
        return _out(_C.test(name, input), out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Tell for each element whether `{name}` holds."
    return f


for _name in ("logical_not", "isnan", "isinf", "isfinite", "signbit", "isposinf", "isneginf"):
    globals()[_name] = _make_test(_name)


def bitwise_not(input, *, out=None):
    """Flip every bit; logical not for bool."""
    return _out(_C.test("bitwise_not", input), out)


def isreal(input):
    """Tell for each element whether it is real: always."""
    return _C.full(list(input.shape), 1.0, _C.bool, input.device)


def _make_binary(name, native):
    def f(input, other, *, out=None):
        return _out(_C.binary(native, input, other), out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Apply `{name}` to each pair of elements."
    return f


_BINARY = {
    n: n
    for n in (
        "mul floor_divide remainder fmod maximum minimum atan2 eq ne lt le gt ge logical_and logical_or logical_xor "
        "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift"
    ).split()
}
_BINARY |= {
    "multiply": "mul", "arctan2": "atan2", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge",
}  # fmt: skip
for _name, _native in _BINARY.items():
    globals()[_name] = _make_binary(_name, _native)


def _scaled(other, alpha, like):
    if alpha == 1:
        return other
    if isinstance(alpha, float) and isinstance(other, Tensor) and not other.is_floating_point() and not (
        isinstance(like, Tensor) and like.is_floating_point()
    ):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return _C.binary("mul", other, alpha)


def add(input, other, *, alpha=1, out=None):
    """Return `input + alpha * other`."""
    if alpha == 1 and out is None:
        return _C.add(input, other)
    return _out(_C.binary("add", input, _scaled(other, alpha, input)), out)


def sub(input, other, *, alpha=1, out=None):
    """Return `input - alpha * other`."""
    return _out(_C.binary("sub", input, _scaled(other, alpha, input)), out)


subtract = sub


def rsub(input, other, *, alpha=1):
    """Return `other - alpha * input`."""
    return _C.binary("sub", other, _scaled(input, alpha, input))


def div(input, other, *, rounding_mode=None, out=None):
    """Divide; `rounding_mode` "floor" or "trunc" rounds the quotient.

    Raises:
        RuntimeError: for another rounding mode.
    """
    if rounding_mode is None:
        return _out(_C.binary("div", input, other), out)
    if rounding_mode == "floor":
        return _out(_C.binary("floor_divide", input, other), out)
    if rounding_mode != "trunc":
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    q = _C.binary("div", input, other)
    dtype = result_type(input, other)
    if dtype.is_floating_point:
        return _out(trunc(q), out)  # noqa: F821
    floor = _C.binary("floor_divide", input, other)
    inexact = _C.binary("ne", _C.binary("mul", floor, other), input)
    fix = _C.binary("logical_and", _C.binary("lt", q, 0), inexact)
    return _out(_C.to_dtype(_C.binary("add", floor, fix), dtype), out)


divide = div


def true_divide(input, other, *, out=None):
    """Divide in floating point."""
    return _out(_C.binary("div", input, other), out)


def pow(input, exponent, *, out=None):
    """Raise to a power."""
    if isinstance(exponent, int) and exponent < 0 and isinstance(input, Tensor) and not input.is_floating_point():
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if isinstance(exponent, (int, float)) and not isinstance(exponent, bool) and isinstance(input, Tensor):
        if exponent == 2 and (isinstance(exponent, int) or input.is_floating_point()):
            return _out(_C.unary("square", input), out)
        # torch's roots: that of -inf is NaN, where a power gives inf.
        if exponent in (0.5, -0.5):
            return _out(_C.unary("sqrt" if exponent > 0 else "rsqrt", input), out)
    return _out(_C.binary("pow", input, exponent), out)


def float_power(input, exponent, *, out=None):
    """Raise to a power in float64."""
    wide = lambda t: _C.to_dtype(t, _C.float64) if isinstance(t, Tensor) else float(t)
    a, b = wide(input), wide(exponent)
    if not isinstance(a, Tensor):
        a = _C.tensor(a, _C.float64)
    return _out(_C.binary("pow", a, b), out)


def positive(input):
    """Return `input`."""
    if input.dtype == _C.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def result_type(tensor1, tensor2):
    """Return the dtype that an operation on two operands computes in."""
    return _C.result_type([tensor1, tensor2])


def promote_types(type1, type2):
    """Return the smallest dtype that both promote to."""
    return _C.promote_types(type1, type2)


def can_cast(from_, to):
    """Tell whether `from_` casts to `to` without changing category."""
    rank = lambda d: 2 if d.is_floating_point else int(d != _C.bool)
    return rank(from_) <= rank(to)


def where(condition, input=None, other=None, *, out=None):
    """Choose elements of `input` where `condition` holds, of `other` elsewhere."""
    if input is None and other is None:
        return tuple(_C.nonzero_tuple(condition))
    return _out(_C.where_(condition, input, other), out)


def clamp(input, min=None, max=None, *, out=None):
    """Limit each element to [min, max]; the bounds may be numbers or tensors.

    Raises:
        RuntimeError: when both bounds are missing.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        y = input
        if min is not None:
            y = _C.binary("maximum", y, min)
        if max is not None:
            y = _C.binary("minimum", y, max)
        return _out(y, out)
    if not input.is_floating_point() and (isinstance(min, float) or isinstance(max, float)):
        input = _C.to_dtype(input, _C.get_default_dtype())
    return _out(_C.clamp(input, min, max), out)


clip = clamp


def clamp_min(input, min, *, out=None):
    """Limit from below."""
    return clamp(input, min=min, out=out)


def clamp_max(input, max, *, out=None):
    """Limit from above."""
    return clamp(input, max=max, out=out)


def round(input, *, decimals=0, out=None):
    """Round half to even."""
    if decimals == 0:
        return _out(_C.unary("round", input), out)
    scale = 10.0**decimals
    return _out(_C.binary("div", _C.unary("round", _C.binary("mul", input, scale)), scale), out)


def logit(input, eps=None, *, out=None):
    """Return `log(x / (1 - x))`, with `x` limited to [eps, 1 - eps] where eps is given."""
    if eps is not None:
        input = _C.clamp(input, eps, 1 - eps)
    return _out(_C.unary("logit", input), out)


def nan_to_num(input, nan=0.0, posinf=None, neginf=None, *, out=None):
    """Replace NaN and infinities by finite numbers."""
    if not input.is_floating_point():
        return _out(_C.clone(input), out)
    from ._dtypes import finfo

    info = finfo(input.dtype)
    y = _C.where_(_C.test("isnan", input), 0.0 if nan is None else float(nan), input)
    y = _C.where_(_C.binary("eq", y, float("inf")), info.max if posinf is None else float(posinf), y)
    return _out(_C.where_(_C.binary("eq", y, float("-inf")), info.min if neginf is None else float(neginf), y), out)


def addcmul(input, tensor1, tensor2, *, value=1, out=None):
    """Return `input + value * tensor1 * tensor2`."""
    if not (input.is_floating_point() or tensor1.is_floating_point() or tensor2.is_floating_point()):
        value = int(value)
    return _out(_C.add(input, _scaled(_C.mul(tensor1, tensor2), value, input)), out)


def addcdiv(input, tensor1, tensor2, *, value=1, out=None):
    """Return `input + value * tensor1 / tensor2`."""
    return _out(_C.add(input, _scaled(_C.binary("div", tensor1, tensor2), value, input)), out)


def lerp(input, end, weight, *, out=None):
    """Return `input + weight * (end - input)`, counted from the nearer end, so that weight 1 gives `end` exactly."""
    span = _C.binary("sub", end, input)
    from_start = lambda: _C.add(input, _C.mul(weight, span))
    from_end = lambda: _C.binary("sub", end, _C.mul(span, _C.binary("sub", 1, weight)))
    if isinstance(weight, Tensor):
        near = _C.binary("lt", _C.unary("abs", weight), 0.5)
        return _out(_C.where_(near, from_start(), from_end()), out)
    if abs(weight) < 0.5:
        return _out(from_start(), out)
    return _out(_C.binary("sub", end, _C.mul(span, 1 - weight)), out)


def copysign(input, other, *, out=None):
    """Return magnitudes of `input` with signs of `other`."""
    dtype = result_type(input, other if isinstance(other, Tensor) else float(other))
    other = other if isinstance(other, Tensor) else _C.tensor(float(other), dtype)
    a = _C.unary("abs", _C.to_dtype(input, dtype if dtype.is_floating_point else _C.get_default_dtype()))
    return _out(_C.where_(_C.test("signbit", other), _C.unary("neg", a), a), out)


def hypot(input, other, *, out=None):
    """Return `sqrt(input^2 + other^2)`, scaled against overflow."""
    a, b = _C.unary("abs", input), _C.unary("abs", other)
    big, small = _C.binary("maximum", a, b), _C.binary("minimum", a, b)
    safe = _C.where_(_C.binary("eq", big, 0), 1.0, big)
    ratio = _C.binary("div", small, safe)
    y = _C.mul(big, _C.unary("sqrt", _C.add(_C.mul(ratio, ratio), 1.0)))
    infinite = _C.binary("logical_or", _C.binary("eq", a, float("inf")), _C.binary("eq", b, float("inf")))
    return _out(_C.where_(infinite, float("inf"), y), out)


def logaddexp(input, other, *, out=None):
    """Return `log(exp(input) + exp(other))` without overflow."""
    m = _C.binary("maximum", input, other)
    gap = _C.unary("abs", _C.binary("sub", input, other))
    y = _C.add(m, _C.unary("log1p", _C.unary("exp", _C.unary("neg", gap))))
    return _out(_C.where_(_C.binary("eq", input, other), _C.add(m, 0.6931471805599453), y), out)


def logaddexp2(input, other, *, out=None):
    """Return `log2(2^input + 2^other)`."""
    ln2 = 0.6931471805599453
    return _out(_C.binary("div", logaddexp(_C.mul(input, ln2), _C.mul(other, ln2)), ln2), out)


def xlogy(input, other, *, out=None):
    """Return `input * log(other)`, 0 where input is 0."""
    other = other if isinstance(other, Tensor) else _C.tensor(float(other), None)
    input_t = input if isinstance(input, Tensor) else _C.tensor(float(input), None)
    y = _C.mul(input_t, _C.unary("log", other))
    zero = _C.binary("logical_and", _C.binary("eq", input_t, 0), _C.test("logical_not", _C.test("isnan", other)))
    return _out(_C.where_(zero, 0.0, y), out)


def fmax(input, other, *, out=None):
    """Return the larger element; NaN yields to a number."""
    y = _C.binary("maximum", input, other)
    y = _C.where_(_C.test("isnan", input), other, y)
    return _out(_C.where_(_C.test("isnan", other), input, y), out)


def fmin(input, other, *, out=None):
    """Return the smaller element; NaN yields to a number."""
    y = _C.binary("minimum", input, other)
    y = _C.where_(_C.test("isnan", input), other, y)
    return _out(_C.where_(_C.test("isnan", other), input, y), out)


def ldexp(input, other, *, out=None):
    """Return `input * 2^other`."""
    if not isinstance(other, Tensor):
        return _out(_C.mul(input, 2.0**other), out)
    if input.is_floating_point() and not other.is_floating_point():
        other = _C.to_dtype(other, input.dtype)
    return _out(_C.mul(input, _C.binary("pow", 2.0, other)), out)


def heaviside(input, values, *, out=None):
    """Return 0 below zero, `values` at zero, 1 above."""
    step = _C.to_dtype(_C.binary("gt", input, 0), input.dtype)
    return _out(_C.where_(_C.binary("eq", input, 0), values, step), out)


def angle(input, *, out=None):
    """Return pi for negative elements, else 0."""
    x = input if input.is_floating_point() else _C.to_dtype(input, _C.get_default_dtype())
    y = _C.where_(_C.binary("lt", x, 0), 3.141592653589793, 0.0)
    return _out(_C.where_(_C.test("isnan", x), x, _C.to_dtype(y, x.dtype)), out)


def threshold(input, threshold, value, inplace=False):
    """Keep elements above `threshold`, replace the others by `value`."""
    y = _C.unary("threshold", input, threshold, value)
    return _C.assign(input, y) if inplace else y


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Tell for each pair whether `|a - b| <= atol + rtol * |b|`."""
    if input.dtype != other.dtype:
        raise RuntimeError(f"{_name_of(input)} did not match {_name_of(other)}")
    close = _C.binary("eq", input, other)
    if equal_nan and input.is_floating_point():
        close = _C.binary("logical_or", close, _C.binary("logical_and", _C.test("isnan", input), _C.test("isnan", other)))
    wide = lambda t: t if t.is_floating_point() else _C.to_dtype(t, _C.float64)
    a, b = wide(input), wide(other)
    gap = _C.unary("abs", _C.binary("sub", a, b))
    near = _C.binary("le", gap, _C.add(_C.mul(_C.unary("abs", b), rtol), atol))
    near = _C.binary("logical_and", near, _C.test("isfinite", gap))
    return _C.binary("logical_or", close, near)


def _name_of(t):
    return str(t.dtype).rsplit(".", 1)[-1]


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Tell whether all elements are close."""
    return bool(_C.all(isclose(input, other, rtol, atol, equal_nan), [], False))


def equal(input, other):
    """Tell whether two tensors have the same size and elements."""
    return input.shape == other.shape and bool(_C.all(_C.binary("eq", input, other), [], False))


def is_same_size(input, other):
    """Tell whether two tensors have the same size."""
    return input.shape == other.shape


def is_nonzero(input):
    """Return the truth of a one-element tensor."""
    return bool(input)


def is_floating_point(input):
    """Tell whether the dtype is a floating point type."""
    return input.is_floating_point()


def is_complex(input):
    """Tell whether the dtype is complex: never."""
    return False


def is_signed(input):
    """Tell whether the dtype is signed."""
    return input.dtype.is_signed


def is_inference(input):
    """Tell whether the tensor was made in inference mode."""
    return input.is_inference()
