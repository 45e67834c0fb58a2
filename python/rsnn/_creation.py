"""Tensors from nothing and from data, with torch's signatures."""

from . import _rsnn as _C
from ._size import Size

Tensor = _C.Tensor
_default_device = [None]


def _shape(size):
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    return [int(s) for s in size]


def _device(device):
    return _default_device[0] if device is None else device


def _finish(t, device, requires_grad, out=None):
    device = _device(device)
    if device is not None:
        t = _C.to_device(t, device)
    if out is not None:
        return _into(out, t)
    if requires_grad:
        t.requires_grad_(True)
    return t


def _into(out, value):
    """Copy `value` into `out`, resized as torch resizes an `out=` tensor."""
    if out.requires_grad and _C.is_grad_enabled():
        raise RuntimeError("functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")
    if out.shape != value.shape:
        _C.resize_(out, list(value.shape))
    _C.copy_(out, value)
    return out


def _refuse_layout(layout):
    if layout is not None and layout is not strided:
        raise NotImplementedError(f"layout: got {layout}, only strided tensors are supported")


class layout:
    """The memory layout of a tensor; only `rsnn.strided` exists."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"rsnn.{self._name}"


strided = layout("strided")


class memory_format:
    """How dimensions are ordered in memory."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"rsnn.{self._name}"

    def __reduce__(self):
        return self._name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """Copy data into a new tensor without history.

    Args:
        data: numbers, nested sequences, a numpy array or a tensor.
        dtype: element type; found from the data when left out.
        device: where the tensor lives.
        requires_grad: record operations on it.

    Raises:
        ValueError: for ragged sequences.
        TypeError: for data that is not numeric.

    Example:
        >>> import rsnn
        >>> rsnn.tensor([[1, 2], [3, 4]]).sum().item()
        10
    """
    return _finish(_C.tensor(data, dtype), device, requires_grad)


def as_tensor(data, dtype=None, device=None):
    """Return data as a tensor, sharing memory where dtype and device allow."""
    if isinstance(data, Tensor):
        t = data
    elif hasattr(data, "__array_interface__") and type(data).__module__ == "numpy" and getattr(data, "shape", ()) != ():
        t = _C.from_numpy(data)
    else:
        t = _C.tensor(data, dtype)
    if dtype is not None:
        t = _C.to_dtype(t, dtype)
    device = _device(device)
    return t if device is None else _C.to_device(t, device)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """Return an object as a tensor; `copy=True` never shares memory."""
    t = as_tensor(obj, dtype, device)
    if copy:
        t = _C.clone(t.detach())
    return t.requires_grad_(True) if requires_grad else t


def from_numpy(ndarray):
    """Make a tensor that shares the memory of a numpy array."""
    return _C.from_numpy(ndarray)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """Make a 1-d tensor that shares the memory of a buffer."""
    if memoryview(buffer).nbytes == 0:
        raise ValueError("both buffer length (0) and count (-1) must not be 0")
    t = _C.frombuffer(buffer, dtype, False, offset, count)
    return t.requires_grad_(True) if requires_grad else t


def from_dlpack(ext_tensor):
    """Make a tensor over the memory of an object that speaks DLPack, through its numpy view."""
    import numpy

    return _C.from_numpy(numpy.from_dlpack(ext_tensor))


