"""Norms, determinants and ranks."""

import math

from .. import _rsnn as _C
from .. import return_types
from .._arguments import into, into_all
from ._errors import at_least, iterated
from .solvers import largest, tolerance

Tensor = _C.Tensor


def _dims(dim, ndim):
    return [d % max(ndim, 1) for d in ([dim] if isinstance(dim, int) else dim)]


def _exact(y, out):
    return y if out is None else into(y, out, exact=True)


def _check_float(name, x):
    if not x.is_floating_point():
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {x.dtype.name}")


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """Return the p-norm of vectors: over `dim`, or of all elements.

    Args:
        x: the vectors.
        ord: a number; inf and -inf for the largest and smallest magnitude, 0 counts nonzero elements.
        dim: the dimensions that make one vector.
        keepdim: keep them with size 1.
        dtype: compute in this dtype.
        out: where the result goes.
    """
    _check_float("linalg.vector_norm", x if dtype is None else _C.empty([0], dtype))
    dims = [] if dim is None else _dims(dim, x.ndim)
    empty = 0 in ([x.shape[d] for d in dims if x.ndim] if dims else list(x.shape))
    if empty and (ord < 0 or ord == math.inf):
        raise RuntimeError(f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not have an identity")
    return _exact(_C.norm(x, float(ord), dims, keepdim, dtype), out)


def _side(x, dim, keepdim, other, most):
    """Sum magnitudes along one dimension and take the largest or smallest sum along the other."""
    sums = _C.sum(_C.unary("abs", x), [dim], True, None)
    if most and sums.shape[other] == 0:
        shape = [1 if i in (dim, other) else n for i, n in enumerate(x.shape)]
        y = _C.full(shape, 0.0, x.dtype, x.device)
        return y if keepdim else _C.squeeze(y, [dim, other])
    y = _C.amax(sums, [other], True) if most else _C.amin(sums, [other], True)
    return y if keepdim else _C.squeeze(y, [dim, other])


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """Return norms of matrices.

    Args:
        A: (..., m, n).
        ord: "fro", "nuc" (sum of singular values), inf or -inf (rows), 1 or -1 (columns), 2 or -2 (singular values).
        dim: the two dimensions of the matrices.
        keepdim: keep them with size 1.
        dtype: compute in this dtype.
        out: where the result goes.
    """
    name = "linalg.matrix_norm"
    at_least(name, A)
    A = A if dtype is None else _C.to_dtype(A, dtype)
    _check_float(name, A)
    dims = _dims(dim, A.ndim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    rows, columns = dims
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return _exact(_C.norm(A, 2.0, dims, keepdim, None), out)
    if ord == "nuc" or ord in (2, -2):
        moved = A.movedim((rows, columns), (-2, -1))
        values = iterated(_C.linalg_svd, moved, False)[1]
        if ord == "nuc":
            y = _C.sum(values, [-1], False, None)
        elif ord == 2 and values.shape[-1] == 0:
            y = _C.full(list(values.shape[:-1]), 0.0, A.dtype)
        else:
            y = (_C.amax if ord == 2 else _C.amin)(values, [-1], False)
        if keepdim:
            for d in sorted(dims):
                y = y.unsqueeze(d)
    elif ord in (1, -1, math.inf, -math.inf):
        y = _side(A, *((rows, keepdim, columns) if abs(ord) == 1 else (columns, keepdim, rows)), ord > 0)
    else:
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    return _exact(y, out)


def norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """Return a vector norm (`ord` and one dimension, or nothing given) or a matrix norm (two dimensions).

    Args:
        A: the tensor.
        ord: as in `vector_norm` and `matrix_norm`.
        dim: one or two dimensions.
        keepdim: keep them with size 1.
        out: where the result goes.
        dtype: compute in this dtype.
    """
    dims = None if dim is None else ([dim] if isinstance(dim, int) else list(dim))
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype, out=out)
    if dims is None and A.ndim not in (1, 2):
        raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got " + f"{A.ndim}D.")
    if isinstance(ord, str) or (len(dims) if dims is not None else A.ndim) == 2:
        return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype, out=out)
    return vector_norm(A, ord, dims, keepdim, dtype=dtype, out=out)


def det(A, *, out=None):
    """Return determinants.

    Example:
        >>> import rsnn
        >>> rsnn.linalg.det(rsnn.tensor([[2.0, 1.0], [0.0, 3.0]])).item()
        6.0
    """
    return _exact(_C.linalg_det(A), out)


def slogdet(A, *, out=None):
    """Return the sign of determinants and the logarithm of their magnitude."""
    both = return_types.linalg_slogdet(_C.linalg_slogdet(A))
    return both if out is None else into_all(both, out)


def cond(A, p=None, *, out=None):
    """Return condition numbers: the norm of A times the norm of its inverse, by default from singular values."""
    at_least("linalg.cond", A)
    if A.numel() == 0 and not isinstance(p, str):
        y = _C.full(list(A.shape[:-2]), 0.0, A.dtype)
    elif p in (None, 2, -2):
        values = iterated(_C.linalg_svd, A, False)[1]
        first, last = _C.select(values, -1, 0), _C.select(values, -1, values.shape[-1] - 1)
        y = _C.binary("div", last, first) if p == -2 else _C.binary("div", first, last)
    else:
        if A.shape[-1] != A.shape[-2]:
            raise RuntimeError("linalg.cond with norm type " + f"{p}: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices")
        inverse, info = _C.linalg_inverse(A)
        y = _C.mul(matrix_norm(A, p), matrix_norm(inverse, p))
        y = _C.where_(_C.binary("ne", info, 0), math.inf, y)
    return y if out is None else into(y, out)


def matrix_rank(A, *, atol=None, rtol=None, hermitian=False, tol=None, out=None):
    """Count singular values above max(atol, rtol · the largest); rtol defaults to max(m, n) times eps.

    Args:
        A: (..., m, n).
        atol, rtol: the two bounds; `tol` is torch's old name of an absolute one.
        hermitian: A is symmetric, read from its lower half.
        tol: see above.
        out: where the result goes.
    """
    at_least("linalg.matrix_rank", A)
    if tol is not None:
        atol, rtol = tol, 0.0
    if A.numel() == 0:
        y = _C.full(list(A.shape[:-2]), 0.0, _C.int64)
        return y if out is None else into(y, out)
    if hermitian:
        values = _C.unary("abs", iterated(_C.linalg_eigh, A.detach(), False)[0])
    else:
        values = iterated(_C.linalg_svd, A.detach(), False)[1]
    bound = tolerance(A, largest(values), atol, rtol)
    y = _C.sum(_C.binary("gt", values, bound.unsqueeze(-1)), [-1], False, None)
    return y if out is None else into(y, out)
