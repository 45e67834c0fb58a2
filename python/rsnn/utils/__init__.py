"""Tools beside the model: hooks, data loading, checkpointing."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import checkpoint as checkpoint
    from . import data as data
    from . import dlpack as dlpack
    from . import hooks as hooks


def __getattr__(name):
    # `rsnn.utils.data` works without an import of its own, and costs nothing where it is not used.
    if name in ("checkpoint", "data", "dlpack", "hooks"):
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
