"""Gathering, scattering, masks and triangles with torch's signatures; each works as a Tensor method too."""

import math

from . import _rsnn as _C
from ._arguments import into, scalar_name
from ._views import _wrapped, movedim

Tensor = _C.Tensor


def gather(input, dim, index, *, sparse_grad=False, out=None):
    """Take elements along `dim` at given indices."""
    y = _C.gather(input, dim, index)
    return y if out is None else into(y, out, exact=True)


def scatter(input, dim, index, src=None, *, value=None, reduce=None, out=None):
    """Write elements of `src` (or a value) along `dim` at given indices; `reduce` "add" or "multiply" combines them."""
    src = value if src is None else src
    if reduce is None:
        y = _C.scatter(input, dim, index, src)
    else:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        src = src if isinstance(src, Tensor) else _C.full(list(index.shape), float(src), input.dtype)
        y = _C.scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod", True)
    return y if out is None else into(y, out, exact=True)


def scatter_add(input, dim, index, src, *, out=None):
    """Add elements of `src` along `dim` at given indices."""
    y = _C.scatter_add(input, dim, index, src)
    return y if out is None else into(y, out, exact=True)


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True, out=None):
    """Combine elements of `src` along `dim` at given indices by sum, prod, mean, amax or amin."""
    y = _C.scatter_reduce(input, dim, index, src, reduce, include_self)
    return y if out is None else into(y, out, exact=True)


def index_select(input, dim, index, *, out=None):
    """Take slices along `dim`."""
    y = _C.index_select(input, dim, index)
    return y if out is None else into(y, out, exact=True)


def index_add(input, dim, index, source, *, alpha=1, out=None):
    """Add slices along `dim` at given indices."""
    y = _C.index_add(input, dim, index, source, float(alpha))
    return y if out is None else into(y, out, exact=True)


def index_copy(input, dim, index, source, *, out=None):
    """Write slices along `dim` at given indices."""
    y = _C.index_copy(input, dim, index, source)
    return y if out is None else into(y, out, exact=True)


def index_fill(input, dim, index, value):
    """Fill slices along `dim` at given indices."""
    return _C.index_fill(input, dim, index, value)


