"""Automatic differentiation: `backward`, `grad`, `Function`, modes and hooks."""

import warnings

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
    set_multithreading_enabled,
)

Variable = _C.Tensor


def _list(x):
    return [x] if isinstance(x, (_C.Tensor, graph.GradientEdge)) else list(x)


def _seeds(grads):
    return None if grads is None else [grads] if isinstance(grads, _C.Tensor) else list(grads)


def backward(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None
):
    """Accumulate gradients of `tensors` into the leaves of their graph.

    Args:
        tensors: one tensor or several; a `graph.GradientEdge` will do.
        grad_tensors: gradients to start from, one per tensor; may be left out for scalars.
        retain_graph: keep the graph for another backward; defaults to `create_graph`.
        create_graph: make the gradients differentiable.
        inputs: accumulate only into these; those that are not leaves retain their gradient.

    Raises:
        RuntimeError: for a tensor without history, or a non-scalar without its gradient.
    """
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if inputs is not None:
        inputs = _list(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    _C.backward(_list(tensors), _seeds(grad_tensors), keep, create_graph, inputs)


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
        inputs: tensors to differentiate by. In both places a `graph.GradientEdge` will do.
        grad_outputs: the vector of the vector-Jacobian product; may be left out for scalars.
        retain_graph: keep the graph; defaults to `create_graph`.
        create_graph: make the result differentiable.
        allow_unused: give None for an input that `outputs` does not depend on, instead of raising.
        is_grads_batched: `grad_outputs` have one more dimension in front, and so has the result. One pass per entry.
        materialize_grads: give zeros instead of None.

    Returns:
        A tuple with one gradient per input.

    Example:
        >>> import rsnn
        >>> x = rsnn.tensor(3.0, requires_grad=True)
        >>> rsnn.autograd.grad(x * x, x)[0].item()
        6.0
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other "
            "parts of the graph, please use rsnn.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs, inputs, grads = _list(outputs), _list(inputs), _seeds(grad_outputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    run = _batched if is_grads_batched else _C.grad
    found = run(outputs, inputs, grads, keep, create_graph, allow_unused)
    if materialize_grads:
        lead = [len(grads[0])] if is_grads_batched else []
        found = [_zeros(x, lead) if g is None else g for g, x in zip(found, inputs)]
    return tuple(found)


def _zeros(x, lead):
    if isinstance(x, graph.GradientEdge):
        raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
    return _C.full(lead + list(x.shape), 0.0, x.dtype, x.device)


def _batched(outputs, inputs, grads, keep, create_graph, allow_unused):
    """Run one pass per entry of the first dimension of `grads` and stack what they give."""
    for i, (g, y) in enumerate(zip(grads or [None] * len(outputs), outputs)):
        if g is None or tuple(g.shape[1:]) != tuple(y.shape):
            got = "None" if g is None else f"rsnn.Size({list(g.shape[1:])})"
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. "
                "The sizes of the remaining dimensions are expected to match the shape of corresponding output, but a "
                f"mismatch was detected: grad_output[{i}] has a shape of {got} and output[{i}] has a shape of "
                f"rsnn.Size({list(y.shape)}). If you only want some tensors in `grad_output` to be considered batched, "
                "consider using vmap."
            )
    count = len(grads[0])
    rows = [
        _C.grad(outputs, inputs, [g[b] for g in grads], keep or b + 1 < count, create_graph, allow_unused)
        for b in range(count)
    ]
    return [None if column[0] is None else _C.stack(list(column), 0) for column in zip(*rows)]


# The functions take the submodule's name; importing it later would put the module back.
from .gradcheck import gradcheck, gradgradcheck  # noqa: E402


def __getattr__(name):
    import importlib

    if name in ("functional", "profiler"):
        return importlib.import_module(f"rsnn.autograd.{name}")
    raise AttributeError(f"module 'rsnn.autograd' has no attribute '{name}'")
