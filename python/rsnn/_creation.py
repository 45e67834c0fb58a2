"""Tensors from nothing and from data, with torch's signatures."""

from operator import index

from . import _rsnn as _C
from ._arguments import into
from ._dtypes import iinfo
from ._layout import _refuse_layout, channels_last, channels_last_3d, contiguous_format
from ._size import Size

Tensor = _C.Tensor
_default_device = [None]


def _shape(size):
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    try:
        return [index(s) for s in size]
    except TypeError:
        bad = next(s for s in size if not hasattr(s, "__index__") or isinstance(s, Tensor))
        raise TypeError(f"argument 'size' must be tuple of ints, not {type(bad).__name__}") from None


def _sizes(name, sizes, size):
    """Return a size that came as numbers, as one sequence, or as `size=`."""
    if size is None:
        if not sizes:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
        return _shape(sizes)
    if sizes:
        raise TypeError(f"{name}() got multiple values for argument 'size'")
    return _shape((size,))


def _device(device):
    return _default_device[0] if device is None else device


def _finish(t, device, requires_grad, out=None, dtype=None):
    if out is not None:
        if dtype is not None and out.dtype != dtype:
            raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
        return into(t if out.dtype == t.dtype else _C.to_dtype(t, out.dtype), out)
    device = _device(device)
    if device is not None:
        t = _C.to_device(t, device)
    if requires_grad:
        if not t.is_floating_point():
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        t.requires_grad_(True)
    return t


def _dtype(dtype, out):
    if dtype is not None:
        return dtype
    return _C.get_default_dtype() if out is None else out.dtype


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """Copy data into a new tensor without history.

    Args:
        data: numbers, nested sequences, a numpy array or a tensor.
        dtype: element type; found from the data when left out.
        device: where the tensor lives.
        requires_grad: record operations on it.
        pin_memory: accepted; host memory needs no pinning here.

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
    """Return an object as a tensor.

    Args:
        obj: a tensor, an array, an object that speaks DLPack or the buffer protocol, a number or nested sequences.
        dtype: element type.
        device: where the tensor lives.
        copy: True never shares memory, False refuses to copy, None shares where it can.
        requires_grad: record operations on it.
    """
    if isinstance(obj, Tensor) or hasattr(obj, "__array_interface__") or not hasattr(obj, "__dlpack__"):
        t = as_tensor(obj, dtype, device)
    else:
        t = as_tensor(from_dlpack(obj), dtype, device)
    shared = isinstance(obj, Tensor) and _C.same_storage(t, obj)
    if copy is False and isinstance(obj, Tensor) and not shared:
        raise ValueError("can't alias tensor with a different dtype or device: got copy=False")
    if copy and (shared or not isinstance(obj, Tensor)):
        t = _C.clone(t)
    if requires_grad:
        return t.requires_grad_(True)
    return t.detach() if t.requires_grad else t


def from_numpy(ndarray):
    """Make a tensor that shares the memory of a numpy array."""
    return _C.from_numpy(ndarray)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """Make a 1-d tensor that shares the memory of a buffer."""
    if memoryview(buffer).nbytes == 0:
        raise ValueError("both buffer length (0) and count (-1) must not be 0")
    t = _C.frombuffer(buffer, dtype, False, offset, count)
    return t.requires_grad_(True) if requires_grad else t


def from_file(filename, shared=False, size=0, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """Make a 1-d tensor over a file's bytes.

    Args:
        filename: the file.
        shared: write changes of the tensor to the file, which grows to the tensor's size; otherwise they stay in memory.
        size: the number of elements.
        dtype: their type.
        layout, pin_memory: as in `zeros`.
        device: where the tensor lives.
        requires_grad: record operations on it.
    """
    import mmap
    import os

    _refuse_layout(layout)
    dtype = dtype or _C.get_default_dtype()
    count = size * dtype.itemsize
    flags = os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
    fd = os.open(filename, flags, 0o600)
    try:
        if shared and os.fstat(fd).st_size < count:
            os.ftruncate(fd, count)
        if os.fstat(fd).st_size < count:
            raise RuntimeError(f"from_file: {filename} has {os.fstat(fd).st_size} bytes, expected at least {count}")
        view = mmap.mmap(fd, count, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY) if count else b""
    finally:
        os.close(fd)
    t = _C.frombuffer(view, dtype, False, 0, size) if count else _C.empty([0], dtype)
    return _finish(t, device, requires_grad)


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """Make a tensor over the memory of an object that speaks DLPack; see `rsnn.utils.dlpack.from_dlpack`."""
    from .utils.dlpack import from_dlpack

    return from_dlpack(ext_tensor, device=device, copy=copy)


def to_dlpack(tensor):
    """Return a DLPack capsule over the memory of a CPU tensor."""
    from .utils.dlpack import to_dlpack

    return to_dlpack(tensor)


def empty(
    *sizes, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None
):
    """Make a tensor with uninitialised elements."""
    _refuse_layout(layout)
    size = _sizes("empty", sizes, size)
    if out is not None:
        _finish(_C.empty([0], out.dtype), None, False, _C.empty([0], out.dtype), dtype)
        return _C.resize_(out, size)
    t = _C.empty(size, _dtype(dtype, out), _device(device))
    if memory_format in (channels_last, channels_last_3d):
        t = t.contiguous(memory_format=memory_format)
    return _finish(t, None, requires_grad)


def _number(value, dtype):
    """Check that a fill value fits into an integer dtype."""
    if not dtype.is_floating_point and dtype != _C.bool:
        info = iinfo(dtype)
        if not (-info.max if info.min == 0 else info.min) <= value <= info.max:
            raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
    return float(value)


def full(
    size, fill_value, *, out=None, names=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make a tensor of one value; its dtype follows the value when not given."""
    _refuse_layout(layout)
    (fill_value,) = _plain("full", fill_value)
    kind = dtype if dtype is not None or out is None else out.dtype
    if kind is None:
        if isinstance(fill_value, bool):
            kind = _C.bool
        else:
            kind = _C.int64 if isinstance(fill_value, int) else _C.get_default_dtype()
    value, size = _number(fill_value, kind), _shape((size,))
    t = _C.full(size, value, kind, _device(device))
    if kind == _C.int64 and int(value) != fill_value and isinstance(fill_value, int):  # beyond 2^53
        t = _C.clone(_C.expand(_C.tensor(fill_value, kind), size))
    return _finish(t, None, requires_grad, out, dtype)


