"""Questions about tensors and dtypes, and comparisons of whole tensors."""

from . import _rsnn as _C
from ._arguments import category, into

Tensor = _C.Tensor


def result_type(tensor=None, other=None, *, scalar=None, scalar1=None, scalar2=None):
    """Return the dtype that an operation on two operands, tensors or numbers, computes in."""
    return _C.result_type([v for v in (tensor, other, scalar, scalar1, scalar2) if v is not None])


def promote_types(type1, type2):
    """Return the smallest dtype that both promote to."""
    return _C.promote_types(type1, type2)


def can_cast(from_, to):
    """Tell whether `from_` casts to `to` without changing category."""
    return category(from_) <= category(to)


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Tell for each pair whether `|a - b| <= atol + rtol * |b|`.

    Raises:
        RuntimeError: for two dtypes, and for negative tolerances.
    """
    if input.dtype != other.dtype:
        raise RuntimeError(f"{input.dtype.name} did not match {other.dtype.name}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"{'rtol' if rtol < 0 else 'atol'} must be greater than or equal to zero, but got {rtol if rtol < 0 else atol}")
    close = _C.binary("eq", input, other)
    if equal_nan and input.is_floating_point():
        close = _C.binary("logical_or", close, _C.binary("logical_and", _C.test("isnan", input), _C.test("isnan", other)))
    wide = lambda t: t if t.is_floating_point() else _C.to_dtype(t, _C.float64)
    a, b = wide(input), wide(other)
    gap = _C.unary("abs", _C.binary("sub", a, b))
    near = _C.binary("le", gap, _C.add(_C.mul(_C.unary("abs", b), rtol), atol))
    return _C.binary("logical_or", close, _C.binary("logical_and", near, _C.test("isfinite", gap)))


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Tell whether all elements are close."""
    return bool(_C.all(isclose(input, other, rtol, atol, equal_nan), [], False))


def equal(input, other):
    """Tell whether two tensors have the same size and elements."""
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    return input.shape == other.shape and bool(_C.all(_C.binary("eq", input, other), [], False))


def is_same_size(input, other):
    """Tell whether two tensors have the same size."""
    return input.shape == other.shape


def is_nonzero(input):
    """Return the truth of a one-element tensor."""
    return bool(input)


def is_floating_point(input):
    """Tell whether the dtype is a floating point type."""
    return input.is_floating_point()


def is_complex(input):
    """Tell whether the dtype is complex: never."""
    return False


def is_conj(input):
    """Tell whether the tensor is a lazy conjugate: never."""
    return False


def is_neg(input):
    """Tell whether the tensor is a lazy negative: never."""
    return False


def is_signed(input):
    """Tell whether the dtype is signed."""
    return input.dtype.is_signed


def is_inference(input):
    """Tell whether the tensor was made in inference mode."""
    return input.is_inference()


def is_distributed(input):
    """Tell whether the tensor is spread over machines: never."""
    return False


def isin(elements=None, test_elements=None, *, assume_unique=False, invert=False, out=None, element=None, test_element=None):
    """Tell for each element whether it is among `test_elements`; either side may be a number.

    Example:
        >>> import rsnn
        >>> rsnn.isin(rsnn.tensor([1, 2, 3]), rsnn.tensor([2, 5])).tolist()
        [False, True, False]
    """
    elements = element if elements is None else elements
    tests = test_element if test_elements is None else test_elements
    if not (isinstance(elements, Tensor) or isinstance(tests, Tensor)):
        raise TypeError("isin() received an invalid combination of arguments: one of elements and test_elements must be a Tensor")
    found = _contained(elements, tests)
    if invert:
        found = _C.test("logical_not", found)
    return found if out is None else into(found, out, exact=True)


def _contained(elements, tests):
    if not isinstance(tests, Tensor):
        return _C.binary("eq", elements, tests)
    if not isinstance(elements, Tensor):
        return _C.any(_C.binary("eq", tests, elements), [], False)
    common = _C.result_type([elements, tests])
    x, known = _C.to_dtype(elements.detach(), common), _C.to_dtype(tests.detach(), common).reshape(-1)
    n = known.numel()
    if n == 0:
        return _C.full(list(x.shape), 0.0, _C.bool, x.device)
    if common == _C.bool:
        x, known = _C.to_dtype(x, _C.uint8), _C.to_dtype(known, _C.uint8)
    if n < 16:  # a few comparisons cost less than sorting
        return _C.any(_C.binary("eq", x.unsqueeze(-1), known), [-1], False)
    ordered = _C.sort(known, 0, False)[0]
    at = _C.clamp(_C.bucketize(x, ordered, False, False), None, n - 1)
    return _C.binary("eq", _C.take(ordered, at), x)
