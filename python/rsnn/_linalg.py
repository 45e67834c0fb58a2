"""Products of matrices and vectors with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from ._creation import _into
from ._einsum import einsum as einsum

Tensor = _C.Tensor


def _out(value, out):
    return value if out is None else _into(out, value)


def matmul(input, other, *, out=None):
    """Multiply matrices, with broadcast batch dimensions; vectors count as rows or columns.

    Raises:
        RuntimeError: when the inner sizes differ.
    """
    return _out(_C.matmul(input, other), out)


def _expect(name, *pairs):
    for label, t, n in pairs:
        if t.ndim != n:
            raise RuntimeError(f"{name}: {label} must be a {n}-D tensor, got {t.ndim}-D")


def mm(input, mat2, *, out=None):
    """Multiply two matrices."""
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    return _out(_C.matmul(input, mat2), out)


def bmm(input, mat2, *, out=None):
    """Multiply batches of matrices."""
    if input.ndim != 3 or mat2.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor" if input.ndim != 3 else "batch2 must be a 3D tensor")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        want = [input.shape[0], input.shape[2]]
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {want} but got: {list(mat2.shape[:2])}."
        )
    return _out(_C.matmul(input, mat2), out)


def mv(input, vec, *, out=None):
    """Multiply a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {vec.ndim}, {input.ndim}, {vec.ndim}")
    return _out(_C.matmul(input, vec), out)


def dot(input, tensor, *, out=None):
    """Multiply two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return _out(_C.matmul(input, tensor), out)


vdot = dot


def inner(input, other, *, out=None):
    """Multiply over the last dimension of both."""
    if input.ndim == 0 or other.ndim == 0:
        return _out(_C.mul(input, other), out)
    return _out(tensordot(input, other, ([-1], [-1])), out)


def outer(input, vec2, *, out=None):
    """Return all products of elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument self, but got {input.ndim}-D")
    return _out(_C.mul(input.unsqueeze(1), vec2), out)


ger = outer


def _mix(base, product, beta, alpha):
    if alpha != 1:
        product = _C.mul(product, alpha)
    if beta == 0:
        return product if product.shape == base.shape else _C.add(product, _C.full(list(base.shape), 0.0, base.dtype))
    return _C.add(base if beta == 1 else _C.mul(base, beta), product)


def addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * mat1 @ mat2`."""
    return _out(_mix(input, mm(mat1, mat2), beta, alpha), out)


def addmv(input, mat, vec, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * mat @ vec`."""
    return _out(_mix(input, mv(mat, vec), beta, alpha), out)


def addr(input, vec1, vec2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * outer(vec1, vec2)`."""
    return _out(_mix(input, outer(vec1, vec2), beta, alpha), out)


def baddbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * batch1 @ batch2`."""
    return _out(_mix(input, bmm(batch1, batch2), beta, alpha), out)


def addbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """Return `beta * input + alpha * sum of batch1 @ batch2`."""
    return _out(_mix(input, _C.sum(bmm(batch1, batch2), [0], False, None), beta, alpha), out)


def tensordot(a, b, dims=2, out=None):
    """Multiply and add up over pairs of dimensions."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left, right = [d % a.ndim for d in left], [d % b.ndim for d in right]
    for i, j in zip(left, right):
        if a.shape[i] != b.shape[j]:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size {b.shape[j]} in dim {j}")
    keep_a = [d for d in range(a.ndim) if d not in left]
    keep_b = [d for d in range(b.ndim) if d not in right]
    size = 1
    for d in left:
        size *= a.shape[d]
    x = a.permute(keep_a + left).reshape(-1, size) if size else a.permute(keep_a + left).reshape([_prod(a, keep_a), 0])
    y = b.permute(right + keep_b).reshape(size, -1) if size else b.permute(right + keep_b).reshape([0, _prod(b, keep_b)])
    shape = [a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b]
    return _out(_C.matmul(x, y).reshape(shape), out)


def _prod(t, dims):
    n = 1
    for d in dims:
        n *= t.shape[d]
    return n


def kron(input, other, *, out=None):
    """Return the Kronecker product."""
    n = max(input.ndim, other.ndim)
    a = input.reshape([1] * (n - input.ndim) + list(input.shape))
    b = other.reshape([1] * (n - other.ndim) + list(other.shape))
    left = a.reshape([d for s in a.shape for d in (s, 1)])
    right = b.reshape([d for s in b.shape for d in (1, s)])
    return _out(_C.mul(left, right).reshape([x * y for x, y in zip(a.shape, b.shape)]), out)


def cross(input, other, dim=None, *, out=None):
    """Return the cross product over a dimension of size 3."""
    if dim is None:
        dim = next((i for i, s in enumerate(input.shape) if s == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    a = [_C.select(input, dim, i) for i in range(3)]
    b = [_C.select(other, dim, i) for i in range(3)]
    part = lambda i, j: _C.binary("sub", _C.mul(a[i], b[j]), _C.mul(a[j], b[i]))
    return _out(_C.stack([part(1, 2), part(2, 0), part(0, 1)], dim), out)


def chain_matmul(*matrices):
    """Multiply matrices from left to right."""
    y = matrices[0]
    for m in matrices[1:]:
        y = _C.matmul(y, m)
    return y


def cdist(x1, x2, p=2.0, compute_mode=None):
    """Return p-norm distances between all pairs of rows."""
    gap = _C.binary("sub", x1.unsqueeze(-2), x2.unsqueeze(-3))
    return _C.norm(gap, float(p), [-1], False, None)


