"""Normalization functions."""

from __future__ import annotations

import math

import rsnn
from rsnn import _rsnn as _C

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm",
]  # fmt: skip

_EPSILON = {
    rsnn.float32: 2.0**-23,
    rsnn.float64: 2.0**-52,
    # Half types are normalized in float32.
    rsnn.float16: 2.0**-23,
    rsnn.bfloat16: 2.0**-23,
}


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalize each channel (dimension 1) over all other dimensions: (x − mean) / √(var + eps)·weight + bias.

    Args:
        input: (N, C, *).
        running_mean, running_var: (C,); used when not training, updated in place with `momentum` when training.

    Raises: ValueError when training with one value per channel.
    """
    return _C.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Normalize each channel of each sample over its spatial dimensions.

    Args:
        input: (N, C, *).
        use_input_stats: use the sample's own statistics (and update the running ones), else the running ones.

    Raises: ValueError when the statistics would come from one value.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return _C.batch_norm(input, weight, bias, running_mean, running_var, False, 0.0, eps)
    shape = input.shape
    if math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {shape}")
    batch, channels = shape[:2]
    if running_mean is None and running_var is None:
        return _C.group_norm(input, channels, weight, bias, eps)
    mean = running_mean if running_mean is None else running_mean.repeat(batch)
    var = running_var if running_var is None else running_var.repeat(batch)
    flat = input.reshape(1, batch * channels, *shape[2:])
    out = _C.batch_norm(
        flat,
        weight if weight is None else weight.repeat(batch),
        bias if bias is None else bias.repeat(batch),
        mean, var, True, momentum, eps,
    )  # fmt: skip
    with rsnn.no_grad():
        if running_mean is not None:
            running_mean.copy_(mean.view(batch, channels).mean(0))
        if running_var is not None:
            running_var.copy_(var.view(batch, channels).mean(0))
    return out.view(shape)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalize the last dimensions: (x − mean) / √(var + eps)·weight + bias (Ba et al. 2016).

    Args:
        normalized_shape: the sizes of the dimensions to normalize, the last ones of `input`.

    Raises: RuntimeError when the sizes do not fit `input`, `weight` or `bias`.
    """
    return _C.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Divide by the root mean square over the last dimensions: x / √(mean(x²) + eps)·weight (Zhang & Sennrich 2019).

    Args:
        eps: without it, the machine epsilon of the dtype computed in.
    """
    eps = _EPSILON[input.dtype] if eps is None else eps
    if weight is not None and weight.dtype != input.dtype:
        return (_C.rms_norm(input, normalized_shape, None, eps) * weight).to(input.dtype)
    return _C.rms_norm(input, normalized_shape, weight, eps)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalize groups of channels of each sample (Wu & He 2018).

    Args:
        input: (N, C, *) with C a multiple of `num_groups`.
        weight, bias: (C,).

    Raises: RuntimeError when C is no multiple; ValueError when a group holds one value.
    """
    if num_groups > 0 and math.prod(input.shape) == num_groups and input.dim() >= 2:
        size = [input.shape[0] * input.shape[1] // num_groups, num_groups, *input.shape[2:]]
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")
    return _C.group_norm(input, num_groups, weight, bias, eps)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide by (k + alpha·mean of squares over `size` neighbouring channels)**beta (Krizhevsky et al. 2012)."""
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    return _C.local_response_norm(input, size, alpha, beta, k)


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Divide by max(‖x‖_p, eps) along `dim`."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    result = input / norm.expand_as(input)
    return result if out is None else out.copy_(result)
