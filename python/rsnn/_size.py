"""`Size`: the shape of a tensor, a tuple of ints."""

import math

from . import _rsnn as _C


class Size(tuple):
    """Hold the sizes of a tensor; a tuple with `numel()`.

    Example:
        >>> import rsnn
        >>> rsnn.zeros(2, 3).shape.numel()
        6
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the product of the sizes."""
        return math.prod(self)

    def __repr__(self):
        return f"rsnn.Size({list(self)})"

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __mul__(self, n):
        return Size(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __reduce__(self):
        return (Size, (tuple(self),))


_C.slices_stay(Size)
