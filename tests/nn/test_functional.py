"""Functions of `nn.functional`: values and first gradients against torch, one row each."""

import numpy as np
import pytest
from harness import numbers

CASES = []


def case(name, function, *inputs, tolerance=None):
    CASES.append(pytest.param(function, inputs, tolerance, id=f"{len(CASES)}-{name}"))


def ints(*shape, high, seed=0):
    return ("int", shape, high, seed)


def probs(*shape):
    return ("prob", shape)


def const(values, dtype="float32"):
    return ("const", values, dtype)


def build(lib, spec, i):
    if spec[0] == "int":
        return lib.from_numpy(numbers(*spec[1], high=spec[2], seed=spec[3], dtype="int64"))
    if spec[0] == "prob":
        return lib.from_numpy(numbers(*spec[1], low=0.05, high=0.95, seed=i)).requires_grad_()
    if spec[0] == "const":
        return lib.from_numpy(np.array(spec[1], dtype=spec[2]))
    return lib.from_numpy(np.array(numbers(*spec, seed=i))).requires_grad_()


x34 = (3, 4)
for name in (
    "relu relu6 hardtanh elu selu celu leaky_relu logsigmoid gelu silu mish hardswish hardsigmoid sigmoid tanh softplus "
    "softsign tanhshrink hardshrink softshrink"
).split():
    case(name, lambda lib, x, name=name: getattr(lib.nn.functional, name)(x * 3), x34)
for name in "relu relu6 hardtanh elu selu celu leaky_relu silu mish hardswish hardsigmoid".split():
    case(name + "-inplace", lambda lib, x, name=name: getattr(lib.nn.functional, name)(x * 3, inplace=True), x34)
case("threshold", lambda lib, x: lib.nn.functional.threshold(x, 0.1, 20.0), x34)
case("threshold-inplace", lambda lib, x: lib.nn.functional.threshold(x * 1, 0.1, 20.0, True), x34)
case("gelu-tanh", lambda lib, x: lib.nn.functional.gelu(x, approximate="tanh"), x34)
case("softplus-args", lambda lib, x: lib.nn.functional.softplus(x * 9, 2, 5), x34)
case("rrelu-eval", lambda lib, x: lib.nn.functional.rrelu(x), x34)
case("prelu", lambda lib, x, w: lib.nn.functional.prelu(x, w), (2, 3, 4), (3,))
case("prelu-one", lambda lib, x, w: lib.nn.functional.prelu(x, w), (2, 3, 4), (1,))
case("glu", lambda lib, x: lib.nn.functional.glu(x, 1), (3, 4))
case("softmax", lambda lib, x: lib.nn.functional.softmax(x, 1), (3, 4, 2))
case("softmin", lambda lib, x: lib.nn.functional.softmin(x, -1), (3, 4, 2))
case("log_softmax", lambda lib, x: lib.nn.functional.log_softmax(x, 0, dtype=lib.float64), (3, 4))
case("softmax-implicit", lambda lib, x: lib.nn.functional.softmax(x), (3, 4))

case("linear", lambda lib, x, w, b: lib.nn.functional.linear(x, w, b), (2, 3, 4), (5, 4), (5,))
case("bilinear", lambda lib, *a: lib.nn.functional.bilinear(*a), (2, 3, 4), (2, 3, 5), (6, 4, 5), (6,))
case("cosine_similarity", lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y, 1), (3, 4, 2), (3, 4, 2))
case("cosine_similarity-broadcast", lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y, -1), (3, 1, 4), (5, 4))
case("pairwise_distance", lambda lib, x, y: lib.nn.functional.pairwise_distance(x, y, 3.0, keepdim=True), x34, x34)
case("pdist", lambda lib, x: lib.nn.functional.pdist(x), (5, 3))
case("normalize", lambda lib, x: lib.nn.functional.normalize(x, dim=0), x34)

