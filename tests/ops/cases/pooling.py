"""Rows of pooling: maximum, average, power mean, adaptive, fractional, and unpooling."""

from .table import F, I, In, fun, row

SIZES = {1: (6,), 2: (4, 5), 3: (4, 3, 4)}
EVEN = {1: (6,), 2: (4, 6), 3: (4, 2, 4)}


def image(n, *lead, size=None):
    return In(*lead, *(size or SIZES[n]), kind="distinct")


for _n in (1, 2, 3):
    _f = f"max_pool{_n}d"
    row(_f, fun(_f, 2), image(_n, 1, 2) if _n < 3 else image(_n, 1, 1))
    row(_f + ":stride", fun(_f, 2, 1), image(_n, 1, 1))
    row(_f + ":padding", fun(_f, 3, 2, 1), image(_n, 2, 1) if _n == 1 else image(_n, 1, 1))
    row(_f + ":dilation", fun(_f, 2, 1, 0, 2), image(_n, 1, 1))
    row(_f + ":ceil", fun(_f, 2, 3, 1, 1, True), image(_n, 1, 1))
    row(_f + ":indices", fun(_f, 2, 2, 1, return_indices=True), image(_n, 1, 1))
    row(_f + ":ceil indices", fun(_f, 3, 2, 0, ceil_mode=True, return_indices=True), image(_n, 1, 1))
    row(_f + ":unbatched", fun(_f, 2, return_indices=True), image(_n, 1))
    _f = f"avg_pool{_n}d"
    row(_f, fun(_f, 2), image(_n, 1, 2) if _n < 3 else image(_n, 1, 1))
    row(_f + ":stride", fun(_f, 3, 1), image(_n, 1, 1))
    row(_f + ":padding", fun(_f, 3, 2, 1), image(_n, 1, 1))
    row(_f + ":not counted", fun(_f, 3, 2, 1, count_include_pad=False), image(_n, 1, 1))
    row(_f + ":ceil", fun(_f, 2, 3, 1, True), image(_n, 1, 1))
    row(_f + ":ceil not counted", fun(_f, 3, 2, 1, ceil_mode=True, count_include_pad=False), image(_n, 1, 1))
    row(_f + ":unbatched", fun(_f, 2), image(_n, 1))
    if _n > 1:
        row(_f + ":divisor", fun(_f, 2, 1, 1, divisor_override=3), image(_n, 1, 1))
    _f = f"lp_pool{_n}d"
    _positive = In(1, 1, *SIZES[_n], kind=(0.2, 2.0))
    for _p in (1, 2, 3, 2.5):
        row(f"{_f}:{_p}", fun(_f, _p, 2), _positive)
    row(_f + ":stride", fun(_f, 2.0, 3, 1), _positive)
    row(_f + ":ceil", fun(_f, 2, 3, 2, True), _positive)
    # Where a sum is negative the result is zero, with an infinite slope.
    row(_f + ":signs", fun(_f, 3, 2), image(_n, 1, 1), check=False)
    row(_f + ":unbatched", fun(_f, 2, 2), In(1, *SIZES[_n], kind=(0.2, 2.0)))
    _f = f"adaptive_avg_pool{_n}d"
    for _o in (1, 2, 3, 7):
        if _o**_n < 200:
            row(f"{_f}:{_o}", fun(_f, _o), image(_n, 1, 1))
    row(_f + ":unbatched", fun(_f, 2), image(_n, 2))
    _f = f"adaptive_max_pool{_n}d"
    for _o in (1, 2, 3, 7):
        if _o**_n < 200:
            row(f"{_f}:{_o}", fun(_f, _o, return_indices=_o != 2), image(_n, 1, 1))
    row(_f + ":unbatched", fun(_f, 2, return_indices=True), image(_n, 2))

    def _unpool(lib, x, n=_n, stride=None, pad=0, size=None):
        y, where = getattr(F(lib), f"max_pool{n}d")(x, 2, stride, pad, return_indices=True)
        return getattr(F(lib), f"max_unpool{n}d")(y, where, 2, stride, pad, output_size=size and [*size(x)])

    row(f"max_unpool{_n}d", _unpool, image(_n, 1, 2, size=EVEN[_n]))
    row(f"max_unpool{_n}d:size", lambda lib, x, f=_unpool: f(lib, x, size=lambda x: x.shape), image(_n, 1, 1))
    row(f"max_unpool{_n}d:spatial size", lambda lib, x, f=_unpool, n=_n: f(lib, x, size=lambda x: x.shape[-n:]), image(_n, 1, 1))
    row(f"max_unpool{_n}d:padding", lambda lib, x, f=_unpool: f(lib, x, pad=1, size=lambda x: x.shape), image(_n, 1, 1))
    row(f"max_unpool{_n}d:unbatched", _unpool, image(_n, 1, size=EVEN[_n]))
