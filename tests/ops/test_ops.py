"""Checks every row of the table against torch, and against finite differences."""

import warnings

import numpy as np
import pytest
import rsnn
from cases import CASES
from rsnn.autograd.gradcheck import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
warnings.filterwarnings("ignore")


def tensors(lib, case, dtype, grad=False, arrays=None):
    out = []
    for i, a in enumerate(case.arrays("float64") if arrays is None else arrays):
        t = lib.from_numpy(np.array(a))
        if i in case.floats():
            t = t.to(getattr(lib, dtype))
            if grad:
                t.requires_grad_(True)
        out.append(t)
    return out


def listed(lib, value):
    if isinstance(value, lib.Tensor):
        return [value]
    return [t for v in value for t in listed(lib, v)]


def plain(t):
    t = t.detach()
    return np.array((t.float() if str(t.dtype).endswith("float16") else t).numpy(force=True))


def dtype_name(t):
    return str(t.dtype).rpartition(".")[2]


def same(expected, got, tol):
    assert len(expected) == len(got)
    for e, g in zip(expected, got):
        assert dtype_name(e) == dtype_name(g), f"dtype: torch {e.dtype}, rsnn {g.dtype}"
        assert tuple(e.shape) == tuple(g.shape), f"shape: torch {tuple(e.shape)}, rsnn {tuple(g.shape)}"
        np.testing.assert_allclose(plain(g), plain(e), rtol=tol, atol=tol)


def rows(keep=lambda c: True):
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if keep(c)])


def value_and_grads(lib, case, dtype, fn=None):
    args = tensors(lib, case, dtype, grad=case.grad)
    out = listed(lib, (fn or case.fn)(lib, *args))
    floats = [o for o in out if o.requires_grad]
    if not case.grad or not floats:
        return out, []
    loss = 0
    for o in floats:
        w = np.cos(np.arange(o.numel()) * 0.7 + 0.3).reshape(tuple(o.shape))
        loss = loss + (o * lib.from_numpy(np.asarray(w)).to(o.dtype)).sum()
    loss.backward()
    wanted = [args[i] for i in case.floats()]
    return out, [lib.zeros_like(t) if t.grad is None else t.grad for t in wanted]


@rows()
def test_values_and_gradients(case):
    for dtype, tol in (("float64", 1e-9), ("float32", case.f32)):
        expected, grads = value_and_grads(torch, case, dtype)
        got, rgrads = value_and_grads(rsnn, case, dtype)
        same(expected, got, tol)
        same(grads, rgrads, tol * 5)
        assert [e.requires_grad for e in expected] == [g.requires_grad for g in got]


@rows(lambda c: c.half and c.floats())
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half(case, dtype):
    expected = listed(torch, case.fn(torch, *tensors(torch, case, dtype)))
    got = listed(rsnn, case.fn(rsnn, *tensors(rsnn, case, dtype)))
    same(expected, got, case.f16 * (1 if dtype == "float16" else 8))


def differentiable(case, args):
    """The row as a function of its outputs that have a gradient; None where it has none."""
    kept = [i for i, o in enumerate(listed(rsnn, case.fn(rsnn, *args))) if o.requires_grad]

    def run(*args):
        out = listed(rsnn, case.fn(rsnn, *args))
        return tuple(out[i] for i in kept)

    return run if kept else None


@rows(lambda c: c.grad and c.floats())
def test_gradcheck(case):

    args = tensors(rsnn, case, "float64", grad=True)
    run = differentiable(case, args)
    if run is not None:
        assert gradcheck(run, args, fast_mode=True, atol=1e-4)


@rows(lambda c: c.grad and c.second and c.floats())
def test_gradgradcheck(case):
    args = tensors(rsnn, case, "float64", grad=True)
    run = differentiable(case, args)
    if run is not None:
        assert gradgradcheck(run, args, fast_mode=True, atol=1e-4)


