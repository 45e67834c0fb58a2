"""Puts torch's methods on the native Tensor class: functions that take the tensor first, and their in-place forms."""

import copy as _copy
from collections import OrderedDict

from . import _creation, _linalg, _pointwise, _random, _reduction, _shape
from . import _rsnn as _C
from ._creation import _shape as _sizes
from .utils.hooks import RemovableHandle as _RemovableHandle

Tensor = _C.Tensor

_METHODS = {
    _pointwise: """absolute negative sgn arcsin arccos arctan arcsinh arccosh arctanh fix abs neg sign exp exp2 expm1 log log2
        log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv
        sigmoid tanh floor ceil trunc frac relu deg2rad rad2deg lgamma digamma sinc logical_not isnan isinf isfinite
        signbit isposinf isneginf bitwise_not isreal mul floor_divide remainder fmod maximum minimum atan2 eq ne lt le
        gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift
        bitwise_right_shift multiply arctan2 not_equal less less_equal greater greater_equal add sub subtract div
        divide true_divide pow float_power positive clamp clip clamp_min clamp_max round logit nan_to_num addcmul addcdiv
        lerp copysign hypot logaddexp logaddexp2 xlogy fmax fmin ldexp heaviside angle isclose allclose equal
        is_same_size is_nonzero is_complex is_signed""",
    _reduction: """sum mean nansum nanmean prod amax amin aminmax max min argmax argmin any all count_nonzero var std
        logsumexp norm dist cumsum cumprod cummax cummin logcumsumexp sort argsort msort topk kthvalue median nanmedian
        mode unique unique_consecutive bincount histc quantile softmax log_softmax diff trace""",
    _shape: """swapaxes swapdims squeeze t adjoint movedim moveaxis flatten ravel expand_as broadcast_to narrow select
        diagonal unfold as_strided split split_with_sizes unsafe_split unsafe_split_with_sizes chunk unsafe_chunk
        tensor_split hsplit vsplit dsplit unbind fliplr flipud rot90 repeat_interleave gather scatter scatter_add
        scatter_reduce index_select index_add index_copy index_fill index_put take take_along_dim masked_fill
        masked_select masked_scatter nonzero argwhere tril triu diag_embed diag diagflat diagonal_scatter select_scatter
        slice_scatter as_strided_scatter clone""",
    _linalg: "matmul mm bmm mv dot vdot inner outer ger addmm addmv addr baddbmm addbmm kron cross",
    _random: "bernoulli multinomial",
}

# In-place forms: the function's value is assigned to the tensor, with history.
# Backward may read what the tensor held before, so a recorded call computes from a copy.
_IN_PLACE = """absolute negative sgn arcsin arccos arctan arcsinh arccosh arctanh fix abs neg sign exp exp2 expm1 log log2
    log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv sigmoid
    tanh floor ceil trunc frac relu deg2rad rad2deg lgamma digamma logical_not bitwise_not logical_and logical_or logical_xor arctan2
    eq ne lt le gt ge not_equal less less_equal greater greater_equal float_power clamp clip clamp_min clamp_max round
    logit nan_to_num addcmul addcdiv lerp copysign hypot xlogy ldexp pow cumsum cumprod addmm addmv addr baddbmm addbmm
    squeeze_copy tril triu sinc heaviside""".split()  # fmt: skip


def _before(t):
    return _C.clone(t) if _C.is_grad_enabled() and t.requires_grad and not t.is_leaf else t


def _in_place(name, f):
    def g(self, *args, **kwargs):
        return _C.assign(self, f(_before(self), *args, **kwargs))

    g.__name__ = g.__qualname__ = name
    g.__doc__ = f"In-place version of `{f.__name__}`."
    return g


for _module, _names in _METHODS.items():
    for _name in _names.split():
        setattr(Tensor, _name, getattr(_module, _name))
for _name in _IN_PLACE:
    _f = next((getattr(m, _name) for m in _METHODS if hasattr(m, _name)), None)
    if _f is not None:
        setattr(Tensor, _name + "_", _in_place(_name + "_", _f))


def _method(f):
    setattr(Tensor, f.__name__, f)
    return f


def _arithmetic(name, native):
    def g(self, other, *, alpha=1):
        return _C.binary_(native, self, other if alpha == 1 else _C.binary("mul", other, alpha))

    g.__name__ = g.__qualname__ = name
    g.__doc__ = f"In-place version of `{name[:-1]}`."
    setattr(Tensor, name, g)


