"""Modules without initial values."""

from __future__ import annotations

import inspect

import rsnn

__all__ = ["skip_init"]


def skip_init(module_cls, *args, **kwargs):
    """Make a module whose parameters have memory but no values yet.

    Args:
        module_cls: a Module class that takes `device`.

    >>> layer = rsnn.nn.utils.skip_init(rsnn.nn.Linear, 5, 1)
    """
    from rsnn.nn.module import Module

    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    device = kwargs.pop("device", "cpu")
    # Without a meta device values are drawn, at no cost to the generator.
    with rsnn.random.fork_rng():
        return module_cls(*args, **kwargs, device=device)
