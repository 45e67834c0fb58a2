"""Moving a module between devices and dtypes: `to`, `_apply` and their shorthands."""

from __future__ import annotations

import rsnn

from .parameter import Parameter, is_lazy


class ConvertMixin:
    """The part of Module that rewrites its parameters and buffers in place."""

    def _apply(self, fn, recurse=True):
        """Replace every parameter's and gradient's data, and every buffer, by `fn` of it; objects keep their identity."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is not None:
                with rsnn.no_grad():
                    self._parameters[name] = _convert_parameter(param, fn)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                if is_lazy(buffer):
                    buffer.data = fn(buffer.data)
                else:
                    self._buffers[name] = fn(buffer)
        return self

    def apply(self, fn):
        """Call `fn(module)` on every submodule and then on this module; return this module.

        >>> net = rsnn.nn.Sequential(rsnn.nn.Linear(2, 2)).apply(lambda module: None)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, *args, **kwargs):
        """Move parameters and buffers: `to(device=None, dtype=None, non_blocking=False)`, `to(dtype)` or `to(tensor)`.

        Only floating point tensors take the dtype. The module itself is changed and returned.

        Raises: TypeError when the dtype is not a floating point one.
        """
        device, dtype, non_blocking = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or getattr(dtype, "is_complex", False)):
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor):
            try:
                if tensor.is_floating_point() and dtype is not None:
                    return tensor.to(dtype=dtype) if device is None else tensor.to(device, dtype, non_blocking)
                return tensor if device is None else tensor.to(device, non_blocking=non_blocking)
            except NotImplementedError as error:
                if str(error).startswith("Cannot copy out of meta tensor"):
                    raise NotImplementedError(
                        f"{error} Please use rsnn.nn.Module.to_empty() instead of rsnn.nn.Module.to() when moving "
                        "module from meta to a different device."
                    ) from None
                raise

        return self._apply(convert)

    def to_empty(self, *, device, recurse=True):
        """Move parameters and buffers to `device` without copying their values."""
        return self._apply(lambda tensor: rsnn.empty_like(tensor, device=device), recurse=recurse)

    def cuda(self, device=None):
        """Move to the GPU; torch's name for it."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def xpu(self, device=None):
        """Move to the GPU; torch's name for it on Intel."""
        return self._apply(lambda tensor: tensor.xpu(device))

    def cpu(self):
        """Move to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def type(self, dst_type):
        """Cast all parameters and buffers to `dst_type`."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self):
        """Cast floating point parameters and buffers to float32."""
        return self._cast(rsnn.float32)

    def double(self):
        """Cast floating point parameters and buffers to float64."""
        return self._cast(rsnn.float64)

    def half(self):
        """Cast floating point parameters and buffers to float16."""
        return self._cast(rsnn.float16)

    def bfloat16(self):
        """Cast floating point parameters and buffers to bfloat16."""
        return self._cast(rsnn.bfloat16)

    def _cast(self, dtype):
        return self._apply(lambda tensor: tensor.to(dtype=dtype) if tensor.is_floating_point() else tensor)

    def share_memory(self):
        """Put parameters and buffers into memory that other processes can map."""
        return self._apply(lambda tensor: tensor.share_memory_())


def _convert_parameter(param, fn):
    """Put fn(param) into `param` and return it, or a new Parameter where the data cannot move into the old one."""
    if is_lazy(param):
        param.data = fn(param.data)
        return param
    grad = param.grad
    applied = fn(param)
    grad_applied = None if grad is None else fn(grad)
    param.grad = None
    try:
        param.data = applied
    except RuntimeError:
        param = Parameter(applied, param.requires_grad)
    if grad is not None:
        param.grad = grad_applied.requires_grad_(grad.requires_grad)
    return param


def _parse_to(*args, device=None, dtype=None, tensor=None, non_blocking=False, memory_format=None):
    """Sort the accepted forms of `to` into (device, dtype, non_blocking)."""
    flags = []
    for arg in args:
        if isinstance(arg, rsnn.Tensor):
            device, dtype = arg.device, arg.dtype
        elif isinstance(arg, rsnn.dtype):
            dtype = arg
        elif isinstance(arg, bool):
            flags.append(arg)
        elif isinstance(arg, (str, int, rsnn.device)):
            device = arg
        elif arg is not None:
            raise TypeError(f"to(): received an invalid argument of type {type(arg).__name__}")
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    if device is not None and not isinstance(device, rsnn.device):
        device = rsnn.device("cuda", device) if isinstance(device, int) else rsnn.device(device)
    return device, dtype, flags[0] if flags else non_blocking