for _name, _native in {
    "add_": "add", "sub_": "sub", "subtract_": "sub", "mul_": "mul", "multiply_": "mul", "floor_divide_": "floor_divide",
    "remainder_": "remainder", "fmod_": "fmod", "true_divide_": "div", "atan2_": "atan2", "bitwise_and_": "bitwise_and",
    "bitwise_or_": "bitwise_or", "bitwise_xor_": "bitwise_xor", "bitwise_left_shift_": "bitwise_left_shift",
    "bitwise_right_shift_": "bitwise_right_shift",
}.items():  # fmt: skip
    _arithmetic(_name, _native)


@_method
def div_(self, other, *, rounding_mode=None):
    """In-place version of `div`."""
    if rounding_mode is None:
        return _C.binary_("div", self, other)
    return _C.assign(self, _pointwise.div(_before(self), other, rounding_mode=rounding_mode))


Tensor.divide_ = div_
Tensor.__invert__ = _pointwise.bitwise_not
for _name in ("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill", "masked_fill",
              "masked_scatter", "index_put", "put"):  # fmt: skip
    setattr(Tensor, _name + "_", _in_place(_name + "_", getattr(_shape if _name != "put" else _C, _name)))


@_method
def put(self, index, source, accumulate=False):
    """Return a copy whose elements at flat positions are those of `source`."""
    return _C.put(self, index, source, accumulate)


@_method
def item(self):
    """Return the only element as a Python number."""
    return _C.item(self)


@_method
def tolist(self):
    """Return the elements as nested lists."""
    return _C.tolist(self)


@_method
def __float__(self):
    return float(_C.item(self))


@_method
def __int__(self):
    return int(_C.item(self))


@_method
def __index__(self):
    if self.dtype.is_floating_point or self.numel() != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(_C.item(self))


