"""Running sums and products, differences, and integrals of samples; each works as a Tensor method too."""

from . import _rsnn as _C
from . import return_types
from ._arguments import into, into_all, one_of, required
from ._views import _wrapped

Tensor = _C.Tensor


def _running(name):
    native = getattr(_C, name)

    def f(input, dim=required, *, dtype=None, out=None, axis=None):
        dtype = out.dtype if dtype is None and isinstance(out, Tensor) else dtype
        y = native(input, one_of(name, dim, axis), dtype)
        return y if out is None else into(y, out, exact=True)

    f.__name__ = f.__qualname__ = name
    return f


cumsum = _running("cumsum")
cumsum.__doc__ = "Return running sums along `dim`; integers add up in int64."
cumprod = _running("cumprod")
cumprod.__doc__ = "Return running products along `dim`."


def cummax(input, dim=required, *, out=None, axis=None):
    """Return running maxima and where they are."""
    both = return_types.cummax(_C.cummax(input, one_of("cummax", dim, axis)))
    return both if out is None else into_all(both, out)


def cummin(input, dim=required, *, out=None, axis=None):
    """Return running minima and where they are."""
    both = return_types.cummin(_C.cummin(input, one_of("cummin", dim, axis)))
    return both if out is None else into_all(both, out)


def logcumsumexp(input, dim=required, *, out=None, axis=None):
    """Return running `log(sum(exp(x)))`."""
    y = _C.logcumsumexp(input, one_of("logcumsumexp", dim, axis))
    return y if out is None else into(y, out, exact=True)


def diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None, axis=None):
    """Return differences of neighbours, n times."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    (dim,) = _wrapped((dim if axis is None else axis,), input.ndim)
    x = input
    if n:
        parts = [t for t in (prepend, input, append) if t is not None]
        x = _C.cat(parts, dim) if len(parts) > 1 else input
        if n >= x.shape[dim]:
            x, n = _C.narrow(x, dim, 0, 0), 0
    for _ in range(n):
        m = x.shape[dim]
        a, b = _C.narrow(x, dim, 1, m - 1), _C.narrow(x, dim, 0, m - 1)
        x = _C.binary("logical_xor" if x.dtype == _C.bool else "sub", a, b)
    return x if out is None else into(x, out, exact=True)


def _steps(y, x, dx, dim):
    """Return the distances between samples, shaped to multiply along `dim`: a number, or a tensor."""
    if x is None:
        return dx
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"There must be one `x` value for each sample point; got {x.shape[0]} `x` values and {y.shape[dim]} sample points")
        gap = diff(x)
        return gap.reshape([-1] + [1] * (y.ndim - 1 - dim % y.ndim))
    return diff(x if x.ndim == y.ndim else x.reshape([1] * (y.ndim - x.ndim) + list(x.shape)), dim=dim)


def _neighbours(name, y, x, dx, dim):
    """Check the arguments of both integrals; return the sums of neighbouring samples."""
    if y.dtype == _C.bool or (x is not None and x.dtype == _C.bool):
        raise RuntimeError(f"{name}: received a bool input for `{'y' if y.dtype == _C.bool else 'x'}`, but bool is not supported")
    if x is not None and dx is not None:
        raise TypeError(f"{name}() received an invalid combination of arguments: x and dx exclude each other")
    m = y.shape[dim]
    return _C.add(_C.narrow(y, dim, 0, max(m - 1, 0)), _C.narrow(y, dim, min(m, 1), max(m - 1, 0)))


def trapezoid(y, x=None, *, dx=None, dim=-1):
    """Integrate samples `y` along `dim` by the trapezoidal rule.

    Args:
        y: the samples.
        x: where they were taken; evenly spaced by `dx` when left out.
        dx: the spacing, 1 when neither is given.
        dim: the dimension to integrate along.

    Example:
        >>> import rsnn
        >>> rsnn.trapezoid(rsnn.tensor([1.0, 2.0, 3.0])).item()
        4.0
    """
    sums = _neighbours("trapezoid", y, x, dx, dim)
    if y.shape[dim] == 0:
        return _C.sum(_C.binary("div", y, 1.0), [dim], False, None)
    if x is not None:
        return _C.binary("div", _C.sum(_C.mul(sums, _steps(y, x, dx, dim)), [dim], False, None), 2.0)
    ends = _C.add(_C.select(y, dim, 0), _C.select(y, dim, y.shape[dim] - 1))
    return _C.mul(_C.binary("sub", _C.sum(y, [dim], False, None), _C.mul(ends, 0.5)), 1.0 if dx is None else dx)


trapz = trapezoid


def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """Return the running integral of samples by the trapezoidal rule, one element shorter than `y`."""
    sums = _neighbours("cumulative_trapezoid", y, x, dx, dim)
    if x is None:
        return _C.mul(_C.cumsum(sums, dim, None), (1.0 if dx is None else dx) / 2.0)
    return _C.binary("div", _C.cumsum(_C.mul(sums, _steps(y, x, dx, dim)), dim, None), 2.0)


def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Estimate the derivative along each dimension by second-order central differences.

    Args:
        input: samples of a function.
        spacing: a distance, one per dimension, or the coordinates of the samples of each dimension.
        dim: the dimensions, all when left out.
        edge_order: 1 or 2, how the borders are estimated.

    Returns: a tuple with one tensor per dimension.
    """
    dims = list(range(input.ndim)) if dim is None else _wrapped([dim] if isinstance(dim, int) else list(dim), input.ndim)
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"dim {dims[0]} appears multiple times in the list of dims")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    spacing = 1 if spacing is None else spacing
    if isinstance(spacing, (tuple, list)):
        given = list(spacing)
    elif isinstance(spacing, Tensor):
        given = [spacing]
    else:
        given = [spacing] * len(dims)
    if len(given) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar or a list of length {len(dims)}, but got a list of length {len(given)}"
        )
    return tuple(_slope(input, s, d % max(input.ndim, 1), edge_order) for s, d in zip(given, dims))


