"""Write pickles that torch reads, with torch's global names and without importing torch."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from functools import lru_cache
from typing import Any

import rsnn

from . import _rsnn
from ._torch_pickle import ITEM_SIZES, STORAGE_NAMES, dtype_name


class Global:
    """Name a global that is written by name and never imported."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str):
        self.module = module
        self.name = name

    def __call__(self):
        raise TypeError("a name, not a function")


_global = lru_cache(maxsize=None)(Global)


class StorageRef:
    """Stand for one storage in the pickle; the bytes are a record beside it."""

    __slots__ = ("key", "dtype", "numel", "location")

    def __init__(self, key: str, dtype: str, numel: int, location: str):
        self.key, self.dtype, self.numel, self.location = key, dtype, numel, location


def location_of(device: Any) -> str:
    """Name a device as torch's files do."""
    return "cpu" if device.type == "cpu" else f"cuda:{device.index or 0}"


class TorchPickler(pickle._Pickler):
    """Pickle with torch's globals (`torch._utils _rebuild_tensor_v2`, `torch FloatStorage`) without importing torch."""

    dispatch = pickle._Pickler.dispatch.copy()  # type: ignore[attr-defined]

    def __init__(self, file, protocol: int = 2):
        super().__init__(file, protocol)
        self.refs: dict[int, StorageRef] = {}
        self.storages: list[Any] = []  # one tensor per storage, in key order

    def save_torch_global(self, obj: Global):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    dispatch[Global] = save_torch_global

    def persistent_id(self, obj: Any):
        if type(obj) is StorageRef:
            return ("storage", _global("torch", STORAGE_NAMES[obj.dtype]), obj.key, obj.location, obj.numel)
        return None

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", "") or ""
        own = getattr(rsnn.nn, getattr(obj, "__name__", ""), None)
        if module.startswith("rsnn.nn.") and own is obj:
            return self.save_torch_global(_global("torch.nn", obj.__name__))
        return super().save_global(obj, name)

    def save_type(self, obj):
        if obj in (type(None), type(NotImplemented), type(...)):
            return super().save_type(obj)
        return self.save_global(obj)

    dispatch[type] = save_type

    def _storage_ref(self, tensor: Any) -> StorageRef:
        key, dtype = tensor._storage_key(), dtype_name(tensor.dtype)
        ref = self.refs.get(key)
        if ref is None:
            if dtype not in STORAGE_NAMES:
                raise NotImplementedError(
                    f"save: tensor of dtype {tensor.dtype}, expected one of {list(STORAGE_NAMES)}"
                )
            ref = StorageRef(str(len(self.storages)), dtype, 0, location_of(tensor.device))
            data = _rsnn.storage_bytes(tensor.detach())
            ref.numel = len(data) // ITEM_SIZES[dtype]
            self.refs[key] = ref
            # Holding the tensor keeps the storage's identity from being reused while writing.
            self.storages.append((tensor, data))
        elif ref.dtype != dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{ref.dtype} and {dtype}"
            )
        return ref

    def reducer_override(self, obj: Any):
        if isinstance(obj, rsnn.Tensor):
            return self._reduce_tensor(obj)
        if type(obj) is rsnn.Size and rsnn.Size is not tuple:
            return _global("torch", "Size"), (tuple(obj),)
        if isinstance(obj, rsnn.device):
            return _global("torch", "device"), (location_of(obj),)
        return NotImplemented

    def _reduce_tensor(self, t: Any):
        ref = self._storage_ref(t)
        args = (ref, t.storage_offset(), tuple(t.size()), tuple(t.stride()), t.requires_grad, OrderedDict())
        rebuild = _global("torch._utils", "_rebuild_tensor_v2")
        state = dict(getattr(t, "__dict__", None) or {})
        if isinstance(t, rsnn.nn.Parameter):
            plain = _Reduced(rebuild, (*args[:4], False, args[5]))
            if state:
                name = "_rebuild_parameter_with_state"
                return _global("torch._utils", name), (plain, t.requires_grad, OrderedDict(), state)
            return _global("torch._utils", "_rebuild_parameter"), (plain, t.requires_grad, OrderedDict())
        kind = getattr(type(t), "_stored_as", type(t))
        if kind is not rsnn.Tensor or state:
            cls = _global("torch", "Tensor") if kind is rsnn.Tensor else kind
            return _global("torch._tensor", "_rebuild_from_type_v2"), (rebuild, cls, args, state)
        return rebuild, args

    def save(self, obj, save_persistent_id=True):
        if type(obj) is _Reduced:
            return self.save_reduce(obj.func, obj.args)
        if isinstance(obj, rsnn.dtype):
            return super().save(_global("torch", dtype_name(obj)))
        return super().save(obj, save_persistent_id)


class _Reduced:
    """Write `func(*args)` in place."""

    __slots__ = ("func", "args")

    def __init__(self, func, args):
        self.func, self.args = func, args
