"""Workers that fetch batches beside the main thread: threads, or processes on request."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import queue
import random
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rsnn

from .dataset import Dataset, IterableDataset

__all__ = ["Ended", "Failure", "Fetcher", "Job", "ProcessPool", "ThreadPool", "WorkerInfo", "get_worker_info"]


@dataclass
class WorkerInfo:
    """Describe the worker that runs this code: its number, how many there are, its seed and its dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_local = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """Return what describes the current worker; None in the main thread.

    Example:
        >>> info = get_worker_info()
        >>> mine = items if info is None else items[info.id :: info.num_workers]
    """
    return getattr(_local, "info", None)


@dataclass
class Job:
    """What every worker needs to know."""

    dataset: Any
    collate_fn: Callable
    auto_collation: bool
    drop_last: bool
    worker_init_fn: Callable | None
    num_workers: int


class Ended:
    """An iterable dataset has no more items."""


class Fetcher:
    """Fetch what a list of indices asks for."""

    def __init__(self, job: Job):
        self.job = job
        self.iterator = iter(job.dataset) if isinstance(job.dataset, IterableDataset) else None

    def fetch(self, indices: Any) -> Any:
        """Return one collated batch; StopIteration ends an iterable dataset."""
        job = self.job
        if self.iterator is not None:
            return self._fetch_next(indices)
        if not job.auto_collation:
            return job.collate_fn(job.dataset[indices])
        if callable(getattr(job.dataset, "__getitems__", None)):
            return job.collate_fn(job.dataset.__getitems__(indices))
        return job.collate_fn([job.dataset[i] for i in indices])

    def _fetch_next(self, indices: Any) -> Any:
        if not self.job.auto_collation:
            return self.job.collate_fn(next(self.iterator))
        items = [item for _, item in zip(indices, self.iterator)]
        if not items or (self.job.drop_last and len(items) < len(indices)):
            raise StopIteration
        return self.job.collate_fn(items)


class Failure:
    """Carry an exception out of a worker: its type and its traceback as text."""

    def __init__(self, error: BaseException, place: str, keep: bool = False):
        kind = type(error)
        # What ends a program ends a worker: it is no error of the main thread's own.
        self.kind = kind if isinstance(error, Exception) else RuntimeError
        self.text = f"Caught {kind.__name__} {place}.\nOriginal {traceback.format_exc()}"
        self.cause = error if keep else None

    def reraise(self) -> None:
        """Raise an exception of the same type whose message is the worker's traceback."""
        text: Any = _Lines(self.text) if issubclass(self.kind, KeyError) else self.text
        try:
            error = self.kind(text)
        except Exception:  # a type whose constructor wants other arguments
            error = RuntimeError(text)
        raise error from self.cause


class _Lines(str):
    """Keep line breaks when KeyError shows its argument's repr."""

    def __repr__(self) -> str:
        return str(self)


def work(number: int, seed: int, job: Job, tasks: Any, put: Callable, place: str) -> None:
    """Run one worker: take `(ticket, indices)`, give `(ticket, worker, batch)`; None stops, a ticket of None restarts."""
    _local.info = WorkerInfo(number, job.num_workers, seed, job.dataset)
    keep = isinstance(tasks, queue.SimpleQueue)
    fetcher: Any = None
    try:
        if job.worker_init_fn is not None:
            job.worker_init_fn(number)
        fetcher = Fetcher(job)
    except BaseException as error:
        fetcher = Failure(error, place, keep)
    while (task := tasks.get()) is not None:
        ticket, indices = task
        try:
            if ticket is None:
                fetcher = fetcher if isinstance(fetcher, Failure) else Fetcher(job)
                continue
            batch = fetcher if isinstance(fetcher, Failure) else fetcher.fetch(indices)
        except BaseException as error:
            ends = isinstance(error, StopIteration) and ticket is not None and fetcher.iterator is not None
            batch = Ended() if ends else Failure(error, place, keep)
            if ticket is None:
                fetcher = batch
                continue
        put((ticket, number, batch))


