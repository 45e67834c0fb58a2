"""The loader: draws indices, lets workers fetch, hands batches out in order."""

from __future__ import annotations

import itertools
import queue
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from .worker import Ended, Failure, Fetcher, Job, ProcessPool, ThreadPool

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
        pin_memory: accepted; there is nothing to pin.
        timeout: seconds to wait for a worker; 0 waits.
        worker_init_fn: called with the worker's number.
        multiprocessing_context: `"fork"`, `"spawn"`, `"forkserver"` or a context: workers are processes.
        generator: source of random numbers.
        prefetch_factor: batches in advance per worker (2).
        persistent_workers: keep the workers between epochs.
        in_order: False hands batches out as they are ready.

    Raises:
        ValueError: arguments that exclude each other.
        RuntimeError: a worker is gone, or took longer than `timeout`.

    An exception in a worker is raised again with its type and the worker's traceback as its message.

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
        self._promised: int | None = None  # what an iterable dataset gave as its length
        self._made = True

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

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and self.__dict__.get("_made"):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[T]:
        if self._pool is not None and self._pool.dead() is None:
            return _Ahead(self, 0)
        self._pool = None
        # Drawn before the sampler draws, as torch does, so that shuffles after one seed agree.
        seed = draw_seed(self.generator)
        return _Ahead(self, seed) if self.num_workers else _Serial(self)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        count = self._promised = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is not None:
            count = count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return count

    def check_worker_number_rationality(self) -> None:
        """Do nothing: threads are cheap."""


_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


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


class _Batches:
    """One epoch of a loader."""

    def __init__(self, loader: DataLoader):
        self.loader, self.indices, self.count = loader, iter(loader._index_sampler), 0

    def __iter__(self) -> _Batches:
        return self

    def __len__(self) -> int:
        return len(self.loader._index_sampler)

    def __next__(self) -> Any:
        batch = self._next()
        self.count += 1
        loader = self.loader
        # An iterable dataset that was asked for its length should keep to it.
        if loader._promised is not None and self.count > loader._promised:
            text = (
                f"Length of IterableDataset {loader.dataset} was reported to be {loader._promised}"
                f"(when accessing len(dataloader)), but {self.count} samples have been fetched. "
            )
            if loader.num_workers > 0:
                text += "Every worker must share the items out, see get_worker_info()."
            warnings.warn(text, stacklevel=2)
        return batch

    def _next(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _next")


class _Serial(_Batches):
    """Fetch when asked, in the main thread."""

    def __init__(self, loader: DataLoader):
        super().__init__(loader)
        self.fetcher = Fetcher(loader._job())

    def _next(self) -> Any:
        return self.fetcher.fetch(next(self.indices))


_epochs = itertools.count()


class _Ahead(_Batches):
    """Keep workers busy `prefetch_factor` batches ahead, and hand batches out by their ticket."""

    def __init__(self, loader: DataLoader, seed: int):
        super().__init__(loader)
        self.timeout, self.in_order, self.workers = loader.timeout, loader.in_order, loader.num_workers
        pool = loader._pool
        if pool is None:
            pool = _make_pool(loader, seed)
            if loader.persistent_workers:
                loader._pool = pool
            weakref.finalize(loader if loader.persistent_workers else self, pool.close)
        else:
            for tasks in pool.tasks:
                tasks.put((None, None))
        self.pool = pool
        self.epoch = next(_epochs)  # a persistent pool may still give batches of an epoch that was left
        self.sent = self.turn = 0
        self.ended: set[int] = set()
        self.ready: dict[int, Any] = {}
        self.owner: dict[int, int] = {}
        for _ in range((loader.prefetch_factor or 1) * self.workers):
            self._send()

    def _send(self, worker: int | None = None) -> None:
        """Give the next indices to a worker, or to the next one whose turn it is and that has not ended."""
        if len(self.ended) == self.workers:
            return
        while worker is None or worker in self.ended:
            worker, self.turn = self.turn, (self.turn + 1) % self.workers
        try:
            indices = next(self.indices)
        except StopIteration:
            return
        self.owner[self.sent] = worker
        self.pool.tasks[worker].put(((self.epoch, self.sent), indices))
        self.sent += 1

    def _next(self) -> Any:
        while self.owner:
            ticket = next(iter(self.owner)) if self.in_order else next(iter(self.ready), None)
            if ticket is None or ticket not in self.ready:
                self._receive()
                continue
            batch, worker = self.ready.pop(ticket), self.owner.pop(ticket)
            if isinstance(batch, Ended):
                continue
            self._send(None if self.in_order else worker)
            if isinstance(batch, Failure):
                batch.reraise()
            return batch
        raise StopIteration

    def _receive(self) -> None:
        """Wait for one batch of this epoch; look from time to time whether the workers are still there."""
        deadline = time.monotonic() + self.timeout if self.timeout else None
        while True:
            try:
                (epoch, ticket), worker, batch = self.pool.get(min(5, self.timeout or 5))
            except queue.Empty:
                if deadline is not None and time.monotonic() >= deadline:
                    raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from None
                if dead := self.pool.dead():
                    raise RuntimeError(f"DataLoader worker (pid(s) {dead}) exited unexpectedly") from None
                continue
            if epoch != self.epoch:
                continue
            if isinstance(batch, Ended) and worker not in self.ended:
                self.ended.add(worker)
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