def index_reduce(input, dim, index, source, reduce, *, include_self=True, out=None):
    """Combine slices along `dim` at given indices by prod, mean, amax or amin.

    Raises:
        RuntimeError: for another `reduce`, and for an index that is not a vector as long as `source`.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if index.ndim > 1:
        raise IndexError("index_reduce(): Index is supposed to be a vector")
    (dim,) = _wrapped((dim,), input.ndim)
    if input.dtype != source.dtype:
        raise RuntimeError("index_reduce(): self and source expected to have the same dtype")
    if input.ndim == 0:
        y = _C.scatter_reduce(input, 0, index.reshape(()), source.reshape(()), reduce, include_self)
        return y if out is None else into(y, out, exact=True)
    n = source.shape[dim] if source.ndim else 1
    if index.numel() != n:
        raise RuntimeError(f"index_reduce(): Number of indices ({index.numel()}) should be equal to source.size(dim): ({n}), for dim: {dim}")
    place = [1] * dim + [-1] + [1] * (input.ndim - 1 - dim)
    at = _C.expand(index.reshape(place), list(source.shape))
    y = _C.scatter_reduce(input, dim, _C.to_dtype(at, _C.int64), source, reduce, include_self)
    return y if out is None else into(y, out, exact=True)


def index_put(input, indices, values, accumulate=False):
    """Write values at index tensors."""
    return _C.index_put(input, list(indices), values, accumulate)


def put(input, index, source, accumulate=False):
    """Return a copy whose elements at flat positions are those of `source`."""
    return _C.put(input, index, source, accumulate)


def take(input, index, *, out=None):
    """Take elements of the flattened input."""
    y = _C.take(input, index)
    return y if out is None else into(y, out, exact=True)


def take_along_dim(input, indices, dim=None, *, out=None):
    """Take elements along `dim`, broadcasting the other dimensions; negative indices count from the end."""
    from ._creation import broadcast_shapes

    if indices.dtype != _C.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_name(indices.dtype)}")
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    elif input.ndim != indices.ndim:
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got {input.ndim} dimensions "
            f"for input, and {indices.ndim} dimensions for indices"
        )
    (dim,) = _wrapped((dim,), input.ndim)
    n = input.shape[dim]
    indices = _C.where_(_C.binary("lt", indices, 0), _C.add(indices, n), indices)
    a, b = list(input.shape), list(indices.shape)
    a[dim] = b[dim] = 1
    shape = list(broadcast_shapes(a, b))
    grow = lambda x: _C.expand(x, shape[:dim] + [x.shape[dim]] + shape[dim + 1 :])
    y = _C.gather(grow(input), dim, grow(indices))
    return y if out is None else into(y, out, exact=True)


def masked_fill(input, mask, value):
    """Write a value where the mask is true."""
    return _C.masked_fill(input, mask, value)


def masked_select(input, mask, *, out=None):
    """Return the elements where the mask is true."""
    y = _C.masked_select(input, mask)
    return y if out is None else into(y, out, exact=True)


def masked_scatter(input, mask, source):
    """Write elements of `source` in order where the mask is true."""
    return _C.masked_scatter(input, mask, source)


def nonzero(input, *, out=None, as_tuple=False):
    """Return the indices of elements that are not zero."""
    if as_tuple:
        return tuple(_C.nonzero_tuple(input))
    y = _C.nonzero(input)
    return y if out is None else into(y, out, exact=True)


def nonzero_static(input, *, size, fill_value=-1, out=None):
    """Return the indices of elements that are not zero, cut or filled up to `size` rows."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = _C.nonzero(input)
    if found.shape[0] < size:
        rest = _C.full([size - found.shape[0], found.shape[1]], float(fill_value), _C.int64, found.device)
        y = _C.cat([found, rest], 0)
    else:
        y = _C.clone(found[:size])
    return y if out is None else into(y, out, exact=True)


def argwhere(input):
    """Return the indices of elements that are not zero."""
    return _C.nonzero(input)


