"""Views, joins and indexing with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from ._creation import _into

Tensor = _C.Tensor


def _out(value, out):
    return value if out is None else _into(out, value)


def reshape(input, shape):
    """Give another shape, as a view where possible."""
    return input.reshape(shape)


def permute(input, dims):
    """Reorder dimensions."""
    return input.permute(dims)


def transpose(input, dim0, dim1):
    """Swap two dimensions."""
    return input.transpose(dim0, dim1)


swapaxes = swapdims = transpose


def unsqueeze(input, dim):
    """Insert a dimension of size 1."""
    return input.unsqueeze(dim)


def squeeze(input, dim=None):
    """Drop dimensions of size 1."""
    if dim is None:
        return _C.squeeze(input)
    return _C.squeeze(input, list(dim) if isinstance(dim, (tuple, list)) else [dim])


def t(input):
    """Transpose a matrix; vectors stay."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input.transpose(0, 1) if input.ndim == 2 else _C.alias(input)


def adjoint(input):
    """Swap the last two dimensions."""
    return input.transpose(-2, -1)


def movedim(input, source, destination):
    """Move dimensions to new places."""
    wrap = lambda d: [(v + input.ndim) % input.ndim for v in ((d,) if isinstance(d, int) else d)]
    source, destination = wrap(source), wrap(destination)
    if len(source) != len(destination):
        raise RuntimeError("movedim: Invalid source or destination dims: source and destination must have the same number of elements")
    order = [None] * input.ndim
    for s, d in zip(source, destination):
        order[d] = s
    rest = iter(d for d in range(input.ndim) if d not in source)
    return input.permute([next(rest) if o is None else o for o in order])


moveaxis = movedim


def flatten(input, start_dim=0, end_dim=-1):
    """Join the dimensions from start_dim to end_dim.

    Example:
        >>> import rsnn
        >>> rsnn.zeros(2, 3, 4).flatten(1).shape
        rsnn.Size([2, 12])
    """
    n = max(input.ndim, 1)
    for d in (start_dim, end_dim):
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
    start, end = start_dim % n, end_dim % n
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if input.ndim == 0:
        return input.reshape(1)
    if start == end:
        return input
    shape = list(input.shape)
    size = 1
    for d in shape[start : end + 1]:
        size *= d
    return input.reshape(shape[:start] + [size] + shape[end + 1 :])


def ravel(input):
    """Return a 1-d tensor of all elements."""
    return input.reshape(-1)


def unflatten(input, dim, sizes):
    """Split one dimension into several."""
    dim = dim % input.ndim
    sizes = list(sizes) if isinstance(sizes, (tuple, list)) else [sizes]
    if -1 in sizes:
        known = 1
        for s in sizes:
            known *= s if s != -1 else 1
        sizes[sizes.index(-1)] = input.shape[dim] // known
    total = 1
    for s in sizes:
        total *= s
    if total != input.shape[dim]:
        raise RuntimeError(f"unflatten: Provided sizes {sizes} don't multiply up to the size of dim {dim} ({input.shape[dim]}) in the input tensor")
    return input.reshape(list(input.shape[:dim]) + sizes + list(input.shape[dim + 1 :]))


def expand_as(input, other):
    """Broadcast to the size of `other`."""
    return _C.expand(input, list(other.shape))


def broadcast_to(input, size):
    """Broadcast to a size."""
    return _C.expand(input, list(size))


def broadcast_tensors(*tensors):
    """Broadcast tensors to their common size."""
    from ._creation import broadcast_shapes

    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]
    shape = list(broadcast_shapes(*[x.shape for x in tensors]))
    return tuple(_C.expand(x, shape) for x in tensors)


def narrow(input, dim, start, length):
    """Take `length` elements from `start` along `dim`, as a view."""
    return _C.narrow(input, dim, int(start), int(length))


def select(input, dim, index):
    """Take one slice along `dim`, as a view."""
    return _C.select(input, dim, int(index))


def diagonal(input, offset=0, dim1=0, dim2=1):
    """Return a diagonal as a view."""
    return _C.diagonal(input, offset, dim1, dim2)


def unfold(input, dimension, size, step):
    """Return all windows of `size` along a dimension as a view."""
    return _C.unfold(input, dimension, size, step)


def as_strided(input, size, stride, storage_offset=None):
    """View the storage with given size, strides and offset (in elements)."""
    return _C.as_strided(input, list(size), list(stride), storage_offset)


def split(tensor, split_size_or_sections, dim=0):
    """Split into pieces of a size, or of given sizes."""
    if isinstance(split_size_or_sections, int):
        return tuple(_C.split(tensor, split_size_or_sections, dim))
    return tuple(_C.split_with_sizes(tensor, list(split_size_or_sections), dim))


def split_with_sizes(input, split_sizes, dim=0):
    """Split into pieces of given sizes."""
    return tuple(_C.split_with_sizes(input, list(split_sizes), dim))


unsafe_split = split
unsafe_split_with_sizes = split_with_sizes


def chunk(input, chunks, dim=0):
    """Split into a number of pieces."""
    return tuple(_C.chunk(input, chunks, dim))


