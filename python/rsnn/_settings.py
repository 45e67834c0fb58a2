"""Defaults and switches that torch code sets."""

from . import _rsnn as _C
from ._creation import _default_device

_deterministic = {"mode": False, "warn_only": False, "debug": 0}
_warn_always = [False]


def set_default_device(device):
    """Set where new tensors live; None means the CPU."""
    _default_device[0] = None if device is None else _C.device(device)


def get_default_device():
    """Return where new tensors live."""
    return _C.device("cpu") if _default_device[0] is None else _default_device[0]


def set_default_dtype(d, /):
    """Set the dtype of new floating point tensors."""
    _C.set_default_dtype(d)


def set_default_tensor_type(t, /):
    """Set the dtype and device of new floating point tensors by an old type name such as "torch.DoubleTensor"."""
    names = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16"}
    parts = (t if isinstance(t, str) else f"{t.__module__}.{t.__name__}").split(".")
    if parts[-1] not in names:
        raise TypeError(f"invalid type object: only floating-point types are supported as the default type, got {t}")
    _C.set_default_dtype(getattr(_C, names[parts[-1]]))
    set_default_device("gpu" if len(parts) > 2 else None)


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accept the switch: every operation is deterministic anyway."""
    _deterministic.update(mode=bool(mode), warn_only=bool(mode and warn_only), debug=(1 if warn_only else 2) if mode else 0)


def are_deterministic_algorithms_enabled():
    """Return what was last set."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled():
    """Return what was last set."""
    return _deterministic["warn_only"]


def set_deterministic_debug_mode(debug_mode):
    """Accept "default" (0), "warn" (1) or "error" (2): every operation is deterministic anyway."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    modes = ("default", "warn", "error")
    if isinstance(debug_mode, str):
        if debug_mode not in modes:
            raise RuntimeError(f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}")
        debug_mode = modes.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode():
    """Return 0, 1 or 2, as last set."""
    return _deterministic["debug"]


def set_float32_matmul_precision(precision):
    """Accept "highest", "high" or "medium"; float32 products are always full precision."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: expected highest, high or medium, got {precision!r}")


def get_float32_matmul_precision():
    """Return "highest"."""
    return "highest"


def set_num_interop_threads(num, /):
    """Accept the setting; there is one pool."""


def get_num_interop_threads():
    """Return 1: there is one pool."""
    return 1


def set_flush_denormal(mode):
    """Return False: subnormal numbers are always kept."""
    return False


def set_warn_always(b, /):
    """Accept the switch: Python's warning filters decide how often a warning comes."""
    _warn_always[0] = bool(b)


def is_warn_always_enabled():
    """Return what was last set."""
    return _warn_always[0]
