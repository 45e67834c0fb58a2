"""torch's older names of linear algebra; `rsnn.linalg` has the newer ones."""

from . import _rsnn as _C
from . import linalg, return_types
from ._arguments import into, into_all
from .linalg._errors import at_least, check, iterated
from .linalg.decompositions import permutation_matrix, unpack

Tensor = _C.Tensor


def det(input):
    """Return determinants."""
    return _C.linalg_det(input)


def slogdet(input, *, out=None):
    """Return the sign of determinants and the logarithm of their magnitude."""
    both = return_types.slogdet(_C.linalg_slogdet(input))
    return both if out is None else into_all(both, out)


def logdet(input):
    """Return the logarithm of determinants, NaN for negative ones."""
    sign, log = _C.linalg_slogdet(input)
    return _C.where_(_C.binary("eq", sign, -1), float("nan"), log)


def inverse(input, *, out=None):
    """Return the inverse; see `linalg.inv`."""
    return linalg.inv(input, out=out)


def pinverse(input, rcond=1e-15):
    """Return the Moore-Penrose inverse; see `linalg.pinv`."""
    return linalg.pinv(input, rtol=rcond)


def cholesky(input, upper=False, *, out=None):
    """Return the triangular factor of a positive definite matrix; see `linalg.cholesky`."""
    y = linalg.cholesky(input, upper=upper)
    return y if out is None else into(y, out)


def cholesky_solve(input, input2, upper=False, *, out=None):
    """Solve `A X = input` for the A whose triangular factor is `input2`."""
    at_least("cholesky_solve", input)
    lower = input2.transpose(-2, -1) if upper else input2
    half = _C.linalg_solve_triangular(lower, input, False, True, False)
    y = _C.linalg_solve_triangular(lower.transpose(-2, -1), half, True, True, False)
    return y if out is None else into(y, out)


def cholesky_inverse(input, upper=False, *, out=None):
    """Return the inverse of the matrix whose triangular factor is `input`."""
    at_least("cholesky_inverse", input)
    n = input.shape[-1]
    eye = _C.tril(_C.triu(_C.full([n, n], 1.0, input.dtype, input.device), 0), 0)
    y = cholesky_solve(_C.expand(eye, list(input.shape)), input, upper)
    return y if out is None else into(y, out)


def qr(input, some=True, *, out=None):
    """Return Q and R; Q is square unless `some`. See `linalg.qr`."""
    both = return_types.qr(linalg.qr(input, "reduced" if some else "complete"))
    return both if out is None else into_all(both, out)


def svd(input, some=True, compute_uv=True, *, out=None):
    """Return U, S and V of `input = U diag(S) V^T`; U and V are square unless `some`, and zero unless `compute_uv`."""
    if input.ndim < 2:
        raise RuntimeError(f"svd: input should have at least 2 dimensions, but has {input.ndim} dimensions instead")
    U, S, Vh = iterated(_C.linalg_svd, input, not some)
    V = Vh.transpose(-2, -1)
    if not compute_uv:
        m, n = input.shape[-2:]
        U, V = (_C.full([*input.shape[:-2], k, k], 0.0, input.dtype, input.device) for k in (m, n))
    all_ = return_types.svd((U, S, V))
    return all_ if out is None else into_all(all_, out)


def lu(A, pivot=True, get_infos=False, out=None):
    """Return L and U in one matrix and the exchanges of rows, with `get_infos` also where a pivot was zero."""
    LU, pivots, info = linalg.lu_factor_ex(A, pivot=pivot)
    if not get_infos:
        check("lu", info, "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero.")
    found = (LU, pivots, info) if get_infos else (LU, pivots)
    return found if out is None else tuple(into(v, o, exact=True) for v, o in zip(found, out))


def lu_solve(input, LU_data, LU_pivots, *, out=None):
    """Solve `A X = input` for the A that `lu` factored."""
    return linalg.lu_solve(LU_data, LU_pivots, input, out=out)


def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True, *, out=None):
    """Return P, L and U of what `lu` gave; those not asked for are empty."""
    none = _C.empty([0], LU_data.dtype)
    P = permutation_matrix(LU_pivots, LU_data.shape[-2], LU_data) if unpack_pivots else none
    L, U = unpack(LU_data) if unpack_data else (none, none)
    all_ = return_types.lu_unpack((P, L, U))
    return all_ if out is None else into_all(all_, out)


def geqrf(input, *, out=None):
    """Return R with Householder reflections below it, and the reflections' factors: LAPACK's form."""
    both = return_types.geqrf(_C.linalg_geqrf(input))
    return both if out is None else into_all(both, out)


def orgqr(input, input2, *, out=None):
    """Return the first columns of the product of reflections that `geqrf` gives; see `linalg.householder_product`."""
    return linalg.householder_product(input, input2, out=out)


def ormqr(input, input2, input3, left=True, transpose=False, *, out=None):
    """Multiply `input3` by the product of reflections that `geqrf` gives: from the left or the right, transposed or not."""
    at_least("torch.ormqr", input)
    rows, count = input.shape[-2], input2.shape[-1]
    input = _C.narrow(input, -1, 0, min(count, input.shape[-1]))
    if input3.shape[-2 if left else -1] != rows:
        raise RuntimeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]")
    if input.requires_grad or input2.requires_grad:
        pad = rows - input.shape[-1]
        wide = _C.cat([input, _C.full([*input.shape[:-1], pad], 0.0, input.dtype)], -1) if pad else input
        Q = linalg.householder_product(wide, input2)
    else:
        Q = _C.linalg_householder_product(input, input2, rows)
    Q = Q.transpose(-2, -1) if transpose else Q
    y = _C.matmul(Q, input3) if left else _C.matmul(input3, Q)
    return y if out is None else into(y, out, exact=True)


def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False, *, out=None):
    """Solve `A X = input` (`A^T X = input` with transpose) from one half of A; returns X and a copy of A."""
    matrix, half = (A.transpose(-2, -1), not upper) if transpose else (A, upper)
    X = _C.linalg_solve_triangular(matrix, input, half, True, unitriangular)
    both = return_types.triangular_solve((X, _C.clone(A)))
    return both if out is None else into_all(both, out)


def matrix_exp(input):
    """Return the matrix exponential."""
    return linalg.matrix_exp(input)


def matrix_power(input, n, *, out=None):
    """Multiply a square matrix n times with itself; a negative n takes the inverse."""
    return linalg.matrix_power(input, n, out=out)


def vander(x, N=None, increasing=False):
    """Return powers of each element of a vector as rows, the highest first unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    if n == 0:
        return _C.full([x.shape[0], 0], 0.0, x.dtype if x.dtype != _C.bool else _C.int64)
    y = linalg.vander(x, N=n)
    return y if increasing else _C.flip(y, [1])
