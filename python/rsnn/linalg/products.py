"""Products and powers of matrices."""

import functools
import math

from .. import _rsnn as _C
from .._arguments import into
from ._errors import at_least

Tensor = _C.Tensor


def matmul(input, other, *, out=None):
    """Multiply matrices, with broadcast batch dimensions."""
    y = _C.matmul(input, other)
    return y if out is None else into(y, out, exact=True)


def cross(input, other, *, dim=-1, out=None):
    """Return the cross product over a dimension of size 3; the others broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, but got {input.ndim} and {other.ndim} dimensions"
        )
    for x in (input, other):
        if x.shape[dim] != 3:
            raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and {other.shape[dim]}")
    a = [_C.select(input, dim, i) for i in range(3)]
    b = [_C.select(other, dim, i) for i in range(3)]
    part = lambda i, j: _C.binary("sub", _C.mul(a[i], b[j]), _C.mul(a[j], b[i]))
    y = _C.stack([part(1, 2), part(2, 0), part(0, 1)], dim)
    return y if out is None else into(y, out, exact=True)


def vecdot(x, y, *, dim=-1, out=None):
    """Return dot products along a dimension; the others broadcast."""
    z = _C.sum(_C.mul(x, y), [dim], False, _C.result_type([x, y]))
    return z if out is None else into(z, out, exact=True)


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """Return diagonals as a view."""
    return _C.diagonal(A, offset, dim1, dim2)


def multi_dot(tensors, *, out=None):
    """Multiply matrices in the order that takes the fewest operations; the first and the last may be vectors.

    Raises:
        RuntimeError: for fewer than two tensors, or sizes that do not meet.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for i, x in enumerate(tensors):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(tensors) - 1)):
            if 0 < i < len(tensors) - 1:
                raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.ndim}D")
            raise RuntimeError(f"multi_dot(): the {'first' if i == 0 else 'last'} tensor must be 1D or 2D but got {x.ndim}D")
    row, column = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if row:
        tensors[0] = tensors[0].unsqueeze(0)
    if column:
        tensors[-1] = tensors[-1].unsqueeze(1)
    for i, (a, b) in enumerate(zip(tensors, tensors[1:])):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and {list(b.shape)} cannot be multiplied")
    y = _chain(tensors)
    if row:
        y = y.squeeze(0)
    if column:
        y = y.squeeze(-1)
    return y if out is None else into(y, out, exact=True)


def _chain(tensors):
    sizes = [x.shape[0] for x in tensors] + [tensors[-1].shape[1]]

    @functools.cache
    def best(i, j):  # (operations, where to cut) of the product i..j
        if i == j:
            return 0, i
        cost = lambda k: best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1]
        return min((cost(k), k) for k in range(i, j))

    def run(i, j):
        if i == j:
            return tensors[i]
        k = best(i, j)[1]
        return _C.matmul(run(i, k), run(k + 1, j))

    return run(0, len(tensors) - 1)


def _identity(A):
    n = A.shape[-1]
    eye = _C.tril(_C.triu(_C.full([n, n], 1.0, A.dtype, A.device), 0), 0)
    return _C.expand(eye, list(A.shape))


def matrix_power(A, n, *, out=None):
    """Multiply a square matrix n times with itself; a negative n takes the inverse.

    Raises:
        LinAlgError: for a negative n and a singular matrix.
    """
    from .solvers import inv

    at_least("linalg.matrix_power", A)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.matrix_power: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices")
    if n < 0:
        A, n = inv(A), -n
    y = _C.clone(_identity(A)) if n == 0 else None
    square = A
    while n:
        if n & 1:
            y = square if y is None else _C.matmul(y, square)
        n >>= 1
        if n:
            square = _C.matmul(square, square)
    y = _C.clone(y) if y is A else y
    return y if out is None else into(y, out)


def matrix_exp(A):
    """Return the matrix exponential, by scaling, a Taylor polynomial of degree 18, and squaring."""
    at_least("linalg.matrix_exp", A)
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.matrix_exp: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} matrices")
    if not A.is_floating_point():
        raise RuntimeError(f"linalg.matrix_exp: Expected a floating point or complex tensor as input. Got {A.dtype.name}")
    if A.numel() == 0:
        return _C.clone(A)
    # Each matrix is halved until its norm allows the polynomial, and the result squared as often.
    size = _C.amax(_C.sum(_C.unary("abs", A.detach()), [-1], False, None), [-1], False)
    halvings = _C.clamp(_C.unary("ceil", _C.unary("log2", _C.binary("div", size, 1.09))), 0.0, 1100.0)
    halvings = _C.where_(_C.test("isfinite", size), halvings, 0.0).unsqueeze(-1).unsqueeze(-1)
    x = _C.mul(A, _C.unary("exp2", _C.unary("neg", halvings)))
    eye = _identity(A)
    # Paterson & Stockmeyer 1973 with powers up to 4.
    powers = [eye, x, _C.matmul(x, x)]
    powers += [_C.matmul(powers[2], x), _C.matmul(powers[2], powers[2])]
    y = None
    for start in (16, 12, 8, 4, 0):
        block = None
        for i in range(min(4, 19 - start)):
            term = _C.mul(powers[i], 1 / math.factorial(start + i))
            block = term if block is None else _C.add(block, term)
        y = block if y is None else _C.add(_C.matmul(y, powers[4]), block)
    for i in range(int(_C.max(halvings))):
        y = _C.where_(_C.binary("gt", halvings, i), _C.matmul(y, y), y)
    return y


def vander(x, *, N=None):
    """Return powers 0 .. N - 1 of each element as rows."""
    if x.ndim == 0 and N is None:
        raise RuntimeError("linalg.vander: input dim must be > 0")
    n = x.shape[-1] if N is None else N
    if N is not None and n < 1:
        raise RuntimeError(f"N must be greater than 1. Got {n}")
    if not x.is_floating_point():
        x = _C.to_dtype(x, _C.int64)
    first = _C.full([*x.shape, 1], 1.0, x.dtype, x.device)
    if n == 1:
        return first
    rest = _C.cumprod(_C.expand(x.unsqueeze(-1), [*x.shape, n - 1]), -1, None)
    return _C.cat([first, rest], -1)
