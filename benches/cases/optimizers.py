"""One AdamW step over 10.5 million parameters in 40 tensors."""

from .case import Case

SHAPES = [(1024, 512), (1024,), (1024, 512), (512,)] * 10


def adamw(**torch_options):
    def make(lib):
        params = [lib.nn.Parameter(lib.randn(*shape)) for shape in SHAPES]
        for p in params:
            p.grad = lib.randn(*p.shape)
        optimizer = lib.optim.AdamW(params, lr=1e-3, **(torch_options if lib.__name__ == "torch" else {}))
        return optimizer.step

    return make


BYTES = 7 * 4 * 10.5e6
CASES = [
    Case("AdamW step, 10.5 million parameters, against torch's default", adamw(), bar=2.5, bytes=BYTES),
    Case("AdamW step, 10.5 million parameters, against torch's fused", adamw(fused=True), bar=1.0, bytes=BYTES),
]
