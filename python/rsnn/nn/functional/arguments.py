"""Reading of arguments that many functions share: sizes as ints or tuples, unbatched input, in-place results."""

from __future__ import annotations

import warnings

import rsnn


def ntuple(value, n, name="kernel_size"):
    """Return `value` as a list of `n` ints; an int counts for every dimension."""
    if isinstance(value, int):
        return [value] * n
    values = [int(v) for v in value]
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise RuntimeError(f"{name} must be one int or {n} ints, but got {values}")
    return values


def batched(input, n, name):
    """Return (input with a batch dimension, whether it was added) for `n` spatial dimensions."""
    ndim = input.dim()
    if ndim == n + 2:
        return input, False
    if ndim == n + 1:
        return input.unsqueeze(0), True
    raise RuntimeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: "
        f"{list(input.shape)}"
    )


def in_place(input, f):
    """Write f(input) into `input`; `f` sees a copy when gradients are recorded, so nothing it saves is overwritten."""
    source = input.clone() if input.requires_grad and rsnn.is_grad_enabled() else input
    return input.copy_(f(source))


def legacy_reduction(size_average, reduce):
    """Return the `reduction` that the two deprecated flags mean."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    reduction = ("mean" if size_average else "sum") if reduce else "none"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=3
    )
    return reduction


def reduced(loss, reduction):
    """Apply a loss function's `reduction`."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")