def zeros(*sizes, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make a tensor of zeros.

    Example:
        >>> import rsnn
        >>> rsnn.zeros(2, 3).shape
        rsnn.Size([2, 3])
    """
    _refuse_layout(layout)
    t = _C.full(_sizes("zeros", sizes, size), 0.0, _dtype(dtype, out), _device(device))
    return _finish(t, None, requires_grad, out, dtype)


def ones(*sizes, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make a tensor of ones."""
    _refuse_layout(layout)
    t = _C.full(_sizes("ones", sizes, size), 1.0, _dtype(dtype, out), _device(device))
    return _finish(t, None, requires_grad, out, dtype)


def _like(x, value, dtype, layout, device, requires_grad, memory_format):
    _refuse_layout(layout)
    if not isinstance(x, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    dtype, device = dtype or x.dtype, device if device is not None else x.device
    if memory_format == contiguous_format:
        shape = list(x.shape)
        t = _C.empty(shape, dtype, device) if value is None else _C.full(shape, value, dtype, device)
    else:
        t = _C.empty_like(x, dtype, device) if value is None else _C.full_like(x, value, dtype, device)
    if memory_format in (channels_last, channels_last_3d):
        t = t.contiguous(memory_format=memory_format)
    return t.requires_grad_(True) if requires_grad else t


def empty_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """Make an uninitialised tensor shaped like `input`."""
    return _like(input, None, dtype, layout, device, requires_grad, memory_format)


def zeros_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """Make zeros shaped like `input`."""
    return _like(input, 0.0, dtype, layout, device, requires_grad, memory_format)


def ones_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """Make ones shaped like `input`."""
    return _like(input, 1.0, dtype, layout, device, requires_grad, memory_format)


def full_like(
    input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None
):
    """Make a tensor of one value shaped like `input`."""
    return _like(input, _number(fill_value, dtype or input.dtype), dtype, layout, device, requires_grad, memory_format)


def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make an uninitialised tensor with given strides."""
    if len(size) != len(stride):
        raise RuntimeError(f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})")
    reach = 0 if 0 in size else 1 + sum((d - 1) * s for d, s in zip(size, stride))
    t = empty(reach, dtype=dtype, device=device)
    t = _C.as_strided(t.detach(), list(size), list(stride)).detach()
    return t.requires_grad_(True) if requires_grad else t


def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make an uninitialised tensor whose dimensions lie in memory in the order `physical_layout`, outermost first."""
    _refuse_layout(layout)
    order = list(physical_layout)
    if sorted(order) != [i for i, _ in enumerate(size)]:
        raise RuntimeError(f"Number of dimensions in size does not match the length of the physical_layout, or a dim is repeated: {list(size)} and {order}")
    t = empty([size[d] for d in order], dtype=dtype, device=device).detach()
    t = t.permute([order.index(d) for d in sorted(order)]).detach()
    return t.requires_grad_(True) if requires_grad else t


def scalar_tensor(s, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make a 0-d tensor of the default dtype."""
    return full((), s, dtype=dtype or _C.get_default_dtype(), layout=layout, device=device, requires_grad=requires_grad)


def _plain(name, *values):
    """Return numbers; tensors with one element become theirs."""
    values = [v.item() if isinstance(v, Tensor) else v for v in values]
    for v in values:
        if isinstance(v, str):
            raise TypeError(f"{name}(): expected a Number, not str")
    return values


def arange(
    start=None, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make `start, start + step, ...` without `end`.

    Example:
        >>> import rsnn
        >>> rsnn.arange(1, 7, 2).tolist()
        [1, 3, 5]
    """
    _refuse_layout(layout)
    if end is None:
        start, end = 0, start
    if end is None:
        raise TypeError("arange() received an invalid combination of arguments: expected a Number end")
    values = _plain("arange", 0 if start is None else start, end, step)
    kind = dtype if dtype is not None or out is None else out.dtype
    if kind is None:
        kind = _C.get_default_dtype() if any(isinstance(v, float) for v in values) else _C.int64
    if not kind.is_floating_point and values[2] != 0:
        values = [int(v) for v in values]
    if kind == _C.int64 and max(abs(v) for v in values) > 2**53:
        t = _C.add(_C.mul(_C.arange(0.0, float(-((values[0] - values[1]) // values[2])), 1.0, kind), values[2]), values[0])
    else:
        t = _C.arange(*[float(v) for v in values], kind)
    return _finish(t, device, requires_grad, out, dtype)


def range(start, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make `start, start + step, ...` up to and with `end`."""
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = _dtype(dtype, out)
    n = int((end - start) / step) + 1
    t = _C.to_dtype(_C.linspace(float(start), float(start + (n - 1) * step), n, _C.float64), kind)
    return _finish(t, device, requires_grad, out, dtype)


def _ends(start, end, steps, dtype):
    """Check the arguments of linspace and logspace; integer dtypes count between truncated ends."""
    if steps is None or steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    for name, v in (("start", start), ("end", end)):
        if isinstance(v, Tensor) and v.ndim:
            raise RuntimeError(f"linspace only supports 0-dimensional start and end tensors, but got {name} with {v.ndim} dimension(s).")
    ends = _plain("linspace", start, end)
    return [float(v if dtype.is_floating_point else int(v)) for v in ends]


def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make `steps` evenly spaced values from `start` to `end`."""
    _refuse_layout(layout)
    kind = _dtype(dtype, out)
    return _finish(_C.linspace(*_ends(start, end, steps, kind), steps, kind), device, requires_grad, out, dtype)


def logspace(
    start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """Make `base` to the power of evenly spaced exponents."""
    _refuse_layout(layout)
    kind = _dtype(dtype, out)
    exponents = _C.linspace(*_ends(start, end, steps, kind), steps, _C.float64)
    return _finish(_C.to_dtype(_C.binary("pow", float(base), exponents), kind), device, requires_grad, out, dtype)


def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Make a matrix with ones on the diagonal."""
    _refuse_layout(layout)
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"{'n' if n < 0 else 'm'} must be greater or equal to 0, got {n if n < 0 else m}")
    t = _C.full([n, m], 0.0, _dtype(dtype, out))
    if n and m:
        _C.fill_(_C.diagonal(t, 0, 0, 1), 1.0)
    return _finish(t.detach(), device, requires_grad, out, dtype)


def fill(input, value):
    """Return a tensor of one value shaped like `input`; gradients flow to a tensor value."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return _C.clone(_C.expand(_C.to_dtype(value, input.dtype), list(input.shape)))
    return _like(input, _number(value, input.dtype), None, None, None, False, None)


def is_tensor(obj):
    """Tell whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj):
    """Tell whether `obj` is a storage object."""
    from ._storage import UntypedStorage

    return isinstance(obj, UntypedStorage)


def broadcast_shapes(*shapes):
    """Return the common shape of several shapes."""
    return Size(_common_shape(shapes, "Shape mismatch: objects cannot be broadcast to a single shape"))


def _common_shape(shapes, refusal=None):
    """Return the shape that shapes broadcast to; where there is none, raise `refusal` or what an elementwise op would."""
    out = []
    for s in [(s,) if isinstance(s, int) else s for s in shapes]:
        s = list(s)
        if any(d < 0 for d in s):
            raise RuntimeError(f"Trying to create tensor with negative dimension {min(s)}: {s}")
        n = max(len(out), len(s))
        a, b = [1] * (n - len(out)) + out, [1] * (n - len(s)) + s
        out = []
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y and 1 not in (x, y):
                raise RuntimeError(
                    refusal or f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {i}"
                )
            out.append(y if x == 1 else x)
    return out
