"""Resizing and sampling of images."""

from __future__ import annotations

import math
import operator
import warnings

import rsnn
from rsnn import _rsnn as _C

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
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[input.dim() - 3](input, sizes)
    return _C.interpolate(input, mode, sizes, scales, bool(align_corners), antialias)


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
    return _C.grid_sample(input, grid, mode, padding_mode, align_corners)
