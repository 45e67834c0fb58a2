"""Matrix products: square, skinny, batched, and in other dtypes; `sweep` walks through neighbouring sizes."""

from .case import Case, without_grad


def matmul(m, n, k, dtype="float32", batch=None):
    def make(lib):
        lead = () if batch is None else (batch,)
        a = lib.randn(*lead, m, k).to(getattr(lib, dtype))
        b = lib.randn(*lead, k, n).to(getattr(lib, dtype))
        return lambda: a @ b

    return make


def linear(m):
    def make(lib):
        layer, x = lib.nn.Linear(512, 2048), lib.randn(m, 512)
        return without_grad(lib, lambda: layer(x))

    return make


def square(n, bar):
    return Case(f"gemm: n={n}", matmul(n, n, n), bar=bar, flops=2.0 * n**3)


def batched(count, m, n, k, bar):
    return Case(f"gemm: batched {count}x({m},{n},{k})", matmul(m, n, k, batch=count), bar=bar, flops=2.0 * count * m * n * k)


CASES = [
    *(square(n, 1.5) for n in (16, 32, 64)),
    *(square(n, 1.05) for n in (128, 256)),
    *(square(n, 1.03) for n in (512, 1024, 2048, 4096)),
    *(
        Case(f"linear: 512 to 2048, m={m}, no grad", linear(m), bar=bar, flops=2.0 * m * 512 * 2048)
        for m, bar in ((1, 2.0), (8, 2.0), (64, 1.15), (128, 1.15), (1024, 1.05), (4096, 1.05))
    ),
    Case("gemm: float64 n=1024", matmul(1024, 1024, 1024, "float64"), bar=1.1, flops=2.0 * 1024**3, kind="f64"),
    Case("gemm: bfloat16 n=1024", matmul(1024, 1024, 1024, "bfloat16"), bar=0.9, flops=2.0 * 1024**3),
    Case("gemm: float16 n=512", matmul(512, 512, 512, "float16"), bar=20, flops=2.0 * 512**3),
    batched(64, 128, 64, 128, 1.05),
    batched(512, 16, 64, 16, 1.2),
    batched(1024, 8, 8, 8, 3),
]


def sweep() -> list[Case]:
    """Sizes beside the rows: odd, prime, one past a tile. Their share of the peak says whether a row was tuned alone."""
    sizes = [(n, n, n) for n in (15, 17, 31, 33, 61, 65, 97, 127, 129, 191, 251, 257, 383, 509, 513, 769, 1021, 1025)]
    sizes += [(m, 2048, 512) for m in (3, 7, 13, 31, 63, 65, 127, 129)] + [(1000, 1000, 64), (64, 1000, 1000), (1000, 64, 1000)]
    return [Case(f"sweep: {m}x{n}x{k}", matmul(m, n, k), flops=2.0 * m * n * k) for m, n, k in sizes]
