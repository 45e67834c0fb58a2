"""Module: named parameters, buffers and submodules, and the call that runs hooks around `forward`.

State dicts are in state.py, device and dtype moves in convert.py, hooks in hooks.py.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict

from rsnn import Tensor

from .convert import ConvertMixin
from .hooks import GLOBAL, HooksMixin
from .parameter import Buffer, Parameter
from .state import StateMixin

__all__ = ["Module"]

_HOOK_DICTS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def typename(value) -> str:
    """Return the name torch's messages use for the type of `value`."""
    if isinstance(value, Tensor):
        return "rsnn.FloatTensor" if type(value) is Tensor and value.is_floating_point() else "rsnn.Tensor"
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return kind.__qualname__ if module in (None, "builtins") else f"{module}.{kind.__name__}"


def _forward_unimplemented(self, *input) -> None:
    """Compute the output; every subclass defines it."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(HooksMixin, StateMixin, ConvertMixin):
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
    forward = _forward_unimplemented

    def __init__(self, *args, **kwargs) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        state = self.__dict__
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_non_persistent_buffers_set"] = set()
        state["_is_full_backward_hook"] = None
        for name in _HOOK_DICTS:
            state[name] = OrderedDict()
        state["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        # `__call__` below is `_call_impl` written out; a subclass that overrides `_call_impl` gets the long way.
        if ("_call_impl" in cls.__dict__ or "_wrapped_call_impl" in cls.__dict__) and "__call__" not in cls.__dict__:
            cls.__call__ = lambda self, *args, **kwargs: self._wrapped_call_impl(*args, **kwargs)

    def __call__(self, *args, **kwargs):
        try:
            if not (
                self._forward_pre_hooks
                or self._forward_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
                or GLOBAL.forward_pre
                or GLOBAL.forward
                or GLOBAL.backward
                or GLOBAL.backward_pre
            ):
                return self.forward(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        except Exception as error:
            _note_path(error, self)
            raise

    def _call_impl(self, *args, **kwargs):
        return Module.__call__(self, *args, **kwargs)

    def _wrapped_call_impl(self, *args, **kwargs):
        return self._call_impl(*args, **kwargs)

    # Registration

    def register_buffer(self, name, tensor, persistent=True) -> None:
        """Add a tensor that is part of the state but not a parameter.

        Args:
            name: the attribute it is reached by.
            tensor: the buffer, or None to leave it out of `state_dict`.
            persistent: whether `state_dict` contains it.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (rsnn Tensor or None required)"
            )
        for hook in GLOBAL.buffer.values():
            tensor = _or(hook(self, name, tensor), tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name, param) -> None:
        """Add a parameter, or None for one that is absent, under `name`."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name(name, "parameter", self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' (rsnn.nn.Parameter or None required)"
                )
            if param.grad_fn:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. "
                    f"To express '{name}' as a function of another Tensor, compute the value in the forward() method."
                )
            for hook in GLOBAL.parameter.values():
                param = _or(hook(self, name, param), param)
        self._parameters[name] = param

    def add_module(self, name, module) -> None:
        """Add a submodule, or None, under `name`."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {typename(name)}")
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        for hook in GLOBAL.module.values():
            module = _or(hook(self, name, module), module)
        self._modules[name] = module

    def register_module(self, name, module) -> None:
        """Do what `add_module` does."""
        self.add_module(name, module)

    def _check_name(self, name, kind, registered) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in registered and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # Attributes

    def __getattr__(self, name):
        # Written out: this runs for every parameter and submodule a forward touches.
        state = self.__dict__
        if "_parameters" in state:
            registered = state["_parameters"]
            if name in registered:
                return registered[name]
            registered = state["_modules"]
            if name in registered:
                return registered[name]
            registered = state["_buffers"]
            if name in registered:
                return registered[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value) -> None:
        state = self.__dict__
        params = state.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (rsnn.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in state:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_parameters", "_buffers")
            self._set_module(name, value)
        elif (modules := state.get("_modules")) is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (rsnn.nn.Module or None expected)"
                )
            self._set_module(name, value)
        else:
            self._set_buffer_or_plain(name, value)

    def _set_module(self, name, module) -> None:
        for hook in GLOBAL.module.values():
            module = _or(hook(self, name, module), module)
        self._modules[name] = module

    def _set_buffer_or_plain(self, name, value) -> None:
        buffers = self.__dict__.get("_buffers")
        known = buffers is not None and name in buffers
        if not known and not (isinstance(value, Tensor) and isinstance(value, Buffer)):
            super().__setattr__(name, value)
            return
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' (rsnn.nn.Buffer, rsnn.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            if buffers is None:
                raise AttributeError("cannot assign buffer before Module.__init__() call")
            self._forget(name, "_parameters", "_modules")
            self.register_buffer(name, value, value.persistent)
            return
        for hook in GLOBAL.buffer.values():
            value = _or(hook(self, name, value), value)
        buffers[name] = value

    def _forget(self, name, *kinds) -> None:
        self.__dict__.pop(name, None)
        for kind in kinds:
            self.__dict__[kind].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

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

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)
        for name in _HOOK_DICTS:
            self.__dict__.setdefault(name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    def __dir__(self):
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in names if not name[0].isdigit())

    # Lookup by dotted name

    def get_submodule(self, target):
        """Return the submodule at the dotted path `target`; the empty path is the module itself."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target, module, strict=False) -> None:
        """Put `module` at the dotted path `target`; with `strict` something must be there already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target) -> Parameter:
        """Return the parameter at the dotted path `target`."""
        module, name, param = self._get_tensor(target)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target) -> Tensor:
        """Return the buffer at the dotted path `target`."""
        module, name, buffer = self._get_tensor(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    def _get_tensor(self, target):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    # Iteration

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        """Yield (dotted name, member) for the members `get_members_fn(module)` gives."""
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for module_prefix, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield f"{module_prefix}.{name}" if module_prefix else name, member

    def parameters(self, recurse=True):
        """Yield the parameters, each object once."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """Yield (dotted name, parameter)."""
        yield from self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        """Yield the buffers, each object once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """Yield (dotted name, buffer)."""
        yield from self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def children(self):
        """Yield the direct submodules, each object once."""
        for _, module in self.named_children():
            yield module

    def named_children(self):
        """Yield (name, module) of the direct submodules."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate=True):
        """Yield this module and everything below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """Yield (dotted name, module) of this module and everything below it."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                child_prefix = prefix + ("." if prefix else "") + name
                yield from module.named_modules(memo, child_prefix, remove_duplicate)

    # Modes

    def train(self, mode=True):
        """Set training mode, which Dropout and the BatchNorm family look at, here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Turn recording of gradients on or off for all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True) -> None:
        """Drop all gradients, or fill them with zeros when `set_to_none` is false."""
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                if param.grad.grad_fn is not None:
                    param.grad.detach_()
                else:
                    param.grad.requires_grad_(False)
                param.grad.zero_()

    def compile(self, *args, **kwargs) -> None:
        """Accept torch's call; there is nothing to compile, the module runs as it is."""

    def _replicate_for_data_parallel(self):
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        for kind in ("_parameters", "_buffers", "_modules"):
            replica.__dict__[kind] = replica.__dict__[kind].copy()
        return replica

    # Printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """Return what `repr` shows in the parentheses besides submodules."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        lines = extra_lines + child_lines
        if not lines:
            body = ""
        elif len(extra_lines) == 1 and not child_lines:
            body = extra_lines[0]
        else:
            body = "\n  " + "\n  ".join(lines) + "\n"
        return f"{self._get_name()}({body})"


def _indent(text) -> str:
    return text.replace("\n", "\n  ")


def _or(result, value):
    return value if result is None else result


def _note_path(error, module) -> None:
    """Keep one note on `error` that says in which submodule of the outermost module it arose."""
    if not hasattr(error, "add_note"):
        return
    state = getattr(error, "_rsnn_path", None)
    if state is None:
        path = ""
        origin, note_index = type(module).__name__, len(getattr(error, "__notes__", ()))
        error.add_note("")
    else:
        inner, path, origin, note_index = state
        if inner is module:
            return
        # The caller may have skipped a level by calling a grandchild itself.
        children = itertools.islice(module.named_modules(), 1000)
        name = next((name for name, child in children if child is inner), None)
        if name is None:
            return
        path = f"{name}.{path}" if path else name
    error._rsnn_path = (module, path, origin, note_index)
    where = f"{path} ({origin})" if path else origin
    error.__notes__[note_index] = f"in module {where}"
