"""The table of operations: one row per op and variant, `fn(lib, *tensors)` with torch's names on both libraries."""

from . import (  # noqa: F401
    activations,
    attention,
    convolution,
    embedding,
    in_place,
    indexing,
    linalg,
    losses,
    norms,
    pointwise,
    pooling,
    products,
    reductions,
    shapes,
    special,
    vision,
)
from .table import CASES

__all__ = ["CASES"]
