"""Rows of pointwise functions of one and of two inputs."""

from .table import MASK, A, B, I, In, row, top

for _n in "neg abs exp exp2 expm1 square sin cos tan atan sinh cosh asinh erf erfc deg2rad rad2deg sinc".split():
    row(_n, top(_n), A)
for _n in "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma".split():
    row(_n, top(_n), In(2, 3, kind=(0.3, 2.5)))
for _n in "asin acos atanh erfinv".split():
    row(_n, top(_n), In(2, 3, kind=(-0.8, 0.8)))
row("acosh", top("acosh"), In(2, 3, kind=(1.3, 3.0)))
row("logit", top("logit"), In(2, 3, kind=(0.2, 0.8)))
row("logit:eps", top("logit", 0.3), In(2, 3, kind=(0.05, 0.95)))
for _n in "floor ceil round trunc sign sgn".split():
    row(_n, top(_n), A, second=False)
row("frac", top("frac"), A, second=False)
row("nan_to_num", top("nan_to_num", 0.5, 2.0, -2.0), A)
for _n in "isnan isinf isfinite isposinf isneginf signbit logical_not".split():
    row(_n, top(_n), A, grad=False)
row("isnan:values", lambda lib, x: (lib.isnan(x / x), lib.isinf(1 / x), lib.isfinite(1 / x), lib.isposinf(1 / x), lib.isneginf(-1 / x)),
    In(3, kind=(0.0, 0.0)), grad=False)  # fmt: skip
row("bitwise_not", top("bitwise_not"), I(1, -3, 7), grad=False)
row("polygamma", lambda lib, x: lib.digamma(x), In(3, kind=(0.5, 2.0)), covers=("polygamma",))
row("clamp", top("clamp", -0.5, 0.7), A)
row("clamp:min", top("clamp", min=-0.2), A)
row("clamp:max", top("clamp", max=0.2), A)
row("clamp:tensor", top("clamp"), A, In(3, kind=(-0.9, -0.4)), In(3, kind=(0.3, 0.9)))
row("round:decimals", top("round", decimals=1), A, grad=False, half=False)

# --- two inputs
for _n in "add sub mul div maximum minimum atan2 hypot logaddexp logaddexp2 fmax fmin".split():
    row(_n, top(_n), A, B, pointwise=True)
row("pow", top("pow"), In(2, 3, kind=(0.4, 1.6)), In(3), pointwise=True)
row("pow:integers", lambda lib, x, y: lib.pow(x, y), A, I(2, 3, 0))
for _p in (0, 1, 2, 0.5, -1, -0.5, -2, 2.5):
    row(f"pow:{_p}", top("pow", _p), In(2, 3, kind=(0.4, 1.6)), second=_p not in (0, 1))
row("float_power", top("float_power", 2), A)
row("rsub", top("rsub", alpha=2), A, B)
row("true_divide", top("true_divide"), A, B)
row("pow:scalar", top("pow", 3), A)
row("pow:base", lambda lib, x: lib.pow(2.0, x), A)
row("pow:fraction", lambda lib, x: x**0.5 + x**-1, In(2, 3, kind=(0.4, 1.6)))
row("add:alpha", lambda lib, x, y: lib.add(x, y, alpha=2.5) - lib.sub(y, x, alpha=0.5), A, B, pointwise=True)
row("arithmetic:scalars", lambda lib, x: 2 + x * 3 - (1 - x) / 4 + 1 / (x + 3), A)
row("div:floor", top("div", rounding_mode="floor"), A, B, second=False, half=False, pointwise=True)
row("div:trunc", top("div", rounding_mode="trunc"), A, B, second=False, half=False, pointwise=True)
row("floor_divide", top("floor_divide"), A, B, grad=False, half=False)
row("remainder", top("remainder"), A, B, second=False, half=False, pointwise=True)
row("fmod", top("fmod"), A, B, second=False, half=False, pointwise=True)
row("copysign", top("copysign"), A, In(3), second=False, pointwise=True)
row("xlogy", top("xlogy"), A, B, pointwise=True)
row("ldexp", top("ldexp"), A, I(1, 2, 0))
row("heaviside", top("heaviside"), A, B, grad=False, pointwise=True)
row("lerp", top("lerp", 0.3), A, B, fused=True)
row("lerp:far", top("lerp", 0.8), A, In(3), fused=True)
row("lerp:tensor", top("lerp"), A, B, In(3), pointwise=True)
row("addcmul", top("addcmul", value=0.7), A, A, B, pointwise=True, fused=True)
row("addcmul:broadcast", top("addcmul", value=0.7), In(3), A, B, fused=True)
row("addcdiv", top("addcdiv", value=0.7), A, A, B, pointwise=True)
for _n in "eq ne lt le gt ge".split():
    row(_n, top(_n), I(1.0, 2.0, 3.0, dtype="float64"), I(2.0, 2.0, 2.0, dtype="float64"), grad=False)
    row(_n + ":mixed", top(_n), A, I(0, 1, -1), grad=False)
for _n in "logical_and logical_or logical_xor".split():
    row(_n, top(_n), A, I(0, 1, 1), grad=False)
for _n in "bitwise_and bitwise_or bitwise_xor".split():
    row(_n, top(_n), I(5, -6, 7), I(3, 3, 12), grad=False)
    row(_n + ":bool", top(_n), MASK, I(True, False, True, dtype="bool"), grad=False)
for _n in "bitwise_left_shift bitwise_right_shift".split():
    row(_n, top(_n), I(5, -6, 7), I(1, 2, 3), grad=False)
for _n in "add sub mul floor_divide remainder fmod maximum minimum div pow".split():
    row(_n + ":int", top(_n), I(7, -7, 9), I(2, 2, 4), grad=False)
row("where", lambda lib, m, x, y: lib.where(m, x, y), MASK, A, In(3))
row("where:scalar", lambda lib, m, x: lib.where(m, x, 2.0), MASK, A)
