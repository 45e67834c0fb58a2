"""Padding: constant, reflect, replicate, circular."""

from __future__ import annotations

import operator

from rsnn import _rsnn as _C

__all__ = ["pad"]


def pad(input, pad, mode="constant", value=None):
    """Widen (or with negative widths crop) the last dimensions.

    Args:
        pad: widths (left, right) of the last dimension, then of the one before it, and so on.
        mode: "constant", "reflect", "replicate" or "circular".
        value: what "constant" fills in, zero without it.

    Raises: NotImplementedError for a number of dimensions a mode does not take.
    """
    if isinstance(pad, str):
        raise TypeError("pad(): argument 'pad' (position 2) must be tuple of ints, not str")
    pad = [operator.index(width) for width in pad]
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    n = len(pad) // 2
    if n > input.dim():
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        filled = None if not value else input.new_full((), value, device="cpu")
        return _C.pad(input, pad, mode, filled)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if not 1 <= n <= 3 or input.dim() not in (n + 1, n + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.dim()}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    if mode != "circular" and 0 in input.shape[-n - 1 :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    return _C.pad(input, pad, mode)
