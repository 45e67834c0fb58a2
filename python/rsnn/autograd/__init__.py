"""Automatic differentiation: `backward`, `grad`, `Function`, modes and hooks."""

from .. import _rsnn as _C
from . import graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function, FunctionCtx, once_differentiable
from .grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)

Variable = _C.Tensor


def _list(x):
    return list(x) if isinstance(x, (tuple, list)) else [x]


def backward(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None
):
    """Accumulate gradients of `tensors` into the leaves of their graph.

    Args:
        tensors: one tensor or several.
        grad_tensors: gradients to start from, one per tensor; may be left out for scalars.
        retain_graph: keep the graph for another backward; defaults to `create_graph`.
        create_graph: make the gradients differentiable.
        inputs: accumulate only into these.

    Raises:
        RuntimeError: for a tensor without history, or a non-scalar without its gradient.
    """
    tensors = _list(tensors)
    grads = None if grad_tensors is None else _list(grad_tensors)
    if inputs is not None and len(_list(inputs)) == 0:
        raise RuntimeError("`inputs` argument to `backward` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    _C.backward(tensors, grads, keep, create_graph, [] if inputs is None else _list(inputs))


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """Return gradients of `outputs` with respect to `inputs`.

    Args:
        outputs: tensors to differentiate.
        inputs: tensors to differentiate by.
        grad_outputs: the vector of the vector-Jacobian product; may be left out for scalars.
        retain_graph: keep the graph; defaults to `create_graph`.
        create_graph: make the result differentiable.
        allow_unused: give None for an input that `outputs` does not depend on, instead of raising.
        materialize_grads: give zeros instead of None.

    Returns:
        A tuple with one gradient per input.

    Example:
        >>> import rsnn
        >>> x = rsnn.tensor(3.0, requires_grad=True)
        >>> rsnn.autograd.grad(x * x, x)[0].item()
        6.0
    """
    if is_grads_batched:
        raise NotImplementedError("autograd.grad: is_grads_batched=True is not supported, expected False")
    if allow_unused is False and materialize_grads:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    if allow_unused is None:
        allow_unused = materialize_grads
    outputs, inputs = _list(outputs), _list(inputs)
    grads = None if grad_outputs is None else _list(grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    found = _C.grad(outputs, inputs, grads, keep, create_graph, allow_unused)
    if materialize_grads:
        found = [_C.full(list(x.shape), 0.0, x.dtype, x.device) if g is None else g for g, x in zip(found, inputs)]
    return tuple(found)


# The functions take the submodule's name; importing it later would put the module back.
from .gradcheck import gradcheck, gradgradcheck  # noqa: E402
