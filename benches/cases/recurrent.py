"""LSTM and GRU over a sequence, forward and backward."""

from .case import Case, both


def recurrent(kind):
    def make(lib):
        layer = getattr(lib.nn, kind)(128, 256, batch_first=True)
        x = lib.randn(16, 64, 128).requires_grad_()
        return both(lambda: layer(x)[0], [x, *layer.parameters()])

    return make


def flops(gates):
    return 3 * 2.0 * 16 * 64 * gates * 256 * (128 + 256)


CASES = [
    Case("LSTM 128 to 256, batch 16, 64 steps: forward and backward", recurrent("LSTM"), bar=1.25, flops=flops(4)),
    Case("GRU 128 to 256, batch 16, 64 steps: forward and backward", recurrent("GRU"), bar=2, flops=flops(3)),
]
