"""Puts every row of the table on edges: values that are not finite, huge or tiny; no elements; 0-d; other dtypes."""

import numpy as np
import pytest
from cases import CASES
from oracle import same_outcome

EDGES = {
    "not finite": [np.inf, 0.5, 1.0, -1.0, 0.25, -np.inf, 2.0, -0.5, np.nan, 1.5, 0.75],
    "huge": [1e30] + [0.5, -0.5, 1.0, 2.0, 0.25, -1.0, 1.5, 0.75, -0.25, 3.0] * 8,
    "tiny": [1e-40, -1e-40, 0.0, -0.0, 1e-30, 1.0, -1e-30, 0.5, -1.0, 1e-20, 3.0],
}
EDGES = {k: np.array(v, "float32").astype("float64") for k, v in EDGES.items()}
# Where elements do not meet, huge numbers of both signs, and in float64 what float32 does not have.
APART = {
    "float32": EDGES | {"huge": np.concatenate([EDGES["huge"][:1] * -1, EDGES["huge"]])},
    "float64": {
        "not finite": EDGES["not finite"],
        "huge": np.concatenate([[1e300, -1e30], EDGES["huge"]]),
        "tiny": np.concatenate([[1e-310, -1e-310], EDGES["tiny"], [-1e-300]]),
    },
}
FLOATING = [c for c in CASES if c.floats()]


def rows(keep=lambda c: True):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in FLOATING if keep(c)])


def edged(case, values, shift, only=None):
    """The row's inputs, one or all of them filled with edge values."""
    return [
        np.resize(np.roll(values, -(i * 4 + shift)), a.shape) if i in case.floats() and only in (None, i) else a
        for i, a in enumerate(case.arrays())
    ]


LAPACK = """det slogdet cholesky qr householder_product ormqr lstsq lu_solve linalg.lu_solve cond matrix_exp inverse inv_ex solve
    triangular_solve lu svd eig pinv matrix_rank geqrf tensorinv tensorsolve lu_unpack matrix_power""".split()
# Rows whose results on some edges are another than torch's on purpose: (prefix of the name, edge or "", number of the
# input or None for any): why.
DIFFERENT = {
    ("scaled_dot_product_attention", "not finite", None): "a masked key adds nothing, whatever it holds; a NaN score stays NaN",
    ("multi_head_attention_forward", "not finite", None): "as scaled_dot_product_attention",
    ("conv_transpose", "not finite", 1): "zeros around the input are multiplied by an infinite weight",
    ("conv_tbc", "not finite", 1): "padding is multiplied by an infinite weight",
    ("embedding_bag:max", "not finite", None): "NaN is the largest of its bag, as it is for max",
    ("EmbeddingBag:module", "not finite", None): "NaN is the largest of its bag, as it is for max",
    ("cross_entropy", "", 2): "infinite or zero class weights: inf - inf or 0 / 0 by another order",
    ("linear_cross_entropy", "", 4): "as cross_entropy",
    ("multi_margin_loss", "not finite", 2): "as cross_entropy",
    ("ctc_loss", "not finite", None): "the loss of a NaN is infinite where no path avoids it",
    ("ctc_loss", "huge", None): "-1e30 stands for the logarithm of zero",
    ("batch_norm", "not finite", None): "running statistics of an infinite channel; infinite weights before or after the shift",
    ("group_norm", "not finite", 1): "infinite weights before or after the shift",
    ("instance_norm", "not finite", None): "as batch_norm",
    ("chain_matmul", "not finite", None): "torch multiplies in the cheapest order",
    ("cdist:inf", "not finite", None): "torch's maximum drops NaN",
    ("cdist:zero", "not finite", None): "NaN differs from every number",
    ("var_mean", "not finite", None): "the mean of an infinity is infinite",
    ("std_mean", "not finite", None): "the mean of an infinity is infinite",
    ("interpolate:trilinear", "not finite", None): "zero times infinity, by another order",
    ("interpolate:bilinear antialias", "not finite", None): "zero times infinity, by another order",
    ("interpolate:bicubic antialias", "not finite", None): "zero times infinity, by another order",
    ("std", "huge", None): "the variance overflows float32",
    **{(name, "not finite", None): "infinities meet zeros in another order than in LAPACK" for name in LAPACK},
    ("cholesky", "huge", None): "the matrix overflows",
    ("lstsq", "huge", None): "which singular values are too small for a matrix that holds 1e30",
    ("slogdet", "", None): "the sign of a determinant that is zero but for rounding",
    ("i0", "not finite", None): "torch's Bessel functions give NaN at infinity",
    ("i1", "not finite", None): "torch's Bessel functions give NaN at infinity",
    ("polygamma:orders", "", None): "the poles at 0 and the negative integers: torch's series does not meet them",
    ("zeta", "not finite", None): "a sum that vanishes is 0, torch's is NaN",
    ("zeta", "huge", None): "a sum that vanishes is 0, torch's is NaN",
    ("grid_sample:3d bilinear zeros corners", "not finite", 1): "an infinite weight of a corner outside",
}

