"""Rows of factorisations and what is solved with them. Signs of vectors are free, so rows compare what does not depend on them."""

from .table import In, row

S = In(3, 3)
BATCH = In(2, 3, 3)
TALL, WIDE = In(2, 4, 3), In(2, 3, 4)
NO = {"half": False, "strided": True}


def la(lib):
    return lib.linalg


def symmetric(lib, x):
    return x + x.transpose(-2, -1)


def positive(lib, x):
    n = x.shape[-1]
    return x @ x.transpose(-2, -1) + lib.eye(n, dtype=x.dtype)


def regular(lib, x):
    """A matrix far from singular."""
    return x + 4 * lib.eye(x.shape[-1], dtype=x.dtype)


row("det", lambda lib, x: (lib.det(x), la(lib).det(x)), S, **NO)
row("det:batch", lambda lib, x: lib.det(x), BATCH, **NO)
row("det:singular", lambda lib, x: lib.det(x @ lib.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=x.dtype)), S, second=False, **NO)
row("slogdet", lambda lib, x: lib.slogdet(x), BATCH, **NO)
row("logdet", lambda lib, x: lib.logdet(positive(lib, x)), BATCH, **NO)
row("inverse", lambda lib, x: (lib.inverse(regular(lib, x)), la(lib).inv(regular(lib, x))), BATCH, **NO)
row("inv_ex", lambda lib, x: la(lib).inv_ex(regular(lib, x)), S, **NO)
row("solve", lambda lib, a, b: la(lib).solve(regular(lib, a), b), BATCH, In(2, 3, 2), **NO)
row("solve:vector", lambda lib, a, b: la(lib).solve(regular(lib, a), b), S, In(3), **NO)
row("solve:right", lambda lib, a, b: la(lib).solve(regular(lib, a), b, left=False), S, In(2, 2, 3), **NO)
row("solve:broadcast", lambda lib, a, b: la(lib).solve(regular(lib, a), b), BATCH, In(3, 1), **NO)
for _upper in (False, True):
    for _left in (False, True):
        for _unit in (False, True):
            row(f"solve_triangular:{_upper}{_left}{_unit}",
                lambda lib, a, b, u=_upper, left=_left, one=_unit: la(lib).solve_triangular(
                    regular(lib, a), b, upper=u, left=left, unitriangular=one),
                BATCH, In(2, 3, 3), **NO)  # fmt: skip
row("triangular_solve", lambda lib, b, a: lib.triangular_solve(b, regular(lib, a), transpose=True), In(3, 2), S, **NO)
row("cholesky", lambda lib, x: (lib.cholesky(positive(lib, x)), la(lib).cholesky(positive(lib, x), upper=True)), BATCH, **NO)
row("cholesky_ex", lambda lib, x: la(lib).cholesky_ex(positive(lib, x)), S, **NO)
row("cholesky_solve", lambda lib, b, x: lib.cholesky_solve(b, lib.cholesky(positive(lib, x))), In(3, 2), S, **NO)
row("cholesky_inverse", lambda lib, x: lib.cholesky_inverse(lib.cholesky(positive(lib, x), upper=True), upper=True), S, **NO)
for _name, _shape in (("square", S), ("tall", TALL), ("wide", WIDE)):
    row(f"lu:{_name}", lambda lib, x: la(lib).lu(x), _shape, **NO)
    row(f"lu_factor:{_name}", lambda lib, x: la(lib).lu_factor(x), _shape, **NO)
    row(f"qr:{_name}", lambda lib, x: la(lib).qr(x), _shape, **NO)
    row(f"svdvals:{_name}", lambda lib, x: la(lib).svdvals(x), _shape, **NO)
    # U f(S) V^T does not depend on signs.
    row(f"svd:{_name}", lambda lib, x: (lambda u, s, vh: (u * (s * s).unsqueeze(-2)) @ vh)(*la(lib).svd(x, full_matrices=False)),
        _shape, **NO)  # fmt: skip
    row(f"svd:vectors {_name}", lambda lib, x: (lambda u, s, vh: (u.abs(), vh.abs()))(*la(lib).svd(x, full_matrices=False)), _shape, **NO)
    row(f"pinv:{_name}", lambda lib, x: la(lib).pinv(x), _shape, **NO)
    row(f"matrix_rank:{_name}", lambda lib, x: la(lib).matrix_rank(x), _shape, grad=False, **NO)
