"""Products of matrices and vectors with torch's signatures; each works as a Tensor method too."""

import math

from . import _rsnn as _C
from ._arguments import into, scalar_name
from ._einsum import einsum as einsum
from .amp.policy import full_precision as _full_precision
from .amp.policy import lower_precision as _lower_precision
from .amp.policy import same_precision as _same_precision

Tensor = _C.Tensor


def _exact(value, out):
    return value if out is None else into(value, out, exact=True)


def matmul(input, other, *, out=None):
    """Multiply matrices, with broadcast batch dimensions; vectors count as rows or columns.

    Raises:
        RuntimeError: when the inner sizes differ.
    """
    y = _C.matmul(input, other)
    return y if out is None else into(y, out, exact=True)


def mm(input, mat2, *, out=None):
    """Multiply two matrices."""
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    return _exact(_C.matmul(input, mat2), out)


def bmm(input, mat2, *, out=None):
    """Multiply batches of matrices."""
    if input.ndim != 3 or mat2.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor" if input.ndim != 3 else "batch2 must be a 3D tensor")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        want = [input.shape[0], input.shape[2]]
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {want} but got: {list(mat2.shape[:2])}."
        )
    return _exact(_C.matmul(input, mat2), out)


@_same_precision
def mv(input, vec, *, out=None):
    """Multiply a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {vec.ndim}, {input.ndim}, {vec.ndim}")
    return _exact(_C.matmul(input, vec), out)


@_same_precision
def dot(input, tensor, *, out=None):
    """Multiply two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.dtype != tensor.dtype:
        got = f"{scalar_name(input.dtype)} and {scalar_name(tensor.dtype)}"
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {got}")
    return _exact(_C.matmul(input, tensor), out)


def vdot(input, other, *, out=None):
    """Multiply two vectors."""
    return dot(input, other, out=out)


def inner(input, other, *, out=None):
    """Multiply over the last dimension of both."""
    if input.ndim == 0 or other.ndim == 0:
        return _exact(_C.mul(input, other), out)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and {list(other.shape)}"
        )
    return _exact(tensordot(input, other, ([-1], [-1])), out)


def outer(input, vec2, *, out=None):
    """Return all products of elements of two vectors."""
    for name, v in (("self", input), ("vec2", vec2)):
        if v.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {v.ndim}-D")
    y = _C.mul(input.unsqueeze(1), vec2)
    return y if out is None else into(y, out)


ger = outer


def _fitted(base, shape):
    """Return what is added to a product, once it is known to broadcast to the product's shape."""
    for d, (want, have) in enumerate(zip(reversed(shape), reversed(base.shape)), 1):
        if have not in (want, 1):
            raise RuntimeError(
                f"The expanded size of the tensor ({want}) must match the existing size ({have}) at non-singleton dimension "
                f"{len(shape) - d}.  Target sizes: {list(shape)}.  Tensor sizes: {list(base.shape)}"
            )
    return base


def _mix(base, product, beta, alpha):
    if not product.is_floating_point():  # torch computes integers with integers
        beta, alpha = int(beta), int(alpha)
    if alpha != 1:
        product = _C.mul(product, alpha)
    if beta == 0:  # NaN in the base does not count
        return product if product.shape == base.shape else _C.add(product, _C.full(list(base.shape), 0.0, base.dtype))
    return _C.add(base if beta == 1 else _C.mul(base, beta), product)


@_lower_precision
def addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * mat1 @ mat2`."""
    for name, m in (("mat1", mat1), ("mat2", mat2)):
        if m.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {m.ndim}-D tensor")
    if input.dtype != mat2.dtype:
        got = f"{scalar_name(input.dtype)} and {scalar_name(mat2.dtype)}"
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {got}")
    if input.ndim == 1 and beta == 1 and alpha == 1 and mat1.ndim == mat2.ndim == 2 and input.shape[0] == mat2.shape[1]:
        if input.is_floating_point():
            return _exact(_C.linear(mat1, mat2.transpose(0, 1), input), out)
    product = mm(mat1, mat2)
    return _exact(_mix(_fitted(input, product.shape), product, beta, alpha), out)


def addmv(input, mat, vec, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * mat @ vec`."""
    return _exact(_mix(input, mv(mat, vec), beta, alpha), out)


def addr(input, vec1, vec2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * outer(vec1, vec2)`."""
    for name, v in (("vec1", vec1), ("vec2", vec2)):
        if v.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {v.ndim}-D")
    y = _mix(input, outer(vec1, vec2), beta, alpha)
    return y if out is None else into(y, out)


