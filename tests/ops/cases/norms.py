"""Rows of normalizations."""

from .table import F, In, fun, row

for _n, _s, _d in (("", (3, 4), (4,)), (":two dims", (2, 2, 3), (2, 3)), (":all", (2, 3), (2, 3)), (":one", (3, 1), (1,)), (":long", (2, 37), (37,))):
    row("layer_norm" + _n, lambda lib, x, w, b, d=_d: F(lib).layer_norm(x, d, w, b), In(*_s), In(*_d), In(*_d), fused=True)
    row("rms_norm" + _n, lambda lib, x, w, d=_d: F(lib).rms_norm(x, d, w, 1e-5), In(*_s), In(*_d), fused=True)
row("layer_norm:plain", lambda lib, x: F(lib).layer_norm(x, (2, 2)), In(3, 2, 2), fused=True)
row("layer_norm:weight", lambda lib, x, w: F(lib).layer_norm(x, (4,), w, None, 0.1), In(3, 4), In(4), fused=True)
row("layer_norm:bias", lambda lib, x, b: F(lib).layer_norm(x, [4], None, b), In(3, 4), In(4), fused=True)
row("layer_norm:offset", lambda lib, x: F(lib).layer_norm(x + 64, (4,)), In(3, 4), half=False)
row("rms_norm:plain", lambda lib, x: F(lib).rms_norm(x, (2, 2), None, 1e-5), In(3, 2, 2), fused=True)
row("rms_norm:eps", lambda lib, x: F(lib).rms_norm(x, (4,)), In(3, 4), fused=True)


def batch(name, shape, *, affine=True, **options):
    c = shape[1]

    def fn(lib, x, *p):
        w, b = p if affine else (None, None)
        mean, var = lib.linspace(-0.5, 0.5, c, dtype=x.dtype), lib.linspace(0.5, 2.0, c, dtype=x.dtype)
        y = F(lib).batch_norm(x, mean, var, w, b, **options)
        return y, mean, var

    row("batch_norm:" + name, fn, In(*shape), *([In(c), In(c)] if affine else []), half="half" not in options)


for _n, _s in (("2d", (4, 3)), ("3d", (2, 3, 2)), ("4d", (2, 2, 2, 3)), ("5d", (2, 2, 1, 2, 2))):
    batch(f"train {_n}", _s, training=True)
    batch(f"eval {_n}", _s)
    batch(f"plain {_n}", _s, training=True, affine=False)
batch("momentum", (4, 2), training=True, momentum=0.3)
batch("eps", (4, 2), training=True, eps=0.2)
batch("eval plain", (4, 2, 2), affine=False, eps=0.2)
row("batch_norm:train", lambda lib, x, w, b: F(lib).batch_norm(x, None, None, w, b, True), In(4, 2), In(2), In(2), fused=True)
row("batch_norm:eval", lambda lib, x, w, b: F(lib).batch_norm(x, lib.zeros(2, dtype=x.dtype), lib.ones(2, dtype=x.dtype) * 2, w, b),
    In(3, 2, 2), In(2), In(2), fused=True)  # fmt: skip
row("batch_norm:weight", lambda lib, x, w: F(lib).batch_norm(x, None, None, w, None, True), In(4, 2), In(2), fused=True)
row("group_norm", lambda lib, x, w, b: F(lib).group_norm(x, 2, w, b), In(2, 4, 2), In(4), In(4), fused=True)
row("group_norm:2d", lambda lib, x, w, b: F(lib).group_norm(x, 2, w, b, 0.1), In(3, 4), In(4), In(4), fused=True)
row("group_norm:one group", lambda lib, x, w, b: F(lib).group_norm(x, 1, w, b), In(2, 2, 2, 2), In(2), In(2), fused=True)
row("group_norm:each channel", fun("group_norm", 3), In(2, 3, 4), fused=True)
row("group_norm:weight", lambda lib, x, w: F(lib).group_norm(x, 2, w), In(2, 4, 2), In(4), fused=True)
row("instance_norm", fun("instance_norm"), In(2, 2, 4))
row("instance_norm:affine", lambda lib, x, w, b: F(lib).instance_norm(x, weight=w, bias=b, eps=0.1), In(2, 3, 2, 2), In(3), In(3))
row("instance_norm:5d", fun("instance_norm"), In(1, 2, 2, 2, 2))


def instance(lib, x, w, b, **options):
    mean, var = lib.linspace(-0.5, 0.5, 3, dtype=x.dtype), lib.linspace(0.5, 2.0, 3, dtype=x.dtype)
    return F(lib).instance_norm(x, mean, var, w, b, **options), mean, var


row("instance_norm:running", instance, In(2, 3, 4), In(3), In(3))
row("instance_norm:momentum", lambda lib, *t: instance(lib, *t, momentum=0.4), In(2, 3, 4), In(3), In(3))
row("instance_norm:fixed", lambda lib, *t: instance(lib, *t, use_input_stats=False), In(2, 3, 4), In(3), In(3))
row("local_response_norm", fun("local_response_norm", 3), In(2, 4, 3), fused=True)
row("local_response_norm:even", fun("local_response_norm", 2, 0.1, 0.5, 2.0), In(1, 5, 2, 2), fused=True)
row("local_response_norm:wide", fun("local_response_norm", 7, 0.5), In(1, 3, 2, 1, 2), fused=True)
