"""Joining, repeating and rearranging tensors with torch's signatures; each works as a Tensor method too."""

import itertools

from . import _rsnn as _C
from ._arguments import into

Tensor = _C.Tensor


def _unpack(tensors):
    return tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors


def cat(tensors, dim=0, *, out=None, axis=None):
    """Join tensors along `dim`.

    Example:
        >>> import rsnn
        >>> rsnn.cat([rsnn.zeros(2, 3), rsnn.ones(1, 3)]).shape
        rsnn.Size([3, 3])
    """
    y = _C.cat(tensors, dim if axis is None else axis)
    return y if out is None else into(y, out)


concat = concatenate = cat


def stack(tensors, dim=0, *, out=None, axis=None):
    """Join tensors along a new dimension."""
    y = _C.stack(tensors, dim if axis is None else axis)
    return y if out is None else into(y, out)


def atleast_1d(*tensors):
    """Give at least one dimension."""
    return _atleast(_unpack(tensors), 1)


def atleast_2d(*tensors):
    """Give at least two dimensions."""
    return _atleast(_unpack(tensors), 2)


def atleast_3d(*tensors):
    """Give at least three dimensions."""
    return _atleast(_unpack(tensors), 3)


def _atleast(tensors, n):
    def one(x):
        if not isinstance(x, Tensor):
            raise TypeError(f"atleast_{n}d(): expected Tensors, not {type(x).__name__}")
        if x.ndim == 0:
            return x.reshape([1] * n)
        if x.ndim == 1 and n >= 2:
            x = x.unsqueeze(0)
        return x.unsqueeze(-1) if x.ndim == 2 and n == 3 else x

    if isinstance(tensors, (tuple, list)):
        return one(tensors[0]) if len(tensors) == 1 else tuple(one(x) for x in tensors)
    return one(tensors)


def hstack(tensors, *, out=None):
    """Join along the second dimension (the first of vectors)."""
    ts = [atleast_1d(x) for x in tensors]
    return cat(ts, 0 if ts and ts[0].ndim == 1 else 1, out=out)


def vstack(tensors, *, out=None):
    """Join along the first dimension."""
    return cat([atleast_2d(x) for x in tensors], 0, out=out)


row_stack = vstack


def dstack(tensors, *, out=None):
    """Join along the third dimension."""
    return cat([atleast_3d(x) for x in tensors], 2, out=out)


def column_stack(tensors, *, out=None):
    """Join vectors as columns."""
    return cat([x.reshape(-1, 1) if x.ndim <= 1 else x for x in tensors], 1, out=out)


def block_diag(*tensors):
    """Put matrices on the diagonal of a matrix of zeros."""
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} dimensions")
    ts = [atleast_2d(x) for x in tensors]
    width = sum(x.shape[1] for x in ts)
    rows, at = [], 0
    for x in ts:
        h, w = x.shape
        left = _C.full([h, at], 0.0, x.dtype)
        right = _C.full([h, width - at - w], 0.0, x.dtype)
        rows.append(_C.cat([left, x, right], 1))
        at += w
    return _C.cat(rows, 0) if rows else _C.full([1, 0], 0.0, _C.get_default_dtype())


def flip(input, dims):
    """Reverse dimensions."""
    return _C.flip(input, [dims] if isinstance(dims, int) else list(dims))


def fliplr(input):
    """Reverse the second dimension."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _C.flip(input, [1])


def flipud(input):
    """Reverse the first dimension."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return _C.flip(input, [0])


def rot90(input, k=1, dims=(0, 1)):
    """Rotate by quarter turns in a plane."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = dims
    if a == b or abs(a - b) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}")
    k %= 4
    if k == 0:
        return _C.clone(input)
    if k == 2:
        return _C.flip(input, [a, b])
    return _C.flip(input, [b]).transpose(a, b) if k == 1 else _C.flip(input.transpose(a, b), [b])


def roll(input, shifts, dims=None):
    """Shift elements around the end."""
    as_list = lambda v: [] if v is None else [v] if isinstance(v, int) else list(v)
    return _C.roll(input, as_list(shifts), as_list(dims))


def tile(input, dims):
    """Repeat along dimensions, aligned at the end."""
    return _C.tile(input, [dims] if isinstance(dims, int) else list(dims))


def repeat_interleave(input=None, repeats=None, dim=None, *, output_size=None):
    """Repeat each element, a number of times or as often as a tensor says."""
    if input is None or repeats is None:
        return _C.interleave_index(repeats if input is None else input)
    if isinstance(repeats, int):
        repeats = _C.tensor(repeats, _C.int64)
    return _C.repeat_interleave(input, repeats, dim, output_size)


def meshgrid(*tensors, indexing="ij"):
    """Return coordinate grids of vectors.

    Args:
        tensors: vectors or numbers.
        indexing: "ij" (the first vector runs down the rows) or "xy" (along the columns).
    """
    tensors = list(_unpack(tensors))
    for x in tensors:
        if x.ndim > 1:
            raise RuntimeError(f"rsnn.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {x}")
    tensors = [x.reshape(-1) for x in tensors]
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors[0], tensors[1] = tensors[1], tensors[0]
    shape = [x.shape[0] for x in tensors]
    place = lambda i: [1] * i + [-1] + [1] * (len(shape) - 1 - i)
    grids = [_C.expand(x.reshape(place(i)), shape) for i, x in enumerate(tensors)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def cartesian_prod(*tensors):
    """Return all combinations of elements of vectors."""
    for x in tensors:
        if x.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


def combinations(input, r=2, with_replacement=False):
    """Return all combinations of r elements of a vector."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    at = list(pick(range(input.shape[0]), r))
    if r == 0 or not at:
        return _C.empty([0, r] if r else [0], input.dtype)
    return input[_C.tensor(at, _C.int64)]


def constant_pad_nd(input, pad, value=0):
    """Pad with a value."""
    from .nn import functional as F

    return F.pad(input, pad, "constant", value)
