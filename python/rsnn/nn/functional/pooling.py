"""Pooling: average, maximum, power mean, adaptive and fractional windows, and max unpooling."""

from __future__ import annotations

import math

import rsnn
from rsnn import _rsnn as _C

from .arguments import batched, ntuple, scalar_type

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def _windows(name, n, kernel_size, stride, padding):
    kernel = ntuple(kernel_size, n, pool=name)
    stride = kernel if stride is None or stride == [] else ntuple(stride, n, "stride", name)
    padding = ntuple(padding, n, "padding", name)
    return kernel, stride, padding


def _avg_pool(n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    kernel, stride, padding = _windows(f"avg_pool{n}d", n, kernel_size, stride, padding)
    x = input.double() if input.dtype == rsnn.int64 else input
    out = _C.avg_pool(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return out if x is input else out.to(input.dtype)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Average windows of a (N, C, L) or (C, L) input.

    Args:
        stride: the kernel size without it.
        ceil_mode: keep a last window that does not fit whole.
        count_include_pad: padding counts in the divisor.
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """Average windows of a (N, C, H, W) or (C, H, W) input; `divisor_override` takes the place of the window's size."""
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """Average windows of a (N, C, D, H, W) or (C, D, H, W) input."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode):
    name = f"max_pool{n}d"
    kernel, stride, padding = _windows(name, n, kernel_size, stride, padding)
    return _C.max_pool(input, kernel, stride, padding, ntuple(dilation, n, "dilation", name), ceil_mode)


def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Take the maximum of windows and its position."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Take the maximum of windows and its position, flattened over height and width."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Take the maximum of windows and its position, flattened over depth, height and width."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Take the maximum of windows of a (N, C, L) or (C, L) input."""
    out = _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return out if return_indices else out[0]


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Take the maximum of windows of a (N, C, H, W) or (C, H, W) input."""
    out = _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return out if return_indices else out[0]


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Take the maximum of windows of a (N, C, D, H, W) or (C, D, H, W) input."""
    out = _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return out if return_indices else out[0]


def _lp_pool(n, input, norm_type, kernel_size, stride, ceil_mode):
    kernel = ntuple(kernel_size, n)
    # A product has a cheaper gradient than a power.
    powers = input * input if norm_type == 2 and input.is_floating_point() else input.pow(norm_type)
    mean = _avg_pool(n, powers, kernel, stride, 0, ceil_mode, True, None)
    return (mean.sign() * mean.abs().relu()).mul(math.prod(kernel)).pow(1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """Compute (Σ x**p)**(1/p) over windows."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """Compute (Σ x**p)**(1/p) over two-dimensional windows."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """Compute (Σ x**p)**(1/p) over three-dimensional windows."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _output_sizes(input, output_size, n, name):
    sizes = [output_size] * n if isinstance(output_size, int) or output_size is None else list(output_size)
    if len(sizes) == 1:
        sizes = sizes * n
    if len(sizes) != n:
        raise RuntimeError(f"{name}: output_size must be {n}-D, but got {list(sizes)}")
    spatial = input.shape[-n:]
    return [spatial[i] if size is None else int(size) for i, size in enumerate(sizes)]


def _adaptive_avg_pool(n, input, output_size):
    return _C.adaptive_avg_pool(input, _output_sizes(input, output_size, n, f"adaptive_avg_pool{n}d"))


def adaptive_avg_pool1d(input, output_size):
    """Average windows chosen so that the output has `output_size` positions."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input, output_size):
    """Average windows chosen so that the output is `output_size`; None keeps a dimension."""
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input, output_size):
    """Average windows chosen so that the output is `output_size`; None keeps a dimension."""
    return _adaptive_avg_pool(3, input, output_size)


def _adaptive_max_pool(n, input, output_size):
    return _C.adaptive_max_pool(input, _output_sizes(input, output_size, n, f"adaptive_max_pool{n}d"))


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """Take the maximum, and its position, of windows chosen for `output_size`."""
    return _adaptive_max_pool(1, input, output_size)


def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """Take the maximum, and its flat position, of windows chosen for `output_size`."""
    return _adaptive_max_pool(2, input, output_size)


def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """Take the maximum, and its flat position, of windows chosen for `output_size`."""
    return _adaptive_max_pool(3, input, output_size)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Take the maximum of windows chosen so that the output has `output_size` positions."""
    out = _adaptive_max_pool(1, input, output_size)
    return out if return_indices else out[0]


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Take the maximum of windows chosen so that the output is `output_size`."""
    out = _adaptive_max_pool(2, input, output_size)
    return out if return_indices else out[0]


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """Take the maximum of windows chosen so that the output is `output_size`."""
    out = _adaptive_max_pool(3, input, output_size)
    return out if return_indices else out[0]


def _fractional_max_pool(n, input, kernel_size, output_size, output_ratio, samples):
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    x, unbatched = batched(input, n, name)
    kernel = ntuple(kernel_size, n)
    spatial = x.shape[2:]
    if output_size is None:
        ratio = [output_ratio] * n if isinstance(output_ratio, float) else list(output_ratio)
        sizes = [int(size * r) for size, r in zip(spatial, ratio, strict=True)]
    else:
        sizes = ntuple(output_size, n, "output_size")
    if samples is None:
        samples = rsnn.rand(*x.shape[:2], n, dtype=x.dtype, device=x.device)
    out, where = _C.fractional_max_pool(x, kernel, sizes, samples)
    return (out.squeeze(0), where.squeeze(0)) if unbatched else (out, where)


def fractional_max_pool2d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Take the maximum of windows at pseudo-random steps, and its flat position (Graham 2014)."""
    return _fractional_max_pool(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Take the maximum of windows at pseudo-random steps, and its flat position (Graham 2014)."""
    return _fractional_max_pool(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Take the maximum of windows at pseudo-random steps (Graham 2014)."""
    out = _fractional_max_pool(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return out if return_indices else out[0]


def fractional_max_pool3d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Take the maximum of windows at pseudo-random steps (Graham 2014)."""
    out = _fractional_max_pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return out if return_indices else out[0]


def _unpool_size(input, kernel, stride, padding, output_size):
    n = len(kernel)
    spatial = input.shape[-n:]
    default = [(spatial[d] - 1) * stride[d] + kernel[d] - 2 * padding[d] for d in range(n)]
    if output_size is None:
        return default
    sizes = list(output_size)
    if len(sizes) == n + 2:
        sizes = sizes[2:]
    if len(sizes) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(sizes)}'"
        )
    for d in range(n):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < sizes[d] < high:
            raise ValueError(f'invalid output_size "{sizes}" (dim {d} must be between {low} and {high})')
    return sizes


def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    x, unbatched = batched(input, n, f"max_unpool{n}d")
    where = indices.unsqueeze(0) if unbatched else indices
    if where.dtype != rsnn.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {scalar_type(where)}")
    if where.shape != x.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(x.shape)}) but got indices tensor "
            f"with shape: {list(where.shape)}"
        )
    kernel = ntuple(kernel_size, n)
    steps = kernel if stride is None else ntuple(stride, n, "stride")
    sizes = _unpool_size(x, kernel, steps, ntuple(padding, n, "padding"), output_size)
    batch, channels = x.shape[:2]
    total = math.prod(sizes)
    if where.numel():
        low, high = int(where.min()), int(where.max())
        if low < 0 or high >= total:
            raise RuntimeError(
                f"Found an invalid max index: {low if low < 0 else high} (output volumes are of size "
                f"{'x'.join(map(str, sizes))})"
            )
    out = x.new_zeros((batch, channels, total)).scatter(2, where.flatten(2), x.flatten(2))
    out = out.view(batch, channels, *sizes)
    return out.squeeze(0) if unbatched else out


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put maxima back to where `max_pool1d` found them, zeros elsewhere."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put maxima back to where `max_pool2d` found them, zeros elsewhere."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put maxima back to where `max_pool3d` found them, zeros elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
