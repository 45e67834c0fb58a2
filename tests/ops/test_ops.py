"""Checks every row of the table: values and gradients against torch, half types, finite differences, layouts, definitions."""

import warnings

import numpy as np
import pytest
import rsnn
from cases import CASES
from oracle import dtype_name, listed, outcome, plain, same, tensors, torch, value_and_grads
from rsnn.autograd.gradcheck import gradcheck, gradgradcheck

warnings.filterwarnings("ignore")


def rows(keep=lambda c: True):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if keep(c)])


@rows()
def test_values_and_gradients(case):
    """float64 and float32 agree with torch; inputs stay as they were."""
    expected, arrays = value_and_grads(torch, case, "float64"), case.arrays()
    exact = [[plain(t) for t in part] for part in expected]
    for dtype in ("float64", "float32"):
        expected = expected if dtype == "float64" else value_and_grads(torch, case, dtype)
        args = tensors(rsnn, case, dtype, grad=case.grad)
        got = value_and_grads(rsnn, case, dtype, args=args)
        for part in (0, 1):
            same(expected[part], got[part], case.close if dtype == "float64" else None, exact=exact[part])
        assert [e.requires_grad for e in expected[0]] == [g.requires_grad for g in got[0]]
        for arg, array in zip(args, arrays):
            np.testing.assert_array_equal(plain(arg), array.astype(dtype_name(arg)), err_msg="an input changed")


@rows(lambda c: c.half and c.floats())
def test_half(case):
    """float16 and bfloat16 are torch's, or near float64 where torch has no kernel for them."""
    exact = listed(torch, case.fn(torch, *tensors(torch, case, "float64")))
    for dtype in ("float16", "bfloat16"):
        expected = outcome(torch, case, dtype, case.arrays(), grad=False)
        if isinstance(expected, Exception):
            expected = [e.to(getattr(torch, dtype)) if e.dtype == torch.float64 else e for e in exact]
        else:
            expected = expected[0]
        got = listed(rsnn, case.fn(rsnn, *tensors(rsnn, case, dtype)))
        same(expected, got, exact=[plain(e) for e in exact])


def differentiable(case, args):
    """The row as a function of its outputs that have a gradient; None where it has none."""
    kept = [i for i, o in enumerate(listed(rsnn, case.fn(rsnn, *args))) if o.requires_grad]

    def run(*args):
        out = listed(rsnn, case.fn(rsnn, *args))
        return tuple(out[i] for i in kept)

    return run if kept else None


@rows(lambda c: c.check and c.differentiated())
def test_finite_differences(case):
    """First and second derivatives agree with them in float64."""
    args = tensors(rsnn, case, "float64", grad=True)
    run = differentiable(case, args)
    if run is not None:
        assert gradcheck(run, args, fast_mode=True, atol=1e-4)
        if case.second:
            assert gradgradcheck(run, args, fast_mode=True, atol=1e-4)


def stepped(t):
    """Every second element of a wider tensor, from the second on."""
    return rsnn.stack([t.roll(1), t], -1).flatten(-2)[..., 1::2] if t.ndim else t


def transposed(t):
    return t.transpose(0, -1).contiguous().transpose(0, -1) if t.ndim > 1 else stepped(t)


def offset(t):
    """Storage that begins earlier."""
    return rsnn.cat([t.reshape(-1)[:1], t.reshape(-1)])[1:].view(t.shape) if t.numel() else t


@rows(lambda c: c.floats() and c.strided)
def test_layouts(case):
    """Strides and storage offsets change neither values nor gradients; no_grad gives no history."""
    expected = value_and_grads(rsnn, case, "float64")
    for lay in (stepped, transposed, offset):
        args = [lay(t).detach().requires_grad_(t.requires_grad) for t in tensors(rsnn, case, "float64", grad=case.grad)]
        got = value_and_grads(rsnn, case, "float64", args=args)
        for part in (0, 1):
            same(expected[part], got[part], 1e-12)
    with rsnn.no_grad():
        out = listed(rsnn, case.fn(rsnn, *tensors(rsnn, case, "float64", grad=case.grad)))
    assert not any(o.requires_grad and o.grad_fn is not None for o in out)


@rows(lambda c: c.fused)
def test_definition(case):
    """A fused op equals its definition, values and gradients."""
    fused = value_and_grads(rsnn, case, "float64")
    before = rsnn._rsnn.use_define(True)
    try:
        defined = value_and_grads(rsnn, case, "float64")
    finally:
        rsnn._rsnn.use_define(before)
    for part in (0, 1):
        same(fused[part], defined[part], 1e-8)