class ThreadPool:
    """Workers as threads: no start-up cost, items are shared, Python code runs one thread at a time.

    Each works on a shallow copy of the dataset, so that attributes which a worker sets are its own.
    """

    def __init__(self, job: Job, seed: int):
        self.results: Any = queue.SimpleQueue()
        self.tasks = [queue.SimpleQueue() for _ in range(job.num_workers)]
        self.threads = []
        for i, tasks in enumerate(self.tasks):
            mine = copy.copy(job)
            if isinstance(job.dataset, Dataset):
                mine.dataset = copy.copy(job.dataset)
            arguments = (i, seed + i, mine, tasks, self.results.put, f"in DataLoader worker thread {i}")
            self.threads.append(threading.Thread(target=work, args=arguments, daemon=True, name=f"DataLoader-{i}"))
            self.threads[-1].start()

    def get(self, timeout: float) -> tuple:
        return self.results.get(timeout=timeout)

    def dead(self) -> str | None:
        """Name workers that are gone, as all are in a forked child."""
        return ", ".join(t.name for t in self.threads if not t.is_alive()) or None

    def close(self) -> None:
        for tasks in self.tasks:
            tasks.put(None)


def _seed_numpy(seed: int, number: int) -> None:
    """Seed numpy's global generator as a worker of torch does, where the dataset has loaded numpy."""
    if "numpy" in sys.modules:
        numpy = sys.modules["numpy"].random
        entropy = [number, seed & 0xFFFFFFFF, seed >> 32, 0]
        numpy.seed(numpy.SeedSequence(entropy).generate_state(4))


class _Tasks:
    """A worker's queue that ends with its parent: a worker whose parent was killed must not wait for ever."""

    def __init__(self, tasks: Any, parent: int):
        self.tasks, self.parent = tasks, parent

    def get(self) -> Any:
        while os.getppid() == self.parent or os.name == "nt":
            with contextlib.suppress(queue.Empty):
                return self.tasks.get(timeout=5)
        return None


def _process(number: int, seed: int, job: Job, tasks: Any, results: Any, parent: int) -> None:
    place = f"in DataLoader worker process {number}"
    random.seed(seed)
    rsnn.manual_seed(seed)
    rsnn.set_num_threads(1)
    _seed_numpy(seed - number, number)

    def put(result: tuple) -> None:
        # Pickled here: the queue's own thread would lose a batch that cannot be.
        try:
            data = pickle.dumps(result)
        except Exception as error:
            data = pickle.dumps((*result[:2], Failure(error, place)))
        results.put(data)

    with contextlib.suppress(KeyboardInterrupt):  # the main process has it too
        work(number, seed, job, _Tasks(tasks, parent), put, place)
    results.cancel_join_thread()  # nobody reads what is left


class ProcessPool:
    """Workers as processes: Python code runs in parallel; batches are pickled on their way back."""

    def __init__(self, job: Job, seed: int, context: Any):
        self.results = context.Queue()
        self.tasks = [context.Queue() for _ in range(job.num_workers)]
        self.processes = []
        for i, tasks in enumerate(self.tasks):
            arguments = (i, seed + i, job, tasks, self.results, os.getpid())
            self.processes.append(context.Process(target=_process, args=arguments, daemon=True))
            self.processes[-1].start()
            tasks.cancel_join_thread()
        self.owner = os.getpid()

    def get(self, timeout: float) -> tuple:
        return pickle.loads(self.results.get(timeout=timeout))

    def dead(self) -> str | None:
        """Name workers that have exited."""
        if os.getpid() != self.owner:
            return "all of them, which belong to the parent process"
        gone = [p for p in self.processes if not p.is_alive()]
        return ", ".join(f"{p.pid} (exit code {p.exitcode})" for p in gone) or None

    def close(self) -> None:
        if os.getpid() != self.owner:
            return
        for tasks in self.tasks:
            tasks.put(None)
        for process in self.processes:
            process.join(timeout=1)
        for stop in ("terminate", "kill"):
            for process in [p for p in self.processes if p.is_alive()]:
                getattr(process, stop)()
                process.join(timeout=1)
