"""In-place forms: the table of functions whose value is assigned to the tensor, with history."""

from . import _calculus, _indexing, _linalg, _pointwise, _special_math
from . import _rsnn as _C
from ._arguments import category, scalar_name
from ._method import method

Tensor = _C.Tensor

# Rows of the native table, written straight into the tensor where nothing is recorded.
_NATIVE = """abs neg sign exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh
    asinh acosh atanh erf erfc erfinv sigmoid tanh floor ceil trunc frac relu deg2rad rad2deg lgamma digamma sinc i0 logical_not
    bitwise_not""".split()
_ALIASES = {
    "absolute": "abs", "negative": "neg", "sgn": "sign", "fix": "trunc", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
}  # fmt: skip
_ARITHMETIC = {n: n for n in """mul floor_divide remainder fmod atan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift
    bitwise_right_shift""".split()} | {"multiply": "mul", "true_divide": "div"}
# Everything else: the function's value replaces the tensor's.
_ASSIGNED = {
    _pointwise: """logical_and logical_or logical_xor arctan2 eq ne lt le gt ge not_equal less less_equal greater greater_equal
        float_power clamp clip clamp_min clamp_max round logit nan_to_num addcmul addcdiv lerp pow""",
    _special_math: "copysign hypot xlogy ldexp heaviside mvlgamma gcd lcm nextafter igamma igammac",
    _calculus: "cumsum cumprod",
    _linalg: "addmm addmv addr baddbmm addbmm renorm",
    _indexing: """tril triu scatter scatter_add scatter_reduce index_add index_copy index_fill index_reduce masked_scatter
        put""",
}


def _before(t):
    # Backward may read what the tensor held before, so a recorded call computes from a copy.
    return _C.clone(t) if _C.is_grad_enabled() and t.requires_grad and not t.is_leaf else t


def _put(name, f):
    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"In-place version of `{name[:-1]}`."
    setattr(Tensor, name, f)


def _native(name, native):
    _put(name, lambda input: _C.unary_(native, input))


def _arithmetic(name, native):
    _put(name, lambda self, other: _C.binary_(native, self, other))


def _assigned(name, f):
    def g(self, *args, **kwargs):
        if "out" in kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
        value = f(_before(self), *args, **kwargs)
        if value.shape != self.shape:
            raise RuntimeError(f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(value.shape)}")
        if category(value.dtype) > category(self.dtype):
            kinds = scalar_name(value.dtype), scalar_name(self.dtype)
            raise RuntimeError("result type {} can't be cast to the desired output type {}".format(*kinds))
        return _C.assign(self, value)

    g.__wrapped__ = f
    _put(name, g)


def _masked_fill(self, mask, value):
    return _C.masked_fill_(self, mask, value)


def _index_put(input, indices, values, accumulate=False):
    return _C.index_put_(input, list(indices), values, accumulate)


_put("masked_fill_", _masked_fill)
_put("index_put_", _index_put)
for _name in _NATIVE:
    _native(_name + "_", _name)
for _name, _row in _ALIASES.items():
    _native(_name + "_", _row)
for _name, _row in _ARITHMETIC.items():
    _arithmetic(_name + "_", _row)
for _module, _names in _ASSIGNED.items():
    for _name in _names.split():
        _assigned(_name + "_", getattr(_module, _name))


def _sum(native):
    def f(self, other, alpha=1):
        if isinstance(alpha, float) and not self.is_floating_point():
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
        return _C.binary_(native, self, other if alpha == 1 else _C.binary("mul", other, alpha))

    return f


for _name, _row in (("add_", "add"), ("sub_", "sub"), ("subtract_", "sub")):
    _put(_name, _sum(_row))


@method
def div_(self, other, *, rounding_mode=None):
    """In-place version of `div`."""
    if rounding_mode is None:
        return _C.binary_("div", self, other)
    return _C.assign(self, _pointwise.div(_before(self), other, rounding_mode=rounding_mode))


Tensor.divide_ = div_


@method
def polygamma_(self, n):
    """In-place version of `polygamma`."""
    return _C.assign(self, _special_math.polygamma(n, _before(self)))


def _turned(name, f):
    def g(self, *args, **kwargs):
        return _C.become_view(self, f(self, *args, **kwargs))

    g.__wrapped__ = f
    _put(name, g)


for _name in ("transpose", "unsqueeze", "squeeze", "t", "swapaxes", "swapdims", "as_strided"):
    _turned(_name + "_", getattr(Tensor, _name))
