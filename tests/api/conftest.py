"""Prints at the end of a run how much of torch's surface is here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))


def pytest_terminal_summary(terminalreporter):
    """Write one line of counts, when the surface was tested."""
    if not any("test_surface" in r.nodeid for r in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])):
        return
    import make_parity

    rows, _ = make_parity.counts()
    one, no_one, two, no_two = (sum(row[i] for row in rows) for i in range(1, 5))
    terminalreporter.write_line(
        f"torch's surface: tier 1 {one} here, {no_one} refused; tier 2 {two} here, {no_two} refused (docs/parity.md)"
    )
