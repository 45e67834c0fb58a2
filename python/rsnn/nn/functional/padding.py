"""Padding: constant, reflect, replicate, circular."""

from __future__ import annotations

import operator

import rsnn

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
    pairs = [(input.dim() - 1 - i, pad[2 * i], pad[2 * i + 1]) for i in range(n)]
    if mode == "constant":
        return _constant(input, pairs, 0.0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _INDEX:
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
    for dim, left, right in pairs:
        if left or right:
            index = _INDEX[mode](input.shape, dim, left, right)
            input = input.index_select(dim, rsnn.tensor(index, dtype=rsnn.int64, device=input.device))
    return input


def _constant(input, pairs, value):
    for dim, left, right in pairs:
        crop_left, crop_right = max(-left, 0), max(-right, 0)
        if crop_left or crop_right:
            size = input.shape[dim] - crop_left - crop_right
            if size < 0:
                raise RuntimeError(
                    f"The input size {input.shape[dim]}, plus negative padding {left} and {right} resulted in a "
                    f"negative output size, which is invalid. Check dimension {dim} of your input."
                )
            input = input.narrow(dim, crop_left, size)
        parts = []
        for width in (left, right):
            shape = list(input.shape)
            shape[dim] = max(width, 0)
            parts.append(input.new_full(shape, value) if width > 0 else None)
        if left > 0 or right > 0:
            input = rsnn.cat([part for part in (parts[0], input, parts[1]) if part is not None], dim)
    return input.clone() if not any(left or right for _, left, right in pairs) else input


def _reflect(shape, dim, left, right):
    size = shape[dim]
    if left >= size or right >= size:
        raise RuntimeError(
            "Padding size should be less than the corresponding input dimension, but got: padding "
            f"({left}, {right}) at dimension {dim} of input {list(shape)}"
        )
    period = max(2 * (size - 1), 1)
    return [min(i % period, period - i % period) if size > 1 else 0 for i in range(-left, size + right)]


def _replicate(shape, dim, left, right):
    last = shape[dim] - 1
    return [min(max(i, 0), last) for i in range(-left, last + 1 + right)]


def _circular(shape, dim, left, right):
    size = shape[dim]
    if left > size or right > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if size + left + right < 0:
        raise RuntimeError("Negative padding value is resulting in an empty dimension")
    # A negative width crops first; what is left wraps around.
    start, end = max(-left, 0), size - max(-right, 0)
    return [start + i % (end - start) for i in range(-max(left, 0), end - start + max(right, 0))]


_INDEX = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}
