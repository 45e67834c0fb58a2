"""Losses against values."""

from __future__ import annotations

import math
import warnings

import rsnn
from rsnn import _rsnn as _C

from .arguments import legacy_reduction, reduced

__all__ = [
    "gaussian_nll_loss", "huber_loss", "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss",
]  # fmt: skip


def _pair(input, target):
    if target.shape == input.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
        "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    return rsnn.broadcast_tensors(input, target)


def _weighted(loss, input, weight, reduction, mean_by_weight=True):
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    if reduction == "mean" and mean_by_weight:
        return loss.sum() / weight.sum()
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    return reduced(loss, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Compute (input − target)².

    Args:
        weight: a factor for each element; the mean is then a weighted one.
    """
    x, y = _pair(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return _weighted((x - y).square(), input, weight, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Compute |input − target|.

    Args:
        weight: a factor for each element; the mean is then a weighted one.
    """
    x, y = _pair(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return _weighted((x - y).abs(), input, weight, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Compute 0.5·d² / beta for d = |input − target| < beta, else d − 0.5·beta."""
    x, y = _pair(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta")
    difference = x - y
    return reduced(_C.unary("huber", difference, beta, 1.0) if beta else difference.abs(), reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Compute 0.5·d² for d = |input − target| <= delta, else delta·(d − 0.5·delta)."""
    x, y = _pair(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    loss = _C.unary("huber", x - y, delta, delta).to(input.dtype)
    return _weighted(loss, input, weight, reduction, mean_by_weight=False)


def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """Compute exp(x) − y·x, or x − y·log(x + eps) when `log_input` is false.

    Args:
        full: add Stirling's approximation of log(y!) where y > 1.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Compute 0.5·(log var + (input − target)² / var), with var at least `eps`.

    Args:
        var: the variance, of the shape of `input`, with its last dimension missing or one dimension of size 1, or a float.
        full: add 0.5·log 2π.

    Raises: ValueError for a negative variance or one of another shape.
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * rsnn.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not (
            input.ndim == var.ndim and sum(v for i, v in zip(input.shape, var.shape, strict=True) if i != v) == 1
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    var = var.clone()
    # The gradient passes through the clamp as if it were not there.
    with rsnn.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target).square() / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
