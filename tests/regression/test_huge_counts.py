"""Counts that memory cannot hold are refused; the process lives on."""

import pytest
import rsnn

HUGE = 1 << 50
CALLS = {
    "randperm": lambda: rsnn.randperm(HUGE),
    "linspace": lambda: rsnn.linspace(0, 1, HUGE),
    "tril_indices": lambda: rsnn.tril_indices(HUGE, HUGE),
    "triu_indices": lambda: rsnn.triu_indices(HUGE, HUGE),
    "tril_indices, one column": lambda: rsnn.tril_indices(HUGE, 1),
    "repeat_interleave": lambda: rsnn.repeat_interleave(rsnn.tensor([HUGE, HUGE])),
    "repeat_interleave, overflow": lambda: rsnn.repeat_interleave(rsnn.tensor([2**63 - 1, 2**63 - 1])),
    "zeros": lambda: rsnn.zeros(1 << 44),
}


@pytest.mark.parametrize("name", CALLS)
def test_refused(name):
    with pytest.raises(RuntimeError) as caught:
        CALLS[name]()
    assert "internal error" not in str(caught.value)


def test_tall_and_empty_triangles_are_quick():
    assert rsnn.triu_indices(HUGE, 2).tolist() == [[0, 0, 1], [0, 1, 1]]
    assert rsnn.tril_indices(HUGE, 0).shape == (2, 0)
    assert rsnn.tril_indices(3, 2, -1).tolist() == [[1, 2, 2], [0, 0, 1]]
