"""Factorisations of matrices, over any batch, with gradients."""

from .. import _rsnn as _C
from .. import return_types
from .._arguments import into, into_all
from ._errors import at_least, check, iterated

Tensor = _C.Tensor

_NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of order {} is not "
    "positive-definite)."
)


def cholesky_ex(A, *, upper=False, check_errors=False, out=None):
    """Return L of `A = L L^T` and, for each matrix, the order of the first minor that is not positive, or 0."""
    at_least("linalg.cholesky", A)
    L, info = _C.linalg_cholesky(A.transpose(-2, -1) if upper else A)
    if check_errors:
        check("linalg.cholesky", info, _NOT_POSITIVE)
    both = return_types.linalg_cholesky_ex((L.transpose(-2, -1) if upper else L, info))
    return both if out is None else into_all(both, out)


def cholesky(A, *, upper=False, out=None):
    """Return L of `A = L L^T` (U of `A = U^T U` when upper) for a symmetric positive definite matrix.

    Raises:
        LinAlgError: for a matrix that is not positive definite.

    Example:
        >>> import rsnn
        >>> rsnn.linalg.cholesky(rsnn.tensor([[4.0, 2.0], [2.0, 5.0]])).tolist()
        [[2.0, 0.0], [1.0, 2.0]]
    """
    y = cholesky_ex(A, upper=upper, check_errors=True).L
    return y if out is None else into(y, out, exact=True)


def qr(A, mode="reduced", *, out=None):
    """Return Q with orthonormal columns and the upper triangle R of `A = Q R`.

    Args:
        A: (..., m, n).
        mode: "reduced" (Q is m by min(m, n)), "complete" (Q is square) or "r" (Q is left empty).
        out: a pair of tensors.
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'")
    at_least("linalg.qr", A)
    if mode == "r" and A.requires_grad and _C.is_grad_enabled():
        raise RuntimeError("linalg_qr_backward: The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr.")
    Q, R = _C.linalg_qr(A, mode == "complete")
    both = return_types.linalg_qr((_C.empty([0], A.dtype, A.device) if mode == "r" else Q, R))
    return both if out is None else into_all(both, out)


def householder_product(A, tau, *, out=None):
    """Return the first columns of a product of Householder reflections, as `geqrf` gives them."""
    if A.requires_grad or tau.requires_grad:
        y = _reflections(A, tau)
    else:
        y = _C.linalg_householder_product(A, tau)
    return y if out is None else into(y, out)


def _reflections(A, tau):
    """The same product in differentiable steps."""
    m, n, k = A.shape[-2], A.shape[-1], tau.shape[-1]
    if m < n or n < k:
        return _C.linalg_householder_product(A, tau)  # raises
    eye = _C.tril(_C.triu(_C.full([m, n], 1.0, A.dtype, A.device), 0), 0)
    y = _C.expand(eye, list(A.shape))
    strict = _C.tril(A, -1)
    for i in reversed(range(k)):
        v = strict[..., i : i + 1] + eye[:, i : i + 1]
        y = y - _C.mul(_C.matmul(v, _C.matmul(v.transpose(-2, -1), y)), tau[..., i, None, None])
    return y


def lu_factor_ex(A, *, pivot=True, check_errors=False, out=None):
    """Return L and U in one matrix, the exchanges of rows (from 1), and the position of the first zero pivot, or 0."""
    at_least("torch.lu_factor", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    LU, pivots, info = _C.linalg_lu_factor(A)
    if check_errors:
        check("torch.linalg.lu_factor_ex", info, "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero.")
    all_ = return_types.linalg_lu_factor_ex((LU, pivots, info))
    return all_ if out is None else into_all(all_, out)


def lu_factor(A, *, pivot=True, out=None):
    """Return L and U of `A = P L U` in one matrix, and the exchanges of rows (from 1)."""
    LU, pivots, info = lu_factor_ex(A, pivot=pivot)
    check(
        "torch.linalg.lu_factor",
        info,
        "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
        "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)",
    )
    both = return_types.linalg_lu_factor((LU, pivots))
    return both if out is None else into_all(both, out)


def permutation_matrix(pivots, rows, like):
    """Return P of `A = P L U`."""
    order = _C.linalg_permutation(pivots, rows)
    one = _C.full(list(order.shape) + [1], 1.0, like.dtype)
    zeros = _C.full([*order.shape, rows], 0.0, like.dtype)
    return _C.scatter(zeros, -1, order.unsqueeze(-1), one).transpose(-2, -1)


def unpack(LU):
    """Return L and U from one matrix."""
    m, n = LU.shape[-2], LU.shape[-1]
    k = min(m, n)
    eye = _C.tril(_C.triu(_C.full([m, k], 1.0, LU.dtype, LU.device), 0), 0)
    return _C.add(_C.tril(_C.narrow(LU, -1, 0, k), -1), eye), _C.triu(_C.narrow(LU, -2, 0, k), 0)


def lu(A, *, pivot=True, out=None):
    """Return the permutation P, the unit lower triangle L and the upper triangle U of `A = P L U`."""
    LU, pivots, _ = lu_factor_ex(A, pivot=pivot)
    all_ = return_types.linalg_lu((permutation_matrix(pivots, A.shape[-2], A), *unpack(LU)))
    return all_ if out is None else into_all(all_, out)


def eigh(A, UPLO="L", *, out=None):
    """Return ascending eigenvalues and eigenvectors (as columns) of symmetric matrices, read from one half.

    Args:
        A: (..., n, n).
        UPLO: "L" or "U", the half that counts.
        out: a pair of tensors.
    """
    at_least("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    both = return_types.linalg_eigh(iterated(_C.linalg_eigh, A, UPLO.upper() == "U"))
    return both if out is None else into_all(both, out)


def eigvalsh(A, UPLO="L", *, out=None):
    """Return ascending eigenvalues of symmetric matrices."""
    y = eigh(A, UPLO).eigenvalues
    return y if out is None else into(y, out, exact=True)


def _check_driver(name, driver):
    if driver is not None:
        raise RuntimeError(f"{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.")


def svd(A, full_matrices=True, *, driver=None, out=None):
    """Return U, the singular values in descending order, and Vh of `A = U diag(S) Vh`.

    Args:
        A: (..., m, n).
        full_matrices: make U and Vh square; otherwise they have min(m, n) columns and rows.
        driver: only None.
        out: three tensors.

    Example:
        >>> import rsnn
        >>> rsnn.linalg.svd(rsnn.tensor([[3.0, 0.0], [0.0, 2.0]])).S.tolist()
        [3.0, 2.0]
    """
    _check_driver("linalg.svd", driver)
    at_least("linalg.svd", A)
    all_ = return_types.linalg_svd(iterated(_C.linalg_svd, A, full_matrices))
    return all_ if out is None else into_all(all_, out)


def svdvals(A, *, driver=None, out=None):
    """Return the singular values in descending order."""
    _check_driver("linalg.svdvals", driver)
    at_least("linalg.svdvals", A)
    y = iterated(_C.linalg_svd, A, False)[1]
    return y if out is None else into(y, out, exact=True)
