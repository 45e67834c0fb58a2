"""Saved-tensor hooks and what else looks at the recorded graph."""

import contextlib

from .. import _rsnn as _C

Node = _C.Node
_stack = []


def _current_hooks():
    return _stack[-1] if _stack else None


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
        _stack.append((self.pack_hook, self.unpack_hook))
        _C.push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc):
        _stack.pop()
        _C.pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keep saved tensors on the CPU and bring them back to their device in backward."""

    def __init__(self, pin_memory=False, device_type="gpu"):
        super().__init__(lambda t: (t.device, t.cpu()), lambda p: p[1].to(p[0]))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """Raise `error_message` when a saved-tensor hook would run inside the block."""

    def refuse(_):
        raise RuntimeError(error_message)

    if _stack:
        raise RuntimeError(error_message)
    with saved_tensors_hooks(refuse, refuse):
        yield
