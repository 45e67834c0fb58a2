"""linear_cross_entropy by blocks of rows: the values and gradients of all rows at once, without the memory for them."""

import subprocess
import sys

import numpy as np
import pytest

ROWS, FEATURES, CLASSES = 7, 3, 5
CASES = [
    pytest.param(reduction, ignore, smoothing, bias, weight, outer, probabilities)
    for reduction in ("mean", "sum", "none")
    for ignore, smoothing, bias, weight, outer, probabilities in (
        (None, 0.0, False, False, (), False),
        (3, 0.2, True, True, (), False),
        (3, 0.2, True, True, (2,), False),
        (None, 0.0, True, False, (), True),
        (None, 0.1, False, True, (2,), True),
    )
]


def inputs(lib, bias, weight, outer, probabilities):
    state = np.random.RandomState(0)
    draw = lambda *shape: lib.from_numpy(state.randn(*shape)).requires_grad_()
    ins = [draw(ROWS, FEATURES), draw(CLASSES, *outer, FEATURES)] + [draw(CLASSES, *outer)] * bias
    target = state.rand(ROWS, CLASSES, *outer) if probabilities else state.randint(0, CLASSES, (ROWS, *outer))
    return ins, lib.from_numpy(target), lib.from_numpy(state.rand(CLASSES) + 0.3) if weight else None


@pytest.mark.parametrize(("reduction", "ignore", "smoothing", "bias", "weight", "outer", "probabilities"), CASES)
def test_blocks_give_what_all_rows_give(same, reduction, ignore, smoothing, bias, weight, outer, probabilities):
    def scenario(lib, record):
        ins, target, classes = inputs(lib, bias, weight, outer, probabilities)
        # torch's own blocks have no second derivative and know few of the arguments.
        own = lib.__name__ == "rsnn"
        loss = lib.nn.functional.linear_cross_entropy(
            *ins[:2], target, linear_bias=ins[2] if bias else None, weight=classes, reduction=reduction, ignore_index=ignore,
            label_smoothing=smoothing, options=lib.nn.LinearCrossEntropyOptions(batch_chunk_size=2) if own else None,
        )  # fmt: skip
        total = (loss * lib.linspace(1, 2, loss.numel(), dtype=loss.dtype).reshape(loss.shape)).sum()
        plain = lib.autograd.grad(total, ins, retain_graph=True)
        first = lib.autograd.grad(total, ins, create_graph=True)
        second = lib.autograd.grad(sum((g * g).sum() for g in first), ins)
        record(loss.detach(), *plain, *[g.detach() for g in first], *second)

    same(scenario)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradcheck(rsnn, reduction):
    ins, target, _ = inputs(rsnn, True, False, (), False)

    def f(x, w, b):
        options = rsnn.nn.LinearCrossEntropyOptions(batch_chunk_size=3)
        return rsnn.nn.functional.linear_cross_entropy(x, w, target, linear_bias=b, reduction=reduction, options=options)

    assert rsnn.autograd.gradcheck(f, ins)
    assert rsnn.autograd.gradgradcheck(f, ins)


MEMORY = """
import rsnn
x, w = rsnn.ones(4096, 8).requires_grad_(), rsnn.ones(4096, 8).requires_grad_()
target = rsnn.zeros(4096, dtype=rsnn.int64)
for reduction in ("mean", "none"):
    rsnn.nn.functional.linear_cross_entropy(x, w, target, reduction=reduction).sum().backward()
print(rsnn.memory.stats()["peak"])
"""


def test_logits_never_exist_at_once():
    """In a process of its own, whose peak is that of the loss."""
    said = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 4096 * 4096 * 4 / 2


def test_autocast_reads_lower_precision(rsnn):
    x, w = rsnn.randn(64, 16).requires_grad_(), rsnn.randn(8, 16).requires_grad_()
    target = rsnn.randint(0, 8, (64,))
    options = rsnn.nn.LinearCrossEntropyOptions(batch_chunk_size=16)
    losses = []
    for chosen in (None, options):
        with rsnn.autocast("cpu"):
            losses.append(rsnn.nn.functional.linear_cross_entropy(x, w, target, options=chosen))
        losses[-1].backward()
    assert losses[0].dtype == losses[1].dtype == rsnn.float32
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-3)
    assert x.grad.dtype == w.grad.dtype == rsnn.float32
