"""Views and splits with torch's signatures; each works as a Tensor method too."""

import math

from . import _rsnn as _C
from ._arguments import one_of, required
from ._layout import preserve_format

Tensor = _C.Tensor


def reshape(input, shape):
    """Give another shape, as a view where possible."""
    return input.reshape(shape)


def permute(input, dims):
    """Reorder dimensions."""
    return input.permute(dims)


def transpose(input, dim0, dim1):
    """Swap two dimensions."""
    return input.transpose(dim0, dim1)


def swapdims(input, dim0, dim1):
    """Swap two dimensions."""
    return input.transpose(dim0, dim1)


def swapaxes(input, axis0, axis1):
    """Swap two dimensions."""
    return input.transpose(axis0, axis1)


def unsqueeze(input, dim=required, *, axis=None):
    """Insert a dimension of size 1."""
    return input.unsqueeze(one_of("unsqueeze", dim, axis))


def squeeze(input, dim=None, *, axis=None):
    """Drop dimensions of size 1: all of them, or those that `dim` names."""
    dim = axis if dim is None else dim
    if dim is None:
        return _C.squeeze(input)
    return _C.squeeze(input, list(dim) if isinstance(dim, (tuple, list)) else [dim])


def t(input):
    """Transpose a matrix; vectors stay."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input.transpose(0, 1) if input.ndim == 2 else _C.alias(input)


def _matrices(name, x):
    """Swap the last two dimensions; a number stays."""
    if x.ndim == 1:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
    return x.transpose(-2, -1) if x.ndim else x


def adjoint(input):
    """Swap the last two dimensions."""
    return _matrices("adjoint()", input)


def _wrapped(dims, ndim):
    n = max(ndim, 1)
    for d in dims:
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
    return [d % n for d in dims]


def movedim(input, source, destination):
    """Move dimensions to new places."""
    as_list = lambda d: [d] if isinstance(d, int) else list(d)
    source, destination = as_list(source), as_list(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({source} dims) should contain the same number of dims as "
            f"destination ({destination} dims)"
        )
    source, destination = _wrapped(source, input.ndim), _wrapped(destination, input.ndim)
    for name, dims in (("source", source), ("destination", destination)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    if input.ndim == 0:
        return _C.alias(input)
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
    start, end = _wrapped((start_dim, end_dim), input.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if input.ndim == 0:
        return input.reshape(1)
    if start == end:
        return input
    shape = list(input.shape)
    return input.reshape(shape[:start] + [math.prod(shape[start : end + 1])] + shape[end + 1 :])


def ravel(input):
    """Return a 1-d tensor of all elements."""
    return input.reshape(-1)


def unflatten(input, dim, sizes):
    """Split one dimension into several."""
    (dim,) = _wrapped((dim,), input.ndim)
    sizes = list(sizes) if isinstance(sizes, (tuple, list)) else [sizes]
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = math.prod(s for s in sizes if s != -1)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = input.shape[dim] // known
    if math.prod(sizes) != input.shape[dim]:
        raise RuntimeError(
            f"unflatten: Provided sizes {sizes} don't multiply up to the size of dim {dim} ({input.shape[dim]}) in the input tensor"
        )
    return input.reshape(list(input.shape[:dim]) + sizes + list(input.shape[dim + 1 :]))


def expand_as(input, other):
    """Broadcast to the size of `other`."""
    return _C.expand(input, list(other.shape))


def broadcast_to(input, size):
    """Broadcast to a size."""
    return _C.expand(input, list(size))


def broadcast_tensors(*tensors):
    """Broadcast tensors to their common size."""
    from ._creation import _common_shape

    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tensors[0]
    shape = _common_shape([x.shape for x in tensors])
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


unsafe_split_with_sizes = split_with_sizes


def unsafe_split(input, split_size, dim=0):
    """Split into pieces of a size."""
    return tuple(_C.split(input, split_size, dim))


def chunk(input, chunks, dim=0):
    """Split into a number of pieces."""
    return tuple(_C.chunk(input, chunks, dim))


unsafe_chunk = chunk


def _cuts(name, *given):
    """Return the one way to split that was given under one of its names."""
    found = [v for v in given if v is not None]
    if len(found) != 1:
        raise TypeError(f"{name}() expected one of sections and indices, got {len(found)} of them")
    return found[0]


def tensor_split(
    input, indices_or_sections=None, dim=0, *, sections=None, indices=None, tensor_indices_or_sections=None, axis=None
):
    """Split into nearly equal pieces, or at given indices."""
    dim = dim if axis is None else axis
    cuts = _cuts("tensor_split", indices_or_sections, sections, indices, tensor_indices_or_sections)
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    n = input.shape[_wrapped((dim,), input.ndim)[0]]
    if isinstance(cuts, Tensor):
        if cuts.ndim > 1 or cuts.dtype != _C.int64:
            raise RuntimeError(
                f"tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor of dtype long, but got a tensor with {cuts.ndim} dims of dtype {cuts.dtype.name}"
            )
        cuts = cuts.tolist()
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        cuts = [i * (n // cuts) + min(i, n % cuts) for i in range(1, cuts)]
    edges = [0] + [max(0, min(n, c + n if c < 0 else c)) for c in cuts] + [n]
    return tuple(_C.narrow(input, dim, a, max(b - a, 0)) for a, b in zip(edges, edges[1:]))


def _split_along(name, input, cuts, dim, least):
    if input.ndim < least:
        raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got a tensor with {input.ndim} dimensions!")
    if isinstance(cuts, int) and (cuts == 0 or input.shape[dim] % cuts):
        raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {input.shape[dim]} is not divisible by the split_size {cuts}!")
    return tensor_split(input, cuts, dim)


def hsplit(input, indices_or_sections=None, *, sections=None, indices=None):
    """Split along the second dimension (the first of a vector)."""
    cuts = _cuts("hsplit", indices_or_sections, sections, indices)
    return _split_along("hsplit", input, cuts, 0 if input.ndim == 1 else 1, 1)


def vsplit(input, indices_or_sections=None, *, sections=None, indices=None):
    """Split along the first dimension."""
    return _split_along("vsplit", input, _cuts("vsplit", indices_or_sections, sections, indices), 0, 2)


def dsplit(input, indices_or_sections=None, *, sections=None, indices=None):
    """Split along the third dimension."""
    return _split_along("dsplit", input, _cuts("dsplit", indices_or_sections, sections, indices), 2, 3)


def unbind(input, dim=0, *, axis=None):
    """Return all slices along `dim`."""
    return tuple(_C.unbind(input, dim if axis is None else axis))


def clone(input, *, memory_format=None):
    """Copy a tensor; gradients flow through."""
    y = _C.clone(input)
    return y if memory_format in (None, preserve_format) else y.contiguous(memory_format=memory_format)


def detach(input):
    """Return a tensor that shares data and has no history."""
    return input.detach()


def numel(input):
    """Count elements."""
    return input.numel()


def view_as_real(input):
    """Refuse: the tensors here are real already.

    Raises:
        RuntimeError: always, as torch does for a real tensor.
    """
    raise RuntimeError("view_as_real is only supported for complex tensors")


def conj(input):
    """Return the complex conjugate: the tensor itself."""
    return input


resolve_conj = resolve_neg = conj_physical = real = conj


def imag(input):
    """Refuse: the tensors here are real.

    Raises:
        RuntimeError: always, as torch does for a real tensor.
    """
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
