"""Read pickles that torch writes: which globals are allowed, and how tensors are rebuilt.

Holds no file format: `_checkpoint.py` finds the bytes, this file turns them into objects.
"""

from __future__ import annotations

import contextlib
import pickle
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import rsnn

# torch's storage classes by dtype name; the global's name is the only thing a file holds.
STORAGE_NAMES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
ITEM_SIZES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "bool": 1,
}


def dtype_name(dtype: Any) -> str:
    """Return a dtype's bare name, `float32` for `rsnn.float32`."""
    return str(dtype).rsplit(".", 1)[-1]


class CheckpointError(ValueError):
    """Say what is wrong with a checkpoint's bytes; the caller adds the file's name."""


class StorageType:
    """Stand for torch's `FloatStorage` and its siblings inside a persistent id."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: str):
        self.dtype = dtype


class Storage:
    """Hold one loaded storage as a 1-d tensor; `shift` is the start of a legacy storage view."""

    __slots__ = ("base", "shift")

    def __init__(self, base: Any, shift: int = 0):
        self.base = base
        self.shift = shift


# --- rebuilding -------------------------------------------------------------------------------------------------


def _check_bounds(numel: int, offset: int, size: tuple, stride: tuple) -> None:
    if len(size) != len(stride) or any(s < 0 for s in size) or any(s < 0 for s in stride) or offset < 0:
        raise pickle.UnpicklingError(f"tensor with size {size}, stride {stride}, offset {offset} is not valid")
    if 0 not in size:
        last = offset + sum((n - 1) * s for n, s in zip(size, stride))
        if last >= numel:
            raise pickle.UnpicklingError(
                f"tensor with size {size}, stride {stride}, offset {offset} is outside its storage of {numel} elements"
            )


def rebuild_tensor(storage: Storage, offset: int, size: tuple, stride: tuple) -> Any:
    if type(storage) is not Storage:
        raise pickle.UnpicklingError(f"tensor rebuilt from {type(storage).__name__}, expected a storage")
    size, stride, offset = tuple(size), tuple(stride), offset + storage.shift
    _check_bounds(storage.base.numel(), offset, size, stride)
    return storage.base.as_strided(size, stride, offset).detach()


def _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None):
    tensor = rebuild_tensor(storage, offset, size, stride)
    return tensor.requires_grad_() if _wants_grad(tensor, requires_grad) else tensor


def _wants_grad(tensor, requires_grad):
    if not isinstance(tensor, rsnn.Tensor):
        raise pickle.UnpicklingError(f"a parameter made from a {type(tensor).__name__}, expected a tensor")
    if requires_grad and not tensor.is_floating_point():
        raise pickle.UnpicklingError(f"a {tensor.dtype} tensor that requires grad, expected a floating point one")
    return bool(requires_grad)


def _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None):
    typed = Storage(storage.base if storage.base.dtype == dtype else storage.base.view(dtype))
    return _rebuild_tensor_v2(typed, offset, size, stride, requires_grad, backward_hooks)


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return rsnn.nn.Parameter(data, _wants_grad(data, requires_grad))


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    return _set_state(rsnn.nn.Parameter(data, _wants_grad(data, requires_grad)), state)


def _rebuild_from_type_v2(func, new_type, args, state):
    tensor = func(*args)
    if type(tensor) is not new_type and new_type is not rsnn.Tensor:
        tensor = tensor.as_subclass(new_type)
    return _set_state(tensor, state)


def _set_state(tensor, state):
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for key, value in {**(attributes or {}), **(slots or {})}.items():
        if not isinstance(key, str) or key.startswith("__"):
            raise pickle.UnpicklingError(f"tensor attribute {key!r} is not valid")
        setattr(tensor, key, value)
    return tensor


def _codecs_encode(text, encoding="utf-8"):
    if encoding not in ("latin1", "latin-1", "utf-8"):
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not allowed")
    return text.encode(encoding)


def _bytearray(data=b"", encoding=None):
    data = _codecs_encode(data, encoding) if encoding else data
    if not isinstance(data, bytes):  # a number would ask for memory that the file does not hold
        raise pickle.UnpicklingError(f"bytearray({data!r}) is not allowed")
    return bytearray(data)


@lru_cache(maxsize=1)
def _default_globals() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
        ("torch._utils", "_rebuild_tensor_v3"): _rebuild_tensor_v3,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter_with_state,
        ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type_v2,
        ("torch.nn.parameter", "Parameter"): rsnn.nn.Parameter,
        ("torch", "Tensor"): rsnn.Tensor,
        ("torch._tensor", "Tensor"): rsnn.Tensor,
        ("torch", "Size"): rsnn.Size,
        ("torch", "device"): rsnn.device,
        ("torch", "UntypedStorage"): StorageType("uint8"),
        ("torch.storage", "UntypedStorage"): StorageType("uint8"),
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "Counter"): Counter,
        ("collections", "defaultdict"): defaultdict,
        ("_codecs", "encode"): _codecs_encode,
    }
    for module in ("builtins", "__builtin__"):
        table[module, "bytearray"] = _bytearray
        for cls in (set, frozenset, complex, dict, list, tuple, int, float, bool, str):
            table[module, cls.__name__] = cls
    for name, storage in STORAGE_NAMES.items():
        table["torch", storage] = table["torch.storage", storage] = StorageType(name)
        table["torch", storage.replace("Storage", "Tensor")] = StorageType(name)
        table["torch", name] = getattr(rsnn, name)
    if hasattr(rsnn, "strided"):
        table["torch", "strided"] = rsnn.strided
    return table


_user_globals: dict[tuple[str, str], Any] = {}


def _global_key(item: Any) -> tuple[tuple[str, str], Any]:
    if isinstance(item, tuple):
        obj, path = item
        module, _, name = path.rpartition(".")
        return (module, name), obj
    return (item.__module__, item.__qualname__), item


def add_safe_globals(safe_globals: list) -> None:
    """Allow classes or functions in files read with `weights_only=True`.

    Args:
        safe_globals: callables, or `(callable, "module.name")` pairs where the file uses another name.

    Example:
        >>> rsnn.serialization.add_safe_globals([pathlib.PurePosixPath])
    """
    _user_globals.update(_global_key(item) for item in safe_globals)


def clear_safe_globals() -> None:
    """Forget every global added by `add_safe_globals`."""
    _user_globals.clear()


def get_safe_globals() -> list:
    """List the globals added by `add_safe_globals`."""
    return list(_user_globals.values())


class safe_globals(contextlib.ContextDecorator):
    """Allow globals within a `with` block, as `add_safe_globals` does for the process."""

    def __init__(self, safe_globals: list):
        self.added = safe_globals

    def __enter__(self):
        self.before = dict(_user_globals)
        add_safe_globals(self.added)

    def __exit__(self, *exc):
        _user_globals.clear()
        _user_globals.update(self.before)


def _torch_global(module: str, name: str) -> Any:
    """Find what rsnn has for one of torch's names; None when there is nothing."""
    if (module, name) in _user_globals:
        return _user_globals[module, name]
    return _default_globals().get((module, name))


