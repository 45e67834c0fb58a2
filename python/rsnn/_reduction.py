"""Reductions with torch's signatures; each works as a Tensor method too."""

from operator import index

from . import _rsnn as _C
from . import return_types
from ._arguments import into, into_all, one_of, required
from .amp.policy import full_precision as _full_precision

Tensor = _C.Tensor


def _dims(dim, axis=None):
    dim = axis if dim is None else dim
    if dim is None:
        return []
    return [index(d) for d in dim] if isinstance(dim, (tuple, list)) else [index(dim)]


def _keep(keepdim, keepdims):
    return keepdim if keepdims is None else keepdims


def _kind(dtype, out):
    return out.dtype if dtype is None and isinstance(out, Tensor) else dtype


def sum(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Add up elements over `dim` (all when left out); integers add up in int64.

    Example:
        >>> import rsnn
        >>> rsnn.ones(2, 3).sum(1).tolist()
        [3.0, 3.0]
    """
    if out is None:
        return _C.sum(input, _dims(dim, axis), _keep(keepdim, keepdims), dtype)
    return into(_C.sum(input, _dims(dim, axis), _keep(keepdim, keepdims), _kind(dtype, out)), out, exact=True)


def mean(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Average over `dim`.

    Raises:
        RuntimeError: for integer input without a floating point `dtype`.
    """
    y = _C.mean(input, _dims(dim, axis), _keep(keepdim, keepdims), dtype)
    return y if out is None else into(y, out)


def nansum(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Add up elements, NaN counting as zero."""
    y = _C.nansum(input, _dims(dim, axis), _keep(keepdim, keepdims), _kind(dtype, out))
    return y if out is None else into(y, out, exact=True)


def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Average the elements that are not NaN."""
    y = _C.nanmean(input, _dims(dim, axis), _keep(keepdim, keepdims), dtype)
    return y if out is None else into(y, out)


@_full_precision
def prod(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None, keepdims=None):
    """Multiply elements over `dim`."""
    y = _C.prod(input, axis if dim is None else dim, _keep(keepdim, keepdims), _kind(dtype, out))
    return y if out is None else into(y, out, exact=True)


def amax(input, dim=(), keepdim=False, *, out=None, axis=None, keepdims=None):
    """Take the largest element over `dim`; the gradient is shared among ties."""
    y = _C.amax(input, _dims(dim if axis is None else axis), _keep(keepdim, keepdims))
    return y if out is None else into(y, out, exact=True)


def amin(input, dim=(), keepdim=False, *, out=None, axis=None, keepdims=None):
    """Take the smallest element over `dim`; the gradient is shared among ties."""
    y = _C.amin(input, _dims(dim if axis is None else axis), _keep(keepdim, keepdims))
    return y if out is None else into(y, out, exact=True)


def aminmax(input, *, dim=None, keepdim=False, out=None, axis=None, keepdims=None):
    """Take the smallest and the largest element."""
    dims, keep = _dims(dim, axis), _keep(keepdim, keepdims)
    both = return_types.aminmax((_C.amin(input, dims, keep), _C.amax(input, dims, keep)))
    return both if out is None else into_all(both, out)


def _extreme(name, pair):
    native_all, native_dim, kind = getattr(_C, name), getattr(_C, f"{name}_dim"), getattr(return_types, name)

    def f(input, dim=None, keepdim=False, *, other=None, out=None, axis=None, keepdims=None):
        dim = axis if dim is None else dim
        if isinstance(dim, Tensor):
            dim, other = None, dim
        if dim is not None:
            both = kind(native_dim(input, dim, _keep(keepdim, keepdims)))
            return both if out is None else into_all(both, out)
        y = native_all(input) if other is None else _C.binary(pair, input, other)
        return y if out is None else into(y, out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Take the {pair}: of all elements, over `dim` with indices, or of two tensors element by element."
    return f


max = _extreme("max", "maximum")
min = _extreme("min", "minimum")


def argmax(input, dim=None, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return the index of the largest element."""
    y = _C.argmax(input, axis if dim is None else dim, _keep(keepdim, keepdims))
    return y if out is None else into(y, out, exact=True)


def argmin(input, dim=None, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return the index of the smallest element."""
    y = _C.argmin(input, axis if dim is None else dim, _keep(keepdim, keepdims))
    return y if out is None else into(y, out, exact=True)


def any(input, dim=None, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Tell whether any element is true."""
    y = _C.any(input, _dims(dim, axis), _keep(keepdim, keepdims))
    return y if out is None else _into_truth("any", y, out)


def all(input, dim=None, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Tell whether all elements are true."""
    y = _C.all(input, _dims(dim, axis), _keep(keepdim, keepdims))
    return y if out is None else _into_truth("all", y, out)


def _into_truth(name, value, out):
    if isinstance(out, Tensor) and out.dtype not in (_C.bool, _C.uint8):
        raise RuntimeError(f"{name} only supports bool tensor for result, got: {out.dtype.name}")
    return into(value, out)


def count_nonzero(input, dim=None, *, axis=None):
    """Count elements that are not zero."""
    return _C.count_nonzero(input, _dims(dim, axis))


def _correction(dim, unbiased, correction):
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return _dims(dim), float(correction)


def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None, axis=None, keepdims=None):
    """Return the variance; `correction` is subtracted from the number of elements (1: unbiased)."""
    y = _C.var(input, *_correction(axis if dim is None else dim, unbiased, correction), _keep(keepdim, keepdims))
    return y if out is None else into(y, out)


def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None, axis=None, keepdims=None):
    """Return the standard deviation."""
    y = _C.std(input, *_correction(axis if dim is None else dim, unbiased, correction), _keep(keepdim, keepdims))
    return y if out is None else into(y, out)


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None, keepdims=None):
    """Return variance and mean."""
    return tuple(_C.var_mean(input, *_correction(axis if dim is None else dim, unbiased, correction), _keep(keepdim, keepdims)))


def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None, keepdims=None):
    """Return standard deviation and mean."""
    return tuple(_C.std_mean(input, *_correction(axis if dim is None else dim, unbiased, correction), _keep(keepdim, keepdims)))


def logsumexp(input, dim=required, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return `log(sum(exp(x)))` without overflow."""
    y = _C.logsumexp(input, _dims(one_of("logsumexp", dim, axis)), _keep(keepdim, keepdims))
    return y if out is None else into(y, out)


def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """Return the p-norm over `dim` (of all elements when left out).

    Args:
        input: the tensor.
        p: a number, "fro" (2) or "nuc" (the sum of a matrix's singular values).
        dim: the dimensions that make one vector; for "nuc" the two of the matrix.
        keepdim: keep them with size 1.
        out: where the result goes.
        dtype: compute in this dtype.
    """
    if p == "nuc":
        return nuclear_norm(input if dtype is None else _C.to_dtype(input, dtype), dim, keepdim, out=out)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
    p = 2.0 if p in ("fro", None) else float(p)
    y = _C.norm(input, p, _dims(dim), keepdim, dtype)
    return y if out is None else into(y, out, exact=True)


def frobenius_norm(input, dim=required, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return the Frobenius norm."""
    y = _C.norm(input, 2.0, _dims(one_of("frobenius_norm", dim, axis)), _keep(keepdim, keepdims), None)
    return y if out is None else into(y, out, exact=True)


def nuclear_norm(input, dim=None, keepdim=False, *, out=None, axis=None, keepdims=None):
    """Return the sum of a matrix's singular values; `dim` names its two dimensions."""
    from . import linalg

    dim = axis if dim is None else dim
    if dim is None and input.ndim != 2:
        raise RuntimeError(f"Expected a tensor with 2 dimensions, but got a tensor with {input.ndim} dimension{'s' * (input.ndim != 1)} instead.")
    return linalg.matrix_norm(input, "nuc", (0, 1) if dim is None else dim, _keep(keepdim, keepdims), out=out)


def dist(input, other, p=2):
    """Return the p-norm of the difference."""
    return _C.norm(_C.binary("sub", input, other), float(p), [], False, None)


def softmax(input, dim=required, dtype=None, *, out=None, axis=None):
    """Scale to a distribution along `dim`."""
    y = _C.softmax(input, one_of("softmax", dim, axis), dtype)
    return y if out is None else into(y, out, exact=True)


def log_softmax(input, dim=required, dtype=None, *, out=None, axis=None):
    """Return the logarithm of softmax."""
    y = _C.log_softmax(input, one_of("log_softmax", dim, axis), dtype)
    return y if out is None else into(y, out, exact=True)


@_full_precision
def trace(input):
    """Add up the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return _C.sum(_C.diagonal(input, 0, 0, 1), [], False, None)
