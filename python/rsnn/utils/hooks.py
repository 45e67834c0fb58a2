"""Handles for registered hooks, and the pair of graph nodes behind a module's full backward hooks."""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict

import rsnn
from rsnn import Tensor

__all__ = ["BackwardHook", "NativeHandle", "RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


class RemovableHandle:
    """Undo a hook's registration with `remove()` or at the end of a `with` block."""

    next_id: int = 0

    def __init__(self, hooks_dict, *, extra_dict=None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extras = extra_dict if isinstance(extra_dict, list) else [] if extra_dict is None else [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extras)

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref))

    def __setstate__(self, state) -> None:
        hooks, self.id, *extras = state
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        kept = extras[0] if extras and extras[0] else ()
        self.extra_dict_ref = tuple(weakref.ref(OrderedDict() if extra is None else extra) for extra in kept)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        self.remove()


class NativeHandle(RemovableHandle):
    """Undo the registration of a hook of a tensor or of a graph node."""

    def __init__(self, remover) -> None:
        super().__init__(OrderedDict())
        self._remover = remover

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        if self._remover is not None:
            self._remover()
            self._remover = None


def unserializable_hook(f):
    """Mark a tensor hook as one that saving may drop without a warning."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor) -> None:
    """Warn about each hook of `tensor` that a checkpoint would lose."""
    for hook in (getattr(tensor, "_backward_hooks", None) or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can "
                "decorate the function with @rsnn.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )


class BackwardHook:
    """Call a module's backward hooks once gradients of its outputs and of its inputs are known.

    An identity node is put on the inputs and another on the outputs; the second keeps the output gradients
    until the first one has the input gradients.
    """

    def __init__(self, module, user_hooks, user_pre_hooks) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs = None
        self.n_inputs = self.n_outputs = -1
        self.input_tensors_index: list[int] | None = None
        # By position: what inputs look like that need no gradient.
        self.constants: dict = {}
        self.output_tensors_index: list[int] | None = None

    def setup_input_hook(self, args):
        """Return `args` with the input node in front of its tensors."""
        self.constants = {
            i: (arg.shape, arg.dtype, arg.device)
            for i, arg in enumerate(args)
            if isinstance(arg, Tensor) and not arg.requires_grad
        }
        args, self.input_tensors_index = _through_identity(args, lambda node: node.register_hook(self._on_input))
        self.n_inputs = len(args)
        return args

    def setup_output_hook(self, args):
        """Return the outputs with the output node behind their tensors."""
        outputs = args if isinstance(args, tuple) else (args,)
        self.n_outputs = len(outputs)
        outputs, self.output_tensors_index = _through_identity(
            outputs, lambda node: node.register_hook(self._on_output)
        )
        return outputs if isinstance(args, tuple) else outputs[0]

    def _on_input(self, grad_input, _):
        # The output node did not run: the gradient reached the inputs by a path around the module.
        if self.grad_outputs is None:
            return None
        grads = list(_spread(self.input_tensors_index, grad_input, self.n_inputs))
        # Hooks see a tensor for each tensor among the inputs.
        for i, (shape, dtype, device) in self.constants.items():
            grads[i] = rsnn.zeros(shape, dtype=dtype, device=device)
        grads = tuple(grads)
        for hook in self.user_hooks:
            out = hook(self.module, grads, self.grad_outputs)
            if out is None:
                continue
            if len(out) != len(grads):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(out)}, but expected {len(grads)}"
                )
            grads = out
        self.grad_outputs = None
        return tuple(None if i in self.constants else grads[i] for i in self.input_tensors_index)

    def _on_output(self, _, grad_output):
        self.grad_outputs = _spread(self.output_tensors_index, grad_output, self.n_outputs)
        for hook in self.user_pre_hooks:
            out = hook(self.module, self.grad_outputs)
            if out is None:
                continue
            if len(out) != self.n_outputs:
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(out)}, "
                    f"but expected {self.n_outputs}"
                )
            self.grad_outputs = out
        grad_outputs = self.grad_outputs
        if self.input_tensors_index is None:
            self._fire_without_inputs()
        return tuple(grad_outputs[i] for i in self.output_tensors_index)

    def _fire_without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no "
            "inputs require gradients.",
            stacklevel=5,
        )
        for hook in self.user_hooks:
            out = hook(self.module, (None,) * self.n_inputs, self.grad_outputs)
            if out is not None and not (isinstance(out, tuple) and all(grad is None for grad in out)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or "
                    "None for all gradients."
                )
        self.grad_outputs = None


def _spread(indices, values, size):
    full = [None] * size
    for index, value in zip(indices, values, strict=True):
        full[index] = value
    return tuple(full)


@functools.cache
def _identity_function():
    """Return the identity with a graph node of its own; made late, since `rsnn.autograd` needs this file."""

    class BackwardHookFunction(rsnn.autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
            return args

        @staticmethod
        def backward(ctx, *grads):
            return grads

    return BackwardHookFunction


def _through_identity(args, attach):
    indices = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
    if not (rsnn.is_grad_enabled() and any(args[i].requires_grad for i in indices)):
        return args, None
    wrapped = _identity_function().apply(*(args[i] for i in indices))
    if isinstance(wrapped, Tensor):
        wrapped = (wrapped,)
    attach(next(tensor.grad_fn for tensor in wrapped if tensor.grad_fn is not None))
    values = list(args)
    for index, value in zip(indices, wrapped, strict=True):
        values[index] = value
    # A namedtuple output stays a namedtuple.
    return (tuple(values) if type(args) is tuple else type(args)(*values)), indices
