"""The call of a module that has hooks: what runs around `forward`, in torch's order."""

from __future__ import annotations

import warnings

from rsnn import Tensor
from rsnn.utils.hooks import BackwardHook

from .error_path import add_path, keep_text
from .hooks import (
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_forward_hooks,
    _global_forward_hooks_always_called,
    _global_forward_hooks_with_kwargs,
    _global_forward_pre_hooks,
    _WrappedHook,
)


def call_with_hooks(module, args, kwargs):
    """Call `module`, at least one hook of which is set."""
    call = _Call(module, args, kwargs)
    try:
        return call.run()
    except Exception as error:
        if not call.in_forward:
            # An error of a hook is not an error of this module or of one around it.
            keep_text(error)
        call.run_always_called()
        raise


class _Call:
    """One call: arguments and result as the hooks left them so far."""

    __slots__ = ("args", "called", "full", "in_forward", "kwargs", "module", "non_full", "pre", "result")

    def __init__(self, module, args, kwargs) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result = None
        self.in_forward = False
        self.called: set[int] = set()
        # Those there before the first hook runs; reading them raises where `__init__` was not called.
        self.full, self.non_full, self.pre = [], [], []
        if module._backward_hooks or _global_backward_hooks:
            self.full, self.non_full = module._get_backward_hooks()
        if module._backward_pre_hooks or _global_backward_pre_hooks:
            self.pre = module._get_backward_pre_hooks()

    def run(self):
        module = self.module
        self.run_pre_hooks()
        backward_hook = None
        if self.full or self.pre:
            backward_hook = BackwardHook(module, self.full, self.pre)
            self.args = backward_hook.setup_input_hook(self.args)
        self.run_forward()
        self.run_forward_hooks()
        if backward_hook is not None:
            if not isinstance(self.result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                    f"received {type(self.result)}",
                    stacklevel=4,
                )
            self.result = backward_hook.setup_output_hook(self.result)
        if self.non_full:
            self.attach(self.non_full)
        return self.result

    def run_forward(self) -> None:
        self.in_forward = True
        try:
            self.result = self.module.forward(*self.args, **self.kwargs)
        except Exception as error:
            add_path(error, self.module)
            raise
        self.in_forward = False

    def run_pre_hooks(self) -> None:
        module = self.module
        for key, hook in (*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
            if key in module._forward_pre_hooks_with_kwargs:
                out = hook(module, self.args, self.kwargs)
                if out is None:
                    continue
                if not (isinstance(out, tuple) and len(out) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {out}."
                    )
                self.args, self.kwargs = out
            else:
                out = hook(module, self.args)
                if out is not None:
                    self.args = out if isinstance(out, tuple) else (out,)

    def run_forward_hooks(self) -> None:
        module = self.module
        for key, hook in (*_global_forward_hooks.items(), *module._forward_hooks.items()):
            if key in module._forward_hooks_always_called or key in _global_forward_hooks_always_called:
                self.called.add(key)
            self.run_forward_hook(key, hook)

    def run_forward_hook(self, key, hook) -> None:
        module = self.module
        if key in module._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
            out = hook(module, self.args, self.kwargs, self.result)
        else:
            out = hook(module, self.args, self.result)
        if out is not None:
            self.result = out

    def run_always_called(self) -> None:
        """Run the hooks that want to be called although the call failed."""
        module = self.module
        for hooks, always, scope in (
            (_global_forward_hooks, _global_forward_hooks_always_called, "global module"),
            (module._forward_hooks, module._forward_hooks_always_called, "module"),
        ):
            for key, hook in list(hooks.items()):
                if key not in always or key in self.called:
                    continue
                try:
                    self.run_forward_hook(key, hook)
                except Exception as error:  # the first exception is the one to report
                    warnings.warn(
                        f"{scope} forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error!s}",
                        stacklevel=4,
                    )

    def attach(self, hooks) -> None:
        """Put backward hooks of the old kind on the node behind the first tensor of the result."""
        var = self.result
        while not isinstance(var, Tensor):
            var = next(v for v in var.values() if isinstance(v, Tensor)) if isinstance(var, dict) else var[0]
        grad_fn = var.grad_fn
        if grad_fn is None:
            return
        for hook in hooks:
            grad_fn.register_hook(_WrappedHook(hook, self.module))
        self.module._maybe_warn_non_full_backward_hook(self.args, self.result, grad_fn)
