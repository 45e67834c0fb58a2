"""Derivatives of functions of plain tensors: vjp, jvp, jacobian, hessian, vhp and hvp, by one or two backward passes."""

from __future__ import annotations

import rsnn

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_SECOND_INDEPENDENT = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
    "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for example)."
)


def _tuple(value, what, name):
    """Return tensors as a tuple, and whether they were one."""
    if isinstance(value, rsnn.Tensor):
        return (value,), False
    if not isinstance(value, tuple):
        raise TypeError(
            f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given {what} has type {type(value)}."
        )
    for i, each in enumerate(value):
        if not isinstance(each, rsnn.Tensor):
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the value at index {i} has type "
                f"{type(each)}."
            )
    return value, True


def _plain(values, was_tuple):
    return tuple(values) if was_tuple else values[0]


def _released(values, create_graph):
    """Cut results off from the graph unless the caller wants to differentiate them."""
    return tuple(v if create_graph else v.detach() for v in values)


class _Call:
    """One call of the function on inputs that record."""

    def __init__(self, func, inputs, name, create_graph, strict, scalar=""):
        self.create_graph, self.strict, self.name = create_graph, strict, name
        given, self.inputs_are_tuple = _tuple(inputs, "inputs", name)
        with rsnn.enable_grad():
            self.inputs = tuple(x.view_as(x) if create_graph else x.detach().requires_grad_() for x in given)
            outputs = func(*self.inputs)
            self.outputs, self.outputs_are_tuple = _tuple(outputs, "outputs of the user-provided function", name)
        if scalar and (self.outputs_are_tuple or self.outputs[0].numel() != 1):
            if self.outputs_are_tuple:
                raise RuntimeError(f"The function given to {scalar} should return a single Tensor")
            raise RuntimeError(f"The Tensor returned by the function given to {scalar} should contain a single element")
        self.check(self.outputs, "Output {} of the user-provided function")

    def check(self, outputs, what):
        """Refuse, in strict mode, what does not depend on the inputs."""
        for i, o in enumerate(outputs if self.strict else ()):
            if not o.requires_grad:
                raise RuntimeError(
                    what.format(i) + " does not require gradients. The outputs must be computed in a differentiable manner from "
                    "the input when running in strict mode."
                )

    def pull(self, outputs, seeds, create_graph, inputs=None, second=False):
        """Return gradients by the inputs, zeros where there is none (in strict mode an error)."""
        inputs = self.inputs if inputs is None else inputs
        pairs = [(o, s) for o, s in zip(outputs, seeds) if o.requires_grad]
        found = [None] * len(inputs)
        if pairs:
            outs, seeds = zip(*pairs)
            found = rsnn.autograd.grad(outs, inputs, seeds, allow_unused=True, create_graph=create_graph, retain_graph=True)
        for j, g in enumerate(found if self.strict else ()):
            if g is None:
                raise RuntimeError(
                    _SECOND_INDEPENDENT.format(j)
                    if second
                    else f"The output of the user-provided function is independent of input {j}. This is not allowed in strict mode."
                )
        return tuple(rsnn.zeros_like(x) if g is None else g for g, x in zip(found, inputs))

    def vector(self, v, like, are_tuple, missing):
        """Return the vector, checked against the tensors it goes with; 1 for a single element."""
        if v is None:
            if len(like) != 1 or like[0].numel() != 1:
                raise RuntimeError(missing)
            return (rsnn.ones_like(like[0]),)
        v, _ = _tuple(v, "v", self.name)
        if len(v) != len(like):
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
        for i, (each, x) in enumerate(zip(v, like)):
            if each.shape != x.shape:
                entry = f"Entry {i} in " if are_tuple else ""
                raise RuntimeError(f"{entry}v has invalid size: should be {x.shape} but got {each.shape}.")
        return v if self.create_graph else tuple(each.detach() for each in v)

    def input_vector(self, v):
        missing = (
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."
        )
        return self.vector(v, self.inputs, self.inputs_are_tuple, missing)


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """Return `func(*inputs)` and vᵀ·J, J being the Jacobian at the inputs.

    Args:
        func: from tensors to a tensor or a tuple of tensors.
        inputs: a tensor or a tuple.
        v: shaped like the outputs; may be left out for a single element.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.

    Example:
        >>> rsnn.autograd.functional.vjp(rsnn.exp, rsnn.zeros(1), rsnn.ones(1))
        (tensor([1.]), tensor([1.]))
    """
    call = _Call(func, inputs, "vjp", create_graph, strict)
    missing = "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
    v = call.vector(v, call.outputs, call.outputs_are_tuple, missing)
    with rsnn.enable_grad():
        found = call.pull(call.outputs, v, create_graph)
    outputs = _released(call.outputs, create_graph)
    return _plain(outputs, call.outputs_are_tuple), _plain(_released(found, create_graph), call.inputs_are_tuple)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """Return `func(*inputs)` and J·v, by differentiating the linear map u ↦ uᵀ·J; arguments as in `vjp`, v like the inputs.

    Example:
        >>> rsnn.autograd.functional.jvp(rsnn.exp, rsnn.zeros(1), rsnn.ones(1))
        (tensor([1.]), tensor([1.]))
    """
    call = _Call(func, inputs, "jvp", create_graph, strict)
    v = call.input_vector(v)
    found = _push(call, call.outputs, v)
    outputs = _released(call.outputs, create_graph)
    are_tuple = call.outputs_are_tuple
    return _plain(outputs, are_tuple), _plain(_released(found, create_graph), are_tuple)


