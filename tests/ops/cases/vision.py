"""Rows of padding, resizing and sampling of images."""

from .table import F, In, fun, row, top

SIZES = {1: (5,), 2: (3, 4), 3: (2, 3, 3)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}

# --- padding ----------------------------------------------------------------------------------------------------------
for _n in (1, 2, 3):
    for _m in ("reflect", "replicate", "circular"):
        row(f"pad:{_m}{_n}", fun("pad", (1, 1, 0, 2, 1, 0)[: 2 * _n], _m), In(1, 2, *SIZES[_n]))
        row(f"pad:{_m}{_n} unbatched", fun("pad", (1, 0) * _n, _m), In(2, *SIZES[_n]))
    row(f"pad:replicate{_n} wide", fun("pad", (4, 5) * _n, "replicate"), In(1, 1, *SIZES[_n]))
row("pad:replicate crop", fun("pad", (-1, 1, 2, -1), "replicate"), In(1, 1, 3, 4))
row("pad:circular crop", fun("pad", (-1, 1, 2, -1), "circular"), In(1, 1, 3, 4))
row("pad:reflect crop", fun("pad", (-1, 1, 2, -1), "reflect"), In(1, 1, 3, 4))
row("pad:constant", fun("pad", (1, 2)), In(2, 3))
row("pad:value", fun("pad", (1, 0, 0, 2, 1, 1), value=-1.5), In(2, 1, 3))
row("pad:crop", fun("pad", (-1, 2, -1, -1), value=3.0), In(4, 5))
row("pad:all cropped", fun("pad", (-1, -2)), In(2, 3))
row("pad:nothing", fun("pad", (0, 0)), In(2, 3))
row("pad:1d", fun("pad", (2, 1)), In(3))
row("constant_pad_nd", top("constant_pad_nd", (1, 1), 2.0), In(2, 3))

# --- interpolate ------------------------------------------------------------------------------------------------------
for _n in (1, 2, 3):
    for _m in ("nearest", "nearest-exact", "area"):
        row(f"interpolate:{_m}{_n} up", fun("interpolate", size=(7, 6, 4)[:_n], mode=_m), In(1, 1, *SIZES[_n]))
        row(f"interpolate:{_m}{_n} down", fun("interpolate", size=2, mode=_m), In(1, 2, *SIZES[_n]))
        row(f"interpolate:{_m}{_n} factor", fun("interpolate", scale_factor=1.7, mode=_m), In(1, 1, *SIZES[_n]))
        row(f"interpolate:{_m}{_n} recomputed", fun("interpolate", scale_factor=1.7, mode=_m, recompute_scale_factor=True), In(1, 1, *SIZES[_n]))
    for _m in [LINEAR[_n]] + ["bicubic"] * (_n == 2):
        for _c in (False, True):
            _name = f"interpolate:{_m}" + " corners" * _c
            row(_name + " up", fun("interpolate", size=(7, 6, 4)[:_n], mode=_m, align_corners=_c), In(1, 1, *SIZES[_n]))
            row(_name + " down", fun("interpolate", size=2, mode=_m, align_corners=_c), In(1, 2, *SIZES[_n]))
            row(_name + " one", fun("interpolate", size=1, mode=_m, align_corners=_c), In(1, 1, *SIZES[_n]))
            row(_name + " factor", fun("interpolate", scale_factor=1.7, mode=_m, align_corners=_c), In(1, 1, *SIZES[_n]))
            row(_name + " recomputed", fun("interpolate", scale_factor=1.7, mode=_m, align_corners=_c, recompute_scale_factor=True), In(1, 1, *SIZES[_n]))
