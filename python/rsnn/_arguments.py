"""What functions with torch's signatures share: writing into `out=`, and numpy's names of `dim` and `keepdim`."""

import warnings

from . import _rsnn as _C

Tensor = _C.Tensor

_SCALARS = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int8": "Char", "int16": "Short",
    "int32": "Int", "int64": "Long", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip

_C_NAMES = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int", "uint8": "unsigned char"}


class _Required:
    """Stands for a parameter that has to be given, under its own name or an alias."""

    def __repr__(self):
        return "<required>"


required = _Required()


def scalar_name(dtype):
    """Return torch's name of a dtype's numbers, such as "Float"."""
    return _SCALARS[dtype.name]


def c_name(dtype):
    """Return the name of a dtype's numbers in C++, which some of torch's texts use."""
    return _C_NAMES.get(dtype.name, dtype.name)


def category(dtype):
    """Rank bool below integers below floating point: a result is written only to its own rank or a higher one."""
    return 2 if dtype.is_floating_point else int(dtype != _C.bool)


def one_of(name, value, alias, parameter="dim"):
    """Return `value`, or `alias` where that was given instead.

    Raises:
        TypeError: when both or neither are there.
    """
    if value is required:
        if alias is None or alias is required:
            raise TypeError(f'{name}() missing 1 required positional arguments: "{parameter}"')
        return alias
    if alias is None or alias is required:
        return value
    raise TypeError(f"{name}() got multiple values for argument '{parameter}'")


def into(value, out, exact=False):
    """Copy `value` into `out`, resized as torch resizes an `out=` tensor.

    Args:
        value: the result.
        out: the caller's tensor.
        exact: refuse another dtype than the result's, as torch's reductions and products do.

    Raises:
        TypeError: when `out` is no tensor.
        RuntimeError: for a dtype or device that does not fit, and where autograd would have to follow the write.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if (out.requires_grad or value.requires_grad) and _C.is_grad_enabled():
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
        )
    if out.dtype != value.dtype:
        if exact:
            raise RuntimeError(f"Expected out tensor to have dtype {c_name(value.dtype)}, but got {c_name(out.dtype)} instead")
        if category(value.dtype) > category(out.dtype):
            raise RuntimeError(
                f"result type {scalar_name(value.dtype)} can't be cast to the desired output type {scalar_name(out.dtype)}"
            )
    if out.device != value.device:
        raise RuntimeError(f"Expected out tensor to have device {value.device}, but got {out.device} instead")
    if out.shape != value.shape:
        if out.numel():
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not match "
                f"the required output shape {list(value.shape)}. This behavior is deprecated, and in a future PyTorch release "
                "outputs will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by "
                "resizing it, inplace, to zero elements with t.resize_(0).",
                stacklevel=3,
            )
        _C.resize_(out, list(value.shape))
    _C.copy_(out, value)
    return out


def into_all(values, outs, exact=True):
    """Copy a named tuple of results into the tensors of `outs`; returns a tuple of the same kind."""
    if isinstance(outs, Tensor) or len(outs) != len(values):
        raise TypeError(f"argument 'out' must be tuple of {len(values)} Tensors, not {type(outs).__name__}")
    return type(values)([into(v, o, exact) for v, o in zip(values, outs)])
