"""ONNX operators in rsnn's words: convolution, pooling, resizing, normalization, activations, recurrence, losses."""

import math

import rsnn
from onnx_ops import F, Unsupported, ints, op, plain

# --- windows ----------------------------------------------------------------------------------------------------------


def pads(a, x, kernel, stride, dilation):
    """Return the padding before and after each spatial dimension."""
    n = len(kernel)
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        both = a.get("pads", [0] * 2 * n) if auto == "NOTSET" else [0] * 2 * n
        return both[:n], both[n:]
    before, after = [], []
    for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation):
        total = max((math.ceil(size / s) - 1) * s + d * (k - 1) + 1 - size, 0)
        small, large = total // 2, total - total // 2
        before.append(small if auto == "SAME_UPPER" else large)
        after.append(large if auto == "SAME_UPPER" else small)
    return before, after


def widened(x, before, after, value=0.0):
    return F.pad(x, [w for pair in zip(reversed(before), reversed(after)) for w in pair], value=value)


def window(a, x, kernel):
    n = len(kernel)
    stride, dilation = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    return n, stride, dilation, *pads(a, x, kernel, stride, dilation)


@op("Conv")
def conv(a, x, w, b=None):
    n, stride, dilation, before, after = window(a, x, list(w.shape[2:]))
    if before != after:
        x, before = widened(x, before, after), [0] * n
    return getattr(F, f"conv{n}d")(x, w, b, stride, before, dilation, a.get("group", 1))


@op("ConvInteger")
def conv_integer(a, x, w, x_zero=None, w_zero=None):
    x = x.double() if x_zero is None else x.double() - x_zero.double()
    return conv(a, x, w.double() if w_zero is None else w.double() - w_zero.double()).int()


@op("MatMulInteger")
def matmul_integer(a, x, y, x_zero, y_zero):
    return (x.int() - x_zero.int()) @ (y.int() - y_zero.int())


