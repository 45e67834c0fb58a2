"""Resizing and sampling of images."""

from __future__ import annotations

import math
import operator
import warnings

import rsnn

from .arguments import scalar_type
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["affine_grid", "grid_sample", "interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_LINEAR = {"linear": 3, "bilinear": 4, "trilinear": 5}


def _output_size(input, size, scale_factor, recompute):
    """Return the output's spatial sizes and, where they set the sampling step, the scale factors."""
    n = input.dim() - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != n:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with spatial "
                    f"dimensions of {list(input.shape[2:])} and output size of {size}. Please provide input tensor in "
                    "(N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            if not all(hasattr(s, "__index__") for s in size):
                raise TypeError(
                    "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
                    f"with types {[type(s) for s in size]}"
                )
            sizes = [operator.index(s) for s in size]
        else:
            sizes = [operator.index(size)] * n
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes, [None] * n
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != n:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}. Please provide input "
                "tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
            )
        scales = [float(s) for s in scale_factor]
    else:
        scales = [float(scale_factor)] * n
    sizes = [math.floor(float(s) * f) for s, f in zip(input.shape[2:], scales, strict=True)]
    return sizes, [None] * n if recompute else scales


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Resize the spatial dimensions of an (N, C, ...) input.

    Args:
        size: the output's sizes.
        scale_factor: factors for the sizes, in place of `size`.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area" or "lanczos" (antialias only).
        align_corners: the first and last positions of input and output coincide (linear and cubic modes).
        recompute_scale_factor: take the step from the sizes instead of from `scale_factor`.
        antialias: widen the filter when shrinking ("bilinear", "bicubic" and "lanczos").

    Raises: ValueError for sizes that do not fit; NotImplementedError for a mode the input's dimensions do not take.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    else:
        align_corners = bool(align_corners)
    sizes, scales = _output_size(input, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")  # fmt: skip  # noqa: E501
    _check_mode(mode, input.dim(), align_corners, antialias)
    if any(s < 1 for s in sizes) or 0 in input.shape[1:]:
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"(sizes: {list(input.shape[2:])}) output (sizes: {sizes})"
        )
    n = input.dim() - 2
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[n - 1](input, sizes)
    if mode in ("nearest", "nearest-exact"):
        for i in range(n):
            input = _nearest(input, 2 + i, sizes[i], scales[i], mode == "nearest-exact")
        return input
    bytes_ = input.dtype == rsnn.uint8
    taps = _cubic_taps if mode == "bicubic" else _linear_taps
    x = input.float() if bytes_ else input
    # Images of bytes are rounded after each dimension, the width first.
    for i in reversed(range(n)) if bytes_ else range(n):
        if antialias:
            x = _antialiased(x, 2 + i, sizes[i], scales[i], align_corners, mode)
        else:
            x = _resample(x, 2 + i, *taps(x.shape[2 + i], sizes[i], scales[i], align_corners))
        if bytes_:
            x = (x + 0.5).floor().clamp(0, 255)
    return x.to(input.dtype)


def _check_mode(mode, ndim, align_corners, antialias):
    if mode == "lanczos" and ndim == 4:
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        return
    known = mode in ("nearest", "area", "nearest-exact") or mode in _LINEAR or (mode == "bicubic" and ndim == 4)
    if not known or not 3 <= ndim <= 5:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear | "
            f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if _LINEAR.get(mode, ndim) != ndim:
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {_LINEAR[mode]}D input")


def _nearest(input, dim, out, scale, exact):
    size = input.shape[dim]
    step = size / out if scale is None else 1.0 / scale
    # torch computes positions in float32.
    step = rsnn.tensor(step, dtype=rsnn.float32)
    positions = rsnn.arange(out, dtype=rsnn.float32)
    positions = ((positions + 0.5) * step if exact else positions * step).floor().long().clamp_max(size - 1)
    return input.index_select(dim, positions.to(input.device))


def _sources(size, out, scale, align_corners):
    """Return the real-valued source position of each output position."""
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0.0
        return [i * step for i in range(out)]
    step = size / out if scale is None else 1.0 / scale
    return [(i + 0.5) * step - 0.5 for i in range(out)]


def _linear_taps(size, out, scale, align_corners):
    """Return, for the two neighbours of each source position, their indices and weights."""
    below, above, low, high = [], [], [], []
    for source in _sources(size, out, scale, align_corners):
        source = max(source, 0.0)
        index = min(int(source), size - 1)
        part = min(max(source - index, 0.0), 1.0)
        below.append(index)
        above.append(min(index + 1, size - 1))
        low.append(1.0 - part)
        high.append(part)
    return [below, above], [low, high]


