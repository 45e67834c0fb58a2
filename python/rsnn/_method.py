"""Puts a function on the native Tensor class."""

from ._rsnn import Tensor


def method(f):
    """Make `f` a method of Tensor under its own name."""
    setattr(Tensor, f.__name__, f)
    return f
