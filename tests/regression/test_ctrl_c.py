"""Ctrl-C stops a long kernel, and the next call works."""

import signal
import subprocess
import sys
import time

CODE = """
import signal
import rsnn

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job started in the background inherits that it is ignored
a = rsnn.ones({size}, {size})
print("ready", flush=True)
try:
    for _ in range(1000):
        {call}
except KeyboardInterrupt:
    assert rsnn.ones(300, 300).matmul(rsnn.ones(300, 300)).sum() == 300**3
    print("stopped")
"""


def seconds_to_stop(size, call):
    code = CODE.format(size=size, call=call)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        begin = time.perf_counter()
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert out == "stopped\n", err
    return time.perf_counter() - begin


def test_a_long_matrix_product_stops():
    # The whole product takes 12 s on two cores of the slow kind, more beside other work.
    assert seconds_to_stop(8192, "a @ a") < 6


def test_a_long_backward_stops():
    assert seconds_to_stop(2048, "(a.requires_grad_() @ a).sum().backward()") < 6
