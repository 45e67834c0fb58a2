"""Reading of arguments that many functions share: sizes as ints or tuples, unbatched input, in-place results."""

from __future__ import annotations

import operator
import warnings

import rsnn

SCALAR_TYPES = {
    rsnn.float32: "Float", rsnn.float64: "Double", rsnn.float16: "Half", rsnn.bfloat16: "BFloat16", rsnn.int8: "Char",
    rsnn.int16: "Short", rsnn.int32: "Int", rsnn.int64: "Long", rsnn.uint8: "Byte", rsnn.bool: "Bool",
}  # fmt: skip


def ntuple(value, n, name="kernel_size", pool=None):
    """Return `value` as a list of `n` ints; an int counts for every dimension. `pool` names a pool in the error."""
    if isinstance(value, int):
        return [value] * n
    values = [operator.index(v) for v in value]
    if len(values) == 1:
        return values * n
    if len(values) != n:
        if pool is not None:
            count = ("one int", "two ints", "three ints")[n - 1]
            raise RuntimeError(f"{pool}: {name} must either be a single int, or a tuple of {count}")
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution dimensions, "
            f"but got {name}={values}"
        )
    return values


def scalar_type(t):
    """Return the name that torch's errors have for a tensor's dtype, such as Float for float32."""
    return SCALAR_TYPES[t.dtype]


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