@op("ConvTranspose")
def conv_transpose(a, x, w, b=None):
    n = w.ndim - 2
    stride, dilation = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    extra = a.get("output_padding", [0] * n)
    full = [(x.shape[2 + i] - 1) * stride[i] + dilation[i] * (w.shape[2 + i] - 1) + 1 for i in range(n)]
    both = a.get("pads", [0] * 2 * n)
    before, after = both[:n], both[n:]
    wanted = a.get("output_shape")
    auto = a.get("auto_pad", "NOTSET")
    if wanted is None and auto.startswith("SAME"):
        wanted = [size * s for size, s in zip(x.shape[2:], stride)]
    if wanted is not None:
        total = [max(f + e - w_, 0) for f, e, w_ in zip(full, extra, wanted)]
        half = [t // 2 for t in total]
        rest = [t - h for t, h in zip(total, half)]
        before, after = (half, rest) if auto == "SAME_UPPER" else (rest, half)
        extra = [max(w_ - (f - t), 0) for f, t, w_ in zip(full, total, wanted)]
    function = getattr(F, f"conv_transpose{n}d")
    if before == after and all(e < max(s, d) for e, s, d in zip(extra, stride, dilation)):
        return function(x, w, b, stride, before, extra, a.get("group", 1), dilation)
    y = function(x, w, b, stride, 0, 0, a.get("group", 1), dilation)
    return widened(y, [-p for p in before], [e - p for e, p in zip(extra, after)])


@op("MaxPool")
def max_pool(a, x):
    dtype = x.dtype
    kernel = a["kernel_shape"]
    n, stride, dilation, before, after = window(a, x, kernel)
    low = -math.inf
    if not x.is_floating_point():
        x, low = x.float(), 0.0
    if before != after or any(2 * p > k for p, k in zip(before, kernel)):
        x, before = widened(x, before, after, low), [0] * n
    y, index = getattr(F, f"max_pool{n}d")(x, kernel, stride, before, dilation, bool(a.get("ceil_mode")), return_indices=True)
    if a.get("storage_order"):
        # Column-major positions within the image.
        height, width = x.shape[2:]
        index = index % width * height + index // width
    return y.to(dtype), index + rsnn.arange(math.prod(x.shape[:2])).view(*x.shape[:2], *[1] * n) * math.prod(x.shape[2:])


@op("AveragePool")
def average_pool(a, x):
    kernel = a["kernel_shape"]
    n, stride, _, before, after = window(a, x, kernel)
    function, ceil, counted = getattr(F, f"avg_pool{n}d"), bool(a.get("ceil_mode")), bool(a.get("count_include_pad"))
    if before == after and all(2 * p <= k for p, k in zip(before, kernel)):
        return function(x, kernel, stride, before, ceil, counted)
    y = function(widened(x, before, after), kernel, stride, 0, ceil)
    return y if counted else y / function(widened(rsnn.ones_like(x), before, after), kernel, stride, 0, ceil)


plain(lambda x: getattr(F, f"adaptive_avg_pool{x.ndim - 2}d")(x, 1), "GlobalAveragePool")
plain(lambda x: getattr(F, f"adaptive_max_pool{x.ndim - 2}d")(x, 1), "GlobalMaxPool")


@op("MaxUnpool")
def max_unpool(a, x, index, size=None):
    kernel = a["kernel_shape"]
    stride = a.get("strides", [1] * len(kernel))
    return F.max_unpool2d(x, index, kernel, stride, 0, None if size is None else ints(size))


@op("Pad")
def pad(a, x, widths=None, value=None):
    widths = a.get("pads", a.get("paddings")) if widths is None else ints(widths)
    value = a.get("value", 0.0) if value is None else value.item()
    mode, n = a.get("mode", "constant"), x.ndim
    if mode == "constant":
        return widened(x, widths[:n], widths[n:], value)
    if n == 4 and not any(widths[:2] + widths[n : n + 2]):
        pairs = [w for d in (3, 2) for w in (widths[d], widths[n + d])]
        return F.pad(x, pairs, {"reflect": "reflect", "edge": "replicate"}[mode])
    raise Unsupported("padding of batch and channels by reflection")


# --- images -----------------------------------------------------------------------------------------------------------
@op("DepthToSpace")
def depth_to_space(a, x):
    r = a["blocksize"]
    if a.get("mode", "DCR") == "DCR":
        n, c, h, w = x.shape
        x = x.view(n, r * r, c // (r * r), h, w).transpose(1, 2).reshape(n, c, h, w)
    return F.pixel_shuffle(x, r)


@op("SpaceToDepth")
def space_to_depth(a, x):
    r = a["blocksize"]
    y = F.pixel_unshuffle(x, r)
    n, c, h, w = y.shape
    return y.view(n, c // (r * r), r * r, h, w).transpose(1, 2).reshape(n, c, h, w)


@op("GridSample")
def grid_sample(a, x, grid):
    return F.grid_sample(x, grid, a.get("mode", "bilinear"), a.get("padding_mode", "zeros"), bool(a.get("align_corners")))


@op("Resize", "Upsample")
def resize(a, x, *rest):
    scales, sizes = (rest[1] if len(rest) > 1 else rest[0]), (rest[2] if len(rest) > 2 else None)
    mode, where = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    if len(rest) == 1:
        where, a = "asymmetric", {**a, "nearest_mode": "floor"}
    corners = where == "align_corners"
    if mode == "nearest" and not (where == "asymmetric" and a.get("nearest_mode") == "floor"):
        # round_prefer_floor of half-pixel positions is torch's nearest-exact except at ties.
        raise Unsupported(f"nearest with {where}, {a.get('nearest_mode', 'round_prefer_floor')}")
    if where not in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric") or a.get("exclude_outside"):
        raise Unsupported(f"{where}, exclude_outside={a.get('exclude_outside', 0)}")
    if mode != "nearest" and where == "asymmetric":
        raise Unsupported(f"{mode} with {where}")
    how = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[mode]
    size = None if sizes is None else ints(sizes)[2:]
    factor = None if size is not None else ints(scales)[2:]
    return F.interpolate(x, size, factor, how, align_corners=None if how == "nearest" else corners)


# --- activations ------------------------------------------------------------------------------------------------------
@op("Elu")
def elu(a, x):
    return F.elu(x, a.get("alpha", 1.0))


@op("Celu")
def celu(a, x):
    return F.celu(x, a.get("alpha", 1.0))


@op("Selu")
def selu(a, x):
    if "gamma" in a:
        return F.elu(x, a["alpha"]) * a["gamma"]
    return F.selu(x)


@op("LeakyRelu")
def leaky_relu(a, x):
    return F.leaky_relu(x, a.get("alpha", 0.01))


@op("HardSigmoid")
def hardsigmoid(a, x):
    return F.hardtanh(x * a.get("alpha", 0.2) + a.get("beta", 0.5), 0.0, 1.0)


@op("ThresholdedRelu")
def thresholded_relu(a, x):
    return F.threshold(x, a.get("alpha", 1.0), 0.0)


@op("Shrink")
def shrink(a, x):
    bound, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    return F.hardshrink(x, bound) if bias == 0 else F.softshrink(x, bound) if bias == bound else unsupported("shrink with its own bias")


def unsupported(what):
    raise Unsupported(what)


@op("PRelu")
def prelu(a, x, slope):
    if slope.numel() == 1:
        return F.prelu(x, slope.reshape(-1))
    channels = x.shape[1] if x.ndim > 1 else 1
    if slope.numel() == channels and slope.ndim != x.ndim:
        return F.prelu(x, slope.reshape(-1))
    return rsnn.where(x > 0, x, slope * x)


def along(function, name):
    @op(name)
    def run(a, x):
        if a["opset"] >= 13:
            return function(x, a.get("axis", -1))
        axis = a.get("axis", 1)
        return function(x.flatten(axis), -1).view(x.shape)


along(F.softmax, "Softmax")
along(F.log_softmax, "LogSoftmax")


@op("Dropout")
def dropout(a, x, ratio=None, training=None):
    ratio = a.get("ratio", 0.5) if ratio is None else ratio.item()
    training = training is not None and bool(training)
    if training and ratio:
        raise Unsupported("a random mask")
    return F.dropout(x, ratio, training), rsnn.ones_like(x, dtype=rsnn.bool)


# --- normalization ----------------------------------------------------------------------------------------------------
@op("BatchNormalization")
def batch_norm(a, x, scale, bias, mean, var):
    eps = a.get("epsilon", 1e-5)
    if not a.get("training_mode"):
        return F.batch_norm(x, mean, var, scale, bias, False, 0.0, eps)
    # ONNX keeps the biased variance, so only the mean's running value is torch's.
    momentum, var = 1 - a.get("momentum", 0.9), var.clone()
    mean, before = mean.clone(), var.clone()
    y = F.batch_norm(x, mean, var, scale, bias, True, momentum, eps)
    count = x.numel() // x.shape[1]
    return y, mean, before * (1 - momentum) + (var - before * (1 - momentum)) * ((count - 1) / count)


@op("InstanceNormalization")
def instance_norm(a, x, scale, bias):
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


@op("LayerNormalization")
def layer_norm(a, x, scale, bias=None):
    axis, eps = a.get("axis", -1) % x.ndim, a.get("epsilon", 1e-5)
    dims = list(range(axis, x.ndim))
    mean = x.mean(dims, keepdim=True)
    inverse = rsnn.rsqrt(x.var(dims, correction=0, keepdim=True) + eps)
    return F.layer_norm(x, tuple(x.shape[axis:]), scale, bias, eps), mean, inverse


@op("MeanVarianceNormalization")
def mean_variance(a, x):
    y = F.group_norm(x.transpose(0, 1).reshape(1, x.shape[1], -1), x.shape[1], eps=1e-9)
    return y.view(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


@op("LRN")
def local_response(a, x):
    return F.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


# --- recurrence -------------------------------------------------------------------------------------------------------
def reordered(t, order):
    parts = t.chunk(len(order), 0)
    return rsnn.cat([parts[i] for i in order], 0)


def recurrent(name, kind, order):
    @op(name)
    def run(a, x, w, r, b=None, lengths=None, h=None, c=None, peephole=None):
        if lengths is not None and len(set(lengths.tolist())) > 1 or peephole is not None:
            raise Unsupported("peepholes or lengths that differ")
        first = bool(a.get("layout"))
        if name == "GRU" and not a.get("linear_before_reset") and x.shape[1 if first else 0] > 1:
            raise Unsupported("the reset gate before the product")
        net = getattr(rsnn.nn, kind)(x.shape[-1], a["hidden_size"], batch_first=first)
        with rsnn.no_grad():
            net.weight_ih_l0.copy_(reordered(w[0], order))
            net.weight_hh_l0.copy_(reordered(r[0], order))
            halves = (None, None) if b is None else b[0].chunk(2)
            for parameter, half in zip((net.bias_ih_l0, net.bias_hh_l0), halves):
                parameter.zero_() if half is None else parameter.copy_(reordered(half, order))
            state = None if h is None else (h if c is None else (h, c))
            y, last = net(x) if state is None else net(x, state)
        last = last if isinstance(last, tuple) else (last,)
        # (T, B, H) -> (T, direction, B, H), or (B, T, direction, H)
        return y.unsqueeze(2 if first else 1), *[t.transpose(0, 1) if first else t for t in last]


recurrent("RNN", "RNN", (0,))
recurrent("LSTM", "LSTM", (0, 2, 3, 1))
recurrent("GRU", "GRU", (1, 0, 2))


# --- losses -----------------------------------------------------------------------------------------------------------
def ignored(a):
    return a.get("ignore_index", -100)


@op("NegativeLogLikelihoodLoss")
def nll_loss(a, x, target, weight=None):
    return F.nll_loss(x, target, weight, ignore_index=ignored(a), reduction=a.get("reduction", "mean"))


@op("SoftmaxCrossEntropyLoss")
def cross_entropy(a, x, target, weight=None):
    loss = F.cross_entropy(x, target, weight, ignore_index=ignored(a), reduction=a.get("reduction", "mean"))
    return loss, F.log_softmax(x, 1)
