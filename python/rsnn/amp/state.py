"""The switches behind `autocast`, per thread and kind of device, under torch's top-level names."""

from .. import _rsnn as _C

__all__ = [
    "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache", "get_autocast_cpu_dtype",
    "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_cache_enabled", "is_autocast_cpu_enabled",
    "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype", "set_autocast_cpu_enabled",
    "set_autocast_dtype", "set_autocast_enabled", "set_autocast_gpu_dtype",
]  # fmt: skip

_SIDES = {"cpu": False, "gpu": True, "cuda": True, "xpu": True, "mps": True}

autocast_increment_nesting = _C.autocast_increment_nesting
autocast_decrement_nesting = _C.autocast_decrement_nesting
clear_autocast_cache = _C.clear_autocast_cache
is_autocast_cache_enabled = _C.is_autocast_cache_enabled
set_autocast_cache_enabled = _C.set_autocast_cache_enabled


def on_gpu(device_type):
    """Tell which of the two sets of switches a device type has.

    Raises:
        RuntimeError: for an unknown type.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if device_type not in _SIDES:
        raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
    return _SIDES[device_type]


def get_autocast_dtype(device_type):
    """Return the half type that autocast uses on a kind of device."""
    return _C.autocast_dtype(on_gpu(device_type))


def set_autocast_dtype(device_type, dtype):
    """Choose the half type that autocast uses on a kind of device."""
    _C.autocast_set_dtype(on_gpu(device_type), dtype)


def is_autocast_enabled(device_type="cuda"):
    """Tell whether autocast is on for a kind of device, on this thread."""
    return _C.autocast_is_enabled(on_gpu(device_type))


def set_autocast_enabled(device_type, enabled=None):
    """Switch autocast for a kind of device; one argument alone is the setting for the GPU."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    _C.autocast_set_enabled(on_gpu(device_type), enabled)


def is_autocast_cpu_enabled():
    """Tell whether autocast is on for the CPU."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled):
    """Switch autocast for the CPU."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype():
    """Return the half type for the CPU."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype):
    """Choose the half type for the CPU."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype():
    """Return the half type for the GPU."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype):
    """Choose the half type for the GPU."""
    set_autocast_dtype("cuda", dtype)