for n in (1, 2, 3):
    size = (7, 6, 5)[:n]
    case(
        f"conv{n}d",
        lambda lib, x, w, b, n=n: getattr(lib.nn.functional, f"conv{n}d")(x, w, b, stride=2, padding=1),
        (2, 4, *size),
        (6, 4, *([3] * n)),
        (6,),
        tolerance=1e-4,
    )
    case(
        f"conv{n}d-groups",
        lambda lib, x, w, n=n: getattr(lib.nn.functional, f"conv{n}d")(x, w, groups=2, dilation=2, padding=2),
        (4, *size),
        (6, 2, *([3] * n)),
        tolerance=1e-4,
    )
    case(
        f"conv{n}d-same",
        lambda lib, x, w, n=n: getattr(lib.nn.functional, f"conv{n}d")(x, w, padding="same"),
        (2, 4, *size),
        (6, 4, *([4] * n)),
        tolerance=1e-4,
    )
    case(
        f"conv_transpose{n}d",
        lambda lib, x, w, b, n=n: getattr(lib.nn.functional, f"conv_transpose{n}d")(
            x, w, b, stride=2, padding=1, output_padding=1, groups=2
        ),
        (2, 4, *size),
        (4, 3, *([3] * n)),
        (6,),
        tolerance=1e-4,
    )
    case(
        f"avg_pool{n}d",
        lambda lib, x, n=n: getattr(lib.nn.functional, f"avg_pool{n}d")(x, 3, 2, 1, True, False),
        (2, 3, *size),
    )
    case(
        f"max_pool{n}d",
        lambda lib, x, n=n: getattr(lib.nn.functional, f"max_pool{n}d")(x, 2, 1, 1, return_indices=True),
        (3, *size),
    )
    case(
        f"lp_pool{n}d",
        lambda lib, x, n=n: getattr(lib.nn.functional, f"lp_pool{n}d")(x * x + 0.1, 2.0, 2),
        (2, 3, *size),
    )
    case(
        f"adaptive_avg_pool{n}d",
        lambda lib, x, n=n: getattr(lib.nn.functional, f"adaptive_avg_pool{n}d")(x, 3),
        (2, 3, *size),
    )
    case(
        f"adaptive_max_pool{n}d",
        lambda lib, x, n=n: getattr(lib.nn.functional, f"adaptive_max_pool{n}d")(x, 3, return_indices=True),
        (2, 3, *size),
    )

    def unpool(lib, x, n=n):
        y, index = getattr(lib.nn.functional, f"max_pool{n}d")(x, 2, return_indices=True)
        return getattr(lib.nn.functional, f"max_unpool{n}d")(y, index, 2, output_size=x.shape)

    case(f"max_unpool{n}d", unpool, (2, 3, *size))
    case(
        f"interpolate-linear{n}",
        lambda lib, x, n=n: lib.nn.functional.interpolate(
            x, scale_factor=1.7, mode=("linear", "bilinear", "trilinear")[n - 1]
        ),
        (2, 3, *size),
        tolerance=1e-4,
    )
    case(
        f"interpolate-corners{n}",
        lambda lib, x, n=n: lib.nn.functional.interpolate(
            x, size=4, mode=("linear", "bilinear", "trilinear")[n - 1], align_corners=True
        ),
        (2, 3, *size),
        tolerance=1e-4,
    )
    case(f"interpolate-nearest{n}", lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=1.6), (2, 3, *size))
    case(
        f"interpolate-exact{n}",
        lambda lib, x: lib.nn.functional.interpolate(x, size=4, mode="nearest-exact"),
        (2, 3, *size),
    )
    case(f"interpolate-area{n}", lambda lib, x: lib.nn.functional.interpolate(x, size=3, mode="area"), (2, 3, *size))
    for mode in ("reflect", "replicate", "circular", "constant"):
        case(f"pad-{mode}{n}", lambda lib, x, n=n, mode=mode: lib.nn.functional.pad(x, (1, 2) * n, mode), (2, 3, *size))
