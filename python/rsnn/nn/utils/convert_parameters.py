"""Parameters as one vector and back."""

from __future__ import annotations

import rsnn
from rsnn import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_device(param, first):
    if first is not None and param.device != first:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return param.device


def parameters_to_vector(parameters):
    """Join parameters into one vector."""
    device, parts = None, []
    for param in parameters:
        device = _check_device(param, device)
        parts.append(param.reshape(-1))
    return rsnn.cat(parts)


def vector_to_parameters(vec, parameters) -> None:
    """Cut a vector into the data of parameters."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected rsnn.Tensor, but got: {type(vec).__name__}")
    device, start = None, 0
    for param in parameters:
        device = _check_device(param, device)
        size = param.numel()
        param.data = vec[start : start + size].view_as(param).data
        start += size
