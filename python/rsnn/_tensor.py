"""Puts torch's methods on the native Tensor class: functions that take the tensor first, and properties."""

from . import (
    _calculus,
    _decompositions,
    _indexing,
    _join,
    _linalg,
    _order,
    _pointwise,
    _predicates,
    _random,
    _reduction,
    _special_math,
    _statistics,
    _views,
)
from . import _rsnn as _C
from ._layout import strided
from ._method import method

Tensor = _C.Tensor

_METHODS = {
    _pointwise: """absolute negative sgn arcsin arccos arctan arcsinh arccosh arctanh fix abs neg sign exp exp2 expm1 log log2
        log10 log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv
        sigmoid tanh floor ceil trunc frac relu deg2rad rad2deg lgamma digamma sinc i0 logical_not isnan isinf isfinite
        signbit isposinf isneginf bitwise_not isreal mul floor_divide remainder fmod maximum minimum atan2 eq ne lt le
        gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift
        bitwise_right_shift multiply arctan2 not_equal less less_equal greater greater_equal add sub subtract div
        divide true_divide pow float_power positive clamp clip clamp_min clamp_max round logit nan_to_num addcmul addcdiv
        lerp""",
    _special_math: "copysign hypot logaddexp logaddexp2 xlogy fmax fmin ldexp heaviside angle frexp mvlgamma gcd lcm nextafter igamma igammac",
    _predicates: """isclose allclose equal is_same_size is_nonzero is_complex is_signed is_conj is_neg is_distributed""",
    _reduction: """sum mean nansum nanmean prod amax amin aminmax max min argmax argmin any all var std
        logsumexp dist softmax log_softmax trace""",
    _order: """sort argsort msort topk kthvalue median nanmedian mode unique unique_consecutive quantile
        nanquantile""",
    _calculus: "cumsum cumprod cummax cummin logcumsumexp diff",
    _views: """swapaxes swapdims t adjoint movedim moveaxis flatten ravel expand_as narrow select diagonal
        unfold as_strided split_with_sizes unsafe_split unsafe_split_with_sizes chunk unsafe_chunk tensor_split
        unbind unflatten clone conj conj_physical resolve_conj resolve_neg""",
    _join: "fliplr flipud rot90 roll repeat_interleave",
    _indexing: """gather scatter scatter_add scatter_reduce index_select index_add index_copy index_fill index_put index_reduce
        put take take_along_dim masked_fill masked_select masked_scatter nonzero nonzero_static argwhere tril triu diag_embed
        diag diagflat diagonal_scatter select_scatter slice_scatter as_strided_scatter""",
    _linalg: "matmul mm bmm mv dot vdot inner outer ger addmm addmv addr baddbmm addbmm kron cross renorm",
    _statistics: "bincount histc histogram cov corrcoef",
    _decompositions: """det slogdet logdet inverse pinverse cholesky cholesky_solve cholesky_inverse qr svd lu lu_solve geqrf orgqr
        ormqr triangular_solve matrix_exp matrix_power""",
    _random: "bernoulli multinomial",
}

for _module, _names in _METHODS.items():
    for _name in _names.split():
        setattr(Tensor, _name, getattr(_module, _name))

Tensor.layout = property(lambda self: strided)
Tensor.is_sparse = property(lambda self: False)
Tensor.is_quantized = property(lambda self: False)
Tensor.is_meta = property(lambda self: False)
Tensor.is_mps = property(lambda self: False)
Tensor.is_xpu = property(lambda self: False)
Tensor.is_nested = False
Tensor.is_mkldnn = False
Tensor.name = None
Tensor.T = property(lambda self: self.permute(list(range(self.ndim))[::-1]))
Tensor.H = property(lambda self: self.transpose(0, 1) if self.ndim == 2 else self)
Tensor.mT = property(lambda self: _views._matrices("mT", self))
Tensor.mH = property(lambda self: _views._matrices("mH", self))
Tensor.real = property(lambda self: self)
Tensor.imag = property(_views.imag)


