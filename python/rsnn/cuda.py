"""torch's CUDA queries answered for the GPU that rsnn drives through wgpu."""

from . import gpu as _gpu


def is_available():
    """Tell whether a GPU can be used."""
    return _gpu.is_available()


def device_count():
    """Count the GPUs."""
    return _gpu.device_count()


def current_device():
    """Return 0: tensors name their device."""
    return 0


def get_device_name(device=None):
    """Return the adapter's name."""
    return _gpu.get_device_name(device or 0)


def synchronize(device=None):
    """Wait for the GPU."""
    _gpu.synchronize(device or 0)


def empty_cache():
    """Give cached GPU memory back."""


def manual_seed(seed):
    """Seed the default generator."""
    from .random import manual_seed as run

    run(seed)


manual_seed_all = manual_seed