case("pad-negative", lambda lib, x: lib.nn.functional.pad(x, (-1, 2, 1, -1), value=3.5), (4, 5))
case(
    "interpolate-bicubic",
    lambda lib, x: lib.nn.functional.interpolate(x, size=(7, 3), mode="bicubic"),
    (1, 2, 5, 4),
    tolerance=1e-4,
)
case(
    "interpolate-aa",
    lambda lib, x: lib.nn.functional.interpolate(x, size=(3, 9), mode="bilinear", antialias=True),
    (1, 2, 8, 7),
    tolerance=1e-4,
)
case(
    "interpolate-bicubic-aa",
    lambda lib, x: lib.nn.functional.interpolate(x, size=(3, 9), mode="bicubic", antialias=True),
    (1, 2, 8, 7),
    tolerance=1e-4,
)
case(
    "conv_tbc",
    lambda lib, x, w, b: (
        lib.conv_tbc(x, w, b, 1) if hasattr(lib, "conv_tbc") else lib.nn.functional.conv_tbc(x, w, b, 1)
    ),
    (5, 2, 3),
    (3, 3, 4),
    (4,),
    tolerance=1e-4,
)
for n, size in ((2, (8, 7)), (3, (6, 7, 8))):
    case(
        f"fractional{n}",
        lambda lib, x, s, n=n: getattr(lib.nn.functional, f"fractional_max_pool{n}d")(
            x, 2, output_size=3, _random_samples=s.detach().abs() % 1, return_indices=True
        ),
        (2, 2, *size),
        (2, 2, n),
    )

case("unfold", lambda lib, x: lib.nn.functional.unfold(x, (2, 3), dilation=2, padding=1, stride=2), (2, 3, 8, 9))
case("fold", lambda lib, x: lib.nn.functional.fold(x, (4, 5), (2, 3), padding=1, stride=2), (2, 3 * 6, 9))
case("fold-unbatched", lambda lib, x: lib.nn.functional.fold(x, (4, 5), 2), (3 * 4, 12))
case("pixel_shuffle", lambda lib, x: lib.nn.functional.pixel_shuffle(x, 2), (2, 8, 3, 4))
case("pixel_unshuffle", lambda lib, x: lib.nn.functional.pixel_unshuffle(x, 2), (8, 4, 6))
case("channel_shuffle", lambda lib, x: lib.nn.functional.channel_shuffle(x, 2), (2, 6, 3))
for mode in ("bilinear", "nearest", "bicubic"):
    for padding in ("zeros", "border", "reflection"):
        for corners in (True, False):
            case(
                f"grid_sample-{mode}-{padding}-{corners}",
                lambda lib, x, g, mode=mode, padding=padding, corners=corners: lib.nn.functional.grid_sample(
                    x, (g.detach() if mode == "nearest" else g) * 1.2, mode, padding, corners
                ),
                (2, 3, 5, 4),
                (2, 3, 6, 2),
                tolerance=1e-3,
            )
case(
    "grid_sample-3d",
    lambda lib, x, g: lib.nn.functional.grid_sample(x, g, align_corners=False),
    (2, 2, 3, 4, 5),
    (2, 2, 3, 2, 3),
    tolerance=1e-3,
)
case("affine_grid", lambda lib, t: lib.nn.functional.affine_grid(t, (2, 1, 3, 4), False), (2, 2, 3))
case("affine_grid-3d", lambda lib, t: lib.nn.functional.affine_grid(t, (2, 1, 3, 4, 2), True), (2, 3, 4))

