"""Rows of losses: every reduction, and what each of them takes besides."""

from .table import REDUCTIONS, F, I, In, P, X, fun, row

T = In(2, 3)
SIGNS = I([1, -1, 1], [-1, -1, 1])


def each(name, *inputs, label="", **options):
    """One row per reduction."""
    rows = {k: options.pop(k) for k in ("second", "half", "fused", "close", "grad") if k in options}
    for r in REDUCTIONS:
        row(f"{name}:{r}{label}", fun(name, reduction=r, **options), *inputs, **rows)


# --- against values ---------------------------------------------------------------------------------------------------
for _n in "mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss".split():
    each(_n, X, T)
each("soft_margin_loss", X, SIGNS)
for _n in "mse_loss l1_loss smooth_l1_loss huber_loss".split():
    row(_n + ":broadcast", fun(_n), In(2, 3), In(3))
    row(_n + ":0-d", fun(_n), In(), In())
    row(_n + ":0-d none", fun(_n, reduction="none"), In(), In())
for _n in "mse_loss l1_loss huber_loss".split():
    for _r in REDUCTIONS:
        row(f"{_n}:{_r} weight", lambda lib, x, t, w, n=_n, r=_r: getattr(F(lib), n)(x, t, reduction=r, weight=w), X, T, P)
each("smooth_l1_loss", X, T, label=" beta", beta=0.4)
each("smooth_l1_loss", X, T, label=" beta zero", beta=0.0)
each("huber_loss", X, T, label=" delta", delta=0.4)
each("poisson_nll_loss", P, T, label=" not log", log_input=False)
each("poisson_nll_loss", X, In(2, 3, kind=(0.2, 4.0)), label=" full", full=True)
row("poisson_nll_loss:eps", fun("poisson_nll_loss", log_input=False, eps=0.1), P, T)
for _r in REDUCTIONS:
    row(f"gaussian_nll_loss:{_r}", fun("gaussian_nll_loss", reduction=_r), X, T, P)
    row(f"gaussian_nll_loss:{_r} full", fun("gaussian_nll_loss", full=True, reduction=_r), X, T, P)
row("gaussian_nll_loss:one", fun("gaussian_nll_loss"), X, T, In(2, 1, kind=(0.1, 0.9)))
row("gaussian_nll_loss:missing", fun("gaussian_nll_loss"), X, T, In(2, kind=(0.1, 0.9)))
row("gaussian_nll_loss:float", lambda lib, x, t: F(lib).gaussian_nll_loss(x, t, 0.3), X, T)
row("gaussian_nll_loss:eps", fun("gaussian_nll_loss", eps=0.5), X, T, P, check=False)  # its gradient passes through the clamp
for _n in ("mse_loss", "l1_loss", "poisson_nll_loss"):
    row(_n + ":size_average", fun(_n, size_average=False), X, T)
    row(_n + ":reduce", fun(_n, reduce=False), X, T)

# --- against probabilities --------------------------------------------------------------------------------------------
FACTORS = In(2, 3, kind=(0.1, 0.9), fixed=True)
each("binary_cross_entropy", P, In(2, 3, kind=(0.1, 0.9)))
each("binary_cross_entropy_with_logits", X, P)
each("multilabel_soft_margin_loss", X, P)
for _r in REDUCTIONS:
    row(f"binary_cross_entropy:{_r} weight", lambda lib, x, t, w, r=_r: F(lib).binary_cross_entropy(x, t, w, reduction=r), P, P, FACTORS)
    row(f"binary_cross_entropy_with_logits:{_r} weights",
        lambda lib, x, t, w, p, r=_r: F(lib).binary_cross_entropy_with_logits(x, t, w, reduction=r, pos_weight=p), X, P, FACTORS, In(3, kind=(0.2, 3.0), fixed=True))  # fmt: skip
    row(f"multilabel_soft_margin_loss:{_r} weight", lambda lib, x, t, w, r=_r: F(lib).multilabel_soft_margin_loss(x, t, w, reduction=r), X, P, In(3))
row("binary_cross_entropy:ends", lambda lib, x, t: F(lib).binary_cross_entropy(x, t, reduction="none"),
    I(0.0, 1.0, 0.0, 1.0, dtype="float64"), I(0.0, 1.0, 1.0, 0.25, dtype="float64"), grad=False)  # fmt: skip
row("binary_cross_entropy_with_logits:large", lambda lib, x, t: F(lib).binary_cross_entropy_with_logits(x * 200, t, reduction="none"), X, P, half=False)
for _r in (*REDUCTIONS, "batchmean"):
    row(f"kl_div:{_r}", fun("kl_div", reduction=_r), X, P)
    row(f"kl_div:{_r} log", fun("kl_div", reduction=_r, log_target=True), X, X)
row("kl_div:zeros", lambda lib, x, t: F(lib).kl_div(x, t.to(x.dtype), reduction="none"), X, I([0.0, 0.5, 0.5], [1.0, 0.0, 0.0], dtype="float64"))