# Rows whose gradients alone differ there.
SLOPES = {
    **{(n, "not finite"): "torch's loops differ about NaN" for n in ("relu6", "hardtanh", "hardswish", "hardshrink", "softshrink")},
    **{(n, "not finite"): "NaN stays NaN" for n in ("elu", "selu", "celu", "F.elu_", "F.selu_", "F.celu_", "i1e")},
    **{(n, "not finite"): "the slope's limit; torch multiplies infinity by zero" for n in ("gelu", "silu", "mish")},
    ("gelu:tanh", "huge"): "the slope's limit, where the cube overflows",
    **{(n, ""): "the poles: torch's series does not meet them" for n in ("digamma", "special.psi", "polygamma", "zeta")},
    ("rrelu:fixed", "not finite"): "NaN counts as negative",
    ("cross_entropy", "not finite"): "an ignored row has no gradient, whatever it holds",
    ("linear_cross_entropy", "not finite"): "as cross_entropy",
    ("nll_loss", "not finite"): "infinite class weights",
    ("binary_cross_entropy_with_logits", "not finite"): "infinite weights, by another order",
    ("triplet_margin_loss", "not finite"): "inf - inf by another order",
    ("cosine_embedding_loss", "tiny"): "the cosine of tiny vectors loses digits in both",
    ("logit", "tiny"): "the sign of the pole at -0",
    ("logit:eps", "not finite"): "NaN is not within the bounds",
    ("clamp:tensor", "not finite"): "the gradient of NaN goes where the NaN came from",
    ("hypot", "tiny"): "a quotient of subnormal numbers has their few digits",
    ("pow:-0.5", ""): "the slope of rsqrt, which ends at 0",
    ("div:trunc", ""): "no slope times an infinite one",
    ("copysign", "not finite"): "the sign; torch divides infinity by infinity",
    ("xlogy", "tiny"): "sums of infinities of both signs",
    ("special.log_ndtr", ""): "torch's slope overflows in the far tail; bounds stop the gradient of NaN",
    ("log_ndtr", ""): "as special.log_ndtr",
    ("special.entr", ""): "zero times infinity",
    ("renorm", "not finite"): "the norm of an infinite row",
}

