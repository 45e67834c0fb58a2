"""Normalisations and softmax, forward and backward."""

from .case import Case, backward, both


def module(build, shape, mode, channels_last=False):
    """Time `build(lib)` on `shape`: mode is forward, backward or both."""

    def make(lib):
        layer, x = build(lib), lib.randn(*shape)
        if channels_last:
            x = x.contiguous(memory_format=lib.channels_last)
        if mode == "forward":
            return lambda: layer(x)
        x.requires_grad_()
        inputs = [x, *layer.parameters()]
        return both(lambda: layer(x), inputs) if mode == "both" else backward(lambda: layer(x), inputs, lib)

    return make


def softmax(name, rows, columns, mode):
    def make(lib):
        x, f = lib.randn(rows, columns).requires_grad_(mode != "forward"), getattr(lib, name)
        return (lambda: f(x, -1)) if mode == "forward" else both(lambda: f(x, -1), [x])

    return make


def layer_norm(rows, columns):
    size = rows * columns * 4
    build = lambda lib: lib.nn.LayerNorm(columns)  # noqa: E731
    return [
        Case(f"LayerNorm {rows}x{columns}: forward", module(build, (rows, columns), "forward"), bar=2.0, bytes=2 * size),
        Case(f"LayerNorm {rows}x{columns}: backward", module(build, (rows, columns), "backward"), bar=2.2, bytes=3 * size),
    ]


IMAGES = (32, 64, 56, 56)
IMAGE_BYTES = 32 * 64 * 56 * 56 * 4


def batch_norm(lib):
    return lib.nn.BatchNorm2d(64)


def group_norm(lib):
    return lib.nn.GroupNorm(8, 64)


CASES = [
    *(case for size in ((1024, 512), (4096, 512), (1024, 64), (32768, 1024)) for case in layer_norm(*size)),
    Case(
        "RMSNorm 4096x512: forward and backward",
        module(lambda lib: lib.nn.RMSNorm(512), (4096, 512), "both"),
        bar=4,
        bytes=5 * 4096 * 512 * 4,
    ),
    Case("softmax 1024x512", softmax("softmax", 1024, 512, "forward"), bar=1.8, bytes=2 * 1024 * 512 * 4),
    Case("softmax 1024x512: forward and backward", softmax("softmax", 1024, 512, "both"), bytes=5 * 1024 * 512 * 4),
    Case("log_softmax 1024x512", softmax("log_softmax", 1024, 512, "forward"), bar=1.8, bytes=2 * 1024 * 512 * 4),
    Case("BatchNorm2d training, NCHW: forward", module(batch_norm, IMAGES, "forward"), bar=4, bytes=3 * IMAGE_BYTES),
    Case("BatchNorm2d training, NCHW: backward", module(batch_norm, IMAGES, "backward"), bar=2, bytes=5 * IMAGE_BYTES),
    Case(
        "BatchNorm2d training, NHWC: forward and backward",
        module(batch_norm, IMAGES, "both", True),
        bar=1.5,
        bytes=8 * IMAGE_BYTES,
    ),
    Case("GroupNorm, NCHW: forward", module(group_norm, IMAGES, "forward"), bar=1.5, bytes=2 * IMAGE_BYTES),
    Case("GroupNorm, NCHW: backward", module(group_norm, IMAGES, "backward"), bar=2, bytes=3 * IMAGE_BYTES),
    Case("GroupNorm, NHWC: backward", module(group_norm, IMAGES, "backward", True), bar=5, bytes=3 * IMAGE_BYTES),
]
