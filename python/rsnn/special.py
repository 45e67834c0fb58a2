"""torch.special: special functions, many of them top-level functions under a second name."""

import math

from . import _rsnn as _C
from ._arguments import into
from ._pointwise import digamma, erf, erfc, erfinv, exp2, expm1, i0, log1p, logit, round, sinc
from ._pointwise import digamma as psi
from ._pointwise import lgamma as gammaln
from ._pointwise import sigmoid as expit
from ._reduction import log_softmax, logsumexp, softmax
from ._special_math import _zero_times, polygamma, xlogy
from ._special_math import igamma as gammainc
from ._special_math import igammac as gammaincc
from ._special_math import mvlgamma as multigammaln

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln", "i0",
    "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma",
    "psi", "round", "sinc", "softmax", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


def _unary(name, doc):
    def f(input, *, out=None):
        y = _C.unary(name, input)
        return y if out is None else into(y, out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


i0e = _unary("i0e", "Return `exp(-|x|) I0(x)`, the scaled modified Bessel function of order 0.")
i1 = _unary("i1", "Return the modified Bessel function of order 1.")
i1e = _unary("i1e", "Return `exp(-|x|) I1(x)`.")
erfcx = _unary("erfcx", "Return `exp(x^2) erfc(x)`.")
ndtri = _unary("ndtri", "Return the x below which a standard normal number lies with probability `input`.")


def ndtr(input, *, out=None):
    """Return the standard normal distribution function."""
    y = _C.mul(_C.unary("erfc", _C.mul(input, -math.sqrt(0.5))), 0.5)
    return y if out is None else into(y, out)


def log_ndtr(input, *, out=None):
    """Return the logarithm of the standard normal distribution function, accurate in the lower tail."""
    x = input if input.is_floating_point() else _C.to_dtype(input, _C.get_default_dtype())
    t = _C.mul(x, math.sqrt(0.5))
    low = _C.binary("lt", x, -1.0)
    left = _C.clamp(t, None, -0.5)
    tail = _C.binary("sub", _C.log(_C.mul(_C.unary("erfcx", _C.unary("neg", left)), 0.5)), _C.square(left))
    body = _C.unary("log1p", _C.mul(_C.unary("erfc", _C.clamp(t, -1.0, None)), -0.5))
    y = _C.where_(low, tail, body)
    return y if out is None else into(y, out)


def entr(input, *, out=None):
    """Return `-x log(x)`, 0 at 0 and -inf below."""
    x = input if input.is_floating_point() else _C.to_dtype(input, _C.get_default_dtype())
    y = _C.unary("neg", _zero_times(x, x, _C.log))
    y = _C.where_(_C.binary("lt", x, 0), -math.inf, y)
    return y if out is None else into(y, out)


def xlog1py(input, other, *, out=None):
    """Return `input * log1p(other)`, 0 where input is 0."""
    y = _zero_times(input, other, lambda t: _C.unary("log1p", t))
    return y if out is None else into(y, out)


def zeta(input, other, *, out=None):
    """Return the Hurwitz zeta function, the sum of `(k + other)^-input` over k >= 0."""
    as_tensor = lambda v: v if isinstance(v, _C.Tensor) else _C.tensor(float(v), None)
    y = _C.special("zeta", as_tensor(input), as_tensor(other))
    return y if out is None else into(y, out)
