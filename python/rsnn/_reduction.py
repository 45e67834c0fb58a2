"""Reductions, scans and sorting with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from . import return_types
from ._creation import _into

Tensor = _C.Tensor


def _out(value, out):
    return value if out is None else _into(out, value)


def _dims(dim, axis=None):
    dim = axis if dim is None else dim
    if dim is None:
        return []
    return [int(dim)] if not isinstance(dim, (tuple, list)) else [int(d) for d in dim]


def _keep(keepdim, keepdims):
    return bool(keepdim if keepdims is None else keepdims)


def sum(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Add up elements over `dim` (all when left out); integers add up in int64.

    Example:
        >>> import rsnn
        >>> rsnn.ones(2, 3).sum(1).tolist()
        [3.0, 3.0]
    """
    return _out(_C.sum(input, _dims(dim, axis), _keep(keepdim, keepdims), dtype), out)


def mean(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Average over `dim`.

    Raises:
        RuntimeError: for integer input without a floating point `dtype`.
    """
    return _out(_C.mean(input, _dims(dim, axis), _keep(keepdim, keepdims), dtype), out)


def nansum(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Add up elements, NaN counting as zero."""
    return _out(_C.nansum(input, _dims(dim), keepdim, dtype), out)


def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Average the elements that are not NaN."""
    return _out(_C.nanmean(input, _dims(dim), keepdim, dtype), out)


def prod(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Multiply elements over `dim`."""
    return _out(_C.prod(input, dim, keepdim, dtype), out)


def amax(input, dim=(), keepdim=False, *, out=None):
    """Take the largest element over `dim`; the gradient is shared among ties."""
    return _out(_C.amax(input, _dims(dim), keepdim), out)


def amin(input, dim=(), keepdim=False, *, out=None):
    """Take the smallest element over `dim`; the gradient is shared among ties."""
    return _out(_C.amin(input, _dims(dim), keepdim), out)


def aminmax(input, *, dim=None, keepdim=False, out=None):
    """Take the smallest and the largest element."""
    return return_types.aminmax(_C.amin(input, _dims(dim), keepdim), _C.amax(input, _dims(dim), keepdim))


def _extreme(name):
    native_all, native_dim, kind = getattr(_C, name), getattr(_C, f"{name}_dim"), getattr(return_types, name)
    pair = "maximum" if name == "max" else "minimum"

    def f(input, dim=None, keepdim=False, *, other=None, out=None, axis=None, keepdims=None):
        dim = axis if dim is None else dim
        if isinstance(dim, Tensor):
            dim, other = None, dim
        if other is not None:
            return _out(_C.binary(pair, input, other), out)
        if dim is None:
            return _out(native_all(input), out)
        got = kind(*native_dim(input, dim, _keep(keepdim, keepdims)))
        if out is not None:
            return kind(_into(out[0], got[0]), _into(out[1], got[1]))
        return got

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Take the {name}imum: of all elements, over `dim` with indices, or of two tensors element by element."
    return f


max = _extreme("max")
min = _extreme("min")


def argmax(input, dim=None, keepdim=False, *, out=None):
    """Return the index of the largest element."""
    return _out(_C.argmax(input, dim, keepdim), out)


def argmin(input, dim=None, keepdim=False, *, out=None):
    """Return the index of the smallest element."""
    return _out(_C.argmin(input, dim, keepdim), out)


def any(input, dim=None, keepdim=False, *, out=None):
    """Tell whether any element is true."""
    return _out(_C.any(input, _dims(dim), keepdim), out)


def all(input, dim=None, keepdim=False, *, out=None):
    """Tell whether all elements are true."""
    return _out(_C.all(input, _dims(dim), keepdim), out)


def count_nonzero(input, dim=None):
    """Count elements that are not zero."""
    return _C.count_nonzero(input, _dims(dim))


def _correction(dim, unbiased, correction):
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return dim, float(correction)


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None, axis=None):
    """Return the variance; `correction` is subtracted from the number of elements (1: unbiased)."""
    dim, correction = _correction(axis if dim is None else dim, unbiased, correction)
    return _out(_C.var(input, _dims(dim), correction, keepdim), out)


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None, axis=None):
    """Return the standard deviation."""
    dim, correction = _correction(axis if dim is None else dim, unbiased, correction)
    return _out(_C.std(input, _dims(dim), correction, keepdim), out)


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Return variance and mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return tuple(_C.var_mean(input, _dims(dim), correction, keepdim))


def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Return standard deviation and mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return tuple(_C.std_mean(input, _dims(dim), correction, keepdim))


def logsumexp(input, dim, keepdim=False, *, out=None):
    """Return `log(sum(exp(x)))` without overflow."""
    return _out(_C.logsumexp(input, _dims(dim), keepdim), out)


def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """Return the p-norm over `dim` (of all elements when left out)."""
    if p == "nuc":
        raise NotImplementedError("norm: p='nuc' needs a singular value decomposition, expected a number or 'fro'")
    p = 2.0 if p in ("fro", None) else float(p)
    return _out(_C.norm(input, p, _dims(dim), keepdim, dtype), out)


def frobenius_norm(input, dim=(), keepdim=False, *, out=None):
    """Return the Frobenius norm."""
    return _out(_C.norm(input, 2.0, _dims(dim), keepdim, None), out)


def dist(input, other, p=2):
    """Return the p-norm of the difference."""
    return _C.norm(_C.binary("sub", input, other), float(p), [], False, None)


def cumsum(input, dim, *, dtype=None, out=None):
    """Return running sums."""
    return _out(_C.cumsum(input, dim, dtype), out)


def cumprod(input, dim, *, dtype=None, out=None):
    """Return running products."""
    return _out(_C.cumprod(input, dim, dtype), out)


