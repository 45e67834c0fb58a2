"""Datasets, samplers and loaders beside torch's, with threads and with processes."""

import collections
import multiprocessing
import threading
import time

import numpy as np
import pytest
import rsnn
from rsnn.utils import data

torch = pytest.importorskip("torch", reason="torch is the oracle")
import torch.utils.data as torch_data  # noqa: E402


class Squares(data.Dataset):
    def __init__(self, n=23):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i < 0 or i >= self.n:
            raise IndexError(i)
        return rsnn.tensor(float(i * i)), i


class Failing(Squares):
    def __getitem__(self, i):
        if i == 7:
            raise KeyError("seven is not here")
        return super().__getitem__(i)


class Stream(data.IterableDataset):
    def __init__(self, n=11):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        yield from range(0 if info is None else info.id, self.n, 1 if info is None else info.num_workers)


WORKERS = [{}, {"num_workers": 2}, {"num_workers": 3, "prefetch_factor": 1}]
if "fork" in multiprocessing.get_all_start_methods():
    WORKERS.append({"num_workers": 2, "multiprocessing_context": "fork"})


def flat(loader):
    return [int(i) for _, indices in loader for i in indices]


@pytest.mark.parametrize("workers", WORKERS, ids=str)
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_in_order(workers, drop_last):
    loader = data.DataLoader(Squares(), batch_size=4, drop_last=drop_last, **workers)
    batches = list(loader)
    assert len(batches) == len(loader) == (5 if drop_last else 6)
    assert flat(batches) == list(range(20 if drop_last else 23))
    assert batches[1][0].tolist() == [16.0, 25.0, 36.0, 49.0] and batches[1][1].dtype == rsnn.int64
    assert flat(loader) == flat(batches)


@pytest.mark.parametrize("workers", WORKERS, ids=str)
def test_shuffle_draws_what_torch_draws(workers):
    orders = []
    for lib, module in ((rsnn, data), (torch, torch_data)):
        lib.manual_seed(5)
        dataset = module.TensorDataset(lib.arange(30))
        loader = module.DataLoader(dataset, batch_size=7, shuffle=True, **(workers if lib is rsnn else {}))
        orders.append([[x.tolist() for (x,) in loader] for _ in range(2)])
    assert orders[0] == orders[1]


def test_generators_and_samplers_as_torch():
    results = []
    for lib, module in ((rsnn, data), (torch, torch_data)):
        lib.manual_seed(1)
        g = lib.Generator().manual_seed(3)
        rows = [
            list(module.RandomSampler(range(10), generator=g)),
            list(module.RandomSampler(range(10), num_samples=25)),
            list(module.RandomSampler(range(10), replacement=True, num_samples=40)),
            list(module.SubsetRandomSampler([5, 6, 7, 8], generator=g)),
            list(module.WeightedRandomSampler([0.1, 0.9, 0.0, 2.0], 12, generator=g)),
            list(module.BatchSampler(range(7), 3, False)),
            list(module.BatchSampler(range(7), 3, True)),
            [list(s) for s in module.random_split(range(10), [0.35, 0.65], generator=g)],
            [len(s) for s in module.random_split(range(10), [3, 7])],
            list(module.DistributedSampler(range(10), 3, 1, seed=4)),
            list(module.DistributedSampler(range(10), 3, 1, shuffle=False, drop_last=True)),
            list(module.SequentialSampler(range(3))),
        ]
        results.append(rows)
    for ours, theirs in zip(*results):
        assert ours == theirs


@pytest.mark.parametrize("workers", WORKERS, ids=str)
def test_iterable_dataset(workers):
    got = list(data.DataLoader(Stream(), batch_size=2, **workers))
    assert sorted(i for batch in got for i in batch.tolist()) == list(range(11))
    want = torch_data.DataLoader(TorchStream(), batch_size=2, num_workers=workers.get("num_workers", 0))
    assert [b.tolist() for b in got] == [b.tolist() for b in want]


class TorchStream(torch_data.IterableDataset):
    def __iter__(self):
        info = torch_data.get_worker_info()
        yield from range(0 if info is None else info.id, 11, 1 if info is None else info.num_workers)


@pytest.mark.parametrize("workers", WORKERS, ids=str)
def test_exceptions_keep_their_type(workers):
    loader = data.DataLoader(Failing(), batch_size=4, **workers)
    seen = []
    with pytest.raises(KeyError, match="seven is not here"):
        for _, indices in loader:
            seen += indices.tolist()
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", WORKERS[1:], ids=str)
def test_worker_info_and_init(workers):
    class Info(Squares):
        def __getitem__(self, i):
            info = data.get_worker_info()
            return info.id, info.num_workers, info.seed

    rows = [tuple(map(int, row)) for row in data.DataLoader(Info(8), batch_size=None, **workers)]
    count = workers["num_workers"]
    assert [row[0] for row in rows] == [i % count for i in range(8)]
    assert {row[1] for row in rows} == {count}
    assert len({row[2] - row[0] for row in rows}) == 1
    assert data.get_worker_info() is None

    def fail(worker):
        raise ValueError(f"worker {worker} cannot start")

    with pytest.raises(ValueError, match="cannot start"):
        list(data.DataLoader(Squares(), worker_init_fn=fail, **workers))


