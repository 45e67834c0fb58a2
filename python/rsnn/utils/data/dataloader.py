"""The loader: draws indices, lets workers fetch, hands batches out in order."""

from __future__ import annotations

import itertools
import queue
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from .worker import ENDED, Fetcher, Job, ProcessPool, ThreadPool, _Failure

__all__ = ["DataLoader"]

T = TypeVar("T", covariant=True)


class _Forever(Sampler):
    """Stand for the indices of an iterable dataset."""

    def __iter__(self):
        return itertools.repeat(None)


class DataLoader(Generic[T]):
    """Iterate over a dataset in batches.

    Args:
        dataset: with items by index, or iterable.
        batch_size: items per batch; None hands items out alone.
        shuffle: draw in random order, as torch's loader does after the same seed.
        sampler: own order of indices.
        batch_sampler: own lists of indices.
        num_workers: 0 fetches when asked; more fetch ahead, in threads.
        collate_fn: turns a list of items into a batch.
        drop_last: leave out a shorter last batch.
        timeout: seconds to wait for a worker; 0 waits.
        worker_init_fn: called with the worker's number.
        multiprocessing_context: `"fork"`, `"spawn"`, `"forkserver"` or a context: workers are processes.
        generator: source of random numbers.
        prefetch_factor: batches in advance per worker (2).
        persistent_workers: keep the workers between epochs.
        in_order: False hands batches out as they are ready.

    Raises:
        ValueError: arguments that exclude each other.

    Example:
        >>> for x, y in DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True):
        ...     ...
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.generator = worker_init_fn, generator
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.multiprocessing_context = multiprocessing_context
        iterable = isinstance(dataset, IterableDataset)
        if iterable:
            _check_iterable(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if iterable:
                sampler = _Forever()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last, self.sampler, self.batch_sampler = (
            batch_size,
            drop_last,
            sampler,
            batch_sampler,
        )
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._pool: Any = None

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def _job(self) -> Job:
        return Job(
            self.dataset,
            self.collate_fn,
            self._auto_collation,
            self.drop_last,
            self.worker_init_fn,
            self.num_workers,
        )

    def __iter__(self) -> Iterator[T]:
        # Drawn before the sampler draws, as torch does, so that shuffles after one seed agree.
        seed = draw_seed(self.generator)
        if self.num_workers == 0:
            return _serial(self._index_sampler, self._job())
        return _Ahead(self, seed)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Do nothing: threads are cheap."""


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, context) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable "
            "multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if context is not None and num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )


def _check_iterable(shuffle, sampler, batch_sampler) -> None:
    for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


def _serial(sampler: Any, job: Job) -> Iterator[Any]:
    indices, fetcher = iter(sampler), Fetcher(job)
    for index in indices:
        try:
            batch = fetcher.fetch(index)
        except StopIteration:
            return
        yield batch


_epochs = itertools.count()


class _Ahead:
    """Keep workers busy `prefetch_factor` batches ahead, and hand batches out by their ticket."""

    def __init__(self, loader: DataLoader, seed: int):
        self.timeout, self.in_order = loader.timeout, loader.in_order
        self.indices, self.count = iter(loader._index_sampler), loader.num_workers
        pool = loader._pool
        if pool is None:
            pool = _make_pool(loader, seed)
            if loader.persistent_workers:
                loader._pool = pool
                weakref.finalize(loader, pool.close)
        else:
            for tasks in pool.tasks:
                tasks.put((None, "restart"))
        self.pool = pool
        if not loader.persistent_workers:
            self._finalizer = weakref.finalize(self, pool.close)
        self.epoch = next(_epochs)  # a persistent pool may still give batches of an epoch that was left
        self.sent = self.given = 0
        self.ended: set[int] = set()
        self.ready: dict[int, Any] = {}
        self.owner: dict[int, int] = {}
        for _ in range((loader.prefetch_factor or 1) * self.count):
            self._send()

    def _send(self, worker: int | None = None) -> None:
        """Give the next indices to the next worker that has not ended."""
        if len(self.ended) == self.count:
            return
        if worker is None or worker in self.ended:
            worker = next(w % self.count for w in itertools.count(self.sent) if w % self.count not in self.ended)
        try:
            indices = next(self.indices)
        except StopIteration:
            return
        self.owner[self.sent] = worker
        self.pool.tasks[worker].put(((self.epoch, self.sent), indices))
        self.sent += 1

    def __iter__(self) -> _Ahead:
        return self

    def __next__(self) -> Any:
        while self.owner:
            ticket = next(iter(self.owner)) if self.in_order else next(iter(self.ready), None)
            if ticket is None or ticket not in self.ready:
                self._receive()
                continue
            batch, worker = self.ready.pop(ticket), self.owner.pop(ticket)
            if isinstance(batch, str) and batch is ENDED:
                continue
            if not isinstance(batch, _Failure):
                self._send(None if self.in_order else worker)
                return batch
            self._send(None if self.in_order else worker)
            raise batch.error
        raise StopIteration

    def _receive(self) -> None:
        deadline = time.monotonic() + self.timeout if self.timeout else None
        while True:
            try:
                (epoch, ticket), worker, batch = self.pool.results.get(timeout=5 if deadline is None else 0.05)
            except queue.Empty:
                if deadline is not None and time.monotonic() > deadline:
                    raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from None
                dead = self.pool.dead()
                if dead:
                    raise RuntimeError(f"DataLoader worker (pid(s) {dead}) exited unexpectedly") from None
                continue
            if epoch != self.epoch:
                continue
            if isinstance(batch, str) and batch == ENDED:
                self.ended.add(worker)
                batch = ENDED
                self._send()
            self.ready[ticket] = batch
            return


def _make_pool(loader: DataLoader, seed: int) -> Any:
    context = loader.multiprocessing_context
    if context is None:
        return ThreadPool(loader._job(), seed)
    if isinstance(context, str):
        import multiprocessing

        if context not in multiprocessing.get_all_start_methods():
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{multiprocessing.get_all_start_methods()!r}, but got multiprocessing_context={context!r}"
            )
        context = multiprocessing.get_context(context)
    return ProcessPool(loader._job(), seed, context)