unsafe_chunk = chunk


def tensor_split(input, indices_or_sections, dim=0):
    """Split into nearly equal pieces, or at given indices."""
    n = input.shape[dim]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        k = indices_or_sections
        if k <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {k}")
        cuts = [i * (n // k) + min(i, n % k) for i in range(1, k)]
    else:
        cuts = list(indices_or_sections)
    edges = [0] + [max(0, min(n, c + n if c < 0 else c)) for c in cuts] + [n]
    return tuple(_C.narrow(input, dim, a, max(b - a, 0)) for a, b in zip(edges, edges[1:]))


def hsplit(input, indices_or_sections):
    """Split along the second dimension (the first of a vector)."""
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input, indices_or_sections):
    """Split along the first dimension."""
    return tensor_split(input, indices_or_sections, 0)


def dsplit(input, indices_or_sections):
    """Split along the third dimension."""
    return tensor_split(input, indices_or_sections, 2)


def unbind(input, dim=0):
    """Return all slices along `dim`."""
    return tuple(_C.unbind(input, dim))


def cat(tensors, dim=0, *, out=None, axis=None):
    """Join tensors along `dim`."""
    return _out(_C.cat(list(tensors), dim if axis is None else axis), out)


concat = concatenate = cat


def stack(tensors, dim=0, *, out=None):
    """Join tensors along a new dimension."""
    return _out(_C.stack(list(tensors), dim), out)


def atleast_1d(*tensors):
    """Give at least one dimension."""
    return _atleast(tensors, 1)


def atleast_2d(*tensors):
    """Give at least two dimensions."""
    return _atleast(tensors, 2)


def atleast_3d(*tensors):
    """Give at least three dimensions."""
    return _atleast(tensors, 3)


def _atleast(tensors, n):
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]

    def one(x):
        if x.ndim == 0:
            return x.reshape([1] * n)
        if x.ndim == 1 and n >= 2:
            x = x.unsqueeze(0)
        return x.unsqueeze(-1) if x.ndim == 2 and n == 3 else x

    return one(tensors[0]) if len(tensors) == 1 else tuple(one(x) for x in tensors)


def hstack(tensors, *, out=None):
    """Join along the second dimension (the first of vectors)."""
    ts = [atleast_1d(x) for x in tensors]
    return cat(ts, 0 if ts[0].ndim == 1 else 1, out=out)


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
    ts = [atleast_2d(x) for x in tensors]
    width = sum(x.shape[1] for x in ts)
    rows, at = [], 0
    for x in ts:
        h, w = x.shape
        left = _C.full([h, at], 0.0, x.dtype)
        right = _C.full([h, width - at - w], 0.0, x.dtype)
        rows.append(_C.cat([left, x, right], 1))
        at += w
    return _C.cat(rows, 0)


def flip(input, dims):
    """Reverse dimensions."""
    return _C.flip(input, [dims] if isinstance(dims, int) else list(dims))


def fliplr(input):
    """Reverse the second dimension."""
    return _C.flip(input, [1])


def flipud(input):
    """Reverse the first dimension."""
    return _C.flip(input, [0])


def rot90(input, k=1, dims=(0, 1)):
    """Rotate by quarter turns in a plane."""
    a, b = dims
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


def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Repeat each element."""
    if repeats is None:
        return _C.interleave_index(input)
    if isinstance(repeats, int):
        repeats = _C.tensor(repeats, _C.int64)
    return _C.repeat_interleave(input, repeats, dim, output_size)


def meshgrid(*tensors, indexing="ij"):
    """Return coordinate grids of vectors."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]
    tensors = [x.reshape(-1) for x in tensors]
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors[0], tensors[1] = tensors[1], tensors[0]
    shape = [x.shape[0] for x in tensors]
    grids = []
    for i, x in enumerate(tensors):
        view = [1] * len(shape)
        view[i] = shape[i]
        grids.append(_C.expand(x.reshape(view), shape))
    if swap:
        grids = [g.transpose(0, 1) for g in grids]
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def cartesian_prod(*tensors):
    """Return all combinations of elements of vectors."""
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


def gather(input, dim, index, *, sparse_grad=False, out=None):
    """Take elements along `dim` at given indices."""
    return _out(_C.gather(input, dim, index), out)


def scatter(input, dim, index, src=None, *, value=None, reduce=None, out=None):
    """Write elements of `src` (or a value) along `dim` at given indices."""
    src = value if src is None else src
    if reduce is not None:
        src = src if isinstance(src, Tensor) else _C.full(list(index.shape), float(src), input.dtype)
        return _out(_C.scatter_reduce(input, dim, index, src, {"add": "sum", "multiply": "prod"}[reduce], True), out)
    return _out(_C.scatter(input, dim, index, src), out)


def scatter_add(input, dim, index, src, *, out=None):
    """Add elements of `src` along `dim` at given indices."""
    return _out(_C.scatter_add(input, dim, index, src), out)


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True, out=None):
    """Combine elements of `src` along `dim` at given indices by sum, prod, mean, amax or amin."""
    return _out(_C.scatter_reduce(input, dim, index, src, reduce, include_self), out)