case(
    "layer_norm",
    lambda lib, x, w, b: lib.nn.functional.layer_norm(x, (3, 4), w, b),
    (2, 3, 4),
    (3, 4),
    (3, 4),
    tolerance=1e-4,
)
case("rms_norm", lambda lib, x, w: lib.nn.functional.rms_norm(x, (4,), w), (2, 3, 4), (4,), tolerance=1e-4)
case("group_norm", lambda lib, x, w, b: lib.nn.functional.group_norm(x, 2, w, b), (2, 4, 5), (4,), (4,), tolerance=1e-4)
case(
    "instance_norm",
    lambda lib, x, w, b: lib.nn.functional.instance_norm(x, weight=w, bias=b),
    (2, 4, 5),
    (4,),
    (4,),
    tolerance=1e-4,
)
case(
    "local_response_norm",
    lambda lib, x: lib.nn.functional.local_response_norm(x, 3, 0.1, 0.5, 2.0),
    (2, 5, 3, 4),
    tolerance=1e-4,
)
case(
    "local_response_norm-even",
    lambda lib, x: lib.nn.functional.local_response_norm(x, 2, 0.1),
    (2, 5, 4),
    tolerance=1e-4,
)


def running(function):
    def run(lib, x):
        mean, var = lib.zeros(4), lib.ones(4)
        return [function(lib, x, mean, var), mean, var]

    return run


case(
    "batch_norm",
    running(lambda lib, x, m, v: lib.nn.functional.batch_norm(x, m, v, training=True)),
    (3, 4, 5),
    tolerance=1e-4,
)
case("batch_norm-eval", running(lambda lib, x, m, v: lib.nn.functional.batch_norm(x, m, v)), (3, 4, 5), tolerance=1e-4)
case(
    "instance_norm-running",
    running(lambda lib, x, m, v: lib.nn.functional.instance_norm(x, m, v)),
    (3, 4, 5),
    tolerance=1e-4,
)

