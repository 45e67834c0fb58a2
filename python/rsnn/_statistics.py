"""Counting and covariance with torch's signatures; each works as a Tensor method too."""

from . import _rsnn as _C
from . import return_types
from ._arguments import into, into_all

Tensor = _C.Tensor


def bincount(input, weights=None, minlength=0):
    """Count (or add up weights of) each non-negative integer."""
    return _C.bincount(input, weights, minlength)


def histc(input, bins=100, min=0, max=0, *, out=None):
    """Count elements in equal bins between `min` and `max`, the data's own limits when both are 0."""
    y = _C.histc(input, bins, float(min), float(max))
    return y if out is None else into(y, out, exact=True)


def histogram(input, bins=100, *, range=None, weight=None, density=False, out=None):
    """Count elements between edges; returns the counts and the edges.

    Args:
        input: floating point numbers.
        bins: a number of equal bins, or a sorted tensor of edges.
        range: (low, high) of the bins; the data's limits when left out.
        weight: what each element counts for, shaped as `input`.
        density: divide by the total and the bins' widths.
        out: a pair of tensors.

    Example:
        >>> import rsnn
        >>> rsnn.histogram(rsnn.tensor([1.0, 2.0, 1.0]), 4, range=(0.0, 3.0)).hist.tolist()
        [0.0, 2.0, 1.0, 0.0]
    """
    flat = input.detach().reshape(-1, 1)
    if weight is not None and weight.shape != input.shape:
        raise RuntimeError(f"torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its innermost dimension, but got input with shape {list(input.shape)} and weight with shape {list(weight.shape)}")
    edges = _edges(flat, [bins], range)
    hist = _counted(flat, edges, None if weight is None else weight.reshape(-1), density)
    both = return_types.histogram((hist, edges[0]))
    return both if out is None else into_all(both, out)


def histogramdd(input, bins, range=None, weight=None, density=False):
    """Count points of D coordinates in a D-dimensional grid of bins; returns the counts and the D edges.

    Args:
        input: points, (..., D).
        bins: a number of bins, D numbers, or D sorted tensors of edges.
        range: low and high of each dimension, 2·D numbers.
        weight: what each point counts for, (...).
        density: divide by the total and the bins' volumes.
    """
    if input.ndim < 2:
        raise RuntimeError(f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {input.ndim}")
    d = input.shape[-1]
    bins = [bins] * d if isinstance(bins, int) else list(bins)
    if len(bins) != d:
        raise RuntimeError(f"torch.histogramdd: expected {d} sequences of bin edges for a {d}-dimensional histogram but got {len(bins)}")
    points = input.detach().reshape(-1, d)
    edges = _edges(points, bins, range)
    hist = _counted(points, edges, None if weight is None else weight.reshape(-1), density)
    return return_types.histogramdd((hist, tuple(edges)))


def _edges(points, bins, limits):
    """Return the edges of each column's bins."""
    if not points.is_floating_point():
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{points.dtype.name}'")
    found = []
    for i, b in enumerate(bins):
        if isinstance(b, Tensor):
            found.append(b)
            continue
        if b <= 0:
            raise RuntimeError(f"torch.histogramdd(): bins must be > 0, but got {b} for dimension {i}")
        if limits is not None:
            low, high = limits[2 * i], limits[2 * i + 1]
        elif points.shape[0] == 0:
            low, high = 0.0, 1.0
        else:
            low, high = (f(points[:, i]).item() for f in (_C.min, _C.max))
        if not abs(high - low) < float("inf"):
            raise RuntimeError(f"torch.histogramdd: dimension {i}'s range [{low}, {high}] is not finite")
        if low > high:
            raise RuntimeError(f"torch.histogramdd: min should not exceed max, but got min {low} max {high} for dimension {i}")
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        found.append(_C.linspace(float(low), float(high), b + 1, points.dtype))
    return found


def _counted(points, edges, weight, density):
    """Count points in the grid; the last bin of each dimension holds its upper edge."""
    sizes = [e.shape[0] - 1 for e in edges]
    at = _C.full([points.shape[0]], 0.0, _C.int64)
    inside = _C.full([points.shape[0]], 1.0, _C.bool)
    total = 1
    for i, (e, n) in enumerate(zip(edges, sizes)):
        x = points[:, i].contiguous()
        place = _C.bucketize(x, e.contiguous(), True, False) - 1
        place = _C.where_(_C.binary("eq", x, e[-1]), n - 1, place)
        inside = _C.binary("logical_and", inside, _C.binary("logical_and", _C.binary("ge", place, 0), _C.binary("lt", place, n)))
        at = at * n + place
        total *= n
    weight = None if weight is None else weight[inside]
    hist = _C.to_dtype(_C.bincount(at[inside], weight, total), points.dtype).reshape(sizes)
    if density:
        hist = hist / _C.sum(hist, [], False, None)
        for i, e in enumerate(edges):
            width = _C.narrow(e, 0, 1, sizes[i]) - _C.narrow(e, 0, 0, sizes[i])
            hist = hist / width.reshape([-1] + [1] * (len(sizes) - 1 - i))
    return hist


def cov(input, *, correction=1, fweights=None, aweights=None):
    """Return the covariance matrix of variables (rows) over observations (columns).

    Args:
        input: (variables, observations), or one variable.
        correction: subtracted from the number of observations.
        fweights: how often each observation was made, integers.
        aweights: how much each observation counts.

    Returns: (variables, variables), or a number for one variable.
    """
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    if input.dtype == _C.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.ndim == 2 else input.reshape(1, -1)
    w = None
    for name, given, integral in (("fweights", fweights, True), ("aweights", aweights, False)):
        if given is None:
            continue
        if given.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {given.ndim} dimensions")
        if given.is_floating_point() == integral:
            raise RuntimeError(f"cov(): expected {name} to have {'integral' if integral else 'floating point'} dtype but got {name} with {given.dtype.name} dtype")
        if given.numel() != x.shape[1]:
            raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input but got {given.numel()} != {x.shape[1]}")
        if bool(_C.any(_C.binary("lt", given.detach(), 0), [], False)):
            raise RuntimeError(f"cov(): {name} cannot be negative")
        w = given if w is None else _C.mul(w, given)
    total = x.shape[1] if w is None else _C.sum(w, [], False, None)
    if not x.is_floating_point():
        x = _C.to_dtype(x, _C.get_default_dtype())
    average = _C.mean(x, [1], True, None) if w is None else _C.binary("div", _C.sum(_C.mul(x, w), [1], True, None), total)
    if w is None or aweights is None or correction == 0:
        factor = total - correction
    else:
        factor = total - correction * _C.binary("div", _C.sum(_C.mul(w, aweights), [], False, None), total)
    factor = _C.clamp(factor, 0, None) if isinstance(factor, Tensor) else max(factor, 0)
    x = _C.binary("sub", x, average)
    y = _C.matmul(x, _C.mul(x, w).transpose(0, 1) if w is not None else x.transpose(0, 1))
    y = _C.binary("div", y, factor)
    return y if y.shape[0] > 1 or input.numel() == 0 else y.reshape([])


def corrcoef(input):
    """Return Pearson's correlation coefficients of variables (rows) over observations (columns)."""
    if input.ndim > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions")
    c = cov(input)
    if c.ndim == 0:
        return _C.binary("div", c, c)
    deviation = _C.sqrt(_C.diagonal(c, 0, 0, 1))
    c = _C.binary("div", _C.binary("div", c, deviation.unsqueeze(1)), deviation.unsqueeze(0))
    return _C.clamp(c, -1.0, 1.0)
