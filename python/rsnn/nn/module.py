"""Module: its construction, its call, pickling and printing.

Attributes are in attributes.py, walks in traversal.py, hooks in hooks.py, state dicts in state.py and load.py, moves in
convert.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

from rsnn import _rsnn as _C

from .attributes import AttributesMixin
from .call import call_with_hooks
from .convert import ConvertMixin
from .error_path import add_path
from .hooks import (
    HooksMixin,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
)
from .load import LoadMixin
from .state import StateMixin
from .traversal import TraversalMixin

__all__ = ["Module"]

# The state of an empty module, in torch's order.
_STATE = {
    "training": lambda: True,
    "_parameters": dict,
    "_buffers": dict,
    "_non_persistent_buffers_set": set,
    "_backward_pre_hooks": OrderedDict,
    "_backward_hooks": OrderedDict,
    "_is_full_backward_hook": lambda: None,
    "_forward_hooks": OrderedDict,
    "_forward_hooks_with_kwargs": OrderedDict,
    "_forward_hooks_always_called": OrderedDict,
    "_forward_pre_hooks": OrderedDict,
    "_forward_pre_hooks_with_kwargs": OrderedDict,
    "_state_dict_hooks": OrderedDict,
    "_state_dict_pre_hooks": OrderedDict,
    "_load_state_dict_pre_hooks": OrderedDict,
    "_load_state_dict_post_hooks": OrderedDict,
    "_modules": dict,
}
# What files of old versions may lack.
_ADDED_LATER = [name for name in _STATE if name not in ("training", "_parameters", "_buffers", "_modules")]

# Hooks of all modules that a call has to look for.
_GLOBAL_HOOKS = [_global_forward_hooks, _global_forward_pre_hooks, _global_backward_hooks, _global_backward_pre_hooks]


def _forward_unimplemented(self, *input) -> None:
    """Compute the output; every subclass defines it."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(AttributesMixin, TraversalMixin, HooksMixin, StateMixin, LoadMixin, ConvertMixin):
    """Base of all layers and models.

    Parameters, buffers and modules assigned as attributes are registered under the attribute's name. Call
    `super().__init__()` first, define `forward`, and call the module itself so that hooks run.

    >>> class Net(rsnn.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = rsnn.nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> Net()(rsnn.zeros(1, 4)).shape[-1]
    2
    """

    dump_patches = False
    _version = 1
    training: bool
    call_super_init = False
    # Code for torch asks whether a module was compiled; none is.
    _compiled_call_impl = None
    forward: Callable[..., Any] = _forward_unimplemented

    def __init__(self, *args, **kwargs) -> None:
        if self.call_super_init is False:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        # Past our own `__setattr__`, which needs this state, but not past one that a class behind Module defines.
        assign = super(AttributesMixin, self).__setattr__
        for name, make in _STATE.items():
            assign(name, make())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        # `__call__` below is `_call_impl` written out; a subclass that overrides `_call_impl` gets the long way.
        if ("_call_impl" in cls.__dict__ or "_wrapped_call_impl" in cls.__dict__) and "__call__" not in cls.__dict__:
            cls.__call__ = lambda self, *args, **kwargs: self._wrapped_call_impl(*args, **kwargs)
        _use_native_slots(cls)

    def __call__(self, *args, **kwargs) -> Any:
        state = self.__dict__
        try:
            if not (
                state["_forward_hooks"]
                or state["_forward_pre_hooks"]
                or state["_backward_hooks"]
                or state["_backward_pre_hooks"]
                or _global_forward_hooks
                or _global_forward_pre_hooks
                or _global_backward_hooks
                or _global_backward_pre_hooks
            ):
                # To pass on no keywords would cost a dict.
                if kwargs:
                    return self.forward(*args, **kwargs)
                return self.forward(*args)
        except Exception as error:
            # Without its state (`__init__` was not called) the long way raises the right error.
            if "_forward_hooks" in state:
                add_path(error, self)
                raise
        return call_with_hooks(self, args, kwargs)

    def _call_impl(self, *args, **kwargs) -> Any:
        return Module.__call__(self, *args, **kwargs)

    def _wrapped_call_impl(self, *args, **kwargs):
        return self._call_impl(*args, **kwargs)

    def compile(self, *args, **kwargs) -> None:
        """Accept torch's call; there is nothing to compile, the module runs as it is."""

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)
        for name in _ADDED_LATER:
            if name not in self.__dict__:
                self.__dict__[name] = _STATE[name]()

    def _replicate_for_data_parallel(self):
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica._parameters = {}
        replica._buffers = replica._buffers.copy()
        replica._modules = replica._modules.copy()
        replica._is_replica = True
        return replica

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """Return what `repr` shows in the parentheses besides submodules."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        lines = extra_lines + child_lines
        if not lines:
            body = ""
        elif len(extra_lines) == 1 and not child_lines:
            body = extra_lines[0]
        else:
            body = "\n  " + "\n  ".join(lines) + "\n"
        return f"{self._get_name()}({body})"


# The parts are files, not classes anybody should meet: wrong calls read `Module.to_empty() missing ...`.
for _part in Module.__bases__:
    for _member in vars(_part).values():
        if isinstance(_member, FunctionType):
            _member.__qualname__ = f"Module.{_member.__name__}"


def _use_native_slots(cls) -> None:
    """Read attributes and call natively, to the same effect, where `cls` leaves both as Module has them."""
    if cls.__getattr__ is Module.__getattr__ and cls.__getattribute__ is object.__getattribute__:
        _C.read_natively(cls)
    if cls.__call__ is Module.__call__:
        _C.call_natively(cls, _GLOBAL_HOOKS, add_path)


_use_native_slots(Module)


def _addindent(s_, numSpaces):
    """Indent all lines but the first; blank lines become empty."""
    first, *rest = s_.split("\n")
    return "\n".join([first, *(numSpaces * " " + line if line.strip() else "" for line in rest)])