for reduction in ("mean", "sum", "none"):
    for weight in (False, True):
        case(
            f"cross_entropy-{reduction}-{weight}",
            lambda lib, x, t, reduction=reduction, weight=weight: lib.nn.functional.cross_entropy(
                x,
                t,
                lib.tensor([0.3, 1.0, 0.5, 2.0, 0.0]) if weight else None,
                reduction=reduction,
                ignore_index=2,
                label_smoothing=0.1,
            ),
            (6, 5),
            ints(6, high=5),
        )
    case(
        f"cross_entropy-spatial-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.cross_entropy(x, t, reduction=reduction),
        (2, 5, 3, 2),
        ints(2, 3, 2, high=5),
    )
    case(
        f"cross_entropy-probs-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.cross_entropy(
            x, t, lib.tensor([0.3, 1.0, 0.5]), reduction=reduction, label_smoothing=0.2
        ),
        (4, 3, 2),
        probs(4, 3, 2),
    )
    case(
        f"nll_loss-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.nll_loss(
            x, t, lib.tensor([0.3, 1.0, 0.5]), ignore_index=1, reduction=reduction
        ),
        (2, 3, 4),
        ints(2, 4, high=3),
    )
    case(
        f"bce-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.binary_cross_entropy(
            x, t.detach(), reduction=reduction
        ),
        probs(3, 4),
        probs(3, 4),
    )
    case(
        f"bce_logits-{reduction}",
        lambda lib, x, t, w, reduction=reduction: lib.nn.functional.binary_cross_entropy_with_logits(
            x, t.detach(), w.detach(), pos_weight=w[0].detach(), reduction=reduction
        ),
        x34,
        probs(3, 4),
        probs(3, 4),
    )
    for name in "mse_loss l1_loss smooth_l1_loss huber_loss hinge_embedding_loss".split():
        case(
            f"{name}-{reduction}",
            lambda lib, x, y, name=name, reduction=reduction: getattr(lib.nn.functional, name)(
                x, y, reduction=reduction
            ),
            x34,
            x34,
        )
    case(
        f"soft_margin-{reduction}",
        lambda lib, x, y, reduction=reduction: lib.nn.functional.soft_margin_loss(
            x, y.detach().sign(), reduction=reduction
        ),
        x34,
        x34,
    )
    case(
        f"margin_ranking-{reduction}",
        lambda lib, x, y, t, reduction=reduction: lib.nn.functional.margin_ranking_loss(
            x, y, t.detach().sign(), 0.3, reduction=reduction
        ),
        (5,),
        (5,),
        (5,),
    )
    case(
        f"cosine_embedding-{reduction}",
        lambda lib, x, y, t, reduction=reduction: lib.nn.functional.cosine_embedding_loss(
            x, y, t.detach().sign(), 0.1, reduction=reduction
        ),
        (5, 4),
        (5, 4),
        (5,),
    )
    case(
        f"multi_margin-{reduction}",
        lambda lib, x, t, w, reduction=reduction: lib.nn.functional.multi_margin_loss(
            x, t, 2, 0.7, w.detach(), reduction=reduction
        ),
        (5, 4),
        ints(5, high=4),
        probs(4),
    )
    case(
        f"multilabel_margin-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.multilabel_margin_loss(x, t, reduction=reduction),
        (2, 4),
        const([[3, 0, -1, 1], [-1, 2, 3, 0]], "int64"),
    )
    case(
        f"multilabel_soft-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.multilabel_soft_margin_loss(
            x, t.detach(), reduction=reduction
        ),
        (2, 4),
        probs(2, 4),
    )
    case(
        f"triplet-{reduction}",
        lambda lib, a, p, n, reduction=reduction: lib.nn.functional.triplet_margin_loss(
            a, p, n, swap=True, reduction=reduction
        ),
        (5, 4),
        (5, 4),
        (5, 4),
    )
    case(
        f"poisson-{reduction}",
        lambda lib, x, y, reduction=reduction: lib.nn.functional.poisson_nll_loss(
            x, y.detach() * 5, full=True, reduction=reduction
        ),
        x34,
        probs(3, 4),
    )
    case(
        f"gaussian-{reduction}",
        lambda lib, x, y, v, reduction=reduction: lib.nn.functional.gaussian_nll_loss(
            x, y, v, full=True, reduction=reduction
        ),
        x34,
        x34,
        probs(3, 1),
    )
    case(
        f"ctc-{reduction}",
        lambda lib, x, t, reduction=reduction: lib.nn.functional.ctc_loss(
            x.log_softmax(-1), t + 1, lib.tensor([7, 6, 8]), lib.tensor([3, 2, 0]), reduction=reduction
        ),
        (8, 3, 5),
        ints(3, 3, high=4),
        tolerance=1e-4,
    )
for reduction in ("batchmean", "sum", "none", "mean"):
    for log_target in (False, True):
        case(
            f"kl_div-{reduction}-{log_target}",
            lambda lib, x, y, reduction=reduction, log_target=log_target: lib.nn.functional.kl_div(
                x, y, reduction=reduction, log_target=log_target
            ),
            x34,
            probs(3, 4),
        )
case(
    "poisson-nolog",
    lambda lib, x, y: lib.nn.functional.poisson_nll_loss(x, y.detach(), False),
    probs(3, 4),
    probs(3, 4),
)
case("mse-weight", lambda lib, x, y, w: lib.nn.functional.mse_loss(x, y, weight=w), x34, x34, probs(3, 4))
case(
    "ctc-flat",
    lambda lib, x: lib.nn.functional.ctc_loss(x.log_softmax(-1), lib.tensor([1, 2, 2, 3, 1]), (6, 8), (3, 2)),
    (8, 2, 5),
    tolerance=1e-4,
)
case(
    "ctc-impossible",
    lambda lib, x: lib.nn.functional.ctc_loss(
        x.log_softmax(-1), lib.tensor([[1, 1, 1]]), (3,), (3,), zero_infinity=True
    ),
    (4, 1, 5),
)
case(
    "linear_cross_entropy",
    lambda lib, x, w, t: lib.nn.functional.linear_cross_entropy(x, w, t),
    (6, 3),
    (5, 3),
    ints(6, high=5),
)

