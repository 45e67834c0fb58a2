"""Inverses, linear systems and least squares."""

import math

from .. import _rsnn as _C
from .. import return_types
from .._arguments import into, into_all
from .._dtypes import finfo
from ._errors import at_least, check, iterated

Tensor = _C.Tensor

_SINGULAR = "The solver failed because the input matrix is singular."


def inv_ex(A, *, check_errors=False, out=None):
    """Return the inverse and, for each matrix, the position of the first zero pivot, or 0."""
    at_least("linalg.inv", A)
    both = return_types.linalg_inv_ex(_C.linalg_inverse(A))
    if check_errors:
        check(
            "linalg.inv",
            both.info,
            "The diagonal element {} is zero, the inversion could not be completed because the input matrix is singular.",
        )
    return both if out is None else into_all(both, out)


def inv(A, *, out=None):
    """Return the inverse.

    Raises:
        LinAlgError: for a singular matrix.

    Example:
        >>> import rsnn
        >>> rsnn.linalg.inv(rsnn.tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    y = inv_ex(A, check_errors=True).inverse
    return y if out is None else into(y, out, exact=True)


def _is_vectors(A, B):
    """Tell whether B holds one vector for each matrix of A, as torch decides it."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])


def solve_ex(A, B, *, left=True, check_errors=False, out=None):
    """Return X of `A X = B` (of `X A = B` unless left) and, for each matrix, the position of the first zero pivot, or 0."""
    at_least("linalg.solve", A)
    vectors = _is_vectors(A, B)
    if vectors and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)")
    right = B.unsqueeze(-1) if vectors else B
    if left:
        X, info = _C.linalg_solve(A, right)
    else:
        X, info = _C.linalg_solve(A.transpose(-2, -1), right.transpose(-2, -1))
        X = X.transpose(-2, -1)
    if check_errors:
        check("torch.linalg.solve", info, _SINGULAR)
    both = return_types.linalg_solve_ex((X.squeeze(-1) if vectors else X, info))
    return both if out is None else into_all(both, out)


def solve(A, B, *, left=True, out=None):
    """Solve `A X = B`, or `X A = B` unless left.

    Args:
        A: (..., n, n).
        B: (..., n, k), or vectors (..., n).
        left: where A stands.
        out: where the result goes.

    Raises:
        LinAlgError: for a singular matrix.
    """
    y = solve_ex(A, B, left=left, check_errors=True).result
    return y if out is None else into(y, out, exact=True)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):
    """Solve with one half of A; its diagonal counts as ones when unitriangular."""
    y = _C.linalg_solve_triangular(A, B, upper, left, unitriangular)
    return y if out is None else into(y, out, exact=True)


def lu_solve(LU, pivots, B, *, left=True, adjoint=False, out=None):
    """Solve with a factored matrix: `A X = B`, `A^T X = B` when adjoint, the same from the right unless left."""
    if not left:
        y = lu_solve(LU, pivots, B.transpose(-2, -1), adjoint=not adjoint).transpose(-2, -1)
        return y if out is None else into(y, out, exact=True)
    from .decompositions import permutation_matrix

    P = permutation_matrix(pivots, LU.shape[-2], LU)
    triangle = lambda T, X, upper, unit: _C.linalg_solve_triangular(T, X, upper, True, unit)
    if adjoint:
        T = LU.transpose(-2, -1)
        y = _C.matmul(P, triangle(T, triangle(T, B, False, False), True, True))
    else:
        y = triangle(LU, triangle(LU, _C.matmul(P.transpose(-2, -1), B), False, True), True, False)
    return y if out is None else into(y, out, exact=True)


def tolerance(A, largest, atol, rtol):
    """Return the size up to which singular values count as zero, one for each matrix."""
    if rtol is None:
        rtol = 0.0 if _positive(atol) else max(A.shape[-2:]) * finfo(A.dtype).eps
    as_tensor = lambda v: v if isinstance(v, Tensor) else _C.tensor(float(v or 0.0), largest.dtype)
    return _C.binary("maximum", as_tensor(atol), _C.mul(as_tensor(rtol), largest))


def _positive(atol):
    if isinstance(atol, Tensor):
        return bool(_C.any(_C.binary("gt", atol, 0), [], False))
    return atol is not None and atol > 0