# Rows whose results for integers are another than torch's: why.
INTEGERS = {
    "hinge_embedding_loss": "a float margin makes the loss a float",
    "local_response_norm": "torch's mean of integers is truncated; here integers are refused",
}
# Rows that torch computes from inputs of several dtypes without a word about it: why rsnn refuses.
MIXED = {"solve_triangular": "torch reads one matrix as the other's dtype"}
# torch's own bugs without elements, or cases of its own.
NO_ELEMENTS = {
    "pdist": "torch's backward crashes",
    "pixel_shuffle": "torch's backward gives another shape",
    "pixel_unshuffle": "torch's backward gives another shape",
    **{f"{n}:{r}": "torch returns memory that nobody wrote" for n in ("multi_margin_loss", "multilabel_margin_loss") for r in ("mean", "sum")},
    "instance_norm": "torch refuses an empty batch with weights",
    "affine_grid": "a batch of no maps is no maps",
    "conv_tbc": "torch convolves no steps",
    "scaled_dot_product_attention:float row": "torch takes a mask without rows",
    "AdaptiveLogSoftmaxWithLoss": "refuses a batch without samples",
}


def differs(case, edge, only):
    return any(case.name.startswith(p) and e in ("", edge) and i in (None, only) for p, e, i in DIFFERENT)


@rows()
def test_values(case):
    """Infinities, NaN, huge and tiny numbers give what torch gives; what overflows in torch is not compared."""
    single = [None] if len(case.floats()) == 1 else [*case.floats(), *[None] * case.pointwise]
    for edge, values in EDGES.items():
        for only in single:
            if not differs(case, edge, only):
                for shift in (0, 6):
                    same_outcome(case, "float32", edged(case, values, shift, only), grad=False)


def sloped(case, edge):
    return not any(case.name.startswith(p) and e in ("", edge) for p, e in SLOPES)


@rows(lambda c: c.table in ("activations", "pointwise", "losses", "special"))
def test_slopes(case):
    """Elementwise functions and losses have torch's gradients there too, and torch's values in float64."""
    single = [None] if len(case.floats()) == 1 else [*case.floats(), *[None] * case.pointwise]
    for dtype, edges in APART.items():
        for edge, values in edges.items():
            for only in single:
                if not differs(case, edge, only):
                    for shift in (0, 6):
                        same_outcome(case, dtype, edged(case, values, shift, only), sloped(case, edge), tolerance=case.close if dtype == "float64" and case.close else None)


def emptied(case):
    """The inputs with nothing in the dimension that the first of them begins with."""
    arrays = case.arrays()
    first = arrays[case.floats()[0]]
    return [a[:0] if a.ndim and a.shape[0] == first.shape[0] else a for a in arrays] if first.ndim else None


@rows()
def test_no_elements(case):
    """A dimension of size 0 gives the shapes and gradients, or the refusal, that torch gives."""
    arrays = emptied(case)
    if arrays is not None and not case.name.startswith(tuple(NO_ELEMENTS)):
        same_outcome(case, "float32", arrays)


@rows()
def test_scalars(case):
    """0-d inputs give what torch gives, or are refused by both."""
    same_outcome(case, "float32", [np.asarray(a.reshape(-1)[0]) for a in case.arrays() if a.size])


@rows()
def test_integers(case):
    """Where torch takes integers or booleans in place of floats, the result and its dtype are torch's."""
    arrays = [np.round(a * 3) if i in case.floats() else a for i, a in enumerate(case.arrays())]
    if case.name.startswith(tuple(INTEGERS)):
        pytest.skip(INTEGERS[case.name.partition(":")[0]])
    for dtype in ("int64", "uint8", "bool"):
        # torch weights bytes with 16 bits.
        same_outcome(case, dtype, arrays, torch_refuses=True, off=case.name.startswith(("interpolate", "upsample")))


@rows(lambda c: len(c.floats()) > 1)
def test_mixed_dtypes(case):
    """Where torch takes inputs of several dtypes, the result is promoted as torch does it."""
    n = len(case.floats())
    if case.name.partition(":")[0] in MIXED:
        pytest.skip(MIXED[case.name.partition(":")[0]])
    for first, rest in (("float32", "float64"), ("float64", "float32"), ("float16", "float32")):
        same_outcome(case, [first] + [rest] * (n - 1), case.arrays(), grad=False, torch_refuses=True, tolerance=1e-3 if first == "float16" else 1e-6)