def _slope(y, spacing, dim, edge_order):
    n = y.shape[dim]
    if n < edge_order + 1:
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    y = y if y.is_floating_point() else _C.to_dtype(y, _C.get_default_dtype())
    part = lambda start, length: _C.narrow(y, dim, start, length)
    if isinstance(spacing, Tensor) and spacing.ndim:
        h = diff(spacing).reshape([-1] + [1] * (y.ndim - 1 - dim))
    else:
        h = _C.full([n - 1] + [1] * (y.ndim - 1 - dim), float(spacing), y.dtype, y.device)
    before, after = _C.narrow(h, 0, 0, n - 2), _C.narrow(h, 0, 1, n - 2)
    a, b, c = part(0, n - 2), part(1, n - 2), part(2, n - 2)
    if not isinstance(spacing, Tensor) or spacing.ndim == 0:
        inner = (c - a) / (before + after)
    else:
        inner = b * ((after - before) / (before * after)) + c * (before / (after * (before + after))) - a * (after / (before * (before + after)))
    first, last = h[:1], h[n - 2 :]
    if edge_order == 1:
        start, end = (part(1, 1) - part(0, 1)) / first, (part(n - 1, 1) - part(n - 2, 1)) / last
    else:
        start = _border(part(0, 1), part(1, 1), part(2, 1), first, h[1:2])
        end = -_border(part(n - 1, 1), part(n - 2, 1), part(n - 3, 1), last, h[n - 3 : n - 2])
    return _C.cat([start, inner, end], dim)


def _border(a, b, c, h, k):
    """Return the slope at `a` of the parabola through three points at distances h and h + k."""
    return -a * ((2 * h + k) / (h * (h + k))) + b * ((h + k) / (h * k)) - c * (h / (k * (h + k)))
