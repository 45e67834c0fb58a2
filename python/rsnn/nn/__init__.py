"""Layers, containers, losses and what goes with them, under torch's names."""

from . import attention, functional, init, modules, parameter, utils
from .module import Module
from .modules import *
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
