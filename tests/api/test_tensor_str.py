"""`repr` of tensors beside torch's, over values, dtypes, shapes and print options."""

import math
import re

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is the oracle")

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int32", "int64", "uint8", "bool"]
VALUES = {
    "zero": [0.0],
    "integers": [1.0, 2.0, -3.0],
    "large integers": [1e9, 1.0],
    "fractions": [0.5, -1.25, 3.0],
    "wide range": [1e-3, 1.0, 1e4],
    "tiny": [1e-5, 2e-5],
    "huge": [1e30, 2e30],
    "special": [math.nan, math.inf, -math.inf],
    "special and more": [math.nan, 1.5, -math.inf],
    "special and integers": [math.nan, 1.0, math.inf, 20.0],
    "minus zero": [-0.0, 1.0],
    "rounding": [0.99999, 9.99999],
    "many": [i / 7 for i in range(60)],
    "boundary": [1e-4, 0.1],
}
SHAPES = [(), (1,), (3,), (40,), (2, 3), (1, 1, 1), (2, 3, 4), (2, 1, 3, 2), (1001,), (50, 50), (8, 9, 20), (2, 600)]
OPTIONS = [
    {},
    {"precision": 2},
    {"precision": 0},
    {"precision": 10},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 2, "linewidth": 30},
    {"threshold": 2, "edgeitems": 0},
    {"linewidth": 20},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"profile": "full"},
]


@pytest.fixture(autouse=True)
def default_options():
    yield
    for lib in (rsnn, torch):
        lib.set_printoptions(profile="default")


def same(make):
    ours, theirs = repr(make(rsnn)), repr(make(torch))
    # A dtype's name is one letter shorter here, so it may fit on the line where torch's does not.
    ours, theirs = (re.sub(r",\s+dtype", ", dtype", text) for text in (ours, theirs))
    assert ours.replace("rsnn.", "torch.") == theirs


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_values(name, dtype):
    same(lambda lib: lib.tensor(VALUES[name], dtype=getattr(lib, dtype)))


def filled(lib, shape, dtype):
    rng = np.random.default_rng(0)
    values = rng.standard_normal(shape) * 10 if "float" in dtype else rng.integers(0, 100, shape)
    return lib.from_numpy(np.asarray(values)).to(getattr(lib, dtype))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(shape, dtype):
    same(lambda lib: filled(lib, shape, dtype))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (12,), (3, 4), (7, 3, 8)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_options(options, shape, dtype):
    for lib in (rsnn, torch):
        lib.set_printoptions(**options)
    same(lambda lib: filled(lib, shape, dtype))


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (0, 0, 1)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_empty(shape, dtype):
    same(lambda lib: lib.zeros(shape, dtype=getattr(lib, dtype)))


def test_gradients():
    same(lambda lib: lib.ones(2, requires_grad=True))
    same(lambda lib: lib.ones(2, requires_grad=True) * 2)
    same(lambda lib: (lib.ones(3, 3, requires_grad=True) * 2).sum())
    same(lambda lib: lib.ones(1, 20, requires_grad=True).exp())
    same(lambda lib: lib.ones(2, dtype=lib.float64, requires_grad=True).exp())
    same(lambda lib: lib.nn.Parameter(lib.ones(2, 2)))
    same(lambda lib: lib.zeros(0, 2, requires_grad=True))


def test_default_dtype():
    for lib in (rsnn, torch):
        lib.set_default_dtype(lib.float64)
    try:
        same(lambda lib: lib.ones(2))
        same(lambda lib: lib.ones(2, dtype=lib.float32))
        same(lambda lib: lib.zeros(0))
    finally:
        for lib in (rsnn, torch):
            lib.set_default_dtype(lib.float32)


def test_subclass_and_non_contiguous():
    for lib in (rsnn, torch):

        class Mine(lib.Tensor):
            pass

        assert repr(lib.ones(2).as_subclass(Mine)) == "Mine([1., 1.])"
    same(lambda lib: lib.arange(12).reshape(3, 4).t()[::2])
    same(lambda lib: lib.ones(1).expand(3, 2))
