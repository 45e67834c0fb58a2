"""What assigning, reading and deleting a module's attributes does, and the explicit `register_*` and `add_module`."""

from __future__ import annotations

import inspect
from typing import Any

import rsnn
from rsnn import Tensor

from .hooks import (
    _global_buffer_registration_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    registered,
)
from .parameter import Buffer, Parameter


class AttributesMixin:
    """The part of Module that keeps parameters, buffers and modules apart from other attributes.

    Module is its only subclass, so an instance of it is a Module.
    """

    def register_buffer(self, name, tensor, persistent=True) -> None:
        """Add a tensor that is part of the state but not a parameter.

        Args:
            name: the attribute it is reached by.
            tensor: the buffer, or None to leave it out of `state_dict`.
            persistent: whether `state_dict` contains it.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        _check_name(self, name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{rsnn.typename(tensor)}' object to buffer '{name}' (rsnn Tensor or None required)"
            )
        self._buffers[name] = registered(_global_buffer_registration_hooks, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name, param) -> None:
        """Add a parameter, or None for one that is absent, under `name`."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        _check_name(self, name, "parameter", self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{rsnn.typename(param)}' object to parameter '{name}' "
                    "(rsnn.nn.Parameter or None required)"
                )
            if param.grad_fn:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. "
                    f"To express '{name}' as a function of another Tensor, compute the value in the forward() method."
                )
            param = registered(_global_parameter_registration_hooks, self, name, param)
        self._parameters[name] = param

    def add_module(self, name, module) -> None:
        """Add a submodule, or None, under `name`."""
        if not isinstance(module, AttributesMixin) and module is not None:
            raise TypeError(f"{rsnn.typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {rsnn.typename(name)}")
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        self._modules[name] = registered(_global_module_registration_hooks, self, name, module)

    def register_module(self, name, module) -> None:
        """Do what `add_module` does."""
        self.add_module(name, module)

    def __getattr__(self, name) -> Any:
        # Written out: this runs for every parameter and submodule a forward touches.
        state = self.__dict__
        if "_parameters" in state:
            members = state["_parameters"]
            if name in members:
                return members[name]
        if "_buffers" in state:
            members = state["_buffers"]
            if name in members:
                return members[name]
        if "_modules" in state:
            members = state["_modules"]
            if name in members:
                return members[name]
        if hasattr(type(self), name):
            # A property failed: its own error says more than that there is no such attribute.
            return object.__getattribute__(self, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value) -> None:
        state = self.__dict__
        params = state.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            _remove(name, state, self._buffers, self._modules)
            self._non_persistent_buffers_set.discard(name)
            self.register_parameter(name, value)
            return
        if params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{rsnn.typename(value)}' as parameter '{name}' (rsnn.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
            return
        modules = state.get("_modules")
        if isinstance(value, AttributesMixin):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            _remove(name, state, self._parameters, self._buffers)
            self._non_persistent_buffers_set.discard(name)
            modules[name] = registered(_global_module_registration_hooks, self, name, value)
        elif modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{rsnn.typename(value)}' as child module '{name}' (rsnn.nn.Module or None expected)"
                )
            modules[name] = registered(_global_module_registration_hooks, self, name, value)
        else:
            buffers = state.get("_buffers")
            if (buffers is not None and name in buffers) or isinstance(value, Buffer):
                _assign_buffer(self, name, value)
            else:
                super().__setattr__(name, value)

    def __delattr__(self, name) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self):
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in names if not name[0].isdigit())


def _check_name(module, name, kind, members) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string. Got {rsnn.typename(name)}")
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')
    if name not in members and hasattr(module, name):
        raise KeyError(f"attribute '{name}' already exists")


def _remove(name, *dicts) -> None:
    for members in dicts:
        members.pop(name, None)


def _assign_buffer(module, name, value) -> None:
    """Put `value` under `name` by way of `register_buffer`, which a subclass may have replaced."""
    if value is not None and not isinstance(value, Tensor):
        raise TypeError(
            f"cannot assign '{rsnn.typename(value)}' as buffer '{name}' (rsnn.nn.Buffer, rsnn.Tensor or None expected)"
        )
    if isinstance(value, Buffer):
        persistent = value.persistent
    else:
        persistent = name not in module._non_persistent_buffers_set
    if getattr(module.register_buffer, "__func__", None) is AttributesMixin.register_buffer:
        module.register_buffer(name, value, persistent)
    elif "persistent" in inspect.signature(module.register_buffer).parameters:
        module.register_buffer(name, value, persistent)
    elif persistent:
        module.register_buffer(name, value)
    else:
        raise RuntimeError(
            "Registering a non-persistent buffer on a Module subclass that implements register_buffer() without the "
            "persistent argument is not allowed."
        )