def _cubic(x, a):
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _cubic_taps(size, out, scale, align_corners):
    indices: list[list[int]] = [[] for _ in range(4)]
    weights: list[list[float]] = [[] for _ in range(4)]
    for source in _sources(size, out, scale, align_corners):
        base = math.floor(source)
        for tap in range(4):
            indices[tap].append(min(max(base - 1 + tap, 0), size - 1))
            weights[tap].append(_cubic(source - (base - 1 + tap), -0.75))
    return indices, weights


def _resample(input, dim, indices, weights):
    shape = [1] * input.dim()
    shape[dim] = -1
    out = None
    for index, weight in zip(indices, weights, strict=True):
        where = rsnn.tensor(index, dtype=rsnn.int64, device=input.device)
        factor = rsnn.tensor(weight, dtype=input.dtype, device=input.device).view(shape)
        term = input.index_select(dim, where) * factor
        out = term if out is None else out + term
    return out


def _antialiased(input, dim, out, scale, align_corners, mode):
    """Filter `dim` with weights that widen when the image shrinks."""
    size = input.shape[dim]
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0.0
    else:
        step = size / out if scale is None else 1.0 / scale
    radius, weigh = _FILTERS[mode]
    support = radius * step if step >= 1.0 else radius
    inverse = 1.0 / step if step >= 1.0 else 1.0
    indices, weights = [], []
    for i in range(out):
        center = step * (i + 0.5)
        start = max(int(center - support + 0.5), 0)
        end = min(int(center + support + 0.5), size)
        taps = [(j - center + 0.5) * inverse for j in range(start, end)]
        taps = [weigh(x) for x in taps]
        total = sum(taps) or 1.0
        indices.append(list(range(start, end)))
        weights.append([weight / total for weight in taps])
    return _weighted_taps(input, dim, indices, weights)


def _lanczos(x):
    if x == 0.0 or abs(x) >= 3.0:
        return float(x == 0.0)
    return 3.0 * math.sin(math.pi * x) * math.sin(math.pi * x / 3.0) / (math.pi * x) ** 2


# How far each filter reaches, and its weight at a distance.
_FILTERS = {
    "bilinear": (1.0, lambda x: max(1.0 - abs(x), 0.0)),
    "bicubic": (2.0, lambda x: _cubic(x, -0.5)),
    "lanczos": (3.0, _lanczos),
}


def _weighted_taps(input, dim, indices, weights):
    """Return weighted sums of elements along `dim`; what is not named cannot spread an infinity."""
    width = max(len(taps) for taps in weights)
    used = rsnn.tensor([[k < len(taps) for k in range(width)] for taps in weights], device=input.device)
    where = rsnn.tensor([taps + [0] * (width - len(taps)) for taps in indices], dtype=rsnn.int64, device=input.device)
    factor = [taps + [0.0] * (width - len(taps)) for taps in weights]
    factor = rsnn.tensor(factor, dtype=input.dtype, device=input.device)
    # (..., size) -> (..., out, tap)
    picked = input.transpose(dim, -1).index_select(-1, where.reshape(-1)).unflatten(-1, tuple(where.shape))
    return (picked.masked_fill(~used, 0) * factor).sum(-1).transpose(dim, -1)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Call `interpolate`, its name today."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """Call `interpolate` with mode="nearest"."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """Call `interpolate` with mode="bilinear" and aligned corners."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def affine_grid(theta, size, align_corners=None):
    """Return the sampling grid of affine maps, for `grid_sample`.

    Args:
        theta: (N, 2, 3) for images, (N, 3, 4) for volumes.
        size: the output's (N, C, H, W) or (N, C, D, H, W).
        align_corners: −1 and 1 are the centers of the corner pixels, not the image's borders.
    """
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.",
            stacklevel=2,
        )
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}."
        )
    if theta.dim() != 3 or theta.shape[1:] != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    spatial = list(size[2:])
    axes = []
    for d, length in enumerate(spatial):
        line = rsnn.linspace(-1, 1, length, dtype=theta.dtype, device=theta.device)
        if length <= 1:
            line = rsnn.zeros(length, dtype=theta.dtype, device=theta.device)
        elif not align_corners:
            line = line * ((length - 1) / length)
        shape = [1] * n
        shape[d] = length
        axes.append(line.view(shape).expand(spatial))
    # The grid's last dimension is x, y(, z), then the 1 of homogeneous coordinates.
    base = rsnn.stack([*reversed(axes), rsnn.ones(spatial, dtype=theta.dtype, device=theta.device)], -1)
    flat = base.view(1, -1, n + 1).expand(theta.shape[0], -1, n + 1)
    return flat.matmul(theta.transpose(1, 2)).view(theta.shape[0], *spatial, n)


