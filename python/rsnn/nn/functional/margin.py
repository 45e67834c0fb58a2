"""Losses that compare scores or distances with a margin."""

from __future__ import annotations

import rsnn

from .arguments import legacy_reduction, reduced, scalar_type
from .dense import pairwise_distance

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _positive(x):
    """Keep what is above zero; unlike a clamp, NaN becomes zero and zero has no slope."""
    return rsnn.where(x > 0, x, rsnn.zeros_like(x))


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Compute log(1 + exp(−y·x)) for targets ±1."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return reduced(((-target).to(input.dtype) * input).exp().log1p(), reduction)


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """Compute x where the target is 1 and max(0, margin − x) where it is −1."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    zero = rsnn.zeros_like(input)
    loss = rsnn.where(target != 1, (margin - input).clamp_min(0), zero) + rsnn.where(target != -1, input, zero)
    return reduced(loss, reduction)


def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """Compute max(0, −y·(x1 − x2) + margin)."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """Compute 1 − cos(x1, x2) where the target is 1 and max(0, cos(x1, x2) − margin) where it is −1."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target.dim() == 1:
        if input1.dim() != 2:
            raise RuntimeError("1D target tensor expects 2D input tensors, but found inputs with sizes "
                               f"{list(input1.shape)} and {list(input2.shape)}.")  # fmt: skip
    elif target.dim() == 0:
        if input1.dim() != 1:
            raise RuntimeError("0D target tensor expects 1D input tensors, but found inputs with sizes "
                               f"{list(input1.shape)} and {list(input2.shape)}.")  # fmt: skip
    else:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    # eps keeps the square root's slope finite at zero vectors.
    eps = 1e-12
    product = (input1 * input2).sum(-1)
    cosine = product / ((input1.square().sum(-1) + eps) * (input2.square().sum(-1) + eps)).sqrt()
    zero = rsnn.zeros_like(cosine)
    loss = rsnn.where(target == 1, 1 - cosine, zero) + rsnn.where(target == -1, (cosine - margin).clamp_min(0), zero)
    return reduced(loss, reduction)


def _check_classes(input):
    if input.dim() > 2 or 0 in input.shape[-1:]:
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}")


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Compute Σ_j max(0, margin − x[y] + x[j])**p / C over the classes j ≠ y."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    _check_classes(input)
    x = input if input.dim() == 2 else input.reshape(1, -1)
    index = target.reshape(-1, 1)
    if x.shape[0] != index.shape[0]:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). "
            f"Expected target size [{x.shape[0]}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.shape[0] != x.shape[1]:
        raise RuntimeError(f"inconsistent weight size, expected {x.shape[1]} but got {list(weight.shape)}")
    if index.numel() and bool(((index < 0) | (index >= x.shape[1])).any()):
        raise RuntimeError("target out of range")
    terms = _positive(margin - x.gather(1, index) + x)
    if p == 2:
        terms = terms.square()
    if weight is not None:
        terms = terms * weight.index_select(0, index.view(-1)).unsqueeze(1)
    loss = terms.scatter(1, index, 0.0).sum(1) / x.shape[1]
    return reduced(loss if input.dim() == 2 else loss.squeeze(0), reduction)


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Compute Σ_ij max(0, 1 − x[y_j] + x[i]) / C over the labels y_j before the first −1 and the classes i among none."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if input.shape != target.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _check_classes(input)
    x = input if input.dim() == 2 else input.reshape(1, -1)
    if target.dtype != rsnn.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target)}")
    labels = target.reshape(x.shape)
    if bool(((labels < -1) | (labels >= x.shape[1])).any()):
        raise RuntimeError("argument #2 'target' is out of range")
    valid = (labels < 0).long().cumsum(1) == 0
    index = labels.masked_fill(~valid, 0)
    is_label = rsnn.zeros_like(labels).scatter_add_(1, index, valid.long()) > 0
    # (N, label, class)
    terms = _positive(1 - x.gather(1, index).unsqueeze(2) + x.unsqueeze(1))
    terms = terms.masked_fill(~valid.unsqueeze(2) | is_label.unsqueeze(1), 0)
    loss = terms.sum((1, 2)) / x.shape[1]
    return reduced(loss if input.dim() == 2 else loss.squeeze(0), reduction)


def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """Compute max(0, d(anchor, positive) − d(anchor, negative) + margin) with d the p-norm distance.

    Args:
        swap: use d(positive, negative) where it is the smaller one (Balntas et al. 2016).
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda x, y: pairwise_distance(x, y, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """Compute `triplet_margin_loss` with any distance, the Euclidean one without it."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    to_positive, to_negative = distance(anchor, positive), distance(anchor, negative)
    if swap:
        to_negative = to_negative.minimum(distance(positive, negative))
    return reduced((margin + to_positive - to_negative).clamp_min(0), reduction)
