"""`autocast`: ops that gain from a half type get it, ops that need the range or precision of float32 keep it."""

import functools
import warnings

from .. import _rsnn as _C
from . import state

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_HALF = (_C.bfloat16, _C.float16)


def is_autocast_available(device_type):
    """Tell whether `autocast` knows a kind of device."""
    return device_type in state._SIDES


class autocast:
    """Choose dtypes op by op inside a `with` block or a decorated function, as torch's CPU lists do.

    Matrix products, convolutions, attention, recurrent layers and `prelu` compute in `dtype`; losses, `prod`, `cdist`,
    `quantile`, reflection and replication padding, 3d pooling and a few more in float32; `cat` and `stack` in the widest
    dtype they are given; everything else in the dtypes it gets. float64 and integers are never cast. Backward runs in the
    dtypes of the forward. Casts of float32 leaves that require grad are made once per outermost block.

    Args:
        device_type: "cpu" or "cuda" (also "gpu", "xpu", "mps": the GPU).
        dtype: bfloat16 or float16; by default bfloat16 on the CPU and float16 on the GPU.
        enabled: False switches autocast off inside.
        cache_enabled: keep casts of weights.

    Example:
        >>> import rsnn
        >>> layer = rsnn.nn.Linear(2, 2)
        >>> with rsnn.autocast("cpu", dtype=rsnn.bfloat16):
        ...     y = layer(rsnn.ones(1, 2))
        >>> y.dtype
        rsnn.bfloat16
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        gpu = state.on_gpu(device_type)
        self.device = device_type
        self.fast_dtype = state.get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = _C.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and gpu and not _has_gpu():
            warnings.warn(f"User provided device_type of '{device_type}', but there is no GPU. Disabling", stacklevel=2)
            enabled = False
        if enabled and self.fast_dtype not in _HALF:
            name = "CPU" if not gpu else "GPU"
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n{name} Autocast only "
                "supports dtype of rsnn.bfloat16, rsnn.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before = []

    def __enter__(self):
        self._before.append((
            state.is_autocast_enabled(self.device), state.get_autocast_dtype(self.device), _C.is_autocast_cache_enabled()
        ))  # fmt: skip
        self._set(self._enabled, self.fast_dtype, self._cache_enabled)
        _C.autocast_increment_nesting()
        return self

    def __exit__(self, *exc):
        if _C.autocast_decrement_nesting() == 0:
            _C.clear_autocast_cache()
        self._set(*self._before.pop())
        return False

    def _set(self, enabled, dtype, cache_enabled):
        state.set_autocast_enabled(self.device, enabled)
        state.set_autocast_dtype(self.device, dtype)
        _C.set_autocast_cache_enabled(cache_enabled)

    def __call__(self, func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            with self:
                return func(*args, **kwargs)

        return wrapper


def _has_gpu():
    from .. import cuda

    return cuda.is_available()


def _cast(value, device_type, dtype):
    if isinstance(value, _C.Tensor):
        here = value.is_cpu != state.on_gpu(device_type)
        return value.to(dtype) if here and value.is_floating_point() and value.dtype != _C.float64 else value
    if isinstance(value, dict):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_cast(v, device_type, dtype) for v in value]
        return type(value)(items) if type(value) in (list, tuple) else items
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """Decorate the `forward` of an `autograd.Function` that runs under autocast.

    Args:
        device_type: as in `autocast`.
        cast_inputs: cast incoming floating point tensors to this dtype and run `forward` with autocast off; None runs it in
            whatever state autocast is.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapper(ctx, *args, **kwargs):
        ctx._dtype = state.get_autocast_dtype(device_type)
        on = state.is_autocast_enabled(device_type)
        ctx._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return wrapper


def custom_bwd(bwd=None, *, device_type):
    """Decorate the `backward` of an `autograd.Function` whose `forward` has `custom_fwd`: it runs in the same state."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapper(ctx, *args, **kwargs):
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return wrapper
