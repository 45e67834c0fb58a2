"""The tensor's side of autograd: backward, hooks, retained gradients."""

from . import _rsnn as _C
from ._method import method

Tensor = _C.Tensor


@method
def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Accumulate gradients of this tensor into the leaves of its graph.

    Args:
        gradient: gradient of this tensor; may be left out for a scalar.
        retain_graph: keep the graph for another backward.
        create_graph: make the gradients differentiable.
        inputs: accumulate only into these.
    """
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    _C.backward(self, None if gradient is None else [gradient], keep, create_graph, inputs)


@method
def register_hook(self, hook):
    """Call `hook(grad)` whenever a gradient of this tensor is computed; it may return a replacement."""
    return _C.register_hook(self, hook)


@method
def register_post_accumulate_grad_hook(self, hook):
    """Call `hook(tensor)` after a gradient was accumulated into this leaf."""
    return _C.register_post_accumulate_grad_hook(self, hook)


@method
def retain_grad(self):
    """Keep `.grad` although this tensor is not a leaf."""
    _C.retain_grad(self)


Tensor.retains_grad = property(lambda self: _C.retains_grad(self))
Tensor.output_nr = property(lambda self: _C.output_nr(self))


@method
def detach_(input):
    """Forget this tensor's history."""
    return _C.detach_(input)
