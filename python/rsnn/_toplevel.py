"""What torch's top level has besides functions of tensors: compilation, names of types and devices."""

from . import _rsnn as _C


def compile(
    model=None,
    *,
    fullgraph=False,
    dynamic=None,
    backend="inductor",
    mode=None,
    options=None,
    name=None,
    disable=False,
    recompile_limit=None,
    isolate_recompiles=False,
    shapes_spec=None,
):
    """Return the model unchanged (as a decorator, without `model`): eager execution needs no compilation."""
    return model if model is not None else (lambda m: m)


def is_anomaly_enabled():
    """Tell whether anomaly detection is on."""
    return _C.anomaly()[0]


def is_anomaly_check_nan_enabled():
    """Tell whether anomaly detection looks for nan."""
    return _C.anomaly()[1]


def set_anomaly_enabled(enabled, check_nan=True):
    """Switch anomaly detection; `autograd.set_detect_anomaly` does so as a context."""
    _C.set_anomaly(enabled, check_nan)


def get_device(input):
    """Return the index of the tensor's GPU, -1 for the CPU."""
    return input.get_device()


def typename(obj, /):
    """Return the qualified name of an object's type, or of the object when it is a class or function."""
    if isinstance(obj, _C.Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(obj, "__module__", None) or getattr(named, "__module__", None) or ""
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"
