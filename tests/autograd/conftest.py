"""Gives the tests of this folder both libraries and the harness of tests/nn."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "nn"))

from harness import compare  # noqa: E402


@pytest.fixture(scope="session")
def torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    torch.set_num_threads(1)
    return torch


@pytest.fixture
def same(torch):
    """Return a function that runs a scenario with both libraries and compares."""
    import rsnn

    def run(scenario, tolerance=None):
        compare(scenario, torch, rsnn, tolerance)

    return run
