"""Long kernels release the GIL: other Python threads run beside them, and may even change the tensors' data."""

import threading
import time

import pytest
import rsnn


def ticks_during(work):
    """Count how often another thread wakes up while `work` runs, and how long that takes."""
    ticks, stop, started = [0], threading.Event(), threading.Event()

    def tick():
        started.set()
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    started.wait()
    before, begin = ticks[0], time.perf_counter()
    work()
    counted, seconds = ticks[0] - before, time.perf_counter() - begin
    stop.set()
    thread.join()
    return counted, seconds


def one_product(n):
    a = rsnn.ones(n, n)
    return lambda: a @ a


@pytest.mark.parametrize("make", [one_product, lambda n: lambda: rsnn.ones(n, n * 4).exp().tanh().sin().cumsum(0)])
def test_another_thread_runs_beside_a_kernel(make):
    n = 256
    while True:  # a single call that is long enough on any machine
        work = make(n)
        begin = time.perf_counter()
        work()
        if time.perf_counter() - begin > 0.1:
            break
        n *= 2
    counted, seconds = ticks_during(work)
    # With the GIL held through a kernel there would be a tick or two, before and after it.
    assert counted >= 5, f"{counted} wake-ups in {seconds:.3f} s"


def test_data_may_be_replaced_during_a_kernel():
    x = rsnn.full((1500, 1500), 1.0)
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            x.data = rsnn.full((1500, 1500), 1.0)
            x.data = rsnn.full((2, 2), 1.0)
            x.data = rsnn.full((1500, 1500), 1.0)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(20):
            held = rsnn.full((1500, 1500), 1.0)
            y = held * 2 + x.detach().mean()
            assert y.shape == (1500, 1500) and float(y[0, 0]) == float(y[-1, -1]) == 3.0
            assert float((x + x).flatten()[0]) == 2.0
    finally:
        stop.set()
        thread.join()


def test_threads_compute_at_once():
    results = [None] * 4

    def work(i):
        x = rsnn.full((300, 300), float(i + 1), requires_grad=True)
        for _ in range(5):
            x.grad = None
            (x @ x).sum().backward()
        results[i] = float(x.grad[0, 0])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [600.0 * (i + 1) for i in range(4)]
