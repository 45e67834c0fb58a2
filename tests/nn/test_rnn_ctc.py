"""CTC loss beside torch's: both layouts of targets, reductions, impossible and empty samples, gradients of both orders."""

import itertools

import pytest
from harness import numbers, tensor

LENGTHS = ([9, 7, 9, 4, 1], [4, 2, 0, 3, 1])


def targets(lib, joined, classes=6):
    rows = lib.from_numpy(numbers(5, 4, low=1, high=classes, dtype="int64"))
    return lib.cat([row[:n] for row, n in zip(rows, LENGTHS[1])]) if joined else rows


@pytest.mark.parametrize(
    ("joined", "reduction", "dtype", "tensors"),
    list(itertools.product([False, True], ["none", "mean", "sum"], ["float32", "float64"], [False, True])),
    ids=str,
)
def test_values_and_gradients(same, joined, reduction, dtype, tensors):
    def scenario(lib, record):
        scores = tensor(lib, 9, 5, 6, dtype=dtype, grad=True)
        log_probs = scores.log_softmax(2)
        log_probs.retain_grad()
        lengths = [lib.tensor(n) for n in LENGTHS] if tensors else [tuple(n) for n in LENGTHS]
        loss = lib.nn.functional.ctc_loss(log_probs, targets(lib, joined), *lengths, reduction=reduction)
        record(loss)
        (loss * loss).sum().backward()
        record(scores.grad, log_probs.grad)

    same(scenario, tolerance=2e-4 if dtype == "float32" else None)


@pytest.mark.parametrize("zero_infinity", [True, False])
def test_impossible_and_empty(same, zero_infinity):
    def scenario(lib, record):
        scores = tensor(lib, 4, 4, 3, dtype="float64", grad=True)
        log_probs = scores.log_softmax(2)
        labels = lib.tensor([[1, 1, 1], [1, 2, 0], [1, 1, 1], [2, 2, 2]])
        loss = lib.nn.functional.ctc_loss(
            log_probs, labels, (4, 4, 0, 0), (3, 2, 0, 2), reduction="none", zero_infinity=zero_infinity
        )
        record(loss)
        loss.backward(lib.ones_like(loss))
        record(scores.grad)

    same(scenario)


def test_long_sequences_and_other_blanks(same):
    def scenario(lib, record):
        scores = tensor(lib, 200, 3, 30, grad=True)
        labels = lib.from_numpy(numbers(3, 60, low=0, high=29, dtype="int64"))
        loss = lib.nn.CTCLoss(blank=29)(scores.log_softmax(2), labels.int(), [200, 150, 199], [60, 40, 1])
        loss.backward()
        record(loss, scores.grad)

    same(scenario, tolerance=1e-4)


def test_unbatched(same):
    def scenario(lib, record):
        log_probs = tensor(lib, 6, 5).log_softmax(1)
        for reduction in ("none", "mean", "sum"):
            record(
                lib.nn.functional.ctc_loss(
                    log_probs, lib.tensor([1, 2]), lib.tensor(6), lib.tensor(2), reduction=reduction
                )
            )

    same(scenario)


@pytest.mark.parametrize("zero_infinity", [True, False])
def test_second_derivative(rsnn, zero_infinity):
    """torch has none; differences of the first derivative are the oracle."""
    from rsnn.autograd.gradcheck import gradcheck, gradgradcheck

    scores = tensor(rsnn, 4, 3, 3, dtype="float64", grad=True)
    labels = rsnn.tensor([[1, 1], [2, 1], [2, 2]])

    def loss(x):
        return rsnn.nn.functional.ctc_loss(
            x.log_softmax(2), labels, [4, 1 if zero_infinity else 3, 2], [2, 2, 0], reduction="none", zero_infinity=zero_infinity
        )

    assert gradcheck(loss, (scores,), fast_mode=True)
    assert gradgradcheck(loss, (scores,), fast_mode=True)


def test_errors(same):
    def scenario(lib, record):
        loss, x = lib.nn.functional.ctc_loss, lib.zeros(4, 2, 3).log_softmax(-1)
        joined = lib.tensor([1, 2, 1, 1, 1])
        record.raises(lambda: loss(x, lib.tensor([[1, 2], [1, 2]]), [4, 4], [2, 3]), "size at least 3 at dimension 1")
        record.raises(lambda: loss(x, joined[:3], [4, 4], [2, 3]), "Expected tensor to have size 5 at dimension 0")
        record.raises(lambda: loss(x, joined, [4, 5], [2, 3]), "input_lengths to have value at most 4, but got value 5")
        record.raises(lambda: loss(x, joined, [4, -1], [2, 3]), "input_lengths to have value at least 0")
        record.raises(lambda: loss(x, joined, [4, 4], [-2, 3]), "target_lengths to have value at least 0")
        record.raises(lambda: loss(x, joined, [4], [2, 3]), "input_lengths must be of size batch_size")
        record.raises(lambda: loss(x, joined, [4, 4], [2]), "target_lengths must be of size batch_size")
        record.raises(lambda: loss(x, joined, [4, 4], [2, 3], blank=3), "blank must be in label range")
        record.raises(lambda: loss(x, lib.tensor([[1, 2]]), [4, 4], [2, 2]), "have size 2 at dimension 0, but got size 1")
        record.raises(lambda: loss(x, lib.zeros(2, 1, 2).long(), [4, 4], [2, 2]), "Expected 1 to 2 dimensions")
        record.raises(lambda: loss(x, joined, [4, 4], [2, 3], reduction="max"), "max is not a valid value for reduction")

    same(scenario)


def test_labels_outside_the_classes_are_refused(rsnn):
    x = rsnn.zeros(4, 1, 3).log_softmax(-1)
    for bad in (3, -1):
        with pytest.raises(IndexError, match=f"target {bad} is out of bounds for 3 classes"):
            rsnn.nn.functional.ctc_loss(x, rsnn.tensor([[1, bad]]), [4], [2])
