"""One row per op kernel at inputs of about 1 MB: `compare.py --surface`."""

from .case import Case, both

N = 1 << 18  # float32 elements in 1 MB
UNARY = """abs neg sign exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh
    asinh acosh atanh erf erfc erfinv sigmoid tanh floor ceil trunc frac round lgamma digamma isnan isinf isfinite relu""".split()
BINARY = "add sub mul div maximum minimum atan2 fmod remainder pow hypot copysign logaddexp eq lt logical_and where".split()
ACTIVATIONS = """relu relu6 leaky_relu elu selu celu gelu silu mish hardtanh hardsigmoid hardswish softplus softsign logsigmoid
    tanhshrink softshrink hardshrink""".split()
REDUCTIONS = "sum mean amax amin prod var std logsumexp argmax argmin any all cumsum cumprod norm".split()
LOSSES = "mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy_with_logits kl_div soft_margin_loss".split()


def positive(name):
    return name in ("log", "log2", "log10", "sqrt", "rsqrt", "lgamma", "digamma", "acosh", "pow", "erfinv")


def unary(name):
    def make(lib):
        x = lib.rand(N) + (1 if name == "acosh" else 0) if positive(name) else lib.rand(N) * 1.8 - 0.9
        return lambda: getattr(lib, name)(x)

    return make


def binary(name):
    def make(lib):
        x, y = lib.rand(N), lib.rand(N)
        if name == "where":
            c = x > y
            return lambda: lib.where(c, x, y)
        return lambda: getattr(lib, name)(x, y)

    return make


def activation(name):
    def make(lib):
        x = lib.randn(512, 512).requires_grad_()
        f = getattr(lib.nn.functional, name)
        return both(lambda: f(x), [x])

    return make


def reduction(name, dim):
    def make(lib):
        x = lib.rand(512, 512)
        if name in ("any", "all"):
            x = x > 0.5
        f = getattr(lib, name)
        return lambda: f(x, dim=dim)

    return make


def loss(name):
    def make(lib):
        x, y = lib.randn(512, 512).requires_grad_(), lib.rand(512, 512)
        f = getattr(lib.nn.functional, name)
        return both(lambda: f(x, y), [x])

    return make


def on(shape, run, train=False):
    """A row over one random tensor: `run(lib, x)`."""

    def make(lib):
        x = lib.randn(*shape).requires_grad_(train)
        lib.nn.functional.relu(x)  # loads the namespace
        return both(lambda: run(lib, x), [x]) if train else lambda: run(lib, x)

    return make


def indexed(run, rows=4096, columns=64, train=False):
    """A row over a table and indices into its rows: `run(lib, x, i)`."""

    def make(lib):
        x, i = lib.randn(rows, columns).requires_grad_(train), lib.randint(0, rows, (rows,))
        return both(lambda: run(lib, x, i), [x]) if train else lambda: run(lib, x, i)

    return make