case("embedding", lambda lib, w, i: lib.nn.functional.embedding(i, w, padding_idx=1), (5, 3), ints(2, 4, high=5))
case(
    "embedding-freq",
    lambda lib, w, i: lib.nn.functional.embedding(i, w, scale_grad_by_freq=True),
    (5, 3),
    ints(2, 4, high=5),
)
for mode in ("sum", "mean", "max"):
    case(
        f"embedding_bag-{mode}",
        lambda lib, w, i, mode=mode: lib.nn.functional.embedding_bag(i, w, mode=mode),
        (5, 3),
        ints(3, 4, high=5),
    )
    case(
        f"embedding_bag-offsets-{mode}",
        lambda lib, w, i, mode=mode: lib.nn.functional.embedding_bag(
            i, w, lib.tensor([0, 2, 2, 5]), mode=mode, padding_idx=2
        ),
        (5, 3),
        ints(7, high=5),
    )
case(
    "embedding_bag-weights",
    lambda lib, w, i, s: lib.nn.functional.embedding_bag(i, w, mode="sum", per_sample_weights=s),
    (5, 3),
    ints(3, 4, high=5),
    (3, 4),
)
case("one_hot", lambda lib, i: lib.nn.functional.one_hot(i, 6), ints(2, 4, high=5))
case(
    "sdpa",
    lambda lib, q, k, v: lib.nn.functional.scaled_dot_product_attention(q, k, v),
    (2, 3, 5, 4),
    (2, 3, 6, 4),
    (2, 3, 6, 7),
    tolerance=1e-4,
)
case(
    "sdpa-causal",
    lambda lib, q, k, v: lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
    (2, 3, 5, 4),
    (2, 3, 5, 4),
    (2, 3, 5, 7),
    tolerance=1e-4,
)
case(
    "sdpa-gqa",
    lambda lib, q, k, v: lib.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
    (2, 4, 5, 4),
    (2, 2, 6, 4),
    (2, 2, 6, 4),
    tolerance=1e-4,
)


@pytest.mark.parametrize("function, inputs, tolerance", CASES)
def test_values_and_gradients(same, function, inputs, tolerance):
    def scenario(lib, record):
        tensors = [build(lib, spec, i) for i, spec in enumerate(inputs)]
        out = function(lib, *tensors)
        outs = list(out) if isinstance(out, (list, tuple)) else [out]
        record(outs)
        loss = 0
        for i, each in enumerate(outs):
            if each.requires_grad:
                loss = loss + (each * lib.from_numpy(np.array(numbers(*each.shape, seed=i + 7))).to(each.dtype)).sum()
        leaves = [t for t in tensors if t.requires_grad]
        if leaves and not isinstance(loss, int):
            loss.backward()
            record([t.grad for t in leaves if t.grad is not None])

    same(scenario, tolerance)


