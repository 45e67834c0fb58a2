"""Convolutions and their transposes."""

from __future__ import annotations

import rsnn
from rsnn import _rsnn as _C

from . import windows
from .arguments import batched, ntuple

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip


def _check_channels(input, weight, groups, name, transposed=False):
    if weight.dim() != input.dim():
        raise RuntimeError(
            f"{name}: expected weight with {input.dim()} dimensions, but got weight of size {list(weight.shape)}"
        )
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    expected = weight.shape[0] if transposed else weight.shape[1] * groups
    if input.shape[1] != expected:
        kind = f"transposed={int(transposed)}" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {kind}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to "
            f"have {expected} channels, but got {input.shape[1]} channels instead"
        )


def _same_padding(input, weight, stride, dilation, n):
    from .padding import pad

    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(t % 2 for t in total):
        # The odd element goes to the end of a dimension.
        widths = [width for t in reversed(total) for width in (0, t % 2)]
        input = pad(input, widths)
    return input, [t // 2 for t in total]


def _conv(n, input, weight, bias, stride, padding, dilation, groups):
    name = f"conv{n}d"
    if not isinstance(weight, rsnn.Tensor):
        raise TypeError(f"{name}(): argument 'weight' must be Tensor, not {type(weight).__name__}")
    x, unbatched = batched(input, n, name)
    _check_channels(x, weight, groups, name)
    stride, dilation = ntuple(stride, n, "stride"), ntuple(dilation, n, "dilation")
    if isinstance(padding, str):
        if padding == "same":
            x, widths = _same_padding(x, weight, stride, dilation, n)
        elif padding == "valid":
            widths = [0] * n
        else:
            raise RuntimeError(f"Invalid padding string: '{padding}'. Expected 'valid' or 'same'.")
    else:
        widths = ntuple(padding, n, "padding")
    for i, (size, kernel) in enumerate(zip(x.shape[2:], weight.shape[2:], strict=True)):
        if size + 2 * widths[i] < dilation[i] * (kernel - 1) + 1:
            padded = " x ".join(str(s + 2 * w) for s, w in zip(x.shape[2:], widths, strict=True))
            taps = " x ".join(str(d * (k - 1) + 1) for d, k in zip(dilation, weight.shape[2:], strict=True))
            raise RuntimeError(
                f"Calculated padded input size per channel: ({padded}). Kernel size: ({taps}). Kernel size can't be "
                "greater than actual input size"
            )
    convolve = _C.conv if x.is_floating_point() else windows.conv
    out = convolve(x, weight, bias, stride, widths, dilation, groups)
    return out.squeeze(0) if unbatched else out


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolve a (N, C_in, L) or (C_in, L) input with a (C_out, C_in / groups, K) weight.

    Args:
        padding: a width, or "same" or "valid".
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolve a (N, C_in, H, W) or (C_in, H, W) input with a (C_out, C_in / groups, KH, KW) weight.

    Args:
        padding: a width, one width per dimension, or "same" or "valid".
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolve a (N, C_in, D, H, W) or unbatched input with a (C_out, C_in / groups, KD, KH, KW) weight."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    name = f"conv_transpose{n}d"
    x, unbatched = batched(input, n, name)
    _check_channels(x, weight, groups, name, transposed=True)
    stride, dilation = ntuple(stride, n, "stride"), ntuple(dilation, n, "dilation")
    extra = ntuple(output_padding, n, "output_padding")
    for i in range(n):
        if extra[i] >= stride[i] and extra[i] >= dilation[i]:
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got output_padding_height: "
                f"{extra[i]} stride_height: {stride[i]} dilation_height: {dilation[i]}"
            )
    widths = ntuple(padding, n, "padding")
    convolve = _C.conv_transpose if x.is_floating_point() else windows.conv_transpose
    out = convolve(x, weight, bias, stride, widths, extra, groups, dilation)
    return out.squeeze(0) if unbatched else out


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Apply the transpose of `conv1d`; the weight is (C_in, C_out / groups, K)."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Apply the transpose of `conv2d`; the weight is (C_in, C_out / groups, KH, KW)."""
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Apply the transpose of `conv3d`; the weight is (C_in, C_out / groups, KD, KH, KW)."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_tbc(input, weight, bias, pad=0):
    """Convolve a (time, batch, channel) input with a (K, C_in, C_out) weight."""
    # (T, B, C) -> (B, C, T) and back
    out = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return out.permute(2, 0, 1)