def index_select(input, dim, index, *, out=None):
    """Take slices along `dim`."""
    return _out(_C.index_select(input, dim, index), out)


def index_add(input, dim, index, source, *, alpha=1, out=None):
    """Add slices along `dim` at given indices."""
    return _out(_C.index_add(input, dim, index, source, float(alpha)), out)


def index_copy(input, dim, index, source, *, out=None):
    """Write slices along `dim` at given indices."""
    return _out(_C.index_copy(input, dim, index, source), out)


def index_fill(input, dim, index, value):
    """Fill slices along `dim` at given indices."""
    return _C.index_fill(input, dim, index, value)


def index_put(input, indices, values, accumulate=False):
    """Write values at index tensors."""
    return _C.index_put(input, list(indices), values, accumulate)


def take(input, index):
    """Take elements of the flattened input."""
    return _C.take(input, index)


def take_along_dim(input, indices, dim=None, *, out=None):
    """Take elements along `dim`, broadcasting the other dimensions."""
    if dim is None:
        return _out(_C.gather(input.reshape(-1), 0, indices.reshape(-1)), out)
    from ._creation import broadcast_shapes

    dim = dim % input.ndim
    a, b = list(input.shape), list(indices.shape)
    a[dim] = b[dim] = 1
    shape = list(broadcast_shapes(a, b))
    grow = lambda x: _C.expand(x, shape[:dim] + [x.shape[dim]] + shape[dim + 1 :])
    return _out(_C.gather(grow(input), dim, grow(indices)), out)


def masked_fill(input, mask, value):
    """Write a value where the mask is true."""
    return _C.masked_fill(input, mask, value)


def masked_select(input, mask, *, out=None):
    """Return the elements where the mask is true."""
    return _out(_C.masked_select(input, mask), out)


def masked_scatter(input, mask, source):
    """Write elements of `source` in order where the mask is true."""
    return _C.masked_scatter(input, mask, source)


def nonzero(input, *, out=None, as_tuple=False):
    """Return the indices of elements that are not zero."""
    return tuple(_C.nonzero_tuple(input)) if as_tuple else _out(_C.nonzero(input), out)


def argwhere(input):
    """Return the indices of elements that are not zero."""
    return _C.nonzero(input)


def tril(input, diagonal=0, *, out=None):
    """Keep the lower triangle."""
    return _out(_C.tril(input, diagonal), out)


def triu(input, diagonal=0, *, out=None):
    """Keep the upper triangle."""
    return _out(_C.triu(input, diagonal), out)


def tril_indices(row, col, offset=0, *, dtype=_C.int64, device=None, layout=None):
    """Return the indices of the lower triangle."""
    return _C.tril_indices(row, col, offset, dtype, device)


def triu_indices(row, col, offset=0, *, dtype=_C.int64, device=None, layout=None):
    """Return the indices of the upper triangle."""
    return _C.triu_indices(row, col, offset, dtype, device)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Put the last dimension on diagonals of new matrices."""
    n = input.shape[-1] + abs(offset)
    out = _C.full(list(input.shape[:-1]) + [n, n], 0.0, input.dtype, input.device)
    rank = out.ndim
    placed = diagonal_scatter(out, input, offset, -2, -1)
    return movedim(placed, (-2, -1), (dim1 % rank, dim2 % rank))


def diag(input, diagonal=0, *, out=None):
    """Return a diagonal of a matrix, or a matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return _out(diag_embed(input, diagonal), out)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return _out(_C.clone(_C.diagonal(input, diagonal, 0, 1)), out)


def diagflat(input, offset=0):
    """Put all elements on the diagonal of a matrix."""
    return diag_embed(input.reshape(-1), offset)


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """Return a copy with a diagonal replaced."""
    y = _C.clone(input)
    _C.copy_(_C.diagonal(y, offset, dim1, dim2), src)
    return y


def select_scatter(input, src, dim, index):
    """Return a copy with one slice replaced."""
    y = _C.clone(input)
    _C.copy_(_C.select(y, dim, index), src)
    return y


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """Return a copy with a strided slice replaced."""
    y = _C.clone(input)
    key = [slice(None)] * (dim % input.ndim) + [slice(start, end, step)]
    y[tuple(key)] = src
    return y


def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """Return a copy with a strided view replaced."""
    y = _C.clone(input)
    _C.copy_(_C.as_strided(y, list(size), list(stride), storage_offset), src)
    return y


def clone(input, *, memory_format=None):
    """Copy a tensor; gradients flow through."""
    return _C.clone(input)


def detach(input):
    """Return a tensor that shares data and has no history."""
    return input.detach()


def numel(input):
    """Count elements."""
    return input.numel()


def combinations(input, r=2, with_replacement=False):
    """Return all combinations of r elements of a vector."""
    import itertools

    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    at = list(pick(range(input.shape[0]), r))
    if not at:
        return _C.empty([0, r], input.dtype)
    return input[_C.tensor(at, _C.int64)]


def constant_pad_nd(input, pad, value=0):
    """Pad with a value."""
    from .nn import functional as F

    return F.pad(input, pad, "constant", value)


