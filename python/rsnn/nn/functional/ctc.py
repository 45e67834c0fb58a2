"""Connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

import rsnn
from rsnn import _rsnn as _C

__all__ = ["ctc_loss"]


def _lengths(lengths):
    values = lengths.tolist() if isinstance(lengths, rsnn.Tensor) else list(lengths)
    return values if isinstance(values, list) else [values]


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """Compute the negative log-likelihood of label sequences summed over all alignments.

    As in torch, the gradient is that of scores before a log-softmax, so `log_probs` should come from one.

    Args:
        log_probs: (T, N, C) or (T, C) log-probabilities.
        targets: (N, S), or all sequences joined in one dimension.
        input_lengths, target_lengths: (N,) tensors or sequences of ints.
        blank: the label that stands for no label.
        reduction: "mean" divides each loss by its target length first.
        zero_infinity: replace an infinite loss and its gradient by zero.

    Raises:
        RuntimeError: lengths, targets or `blank` do not fit.

    >>> scores = rsnn.zeros(4, 1, 3).log_softmax(2)
    >>> loss = rsnn.nn.functional.ctc_loss(scores, rsnn.tensor([[1, 2]]), [4], [2])
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    unbatched = log_probs.dim() == 2
    if unbatched:
        log_probs = log_probs.unsqueeze(1)
    out_lengths = _lengths(target_lengths)
    loss = _C.ctc_loss(log_probs, targets, _lengths(input_lengths), out_lengths, blank, zero_infinity)
    if reduction == "mean":
        divisor = rsnn.tensor([max(length, 1) for length in out_lengths], dtype=loss.dtype, device=loss.device)
        return (loss / divisor).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if unbatched else loss
