"""Differential scenarios: what a loader, a sampler or a dataset does in torch, it does here, from the same seed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
import rsnn
import rsnn.utils.data

torch = pytest.importorskip("torch", reason="torch is the oracle")
import torch.utils.data  # noqa: E402, F811

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def plain(value):
    if hasattr(value, "tolist"):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def raised(action):
    try:
        return action()
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0].replace("torch", "rsnn")


def numbers(lib, n=20):
    class Numbers(lib.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, i):
            return i, float(i) / 2

    return Numbers()


def stream(lib, n=10, length=None):
    class Stream(lib.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(n))

    class Sized(Stream):
        def __len__(self):
            return length

    return Stream() if length is None else Sized()


@scenario
def shuffles_after_one_seed(lib, data):
    loader = data.DataLoader(range(17), batch_size=5, shuffle=True)
    return [list(loader), list(loader), lib.rand(2)]


@scenario
def shuffle_with_a_generator(lib, data):
    g = lib.Generator().manual_seed(11)
    loader = data.DataLoader(range(17), batch_size=5, shuffle=True, generator=g)
    return [list(loader), lib.rand(1), list(loader), lib.rand(1, generator=g)]


@scenario
def a_sequential_loader_draws_a_seed_too(lib, data):
    list(data.DataLoader(range(3)))
    return lib.rand(3)


@scenario
def drop_last_and_lengths(lib, data):
    rows = []
    for n in (0, 1, 7, 8):
        for size in (1, 3, 8, 9):
            for drop in (False, True):
                loader = data.DataLoader(range(n), batch_size=size, drop_last=drop)
                rows.append([len(loader), [len(batch) for batch in loader]])
    return rows


@scenario
def no_batches(lib, data):
    return list(data.DataLoader(numbers(lib, 4), batch_size=None)), list(data.DataLoader(range(3), batch_size=None))


@scenario
def no_batches_shuffled(lib, data):
    return list(data.DataLoader(numbers(lib, 6), batch_size=None, shuffle=True))


@scenario
def own_batch_sampler(lib, data):
    loader = data.DataLoader(numbers(lib), batch_sampler=[[3, 1], [4], [1, 5, 9]])
    return [len(loader), loader.batch_size, loader.drop_last, list(loader)]


@scenario
def own_sampler(lib, data):
    return list(data.DataLoader(numbers(lib), batch_size=2, sampler=[7, 7, 0, 3, 1]))


@scenario
def sampler_of_lists_without_batches(lib, data):
    sampler = data.BatchSampler(data.SequentialSampler(range(6)), 4, False)
    return list(data.DataLoader(data.TensorDataset(lib.arange(6) * 2), sampler=sampler, batch_size=None))


@scenario
def batched_random_sampler(lib, data):
    sampler = data.BatchSampler(data.RandomSampler(range(9)), 4, True)
    loader = data.DataLoader(range(9), batch_sampler=sampler)
    return [list(loader), len(loader)]


@scenario
def own_collate(lib, data):
    return list(data.DataLoader(numbers(lib, 5), batch_size=2, collate_fn=lambda items: {"n": len(items), "x": items}))


@scenario
def getitems_takes_whole_batches(lib, data):
    class Whole(data.Dataset):
        def __len__(self):
            return 5

        def __getitems__(self, indices):
            return [(i, len(indices)) for i in indices]

    return list(data.DataLoader(Whole(), batch_size=3))


@scenario
def dicts_and_nests(lib, data):
    class Nested(data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return {"x": np.full(2, i, np.float32), "pair": (i, f"n{i}"), "deep": {"y": [float(i), True]}}

    return list(data.DataLoader(Nested(), batch_size=3))


@scenario
def iterable_in_batches(lib, data):
    return [list(data.DataLoader(stream(lib), batch_size=4, drop_last=drop)) for drop in (False, True)]


@scenario
def iterable_without_batches(lib, data):
    return list(data.DataLoader(stream(lib, 4), batch_size=None))


@scenario
def length_of_an_iterable(lib, data):
    sizes = [len(data.DataLoader(stream(lib, 10, 10), batch_size=size)) for size in (1, 3, None)]
    return [*sizes, raised(lambda: len(data.DataLoader(stream(lib))))[0]]


@scenario
def warning_of_a_wrong_length(lib, data):
    loader = data.DataLoader(stream(lib, 5, 3), batch_size=None)
    len(loader)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        items = list(loader)
    return [items, len([w for w in seen if "was reported to be 3" in str(w.message)])]


@scenario
def chain_of_iterables(lib, data):
    chained = stream(lib, 3, 3) + stream(lib, 2, 2)
    return [list(chained), len(chained), raised(lambda: list(data.ChainDataset([numbers(lib)])))]


@scenario
def concatenation(lib, data):
    both = data.ConcatDataset([range(3), range(10, 14)]) + [7, 8]
    found = [both[i] for i in (0, 2, 3, -1, -9)]
    return [len(both), both.cumulative_sizes, found, raised(lambda: both[-10])]


@scenario
def concatenation_shuffled(lib, data):
    return list(data.DataLoader(data.ConcatDataset([range(5), range(50, 56)]), batch_size=4, shuffle=True))


@scenario
def stacks(lib, data):
    named = data.StackDataset(a=range(3), b=[5, 6, 7])
    rows = [data.StackDataset(range(3), [5, 6, 7])[1], named[2], len(named), list(data.DataLoader(named, batch_size=2))]
    return [*rows, raised(lambda: data.StackDataset(range(2), range(3))), raised(data.StackDataset)]


@scenario
def subsets(lib, data):
    part = data.Subset(numbers(lib), [5, 3, 8])
    return [len(part), part[1], list(data.DataLoader(part, batch_size=2)), data.Subset(part, [2])[0]]


@scenario
def splits(lib, data):
    rows = [[list(part) for part in data.random_split(range(11), lengths)] for lengths in ([4, 7], [0.3, 0.3, 0.4])]
    g = lib.Generator().manual_seed(2)
    rows.append([list(part) for part in data.random_split(range(11), [0.5, 0.5], generator=g)])
    bad = [[3, 3], [-0.5, 1.5]]
    return rows, [raised(lambda lengths=lengths: data.random_split(range(4), lengths)) for lengths in bad]


@scenario
def weighted(lib, data):
    g = lib.Generator().manual_seed(4)
    rows = [
        list(data.WeightedRandomSampler([1.0, 2.0, 7.0], 20)),
        list(data.WeightedRandomSampler([1.0, 2.0, 7.0, 0.5], 4, replacement=False, generator=g)),
        list(data.WeightedRandomSampler(lib.tensor([0.1, 0.2]), 5)),
        len(data.WeightedRandomSampler([1.0], 9)),
    ]
    bad = [([1.0], 0), ([[1.0]], 1)]
    return rows, [raised(lambda given=given: data.WeightedRandomSampler(*given)) for given in bad]


@scenario
def random_samplers(lib, data):
    rows = [
        list(data.RandomSampler(range(6))),
        list(data.RandomSampler(range(6), num_samples=4)),
        list(data.RandomSampler(range(6), num_samples=15)),
        list(data.RandomSampler(range(6), replacement=True, num_samples=70)),
        len(data.RandomSampler(range(6), num_samples=4)),
        list(data.SubsetRandomSampler([3, 1, 4])),
    ]
    bad = [{"replacement": 1}, {"num_samples": -1}]
    return rows, [raised(lambda given=given: data.RandomSampler(range(3), **given)) for given in bad]


@scenario
def distributed_samplers(lib, data):
    rows = []
    for n, replicas in ((10, 3), (9, 3), (2, 5)):
        for shuffle in (False, True):
            for drop in (False, True):
                for rank in range(replicas):
                    sampler = data.DistributedSampler(range(n), replicas, rank, shuffle=shuffle, seed=7, drop_last=drop)
                    sampler.set_epoch(3)
                    rows.append([len(sampler), list(sampler)])
    return rows, raised(lambda: data.DistributedSampler(range(3), 2, 2))


@scenario
def batch_sampler_checks(lib, data):
    bad = [(range(3), 0, False), (range(3), True, False), (range(3), 2, 1), (range(3), 1.5, False)]
    return [raised(lambda given=given: data.BatchSampler(*given)) for given in bad]


@scenario
def an_error_leaves_the_loader_usable(lib, data):
    class Broken(data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            if i == 2:
                raise ValueError("two")
            return i

    batches = iter(data.DataLoader(Broken(), batch_size=2))
    return [next(batches), raised(lambda: next(batches)), next(batches)]


@scenario
def iterators_have_a_length(lib, data):
    return len(iter(data.DataLoader(range(7), batch_size=2)))


@scenario
def two_iterators_at_once(lib, data):
    loader = data.DataLoader(range(6), batch_size=2, shuffle=True)
    return [[a, b] for a, b in zip(loader, loader)]


@scenario
def attributes_are_fixed(lib, data):
    loader = data.DataLoader(range(6), batch_size=2)
    names = ("batch_size", "sampler", "drop_last", "dataset")
    return [raised(lambda name=name: setattr(loader, name, None)) for name in names]


@scenario
def collate_errors(lib, data):
    bad = [[lib.ones(2), lib.ones(3)], [[1, 2], [3]], [None, None], [{1}, {2}], [object()]]
    return [raised(lambda items=items: data.default_collate(items))[0] for items in bad]


@scenario
def converted_items(lib, data):
    items = [np.arange(3), (1, np.float32(2.5)), {"a": [np.ones(1)]}, "text", 5, [b"x"]]
    return [data.default_convert(item) for item in items]


@scenario
def not_implemented(lib, data):
    return raised(lambda: data.Dataset()[0])


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name):
    results = []
    for lib in (torch, rsnn):
        lib.manual_seed(9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(plain(SCENARIOS[name](lib, lib.utils.data)))
    assert results[0] == results[1]


WORKERS = [{"num_workers": 2}, {"num_workers": 2, "multiprocessing_context": "fork"}]
workers = pytest.mark.parametrize("options", WORKERS, ids=["threads", "processes"])


class Sharded(rsnn.utils.data.IterableDataset):
    """The example of torch's documentation: every worker narrows the range of its own copy."""

    def __init__(self):
        self.start, self.end = 0, 11

    def __iter__(self):
        return iter(range(self.start, self.end))