# --- against classes --------------------------------------------------------------------------------------------------
CLASSES, WEIGHT = I(0, 3, 1), In(4, kind=(0.3, 2.0), fixed=True)
for _r in REDUCTIONS:
    row(f"cross_entropy:{_r}", fun("cross_entropy", reduction=_r), In(3, 4), CLASSES, fused=True)
    row(f"cross_entropy:{_r} ignore", fun("cross_entropy", reduction=_r, ignore_index=3), In(3, 4), CLASSES, fused=True)
    row(f"cross_entropy:{_r} smoothing", fun("cross_entropy", reduction=_r, label_smoothing=0.3, ignore_index=1), In(3, 4), CLASSES, fused=True)
    row(f"cross_entropy:{_r} weight", lambda lib, x, t, w, r=_r: F(lib).cross_entropy(x, t, w, reduction=r), In(3, 4), CLASSES, WEIGHT)
    row(f"cross_entropy:{_r} all", lambda lib, x, t, w, r=_r: F(lib).cross_entropy(x, t, w, ignore_index=3, reduction=r, label_smoothing=0.2),
        In(3, 4), CLASSES, WEIGHT)  # fmt: skip
    row(f"cross_entropy:{_r} spatial", fun("cross_entropy", reduction=_r, ignore_index=1), In(2, 3, 2), I([0, 2], [1, 1]), fused=True)
    row(f"cross_entropy:{_r} image", lambda lib, x, t, w, r=_r: F(lib).cross_entropy(x, t, w, reduction=r, label_smoothing=0.1),
        In(1, 3, 2, 2), I([[0, 2], [1, 1]]), In(3, kind=(0.3, 2.0), fixed=True))  # fmt: skip
    row(f"cross_entropy:{_r} one", fun("cross_entropy", reduction=_r), In(4), I(2).reshape(()), fused=True)
    row(f"cross_entropy:{_r} one in a row", fun("cross_entropy", reduction=_r), In(4), I(2), grad=False)  # torch has no backward
    row(f"cross_entropy:{_r} probabilities", fun("cross_entropy", reduction=_r), In(3, 4), In(3, 4, kind=(0.1, 0.9)))
    row(f"cross_entropy:{_r} probabilities all", lambda lib, x, t, w, r=_r: F(lib).cross_entropy(x, t, w, reduction=r, label_smoothing=0.2),
        In(2, 4, 2), In(2, 4, 2, kind=(0.1, 0.9)), WEIGHT)  # fmt: skip
    row(f"nll_loss:{_r}", fun("nll_loss", reduction=_r), In(3, 4), CLASSES)
    row(f"nll_loss:{_r} all", lambda lib, x, t, w, r=_r: F(lib).nll_loss(x, t, w, ignore_index=3, reduction=r), In(3, 4), CLASSES, WEIGHT)
    row(f"nll_loss:{_r} spatial", fun("nll_loss", reduction=_r, ignore_index=0), In(2, 3, 2), I([0, 2], [1, 1]))
    row(f"nll_loss:{_r} one", fun("nll_loss", reduction=_r), In(4), I(2).reshape(()))
    row(f"multi_margin_loss:{_r}", fun("multi_margin_loss", reduction=_r), In(3, 4), CLASSES)
    row(f"multi_margin_loss:{_r} all", lambda lib, x, t, w, r=_r: F(lib).multi_margin_loss(x, t, 2, 0.7, w, reduction=r), In(3, 4), CLASSES, WEIGHT)
    row(f"multi_margin_loss:{_r} one", fun("multi_margin_loss", reduction=_r), In(4), I(2).reshape(()))
    row(f"multilabel_margin_loss:{_r}", fun("multilabel_margin_loss", reduction=_r), In(2, 4), I([3, 0, -1, 1], [-1, 2, 3, 0]))
    row(f"multilabel_margin_loss:{_r} one", fun("multilabel_margin_loss", reduction=_r), In(4), I(1, 2, -1, 0))
row("cross_entropy:all ignored sum", fun("cross_entropy", ignore_index=1, reduction="sum"), In(2, 3), I(1, 1))
row("cross_entropy:all ignored", fun("cross_entropy", ignore_index=1), In(2, 3), I(1, 1), grad=False)
row("cross_entropy:negative ignore", fun("cross_entropy", ignore_index=-1), In(3, 4), I(0, -1, 2), fused=True)
for _r in REDUCTIONS:
    row(f"linear_cross_entropy:{_r}", fun("linear_cross_entropy", reduction=_r), In(3, 2), In(4, 2), CLASSES)
    row(f"linear_cross_entropy:{_r} all",
        lambda lib, x, w, t, b, c, r=_r: F(lib).linear_cross_entropy(x, w, t, linear_bias=b, weight=c, reduction=r, ignore_index=3, label_smoothing=0.2),
        In(3, 2), In(4, 2), CLASSES, In(4), WEIGHT)  # fmt: skip
row("linear_cross_entropy:one", fun("linear_cross_entropy"), In(2), In(4, 2), I(2).reshape(()))
row("linear_cross_entropy:probabilities", lambda lib, x, w, t: F(lib).linear_cross_entropy(x, w, t), In(3, 2), In(4, 2), In(3, 4, kind=(0.1, 0.9)))