def _unnormalize(coordinate, size, align_corners):
    return (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2


def _reflect(x, low2, high2):
    """Reflect positions into [low2 / 2, high2 / 2]."""
    if low2 == high2:
        return x * 0
    low, span = low2 / 2, (high2 - low2) / 2
    distance = (x - low).abs()
    extra = distance.fmod(span)
    flips = (distance / span).floor()
    return rsnn.where(flips.fmod(2) == 0, extra + low, span - extra + low)


def _place(x, size, padding_mode, align_corners, n=2):
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        x = _reflect(x, 0, 2 * (size - 1)) if align_corners else _reflect(x, -1, 2 * size - 1)
    # torch's clamps send NaN to the first element of images and to the last of volumes.
    return x.masked_fill(x.isnan(), 0 if n == 2 else size - 1).clamp(0, size - 1)


def _pick(input, indices):
    """Return input at integer positions (one tensor (N, ...) per spatial dimension), zero outside."""
    spatial = input.shape[2:]
    inside, flat = None, None
    for index, size in zip(indices, spatial, strict=True):
        ok = (index >= 0) & (index <= size - 1)
        inside = ok if inside is None else inside & ok
        index = index.clamp(0, size - 1).long()
        flat = index if flat is None else flat * size + index
    batch, channels = input.shape[:2]
    flat = flat.view(batch, 1, flat.numel() // max(batch, 1)).expand(batch, channels, -1)
    values = input.flatten(2).gather(2, flat).view(batch, channels, *inside.shape[1:])
    return values.masked_fill(~inside.unsqueeze(1), 0)


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Sample `input` at the positions of `grid`.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, H_out, W_out, 2) or (N, D_out, H_out, W_out, 3); x, y(, z) in [−1, 1].
        mode: "bilinear", "nearest" or (images only) "bicubic".
        padding_mode: what lies outside: "zeros", "border" or "reflection".
        align_corners: −1 and 1 are the centers of the corner pixels, not the image's borders.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.",
            stacklevel=2,
        )
        align_corners = False
    n = input.dim() - 2
    sizes = f"but got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if n not in (2, 3) or grid.dim() != input.dim():
        wanted = f"{input.dim()}D" if n in (2, 3) else "4D or 5D"
        raise RuntimeError(f"grid_sampler(): expected {wanted} input and grid with same number of dimensions, {sizes}")
    if grid.shape[0] != input.shape[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, {sizes}")
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with sizes {list(grid.shape)}"
        )
    if grid.dtype != input.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(grid)}")
    if 0 in input.shape[2:]:
        empty = 2 + input.shape[2:].index(0)
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
            f"{list(input.shape)} with dimension {empty} being empty"
        )
    if mode == "bicubic" and n != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    spatial = input.shape[2:]
    # The grid counts dimensions from the last one.
    raw = [_unnormalize(grid[..., n - 1 - d], spatial[d], align_corners) for d in range(n)]
    if mode == "bicubic":
        return _sample_bicubic(input, raw, padding_mode, align_corners)
    positions = [_place(x, size, padding_mode, align_corners, n) for x, size in zip(raw, spatial, strict=True)]
    if mode == "nearest":
        return _pick(input, [x.round() for x in positions])
    out = None
    floors = [x.detach().floor() for x in positions]
    for corner in range(2**n):
        weight, indices = None, []
        for d in range(n):
            upper = corner >> d & 1
            indices.append(floors[d] + upper)
            part = positions[d] - floors[d]
            part = part if upper else 1 - part
            weight = part if weight is None else weight * part
        if n == 3:
            weight = _inside(weight, indices, spatial)
        term = _pick(input, indices) * weight.unsqueeze(1)
        out = term if out is None else out + term
    return out


def _inside(weight, indices, spatial):
    """Zero the weight of positions outside: an infinite position has none that is a number."""
    for index, size in zip(indices, spatial, strict=True):
        weight = weight.masked_fill((index < 0) | (index > size - 1), 0)
    return weight


def _cubic_weights(t):
    a = -0.75
    x = t + 1
    first = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    second = ((a + 2) * t - (a + 3)) * t * t + 1
    u = 1 - t
    third = ((a + 2) * u - (a + 3)) * u * u + 1
    v = 2 - t
    return first, second, third, ((a * v - 5 * a) * v + 8 * a) * v - 4 * a


def _sample_bicubic(input, positions, padding_mode, align_corners):
    height, width = input.shape[2:]
    y, x = positions
    y0, x0 = y.detach().floor(), x.detach().floor()
    y_weights, x_weights = _cubic_weights(y - y0), _cubic_weights(x - x0)
    out = None
    for i in range(4):
        row = _place(y0 + (i - 1), height, padding_mode, align_corners)
        for j in range(4):
            column = _place(x0 + (j - 1), width, padding_mode, align_corners)
            term = _pick(input, [row.round(), column.round()]) * (y_weights[i] * x_weights[j]).unsqueeze(1)
            out = term if out is None else out + term
    return out
