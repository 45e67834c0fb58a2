"""Rows of convolution, its transpose, unfold and fold."""

from .table import F, In, fun, row

SIZES = {1: (5,), 2: (4, 5), 3: (3, 4, 3)}


def conv(n, variant, channels, out, kernel, *, bias=False, batch=(2,), size=None, **options):
    groups = options.get("groups", 1)
    shapes = [(*batch, channels, *(size or SIZES[n])), (out, channels // groups, *kernel)] + [(out,)] * bias
    row(f"conv{n}d{variant}", fun(f"conv{n}d", **options), *[In(*s) for s in shapes])


for _n, _k in ((1, (3,)), (2, (3, 2)), (3, (2, 3, 2))):
    conv(_n, "", 2, 3, _k, bias=True)
    conv(_n, ":stride", 2, 2, _k, bias=True, stride=2)
    conv(_n, ":padding", 2, 2, _k, padding=1, batch=(1,))
    conv(_n, ":dilation", 1, 2, (2,) * _n, dilation=2, padding=1, batch=(1,))
    conv(_n, ":all", 2, 2, _k, stride=2, padding=2, dilation=2 if _n < 3 else 1, bias=True, batch=(1,))
    conv(_n, ":groups", 4, 2, (2,) * _n, groups=2, bias=True, batch=(1,))
    conv(_n, ":depthwise", 2, 4, (2,) * _n, groups=2, padding=1, batch=(1,))
    conv(_n, ":same", 1, 2, _k, padding="same", bias=True, batch=(1,))
    conv(_n, ":same even", 1, 1, (4, 2, 2)[:_n], padding="same", dilation=1, batch=(1,))
    conv(_n, ":valid", 1, 2, _k, padding="valid", stride=2, batch=(1,))
    conv(_n, ":unbatched", 2, 2, _k, bias=True, batch=())
    conv(_n, ":pointwise", 3, 2, (1,) * _n, bias=True, batch=(1,))
    conv(_n, ":whole", 2, 2, SIZES[_n], bias=True, batch=(1,))
conv(2, ":pairs", 2, 2, (2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2), batch=(1,))
conv(3, ":triples", 1, 1, (1, 2, 2), stride=(1, 2, 1), padding=(0, 1, 2), dilation=(1, 2, 1), batch=(1,))
conv(2, ":same dilated", 1, 1, (3, 2), padding="same", dilation=(1, 3), batch=(1,))
conv(2, ":stride beyond kernel", 1, 1, (1, 2), stride=3, batch=(1,), size=(7, 7))
conv(1, ":list", 1, 1, (2,), stride=[2], padding=[1], dilation=[1], batch=(1,))


def transpose(n, variant, channels, out, kernel, *, bias=False, batch=(1,), **options):
    groups = options.get("groups", 1)
    shapes = [(*batch, channels, *(3, 2, 2)[:n]), (channels, out // groups, *kernel)] + [(out,)] * bias
    row(f"conv_transpose{n}d{variant}", fun(f"conv_transpose{n}d", **options), *[In(*s) for s in shapes])


for _n, _k in ((1, (3,)), (2, (3, 2)), (3, (2, 2, 3))):
    transpose(_n, "", 2, 2, _k, bias=True, batch=(2,))
    transpose(_n, ":stride", 2, 1, _k, stride=2)
    transpose(_n, ":padding", 1, 2, _k, padding=1, bias=True)
    transpose(_n, ":output_padding", 1, 2, _k, stride=2, output_padding=1, bias=True)
    transpose(_n, ":dilation", 1, 1, (2,) * _n, dilation=2, output_padding=1)
    transpose(_n, ":groups", 4, 2, (2,) * _n, groups=2, stride=2, padding=1, bias=True)
    transpose(_n, ":unbatched", 2, 2, _k, bias=True, batch=())
transpose(2, ":pairs", 1, 2, (2, 3), stride=(2, 1), padding=(1, 0), output_padding=(1, 0), dilation=(1, 2))
transpose(2, ":depthwise", 2, 2, (2, 2), groups=2, stride=3)
row("conv_tbc", lambda lib, x, w, b: (F(lib) if lib.__name__ == "rsnn" else lib).conv_tbc(x, w, b, 1), In(4, 2, 2), In(3, 2, 3), In(3))


def padded(n, mode, **options):
    """A module whose `padding_mode` is not zeros, its parameters taken as inputs."""

    def fn(lib, x, w, b):
        net = getattr(lib.nn, f"Conv{n}d")(1, 2, w.shape[2:], padding=1, padding_mode=mode, **options).to(x.dtype)
        return lib.func.functional_call(net, {"weight": w, "bias": b}, x)

    row(f"Conv{n}d:{mode}", fn, In(1, 1, *SIZES[n]), In(2, 1, *(2, 3, 2)[:n]), In(2))


for _n in (1, 2, 3):
    for _m in ("zeros", "reflect", "replicate", "circular"):
        padded(_n, _m)

# --- blocks -----------------------------------------------------------------------------------------------------------
row("F.unfold", fun("unfold", 2), In(1, 1, 3, 3))
row("F.unfold:all", fun("unfold", (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2)), In(2, 2, 4, 5))
row("F.unfold:unbatched", fun("unfold", (2, 2), padding=1, stride=2), In(2, 3, 4))
row("F.fold", fun("fold", (3, 3), 2), In(1, 4, 4))
row("F.fold:all", fun("fold", (4, 5), (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2)), In(2, 12, 8))
row("F.fold:unbatched", fun("fold", (4, 3), 2, padding=1, stride=2), In(8, 6))
for _n in ("pixel_shuffle", "pixel_unshuffle"):
    row(_n, fun(_n, 2), In(2, 4, 2, 2))
    row(_n + ":unbatched", fun(_n, 2), In(4, 2, 4))
    row(_n + ":batches", fun(_n, 2), In(2, 1, 4, 2, 2))
    row(_n + ":one", fun(_n, 1), In(2, 2, 3))
row("channel_shuffle", fun("channel_shuffle", 2), In(1, 6, 2))
row("channel_shuffle:3d", fun("channel_shuffle", 3), In(2, 6, 2, 1, 2))
