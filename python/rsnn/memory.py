"""The CPU allocator: counters and giving memory back."""

from . import _rsnn as _C


def stats():
    """Return live, peak and cached bytes, and how often a cached block was reused.

    Example:
        >>> import rsnn
        >>> sorted(rsnn.memory.stats())
        ['cached', 'hits', 'live', 'misses', 'peak']
    """
    return dict(_C.memory_stats())


def empty_cache():
    """Return cached blocks to the system."""
    _C.empty_cache()