@rows(lambda c: c.floats())
def test_layouts(case):
    """Strided inputs give the same values, and no_grad gives no history."""

    def spread(t):
        if t.ndim == 0:
            return t
        wide = rsnn.stack([t, t], -1).select(-1, 1)
        return wide.transpose(0, -1).contiguous().transpose(0, -1) if t.ndim > 1 else wide

    args = tensors(rsnn, case, "float64")
    if not case.name.startswith(("view", "as_strided", "rebase:view")):
        same(listed(rsnn, case.fn(rsnn, *args)), listed(rsnn, case.fn(rsnn, *[spread(t) for t in args])), 1e-12)
    with rsnn.no_grad():
        out = listed(rsnn, case.fn(rsnn, *tensors(rsnn, case, "float64", grad=case.grad)))
    assert not any(o.requires_grad and o.grad_fn is not None for o in out)


@rows(lambda c: c.empty is not None)
def test_empty(case):
    shapes = case.empty if isinstance(case.empty[0], tuple) else (case.empty,)
    arrays = case.arrays()
    for i, s in enumerate(shapes):
        arrays[i] = np.zeros(s)
    expected = listed(torch, case.fn(torch, *tensors(torch, case, "float32", arrays=arrays)))
    got = listed(rsnn, case.fn(rsnn, *tensors(rsnn, case, "float32", arrays=arrays)))
    same(expected, got, 1e-6)


@rows(lambda c: len(c.inputs) == 1 and c.empty == (0, 3))
def test_scalar(case):
    """A 0-d tensor goes in, a 0-d tensor comes out."""
    value = [np.asarray(case.arrays()[0].reshape(-1)[0])]
    if case.name.partition(":")[0] in ("softmax", "log_softmax"):
        value = [np.asarray(0.5)]
    expected = listed(torch, case.fn(torch, *tensors(torch, case, "float64", arrays=value)))
    same(expected, listed(rsnn, case.fn(rsnn, *tensors(rsnn, case, "float64", arrays=value))), 1e-9)


@rows(lambda c: c.fused)
def test_definition(case):
    """A fused op equals its definition, values and gradients."""
    fused, grads = value_and_grads(rsnn, case, "float64")
    before = rsnn._rsnn.use_define(True)
    try:
        plain_, plain_grads = value_and_grads(rsnn, case, "float64")
    finally:
        rsnn._rsnn.use_define(before)
    same(fused, plain_, 1e-9)
    same(grads, plain_grads, 1e-8)


def test_dropout():
    rsnn.manual_seed(3)
    x = rsnn.ones(4000, requires_grad=True)
    y = rsnn.nn.functional.dropout(x, 0.25)
    values = np.unique(y.detach().numpy())
    assert np.allclose(values, [0, 1 / 0.75])
    assert abs(float((y == 0).float().mean()) - 0.25) < 0.04
    y.sum().backward()
    assert rsnn.equal(x.grad, y.detach())
    assert rsnn.equal(rsnn.nn.functional.dropout(x, 0.5, training=False), x)


def test_random():
    rsnn.manual_seed(1)
    n = rsnn.randn(5000)
    assert abs(float(n.mean())) < 0.06 and abs(float(n.std()) - 1) < 0.05
    u = rsnn.rand(5000)
    assert 0 <= float(u.min()) and float(u.max()) < 1 and abs(float(u.mean()) - 0.5) < 0.03
    assert sorted(rsnn.randperm(9).tolist()) == list(range(9))
    r = rsnn.randint(2, 6, (300,))
    assert set(r.tolist()) == {2, 3, 4, 5}
    b = rsnn.bernoulli(rsnn.full((4000,), 0.3))
    assert abs(float(b.mean()) - 0.3) < 0.04
    m = rsnn.multinomial(rsnn.tensor([0.0, 1.0, 3.0]), 4000, replacement=True)
    assert 0 not in m.tolist() and abs(float((m == 2).float().mean()) - 0.75) < 0.04
    for fill, mean in (("uniform_", 0.5), ("normal_", 0.0), ("exponential_", 1.0), ("bernoulli_", 0.5)):
        assert abs(float(getattr(rsnn.empty(5000), fill)().mean()) - mean) < 0.08, fill
    rsnn.manual_seed(4)
    a = rsnn.randn(7)
    rsnn.manual_seed(4)
    assert rsnn.equal(a, rsnn.randn(7))
