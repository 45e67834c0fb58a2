"""Pooling layers."""

from __future__ import annotations

from rsnn.nn import functional as F
from rsnn.nn.module import Module

from .utils import _ntuple

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip


class _MaxPoolNd(Module):
    _pool = None

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return type(self)._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Take the maximum of windows of (N, C, L) or (C, L) inputs.

    Args:
        kernel_size: length of a window.
        stride: step between windows, the kernel size without it.
        padding: −inf added at both ends.
        dilation: distance between the elements of a window.
        return_indices: return positions as well, for MaxUnpool.
        ceil_mode: keep a last window that does not fit whole.
    """

    _pool = F.max_pool1d


class MaxPool2d(_MaxPoolNd):
    """Take the maximum of windows of (N, C, H, W) or (C, H, W) inputs; arguments as in MaxPool1d."""

    _pool = F.max_pool2d


class MaxPool3d(_MaxPoolNd):
    """Take the maximum of windows of (N, C, D, H, W) or (C, D, H, W) inputs; arguments as in MaxPool1d."""

    _pool = F.max_pool3d


class _MaxUnpoolNd(Module):
    _n = 0
    _unpool = None

    def __init__(self, kernel_size, stride=None, padding=0) -> None:
        super().__init__()
        self.kernel_size = _ntuple(self._n)(kernel_size)
        self.stride = _ntuple(self._n)(kernel_size if stride is None else stride)
        self.padding = _ntuple(self._n)(padding)

    def forward(self, input, indices, output_size=None):
        return type(self)._unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Put maxima back to where MaxPool1d found them, zeros elsewhere."""

    _n = 1
    _unpool = F.max_unpool1d


class MaxUnpool2d(_MaxUnpoolNd):
    """Put maxima back to where MaxPool2d found them, zeros elsewhere."""

    _n = 2
    _unpool = F.max_unpool2d


class MaxUnpool3d(_MaxUnpoolNd):
    """Put maxima back to where MaxPool3d found them, zeros elsewhere."""

    _n = 3
    _unpool = F.max_unpool3d


class AvgPool1d(Module):
    """Average windows of (N, C, L) or (C, L) inputs.

    Args:
        kernel_size: length of a window.
        stride: step between windows, the kernel size without it.
        padding: zeros added at both ends.
        ceil_mode: keep a last window that does not fit whole.
        count_include_pad: padding counts in the divisor.
    """

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True) -> None:
        super().__init__()
        self.kernel_size = _ntuple(1)(kernel_size)
        self.stride = _ntuple(1)(kernel_size if stride is None else stride)
        self.padding = _ntuple(1)(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    _pool = None

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input):
        return type(self)._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """Average windows of (N, C, H, W) or (C, H, W) inputs; `divisor_override` replaces the window's size."""

    _pool = F.avg_pool2d


class AvgPool3d(_AvgPoolNd):
    """Average windows of (N, C, D, H, W) or (C, D, H, W) inputs; `divisor_override` replaces the window's size."""

    _pool = F.avg_pool3d


class _FractionalMaxPoolNd(Module):
    _n = 0
    _pool = None

    def __init__(
        self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
    ) -> None:
        super().__init__()
        n = self._n
        self.kernel_size = _ntuple(n)(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _ntuple(n)(output_size)
        self.output_ratio = None if output_ratio is None else _ntuple(n)(output_ratio)
        if output_size is None and output_ratio is None:
            raise ValueError(f"{type(self).__name__} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input):
        return type(self)._pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Take the maximum of windows at pseudo-random steps (Graham 2014).

    Args:
        kernel_size: size of a window.
        output_size: the output's size, or
        output_ratio: its ratio to the input's size, between 0 and 1.
        return_indices: return positions as well.
    """

    _n = 2
    _pool = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Take the maximum of windows at pseudo-random steps in three dimensions; see FractionalMaxPool2d."""

    _n = 3
    _pool = F.fractional_max_pool3d


class _LPPoolNd(Module):
    _pool = None

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return type(self)._pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """Compute (Σ x**p)**(1/p) over windows."""

    _pool = F.lp_pool1d


class LPPool2d(_LPPoolNd):
    """Compute (Σ x**p)**(1/p) over two-dimensional windows."""

    _pool = F.lp_pool2d


class LPPool3d(_LPPoolNd):
    """Compute (Σ x**p)**(1/p) over three-dimensional windows."""

    _pool = F.lp_pool3d


class _AdaptiveAvgPoolNd(Module):
    _pool = None

    def __init__(self, output_size) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return type(self)._pool(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Average windows chosen so that the output has `output_size` positions."""

    _pool = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Average windows chosen so that the output is `output_size`; None keeps a dimension."""

    _pool = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Average windows chosen so that the output is `output_size`; None keeps a dimension."""

    _pool = F.adaptive_avg_pool3d


class _AdaptiveMaxPoolNd(Module):
    _pool = None

    def __init__(self, output_size, return_indices=False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input):
        return type(self)._pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Take the maximum of windows chosen so that the output has `output_size` positions."""

    _pool = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Take the maximum of windows chosen so that the output is `output_size`."""

    _pool = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Take the maximum of windows chosen so that the output is `output_size`."""

    _pool = F.adaptive_max_pool3d
