"""Hooks of modules: registration on one module, registration on all modules, and their order in a call."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict

from rsnn import Tensor
from rsnn.utils.hooks import BackwardHook, RemovableHandle

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


class GlobalHooks:
    """Hooks that run for every module; `active` tells `Module.__call__` that there may be some."""

    def __init__(self) -> None:
        self.forward_pre: OrderedDict = OrderedDict()
        self.forward: OrderedDict = OrderedDict()
        self.forward_always: OrderedDict = OrderedDict()
        self.forward_with_kwargs: OrderedDict = OrderedDict()
        self.backward_pre: OrderedDict = OrderedDict()
        self.backward: OrderedDict = OrderedDict()
        self.is_full_backward: bool | None = None
        self.buffer: OrderedDict = OrderedDict()
        self.module: OrderedDict = OrderedDict()
        self.parameter: OrderedDict = OrderedDict()

    def any_call_hook(self) -> bool:
        return bool(self.forward_pre or self.forward or self.backward_pre or self.backward)


GLOBAL = GlobalHooks()


def _register(hooks: OrderedDict, hook, extra_dict=None, prepend=False) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=extra_dict)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` at each `register_buffer`; a result replaces the buffer."""
    return _register(GLOBAL.buffer, hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, submodule)` at each registration of a submodule; a result replaces it."""
    return _register(GLOBAL.module, hook)


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, param)` at each `register_parameter`; a result replaces the parameter."""
    return _register(GLOBAL.parameter, hook)


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; a result replaces the arguments."""
    return _register(GLOBAL.forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; a result replaces the output."""
    handle = _register(GLOBAL.forward, hook, [GLOBAL.forward_with_kwargs, GLOBAL.forward_always])
    if with_kwargs:
        GLOBAL.forward_with_kwargs[handle.id] = True
    if always_call:
        GLOBAL.forward_always[handle.id] = True
    return handle


def _set_global_full(full: bool) -> None:
    if GLOBAL.is_full_backward is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use "
            "only one of them."
        )
    GLOBAL.is_full_backward = full


def register_module_backward_hook(hook) -> RemovableHandle:
    """Register the old kind of backward hook for all modules; prefer `register_module_full_backward_hook`."""
    _set_global_full(False)
    return _register(GLOBAL.backward, hook)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _register(GLOBAL.backward_pre, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when gradients for every module's inputs are known."""
    _set_global_full(True)
    return _register(GLOBAL.backward, hook)


class WrappedHook:
    """A load hook, with a weak reference to its module when it wants the module as first argument."""

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
    """The part of Module that registers hooks and calls them around `forward`."""

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
        self._set_full_backward(True)
        return _register(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """Register the old kind of backward hook; prefer `register_full_backward_hook`."""
        self._set_full_backward(False)
        return _register(self._backward_hooks, hook)

    def _set_full_backward(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
                "one of them."
            )
        self._is_full_backward_hook = full

    def _get_backward_hooks(self):
        """Return the backward hooks that apply, as (full, non-full)."""
        full, non_full = [], []
        if GLOBAL.backward:
            (full if GLOBAL.is_full_backward else non_full).extend(GLOBAL.backward.values())
        (full if self._is_full_backward_hook else non_full).extend(self._backward_hooks.values())
        return full, non_full

    def _get_backward_pre_hooks(self):
        """Return the backward pre-hooks that apply, the global ones first."""
        return [*GLOBAL.backward_pre.values(), *self._backward_pre_hooks.values()]

    def _maybe_warn_non_full_backward_hook(self, inputs, result, grad_fn) -> None:
        """Warn where the old kind of backward hook would miss gradients."""
        for value, what, missing in ((result, "return a", "grad_output"), (inputs, "take as input a", "grad_input")):
            values = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(each, Tensor) for each in values):
                warnings.warn(
                    f"Using non-full backward hooks on a Module that does not {what} single Tensor or a tuple of "
                    "Tensors is deprecated and will be removed in future versions. This hook will be missing some of "
                    f"the {missing}. Please use register_full_backward_hook to get the documented behavior.",
                    FutureWarning,
                    stacklevel=2,
                )
                return
        outputs = result if isinstance(result, tuple) else (result,)
        nodes = {each.grad_fn for each in outputs if each.grad_fn is not None}
        if len(nodes) > 1 or grad_fn not in nodes:
            detail = (
                "outputs are generated by different autograd Nodes"
                if len(nodes) > 1
                else "outputs are nested in python data structure"
            )
            missing = "grad_output"
        else:
            args = inputs if isinstance(inputs, tuple) else (inputs,)
            before = {each.grad_fn for each in args if each.grad_fn is not None}
            after = {node for node, _ in grad_fn.next_functions if node is not None}
            if before == after or all(node.name().endswith("AccumulateGrad") for node in after):
                return
            detail, missing = "the forward contains multiple autograd Nodes", "grad_input"
        warnings.warn(
            f"Using a non-full backward hook when {detail} is deprecated and will be removed in future versions. This "
            f"hook will be missing some {missing}. Please use register_full_backward_hook to get the documented "
            "behavior.",
            FutureWarning,
            stacklevel=2,
        )

    def _call_with_hooks(self, args, kwargs):
        always = [
            *((key, hook, True) for key, hook in GLOBAL.forward.items() if key in GLOBAL.forward_always),
            *(
                (key, hook, False)
                for key, hook in self._forward_hooks.items()
                if key in self._forward_hooks_always_called
            ),
        ]
        called: set = set()
        if not always:
            return self._hooked_forward(args, kwargs, called)
        try:
            return self._hooked_forward(args, kwargs, called)
        except Exception:
            for key, hook, is_global in always:
                if key in called:
                    continue
                try:
                    self._run_forward_hook(key, hook, is_global, args, kwargs, None)
                except Exception as error:  # the first exception is the one to report
                    scope = "global module" if is_global else "module"
                    warnings.warn(
                        f"{scope} forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error!s}",
                        stacklevel=2,
                    )
            raise

    def _hooked_forward(self, args, kwargs, called):
        full, non_full, pre = [], [], []
        if self._backward_pre_hooks or GLOBAL.backward_pre:
            pre = self._get_backward_pre_hooks()
        if self._backward_hooks or GLOBAL.backward:
            full, non_full = self._get_backward_hooks()
        args, kwargs = self._run_pre_hooks(args, kwargs)
        backward_hook = None
        if full or pre:
            backward_hook = BackwardHook(self, full, pre)
            args = backward_hook.setup_input_hook(args)
        result = self.forward(*args, **kwargs)
        for hooks, is_global in ((GLOBAL.forward, True), (self._forward_hooks, False)):
            for key, hook in list(hooks.items()):
                called.add(key)
                out = self._run_forward_hook(key, hook, is_global, args, kwargs, result)
                if out is not None:
                    result = out
        if backward_hook is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                    f"received {type(result)}",
                    stacklevel=2,
                )
            result = backward_hook.setup_output_hook(result)
        if non_full:
            self._attach_non_full(non_full, args, result)
        return result

    def _run_pre_hooks(self, args, kwargs):
        for hooks, with_kwargs in (
            (GLOBAL.forward_pre, ()),
            (self._forward_pre_hooks, self._forward_pre_hooks_with_kwargs),
        ):
            for key, hook in list(hooks.items()):
                if key in with_kwargs:
                    out = hook(self, args, kwargs)
                    if out is None:
                        continue
                    if not (isinstance(out, tuple) and len(out) == 2):
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {out}."
                        )
                    args, kwargs = out
                else:
                    out = hook(self, args)
                    if out is not None:
                        args = out if isinstance(out, tuple) else (out,)
        return args, kwargs

    def _run_forward_hook(self, key, hook, is_global, args, kwargs, result):
        with_kwargs = GLOBAL.forward_with_kwargs if is_global else self._forward_hooks_with_kwargs
        if key in with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _attach_non_full(self, hooks, args, result) -> None:
        var = result
        while not isinstance(var, Tensor):
            var = next(v for v in var.values() if isinstance(v, Tensor)) if isinstance(var, dict) else var[0]
        grad_fn = var.grad_fn
        if grad_fn is None:
            return
        for hook in hooks:
            grad_fn.register_hook(functools.partial(hook, self))
        self._maybe_warn_non_full_backward_hook(args, result, grad_fn)