class TorchSharded(torch.utils.data.IterableDataset):
    __init__, __iter__ = Sharded.__init__, Sharded.__iter__


def narrow(info):
    dataset, each = info.dataset, -(-11 // info.num_workers)
    dataset.start = info.id * each
    dataset.end = min(dataset.start + each, 11)


@workers
def test_worker_init_changes_only_its_own_copy(options):
    dataset = Sharded()
    loader = rsnn.utils.data.DataLoader(
        dataset, batch_size=2, worker_init_fn=lambda i: narrow(rsnn.utils.data.get_worker_info()), **options
    )
    theirs = torch.utils.data.DataLoader(
        TorchSharded(),
        batch_size=2,
        num_workers=2,
        worker_init_fn=lambda i: narrow(torch.utils.data.get_worker_info()),
    )
    assert [b.tolist() for b in loader] == [b.tolist() for b in theirs]
    assert (dataset.start, dataset.end) == (0, 11)


class Fails(rsnn.utils.data.Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, i):
        if i == 1:
            raise self.error
        return i


class Awkward(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


@workers
def test_errors_carry_the_workers_traceback(options):
    kind = "process 1" if "multiprocessing_context" in options else "thread 1"
    for error, expected in (
        (ValueError("bad item"), ValueError),
        (KeyError("gone"), KeyError),
        (Awkward(1, 2), RuntimeError),
    ):
        batches = iter(rsnn.utils.data.DataLoader(Fails(error), **options))
        assert next(batches).tolist() == [0]
        with pytest.raises(expected) as seen:
            next(batches)
        text = str(seen.value)
        assert text.startswith(f"Caught {type(error).__name__} in DataLoader worker {kind}.\nOriginal Traceback")
        assert "__getitem__" in text and "\n" in text
        assert [b.tolist() for b in batches] == [[2], [3]]


def test_an_exit_in_a_thread_is_no_hang():
    with pytest.raises(RuntimeError, match="Caught SystemExit in DataLoader worker thread"):
        list(rsnn.utils.data.DataLoader(Fails(SystemExit(3)), num_workers=2))


class Kills(Fails):
    def __getitem__(self, i):
        if i == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return i


def test_a_killed_process_is_no_hang():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) .*\) exited unexpectedly"):
        list(rsnn.utils.data.DataLoader(Kills(None), **WORKERS[1]))


