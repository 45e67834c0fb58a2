"""Gives every test of this folder both libraries; skips, saying so, where torch is not installed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import compare  # noqa: E402


@pytest.fixture(scope="session")
def torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    # Its threads wait by spinning, which on a busy machine costs more than these small sizes.
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def rsnn():
    import rsnn

    return rsnn


@pytest.fixture
def same(torch, rsnn):
    """Return a function that runs a scenario with both libraries and compares."""

    def run(scenario, tolerance=None):
        compare(scenario, torch, rsnn, tolerance)

    return run
