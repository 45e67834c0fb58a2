"""`finfo` and `iinfo`: limits of dtypes."""

from . import _rsnn as _C

_FLOAT = {
    "float16": (16, 65504.0, 2.0**-10, 2.0**-14, 2.0**-24, 0.001),
    "bfloat16": (16, 3.3895313892515355e38, 2.0**-7, 2.0**-126, 2.0**-133, 0.01),
    "float32": (32, 3.4028234663852886e38, 2.0**-23, 2.0**-126, 2.0**-149, 1e-06),
    "float64": (64, 1.7976931348623157e308, 2.0**-52, 2.0**-1022, 5e-324, 1e-15),
}


def _check_dtype(name, given):
    if not isinstance(given, _C.dtype):
        raise TypeError(f"{name}(): argument 'type' (position 1) must be rsnn.dtype, not {given.__class__.__name__}")


class finfo:
    """Describe a floating point dtype: bits, eps, max, min, tiny, resolution.

    Example:
        >>> import rsnn
        >>> rsnn.finfo(rsnn.float32).max
        3.4028234663852886e+38
    """

    def __init__(self, type=None):
        type = type or _C.get_default_dtype()
        _check_dtype("finfo", type)
        if not type.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{self.__class__.__name__}'"
            )
        self.dtype = type.name
        self.bits, self.max, self.eps, self.tiny, self.smallest_subnormal, self.resolution = _FLOAT[type.name]
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Describe an integer dtype: bits, max, min."""

    def __init__(self, type):
        _check_dtype("iinfo", type)
        if type.is_floating_point or type == _C.bool:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        self.dtype = type.name
        self.bits = type.itemsize * 8
        signed = type.is_signed
        self.max = 2 ** (self.bits - 1) - 1 if signed else 2**self.bits - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