class Unpicklable(Fails):
    def __getitem__(self, i):
        return (lambda: i) if i == 1 else i


def test_a_batch_that_cannot_be_pickled_is_no_hang():
    with pytest.raises(Exception, match="in DataLoader worker process"):
        list(rsnn.utils.data.DataLoader(Unpicklable(None), batch_size=None, **WORKERS[1]))


class Seeds(rsnn.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        import random

        return random.random(), float(np.random.rand()), rsnn.rand(1).item(), rsnn.utils.data.get_worker_info().seed


class TorchSeeds(torch.utils.data.Dataset):
    __len__ = Seeds.__len__

    def __getitem__(self, i):
        import random

        return random.random(), float(np.random.rand()), torch.rand(1).item(), torch.utils.data.get_worker_info().seed


def test_processes_are_seeded_as_torchs():
    rsnn.manual_seed(3)
    torch.manual_seed(3)
    ours = [[float(v) for v in row] for row in rsnn.utils.data.DataLoader(Seeds(), batch_size=None, **WORKERS[1])]
    loader = torch.utils.data.DataLoader(TorchSeeds(), batch_size=None, num_workers=2)
    theirs = [[float(v) for v in row] for row in loader]
    assert ours == theirs


@workers
def test_persistent_epochs_shuffle_as_torch(options):
    orders = []
    for lib, given in ((rsnn, options), (torch, {"num_workers": 2})):
        lib.manual_seed(8)
        dataset = lib.utils.data.TensorDataset(lib.arange(12))
        loader = lib.utils.data.DataLoader(dataset, 5, shuffle=True, persistent_workers=True, **given)
        orders.append([[x.tolist() for (x,) in loader] for _ in range(3)])
    assert orders[0] == orders[1]


@workers
def test_items_that_look_like_messages(options):
    class Words(rsnn.utils.data.Dataset):
        def __getitem__(self, key):
            return key

    sampler = ["ended", "restart", "x"]
    loader = rsnn.utils.data.DataLoader(Words(), batch_size=None, sampler=sampler, persistent_workers=True, **options)
    assert list(loader) == list(loader) == sampler


def test_a_loader_goes_on_in_a_forked_child():
    """The threads of the parent do not exist in the child: a new epoch starts new ones, the old one fails."""
    loader = rsnn.utils.data.DataLoader(range(8), num_workers=2, persistent_workers=True)
    batches = iter(loader)
    next(batches)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            ok = [int(b) for b in loader] == list(range(8))
            while True:
                next(batches)
        except RuntimeError as error:
            os._exit(7 if ok and "exited unexpectedly" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert [int(b) for b in loader] == list(range(8))


@workers
def test_ctrl_c_ends_the_wait(options):
    program = f"""
        import signal, time, rsnn.utils.data as data
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a job that was started in the background
        class Slow(data.Dataset):
            def __len__(self): return 2
            def __getitem__(self, i): time.sleep(60)
        print("waiting", flush=True)
        try:
            next(iter(data.DataLoader(Slow(), **{options})))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert child.stdout.readline() == "waiting\n"
        time.sleep(2)
        start = time.monotonic()
        os.killpg(child.pid, signal.SIGINT)
        out, _ = child.communicate(timeout=40)
        assert out == "interrupted\n" and child.returncode == 0 and time.monotonic() - start < 30
    finally:
        child.kill()