def unravel_index(indices, shape):
    """Turn flat indices into a tuple of coordinates in a tensor of `shape`.

    Raises:
        RuntimeError: for indices outside the tensor.

    Example:
        >>> import rsnn
        >>> [c.tolist() for c in rsnn.unravel_index(rsnn.tensor([4, 5]), (2, 3))]
        [[1, 1], [1, 2]]
    """
    if indices.is_floating_point() or indices.dtype == _C.bool:
        raise ValueError(f"expected 'indices' to be an integer tensor, but got {indices.dtype}")
    shape = [shape] if isinstance(shape, int) else [int(s) for s in shape]
    if any(s < 0 for s in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    found = []
    for i, size in enumerate(shape):
        step = math.prod(shape[i + 1 :])
        found.append(_C.binary("remainder", _C.binary("floor_divide", indices, max(step, 1)), max(size, 1)))
    return tuple(found)


def tril(input, diagonal=0, *, out=None):
    """Keep the lower triangle."""
    y = _C.tril(input, diagonal)
    return y if out is None else into(y, out, exact=True)


def triu(input, diagonal=0, *, out=None):
    """Keep the upper triangle."""
    y = _C.triu(input, diagonal)
    return y if out is None else into(y, out, exact=True)


def tril_indices(row, col, offset=0, *, dtype=_C.int64, layout=None, device=None, pin_memory=False, requires_grad=False):
    """Return the indices of the lower triangle."""
    return _C.tril_indices(row, col, offset, dtype, device)


def triu_indices(row, col, offset=0, *, dtype=_C.int64, layout=None, device=None, pin_memory=False, requires_grad=False):
    """Return the indices of the upper triangle."""
    return _C.triu_indices(row, col, offset, dtype, device)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Put the last dimension on diagonals of new matrices."""
    rank = input.ndim + 1
    first, second = _wrapped((dim1, dim2), rank)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.shape[-1] + abs(offset)
    empty = _C.full(list(input.shape[:-1]) + [n, n], 0.0, input.dtype, input.device)
    return movedim(diagonal_scatter(empty, input, offset, -2, -1), (-2, -1), (first, second))


def diag(input, diagonal=0, *, out=None):
    """Return a diagonal of a matrix, or a matrix with a vector on its diagonal."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    y = diag_embed(input, diagonal) if input.ndim == 1 else _C.clone(_C.diagonal(input, diagonal, 0, 1))
    return y if out is None else into(y, out, exact=True)


def diagflat(input, offset=0):
    """Put all elements on the diagonal of a matrix."""
    return diag_embed(input.reshape(-1), offset)


def _replaced(name, input, part, src):
    """Write `src` into the view that `part` takes of a copy of `input`."""
    y = _C.clone(input)
    view = part(y)
    if list(view.shape) != list(src.shape):
        raise RuntimeError(f"{name}: expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(view.shape)}")
    _C.copy_(view, src)
    return y


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """Return a copy with a diagonal replaced."""
    return _replaced("diagonal_scatter", input, lambda y: _C.diagonal(y, offset, dim1, dim2), src)


def select_scatter(input, src, dim, index):
    """Return a copy with one slice replaced."""
    return _replaced("select_scatter", input, lambda y: _C.select(y, dim, index), src)


def slice_scatter(input, src, dim=0, start=None, end=None, step=1, *, out=None):
    """Return a copy with a strided slice replaced."""
    key = (slice(None),) * _wrapped((dim,), input.ndim)[0] + (slice(start, end, step),)
    y = _replaced("slice_scatter", input, lambda y: y[key], src)
    return y if out is None else into(y, out, exact=True)


def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """Return a copy with a strided view replaced."""
    return _replaced("as_strided_scatter", input, lambda y: _C.as_strided(y, list(size), list(stride), storage_offset), src)


def embedding_renorm_(input, indices, max_norm, norm_type):
    """Scale the rows of `input` that `indices` name down to `max_norm`, in place."""
    return _C.embedding_renorm_(input, indices, float(max_norm), float(norm_type))


def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    """Combine runs of `data` along its first dimension.

    Args:
        data: (N, ...).
        reduce: "sum", "mean", "max", "min" or "prod".
        lengths: how long each run is, a vector of S integers; or
        offsets: where the runs start and the last one ends, S + 1 integers.
        indices: not supported, as in torch.
        axis: 0.
        unsafe: skip the check of `lengths`.
        initial: the value of an empty run.

    Returns: (S, ...).
    """
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if axis != 0 or (lengths is not None and lengths.ndim != 1):
        raise NotImplementedError(f"segment_reduce: got axis {axis}, only runs along the first dimension are supported")
    if lengths is None:
        if offsets is None:
            raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
        lengths = offsets[1:] - offsets[:-1]
    if not unsafe and int(_C.sum(lengths, [], False, None)) != data.shape[0]:
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.")
    kinds = {"sum": ("sum", 0.0), "mean": ("mean", float("nan")), "prod": ("prod", 1.0), "max": ("amax", -math.inf), "min": ("amin", math.inf)}
    if reduce not in kinds:
        raise RuntimeError(f"segment_reduce(): reduction must be one of sum, mean, max, min, prod, got {reduce}")
    kind, empty = kinds[reduce]
    start = empty if initial is None else float(initial)
    runs = _C.full([lengths.shape[0], *data.shape[1:]], start, data.dtype, data.device)
    at = _C.interleave_index(_C.to_dtype(lengths, _C.int64))
    at = _C.expand(at.reshape([-1] + [1] * (data.ndim - 1)), list(data.shape))
    return _C.scatter_reduce(runs, 0, at, data, kind, kind != "mean" and initial is not None)
