"""Rows of matrix products and of distances between vectors."""

from .table import F, In, X, fun, row, top

row("matmul", top("matmul"), In(3, 4), In(4, 2))
row("matmul:1d", top("matmul"), In(4), In(4))
row("matmul:2d1d", top("matmul"), In(3, 4), In(4))
row("matmul:1d2d", top("matmul"), In(4), In(4, 2))
row("matmul:1d3d", top("matmul"), In(4), In(2, 4, 3))
row("matmul:3d1d", top("matmul"), In(2, 3, 4), In(4))
row("matmul:3d2d", top("matmul"), In(2, 3, 4), In(4, 2))
row("matmul:2d3d", top("matmul"), In(3, 4), In(2, 4, 2))
row("matmul:batch", top("matmul"), In(2, 1, 2, 3), In(2, 3, 2))
row("matmul:transposed", lambda lib, x, y: x.transpose(0, 1) @ y.t(), In(4, 3), In(2, 4))
row("matmul:column", top("matmul"), In(4, 1), In(1, 4))
row("matmul:inner one", top("matmul"), In(1, 5), In(5, 1))
row("matmul:method", lambda lib, x, y: x.matmul(y), In(2, 3), In(3, 2))
row("mm", top("mm"), In(3, 4), In(4, 2))
row("bmm", top("bmm"), In(2, 3, 2), In(2, 2, 3))
row("mv", top("mv"), In(3, 4), In(4))
row("dot", top("dot"), In(4), In(4))
row("vdot", top("vdot"), In(4), In(4))
row("outer", top("outer"), In(3), In(4))
row("inner", top("inner"), In(3), In(3))
row("inner:2d", top("inner"), In(2, 3), In(4, 3))
row("inner:0-d", top("inner"), In(), In(2, 3))
row("addmm", top("addmm", beta=0.5, alpha=2), In(2), In(3, 4), In(4, 2))
row("addmm:plain", top("addmm"), In(3, 2), In(3, 4), In(4, 2))
row("addmm:no bias", top("addmm", beta=0), In(3, 2), In(3, 4), In(4, 2))
row("addmm:scalar", top("addmm"), In(), In(3, 4), In(4, 2))
row("addmv", top("addmv"), In(3), In(3, 2), In(2))
row("addmv:factors", top("addmv", beta=0.5, alpha=-2), In(3), In(3, 2), In(2))
row("addr", top("addr"), In(3, 2), In(3), In(2))
row("addr:factors", top("addr", beta=0.5, alpha=2), In(2), In(3), In(2))
row("baddbmm", top("baddbmm"), In(2, 2, 2), In(2, 2, 3), In(2, 3, 2))
row("baddbmm:factors", top("baddbmm", beta=2, alpha=0.5), In(2), In(2, 2, 3), In(2, 3, 2))
row("addbmm", top("addbmm", beta=0.5, alpha=2), In(2, 2), In(2, 2, 3), In(2, 3, 2))
row("chain_matmul", top("chain_matmul"), In(2, 3), In(3, 4), In(4, 2))
row("kron", top("kron"), In(2, 2), In(2, 3))
row("kron:ranks", top("kron"), In(2), In(2, 1, 3))
row("cross", top("cross", dim=1), In(2, 3), In(2, 3))
row("cross:dim", top("cross", dim=0), In(3, 2), In(3, 2))
row("tensordot", lambda lib, x, y: lib.tensordot(x, y, 1), In(2, 3), In(3, 2))
row("tensordot:two", lambda lib, x, y: lib.tensordot(x, y, 2), In(2, 3, 2), In(3, 2, 2))
row("tensordot:none", lambda lib, x, y: lib.tensordot(x, y, 0), In(2), In(3))
row("tensordot:lists", lambda lib, x, y: lib.tensordot(x, y, ([0, 2], [1, 0])), In(2, 3, 2), In(2, 2, 4))
for _e, *_s in (
    ("ij,jk->ik", (2, 3), (3, 2)), ("ij,kj->ik", (2, 3), (4, 3)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("ii->i", (3, 3)), ("ii", (3, 3)),
    ("ij->", (2, 3)), ("ij->ji", (2, 3)), ("ij", (2, 3)), ("ba", (2, 3)), ("ij,ij->i", (2, 3), (2, 3)), ("...i,i->...", (2, 3), (3,)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (2, 3, 2)), ("i,j->ij", (2,), (3,)), ("i,i", (3,), (3,)), ("bhqd,bhkd->bhqk", (1, 2, 2, 3), (1, 2, 4, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)), ("i...->...", (2, 3)), ("b i j , b j -> b i", (2, 2, 3), (2, 3)), ("iij->j", (2, 2, 3)),
    ("ij,->ij", (2, 3), ()), ("aij,ajk->ik", (2, 2, 3), (2, 3, 2)), ("i,i,i->i", (3,), (3,), (3,)), ("Ab,bC->CA", (2, 3), (3, 2)),
    ("ij,ij->ij", (2, 1), (2, 3)),
):  # fmt: skip
    row(f"einsum:{_e}", lambda lib, *t, e=_e: lib.einsum(e, *t), *[In(*s) for s in _s])
row("einsum:list", lambda lib, x, y: lib.einsum("ij,jk", [x, y]), In(2, 3), In(3, 2))
row("einsum:sublists", lambda lib, x, y: lib.einsum(x, [0, 1], y, [1, 2], [2, 0]), In(2, 3), In(3, 2))
row("einsum:sublists implicit", lambda lib, x, y: lib.einsum(x, [..., 1], y, [1, 2]), In(2, 3), In(3, 2))

# --- linear maps ------------------------------------------------------------------------------------------------------
row("linear", fun("linear"), In(3, 4), In(2, 4), In(2), fused=True)
row("linear:plain", fun("linear"), In(2, 2, 3), In(2, 3), fused=True)
row("linear:1d", fun("linear"), In(3), In(2, 3), In(2), fused=True)
row("linear:4d", fun("linear"), In(1, 2, 2, 3), In(2, 3), In(2), fused=True)
row("linear:vector weight", fun("linear"), In(2, 3), In(3))
row("bilinear", fun("bilinear"), In(3, 2), In(3, 4), In(2, 2, 4), In(2))
row("bilinear:no bias", fun("bilinear"), In(2, 2, 3), In(2, 2, 2), In(1, 3, 2))
row("bilinear:1d", fun("bilinear"), In(2), In(3), In(2, 2, 3))

# --- distances --------------------------------------------------------------------------------------------------------
row("cosine_similarity", fun("cosine_similarity"), X, X)
row("cosine_similarity:dim", fun("cosine_similarity", dim=0), In(3, 2), In(3, 2))
row("cosine_similarity:broadcast", fun("cosine_similarity", dim=-1), In(2, 1, 3), In(2, 3))
row("cosine_similarity:eps", fun("cosine_similarity", eps=3.0), X, In(2, 3), check=False)  # its gradient passes through the clamp
row("cosine_similarity:1d", fun("cosine_similarity", dim=0), In(3), In(3))
for _p in (0.5, 1, 2, 3, float("inf")):
    row(f"pairwise_distance:{_p}", fun("pairwise_distance", p=_p), X, In(2, 3, kind="distinct"))
    row(f"pdist:{_p}", fun("pdist", _p), In(4, 3), half=False, fused=True)
    row(f"cdist:{_p}", lambda lib, x, y, p=_p: lib.cdist(x, y, p), In(2, 3), In(4, 3, kind="distinct"), half=False, second=_p != float("inf"))
    row(f"normalize:{_p}", fun("normalize", _p), In(2, 3, kind="distinct"))
row("pairwise_distance:keepdim", fun("pairwise_distance", keepdim=True), X, In(3))
row("pairwise_distance:1d", fun("pairwise_distance"), In(3), In(3))
row("cdist:batch", lambda lib, x, y: lib.cdist(x, y), In(2, 2, 3), In(2, 3, 3, kind="distinct"), half=False)
row("cdist:broadcast", lambda lib, x, y: lib.cdist(x, y, 1.0), In(2, 1, 2, 3), In(2, 3, 3, kind="distinct"), half=False)
row("cdist:zero", lambda lib, x, y: lib.cdist(x, y, 0.0), In(2, 3), In(4, 3), half=False, grad=False)
row("cdist:no mm", lambda lib, x, y: lib.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist"), In(2, 3), In(4, 3), half=False)
row("normalize:dim", fun("normalize", dim=0), X)
row("normalize:eps", lambda lib, x: F(lib).normalize(x * 1e-3, eps=0.5), X)
row("normalize:zeros", lambda lib, x: F(lib).normalize(x * 0), X, check=False)
