"""scaled_dot_product_attention at three shapes, causal, with dropout, backward, and one query against a cache."""

from .case import Case, both

SHAPES = {(8, 8, 128, 64): (1.7, 1.8, 1.5), (4, 12, 512, 64): (1.4, 2.0, 1.4), (1, 16, 2048, 64): (1.25, 1.4, 1.3)}


def attention(shape, train=False, causal=False, dropout=0.0, queries=None):
    def make(lib):
        b, h, t, d = shape
        q = lib.randn(b, h, queries or t, d).requires_grad_(train)
        k, v = (lib.randn(*shape).requires_grad_(train) for _ in range(2))
        f = lib.nn.functional.scaled_dot_product_attention
        forward = lambda: f(q, k, v, dropout_p=dropout, is_causal=causal)  # noqa: E731
        return both(forward, [q, k, v]) if train else forward

    return make


def rows(shape, bars):
    b, h, t, d = shape
    flops = 4.0 * b * h * t * t * d
    name = f"attention {shape}"
    forward, causal, train = bars
    return [
        Case(f"{name}: forward", attention(shape), bar=forward, flops=flops),
        Case(f"{name}: forward, causal", attention(shape, causal=True), bar=causal, flops=flops / 2),
        Case(f"{name}: forward and backward", attention(shape, train=True), bar=train, flops=3.5 * flops),
        Case(f"{name}: forward and backward, dropout 0.1", attention(shape, train=True, dropout=0.1), bar=5, flops=3.5 * flops),
    ]


CASES = [case for shape, bars in SHAPES.items() for case in rows(shape, bars)]
CASES += [
    Case(
        "attention: 1 query, 2048 keys, 16 heads", attention((1, 16, 2048, 64), queries=1), bar=1.5, bytes=2 * 16 * 2048 * 64 * 4
    ),
]
