"""Moving a module between devices and dtypes: `to`, `_apply` and their shorthands."""

from __future__ import annotations

import rsnn

from .parameter import is_lazy


class ConvertMixin:
    """The part of Module that rewrites its parameters and buffers in place."""

    def _apply(self, fn, recurse=True):
        """Replace every parameter's and gradient's data, and every buffer, by `fn` of it; objects keep their identity."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is not None:
                _convert_parameter(param, fn)
        for name, buffer in self._buffers.items():
            if buffer is None:
                continue
            if is_lazy(buffer):
                buffer.data = fn(buffer.data)
            else:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Move parameters and buffers: `to(device=None, dtype=None, non_blocking=False)`, `to(dtype)` or `to(tensor)`.

        Only floating point tensors take the dtype, and only those with 4 or 5 dimensions the keyword `memory_format`.
        The module itself is changed and returned.

        Raises: TypeError when the dtype is not a floating point one.
        """
        device, dtype, non_blocking, memory_format = _parse_to(args, kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(tensor):
            target = dtype if tensor.is_floating_point() else None
            tensor = tensor.to(device=device, dtype=target, non_blocking=non_blocking)
            return tensor if memory_format is None else _arranged(tensor, memory_format)

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
        return self._apply(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self):
        """Cast floating point parameters and buffers to float64."""
        return self._apply(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def half(self):
        """Cast floating point parameters and buffers to float16."""
        return self._apply(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)

    def bfloat16(self):
        """Cast floating point parameters and buffers to bfloat16."""
        return self._apply(lambda tensor: tensor.bfloat16() if tensor.is_floating_point() else tensor)

    def share_memory(self):
        """Put parameters and buffers into memory that other processes can map."""
        return self._apply(lambda tensor: tensor.share_memory_())


def _convert_parameter(param, fn) -> None:
    """Put `fn` of the data into `param` and its gradient; when `fn` fails, both stay as they are."""
    if is_lazy(param):
        param.data = fn(param.data)
        return
    grad = param.grad
    with rsnn.no_grad():
        data = fn(param)
        grad_data = None if grad is None else fn(grad)
    param.data = data
    if grad is not None:
        grad.data = grad_data


_RANKS = {rsnn.channels_last: (4, "channels_last"), rsnn.channels_last_3d: (5, "channels_last_3d")}


def _arranged(tensor, memory_format):
    """Return `tensor` in `memory_format` if it has as many dimensions as an image or a volume."""
    if tensor.dim() not in (4, 5) or memory_format == rsnn.preserve_format:
        return tensor
    rank, name = _RANKS.get(memory_format, (tensor.dim(), ""))
    if tensor.dim() != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {name} format")
    return tensor.contiguous(memory_format=memory_format)


# By the type of the first argument: the names of the positional ones.
_FORMS = {
    "device": ("device", "dtype", "non_blocking", "copy"),
    "dtype": ("dtype", "non_blocking", "copy"),
    "tensor": ("tensor", "non_blocking", "copy"),
}
_KINDS = {"device": (str, int, rsnn.device), "dtype": rsnn.dtype, "tensor": rsnn.Tensor, "non_blocking": bool, "copy": bool}


def _parse_to(args, kwargs):
    """Sort the accepted forms of `to` into (device, dtype, non_blocking, memory_format)."""
    given = dict(kwargs)
    memory_format = given.pop("memory_format", None)
    first = args[0] if args else None
    form = "dtype" if isinstance(first, rsnn.dtype) else "tensor" if isinstance(first, rsnn.Tensor) else "device"
    names = _FORMS["tensor" if "tensor" in given and not args else form]
    if len(args) > len(names) or given.keys() & set(names[: len(args)]) or given.keys() - set(names):
        raise _invalid_combination(args, kwargs)
    given.update(zip(names, args, strict=False))
    for name, value in given.items():
        # A bool is an int to Python but no device.
        if value is not None and (not isinstance(value, _KINDS[name]) or (name == "device" and isinstance(value, bool))):
            raise _invalid_combination(args, kwargs)
    if "copy" in given:
        raise RuntimeError(".to() does not accept copy argument")
    tensor = given.get("tensor")
    device, dtype = given.get("device"), given.get("dtype")
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    if isinstance(device, int):
        device = rsnn.device("cuda", device)
    return device, dtype, given.get("non_blocking", False), memory_format


def _invalid_combination(args, kwargs) -> TypeError:
    got = [rsnn.typename(type(value)) for value in args]
    got += [f"{name}={rsnn.typename(type(value))}" for name, value in kwargs.items()]
    return TypeError(
        f"to() received an invalid combination of arguments - got ({', '.join(got)}), but expected one of:\n"
        " * (rsnn.device device = None, rsnn.dtype dtype = None, bool non_blocking = False, *, "
        "rsnn.memory_format memory_format = None)\n"
        " * (rsnn.dtype dtype, bool non_blocking = False, *, rsnn.memory_format memory_format = None)\n"
        " * (Tensor tensor, bool non_blocking = False, *, rsnn.memory_format memory_format = None)"
    )