@_lower_precision
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * batch1 @ batch2`."""
    return _exact(_mix(input, bmm(batch1, batch2), beta, alpha), out)


@_lower_precision
def addbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * sum of batch1 @ batch2`."""
    return _exact(_mix(input, _C.sum(bmm(batch1, batch2), [0], False, batch1.dtype), beta, alpha), out)


def _paired(a, b, dims):
    """Return the dimensions of both operands that `tensordot` adds up over."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    return [d % a.ndim for d in left], [d % b.ndim for d in right]


def tensordot(a, b, dims=2, out=None):
    """Multiply and add up over pairs of dimensions.

    Args:
        a, b: the tensors.
        dims: how many last dimensions of `a` meet first ones of `b`, or two lists of dimensions.
        out: where the result goes.
    """
    left, right = _paired(a, b, dims)
    for i, j in zip(left, right):
        m, n = a.shape[i], b.shape[j]
        if m == n:
            continue
        if n == 1:
            a = _C.sum(a, [i], True, None)
        elif m == 1:
            b = _C.sum(b, [j], True, None)
        else:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {m} in dim {i} and second has size {n} in dim {j}")
    keep_a = [d for d in range(a.ndim) if d not in left]
    keep_b = [d for d in range(b.ndim) if d not in right]
    size = math.prod(a.shape[d] for d in left)
    rows, columns = [a.shape[d] for d in keep_a], [b.shape[d] for d in keep_b]
    x = a.permute(keep_a + left).reshape([math.prod(rows), size])
    y = b.permute(right + keep_b).reshape([size, math.prod(columns)])
    return _exact(_C.matmul(x, y).reshape(rows + columns), out)


def kron(input, other, *, out=None):
    """Return the Kronecker product."""
    n = max(input.ndim, other.ndim)
    a = input.reshape([1] * (n - input.ndim) + list(input.shape))
    b = other.reshape([1] * (n - other.ndim) + list(other.shape))
    left = a.reshape([d for s in a.shape for d in (s, 1)])
    right = b.reshape([d for s in b.shape for d in (1, s)])
    y = _C.mul(left, right).reshape([x * y for x, y in zip(a.shape, b.shape)])
    return y if out is None else into(y, out)


def cross(input, other, dim=None, *, out=None):
    """Return the cross product over a dimension of size 3, the first such one when `dim` is left out."""
    from . import linalg

    if dim is None:
        dim = next((i for i, s in enumerate(input.shape) if s == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg.cross(input, other, dim=dim, out=out)


def chain_matmul(*matrices, out=None):
    """Multiply matrices, in the order that takes the fewest operations."""
    from . import linalg

    if len(matrices) == 1:
        return matrices[0]
    return linalg.multi_dot(matrices, out=out)


@_full_precision
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """Return p-norm distances between all pairs of rows.

    Args:
        x1: (..., P, M).
        x2: (..., R, M).
        p: the order of the norm, at least 0.
        compute_mode: whether Euclidean distances come from one matrix product: "use_mm_for_euclid_dist_if_necessary" (for
            more than 25 rows), "use_mm_for_euclid_dist" or "donot_use_mm_for_euclid_dist".

    Returns: (..., P, R).
    """
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in (None, *modes):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype.name}")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    many = compute_mode != modes[2] and (compute_mode == modes[1] or x1.shape[-2] > 25 or x2.shape[-2] > 25)
    if p == 2 and many:
        return _euclidean(x1, x2)
    return _C.norm(_C.binary("sub", x1.unsqueeze(-2), x2.unsqueeze(-3)), float(p), [-1], False, None)


def _euclidean(x1, x2):
    """Return distances from |a|^2 - 2ab + |b|^2: one product instead of all differences."""
    square = lambda x: _C.sum(_C.square(x), [-1], True, None)
    product = _C.matmul(_C.mul(x1, -2.0), x2.transpose(-2, -1))
    distance = _C.add(_C.add(product, square(x1)), square(x2).transpose(-2, -1))
    return _C.unary("sqrt_zero_slope", _C.clamp(distance, 0.0, None))


def renorm(input, p, dim, maxnorm, *, out=None):
    """Scale the slices along `dim` whose p-norm is above `maxnorm` down to it."""
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    others = [d for d in range(input.ndim) if d != dim % input.ndim]
    norm = _C.norm(input, float(p), others, True, None)
    shrunk = _C.binary("div", float(maxnorm), _C.add(norm, 1e-7))
    y = _C.mul(input, _C.where_(_C.binary("gt", norm, float(maxnorm)), shrunk, 1.0))
    return y if out is None else into(y, out, exact=True)
