"""Rows of reductions, scans, sorting and searching."""

from .table import MASK, A, D, I, In, X, row, top

for _n in "sum mean prod".split():
    row(_n, top(_n), X)
    row(_n + ":dim", top(_n, 1, keepdim=True), In(2, 3, 2))
for _n in "sum mean nansum nanmean".split():
    row(_n + ":dims", top(_n, (0, -1)), In(2, 3, 2))
row("prod:zeros", lambda lib, x, m: (x * m).prod(1), In(3, 3), I([1.0, 0, 1], [0, 0, 1], [1, 1, 1], dtype="float32"))
row("sum:int", top("sum"), I(1, 2, 3, dtype="int32"), grad=False)
row("sum:dtype", lambda lib, x: x.sum(0, dtype=lib.float64), A)
for _n in "amax amin".split():
    row(_n, top(_n, (0, 2)), D)
    row(_n + ":ties", top(_n, 1), I([1.0, 1.0, 0.0], dtype="float64"), grad=False)
for _n in "max min".split():
    row(_n, top(_n), D)
    row(_n + ":dim", top(_n, 1), D, covers=(_n + "_dim",))
for _n in "argmax argmin".split():
    row(_n, top(_n), D, grad=False)
    row(_n + ":dim", top(_n, 1, keepdim=True), D, grad=False)
row("aminmax", lambda lib, x: lib.aminmax(x, dim=1), D)
row("any", top("any", 1), MASK, grad=False)
row("all", top("all"), MASK, grad=False)
row("count_nonzero", top("count_nonzero", 0), MASK, grad=False)
for _n in "var std".split():
    row(_n, top(_n), In(5))
    row(_n + ":dim", top(_n, 1, correction=0), In(2, 3, 2))
for _n in "var_mean std_mean".split():
    row(_n, top(_n, 1), In(2, 4))
row("logsumexp", top("logsumexp", 1), In(2, 3))
for _p in (1, 2, 3, float("inf"), 0.5):
    row(f"norm:{_p}", top("norm", _p, 1), D)
row("norm", top("norm"), X)
row("norm:0", top("norm", 0, 1), D, grad=False)
row("dist", top("dist"), X, In(3))
row("median", top("median"), D)
row("median:dim", top("median", 1), D)
row("nanmedian", top("nanmedian"), D)
row("nanmedian:dim", top("nanmedian", 1), D)
row("mode", top("mode", 1), I([1, 1, 2], [3, 2, 3]), grad=False)
row("quantile", top("quantile", 0.3), D, half=False, second=False)
row("bincount", top("bincount"), I(0, 2, 2, 1), grad=False)
row("bincount:weights", lambda lib, i: lib.bincount(i, i.double() * 2, minlength=5), I(0, 2, 2, 1), grad=False)
row("histc", top("histc", 4, -2, 2), In(8), grad=False, half=False)
row("trace", top("trace"), In(3, 3))

# --- scans, sorting
for _n in "cumsum cumprod logcumsumexp".split():
    row(_n, top(_n, 1), In(2, 4))
for _n in "cummax cummin".split():
    row(_n, top(_n, 1), D)
row("diff", top("diff"), In(2, 4))
row("sort", top("sort", 1), D)
row("sort:descending", top("sort", dim=0, descending=True), D)
row("argsort", top("argsort", 1), D, grad=False)
row("msort", top("msort"), D)
row("topk", top("topk", 2, 1), D)
row("topk:smallest", top("topk", 2, -2, largest=False), D)
row("kthvalue", top("kthvalue", 2, 1), D)
row("unique", top("unique", return_inverse=True, return_counts=True), I(3, 1, 3, 2), grad=False)
row("unique:dim", top("unique", dim=0), I([3, 1], [3, 1], [0, 2]), grad=False)
row("unique_consecutive", top("unique_consecutive", return_counts=True), I(3, 3, 1, 3), grad=False)
row("searchsorted", lambda lib, x: lib.searchsorted(lib.tensor([-1.0, 0.0, 0.5], dtype=x.dtype), x, right=True), X, grad=False, half=False)
row("bucketize", lambda lib, x: lib.bucketize(x, lib.tensor([-1.0, 0.0, 0.5], dtype=x.dtype)), X, grad=False, half=False)
