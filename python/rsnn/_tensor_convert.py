"""Methods that convert a tensor: dtype, device, memory format, shape by arguments."""

from . import _rsnn as _C
from ._creation import _shape as _sizes
from ._layout import channels_last, channels_last_3d, contiguous_format, preserve_format
from ._method import method

Tensor = _C.Tensor

_TYPE_NAMES = {
    "float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor", "bfloat16": "BFloat16Tensor",
    "int8": "CharTensor", "int16": "ShortTensor", "int32": "IntTensor", "int64": "LongTensor", "uint8": "ByteTensor",
    "bool": "BoolTensor",
}  # fmt: skip


@method
def view(self, *shape, dtype=None, size=None):
    """Give another shape without a copy, or read the bytes as another dtype.

    Raises:
        RuntimeError: when strides do not allow it.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], _C.dtype)):
        return _view_dtype(self, dtype or shape[0])
    if size is None and not shape:
        raise TypeError("view() received an invalid combination of arguments - got ()")
    return self._view(_sizes(shape) if size is None else list(size))


def _view_dtype(t, dtype):
    if dtype == t.dtype:
        return _C.alias(t)
    if not t._is_contiguous():
        raise RuntimeError("self.stride(-1) must be 1 to view as a different dtype (different element sizes), but got a non-contiguous tensor")
    a, b = t.element_size(), dtype.itemsize
    shape = list(t.shape)
    if a != b:
        if not shape or (shape[-1] * a) % b:
            raise RuntimeError(f"self.size(-1) must be divisible by {b // a or 1} to view {t.dtype} as {dtype} (different element sizes), but got {shape[-1] if shape else 'a 0-d tensor'}")
        shape[-1] = shape[-1] * a // b
    return _C.reinterpret(t, shape, dtype)


@method
def view_as(self, other):
    """View with the shape of `other`."""
    return self._view(list(other.shape))


@method
def reshape_as(self, other):
    """Reshape to the shape of `other`."""
    return self.reshape(other.shape)


@method
def expand(self, *sizes, size=None, implicit=False):
    """Broadcast to larger sizes without a copy; -1 keeps a size."""
    return _C.expand(self, _sizes(sizes) if size is None else list(size))


@method
def repeat(self, *places, repeats=None):
    """Repeat along each dimension."""
    return _C.repeat(self, _sizes(places) if repeats is None else list(repeats))


@method
def tile(self, *places, dims=None):
    """Repeat along dimensions, aligned at the end."""
    return _C.tile(self, _sizes(places) if dims is None else list(dims))


@method
def flip(self, *places, dims=None):
    """Reverse dimensions."""
    return _C.flip(self, _sizes(places) if dims is None else list(dims))


@method
def sum_to_size(self, *sizes, size=None):
    """Add up to a size that broadcasts to this one."""
    size = _sizes(sizes) if size is None else list(size)
    lead = self.ndim - len(size)
    dims = list(range(lead)) + [i + lead for i, s in enumerate(size) if s == 1 and self.shape[i + lead] != 1]
    y = _C.sum(self, dims, True, None) if dims else self
    return y.reshape(size)


@method
def is_contiguous(self, memory_format=None):
    """Tell whether elements lie in order without gaps."""
    if memory_format is None or memory_format is contiguous_format:
        return self._is_contiguous()
    rank = {channels_last: 4, channels_last_3d: 5}.get(memory_format)
    return rank == self.ndim and self.movedim(1, -1)._is_contiguous()


@method
def contiguous(self, memory_format=None):
    """Return the tensor in row-major order, itself when it is so already."""
    if memory_format in (channels_last, channels_last_3d):
        rank, name = (4, "channels_last") if memory_format == channels_last else (5, "channels_last_3d")
        if self.ndim != rank:
            raise RuntimeError(f"required rank {rank} tensor to use {name} format")
        return _C.contiguous(self.movedim(1, -1)).movedim(-1, 1)
    return _C.contiguous(self)


@method
def to(self, *args, other=None, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """Convert dtype or device; returns itself when nothing changes.

    Args:
        args: a dtype, a device, both, or a tensor to follow; then `non_blocking` and `copy`.
        other: a tensor whose dtype and device to take.
        dtype: the dtype to take.
        device: the device to move to.
        non_blocking: accepted; moves are ordered with the work on the device.
        copy: return a new tensor in any case.
        memory_format: reorder the memory too.

    Example:
        >>> import rsnn
        >>> rsnn.ones(2).to(rsnn.float64).dtype
        rsnn.float64
    """
    flags = []
    for a in (*args, other):
        if isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, _C.dtype):
            dtype = a
        elif isinstance(a, bool):
            flags.append(a)
        elif a is not None:
            device = a
    copy = copy or (len(flags) > 1 and flags[1])
    t = self
    if device is not None:
        t = _C.to_device(t, device)
    if dtype is not None:
        t = _C.to_dtype(t, dtype)
    if memory_format is not None and memory_format not in (preserve_format, contiguous_format):
        t = t.contiguous(memory_format=memory_format)
    return _C.clone(t) if copy and t is self else t


@method
def type(self, dtype=None, non_blocking=False):
    """Return the type's name, or convert to a dtype."""
    if dtype is None:
        prefix = "rsnn." if self.is_cpu else "rsnn.gpu."
        return prefix + _TYPE_NAMES[self.dtype.name]
    if isinstance(dtype, str):
        names = {v: k for k, v in _TYPE_NAMES.items()}
        name = names.get(dtype.rsplit(".", 1)[-1])
        if name is None:
            raise ValueError(f"invalid type: {dtype!r}")
        dtype = getattr(_C, name)
    return _C.to_dtype(self, dtype)


def _cast(name, dtype):
    def f(self, memory_format=None):
        return _C.to_dtype(self, dtype)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Convert to {dtype}."
    setattr(Tensor, name, f)


for _name, _dtype in {
    "float": _C.float32, "double": _C.float64, "half": _C.float16, "bfloat16": _C.bfloat16, "int": _C.int32,
    "long": _C.int64, "short": _C.int16, "char": _C.int8, "byte": _C.uint8, "bool": _C.bool,
}.items():  # fmt: skip
    _cast(_name, _dtype)


@method
def type_as(self, other):
    """Convert to the dtype of `other`."""
    return _C.to_dtype(self, other.dtype)


@method
def cpu(self, memory_format=None):
    """Move to the CPU."""
    return _C.to_device(self, "cpu")


@method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """Move to the GPU."""
    return _C.to_device(self, "gpu" if device is None else device)


Tensor.gpu = Tensor.xpu = cuda


@method
def get_device(self):
    """Return the GPU's index, -1 for the CPU."""
    return -1 if self.is_cpu else self.device.index