# --- distances and margins --------------------------------------------------------------------------------------------
for _r in REDUCTIONS:
    row(f"hinge_embedding_loss:{_r}", lambda lib, x, t, r=_r: F(lib).hinge_embedding_loss(x, t.to(x.dtype), 0.7, reduction=r), X, SIGNS)
    row(f"margin_ranking_loss:{_r}", lambda lib, x, y, t, r=_r: F(lib).margin_ranking_loss(x, y, t.to(x.dtype), 0.3, reduction=r), X, X, SIGNS)
    row(f"cosine_embedding_loss:{_r}", lambda lib, x, y, t, r=_r: F(lib).cosine_embedding_loss(x, y, t, 0.1, reduction=r), In(3, 4), In(3, 4), I(1, -1, -1))
    row(f"cosine_embedding_loss:{_r} one", lambda lib, x, y, t, r=_r: F(lib).cosine_embedding_loss(x, y, t, reduction=r), In(4), In(4), I(-1).reshape(()))
    for _p in (1, 2, 3):
        row(f"triplet_margin_loss:{_r} p={_p}", fun("triplet_margin_loss", p=_p, reduction=_r), In(3, 4), In(3, 4), In(3, 4))
    row(f"triplet_margin_loss:{_r} swap", fun("triplet_margin_loss", margin=0.5, swap=True, reduction=_r), In(3, 4), In(3, 4), In(3, 4))
    row(f"triplet_margin_with_distance_loss:{_r}", fun("triplet_margin_with_distance_loss", reduction=_r), In(3, 4), In(3, 4), In(3, 4))
    row(f"triplet_margin_with_distance_loss:{_r} own",
        fun("triplet_margin_with_distance_loss", distance_function=lambda x, y: (x - y).abs().sum(-1), margin=2.0, swap=True, reduction=_r),
        In(3, 4), In(3, 4), In(3, 4))  # fmt: skip
row("triplet_margin_loss:one", fun("triplet_margin_loss"), In(4), In(4), In(4))
row("triplet_margin_loss:broadcast", fun("triplet_margin_loss"), In(3, 4), In(1, 4), In(3, 4))

# --- sequences --------------------------------------------------------------------------------------------------------


def ctc(lib, x, targets, inputs, lengths, **options):
    return F(lib).ctc_loss(x.log_softmax(-1), targets, inputs, lengths, **options)


for _r in REDUCTIONS:
    row(f"ctc_loss:{_r}", lambda lib, x, t, i, n, r=_r: ctc(lib, x, t, i, n, reduction=r), In(6, 2, 4), I([1, 2, 2], [3, 1, 1]), I(6, 5), I(3, 2), half=False)
    row(f"ctc_loss:{_r} joined", lambda lib, x, t, i, n, r=_r: ctc(lib, x, t, i, n, reduction=r), In(6, 2, 4), I(1, 2, 2, 3, 1), I(6, 5), I(3, 2), half=False)
    row(f"ctc_loss:{_r} one", lambda lib, x, t, r=_r: ctc(lib, x, t, (5,), (2,), reduction=r), In(5, 4), I(1, 3), half=False)
row("ctc_loss:blank", lambda lib, x, t, i, n: ctc(lib, x, t, i, n, blank=3), In(5, 2, 4), I([0, 2], [1, 1]), I(5, 4), I(2, 2), half=False)
row("ctc_loss:empty target", lambda lib, x, t, i, n: ctc(lib, x, t, i, n, reduction="none"), In(4, 2, 3), I([1, 2], [1, 1]), I(4, 4), I(2, 0), half=False)
row("ctc_loss:impossible", lambda lib, x, t, i, n: ctc(lib, x, t, i, n, zero_infinity=True), In(3, 2, 3), I([1, 1, 1], [1, 2, 1]), I(3, 3), I(3, 1), half=False)
row("ctc_loss:infinite", lambda lib, x, t, i, n: ctc(lib, x, t, i, n, reduction="none"), In(3, 2, 3), I([1, 1, 1], [1, 2, 1]), I(3, 3), I(3, 1), grad=False, half=False)
row("AdaptiveLogSoftmaxWithLoss", lambda lib, x, t: adaptive(lib, x)(x, t), In(4, 6), I(0, 3, 5, 1), half=False)
row("AdaptiveLogSoftmaxWithLoss:log_prob", lambda lib, x: adaptive(lib, x).log_prob(x), In(3, 6), half=False)
row("AdaptiveLogSoftmaxWithLoss:predict", lambda lib, x: adaptive(lib, x).predict(x), In(5, 6), half=False)
row("AdaptiveLogSoftmaxWithLoss:head bias", lambda lib, x, t: adaptive(lib, x, head_bias=True)(x, t), In(4, 6), I(0, 3, 5, 1), half=False)


def adaptive(lib, x, **options):
    net = lib.nn.AdaptiveLogSoftmaxWithLoss(6, 7, [2, 4], div_value=2.0, **options).to(x.dtype)
    with lib.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(lib.sin(lib.arange(p.numel(), dtype=p.dtype) * 0.7 + i).view(p.shape))
    return net