@method
def norm(self, p="fro", dim=None, keepdim=False, dtype=None):
    """Return the p-norm over `dim` (of all elements when left out)."""
    return _reduction.norm(self, p, dim, keepdim, dtype=dtype)


@method
def split(self, split_size, dim=0):
    """Split into pieces of a size, or of given sizes."""
    return _views.split(self, split_size, dim)


@method
def polygamma(self, n):
    """Return the n-th derivative of digamma."""
    return _special_math.polygamma(n, self)


@method
def squeeze(self, *dims, dim=None, axis=None):
    """Drop dimensions of size 1: all of them, or those that are named."""
    if len(dims) == 1 and isinstance(dims[0], (tuple, list)):
        dims = dims[0]
    return _C.squeeze(self, list(dims)) if dims else _views.squeeze(self, dim, axis=axis)


@method
def count_nonzero(self, *dims, dim=None, axis=None):
    """Count elements that are not zero."""
    return _reduction.count_nonzero(self, _listed(dims, dim), axis=axis)


@method
def broadcast_to(self, *sizes, size=None):
    """Broadcast to a size."""
    return _views.broadcast_to(self, _listed(sizes, size))


def _listed(values, value):
    """Return what came as several arguments, as one sequence, or by name."""
    return value if not values else values[0] if len(values) == 1 else values


def _splitter(name):
    split = getattr(_views, name)

    def f(self, *cuts, indices_or_sections=None, sections=None, indices=None):
        return split(self, _listed(cuts, indices_or_sections), sections=sections, indices=indices)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = split.__doc__
    setattr(Tensor, name, f)


for _name in ("hsplit", "vsplit", "dsplit"):
    _splitter(_name)


@method
def where(self, condition, other):
    """Choose own elements where the condition holds, of `other` elsewhere."""
    return _C.where_(condition, self, other)


@method
def hardshrink(self, lambd=0.5):
    """Set elements in [-lambd, lambd] to zero."""
    return _C.hardshrink(self, float(lambd))


@method
def prelu(self, weight):
    """Scale negative elements by a learned slope."""
    from .nn import functional as F

    return F.prelu(self, weight)


@method
def as_subclass(self, cls):
    """Return the same data as an instance of a Tensor subclass."""
    return Tensor._make_subclass(cls, self, self.requires_grad)


@method
def is_set_to(self, tensor):
    """Tell whether both share the same storage and geometry."""
    same = _C.same_storage(self, tensor) and self.storage_offset() == tensor.storage_offset()
    return same and self.shape == tensor.shape and self.stride() == tensor.stride()


@method
def is_shared(self):
    """Tell whether the memory is shared between processes: never."""
    return False


@method
def share_memory_(self):
    """Return itself: threads share memory already."""
    return self


@method
def is_pinned(self, device=None):
    """Tell whether the memory is pinned: never."""
    return False


@method
def pin_memory(self, device=None):
    """Return itself: host memory needs no pinning here."""
    return self


@method
def untyped_storage(self):
    """Return the bytes behind this tensor."""
    from ._storage import UntypedStorage

    return UntypedStorage(self)


Tensor.storage = untyped_storage


@method
def to_dense(self, dtype=None, *, masked_grad=True):
    """Return itself: tensors here are dense."""
    return self if dtype is None else _C.to_dtype(self, dtype)


@method
def dense_dim(self):
    """Count the dense dimensions: all of them."""
    return self.ndim


@method
def sparse_dim(self):
    """Count the sparse dimensions: none."""
    return 0


def _sparse_only(name):
    def f(self):
        raise RuntimeError(f"{name} expected sparse tensor layout but got Strided")

    f.__name__ = f.__qualname__ = name
    f.__doc__ = "Refuse: the tensors here are dense.\n\n    Raises:\n        RuntimeError: always, as torch does for a dense tensor."
    setattr(Tensor, name, f)


_sparse_only("indices")
_sparse_only("values")

from . import _tensor_autograd, _tensor_convert, _tensor_fill, _tensor_inplace, _tensor_python  # noqa: E402, F401
