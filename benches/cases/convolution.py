"""conv2d: 3x3, 7x7 with stride 2, 1x1, depthwise; forward, and forward and backward. max_pool2d."""

from .case import Case, both


def conv(shape, out, kernel, train, **options):
    def make(lib):
        layer = lib.nn.Conv2d(shape[1], out, kernel, **options)
        x = lib.randn(*shape).requires_grad_(train)
        return both(lambda: layer(x), [x, *layer.parameters()]) if train else lambda: layer(x)

    return make


def rows(label, shape, out, kernel, bar, stride=1, groups=1, **options):
    n, c, h, w = shape
    flops = 2.0 * n * out * (h // stride) * (w // stride) * (c // groups) * kernel**2
    options |= {"stride": stride, "groups": groups}
    return [
        Case(f"conv2d {label}: forward", conv(shape, out, kernel, False, **options), bar=bar, flops=flops),
        Case(f"conv2d {label}: forward and backward", conv(shape, out, kernel, True, **options), bar=bar, flops=3 * flops),
    ]


def max_pool(lib):
    x = lib.randn(32, 64, 56, 56)
    return lambda: lib.nn.functional.max_pool2d(x, 3, 2, 1)


CASES = [
    *rows("3x3, 64 channels, 8x56x56", (8, 64, 56, 56), 64, 3, 0.95, padding=1),
    *rows("3x3, 256 channels, 8x14x14", (8, 256, 14, 14), 256, 3, 0.95, padding=1),
    *rows("3x3, 512 channels, 8x7x7", (8, 512, 7, 7), 512, 3, 0.95, padding=1),
    *rows("7x7 stride 2, 3 to 64 channels, 4x224x224", (4, 3, 224, 224), 64, 7, 1.5, stride=2, padding=3),
    *rows("1x1, 256 to 256 channels, 8x28x28", (8, 256, 28, 28), 256, 1, 1.5),
    *rows("3x3 depthwise, 128 channels, 8x56x56", (8, 128, 56, 56), 128, 3, 1.8, groups=128, padding=1),
    Case("max_pool2d 32x64x56x56, 3x3 stride 2", max_pool, bytes=1.25 * 32 * 64 * 56 * 56 * 4),
]