for _m in ("bilinear", "bicubic"):
    for _c in (False, True):
        _name = f"interpolate:{_m} antialias" + " corners" * _c
        row(_name + " down", fun("interpolate", size=(2, 3), mode=_m, antialias=True, align_corners=_c), In(1, 1, 5, 7))
        row(_name + " up", fun("interpolate", size=(5, 3), mode=_m, antialias=True, align_corners=_c), In(1, 2, 3, 4))
        row(_name + " factor", fun("interpolate", scale_factor=(0.6, 1.5), mode=_m, antialias=True, align_corners=_c), In(1, 1, 5, 4))
# More planes, longer rows and more channels than what is computed together.
row("interpolate:many", fun("interpolate", size=(3, 21), mode="bilinear"), In(2, 9, 4, 18))
row("interpolate:shrinking", fun("interpolate", size=(2, 18), mode="bicubic"), In(2, 9, 5, 20))
row("interpolate:factors", fun("interpolate", scale_factor=(2.0, 0.5), mode="bilinear"), In(1, 1, 3, 4))
row("interpolate:whole factor", fun("interpolate", scale_factor=2), In(2, 1, 2, 3))
row("upsample", fun("upsample", scale_factor=2, mode="bilinear"), In(1, 1, 2, 3))
row("upsample_nearest", fun("upsample_nearest", size=4), In(1, 1, 2, 3))
row("upsample_bilinear", fun("upsample_bilinear", scale_factor=2), In(1, 1, 2, 3))

# --- sampling ---------------------------------------------------------------------------------------------------------
for _m in ("bilinear", "nearest", "bicubic"):
    for _p in ("zeros", "border", "reflection"):
        for _c in (False, True):
            row(f"grid_sample:{_m} {_p}" + " corners" * _c, fun("grid_sample", mode=_m, padding_mode=_p, align_corners=_c),
                In(1, 2, 3, 4), In(1, 2, 3, 2, kind=(-1.6, 1.6), fixed=_m == "nearest"), half=False, fused=True)  # fmt: skip
            if _m != "bicubic":
                row(f"grid_sample:3d {_m} {_p}" + " corners" * _c, fun("grid_sample", mode=_m, padding_mode=_p, align_corners=_c),
                    In(1, 1, 2, 3, 3), In(1, 1, 2, 2, 3, kind=(-1.6, 1.6), fixed=_m == "nearest"), half=False, fused=True)  # fmt: skip
row("grid_sample:batch", fun("grid_sample", align_corners=False), In(2, 1, 3, 3), In(2, 1, 2, 2, kind=(-1.2, 1.2)), half=False, fused=True)
row("grid_sample:channels", fun("grid_sample", align_corners=False), In(2, 11, 3, 3), In(2, 2, 5, 2, kind=(-1.2, 1.2)), half=False, fused=True)
row("grid_sample:few points", fun("grid_sample", align_corners=True), In(1, 9, 8, 9), In(1, 1, 2, 2, kind=(-1.2, 1.2)), half=False, fused=True)
row("grid_sample:one pixel", fun("grid_sample", padding_mode="reflection", align_corners=True), In(1, 2, 1, 1), In(1, 1, 3, 2), half=False, fused=True, check=False)
for _c in (False, True):
    row("affine_grid:2d" + " corners" * _c, fun("affine_grid", (2, 1, 3, 4), _c), In(2, 2, 3))
    row("affine_grid:3d" + " corners" * _c, fun("affine_grid", (1, 1, 2, 3, 2), _c), In(1, 3, 4))
    row("affine_grid:one" + " corners" * _c, fun("affine_grid", (1, 1, 1, 3), _c), In(1, 2, 3))
row("affine_grid:sampled", lambda lib, x, t: F(lib).grid_sample(x, F(lib).affine_grid(t, (1, 1, 2, 3), False), align_corners=False),
    In(1, 1, 3, 3), In(1, 2, 3, kind=(-0.8, 0.8)), half=False)  # fmt: skip
for _n in ("down", "up"):
    row(f"interpolate:lanczos {_n}", fun("interpolate", size=(2, 3) if _n == "down" else (7, 6), mode="lanczos", antialias=True), In(1, 1, 5, 4))
