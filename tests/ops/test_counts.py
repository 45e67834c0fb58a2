"""Poisson and binomial samples: torch's values from the same seed, and its refusals."""

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")


def drawn(lib, draw, *arrays):
    lib.manual_seed(3)
    return np.asarray(draw(lib)(*[lib.from_numpy(a.copy()) for a in arrays]))


@pytest.mark.parametrize("rate", [0.0, 0.5, 4.0, 9.5, 10.5, 60.0, 2000.0])
def test_poisson(rate):
    rates = np.full((3, 40), rate)
    np.testing.assert_array_equal(drawn(torch, lambda lib: lib.poisson, rates), drawn(rsnn, lambda lib: lib.poisson, rates))


@pytest.mark.parametrize("p", [0.0, 0.05, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [0.0, 1.0, 12.0, 500.0])
def test_binomial(count, p):
    arrays = np.full((3, 40), count), np.full(40, p)
    np.testing.assert_array_equal(drawn(torch, lambda lib: lib.binomial, *arrays), drawn(rsnn, lambda lib: lib.binomial, *arrays))


def test_refusals():
    with pytest.raises(RuntimeError, match="expected rate to be non-negative"):
        rsnn.poisson(rsnn.tensor([-1.0]))
    with pytest.raises(RuntimeError, match="binomial only supports floating-point dtypes"):
        rsnn.binomial(rsnn.tensor([3]), rsnn.tensor([0.5]))
    with pytest.raises(RuntimeError, match="finite"):
        rsnn.poisson(rsnn.tensor([float("inf")]))