@pytest.mark.parametrize("workers", WORKERS[1:], ids=str)
def test_persistent_workers_and_leaving_early(workers):
    loader = data.DataLoader(Squares(40), batch_size=2, persistent_workers=True, **workers)
    for _ in range(3):
        for i, (_, indices) in enumerate(loader):
            assert indices.tolist() == [2 * i, 2 * i + 1]
            if i == 3:
                break
    assert flat(loader) == list(range(40))
    stream = data.DataLoader(Stream(), persistent_workers=True, **workers)
    assert sorted(map(int, stream)) == sorted(map(int, stream)) == list(range(11))


def test_threads_end_with_their_loader():
    before = threading.active_count()
    for _ in range(5):
        next(iter(data.DataLoader(Squares(), num_workers=4)))
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_timeout():
    class Slow(Squares):
        def __getitem__(self, i):
            time.sleep(1)

    with pytest.raises(RuntimeError, match="timed out after 0.2 seconds"):
        list(data.DataLoader(Slow(), num_workers=1, timeout=0.2))


def test_out_of_order():
    class Uneven(Squares):
        def __getitem__(self, i):
            time.sleep(0.3 if i == 0 else 0)
            return i

    got = [int(i) for i in data.DataLoader(Uneven(8), num_workers=2, in_order=False)]
    assert sorted(got) == list(range(8)) and got[0] != 0


Pair = collections.namedtuple("Pair", "x y")


def test_collate_as_torch():
    def cases(lib):
        return [
            [1, 2],
            [1.5, 2.5],
            [True, False],
            ["a", "b"],
            [b"a", b"b"],
            [(1, 2.0), (3, 4.0)],
            [[1, 2], [3, 4]],
            [{"a": 1, "b": [1.0]}, {"a": 2, "b": [2.0]}],
            [Pair(1, "x"), Pair(2, "y")],
            [np.ones(3, np.float32), np.zeros(3, np.float32)],
            [np.float64(1.5), np.float64(2)],
            [np.array("x"), np.array("y")],
            [lib.ones(2), lib.zeros(2)],
            [[1, 2], [3]],
            [{1}, {2}],
            [lib.ones(2), lib.zeros(3)],
            [None, None],
        ]

    def plain(value):
        if hasattr(value, "tolist"):
            return str(value.dtype).split(".")[-1], value.tolist()
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, *map(plain, value)]
        return value

    for ours, theirs in zip(cases(rsnn), cases(torch)):
        try:
            want = plain(torch_data.default_collate(theirs))
        except (TypeError, RuntimeError) as error:
            with pytest.raises(type(error)):
                data.default_collate(ours)
        else:
            assert plain(data.default_collate(ours)) == want
    got = data.default_convert({"a": np.array([1, 2]), "b": (np.ones(1), "x"), "c": [3]})
    assert got["a"].tolist() == [1, 2] and got["b"][1] == "x" and got["c"] == [3]


def test_datasets():
    a, b = Squares(3), Squares(4)
    both = a + b
    assert len(both) == 7 and both[3][1] == 0 and both[-1][1] == 3
    assert [i for _, i in data.Subset(a, [2, 0])] == [2, 0]
    stacked = data.StackDataset(a, data.Subset(b, [3, 2, 1]))
    assert [(x[1], y[1]) for x, y in stacked] == [(0, 3), (1, 2), (2, 1)]
    assert data.StackDataset(first=a)[1]["first"][1] == 1
    assert list(data.ChainDataset([Stream(2), Stream(3)])) == [0, 1, 0, 1, 2]
    assert data.TensorDataset(rsnn.arange(3), rsnn.ones(3, 2))[1][0].item() == 1
    for bad in (
        lambda: data.TensorDataset(rsnn.ones(2), rsnn.ones(3)),
        lambda: data.ConcatDataset([]),
        lambda: data.ConcatDataset([Stream()]),
    ):
        with pytest.raises(AssertionError):
            bad()
    with pytest.raises(ValueError, match="Sum of input lengths"):
        data.random_split(a, [1, 1])
    with pytest.raises(ValueError, match="Size mismatch"):
        data.StackDataset(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True, "sampler": [1]},
        {"batch_sampler": [[1]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"multiprocessing_context": "fork"},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"dataset": "iterable", "shuffle": True},
        {"dataset": "iterable", "sampler": [1]},
    ],
    ids=str,
)
def test_errors_as_torch(options):
    for module, dataset, stream in ((torch_data, range(3), TorchStream()), (data, range(3), Stream())):
        given = {**options, "dataset": stream if options.get("dataset") else dataset}
        with pytest.raises(ValueError):
            module.DataLoader(**given)