def empty(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """Make a tensor with uninitialised elements."""
    _refuse_layout(layout)
    size = _shape(size)
    dtype = dtype or _C.get_default_dtype()
    t = _C.empty(size, dtype, _device(device))
    return _finish(t, None, requires_grad, out)


def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Make a tensor of one value; its dtype follows the value when not given."""
    _refuse_layout(layout)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None:
        if isinstance(fill_value, bool):
            dtype = _C.bool
        else:
            dtype = _C.int64 if isinstance(fill_value, int) else _C.get_default_dtype()
    t = _C.full(_shape((size,)) if isinstance(size, (tuple, list)) else _shape((size,)), float(fill_value), dtype, _device(device))
    return _finish(t, None, requires_grad, out)


def zeros(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Make a tensor of zeros.

    Example:
        >>> import rsnn
        >>> rsnn.zeros(2, 3).shape
        rsnn.Size([2, 3])
    """
    _refuse_layout(layout)
    t = _C.full(_shape(size), 0.0, dtype or _C.get_default_dtype(), _device(device))
    return _finish(t, None, requires_grad, out)


def ones(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Make a tensor of ones."""
    _refuse_layout(layout)
    t = _C.full(_shape(size), 1.0, dtype or _C.get_default_dtype(), _device(device))
    return _finish(t, None, requires_grad, out)


def _like(x, value, dtype, device, requires_grad):
    t = _C.full(list(x.shape), value, dtype or x.dtype, device if device is not None else x.device)
    return t.requires_grad_(True) if requires_grad else t


def empty_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Make an uninitialised tensor shaped like `input`."""
    t = _C.empty(list(input.shape), dtype or input.dtype, device if device is not None else input.device)
    return t.requires_grad_(True) if requires_grad else t


def zeros_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Make zeros shaped like `input`."""
    return _like(input, 0.0, dtype, device, requires_grad)


def ones_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Make ones shaped like `input`."""
    return _like(input, 1.0, dtype, device, requires_grad)


def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    """Make a tensor of one value shaped like `input`."""
    return _like(input, float(fill_value), dtype, device, requires_grad)


def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make an uninitialised tensor with given strides."""
    reach = 0 if 0 in size else 1 + sum((d - 1) * s for d, s in zip(size, stride))
    t = empty(reach, dtype=dtype, device=device)
    t = _C.as_strided(t.detach(), list(size), list(stride)).detach()
    return t.requires_grad_(True) if requires_grad else t


def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False):
    """Make a 0-d tensor of the default dtype."""
    return full((), s, dtype=dtype or _C.get_default_dtype(), device=device, requires_grad=requires_grad)


def arange(start, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Make `start, start + step, ...` without `end`.

    Example:
        >>> import rsnn
        >>> rsnn.arange(1, 7, 2).tolist()
        [1, 3, 5]
    """
    if end is None:
        start, end = 0, start
    values = [v.item() if isinstance(v, Tensor) else v for v in (start, end, step)]
    if dtype is None:
        dtype = _C.get_default_dtype() if any(isinstance(v, float) for v in values) else _C.int64
    return _finish(_C.arange(*[float(v) for v in values], dtype), device, requires_grad, out)


def range(start, end, step=1, *, out=None, dtype=None, device=None, requires_grad=False):
    """Make `start, start + step, ...` up to and with `end`."""
    n = int((end - start) / step) + 1
    return linspace(start, start + (n - 1) * step, n, dtype=dtype, device=device, requires_grad=requires_grad, out=out)


def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Make `steps` evenly spaced values from `start` to `end`."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return _finish(_C.linspace(float(start), float(end), steps, dtype or _C.get_default_dtype()), device, requires_grad, out)


def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, device=None, requires_grad=False):
    """Make `base` to the power of evenly spaced exponents."""
    dtype = dtype or _C.get_default_dtype()
    t = _C.to_dtype(_C.binary("pow", float(base), _C.linspace(float(start), float(end), steps, _C.float64)), dtype)
    return _finish(t, device, requires_grad, out)


def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False):
    """Make a matrix with ones on the diagonal."""
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {min(n, m)}")
    t = _C.full([n, m], 0.0, dtype or _C.get_default_dtype())
    if n and m:
        _C.fill_(_C.diagonal(t, 0, 0, 1), 1.0)
    return _finish(t.detach(), device, requires_grad, out)


def complex(real, imag, *, out=None):
    """Refuse: complex tensors are not supported."""
    raise NotImplementedError("complex: complex dtypes are not supported, expected real tensors")


def set_default_device(device):
    """Set where new tensors live; None means the CPU."""
    _default_device[0] = None if device is None else _C.device(device)


def get_default_device():
    """Return where new tensors live."""
    return _C.device("cpu") if _default_device[0] is None else _default_device[0]


def set_default_dtype(d):
    """Set the dtype of new floating point tensors."""
    _C.set_default_dtype(d)


def is_tensor(obj):
    """Tell whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj):
    """Tell whether `obj` is a storage object."""
    from ._storage import UntypedStorage

    return isinstance(obj, UntypedStorage)


def broadcast_shapes(*shapes):
    """Return the common shape of several shapes."""
    out = []
    for s in [(s,) if isinstance(s, int) else s for s in shapes]:
        s = list(s)
        n = max(len(out), len(s))
        a, b = [1] * (n - len(out)) + out, [1] * (n - len(s)) + s
        out = []
        for x, y in zip(a, b):
            if x != y and 1 not in (x, y):
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
            out.append(y if x == 1 else x)
    return Size(out)
