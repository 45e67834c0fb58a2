"""Seeds and generator states."""

import contextlib

from . import _rsnn as _C

Generator = _C.Generator
default_generator = _C.default_generator()


def manual_seed(seed):
    """Seed the default generator; the same seed gives torch's values.

    Example:
        >>> import rsnn
        >>> g = rsnn.manual_seed(0)
        >>> g.initial_seed()
        0
    """
    return default_generator.manual_seed(int(seed))


def seed():
    """Seed the default generator from the system and return the seed."""
    return default_generator.seed()


def initial_seed():
    """Return the seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state():
    """Return the state of the default generator as bytes in a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Restore a state of the default generator."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, device_type="cpu"):
    """Restore the generator's state at the end of the block."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