# --- reading ----------------------------------------------------------------------------------------------------

_OPCODES = (
    "PROTO STOP FRAME MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS LIST EMPTY_DICT SETITEM SETITEMS DICT EMPTY_SET "
    "ADDITEMS FROZENSET BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID"
)


class WeightsUnpickler(pickle._Unpickler):
    """Unpickle with an allow-list: only known rebuild functions run, only plain containers get a state.

    The pure Python unpickler is the base because calls and state changes are checked per opcode, which the C one
    does not permit.
    """

    dispatch = {
        getattr(pickle, op)[0]: pickle._Unpickler.dispatch[getattr(pickle, op)[0]]  # type: ignore[attr-defined]
        for op in _OPCODES.split()
    }

    def __init__(self, file, persistent_load: Callable, encoding: str = "utf-8"):
        super().__init__(file, encoding=encoding)
        self.persistent_load = persistent_load
        self._allowed: set[int] = set()

    def load(self) -> Any:
        try:
            return super().load()
        except (pickle.UnpicklingError, CheckpointError):
            raise
        except (
            KeyError,
            IndexError,
            EOFError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            AssertionError,
        ) as e:
            what = f"opcode {e.args[0]}" if isinstance(e, KeyError) and e.args else f"{type(e).__name__}: {e}"
            raise pickle.UnpicklingError(f"the pickle is truncated, corrupt or not allowed ({what})") from e

    def find_class(self, module: str, name: str) -> Any:
        found = _torch_global(module, name)
        if found is None:
            raise pickle.UnpicklingError(
                f"Unsupported global: GLOBAL {module}.{name} was not an allowed global by default. Please use "
                f"`rsnn.serialization.add_safe_globals([{name}])` or the `rsnn.serialization.safe_globals([{name}])` "
                "context manager to allowlist this global if you trust this class/function."
            )
        if found is not rsnn.Tensor:  # named as a type only: calling it would ask for memory the file does not hold
            self._allowed.add(id(found))
        return found

    def _check_callable(self, func: Any) -> None:
        if id(func) not in self._allowed or not callable(func):
            raise pickle.UnpicklingError(f"calling {func!r} is not allowed")

    def load_reduce(self):
        args = self.stack.pop()
        func = self.stack[-1]
        self._check_callable(func)
        self.stack[-1] = func(*args)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self):
        args = self.stack.pop()
        cls = self.stack.pop()
        self._check_callable(cls)
        self.append(cls.__new__(cls, *args))

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self):
        state = self.stack.pop()
        inst = self.stack[-1]
        if type(inst) in (OrderedDict, Counter, defaultdict):
            if state:
                inst.__dict__.update(state)
        elif isinstance(inst, rsnn.Tensor):
            _set_state(inst, state)
        elif type(inst) in _user_globals.values():
            if hasattr(inst, "__setstate__"):
                inst.__setstate__(state)
            else:
                inst.__dict__.update(state)
        else:
            raise pickle.UnpicklingError(f"setting the state of a {type(inst).__name__} is not allowed")

    dispatch[pickle.BUILD[0]] = load_build


class FullUnpickler(pickle.Unpickler):
    """Unpickle anything, as `weights_only=False` asks; torch's names resolve to rsnn's."""

    def __init__(self, file, persistent_load: Callable, encoding: str = "utf-8"):
        super().__init__(file, encoding=encoding)
        self._load = persistent_load

    def persistent_load(self, pid):
        return self._load(pid)

    def find_class(self, module: str, name: str) -> Any:
        found = _torch_global(module, name)
        if found is not None:
            return found
        if module == "torch.nn" or module.startswith("torch.nn.modules"):
            if hasattr(rsnn.nn, name):
                return getattr(rsnn.nn, name)
        if module == "torch" or module.startswith("torch."):
            module = "rsnn" + module[len("torch") :]
        return super().find_class(module, name)
