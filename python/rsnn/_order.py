"""Sorting, order statistics and counting with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from . import return_types
from ._arguments import into, into_all
from .amp.policy import full_precision as _full_precision

Tensor = _C.Tensor


def sort(input, dim=-1, descending=False, stable=False, *, out=None, axis=None):
    """Sort along `dim`; returns values and indices. NaN counts as largest, equal elements keep their order."""
    both = return_types.sort(_C.sort(input, dim if axis is None else axis, descending))
    return both if out is None else into_all(both, out)


def argsort(input, dim=-1, descending=False, stable=False, *, out=None, axis=None):
    """Return the indices that sort along `dim`."""
    y = _C.argsort(input, dim if axis is None else axis, descending)
    return y if out is None else into(y, out, exact=True)


def msort(input, *, out=None):
    """Sort along the first dimension."""
    y = _C.sort(input, 0, False)[0]
    return y if out is None else into(y, out, exact=True)


def topk(input, k, dim=-1, largest=True, sorted=True, *, out=None, axis=None):
    """Return the k largest (or smallest) elements and their indices, in order."""
    both = return_types.topk(_C.topk(input, k, dim if axis is None else axis, largest))
    return both if out is None else into_all(both, out)


def kthvalue(input, k, dim=-1, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return the k-th smallest element and its index."""
    keep = keepdim if keepdims is None else keepdims
    both = return_types.kthvalue(_C.kthvalue(input, k, dim if axis is None else axis, keep))
    return both if out is None else into_all(both, out)


def _median(name):
    native, native_all, kind = getattr(_C, name), getattr(_C, f"{name}_all"), getattr(return_types, name)

    def f(input, dim=None, keepdim=False, *, out=None, axis=None, keepdims=None):
        dim = axis if dim is None else dim
        if dim is None:
            y = native_all(input)
            return y if out is None else into(y, out, exact=True)
        both = kind(native(input, dim, keepdim if keepdims is None else keepdims))
        return both if out is None else into_all(both, out)

    f.__name__ = f.__qualname__ = name
    return f


median = _median("median")
median.__doc__ = "Return the (lower) median, over `dim` with its index."
nanmedian = _median("nanmedian")
nanmedian.__doc__ = "Return the (lower) median of the elements that are not NaN, over `dim` with its index."


def mode(input, dim=-1, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return the most frequent element (the smallest of several) and an index of it."""
    keep = keepdim if keepdims is None else keepdims
    both = return_types.mode(_C.mode(input, dim if axis is None else axis, keep))
    return both if out is None else into_all(both, out)


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """Return the distinct elements, sorted; on request the inverse indices and the counts.

    Args:
        input: the tensor.
        sorted: accepted; the elements always come sorted.
        return_inverse: also tell where each element of `input` went.
        return_counts: also tell how often each came.
        dim: compare whole slices along this dimension instead of elements.
    """
    found = _C.unique(input, dim, return_inverse, return_counts)
    return tuple(found) if len(found) > 1 else found[0]


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Drop repeats of the element before."""
    found = _C.unique_consecutive(input, dim, return_inverse, return_counts)
    return tuple(found) if len(found) > 1 else found[0]


def _side(right, side):
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True")
    return right or side == "right"


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None, out=None):
    """Return where elements (or one number) would be inserted into sorted rows."""
    values = input if isinstance(input, Tensor) else _C.tensor(input, sorted_sequence.dtype)
    y = _C.searchsorted(sorted_sequence, values, _side(right, side), out_int32, sorter)
    return y if out is None else into(y, out, exact=True)


def bucketize(input, boundaries, *, out_int32=False, right=False, out=None):
    """Return the bucket of each element (or of one number)."""
    values = input if isinstance(input, Tensor) else _C.tensor(input, boundaries.dtype)
    y = _C.bucketize(values, boundaries, right, out_int32)
    return y if out is None else into(y, out, exact=True)


_INTERPOLATION = ("linear", "lower", "higher", "midpoint", "nearest")


@_full_precision
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None, axis=None, keepdims=None):
    """Return quantiles, interpolated between neighbours.

    Args:
        input: float32 or float64 numbers.
        q: one probability, or a vector of them, which becomes the first dimension of the result.
        dim: the dimension to reduce; all elements when left out.
        keepdim: keep it with size 1.
        interpolation: "linear", "lower", "higher", "midpoint" or "nearest".
        out: where the result goes.

    Raises:
        RuntimeError: for probabilities outside [0, 1], an unknown interpolation or empty input.
    """
    keep = keepdim if keepdims is None else keepdims
    y = _quantiles("quantile", input, q, axis if dim is None else dim, keep, interpolation)
    return y if out is None else into(y, out, exact=True)


@_full_precision
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None, axis=None, keepdims=None):
    """Return quantiles of the elements that are not NaN; see `quantile`."""
    keep = keepdim if keepdims is None else keepdims
    y = _quantiles("nanquantile", input, q, axis if dim is None else dim, keep, interpolation)
    return y if out is None else into(y, out, exact=True)


def _probabilities(name, input, q, interpolation):
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype not in (_C.float32, _C.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATION:
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return _C.tensor(q, input.dtype)
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    outside = _C.binary("logical_or", _C.binary("lt", q.detach(), 0), _C.binary("gt", q.detach(), 1))
    if bool(_C.any(outside, [], False)):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


def _quantiles(name, input, q, dim, keepdim, interpolation):
    probabilities = _probabilities(name, input, q, interpolation)
    if dim is not None:
        n = max(input.ndim, 1)
        if not -n <= dim < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
        dim %= n
    x = input.reshape(-1) if dim is None or input.ndim == 0 else input.movedim(dim, -1)
    ordered = _C.sort(x, -1, False)[0]
    nan = _C.test("isnan", x.detach())
    last = x.shape[-1] - 1
    if name == "nanquantile":
        count = _C.sum(_C.test("logical_not", nan), [-1], True, None)
        ranks = _C.mul(probabilities.reshape(-1), _C.to_dtype(_C.clamp(_C.binary("sub", count, 1), 0, None), input.dtype))
    else:
        ranks = _C.masked_fill(_C.mul(probabilities.reshape(-1), last), _C.any(nan, [-1], True), float(last))
    rounding = {"lower": "floor", "higher": "ceil", "nearest": "round"}.get(interpolation)
    if rounding:
        ranks = _C.unary(rounding, ranks)
    below = _C.unary("floor", ranks.detach())
    pick = lambda rank: _C.gather(ordered, -1, _C.to_dtype(rank, _C.int64))
    y = pick(below)
    if not rounding:
        weight = _C.binary("sub", ranks, below) if interpolation == "linear" else 0.5
        y = _C.add(y, _C.mul(_C.binary("sub", pick(_C.unary("ceil", ranks.detach())), y), weight))
    if keepdim:  # (..., Q) -> (..., 1, ..., Q)
        y = y.reshape([1] * input.ndim + [y.shape[-1]]) if dim is None else y.unsqueeze(dim) if input.ndim else y
    return y.movedim(-1, 0) if probabilities.ndim else y.squeeze(-1)
