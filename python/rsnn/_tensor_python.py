"""What Python asks of a tensor: numbers, iteration, text, copies, pickles, arrays."""

import copy as _copy

from . import _rsnn as _C
from ._method import method

Tensor = _C.Tensor


@method
def item(self):
    """Return the only element as a Python number."""
    return _C.item(self)


@method
def tolist(self):
    """Return the elements as nested lists."""
    return _C.tolist(self)


def _one(t):
    if t.numel() != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return _C.item(t)


@method
def __float__(self):
    return float(_one(self))


@method
def __int__(self):
    return int(_one(self))


@method
def __index__(self):
    if self.dtype.is_floating_point or self.numel() != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(_C.item(self))


@method
def __iter__(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(_C.unbind(self, 0))


@method
def __contains__(self, element):
    if isinstance(element, (int, float, bool, Tensor)):
        return bool(_C.any(_C.binary("eq", self, element), [], False))
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


@method
def __reversed__(self):
    return self if self.ndim == 0 else _C.flip(self, [0])


@method
def __repr__(self, *, tensor_contents=None):
    from ._tensor_str import _str

    return _str(self, tensor_contents=tensor_contents)


@method
def __format__(self, spec):
    return format(self.item(), spec) if self.ndim == 0 and self.__class__ is Tensor else object.__format__(self, spec)


@method
def __copy__(self):
    cls, data = self.__class__, self.detach()
    new = data if cls is Tensor else Tensor._make_subclass(cls, data, False)
    new.requires_grad_(self.requires_grad)
    new.__dict__.update(self.__dict__)
    return new


@method
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


@method
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


@method
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


@method
def __array__(self, dtype=None, copy=None):
    import numpy as np

    a = self.numpy()
    if copy:
        return np.array(a, dtype=dtype)
    return a if dtype is None else a.astype(dtype, copy=False)


@method
def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    from .utils.dlpack import export

    return export(self, stream, max_version, dl_device, copy)


@method
def __dlpack_device__(self):
    return _C.dlpack_device(self)
