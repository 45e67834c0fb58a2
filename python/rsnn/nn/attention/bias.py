"""Causal masks for queries and keys of different lengths, as torch's biases name them."""

from __future__ import annotations

import rsnn

__all__ = ["causal_lower_right", "causal_upper_left"]


def causal_upper_left(*size):
    """Return the (L, S) mask in which query i takes part with keys up to i, as `is_causal=True` means.

    >>> causal_upper_left(2, 3).tolist()
    [[True, False, False], [True, True, False]]
    """
    return _lower(size, 0)


def causal_lower_right(*size):
    """Return the (L, S) mask in which the last query takes part with all keys, as when earlier keys come from a cache.

    >>> causal_lower_right(2, 3).tolist()
    [[True, True, False], [True, True, True]]
    """
    return _lower(size, size[-1] - size[0])


def _lower(size, diagonal):
    if len(size) != 2:
        raise AssertionError(f"causal masks need 2 sizes (seq_len_q, seq_len_kv), got {len(size)}")
    return rsnn.ones(size, dtype=rsnn.bool).tril(diagonal)
