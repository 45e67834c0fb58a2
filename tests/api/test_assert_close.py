"""assert_close passes and fails as torch's does, with torch's message."""

import math

import numpy as np
import pytest
import rsnn
from rsnn.testing import assert_close, make_tensor

torch = pytest.importorskip("torch", reason="torch is the oracle")

CASES = [
    lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0 + 1e-7])),
    lambda t: (t.tensor([1.0, 2.0, 3.0]), t.tensor([1.0, 2.1, 3.0])),
    lambda t: (t.tensor([[1, 2], [3, 4]]), t.tensor([[1, 2], [3, 5]])),
    lambda t: (t.tensor([1.0]), t.tensor([1.0], dtype=t.float64)),
    lambda t: (t.tensor([1.0]), t.tensor(1.0)),
    lambda t: (1.0, 1.0 + 1e-9),
    lambda t: (1.0, 1.1),
    lambda t: (1, 1.0),
    lambda t: ([t.ones(1), 2], [t.ones(1), 2]),
    lambda t: ([t.ones(1), 2], [t.ones(1), 3]),
    lambda t: ([t.ones(1)], [t.ones(1), 2]),
    lambda t: ({"a": t.ones(1)}, {"a": t.zeros(1)}),
    lambda t: ({"a": 1}, {"b": 1}),
    lambda t: (t.tensor([math.nan]), t.tensor([math.nan])),
    lambda t: (t.tensor([math.inf]), t.tensor([math.inf])),
    lambda t: (np.ones(2), np.ones(2)),
    lambda t: (None, None),
    lambda t: (t.tensor([True]), t.tensor([False])),
    lambda t: (t.ones(2, dtype=t.float16), t.ones(2, dtype=t.float16) * 1.0005),
    lambda t: (t.zeros(0), t.zeros(0)),
]


def outcome(run):
    try:
        run()
    except AssertionError as error:
        return str(error).split("\n\nThe failure occurred")[0]
    return None


@pytest.mark.parametrize("i", range(len(CASES)))
def test_as_torch(i):
    ours = outcome(lambda: assert_close(*CASES[i](rsnn)))
    theirs = outcome(lambda: torch.testing.assert_close(*CASES[i](torch)))
    assert (ours is None) == (theirs is None)
    if theirs and "Greatest" in theirs and "Scalars" not in theirs:
        assert ours.splitlines()[:3] == theirs.splitlines()[:3]


def test_options():
    a = rsnn.tensor([1.0])
    assert_close(a, rsnn.tensor([1.1]), rtol=0.2, atol=0)
    assert_close(rsnn.tensor([math.nan]), rsnn.tensor([math.nan]), equal_nan=True)
    assert_close(a, a.double(), check_dtype=False)
    with pytest.raises(ValueError, match="rtol"):
        assert_close(a, a, rtol=0.1)
    with pytest.raises(AssertionError, match="mine"):
        assert_close(a, a + 1, msg="mine")
    with pytest.raises(AssertionError, match=r"\['x'\]\[1\]"):
        assert_close({"x": [1, 2]}, {"x": [1, 3]})


def test_make_tensor():
    t = make_tensor(3, 4, dtype=rsnn.float32, low=0, high=1, requires_grad=True)
    assert t.shape == (3, 4) and t.requires_grad and 0 <= t.min().item() and t.max().item() <= 1
    assert not make_tensor((3, 4), dtype=rsnn.int64, noncontiguous=True).is_contiguous()
    assert (make_tensor(100, dtype=rsnn.int8, low=0, high=2, exclude_zero=True) == 1).all()
    assert make_tensor(dtype=rsnn.bool).dtype == rsnn.bool
