"""Convolution and pooling composed of views and products, for a build without their kernels.

Every function takes (N, C, spatial...) and lists with one number per spatial dimension.
"""

from __future__ import annotations

import math

import rsnn

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


def _out_size(size, kernel, stride, padding, dilation, ceil_mode):
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    # A last window that starts in the padding on the right does not count.
    return out - 1 if ceil_mode and (out - 1) * stride >= size + padding else out


def _geometry(x, kernel, stride, padding, dilation, ceil_mode):
    """Return output sizes and the padding at the end that makes all windows whole."""
    sizes, after = [], []
    for dim, size in enumerate(x.shape[2:]):
        k, s, p, d = kernel[dim], stride[dim], padding[dim], dilation[dim]
        out = _out_size(size, k, s, p, d, ceil_mode)
        if out < 1:
            raise RuntimeError(f"Given input size: {tuple(x.shape[1:])}. Calculated output size is too small")
        sizes.append(out)
        after.append(max((out - 1) * s + d * (k - 1) + 1 - size - p, 0))
    return sizes, after


def max_pool(x, kernel, stride, padding, dilation, ceil_mode):
    """Return the maximum of each window and its flat position in the input."""
    n = len(kernel)
    sizes, after = _geometry(x, kernel, stride, padding, dilation, ceil_mode)
    lowest = float("-inf") if x.is_floating_point() else rsnn.iinfo(x.dtype).min
    windows = _views(_padded(x, padding, after, lowest), kernel, stride, dilation)
    windows = windows[(slice(None), slice(None), *(slice(size) for size in sizes))].flatten(2 + n)
    out, tap = windows.max(-1)
    return out, _positions(x, tap, kernel, stride, padding, dilation)


def _positions(x, tap, kernel, stride, padding, dilation):
    n = len(kernel)
    flat = None
    rest = tap
    offsets = []
    for k in reversed(kernel):
        offsets.insert(0, rest % k)
        rest = rest // k
    for dim in range(n):
        start = rsnn.arange(tap.shape[2 + dim], device=x.device) * stride[dim] - padding[dim]
        where = offsets[dim] * dilation[dim] + start.view(-1, *([1] * (n - 1 - dim)))
        flat = where if flat is None else flat * x.shape[2 + dim] + where
    return flat


def avg_pool(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    """Return the mean of each window; `divisor` replaces the count of its elements."""
    n = len(kernel)
    ones = [1] * n
    sizes, after = _geometry(x, kernel, stride, padding, ones, ceil_mode)
    windows = _views(_padded(x, padding, after), kernel, stride, ones)
    windows = windows[(slice(None), slice(None), *(slice(size) for size in sizes))]
    total = windows.flatten(2 + n).sum(-1)
    if divisor is not None:
        return total / divisor
    counts = None
    for dim in range(n):
        size = x.shape[2 + dim]
        line = []
        for i in range(sizes[dim]):
            start = i * stride[dim] - padding[dim]
            end = min(start + kernel[dim], size + padding[dim])
            line.append(end - start if count_include_pad else min(end, size) - max(start, 0))
        along = rsnn.tensor(line, dtype=x.dtype, device=x.device).view(-1, *([1] * (n - 1 - dim)))
        counts = along if counts is None else counts * along
    return total / counts