def cummax(input, dim, *, out=None):
    """Return running maxima and where they are."""
    return return_types.cummax(*_C.cummax(input, dim))


def cummin(input, dim, *, out=None):
    """Return running minima and where they are."""
    return return_types.cummin(*_C.cummin(input, dim))


def logcumsumexp(input, dim, *, out=None):
    """Return running `log(sum(exp(x)))`."""
    return _out(_C.logcumsumexp(input, dim), out)


def sort(input, dim=-1, descending=False, stable=False, *, out=None):
    """Sort along `dim`; returns values and indices. NaN counts as largest."""
    return return_types.sort(*_C.sort(input, dim, descending))


def argsort(input, dim=-1, descending=False, stable=False):
    """Return the indices that sort along `dim`."""
    return _C.argsort(input, dim, descending)


def msort(input, *, out=None):
    """Sort along the first dimension."""
    return _C.sort(input, 0, False)[0]


def topk(input, k, dim=-1, largest=True, sorted=True, *, out=None):
    """Return the k largest (or smallest) elements and their indices."""
    return return_types.topk(*_C.topk(input, k, dim, largest))


def kthvalue(input, k, dim=-1, keepdim=False, *, out=None):
    """Return the k-th smallest element and its index."""
    return return_types.kthvalue(*_C.kthvalue(input, k, dim, keepdim))


def median(input, dim=None, keepdim=False, *, out=None):
    """Return the (lower) median."""
    return _C.median_all(input) if dim is None else return_types.median(*_C.median(input, dim, keepdim))


def nanmedian(input, dim=None, keepdim=False, *, out=None):
    """Return the median of the elements that are not NaN."""
    return _C.nanmedian_all(input) if dim is None else return_types.nanmedian(*_C.nanmedian(input, dim, keepdim))


def mode(input, dim=-1, keepdim=False, *, out=None):
    """Return the most frequent element and an index of it."""
    return return_types.mode(*_C.mode(input, dim, keepdim))


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """Return the distinct elements, sorted; on request the inverse indices and the counts."""
    values, inverse, counts = _C.unique(input, dim)
    found = (values,) + ((inverse,) if return_inverse else ()) + ((counts,) if return_counts else ())
    return found if len(found) > 1 else values


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Drop repeats of the element before."""
    values, inverse, counts = _C.unique_consecutive(input, dim)
    found = (values,) + ((inverse,) if return_inverse else ()) + ((counts,) if return_counts else ())
    return found if len(found) > 1 else values


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None, out=None):
    """Return where elements would be inserted into sorted rows."""
    values = input if isinstance(input, Tensor) else _C.tensor(input, sorted_sequence.dtype)
    return _out(_C.searchsorted(sorted_sequence, values, right or side == "right", out_int32, sorter), out)


def bucketize(input, boundaries, *, out_int32=False, right=False, out=None):
    """Return the bucket of each element."""
    values = input if isinstance(input, Tensor) else _C.tensor(input, boundaries.dtype)
    return _out(_C.bucketize(values, boundaries, right, out_int32), out)


def bincount(input, weights=None, minlength=0):
    """Count (or add up weights of) each non-negative integer."""
    return _C.bincount(input, weights, minlength)


def histc(input, bins=100, min=0, max=0, *, out=None):
    """Count elements in equal bins."""
    return _out(_C.histc(input, bins, float(min), float(max)), out)


def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """Return quantiles, interpolated between neighbours."""
    scalar = not isinstance(q, Tensor) or q.ndim == 0
    qs = q.reshape(-1) if isinstance(q, Tensor) else _C.tensor([q], input.dtype)
    if bool(_C.any(_C.binary("logical_or", _C.binary("lt", qs, 0), _C.binary("gt", qs, 1)), [], False)):
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    x = input.reshape(-1) if dim is None else input.transpose(dim, -1)
    x = _C.sort(x, -1, False)[0]
    n = x.shape[-1]
    parts = []
    for v in qs.tolist():
        at = v * (n - 1)
        low = int(at)
        high = low + 1 if low + 1 < n else low
        a, b = _C.select(x, -1, low), _C.select(x, -1, high)
        frac = at - low
        if interpolation == "linear":
            y = _C.add(a, _C.mul(_C.binary("sub", b, a), frac))
        elif interpolation == "midpoint":
            y = a if frac == 0 else _C.mul(_C.add(a, b), 0.5)
        elif interpolation in ("lower", "higher", "nearest"):
            y = {"lower": a, "higher": b if frac else a, "nearest": b if round(at) > low else a}[interpolation]
        else:
            raise RuntimeError(f"quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
        if keepdim:
            y = y.reshape([1] * input.ndim) if dim is None else y.unsqueeze(-1).transpose(dim, -1)
        parts.append(y)
    return _out(parts[0] if scalar else _C.stack(parts, 0), out)


def softmax(input, dim, dtype=None, *, out=None):
    """Scale to a distribution along `dim`."""
    return _out(_C.softmax(input, dim, dtype), out)


def log_softmax(input, dim, dtype=None, *, out=None):
    """Return the logarithm of softmax."""
    return _out(_C.log_softmax(input, dim, dtype), out)


def diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None):
    """Return differences of neighbours, n times."""
    parts = [t for t in (prepend, input, append) if t is not None]
    x = _C.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        m = x.shape[dim]
        a, b = _C.narrow(x, dim, 1, m - 1), _C.narrow(x, dim, 0, m - 1)
        x = _C.binary("logical_xor" if x.dtype == _C.bool else "sub", a, b)
    return _out(x, out)


def trace(input):
    """Add up the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return _C.sum(_C.diagonal(input, 0, 0, 1), [], False, None)
