"""Convolution composed of views and products, for integers, which the kernels do not take.

Every function takes (N, C, spatial...) and lists with one number per spatial dimension.
"""

from __future__ import annotations

import math

from .padding import pad


def _padded(x, before, after, value=0.0):
    if not (any(before) or any(after)):
        return x
    return pad(x, [w for pair in zip(reversed(before), reversed(after), strict=True) for w in pair], value=value)


def _views(x, kernel, stride, dilation):
    """Return a view (N, C, out..., kernel...) of all windows."""
    for dim, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x = x.unfold(2 + dim, d * (k - 1) + 1, s)
        if d > 1:
            x = x[..., ::d]
    return x


def conv(x, weight, bias, stride, padding, dilation, groups):
    """Multiply windows, laid out as columns, with the weight."""
    n = len(stride)
    kernel = weight.shape[2:]
    windows = _views(_padded(x, padding, padding), kernel, stride, dilation)
    batch, channels, *rest = windows.shape
    out_size = rest[:n]
    # (N, C, out, K) -> (N, G, out, C/G·K)
    columns = windows.reshape(batch, groups, channels // groups, math.prod(out_size), math.prod(kernel))
    columns = columns.transpose(2, 3).reshape(batch, groups, math.prod(out_size), -1)
    flat = weight.reshape(groups, weight.shape[0] // groups, -1)
    out = flat.matmul(columns.transpose(2, 3)).reshape(batch, weight.shape[0], *out_size)
    return out if bias is None else out + bias.view(-1, *([1] * n))


def conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation):
    """Spread the input by the stride and convolve it with the mirrored weight."""
    n = len(stride)
    for dim, step in enumerate(stride):
        if step > 1:
            size = x.shape[2 + dim]
            spread = pad(x.unsqueeze(3 + dim), [0, 0] * (n - 1 - dim) + [0, step - 1])
            x = spread.flatten(2 + dim, 3 + dim).narrow(2 + dim, 0, (size - 1) * step + 1)
    kernel = weight.shape[2:]
    before = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True)]
    after = [b + extra for b, extra in zip(before, output_padding, strict=True)]
    # (C_in, C_out/G, K) -> (C_out, C_in/G, K), taps reversed
    mirrored = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).transpose(1, 2)
    mirrored = mirrored.reshape(-1, weight.shape[0] // groups, *kernel).flip(list(range(2, 2 + n)))
    return conv(_padded(x, before, after), mirrored, bias, [1] * n, [0] * n, dilation, groups)