@_method
def __iter__(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(_C.unbind(self, 0))


@_method
def __contains__(self, element):
    if isinstance(element, (int, float, bool, Tensor)):
        return bool(_C.any(_C.binary("eq", self, element), [], False))
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


@_method
def __reversed__(self):
    return self if self.ndim == 0 else _C.flip(self, [0])


@_method
def __repr__(self, *, tensor_contents=None):
    from ._tensor_str import _str

    return _str(self, tensor_contents=tensor_contents)


@_method
def __format__(self, spec):
    return format(self.item(), spec) if self.ndim == 0 and self.__class__ is Tensor else object.__format__(self, spec)


@_method
def __copy__(self):
    cls, data = self.__class__, self.detach()
    new = data if cls is Tensor else Tensor._make_subclass(cls, data, False)
    new.requires_grad_(self.requires_grad)
    new.__dict__.update(self.__dict__)
    return new


@_method
def __deepcopy__(self, memo):
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
            "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
            "see https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(self) in memo:
        return memo[id(self)]
    shared = memo.setdefault("rsnn storages", {})
    key = self._storage_key()
    if key not in shared:
        flat = _C.as_strided(self.detach(), [self._storage_nbytes() // self.element_size()], [1], 0)
        shared[key] = _C.clone(flat.detach())
    data = _C.as_strided(shared[key], list(self.shape), list(self.stride()), self.storage_offset()).detach()
    cls = self.__class__  # `type` is a method here
    new = data if cls is Tensor else Tensor._make_subclass(cls, data, False)
    if self.requires_grad:
        new.requires_grad_(True)
    if self.grad is not None:
        new.grad = _copy.deepcopy(self.grad, memo)
    memo[id(self)] = new
    if self.__dict__:
        new.__dict__.update(_copy.deepcopy(self.__dict__, memo))
    return new


def _rebuild(cls, data, dtype, shape, stride, offset, requires_grad, state):
    flat = _C.frombuffer(data, dtype, True) if len(data) else _C.empty([0], dtype)
    t = _C.as_strided(flat, list(shape), list(stride), offset).detach()
    if cls is not Tensor:
        t = Tensor._make_subclass(cls, t, False)
    if requires_grad:
        t.requires_grad_(True)
    t.__dict__.update(state)
    return t


@_method
def __reduce_ex__(self, protocol):
    if not self.is_leaf and self.requires_grad:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() on the tensor before "
            "serializing (e.g., putting it on the queue)."
        )
    cpu = self.detach().cpu()
    args = (self.__class__, _C.storage_bytes(cpu), self.dtype, tuple(self.shape), cpu.stride(), cpu.storage_offset())
    return (_rebuild, args + (self.requires_grad, dict(self.__dict__)))


@_method
def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Accumulate gradients of this tensor into the leaves of its graph.

    Args:
        gradient: gradient of this tensor; may be left out for a scalar.
        retain_graph: keep the graph for another backward.
        create_graph: make the gradients differentiable.
        inputs: accumulate only into these.
    """
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is not None:
        inputs = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
        if not inputs:
            raise RuntimeError("'inputs' argument to backward cannot be empty.")
    _C.backward([self], None if gradient is None else [gradient], keep, create_graph, inputs or [])


class _Handle(_RemovableHandle):
    """Handle of a native hook."""

    def __init__(self, tensor, hook_id):
        super().__init__(OrderedDict())
        self._target, self._hook_id = tensor, hook_id

    def remove(self):
        """Take the hook off."""
        if self._target is not None:
            _C.remove_hook(self._target, self._hook_id)
            self._target = None


@_method
def register_hook(self, hook):
    """Call `hook(grad)` whenever a gradient of this tensor is computed; it may return a replacement."""
    return _Handle(self, _C.register_hook(self, hook))


@_method
def register_post_accumulate_grad_hook(self, hook):
    """Call `hook(tensor)` after a gradient was accumulated into this leaf."""
    return _Handle(self, _C.register_post_accumulate_grad_hook(self, hook))


@_method
def retain_grad(self):
    """Keep `.grad` although this tensor is not a leaf."""
    _C.retain_grad(self)


Tensor.retains_grad = property(lambda self: _C.retains_grad(self))
Tensor.output_nr = property(lambda self: _C.output_nr(self))
Tensor.layout = property(lambda self: _creation.strided)
Tensor.is_sparse = property(lambda self: False)
Tensor.is_quantized = property(lambda self: False)
Tensor.is_meta = property(lambda self: False)
Tensor.is_mps = property(lambda self: False)
Tensor.is_xpu = property(lambda self: False)
Tensor.is_nested = False
Tensor.is_mkldnn = False
Tensor.name = None
Tensor.T = property(lambda self: self.permute(list(range(self.ndim))[::-1]))
Tensor.H = property(lambda self: self.transpose(0, 1) if self.ndim == 2 else self)
Tensor.mT = property(lambda self: self.transpose(-2, -1))
Tensor.mH = property(lambda self: self.transpose(-2, -1))
Tensor.real = property(lambda self: self)
Tensor.__array_interface__ = property(lambda self: _array_interface(self))
Tensor.__array_priority__ = 1000


def _array_interface(t):
    if t.requires_grad:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return _C.array_interface(t)


class _View:
    """What numpy reads a tensor's memory through; it keeps the tensor alive."""

    def __init__(self, t):
        self.__array_interface__ = _C.array_interface(t)
        self._t = t


@_method
def numpy(self, *, force=False):
    """Return a numpy array that shares memory.

    Raises:
        RuntimeError: for a tensor that requires grad, unless `force`.
        TypeError: for a GPU tensor, unless `force`, and for bfloat16.
    """
    import numpy as np

    t = self.detach().cpu() if force else self
    if t.requires_grad:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return np.asarray(_View(t))


@_method
def __array__(self, dtype=None, copy=None):
    import numpy as np

    a = self.numpy()
    if copy:
        return np.array(a, dtype=dtype)
    return a if dtype is None else a.astype(dtype, copy=False)


@_method
def __dlpack__(self, **kwargs):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    kwargs.pop("stream", None)
    return self.numpy().__dlpack__(**kwargs)


@_method
def __dlpack_device__(self):
    return (1, 0)


def _sizes_or_dtype(args, kwargs):
    return args[0] if args else kwargs.get("dtype")


@_method
def view(self, *shape, dtype=None):
    """Give another shape without a copy, or read the bytes as another dtype.

    Raises:
        RuntimeError: when strides do not allow it.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], _C.dtype)):
        return _view_dtype(self, dtype or shape[0])
    return self._view(_sizes(shape))


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


@_method
def view_as(self, other):
    """View with the shape of `other`."""
    return self._view(list(other.shape))


@_method
def reshape_as(self, other):
    """Reshape to the shape of `other`."""
    return self.reshape(other.shape)


@_method
def expand(self, *sizes, implicit=False):
    """Broadcast to larger sizes without a copy; -1 keeps a size."""
    return _C.expand(self, _sizes(sizes))


@_method
def repeat(self, *repeats):
    """Repeat along each dimension."""
    return _C.repeat(self, _sizes(repeats))


@_method
def tile(self, *dims):
    """Repeat along dimensions, aligned at the end."""
    return _C.tile(self, _sizes(dims))


@_method
def flip(self, *dims):
    """Reverse dimensions."""
    return _C.flip(self, _sizes(dims))


@_method
def roll(self, shifts, dims=None):
    """Shift elements around the end."""
    return _shape.roll(self, shifts, dims)


@_method
def unflatten(self, dim, sizes):
    """Split one dimension into several."""
    return _shape.unflatten(self, dim, sizes)


@_method
def sum_to_size(self, *size):
    """Add up to a size that broadcasts to this one."""
    size = _sizes(size)
    lead = self.ndim - len(size)
    dims = list(range(lead)) + [i + lead for i, s in enumerate(size) if s == 1 and self.shape[i + lead] != 1]
    y = _C.sum(self, dims, True, None) if dims else self
    return y.reshape(size)


@_method
def is_contiguous(self, memory_format=None):
    """Tell whether elements lie in order without gaps."""
    if memory_format is None or memory_format is _creation.contiguous_format:
        return self._is_contiguous()
    rank = {_creation.channels_last: 4, _creation.channels_last_3d: 5}.get(memory_format)
    return rank == self.ndim and self.movedim(1, -1)._is_contiguous()


@_method
def contiguous(self, memory_format=None):
    """Return the tensor in row-major order, itself when it is so already."""
    if memory_format in (_creation.channels_last, _creation.channels_last_3d):
        return _C.contiguous(self.movedim(1, -1)).movedim(-1, 1)
    return _C.contiguous(self)


@_method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """Convert dtype or device; returns itself when nothing changes.

    Example:
        >>> import rsnn
        >>> rsnn.ones(2).to(rsnn.float64).dtype
        rsnn.float64
    """
    for a in args:
        if isinstance(a, Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, _C.dtype):
            dtype = a
        elif isinstance(a, bool):
            pass
        elif a is not None:
            device = a
    t = self
    if device is not None:
        t = _C.to_device(t, device)
    if dtype is not None:
        t = _C.to_dtype(t, dtype)
    if memory_format is not None and memory_format not in (_creation.preserve_format, _creation.contiguous_format):
        t = t.contiguous(memory_format=memory_format)
    return _C.clone(t) if copy and t is self else t


@_method
def type(self, dtype=None, non_blocking=False):
    """Return the type's name, or convert to a dtype."""
    if dtype is None:
        prefix = "rsnn." if self.is_cpu else "rsnn.gpu."
        return prefix + _TYPE_NAMES[self.dtype.name]
    if isinstance(dtype, str):
        names = {v: k for k, v in _TYPE_NAMES.items()}
        dtype = getattr(_C, names[dtype.rsplit(".", 1)[-1]])
    return _C.to_dtype(self, dtype)


_TYPE_NAMES = {
    "float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor", "bfloat16": "BFloat16Tensor",
    "int8": "CharTensor", "int16": "ShortTensor", "int32": "IntTensor", "int64": "LongTensor", "uint8": "ByteTensor",
    "bool": "BoolTensor",
}  # fmt: skip


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


@_method
def type_as(self, other):
    """Convert to the dtype of `other`."""
    return _C.to_dtype(self, other.dtype)


@_method
def cpu(self, memory_format=None):
    """Move to the CPU."""
    return _C.to_device(self, "cpu")


@_method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """Move to the GPU."""
    return _C.to_device(self, "gpu" if device is None else device)


Tensor.gpu = Tensor.xpu = cuda


@_method
def get_device(self):
    """Return the GPU's index, -1 for the CPU."""
    return -1 if self.is_cpu else self.device.index


@_method
def copy_(self, src, non_blocking=False):
    """Copy elements of `src`, broadcast and converted."""
    return _C.copy_(self, src if isinstance(src, Tensor) else _C.tensor(src, None))


@_method
def fill_(self, value):
    """Set every element to a value."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        if value.requires_grad:
            return _C.copy_(self, value)
        value = value.item()
    return _C.fill_(self, float(value))


@_method
def zero_(self):
    """Set every element to zero."""
    return self.fill_(0.0)


@_method
def fill_diagonal_(self, fill_value, wrap=False):
    """Set the diagonal to a value."""
    n = min(self.shape)
    step = sum(self.stride())
    _C.fill_(_C.as_strided(self, [n], [step], self.storage_offset()), float(fill_value))
    return self


@_method
def detach_(self):
    """Forget this tensor's history."""
    self.requires_grad_(False) if self.is_leaf else _C.detach_(self)
    return self


@_method
def set_(self, source=None, storage_offset=None, size=None, stride=None):
    """Share the data of another tensor."""
    if source is None:
        self.data = _C.empty([0], self.dtype)
        return self
    if not isinstance(source, Tensor):
        source = source._tensor
    self.data = source.detach() if size is None else _C.as_strided(source.detach(), list(size), list(stride), storage_offset or 0).detach()
    return self


@_method
def resize_(self, *sizes, memory_format=None):
    """Change the size in place; new elements are uninitialised."""
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    return _C.resize_(self, _sizes(sizes))


@_method
def resize_as_(self, other, memory_format=None):
    """Change the size in place to that of `other`."""
    return self.resize_(list(other.shape))


def _meta_in_place(name, f):
    def g(self, *args, **kwargs):
        v = f(self, *args, **kwargs)
        return _C.become_view(self, v)

    g.__name__ = g.__qualname__ = name
    g.__doc__ = f"In-place version of `{name[:-1]}`: changes sizes and strides of this tensor."
    setattr(Tensor, name, g)


for _name in ("transpose", "unsqueeze", "squeeze", "t", "swapaxes", "swapdims", "as_strided"):
    _meta_in_place(_name + "_", getattr(Tensor, _name))


@_method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    """Make a tensor from data with this tensor's dtype and device."""
    return _creation.tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def _new(name, make):
    def f(self, *size, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
        return make(*size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Make a tensor like `rsnn.{name[4:]}` with this tensor's dtype and device."
    setattr(Tensor, name, f)


_new("new_empty", _creation.empty)
_new("new_zeros", _creation.zeros)
_new("new_ones", _creation.ones)


@_method
def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None):
    """Make a tensor of one value with this tensor's dtype and device."""
    return _creation.full(size, fill_value, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


@_method
def new_empty_strided(self, size, stride, dtype=None, device=None, requires_grad=False):
    """Make an uninitialised tensor with given strides."""
    return _creation.empty_strided(size, stride, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


@_method
def new(self, *args):
    """Make a tensor of this dtype from sizes or data."""
    if len(args) == 1 and not isinstance(args[0], int):
        return _creation.tensor(args[0], dtype=self.dtype)
    return _creation.empty(*(args or (0,)), dtype=self.dtype)


@_method
def as_subclass(self, cls):
    """Return the same data as an instance of a Tensor subclass."""
    return Tensor._make_subclass(cls, self, self.requires_grad)


@_method
def is_set_to(self, tensor):
    """Tell whether both share the same storage and geometry."""
    same = _C.same_storage(self, tensor) and self.storage_offset() == tensor.storage_offset()
    return same and self.shape == tensor.shape and self.stride() == tensor.stride()


@_method
def is_shared(self):
    """Tell whether the memory is shared between processes: never."""
    return False


@_method
def share_memory_(self):
    """Return itself: threads share memory already."""
    return self


@_method
def is_pinned(self, device=None):
    """Tell whether the memory is pinned: never."""
    return False


@_method
def pin_memory(self, device=None):
    """Return itself: host memory needs no pinning here."""
    return self


@_method
def untyped_storage(self):
    """Return the bytes behind this tensor."""
    from ._storage import UntypedStorage

    return UntypedStorage(self)


Tensor.storage = untyped_storage


@_method
def to_dense(self, dtype=None, *, masked_grad=True):
    """Return itself: tensors here are dense."""
    return self if dtype is None else _C.to_dtype(self, dtype)


@_method
def where(self, condition, y):
    """Choose own elements where the condition holds, of `y` elsewhere."""
    return _C.where_(condition, self, y)


def _draw(name, **defaults):
    native = getattr(_C, name)
    order = list(defaults)

    def f(self, *args, generator=None, **kwargs):
        values = dict(defaults)
        values.update(zip(order, args))
        values.update(kwargs)
        return native(self, *[float(values[k]) for k in order], generator)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Fill with random numbers: `{name[:-1]}` with parameters {', '.join(order)}."
    setattr(Tensor, name, f)


_draw("uniform_", **{"from": 0.0, "to": 1.0})
_draw("normal_", mean=0.0, std=1.0)
_draw("exponential_", lambd=1.0)
for _name, _defaults in {
    "geometric_": {"p": None}, "log_normal_": {"mean": 1.0, "std": 2.0}, "cauchy_": {"median": 0.0, "sigma": 1.0},
}.items():  # fmt: skip
    if hasattr(_C, _name):
        _draw(_name, **_defaults)


@_method
def random_(self, from_=None, to=None, *, generator=None):
    """Fill with random integers."""
    if from_ is not None and to is None:
        from_, to = 0, from_
    return _C.random_(self, from_, to, generator)


@_method
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 0 and 1 drawn with probability p."""
    return _C.bernoulli_(self, p, generator)
