"""Layers, containers, losses and what goes with them, under torch's names."""

from . import functional, init, parameter
from .module import Module
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

# The layers need what is above.
from . import attention, modules, utils  # noqa: E402, I001
from .modules import *  # noqa: E402, F403
