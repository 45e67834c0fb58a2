"""Padding layers; the widths are one int, or (left, right, top, bottom, front, back) as far as there are dimensions."""

from __future__ import annotations

from rsnn.nn import functional as F
from rsnn.nn.module import Module

from .utils import _ntuple

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _PadNd(Module):
    _n = 0
    _mode = "constant"

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._n)(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    def __init__(self, padding, value) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pad the last dimension with `value`."""

    _n = 1


class ConstantPad2d(_ConstantPadNd):
    """Pad the last two dimensions with `value`."""

    _n = 2


class ConstantPad3d(_ConstantPadNd):
    """Pad the last three dimensions with `value`."""

    _n = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd):
    """Pad the last dimension with zeros."""

    _n = 1


class ZeroPad2d(_ZeroPadNd):
    """Pad the last two dimensions with zeros."""

    _n = 2


class ZeroPad3d(_ZeroPadNd):
    """Pad the last three dimensions with zeros."""

    _n = 3


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input):
        if input.dim() not in (self._n + 1, self._n + 2):
            raise ValueError(f"expected {self._n + 1}D or {self._n + 2}D input (got {input.dim()}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Pad the last dimension with its other end."""

    _n = 1


class CircularPad2d(_CircularPadNd):
    """Pad the last two dimensions with their other ends."""

    _n = 2


class CircularPad3d(_CircularPadNd):
    """Pad the last three dimensions with their other ends."""

    _n = 3


class ReflectionPad1d(_PadNd):
    """Pad the last dimension by reflection, the border itself not repeated."""

    _n = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Pad the last two dimensions by reflection."""

    _n = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Pad the last three dimensions by reflection."""

    _n = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Pad the last dimension by repeating its border."""

    _n = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Pad the last two dimensions by repeating their borders."""

    _n = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Pad the last three dimensions by repeating their borders."""

    _n = 3
    _mode = "replicate"
