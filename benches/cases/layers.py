"""TransformerEncoderLayer: training steps and inference; a six-layer encoder; a small MLP."""

from .case import Case, without_grad


def training(lib, model, loss):
    # As a user writes it, with the defaults of each library; optimizers.py has torch's fused step too.
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-4)

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def layer(lib, dropout):
    return lib.nn.TransformerEncoderLayer(512, 8, 2048, dropout=dropout, batch_first=True)


def encoder_step(batch, length, dropout, layers=1):
    def make(lib):
        model = layer(lib, dropout)
        if layers > 1:
            model = lib.nn.TransformerEncoder(model, layers)
        x = lib.randn(batch, length, 512)
        return training(lib, model, lambda: model(x).square().mean())

    return make


def inference(batch, length):
    def make(lib):
        model, x = layer(lib, 0.1).eval(), lib.randn(batch, length, 512)
        return without_grad(lib, lambda: model(x))

    return make


def mlp(batch):
    def make(lib):
        model = lib.nn.Sequential(lib.nn.Linear(784, 256), lib.nn.ReLU(), lib.nn.Linear(256, 10))
        x, y = lib.randn(batch, 784), lib.randint(0, 10, (batch,))
        return training(lib, model, lambda: lib.nn.functional.cross_entropy(model(x), y))

    return make


def flops(batch, length):
    """Multiply-adds of one layer forward, times two."""
    return 2.0 * batch * length * (4 * 512 * 512 + 2 * 512 * 2048) + 4.0 * batch * 8 * length * length * 64


CASES = [
    *(
        Case(f"encoder layer ({b},{t}): training step, dropout 0.1", encoder_step(b, t, 0.1), bar=bar, flops=3 * flops(b, t))
        for b, t, bar in ((8, 128, 1.6), (32, 128, 1.5), (1, 16, 2.5))
    ),
    *(
        Case(f"encoder layer ({b},{t}): training step, dropout 0", encoder_step(b, t, 0.0), bar=1.2, flops=3 * flops(b, t))
        for b, t in ((8, 128), (32, 128), (1, 16))
    ),
    *(
        Case(f"encoder layer ({b},{t}): inference", inference(b, t), bar=bar, flops=flops(b, t))
        for b, t, bar in ((8, 128, 1.15), (1, 128, 1.2), (1, 16, 2))
    ),
    Case("6-layer encoder (8,128): training step, dropout 0.1", encoder_step(8, 128, 0.1, 6), bar=1.2, flops=18 * flops(8, 128)),
    Case("MLP 784-256-10, batch 1: training step", mlp(1), bar=8),
    Case("MLP 784-256-10, batch 64: training step", mlp(64), bar=2, flops=6.0 * 64 * (784 * 256 + 2560)),
]
