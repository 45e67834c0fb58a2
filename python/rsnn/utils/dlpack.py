"""DLPack: share memory with numpy, torch, jax and others without a copy and without numpy in between."""

from __future__ import annotations

import enum

from .. import _rsnn as _C

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """Device types in DLPack's numbers."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLWebGPU = 15


_CPU = (DLDeviceType.kDLCPU, 0)


def export(tensor, stream=None, max_version=None, dl_device=None, copy=None):
    """Return the capsule that `Tensor.__dlpack__` hands out.

    Raises:
        BufferError: the tensor requires grad, or its memory cannot be shown where `dl_device` says.
    """
    if tensor.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream not in (None, -1):
        raise AssertionError("stream should be None on cpu.")
    copied = bool(copy)
    if dl_device is not None and tuple(dl_device) != tuple(_C.dlpack_device(tensor)):
        if tuple(dl_device) != _CPU or copy is False:
            raise BufferError(f"__dlpack__: got dl_device={tuple(dl_device)} for a tensor on {tensor.device}")
        tensor, copied = tensor.cpu(), True
    elif copied:
        tensor = _C.clone(tensor)
    return _C.to_dlpack(tensor, max_version is not None and max_version[0] >= 1, copied)


def to_dlpack(tensor):
    """Return a capsule over the memory of a CPU tensor, for libraries that take no tensor in `from_dlpack`."""
    return export(tensor)


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """Make a tensor over the memory of any object with `__dlpack__`, or of a DLPack capsule.

    Args:
        ext_tensor: the object.
        device: where the tensor shall be.
        copy: True always copies, False never does (and raises where it would have to), None copies when needed. Memory that
            its owner declares read-only needs a copy.

    Raises:
        BufferError: memory that cannot be read here, or a copy that `copy=False` forbids.

    Example:
        >>> import numpy, rsnn
        >>> a = numpy.zeros(2)
        >>> t = rsnn.from_dlpack(a)
        >>> a[0] = 5
        >>> t.tolist()
        [5.0, 0.0]
    """
    tensor, read_only = _C.from_dlpack_capsule(_capsule(ext_tensor))
    if read_only and copy is False:
        raise BufferError("from_dlpack: got read-only memory and copy=False, expected copy=None or True")
    moved = tensor if device is None else _C.to_device(tensor, device)
    if moved is not tensor:
        if copy is False:
            raise BufferError(f"from_dlpack: got copy=False, moving to {device} needs a copy")
        return moved
    return _C.clone(tensor) if copy or read_only else tensor


def _capsule(ext_tensor):
    if not hasattr(ext_tensor, "__dlpack__"):
        return ext_tensor
    kind = int(ext_tensor.__dlpack_device__()[0]) if hasattr(ext_tensor, "__dlpack_device__") else 1
    try:
        if kind != DLDeviceType.kDLCPU:
            return ext_tensor.__dlpack__(max_version=(1, 0), dl_device=_CPU)
        return ext_tensor.__dlpack__(max_version=(1, 0))
    except TypeError:  # a producer from before DLPack 1.0
        return ext_tensor.__dlpack__()