row("max_pool2d:pairs", fun("max_pool2d", (2, 3), (1, 2), (1, 0), (2, 1)), image(2, 1, 1, size=(5, 5)))
row("max_pool2d:ties", fun("max_pool2d", 2, 1, return_indices=True), I([[[1.0, 1.0, 0.0], [1.0, 1.0, 2.0]]], dtype="float64"), grad=False)
row("avg_pool2d:pairs", fun("avg_pool2d", (2, 3), (1, 2), (1, 0)), image(2, 1, 1, size=(5, 5)))
row("adaptive_avg_pool2d:pair", fun("adaptive_avg_pool2d", (3, 2)), image(2, 1, 2))
row("adaptive_avg_pool2d:none", fun("adaptive_avg_pool2d", (None, 2)), image(2, 1, 2))
row("adaptive_avg_pool3d:none", fun("adaptive_avg_pool3d", (2, None, 3)), image(3, 1, 1))
row("adaptive_max_pool2d:pair", fun("adaptive_max_pool2d", (3, 2), return_indices=True), image(2, 1, 2))
row("adaptive_max_pool2d:none", fun("adaptive_max_pool2d", (None, 2)), image(2, 1, 2))
row("adaptive_max_pool3d:none", fun("adaptive_max_pool3d", (2, None, 3)), image(3, 1, 1))
row("lp_pool2d:pairs", fun("lp_pool2d", 2.0, (2, 3), (1, 2)), In(1, 1, 4, 5, kind=(0.2, 2.0)))
# Windows that are computed together: wide rows, strides, padding, dilation.
for _k, _s, _p, _d in ((2, 1, 0, 1), (3, 2, 1, 1), (2, 3, 1, 1), (3, 1, 1, 2)):
    row(f"max_pool2d:wide {_k}{_s}{_p}{_d}", fun("max_pool2d", _k, _s, _p, _d, return_indices=True), image(2, 1, 2, size=(4, 30)))
    if _d == 1:
        row(f"avg_pool2d:wide {_k}{_s}{_p}", fun("avg_pool2d", _k, _s, _p), In(1, 2, 4, 30))
for _n, _s in ((2, (5, 6)), (3, (5, 6, 5))):
    _f = f"fractional_max_pool{_n}d"

    def _fractional(lib, x, samples, n=_n, **options):
        samples = samples.to(x.dtype).reshape(-1, n)[: x.shape[0] * x.shape[1]].reshape(*x.shape[:2], n)
        return getattr(F(lib), f"fractional_max_pool{n}d")(x, 2, _random_samples=samples, **options)

    _draws = I(0.1, 0.7, 0.9, 0.3, 0.5, 0.0, dtype="float64")
    row(_f, lambda lib, x, s, f=_fractional: f(lib, x, s, output_size=3, return_indices=True), image(_n, 1, 1, size=_s), _draws, half=False)
    row(_f + ":ratio", lambda lib, x, s, f=_fractional, n=_n: f(lib, x, s, output_ratio=(0.5, 0.6, 0.7)[:n]), image(_n, 1, 2, size=_s), _draws, half=False)
    row(_f + ":sizes", lambda lib, x, s, f=_fractional, n=_n: f(lib, x, s, output_size=(2, 3, 2)[:n]), image(_n, 1, 1, size=_s), _draws, half=False)
    row(_f + ":one", lambda lib, x, s, f=_fractional: f(lib, x, s, output_size=1), image(_n, 1, 1, size=_s), _draws, half=False)
