"""Rows of activation functions and softmax."""

from .table import A, F, I, In, X, fun, row, top

NAMES = (
    "relu relu6 hardtanh elu selu celu leaky_relu logsigmoid gelu silu mish hardswish hardsigmoid sigmoid tanh softplus softsign tanhshrink "
    "hardshrink softshrink"
)
# torch multiplies by a float32 sixth in float64 too.
SIXTH = {"hardsigmoid": 1e-7, "hardswish": 1e-7}
for _n in NAMES.split():
    row(_n, fun(_n), A, covers=("log_sigmoid",) if _n == "logsigmoid" else (), close=SIXTH.get(_n, 0))
    row(_n + ":wide", fun(_n), In(3, 5, kind=(-9.0, 9.0)), close=SIXTH.get(_n, 0))
    if _n not in ("logsigmoid", "gelu", "sigmoid", "tanh", "softplus", "softsign", "tanhshrink", "hardshrink", "softshrink"):
        row(_n + ":inplace", lambda lib, x, n=_n: getattr(F(lib), n)(x * 1, inplace=True), A, close=SIXTH.get(_n, 0))
for _n in "relu_ elu_ selu_ celu_ leaky_relu_ hardtanh_ rrelu_".split():
    row("F." + _n, lambda lib, x, n=_n: getattr(F(lib), n)(x * 1), A)
row("gelu:tanh", fun("gelu", approximate="tanh"), A, covers=("gelu_tanh",))
row("gelu:tanh wide", fun("gelu", approximate="tanh"), In(3, 5, kind=(-9.0, 9.0)))
row("softplus:beta", fun("softplus", 2.0, 1.5), A)
row("softplus:threshold", fun("softplus", 3, 2), In(3, 4, kind=(-2.0, 2.0)))
row("elu:alpha", fun("elu", 0.7), A)
row("celu:alpha", fun("celu", 0.4), A, close=1e-7)  # torch's slope comes from a float32 alpha
row("hardtanh:limits", fun("hardtanh", -0.5, 0.8), A)
row("leaky_relu:slope", fun("leaky_relu", 0.2), A)
row("leaky_relu:negative slope", fun("leaky_relu", -0.3), A)
row("hardshrink:lambd", fun("hardshrink", 0.3), A)
row("softshrink:lambd", fun("softshrink", 0.2), A)
row("threshold", fun("threshold", 0.1, -3.0), A)
row("threshold:inplace", lambda lib, x: F(lib).threshold(x * 1, 0.1, -3.0, True), A)
row("threshold_", lambda lib, x: F(lib).threshold_(x * 1, 0.2, 5.0), A)
row("rrelu:eval", fun("rrelu", training=False), A)
row("rrelu:limits", fun("rrelu", 0.2, 0.4, False), A)
row("rrelu:fixed", fun("rrelu", 0.25, 0.25, True), A)
row("glu", fun("glu", -1), In(2, 4), fused=True)
row("glu:dim", fun("glu", 1), In(2, 4, 3), fused=True)
row("glu:long", fun("glu", 1), In(3, 86), fused=True)
row("prelu", fun("prelu"), In(2, 3), In(3))
row("prelu:one", fun("prelu"), In(2, 3, 2), In(1))
row("prelu:0-d weight", fun("prelu"), In(2, 3), In())
row("prelu:channels", fun("prelu"), In(2, 3, 2, 2), In(3))
row("prelu:1d", fun("prelu"), In(4), In(1))
row("gumbel_softmax:hard", lambda lib, x: F(lib).gumbel_softmax(x, hard=True).sum(-1), In(2, 3), grad=False)

# --- softmax ----------------------------------------------------------------------------------------------------------
for _n in "softmax log_softmax".split():
    row(_n, fun(_n, -1), In(2, 4), fused=True)
    row(_n + ":first", fun(_n, 0), In(3, 2), fused=True)
    row(_n + ":middle", fun(_n, 1), In(2, 3, 2), fused=True)
    row(_n + ":one", fun(_n, 1), In(3, 1), fused=True)
    row(_n + ":long", fun(_n, -1), In(2, 37), fused=True)
    row(_n + ":dtype", lambda lib, x, n=_n: getattr(F(lib), n)(x, 1, dtype=lib.float64), In(2, 3))
    row(_n + ":0-d", fun(_n, 0), In(), fused=True)
    row(_n + ":implicit", lambda lib, x, n=_n: getattr(F(lib), n)(x), In(2, 3, 2))
    row(_n + ":top", top(_n, 1), X)
    row(_n + ":large", lambda lib, x, n=_n: getattr(F(lib), n)(x * 300, 1), In(2, 4), half=False)
row("softmin", fun("softmin", 1), In(2, 3))
row("softmin:implicit", fun("softmin"), In(4))
row("softmax:masked", lambda lib, x, m: F(lib).softmax(x.masked_fill(m, float("-inf")), -1), In(2, 3), I([True, False, False], [False, True, False], dtype="bool"))
row("log_softmax:masked", lambda lib, x, m: F(lib).log_softmax(x.masked_fill(m, float("-inf")), -1).masked_fill(m, 0.0),
    In(2, 3), I([True, False, False], [False, True, False], dtype="bool"))  # fmt: skip
