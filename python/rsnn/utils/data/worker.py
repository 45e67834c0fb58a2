"""Workers that fetch batches beside the main thread: threads, or processes on request."""

from __future__ import annotations

import queue
import random
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rsnn

from .dataset import IterableDataset

__all__ = ["Fetcher", "Job", "ProcessPool", "ThreadPool", "WorkerInfo", "get_worker_info"]


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


class _Failure:
    """Carry an exception out of a worker."""

    def __init__(self, error: BaseException, place: str):
        self.error = error
        self.text = f"Caught {type(error).__name__} {place}.\nOriginal {traceback.format_exc()}"

    def __reduce__(self):
        return _rebuild_failure, (type(self.error), self.text)


def _rebuild_failure(kind: type, text: str) -> _Failure:
    """Make the exception again in the main process, with the worker's traceback as its message."""
    failure = _Failure.__new__(_Failure)
    failure.text = text
    try:
        failure.error = kind(KeyErrorText(text)) if issubclass(kind, KeyError) else kind(text)
    except Exception:  # an exception whose constructor wants other arguments
        failure.error = RuntimeError(text)
    return failure


class KeyErrorText(str):
    """Keep line breaks when KeyError shows its argument's repr."""

    def __repr__(self) -> str:
        return str(self)


ENDED = "ended"  # an iterable dataset has no more items


def work(number: int, seed: int, job: Job, tasks: Any, results: Any, place: str) -> None:
    """Run one worker: take `(ticket, indices)`, give `(ticket, worker, batch)`; None stops it."""
    _local.info = WorkerInfo(number, job.num_workers, seed, job.dataset)
    fetcher: Any = None
    try:
        if job.worker_init_fn is not None:
            job.worker_init_fn(number)
        fetcher = Fetcher(job)
    except Exception as error:
        fetcher = _Failure(error, place)
    while (task := tasks.get()) is not None:
        ticket, indices = task
        if indices == "restart":
            fetcher = fetcher if isinstance(fetcher, _Failure) else Fetcher(job)
            continue
        try:
            batch = fetcher if isinstance(fetcher, _Failure) else fetcher.fetch(indices)
        except StopIteration:
            batch = ENDED
        except Exception as error:
            batch = _Failure(error, place)
        results.put((ticket, number, batch))


class ThreadPool:
    """Workers as threads: no start-up cost, items are shared, Python code runs one thread at a time."""

    def __init__(self, job: Job, seed: int, context: Any = None):
        self.results: Any = queue.SimpleQueue()
        self.tasks = [queue.SimpleQueue() for _ in range(job.num_workers)]
        for i, tasks in enumerate(self.tasks):
            arguments = (i, seed + i, job, tasks, self.results, f"in DataLoader worker thread {i}")
            threading.Thread(target=work, args=arguments, daemon=True, name=f"DataLoader-{i}").start()

    def dead(self) -> str | None:
        return None

    def close(self) -> None:
        for tasks in self.tasks:
            tasks.put(None)


def _process(number: int, seed: int, job: Job, tasks: Any, results: Any) -> None:
    random.seed(seed)
    rsnn.manual_seed(seed)
    rsnn.set_num_threads(1)
    work(number, seed, job, tasks, results, f"in DataLoader worker process {number}")


class ProcessPool:
    """Workers as processes: Python code runs in parallel; batches are pickled on their way back."""

    def __init__(self, job: Job, seed: int, context: Any):
        self.results = context.Queue()
        self.tasks = [context.Queue() for _ in range(job.num_workers)]
        self.processes = []
        for i, tasks in enumerate(self.tasks):
            arguments = (i, seed + i, job, tasks, self.results)
            self.processes.append(context.Process(target=_process, args=arguments, daemon=True))
            self.processes[-1].start()

    def dead(self) -> str | None:
        gone = [p for p in self.processes if not p.is_alive()]
        return ", ".join(f"{p.pid} (exit code {p.exitcode})" for p in gone) or None

    def close(self) -> None:
        for tasks in self.tasks:
            tasks.put(None)
        for process in self.processes:
            process.join(timeout=1)
            if process.is_alive():
                process.terminate()
