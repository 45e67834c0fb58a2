"""Runs a row of the table with torch and with rsnn and compares what comes out."""

import warnings

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
torch.set_num_threads(1)
# Relative and absolute, beside four times torch's own error; inputs are the same numbers in every dtype.
TOLERANCE = {"float64": 1e-9, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


def tensors(lib, case, dtype, grad=False, arrays=None):
    """Return the row's inputs as tensors; `dtype` is that of the floats, or one for each of them."""
    arrays = case.arrays() if arrays is None else arrays
    floats = case.floats()
    dtypes = dict(zip(floats, [dtype] * len(floats) if isinstance(dtype, str) else dtype))
    out = []
    for i, a in enumerate(arrays):
        t = lib.from_numpy(np.array(a))
        if i in dtypes:
            t = t.to(getattr(lib, dtypes[i]))
            if grad and i in case.differentiated() and t.is_floating_point():
                t.requires_grad_(True)
        out.append(t)
    return out


def listed(lib, value):
    """Return the tensors in a result, in order."""
    if isinstance(value, lib.Tensor):
        return [value]
    return [t for v in value for t in listed(lib, v)]


def plain(t):
    t = t.detach()
    return np.array((t.float() if str(t.dtype).endswith("float16") else t).numpy(force=True))


def dtype_name(t):
    return str(t.dtype).rpartition(".")[2]


def weights(shape):
    """Return fixed numbers that turn a result into a loss."""
    return np.cos(np.arange(int(np.prod(shape))) * 0.7 + 0.3).reshape(shape)


def value_and_grads(lib, case, dtype, arrays=None, args=None):
    """Return the row's outputs, and the gradients of a weighted sum of them for its float inputs."""
    args = tensors(lib, case, dtype, grad=case.grad, arrays=arrays) if args is None else args
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = listed(lib, case.fn(lib, *args))
    floats = [o for o in out if o.requires_grad]
    if not floats:
        return out, []
    total = 0
    for o in floats:
        total = total + (o * lib.from_numpy(weights(tuple(o.shape))).to(o.dtype)).sum()
    total.backward()
    wanted = [args[i] for i in case.floats() if args[i].is_leaf and args[i].requires_grad]
    return out, [lib.zeros_like(t) if t.grad is None else t.grad for t in wanted]


def same(expected, got, tolerance=None, exact=None, off=0):
    """Compare tensors: dtype, shape, values.

    `exact` holds torch's float64 values: torch's own error widens the bound, and what overflows in torch is not compared.
    Integers may be `off` by so much.
    """
    assert len(expected) == len(got), f"count: torch {len(expected)}, rsnn {len(got)}"
    for i, (e, g) in enumerate(zip(expected, got)):
        assert dtype_name(e) == dtype_name(g), f"[{i}] dtype: torch {e.dtype}, rsnn {g.dtype}"
        assert tuple(e.shape) == tuple(g.shape), f"[{i}] shape: torch {tuple(e.shape)}, rsnn {tuple(g.shape)}"
        if not g.is_floating_point():
            np.testing.assert_allclose(plain(g).astype("int64"), plain(e).astype("int64"), rtol=0, atol=off, err_msg=f"[{i}]")
            continue
        bound = tolerance or TOLERANCE[dtype_name(e)]
        x, y = plain(e).astype("float64"), plain(g).astype("float64")
        z = x if exact is None else exact[i]
        with np.errstate(invalid="ignore", over="ignore"):
            close = np.abs(y - z) <= bound * (1 + np.abs(z)) + 4 * np.abs(x - z)
            ok = close | (x == y) | (np.isnan(x) & np.isnan(y)) | (~np.isfinite(x) & np.isfinite(z))
        assert ok.all(), f"[{i}] torch {x[~ok][:6]}, rsnn {y[~ok][:6]} at {np.argwhere(~ok)[:6].tolist()}"


def outcome(lib, case, dtype, arrays, grad=True):
    """Return (outputs, gradients), or the exception that came instead."""
    try:
        args = tensors(lib, case, dtype, grad=case.grad and grad, arrays=arrays)
        return value_and_grads(lib, case, dtype, args=args)
    except Exception as error:
        return error


def same_outcome(case, dtype, arrays, grad=True, torch_refuses=False, tolerance=None, off=0):
    """Both libraries give the same, or both refuse.

    With `torch_refuses`, what torch refuses may work; inputs of several dtypes then have to give what float64 gives.
    """
    expected, got = (outcome(lib, case, dtype, arrays, grad) for lib in (torch, rsnn))
    if isinstance(expected, Exception) or isinstance(got, Exception):
        said = [f"{type(e).__name__}: {e}" if isinstance(e, Exception) else "accepts it" for e in (expected, got)]
        assert "internal error" not in said[1], said[1]
        assert isinstance(expected, Exception) and (torch_refuses or isinstance(got, Exception)), f"torch {said[0]}\nrsnn {said[1]}"
        if isinstance(got, tuple) and not isinstance(dtype, str):
            wide = outcome(torch, case, "float64", arrays, grad)
            same(wide[0], [t.double() if t.is_floating_point() else t for t in got[0]], tolerance)
        return
    try:
        for i in (0, 1):
            same(expected[i], got[i], tolerance, off=off)
    except AssertionError:
        exact = outcome(torch, case, "float64", arrays, grad) if dtype == "float32" else None
        if not isinstance(exact, tuple):
            raise
        for i in (0, 1):
            same(expected[i], got[i], tolerance, exact=[plain(t).astype("float64") for t in exact[i]])
