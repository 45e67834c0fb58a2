"""The profiler counts operations, attributes time to the innermost one, and costs nothing when off."""

import json

import pytest
import rsnn
from rsnn.autograd.profiler import profile, record_function


def test_counts_and_times():
    x = rsnn.randn(16, 16, requires_grad=True)
    with profile() as prof:
        with record_function("forward"):
            y = (x @ x).relu().sum()
        y.backward()
    found = {e.key: e for e in prof.key_averages()}
    assert found["matmul"].count == 3  # one product forward, two backward
    assert found["forward"].count == found["MatmulBackward0"].count == 1
    inside = found["relu"].cpu_time_total + found["sum"].cpu_time_total
    assert found["forward"].cpu_time_total > inside > 0
    assert found["forward"].self_cpu_time_total < found["forward"].cpu_time_total - inside
    assert all(e.self_cpu_time_total >= 0 for e in found.values())
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    assert "Self CPU time total" in table and len(table.splitlines()) == 4


def test_off_and_misuse(tmp_path):
    with profile(enabled=False) as prof:
        rsnn.ones(2) + 1
    with pytest.raises(RuntimeError, match="didn't finish"):
        prof.key_averages()
    with profile() as outer:
        with pytest.raises(RuntimeError, match="another profiler"), profile():
            pass
        rsnn.ones(2) + 1
    outer.export_chrome_trace(tmp_path / "trace.json")
    assert any(e["name"] == "add" for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"])
    rsnn.ones(2) * 2  # outside: not counted
    assert not any(e.key == "mul" for e in outer.key_averages())


def test_decorated():
    @record_function("named")
    def f():
        return rsnn.ones(2) + 1

    with profile() as prof:
        f()
    assert "named" in [e.key for e in prof.key_averages()]
