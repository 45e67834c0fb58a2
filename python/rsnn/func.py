"""Function transforms in torch's names: calling a module with other parameters, and gradients of functions."""

from __future__ import annotations

import rsnn
from rsnn.nn.utils.stateless import _functional_call

__all__ = [
    "functional_call", "grad", "grad_and_value", "replace_all_batch_norm_modules_", "stack_module_state", "vjp",
]  # fmt: skip


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Call `module` with the given tensors in place of its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: a mapping from dotted names to tensors, or a sequence of mappings without common names.
        args: the positional argument, or a tuple of them.
        tie_weights: a value given for one name of a tied parameter counts for all its names.
        strict: raise when a name is missing or unexpected.

    >>> layer = rsnn.nn.Linear(1, 1)
    >>> rsnn.func.functional_call(layer, {"weight": rsnn.ones(1, 1), "bias": rsnn.zeros(1)}, rsnn.ones(1, 1)).item()
    1.0
    """
    given = parameter_and_buffer_dicts
    if isinstance(given, (list, tuple)):
        merged: dict = {}
        for each in given:
            if not isinstance(each, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            repeated = merged.keys() & each.keys()
            if repeated:
                raise ValueError(f"{sorted(repeated)} appeared in multiple dictionaries; behavior of functional call is ambiguous")  # fmt: skip  # noqa: E501
            merged.update(each)
        given = merged
    elif not isinstance(given, dict):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models):
    """Return (parameters, buffers) of models of one architecture, each stacked along a new first dimension."""
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {
        name: rsnn.stack([dict(model.named_parameters())[name].detach() for model in models]).requires_grad_()
        for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: rsnn.stack([dict(model.named_buffers())[name] for model in models])
        for name, _ in models[0].named_buffers()
    }
    return params, buffers


def replace_all_batch_norm_modules_(root):
    """Turn off running statistics in every BatchNorm of `root`, in place."""
    for module in root.modules():
        if isinstance(module, (rsnn.nn.BatchNorm1d, rsnn.nn.BatchNorm2d, rsnn.nn.BatchNorm3d)):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root


def _leaves(tree, found):
    if isinstance(tree, rsnn.Tensor):
        found.append(tree)
    elif isinstance(tree, dict):
        for value in tree.values():
            _leaves(value, found)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            _leaves(value, found)
    return found


def _mapped(tree, values):
    """Return `tree` with its tensors replaced, in order, by what the iterator `values` gives."""
    if isinstance(tree, rsnn.Tensor):
        return next(values)
    if isinstance(tree, dict):
        return {key: _mapped(value, values) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_mapped(value, values) for value in tree)
    return tree


def _fresh(tree):
    """Return `tree` with tensors that record gradients and still belong to an outer graph, if there is one."""
    copies = [t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in _leaves(tree, [])]
    return _mapped(tree, iter(copies)), copies


def grad_and_value(func, argnums=0, has_aux=False):
    """Return a function that computes the gradient of the scalar `func`, and its value.

    Args:
        argnums: the argument, or a tuple of arguments, to differentiate by; dicts and lists of tensors are fine.
        has_aux: `func` returns (scalar, anything), and so does the result's second part.
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def wrapper(*args, **kwargs):
        args = list(args)
        inputs = []
        with rsnn.enable_grad():
            for number in numbers:
                args[number], leaves = _fresh(args[number])
                inputs.append(leaves)
            out = func(*args, **kwargs)
            value, aux = out if has_aux else (out, None)
            if not isinstance(value, rsnn.Tensor) or value.dim() != 0:
                raise RuntimeError("grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor")
            flat = [leaf for leaves in inputs for leaf in leaves]
            outer = any(leaf.grad_fn is not None for leaf in flat)
            grads = rsnn.autograd.grad(value, flat, create_graph=outer, allow_unused=True)
        filled = iter([rsnn.zeros_like(leaf) if g is None else g for leaf, g in zip(flat, grads, strict=True)])
        result = tuple(_mapped(args[number], filled) for number in numbers)
        result = result[0] if isinstance(argnums, int) else result
        value = value if outer else value.detach()
        return (result, (value, aux)) if has_aux else (result, value)

    return wrapper


def grad(func, argnums=0, has_aux=False):
    """Return a function that computes the gradient of the scalar `func`; arguments as in `grad_and_value`.

    >>> rsnn.func.grad(lambda x: x.sin().sum())(rsnn.zeros(1)).item()
    1.0
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapper(*args, **kwargs):
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapper


def vjp(func, *primals, has_aux=False):
    """Return func(*primals) and a function from an output gradient to the inputs' gradients."""
    with rsnn.enable_grad():
        pairs = [_fresh(primal) for primal in primals]
        out = func(*(tree for tree, _ in pairs))
    value, aux = out if has_aux else (out, None)
    flat = [leaf for _, leaves in pairs for leaf in leaves]

    def pull_back(cotangents):
        outs, seeds = _leaves(value, []), _leaves(cotangents, [])
        grads = rsnn.autograd.grad(outs, flat, seeds, retain_graph=True, allow_unused=True)
        filled = iter([rsnn.zeros_like(leaf) if g is None else g for leaf, g in zip(flat, grads, strict=True)])
        return tuple(_mapped(primal, filled) for primal in primals)

    result = _mapped(value, iter([each.detach() for each in _leaves(value, [])]))
    return (result, pull_back, aux) if has_aux else (result, pull_back)