def test_argument_errors(same):
    def scenario(lib, record):
        F = lib.nn.functional
        x = lib.ones(2, 3)
        record.raises(lambda: F.dropout(x, 1.5), "dropout probability has to be between 0 and 1")
        record.raises(lambda: F.gelu(x, approximate="no"), "approximate argument must be either none or tanh")
        record.raises(lambda: F.glu(x), "Halving dimension must be even")
        record.raises(lambda: F.softshrink(x, -1.0), "lambda must be in range [0,")
        record.raises(lambda: F.prelu(x, lib.ones(2)), "Mismatch of parameter numbers and input channel size")
        record.raises(lambda: F.layer_norm(x, (4,)), "expected input with shape [*, 4]")
        record.raises(lambda: F.group_norm(x, 2), "to be divisible by num_groups")
        record.raises(lambda: F.batch_norm(x[:1], None, None, training=True), "Expected more than 1 value per channel")
        record.raises(lambda: F.instance_norm(lib.ones(1, 2, 1)), "Expected more than 1 spatial element when training")
        record.raises(
            lambda: F.conv2d(lib.ones(1, 3, 4, 4), lib.ones(2, 4, 3, 3)), "to have 4 channels, but got 3 channels"
        )
        record.raises(
            lambda: F.conv2d(lib.ones(4, 4), lib.ones(2, 4, 3, 3)), "Expected 3D (unbatched) or 4D (batched) input"
        )
        record.raises(
            lambda: F.conv1d(lib.ones(1, 4, 2), lib.ones(2, 4, 3)), "Kernel size can't be greater than actual input"
        )
        record.raises(
            lambda: F.cross_entropy(lib.ones(3, 4), lib.zeros(2, dtype=lib.int64)), "Expected input batch_size (3)"
        )
        record.raises(lambda: F.cross_entropy(lib.ones(1, 4), lib.tensor([9])), "is out of bounds")
        record.raises(lambda: F.nll_loss(lib.ones(1, 4), lib.tensor([9])), "Target 9 is out of bounds.")
        record.raises(lambda: F.mse_loss(x, x, reduction="avg"), "avg is not a valid value for reduction")
        record.raises(lambda: F.binary_cross_entropy(x * 2, x), "all elements of input should be between 0 and 1")
        record.raises(lambda: F.binary_cross_entropy(x, x[0]), "Using a target size")
        record.raises(lambda: F.binary_cross_entropy_with_logits(x, x[0]), "must be the same as input size")
        record.raises(lambda: F.huber_loss(x, x, delta=0), "huber_loss does not support non-positive values for delta.")
        record.raises(lambda: F.pad(x, (1,)), "Padding length must be divisible by 2")
        record.raises(
            lambda: F.pad(x, (5, 5), "reflect"), "Padding size should be less than the corresponding input dimension"
        )
        record.raises(lambda: F.interpolate(lib.ones(1, 1, 2, 2)), "either size or scale_factor should be defined")
        record.raises(lambda: F.interpolate(lib.ones(1, 1, 2), size=3, mode="bilinear"), "bilinear mode needs 4D input")
        record.raises(lambda: F.one_hot(lib.tensor([-1])), "Class values must be non-negative")
        record.raises(lambda: F.one_hot(lib.tensor([3]), 2), "Class values must be smaller than num_classes")
        record.raises(
            lambda: F.embedding_bag(lib.tensor([1]), lib.ones(2, 2)), "offsets has to be a 1D Tensor but got None"
        )
        record.raises(lambda: F.pixel_shuffle(lib.ones(3, 2, 2), 2), "divisible by the square of upscale_factor")
        record.raises(lambda: F.triplet_margin_loss(x, x, x, margin=0), "margin must be greater than 0")
        record.raises(lambda: F.celu(x, 0), "alpha cannot be 0 for CELU")
        record.raises(lambda: F.avg_pool1d(lib.ones(1, 1, 4), 2, padding=2), "pad should be at most half")

    same(scenario)


def test_dropout_keeps_scale_and_shape(rsnn):
    F = rsnn.nn.functional
    x = rsnn.ones(1000)
    out = F.dropout(x, 0.25)
    kept = out != 0
    assert 650 < int(kept.sum()) < 850
    assert bool((out[kept] - 1 / 0.75).abs().max() < 1e-6)
    assert F.dropout(x, 0.5, training=False) is x
    planes = F.dropout2d(rsnn.ones(8, 16, 2, 2), 0.5)
    assert bool((planes.flatten(2).amin(2) == planes.flatten(2).amax(2)).all())


def test_fully_masked_rows_give_zeros(rsnn):
    q = rsnn.ones(1, 1, 2, 4).requires_grad_()
    mask = rsnn.tensor([[True, True], [False, False]])
    out = rsnn.nn.functional.scaled_dot_product_attention(q, q, q, mask)
    out.sum().backward()
    assert bool((out[0, 0, 1] == 0).all())
    assert bool(q.grad.isfinite().all())
