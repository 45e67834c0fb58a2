"""The committed type stubs say what the package has."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_stubs.py"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the stubs are written by Python 3.11; others print signatures differently")
def test_stubs_are_up_to_date():
    spec = importlib.util.spec_from_file_location("make_stubs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, text in module.stubs().items():
        assert path.read_text() == text, f"{path.name} is out of date; run scripts/make_stubs.py"
