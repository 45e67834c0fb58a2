"""Modules as functions: calling one with other parameters, and the parameters of several as one stack."""

from __future__ import annotations

import rsnn
from rsnn.nn.utils.stateless import _functional_call

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


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
