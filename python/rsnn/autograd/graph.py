"""The recorded graph: nodes, edges, saved-tensor hooks, and hooks over several tensors."""

import contextlib
import threading
from typing import Any, NamedTuple

from .. import _rsnn as _C

__all__ = [
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip

Node = _C.Node


class GradientEdge(NamedTuple):
    """One output of a node; `autograd.grad` and `backward` take it in place of a tensor."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor):
    """Return the place where gradients of `tensor` enter the graph.

    Raises:
        RuntimeError: for a tensor that does not require grad.

    Example:
        >>> import rsnn
        >>> get_gradient_edge(rsnn.ones(1, requires_grad=True) * 2).node.name()
        'MulBackward0'
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(_C.grad_accumulator(tensor), _C.output_nr(tensor))


def increment_version(tensor):
    """Count a modification of a tensor, or of several, that autograd has not seen."""
    for t in (tensor,) if isinstance(tensor, _C.Tensor) else tensor:
        _C.bump_version(t)


class saved_tensors_hooks:
    """Pack tensors as they are saved for backward and unpack them when they are needed.

    Args:
        pack_hook: called with a tensor, returns any object.
        unpack_hook: called with that object, returns a tensor with the same content.

    Example:
        >>> import rsnn
        >>> x = rsnn.ones(2, requires_grad=True)
        >>> with rsnn.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad.tolist()
        [2.0, 2.0]
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self):
        _C.push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc):
        _C.pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keep saved tensors on the CPU and bring them back to their device in backward.

    Args:
        pin_memory: accepted; host memory needs no pinning here.
    """

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(_to_cpu, lambda packed: packed[1].to(packed[0]))


def _to_cpu(t):
    return t.device, _C.clone(t) if t.is_cpu else t.cpu()


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """Refuse saved-tensor hooks inside the block, and around it, with `error_message`."""
    before = _C.disable_saved_hooks(error_message)
    try:
        yield
    finally:
        _C.disable_saved_hooks(before)


class _MultiHandle:
    """Remove the hooks of several tensors at once."""

    def __init__(self, handles, watching):
        self.handles, self._watching = handles, watching
        if watching:
            _C.watch_engine(True)

    def remove(self):
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()
        if self._watching:
            self._watching = False
            _C.watch_engine(False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Call `fn` once per backward for several tensors.

    Args:
        tensors: tensors that require grad.
        fn: with `mode="all"` called with the list of their gradients (None where there is none) once all that this backward
            computes are there; with `"any"` called with the first one.

    Returns:
        A handle with `remove()`.

    Example:
        >>> import rsnn
        >>> a, b = rsnn.ones(1, requires_grad=True), rsnn.ones(1, requires_grad=True)
        >>> handle = register_multi_grad_hook([a, b], lambda grads: print([g.item() for g in grads]))
        >>> (2 * a + 3 * b).sum().backward()
        [2.0, 3.0]
        >>> handle.remove()
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "any":
        return _any_hook(tensors, fn)
    nodes = [get_gradient_edge(t).node for t in tensors]
    lock, passes = threading.Lock(), {}

    def on_grad(i):
        def hook(grad):
            run = _C.current_graph_task_id()
            with lock:
                if run not in passes:
                    passes.clear()  # an earlier pass that was cut short
                    passes[run] = [sum(map(_C.will_engine_execute_node, nodes)), 0, [None] * len(nodes)]
                state = passes[run]
                state[1] += 1
                state[2][i] = grad
                done = state[1] == state[0]
                if done:
                    del passes[run]
            if done:
                fn(state[2])

        return hook

    return _MultiHandle([t.register_hook(on_grad(i)) for i, t in enumerate(tensors)], True)


def _any_hook(tensors, fn):
    lock, last = threading.Lock(), [None]

    def hook(grad):
        run = _C.current_graph_task_id()
        with lock:
            first, last[0] = last[0] != run, run
        if first:
            fn(grad)

    return _MultiHandle([t.register_hook(hook) for t in tensors], False)
