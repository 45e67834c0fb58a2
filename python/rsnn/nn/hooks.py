"""Hooks of modules: their registration on one module and on all modules.

call.py runs them.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict

from rsnn import Tensor
from rsnn.utils.hooks import RemovableHandle

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# Hooks of all modules, by handle id, under torch's names: libraries read them.
_global_buffer_registration_hooks: OrderedDict = OrderedDict()
_global_module_registration_hooks: OrderedDict = OrderedDict()
_global_parameter_registration_hooks: OrderedDict = OrderedDict()
_global_backward_pre_hooks: OrderedDict = OrderedDict()
_global_backward_hooks: OrderedDict = OrderedDict()
_global_forward_pre_hooks: OrderedDict = OrderedDict()
_global_forward_hooks: OrderedDict = OrderedDict()
_global_forward_hooks_always_called: OrderedDict = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict = OrderedDict()
_global_is_full_backward_hook: bool | None = None


def _register(hooks: OrderedDict, hook, extra_dict=None, prepend=False) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=extra_dict)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def registered(hooks: OrderedDict, module, name, value):
    """Return `value` as the registration hooks leave it."""
    for hook in hooks.values():
        result = hook(module, name, value)
        if result is not None:
            value = result
    return value


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` at each `register_buffer`; a result replaces the buffer."""
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, submodule)` at each registration of a submodule; a result replaces it."""
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, param)` at each `register_parameter`; a result replaces the parameter."""
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; a result replaces the arguments."""
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; a result replaces the output.

    Args:
        with_kwargs: call it as `hook(module, args, kwargs, output)`.
        always_call: call it also when the forward raised.
    """
    extra = [_global_forward_hooks_with_kwargs, _global_forward_hooks_always_called]
    handle = _register(_global_forward_hooks, hook, extra)
    if with_kwargs:
        _global_forward_hooks_with_kwargs[handle.id] = True
    if always_call:
        _global_forward_hooks_always_called[handle.id] = True
    return handle


def _set_global_full(full: bool) -> None:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use "
            "only one of them."
        )
    _global_is_full_backward_hook = full


def register_module_backward_hook(hook) -> RemovableHandle:
    """Register the old kind of backward hook for all modules; prefer `register_module_full_backward_hook`."""
    _set_global_full(False)
    return _register(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when gradients for every module's inputs are known."""
    _set_global_full(True)
    return _register(_global_backward_hooks, hook)


def _has_any_global_hook():
    """Tell whether a hook of all modules takes part in a call."""
    return (
        _global_backward_pre_hooks
        or _global_backward_hooks
        or _global_forward_pre_hooks
        or _global_forward_hooks
        or _global_forward_hooks_always_called
        or _global_forward_hooks_with_kwargs
    )


class _WrappedHook:
    """A hook with a weak reference to its module when it wants the module as first argument."""

    def __init__(self, hook, module=None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if self.with_module:
            self.module = weakref.ref(module)

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


class HooksMixin:
    """The part of Module that registers hooks."""

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; a result replaces the positional arguments.

        Args:
            hook: with `with_kwargs` it is called as `hook(module, args, kwargs)` and returns None or a pair.
            prepend: run before the hooks already there.
        """
        handle = _register(self._forward_pre_hooks, hook, self._forward_pre_hooks_with_kwargs, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; a result replaces the output.

        Args:
            hook: with `with_kwargs` it is called as `hook(module, args, kwargs, output)`.
            prepend: run before the hooks already there.
            always_call: run also when the forward raised.
        """
        extra = [self._forward_hooks_with_kwargs, self._forward_hooks_always_called]
        handle = _register(self._forward_hooks, hook, extra, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook, prepend=False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward; a result replaces the gradients."""
        return _register(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook, prepend=False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` once gradients of the inputs are known.

        A result replaces `grad_input` for the rest of the backward.
        """
        _set_full(self, True)
        return _register(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """Register the old kind of backward hook; prefer `register_full_backward_hook`."""
        _set_full(self, False)
        return _register(self._backward_hooks, hook)

    def _get_backward_hooks(self):
        """Return the backward hooks that apply, as (full, non-full)."""
        by_kind: dict[bool, list] = {True: [], False: []}
        if _global_is_full_backward_hook is not None:
            by_kind[_global_is_full_backward_hook] += _global_backward_hooks.values()
        if self._is_full_backward_hook is not None:
            by_kind[self._is_full_backward_hook] += self._backward_hooks.values()
        return by_kind[True], by_kind[False]

    def _get_backward_pre_hooks(self):
        """Return the backward pre-hooks that apply, the global ones first."""
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _maybe_warn_non_full_backward_hook(self, inputs, result, grad_fn) -> None:
        """Warn where an old backward hook on `grad_fn` sees less than its documentation says."""
        reason = _what_non_full_hook_misses(inputs, result, grad_fn)
        if reason is None:
            return
        advice = " Please use register_full_backward_hook to get the documented behavior."
        warnings.warn(
            f"{reason[0]} is deprecated and will be removed in future versions. This hook will be missing some "
            f"{reason[1]}.{'' if reason is _NESTED else advice}",
            FutureWarning,
            stacklevel=6,
        )


def _set_full(module, full: bool) -> None:
    if module._is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
            "one of them."
        )
    module._is_full_backward_hook = full


_NESTED = ("Using a non-full backward hook when outputs are nested in python data structure", "grad_output")


def _what_non_full_hook_misses(inputs, result, grad_fn):
    """Return (torch's words for the situation, what the hook misses), or None."""
    results = (result,) if isinstance(result, Tensor) else result
    if not _are_tensors(results):
        return (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors",
            "of the grad_output",
        )
    inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
    if not _are_tensors(inputs):
        return (
            "Using non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of Tensors",
            "of the grad_input",
        )
    nodes = {each.grad_fn for each in results if each.grad_fn is not None}
    if len(nodes) > 1:
        return (
            "Using a non-full backward hook when outputs are generated by different autograd Nodes",
            "grad_output",
        )
    if grad_fn not in nodes:
        return _NESTED
    before = {each.grad_fn for each in inputs if each.grad_fn is not None}
    if before != {node for node, _ in grad_fn.next_functions}:
        return "Using a non-full backward hook when the forward contains multiple autograd Nodes", "grad_input"
    return None


def _are_tensors(values) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, Tensor) for value in values)
