"""Rows of special functions: torch.special, Bessel functions, incomplete gamma functions, common divisors."""

from .table import A, B, I, In, row, top

P = In(2, 3, kind=(0.3, 4.0))
SMALL = {"half": False}


def special(name, *args):
    return lambda lib, *t: getattr(lib.special, name)(*t, *args)


for _n in "i0 i0e i1 i1e erfcx".split():
    row(_n, special(_n), A, **SMALL)
    row(f"{_n}:far", special(_n), In(2, 3, kind=(18.0, 24.0)), close=1e-8, check=False, **SMALL)
row("ndtri", special("ndtri"), In(2, 3, kind=(0.05, 0.95)), **SMALL)
for _n in "ndtr log_ndtr expit entr gammaln psi sinc".split():
    row(f"special.{_n}", special(_n), P if _n in ("gammaln", "psi", "entr") else A, **SMALL)
row("log_ndtr:tail", special("log_ndtr"), In(4, kind=(-9.0, -2.0)), **SMALL)
row("xlog1py", special("xlog1py"), A, B, **SMALL)
row("zeta", special("zeta"), In(3, kind=(1.5, 4.0), fixed=True), In(2, 3, kind=(0.5, 3.0)), **SMALL)
for _n in ("igamma", "igammac"):
    row(_n, top(_n), In(3, kind=(0.5, 3.0), fixed=True), P, **SMALL)
    row(f"{_n}:large", top(_n), In(3, kind=(20.0, 40.0), fixed=True), In(2, 3, kind=(20.0, 40.0)), check=False, **SMALL)
row("polygamma:orders", lambda lib, x: [lib.polygamma(n, x) for n in (0, 1, 2, 3)], P, **SMALL)
row("mvlgamma", lambda lib, x: lib.mvlgamma(x + 2, 3), P, **SMALL)
row("gcd", top("gcd"), I(12, -18, 0, 7), I(18, 12, 5, 0), grad=False)
row("lcm", top("lcm"), I(12, -18, 0, 7), I(18, 12, 5, 0), grad=False)
row("nextafter", top("nextafter"), A, B, grad=False, **SMALL)
row("frexp", top("frexp"), P, **SMALL)
row("trapezoid", lambda lib, y, x: (lib.trapezoid(y), lib.trapezoid(y, x), lib.trapezoid(y, dx=2.0, dim=0)), In(2, 3), In(3), **SMALL)
row("cumulative_trapezoid", lambda lib, y, x: (lib.cumulative_trapezoid(y), lib.cumulative_trapezoid(y, x)), In(2, 3), In(3), **SMALL)
row("gradient", lambda lib, x: lib.gradient(x, spacing=0.5), In(3, 4), **SMALL)
row("gradient:edges", lambda lib, x: lib.gradient(x, dim=1, edge_order=2, spacing=(lib.tensor([0.0, 1, 3, 4], dtype=x.dtype),)), In(3, 4), **SMALL)
row("renorm", lambda lib, x: lib.renorm(x, 2, 0, 1.0), In(3, 4), **SMALL)
row("histogram", lambda lib, x: lib.histogram(x.detach(), 4, range=(-1.0, 1.0), density=True), In(9), grad=False, **SMALL)
row("histogramdd", lambda lib, x: lib.histogramdd(x.detach(), (2, 3))[0], In(9, 2), grad=False, **SMALL)
row("index_reduce", lambda lib, x, s: [lib.index_reduce(x, 1, lib.tensor([0, 2, 0]), s, r) for r in ("amax", "amin", "mean", "prod")],
    In(2, 3), In(2, 3, kind=(0.5, 2.0)), **SMALL)  # fmt: skip
row("unravel_index", lambda lib, i: lib.unravel_index(i, (2, 3)), I(0, 4, 5), grad=False)
row("isin", lambda lib, i: (lib.isin(i, lib.tensor([2, 5])), lib.isin(i, lib.arange(40) * 2, invert=True)), I(1, 2, 5, 8), grad=False)
row("nonzero_static", lambda lib, i: lib.nonzero_static(i, size=3), I([0, 4], [5, 0]), grad=False)