IMAGE = (8, 32, 32, 32)
SINGLE = {
    "contiguous of a transpose": on((512, 512), lambda lib, x: x.t().contiguous()),
    "copy of permuted images": on(IMAGE, lambda lib, x: x.permute(0, 2, 3, 1).contiguous()),
    "cat": on((512, 512), lambda lib, x: lib.cat([x, x], 1)),
    "stack": on((512, 512), lambda lib, x: lib.stack([x, x])),
    "flip": on((512, 512), lambda lib, x: x.flip(1)),
    "roll": on((512, 512), lambda lib, x: x.roll(3, 1)),
    "repeat": on((256, 256), lambda lib, x: x.repeat(2, 2)),
    "repeat_interleave": on((256, 512), lambda lib, x: x.repeat_interleave(2, 0)),
    "tril": on((512, 512), lambda lib, x: x.tril()),
    "masked_fill": on((512, 512), lambda lib, x: x.masked_fill(x > 0, 0.0)),
    "masked_select": on((512, 512), lambda lib, x: x.masked_select(x > 0)),
    "nonzero": on((512, 512), lambda lib, x: (x > 0).nonzero()),
    "clamp": on((N,), lambda lib, x: x.clamp(-1, 1)),
    "lerp": on((N,), lambda lib, x: x.lerp(x, 0.3)),
    "addcmul": on((N,), lambda lib, x: lib.addcmul(x, x, x)),
    "add broadcast row": on((512, 512), lambda lib, x: x + x[0]),
    "add broadcast column": on((512, 512), lambda lib, x: x + x[:, :1]),
    "to bfloat16": on((N,), lambda lib, x: x.to(lib.bfloat16)),
    "to float16": on((N,), lambda lib, x: x.to(lib.float16)),
    "to float64": on((N,), lambda lib, x: x.to(lib.float64)),
    "to int64": on((N,), lambda lib, x: x.to(lib.int64)),
    "sort": on((512, 512), lambda lib, x: x.sort(-1)),
    "sort, one row": on((N,), lambda lib, x: x.sort()),
    "topk 10": on((512, 512), lambda lib, x: x.topk(10)),
    "kthvalue": on((512, 512), lambda lib, x: x.kthvalue(100)),
    "median": on((512, 512), lambda lib, x: x.median(-1)),
    "cummax": on((512, 512), lambda lib, x: x.cummax(-1)),
    "logcumsumexp": on((512, 512), lambda lib, x: x.logcumsumexp(-1)),
    "rand": on((1,), lambda lib, x: lib.rand(N)),
    "randn": on((1,), lambda lib, x: lib.randn(N)),
    "randperm": on((1,), lambda lib, x: lib.randperm(N)),
    "arange": on((1,), lambda lib, x: lib.arange(N)),
    "zeros": on((1,), lambda lib, x: lib.zeros(N)),
    "multinomial": on((64, 4096), lambda lib, x: lib.multinomial(x.abs(), 8)),
    "einsum bij,bjk->bik": on((16, 128, 128), lambda lib, x: lib.einsum("bij,bjk->bik", x, x)),
    "cdist": on((256, 64), lambda lib, x: lib.cdist(x, x)),
    "softmax": on((512, 512), lambda lib, x: x.softmax(-1), True),
    "log_softmax": on((512, 512), lambda lib, x: x.log_softmax(-1), True),
    "softmax of columns": on((512, 512), lambda lib, x: x.softmax(0), True),
    "glu": on((512, 512), lambda lib, x: lib.nn.functional.glu(x), True),
    "layer_norm": on((512, 512), lambda lib, x: lib.nn.functional.layer_norm(x, (512,)), True),
    "rms_norm": on((512, 512), lambda lib, x: lib.nn.functional.rms_norm(x, (512,)), True),
    "group_norm": on(IMAGE, lambda lib, x: lib.nn.functional.group_norm(x, 8), True),
    "instance_norm": on(IMAGE, lambda lib, x: lib.nn.functional.instance_norm(x), True),
    "local_response_norm": on(IMAGE, lambda lib, x: lib.nn.functional.local_response_norm(x, 5), True),
    "normalize": on((512, 512), lambda lib, x: lib.nn.functional.normalize(x), True),
    "dropout": on((512, 512), lambda lib, x: lib.nn.functional.dropout(x, 0.1), True),
    "dropout2d": on(IMAGE, lambda lib, x: lib.nn.functional.dropout2d(x, 0.1), True),
    "max_pool1d": on((32, 32, 256), lambda lib, x: lib.nn.functional.max_pool1d(x, 2), True),
    "max_pool2d": on(IMAGE, lambda lib, x: lib.nn.functional.max_pool2d(x, 2), True),
    "max_pool3d": on((4, 16, 16, 16, 16), lambda lib, x: lib.nn.functional.max_pool3d(x, 2), True),
    "avg_pool1d": on((32, 32, 256), lambda lib, x: lib.nn.functional.avg_pool1d(x, 2), True),
    "avg_pool2d": on(IMAGE, lambda lib, x: lib.nn.functional.avg_pool2d(x, 2), True),
    "avg_pool3d": on((4, 16, 16, 16, 16), lambda lib, x: lib.nn.functional.avg_pool3d(x, 2), True),
    "adaptive_avg_pool2d": on(IMAGE, lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, 7), True),
    "adaptive_max_pool2d": on(IMAGE, lambda lib, x: lib.nn.functional.adaptive_max_pool2d(x, 7), True),
    "lp_pool2d": on(IMAGE, lambda lib, x: lib.nn.functional.lp_pool2d(x, 2, 2), True),
    "fractional_max_pool2d": on(IMAGE, lambda lib, x: lib.nn.functional.fractional_max_pool2d(x, 2, output_size=16), True),
    "unfold": on(IMAGE, lambda lib, x: lib.nn.functional.unfold(x, 3), True),
    "fold": on((8, 72, 900), lambda lib, x: lib.nn.functional.fold(x, (32, 32), 3), True),
    "pad constant": on(IMAGE, lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1)), True),
    "pad reflect": on(IMAGE, lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"), True),
    "pad replicate": on(IMAGE, lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), True),
    "pad circular": on(IMAGE, lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1), mode="circular"), True),
    "interpolate nearest": on(IMAGE, lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2), True),
    "interpolate bilinear": on(IMAGE, lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), True),
    "interpolate bicubic": on(IMAGE, lambda lib, x: lib.nn.functional.interpolate(x, scale_factor=2, mode="bicubic"), True),
    "interpolate area": on(IMAGE, lambda lib, x: lib.nn.functional.interpolate(x, size=(16, 16), mode="area"), True),
    "pixel_shuffle": on(IMAGE, lambda lib, x: lib.nn.functional.pixel_shuffle(x, 2), True),
    "pixel_unshuffle": on(IMAGE, lambda lib, x: lib.nn.functional.pixel_unshuffle(x, 2), True),
    "channel_shuffle": on(IMAGE, lambda lib, x: lib.nn.functional.channel_shuffle(x, 4), True),
    "grid_sample": on(
        (8, 32, 32, 32), lambda lib, x: lib.nn.functional.grid_sample(x, x[:, :2].permute(0, 2, 3, 1), align_corners=False)
    ),
    "conv1d": on(
        (8, 64, 512),
        lambda lib, x: lib.nn.functional.conv1d(x, x[:, :64, :64].reshape(8 * 64, 64)[:64, :, None].expand(64, 64, 3), padding=1),
    ),
    "conv_transpose2d": on(
        IMAGE, lambda lib, x: lib.nn.functional.conv_transpose2d(x, x[0, :, :16, :9].reshape(32, 16, 3, 3), stride=2)
    ),
    "conv3d": on(
        (2, 16, 16, 16, 32), lambda lib, x: lib.nn.functional.conv3d(x, x[0, :, 0, :16, :27].reshape(16, 16, 3, 3, 3), padding=1)
    ),
    "cosine_similarity": on((512, 512), lambda lib, x: lib.nn.functional.cosine_similarity(x, x.detach() * 2 + 1), True),
    "pairwise_distance": on((512, 512), lambda lib, x: lib.nn.functional.pairwise_distance(x, x.detach() * 2), True),
    "pdist": on((256, 64), lambda lib, x: lib.nn.functional.pdist(x), True),
    "embedding": indexed(lambda lib, x, i: lib.nn.functional.embedding(i, x), train=True),
    "embedding_bag": indexed(lambda lib, x, i: lib.nn.functional.embedding_bag(i.view(-1, 8), x, mode="mean"), train=True),
    "index_select": indexed(lambda lib, x, i: x.index_select(0, i), train=True),
    "x[i]": indexed(lambda lib, x, i: x[i], train=True),
    "gather": indexed(lambda lib, x, i: x.gather(0, i[:, None].expand(-1, 64)), train=True),
    "scatter": indexed(lambda lib, x, i: x.scatter(0, i[:, None].expand(-1, 64), 1.0)),
    "scatter_add": indexed(lambda lib, x, i: x.scatter_add(0, i[:, None].expand(-1, 64), x)),
    "index_add": indexed(lambda lib, x, i: x.index_add(0, i, x)),
    "index_put": indexed(lambda lib, x, i: x.index_put((i,), x)),
    "bincount": indexed(lambda lib, x, i: i.bincount(), N, 1),
    "one_hot": indexed(lambda lib, x, i: lib.nn.functional.one_hot(i[:512] % 512, 512), N, 1),
    "unique": indexed(lambda lib, x, i: i.unique(), N, 1),
    "searchsorted": indexed(lambda lib, x, i: lib.searchsorted(x[:, 0].sort().values, x[:, 0]), N, 1),
    "cross_entropy": indexed(lambda lib, x, i: lib.nn.functional.cross_entropy(x, i % 64), train=True),
    "nll_loss": indexed(lambda lib, x, i: lib.nn.functional.nll_loss(x, i % 64), train=True),
    "multi_margin_loss": indexed(lambda lib, x, i: lib.nn.functional.multi_margin_loss(x, i % 64), train=True),
    "triplet_margin_loss": indexed(
        lambda lib, x, i: lib.nn.functional.triplet_margin_loss(x, x.detach() + 1, x.detach() * 2), train=True
    ),
    "clip_grad_norm": on((512, 512), lambda lib, x: lib.nn.utils.get_total_norm([x])),
}

CASES = [
    *(Case(f"surface: {n}", unary(n)) for n in UNARY),
    *(Case(f"surface: {n}", binary(n)) for n in BINARY),
    *(Case(f"surface: {n}, both ways", activation(n)) for n in ACTIVATIONS),
    *(Case(f"surface: {n} of rows", reduction(n, 1)) for n in REDUCTIONS),
    *(Case(f"surface: {n} of columns", reduction(n, 0)) for n in REDUCTIONS),
    *(Case(f"surface: {n}, both ways", loss(n)) for n in LOSSES),
    *(Case(f"surface: {n}", make) for n, make in SINGLE.items()),
]
