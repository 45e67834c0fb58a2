"""The GPU behind `device("gpu")`: what is there, and waiting for it."""

from . import _rsnn as _C


def is_available():
    """Tell whether a GPU can be used; software adapters count only with RSNN_ALLOW_SOFTWARE=1."""
    return _C.gpu_device_count() > 0


def device_count():
    """Count the GPUs."""
    return _C.gpu_device_count()


def get_device_name(index=0):
    """Return the adapter's name."""
    return _C.gpu_device_name(index)


def synchronize(index=0):
    """Wait until the GPU has run everything that was asked for."""
    _C.gpu_synchronize(index)
