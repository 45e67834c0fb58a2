"""Rows of gathering, scattering, indexing, masks and embedding."""

from .table import MASK, I, In, X, row, top

IDX = I([0, 1, 1], [1, 0, 1])
row("gather", lambda lib, x, i: x.gather(0, i), X, IDX)
row("gather:rows", lambda lib, x, i: x.gather(0, i[:, :1].expand(-1, 3)), X, IDX)
row("take_along_dim", lambda lib, x, i: lib.take_along_dim(x, i, 0), X, IDX)
row("scatter", lambda lib, x, i, s: x.scatter(1, i, s), In(2, 4), I([0, 2], [3, 1]), In(2, 2))
row("scatter:value", lambda lib, x, i: x.scatter(1, i, 1.5), In(2, 4), I([0, 2], [3, 1]))
row("scatter_add", lambda lib, x, i, s: x.scatter_add(0, i, s), X, IDX, In(2, 3))
row("scatter_add:rows", lambda lib, x, i, s: x.scatter_add(0, i[:, :1].expand(-1, 3), s), X, IDX, In(2, 3))
row("scatter:rows", lambda lib, x, i, s: x.scatter(0, i[:, :1].expand(-1, 3), s), In(3, 3), I([0, 1, 1], [2, 0, 1]), In(2, 3))
for _r in "sum mean amax amin prod".split():
    row(f"scatter_reduce:{_r}", lambda lib, x, i, s, r=_r: x.scatter_reduce(0, i, s, r), X, IDX, In(2, 3), second=False)
row("index_select", lambda lib, x, i: x.index_select(1, i), X, I(2, 0, 2))
row("index_add", lambda lib, x, i, s: x.index_add(0, i, s, alpha=2), In(3, 2), I(0, 2, 0), In(3, 2))
row("index_copy", lambda lib, x, i, s: x.index_copy(0, i, s), In(3, 2), I(0, 2), In(2, 2))
row("index_fill", lambda lib, x, i: x.index_fill(0, i, 2.0), In(3, 2), I(0, 2))
row("index_put", lambda lib, x, i, s: x.index_put((i,), s), In(3, 2), I(0, 2), In(2, 2))
row("index_put:accumulate", lambda lib, x, i, s: x.index_put((i,), s, accumulate=True), In(3, 2), I(0, 2, 0), In(3, 2))
row("take", lambda lib, x, i: lib.take(x, i), X, I(0, 5, -1, 0))
row("put", lambda lib, x, i, s: x.clone().put_(i, s), X, I(0, 5), In(2))
row("masked_fill", lambda lib, x, m: x.masked_fill(m, 2.0), X, MASK)
row("masked_select", lambda lib, x, m: x.masked_select(m), X, MASK)
row("masked_scatter", lambda lib, x, m, s: x.masked_scatter(m, s), X, MASK, In(5))
row("nonzero", top("nonzero"), MASK, grad=False)
row("nonzero:tuple", top("nonzero", as_tuple=True), MASK, grad=False)
row("argwhere", top("argwhere"), MASK, grad=False)