row("svd:full", lambda lib, x: (lambda u, s, v: (u @ u.mT, s, v @ v.mT))(*lib.svd(x, some=False)), TALL, grad=False, **NO)
row("qr:complete", lambda lib, x: lib.qr(x, some=False), TALL, grad=False, **NO)
row("geqrf", lambda lib, x: lib.geqrf(x), TALL, grad=False, **NO)
row("householder_product", lambda lib, v, tau: (la(lib).householder_product(v, tau), lib.orgqr(v, tau)), TALL, In(2, 3), **NO)
row("ormqr", lambda lib, v, tau, c: lib.ormqr(v, tau, c, left=False, transpose=True), In(4, 3), In(3), In(2, 4), **NO)
row("eigvalsh", lambda lib, x: la(lib).eigvalsh(symmetric(lib, x)), BATCH, **NO)
row("eigh", lambda lib, x: (lambda w, v: (v * w.exp().unsqueeze(-2)) @ v.mT)(*la(lib).eigh(symmetric(lib, x))), BATCH, **NO)
row("eigh:vectors", lambda lib, x: la(lib).eigh(symmetric(lib, x), "U")[1].abs(), S, **NO)
row("lstsq", lambda lib, a, b: la(lib).lstsq(a, b, driver="gelsd"), In(4, 3), In(4, 2), **NO)
row("lstsq:wide", lambda lib, a, b: la(lib).lstsq(a, b).solution, In(3, 4), In(3), second=False, **NO)
row("lu_solve", lambda lib, b, x: lib.lu_solve(b, *lib.lu(regular(lib, x))), In(3, 2), S, **NO)
row("linalg.lu_solve", lambda lib, b, x: la(lib).lu_solve(*la(lib).lu_factor(regular(lib, x)), b, left=False, adjoint=True), In(2, 3), S, **NO)
row("lu_unpack", lambda lib, x: lib.lu_unpack(*lib.lu(x)), TALL, **NO)
row("matrix_power", lambda lib, x: (lib.matrix_power(x, 5), lib.matrix_power(regular(lib, x), -2)), S, **NO)
row("matrix_power:0", lambda lib, x: lib.matrix_power(x, 0), BATCH, grad=False, **NO)
row("matrix_exp", lambda lib, x: lib.matrix_exp(x * 2), BATCH, close=1e-8, **NO)
row("pinverse", lambda lib, x: lib.pinverse(x), TALL, **NO)
row("multi_dot", lambda lib, a, b, c: la(lib).multi_dot([a, b, c]), In(2), In(2, 3), In(3, 4), **NO)
for _ord in ("fro", "nuc", float("inf"), -float("inf"), 1, -1, 2, -2):
    row(f"matrix_norm:{_ord}", lambda lib, x, p=_ord: la(lib).matrix_norm(x, p, keepdim=True), BATCH, **NO)
    row(f"linalg.norm:{_ord}", lambda lib, x, p=_ord: la(lib).norm(x, p), S, **NO)
for _ord in (2, 1, 0.5, float("inf"), -float("inf"), -2):
    row(f"vector_norm:{_ord}", lambda lib, x, p=_ord: la(lib).vector_norm(x, p, (0, 2)), In(2, 3, 2, kind="distinct"), **NO)
row("linalg.norm", lambda lib, x: la(lib).norm(x), BATCH, **NO)
row("nuclear_norm", lambda lib, x: (lib.nuclear_norm(x, (0, 2)), lib.norm(x, "nuc", (1, 2))), BATCH, **NO)
for _p in (None, 2, -2, 1, "fro"):
    # torch's own backward fails where the inverse is taken.
    row(f"cond:{_p}", lambda lib, x, p=_p: la(lib).cond(x, p), S, grad=_p in (None, 2, -2), second=False, **NO)
row("linalg.cross", lambda lib, a, b: la(lib).cross(a, b), In(2, 3), In(1, 3), **NO)
row("vecdot", lambda lib, a, b: la(lib).vecdot(a, b, dim=0), In(2, 3), In(2, 1), **NO)
row("vander", lambda lib, x: (lib.vander(x), la(lib).vander(x, N=4)), In(3), grad=False, **NO)
row("tensorinv", lambda lib, x: la(lib).tensorinv(x.reshape(3, 1, 3, 1) + lib.eye(3, dtype=x.dtype).reshape(3, 1, 3, 1) * 4), S, **NO)
row("tensorsolve", lambda lib, a, b: la(lib).tensorsolve(regular(lib, a).reshape(3, 1, 3), b.reshape(3, 1)), S, In(3), **NO)
row("cov", lambda lib, x: (lib.cov(x), lib.cov(x, correction=0, fweights=lib.tensor([1, 2, 1]))), In(2, 3), **NO)
row("corrcoef", lambda lib, x: lib.corrcoef(x), In(2, 4), **NO)
