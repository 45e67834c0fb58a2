"""The caching allocator: its cap, giving memory back, and no growth over many steps of changing shapes."""

import os
import subprocess
import sys

import pytest
import rsnn

CAPPED = """
import rsnn
for n in (1000, 300_000, 2_000_000, 500_000):
    kept = [rsnn.ones(n) for _ in range(8)]
    del kept
    cached = rsnn.memory.stats()["cached"]
    assert cached <= 1 << 20, (n, cached)
print(rsnn.memory.stats()["cached"])
"""


def run(code, **environment):
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
    assert out.returncode == 0, out.stderr
    return out.stdout


def test_cached_bytes_stay_below_the_cap():
    assert 0 < int(run(CAPPED, RSNN_CACHE_BYTES=str(1 << 20))) <= 1 << 20


def test_without_a_cache_nothing_is_kept():
    assert int(run(CAPPED, RSNN_CACHE_BYTES="0")) == 0


def test_empty_cache_gives_blocks_back():
    block = rsnn.ones(1 << 20)
    del block
    before = rsnn.memory.stats()["cached"]
    rsnn.memory.empty_cache()
    assert rsnn.memory.stats()["cached"] <= before - (4 << 20)


def test_a_second_block_of_the_size_is_a_hit():
    before = rsnn.memory.stats()
    for _ in range(3):
        block = rsnn.empty(123_457)
        del block
    after = rsnn.memory.stats()
    assert after["hits"] - before["hits"] >= 2 and after["misses"] - before["misses"] <= 1


def test_memory_is_flat_over_5000_steps_of_changing_shapes():
    rsnn.manual_seed(0)
    model = rsnn.nn.Sequential(rsnn.nn.Linear(16, 32), rsnn.nn.ReLU(), rsnn.nn.Linear(32, 4))
    optimizer = rsnn.optim.SGD(model.parameters(), lr=1e-3)
    held = []
    for step in range(5000):
        x = rsnn.randn(1 + step * 37 % 211, 16)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        stats = rsnn.memory.stats()
        held.append(stats["live"] + stats["cached"])
    # Each of the 211 lengths came by in the first 1000 steps.
    assert max(held[1000:]) <= 1.02 * max(held[:1000]), (max(held[:1000]), max(held[1000:]))


# rsnn.memory is imported first: a child forked while another thread imports waits for that import for ever, in any Python program.
FORKED = """
import os, threading, rsnn, rsnn.memory

stop = False
def busy():
    while not stop:
        rsnn.ones(70_000)
        rsnn.memory.empty_cache()

threads = [threading.Thread(target=busy) for _ in range(3)]
for t in threads:
    t.start()
for _ in range(60):
    child = os.fork()
    if child == 0:
        rsnn.ones(70_000)
        rsnn.memory.empty_cache()
        os._exit(0)
    os.waitpid(child, 0)
stop = True
for t in threads:
    t.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_can_allocate_while_other_threads_do():
    run(FORKED)
