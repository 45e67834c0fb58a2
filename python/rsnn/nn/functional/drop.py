"""Dropout in its kinds: elements, whole channels, and the self-normalizing variants."""

from __future__ import annotations

import math
import warnings

import rsnn
from rsnn import _rsnn as _C

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

# -SELU_SCALE * SELU_ALPHA, the value selu saturates at, negated.
_ALPHA = 1.7580993408473766


def _check(p):
    if not 0.0 <= p <= 1.0:
        # torch looks twice: NaN passes its first check.
        raise (RuntimeError if p != p else ValueError)(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability `p` and scale the others by 1 / (1 − p).

    Raises: ValueError when `p` is outside [0, 1].
    """
    if not 0.0 <= p <= 1.0:
        _check(p)
    if p == 0.0 or not training:
        return input
    if p == 1.0:
        return input.mul_(0.0) if inplace else input * 0.0
    return input.copy_(_C.dropout(input, p)) if inplace else _C.dropout(input, p)


def _feature_noise(input, p):
    shape = [*input.shape[:2], *([1] * (input.dim() - 2))]
    return rsnn.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(1 - p)


def _feature_dropout(input, p, training, inplace):
    if p == 0.0 or not training or input.numel() == 0:
        return input
    if p == 1.0:
        return input.mul_(0.0) if inplace else input * 0.0
    noise = _feature_noise(input, p).div_(1 - p)
    return input.mul_(noise) if inplace else input * noise


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of a (C, L) or (N, C, L) input with probability `p`."""
    _check(p)
    ndim = input.dim()
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    if ndim == 3:
        return _feature_dropout(input, p, training, inplace)
    out = _feature_dropout(input.unsqueeze(0), p, training, inplace)
    return out.squeeze(0)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of an (N, C, H, W) input with probability `p`."""
    _check(p)
    ndim = input.dim()
    if ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {ndim}-D input to dropout2d, which is deprecated and will result in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead. Note that "
            "dropout2d exists to provide channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, "
            "and an optional batch dimension (i.e. 3D or 4D inputs).",
            stacklevel=2,
        )
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _feature_dropout(input, p, training, inplace)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of a (C, D, H, W) or (N, C, D, H, W) input with probability `p`."""
    _check(p)
    ndim = input.dim()
    if ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {ndim}-D input to dropout3d, which is deprecated and will result in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead. Note that "
            "dropout3d exists to provide channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, "
            "and an optional batch dimension (i.e. 4D or 5D inputs).",
            stacklevel=2,
        )
    if ndim != 4:
        return _feature_dropout(input, p, training, inplace)
    return _feature_dropout(input.unsqueeze(0), p, training, inplace).squeeze(0)


def _alpha_dropout(input, noise, p, inplace):
    # a and b bring mean and variance back to what they were (Klambauer et al. 2017).
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = (noise - 1) * (_ALPHA * a) + _ALPHA * a * p
    noise = noise * a
    return input.mul_(noise).add_(shift) if inplace else input * noise + shift


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Set elements to selu's negative limit with probability `p`, keeping mean and variance."""
    _check(p)
    if p == 0.0 or not training or input.numel() == 0:
        return input
    if p == 1.0:
        return input.mul_(0.0) if inplace else input * 0.0
    return _alpha_dropout(input, rsnn.empty_like(input).bernoulli_(1 - p).detach(), p, inplace)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Apply `alpha_dropout` to whole channels."""
    _check(p)
    if p == 0.0 or not training or input.numel() == 0:
        return input
    if p == 1.0:
        return input.mul_(0.0) if inplace else input * 0.0
    return _alpha_dropout(input, _feature_noise(input, p), p, inplace)
