"""Gives every test of this folder both libraries; skips, saying so, where torch is not installed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import compare  # noqa: E402


@pytest.fixture(scope="session")
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")


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
