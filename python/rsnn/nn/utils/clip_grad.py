"""Bounds on gradients."""

from __future__ import annotations

import types
import warnings

import rsnn
from rsnn import Tensor

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm",
]  # fmt: skip


def _listed(parameters):
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Return the p-norm of all tensors' elements together.

    Args:
        norm_type: p, or infinity.
        error_if_nonfinite: raise when the norm is NaN or infinite.
        foreach: accepted.
    """
    tensors = _listed(tensors)
    if not tensors:
        return rsnn.tensor(0.0)
    norm_type = float(norm_type)
    device = tensors[0].device
    with rsnn.no_grad():
        norms = [tensor.norm(norm_type) for tensor in tensors]
        total = norms[0] if len(norms) == 1 else rsnn.stack([norm.to(device) for norm in norms]).norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None) -> None:
    """Scale gradients in place by min(1, max_norm / (total_norm + 1e-6))."""
    grads = [param.grad for param in _listed(parameters) if param.grad is not None]
    if not grads:
        return
    # A tensor all the way: reading the number would wait for the device.
    with rsnn.no_grad():
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(scale.to(grad.device))


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients together so that their norm is at most `max_norm`; return the norm before.

    >>> layer = rsnn.nn.Linear(2, 2)
    >>> layer(rsnn.ones(1, 2)).sum().backward()
    >>> norm = rsnn.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    """
    max_norm = float(max_norm)
    listed = _listed(parameters)
    if not listed and isinstance(parameters, types.GeneratorType):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    parameters = listed
    total = get_total_norm(
        [param.grad for param in parameters if param.grad is not None], norm_type, error_if_nonfinite, foreach
    )
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Call `clip_grad_norm_`, its name today."""
    warnings.warn(
        "`rsnn.nn.utils.clip_grad_norm` is now deprecated in favor of `rsnn.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters, clip_value, foreach=None) -> None:
    """Clamp each gradient element to [−clip_value, clip_value]."""
    clip_value = float(clip_value)
    with rsnn.no_grad():
        for param in _listed(parameters):
            if param.grad is not None:
                param.grad.clamp_(min=-clip_value, max=clip_value)