def _push(call, outputs, v, second=False):
    """Return the Jacobian of `outputs` times v."""
    with rsnn.enable_grad():
        seeds = tuple(rsnn.zeros_like(o).requires_grad_() for o in outputs)
        pulled = call.pull(outputs, seeds, True, second=second)
        pairs = [(g, each) for g, each in zip(pulled, v) if g.requires_grad]
        if not pairs:
            return tuple(rsnn.zeros_like(o) for o in outputs)
        pulled, v = zip(*pairs)
        return rsnn.autograd.grad(pulled, seeds, v, create_graph=call.create_graph, materialize_grads=True)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """Return the Jacobian of `func` at the inputs, of shape (*output shape, *input shape).

    Args:
        func, inputs, create_graph, strict: as in `vjp`.
        vectorize: accepted; rows are computed one at a time.
        strategy: "reverse-mode" or "forward-mode"; the result is the same, and computed in reverse mode.

    Returns:
        A tensor; a tuple for several inputs; a tuple of those for several outputs.

    Example:
        >>> rsnn.autograd.functional.jacobian(lambda x: x * x, rsnn.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than '
            'inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for `vectorize=True`."
        )
    if strict and vectorize:
        raise RuntimeError(
            "autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either set "
            "`strict=False` or `vectorize=False`."
        )
    call = _Call(func, inputs, "jacobian", create_graph, strict)
    with rsnn.enable_grad():
        rows = tuple(_jacobian_of(call, i, o) for i, o in enumerate(call.outputs))
    rows = tuple(_plain(_released(row, create_graph), call.inputs_are_tuple) for row in rows)
    return _plain(rows, call.outputs_are_tuple)


def _jacobian_of(call, i, output):
    blocks = [[] for _ in call.inputs]
    for seed in rsnn.eye(output.numel(), dtype=output.dtype).to(output.device).reshape([-1, *output.shape]):
        found = [None] * len(blocks)
        if output.requires_grad:
            found = rsnn.autograd.grad(
                output, call.inputs, seed, retain_graph=True, create_graph=call.create_graph, allow_unused=True
            )
        for j, (g, x, block) in enumerate(zip(found, call.inputs, blocks)):
            if g is None and call.strict:
                raise RuntimeError(
                    f"Output {i} of the user-provided function is independent of input {j}. This is not allowed in strict mode."
                )
            if call.strict and call.create_graph and not g.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {j}. This is not allowed in strict mode "
                    "when create_graph=True."
                )
            block.append(rsnn.zeros_like(x) if g is None else g)
    return [
        (rsnn.stack(block) if block else x.new_zeros([0, *x.shape])).reshape([*output.shape, *x.shape])
        for block, x in zip(blocks, call.inputs)
    ]


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """Return the second derivatives of the scalar `func`, of shape (*input shape, *input shape); arguments as in `jacobian`.

    Example:
        >>> rsnn.autograd.functional.hessian(lambda x: (x**3).sum(), rsnn.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    given, are_tuple = _tuple(inputs, "inputs", "hessian")

    def gradient(*xs):
        call = _Call(func, tuple(xs), "hessian", True, strict, "hessian")
        found = call.pull(call.outputs, (None,), True)
        for j, g in enumerate(found if strict else ()):
            if not g.requires_grad:
                raise RuntimeError(_SECOND_INDEPENDENT.format(j))
        return found

    found = jacobian(gradient, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if are_tuple else found[0][0]


def _second(func, inputs, v, create_graph, strict, name):
    call = _Call(func, inputs, name, create_graph, strict, name)
    v = call.input_vector(v)
    with rsnn.enable_grad():
        gradient = call.pull(call.outputs, (None,), True)
        for j, g in enumerate(gradient if strict else ()):
            if not g.requires_grad:
                raise RuntimeError(_SECOND_INDEPENDENT.format(j))
    return call, v, gradient


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """Return `func(*inputs)`, a scalar, and vᵀ·H, H being the second derivatives; arguments as in `vjp`, v like the inputs.

    Example:
        >>> rsnn.autograd.functional.vhp(lambda x: (x**3).sum(), rsnn.ones(1), rsnn.ones(1))
        (tensor(1.), tensor([6.]))
    """
    call, v, gradient = _second(func, inputs, v, create_graph, strict, "vhp")
    with rsnn.enable_grad():
        found = call.pull(gradient, v, create_graph, second=True)
    output = _released(call.outputs, create_graph)[0]
    return output, _plain(_released(found, create_graph), call.inputs_are_tuple)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """Return `func(*inputs)`, a scalar, and H·v, H being the second derivatives; arguments as in `vjp`, v like the inputs.

    Second derivatives are symmetric, so this is `vhp` computed the longer way.
    """
    call, v, gradient = _second(func, inputs, v, create_graph, strict, "hvp")
    found = _push(call, gradient, v, second=True)
    output = _released(call.outputs, create_graph)[0]
    return output, _plain(_released(found, create_graph), call.inputs_are_tuple)