def largest(values):
    """Return the largest singular value of each matrix, 0 of an empty one."""
    if values.shape[-1] == 0:
        return _C.full(list(values.shape[:-1]), 0.0, values.dtype)
    return _C.amax(values.detach(), [-1], False)


def pinv(A, *, atol=None, rtol=None, hermitian=False, rcond=None, out=None):
    """Return the Moore-Penrose inverse.

    Args:
        A: (..., m, n).
        atol: singular values up to this size count as zero.
        rtol: and those up to this share of the largest one; max(m, n) times eps when neither is given.
        hermitian: accepted: a symmetric matrix has the same inverse.
        rcond: torch's old name of `rtol`.
        out: where the result goes.
    """
    at_least("linalg.pinv", A)
    rtol = rcond if rtol is None else rtol
    if A.numel() == 0:
        y = _C.mul(A.transpose(-2, -1), 1.0)
    else:
        values = iterated(_C.linalg_svd, A.detach(), False)[1]
        y = _C.linalg_pinv(A, tolerance(A, largest(values), atol, rtol))
    return y if out is None else into(y, out)


def lstsq(A, B, rcond=None, *, driver=None):
    """Return the solution of least length of `min |A X - B|`.

    Args:
        A: (..., m, n).
        B: (..., m, k), or one vector (m) for each matrix.
        rcond: the share of the largest singular value up to which singular values count as zero.
        driver: "gels" (A has full rank), "gelsy" (default), "gelsd" or "gelss", which also give ranks and, the last two,
            singular values.

    Returns: solution (..., n, k), residuals (..., k; not from "gelsy"), rank (...) and singular_values (..., min(m, n)); what the driver does
    not give is empty.
    """
    driver = driver or "gelsy"
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), but got {driver}")
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if A.dtype != B.dtype:
        raise RuntimeError(f"torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype {A.dtype.name} and other's dtype {B.dtype.name}")
    vectors = _is_vectors(A, B)
    right = B.unsqueeze(-1) if vectors else B
    (m, n), none = A.shape[-2:], _C.empty([0], A.dtype)
    if right.shape[-2] != m:
        raise RuntimeError(f"torch.linalg.lstsq: input.size(-2) should match other.size(-{'1' if vectors else '2'})")
    values = iterated(_C.linalg_svd, A.detach(), False)[1]
    top = largest(values)
    bound = tolerance(A, top, None, None if rcond is None else float(rcond))
    rank = _C.sum(_C.binary("gt", values, bound.unsqueeze(-1)), [-1], False, None)
    X = _C.matmul(_C.linalg_pinv(A, bound), right)
    residuals = none
    if m > n and driver != "gelsy" and bool(_C.all(_C.binary("eq", rank, n), [], False)):
        residuals = _C.sum(_C.square(_C.binary("sub", _C.matmul(A, X), right)), [-2], False, None)
    solution = X.squeeze(-1) if vectors else X
    rank = _C.empty([0], _C.int64) if driver == "gels" else rank
    values = values if driver in ("gelsd", "gelss") else none
    return return_types.linalg_lstsq((solution, residuals, rank, values))


def tensorinv(A, ind=2, *, out=None):
    """Return the inverse of `tensordot` with A over its first `ind` dimensions."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = list(A.shape[:ind]), list(A.shape[ind:])
    if math.prod(first) != math.prod(last):
        raise RuntimeError(f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {math.prod(last)} != {math.prod(first)}")
    y = inv(A.reshape(math.prod(first), math.prod(last))).reshape(last + first)
    return y if out is None else into(y, out)


def tensorsolve(A, B, dims=None, *, out=None):
    """Solve `tensordot(A, X, X.ndim) = B`; `dims` of A are moved to its end first."""
    if dims is not None:
        dims = [d % A.ndim for d in dims]
        A = A.permute([d for d in range(A.ndim) if d not in dims] + dims)
    rest = list(A.shape[B.ndim :])
    size = math.prod(rest)
    if size != math.prod(B.shape):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim])")
    y = solve(A.reshape(size, size), B.reshape(size)).reshape(rest)
    return y if out is None else into(y, out)
