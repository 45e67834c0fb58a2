"""Vector functions, activations, dropout and cross-entropy."""

from .case import Case, backward, both

ROWS, COLUMNS = 1024, 512
SIZE = ROWS * COLUMNS * 4


def function(name, mode, **options):
    def make(lib):
        x = lib.randn(ROWS, COLUMNS).requires_grad_(mode == "backward")
        f = getattr(lib, name, None) or getattr(lib.nn.functional, name)
        run = lambda: f(x, **options)  # noqa: E731
        return run if mode == "forward" else backward(run, [x], lib)

    return make


def rows(name, bar, bar_backward=2, label=None, **options):
    label = label or name
    return [
        Case(f"{label} {ROWS}x{COLUMNS}: forward", function(name, "forward", **options), bar=bar, bytes=2 * SIZE),
        Case(f"{label} {ROWS}x{COLUMNS}: backward", function(name, "backward", **options), bar=bar_backward, bytes=3 * SIZE),
    ]


def dropout(lib):
    x = lib.randn(ROWS, COLUMNS)
    return lambda: lib.nn.functional.dropout(x, 0.1)


def cross_entropy(rows, columns):
    def make(lib):
        x, y = lib.randn(rows, columns).requires_grad_(), lib.randint(0, columns, (rows,))
        return both(lambda: lib.nn.functional.cross_entropy(x, y), [x])

    return make


CASES = [
    *rows("exp", 3),
    *rows("tanh", 4),
    *rows("erf", 2),
    *rows("sigmoid", 2),
    *rows("gelu", 1.8),
    *rows("gelu", 1.8, label="gelu (tanh)", approximate="tanh"),
    *rows("silu", 2),
    Case(f"dropout {ROWS}x{COLUMNS}", dropout, bar=30, bytes=2 * SIZE),
    Case("cross_entropy 1024x50304: forward and backward", cross_entropy(1024, 50304), bar=6, bytes=3 * 1024 * 50304 * 4),
    Case("cross_entropy 2048x84: forward and backward", cross_entropy(2048, 84), bytes=3 * 2048 * 84 * 4),
]
