"""torch.linalg on dense real matrices; eigenvalues of general matrices are complex and refused."""

from ._errors import LinAlgError
from .decompositions import (
    cholesky,
    cholesky_ex,
    eigh,
    eigvalsh,
    householder_product,
    lu,
    lu_factor,
    lu_factor_ex,
    qr,
    svd,
    svdvals,
)
from .norms import cond, det, matrix_norm, matrix_rank, norm, slogdet, vector_norm
from .products import cross, diagonal, matmul, matrix_exp, matrix_power, multi_dot, vander, vecdot
from .solvers import inv, inv_ex, lstsq, lu_solve, pinv, solve, solve_ex, solve_triangular, tensorinv, tensorsolve

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def eig(A, *, out=None):
    """Refuse: eigenvalues of general matrices are complex; `eigh` serves symmetric ones."""
    raise NotImplementedError("linalg.eig: complex dtypes are not supported, expected a symmetric matrix: use linalg.eigh")


def eigvals(A, *, out=None):
    """Refuse: eigenvalues of general matrices are complex; `eigvalsh` serves symmetric ones."""
    raise NotImplementedError("linalg.eigvals: complex dtypes are not supported, expected a symmetric matrix: use linalg.eigvalsh")
