"""The whole once over: import, memory, long graphs, hooks, copies, numpy, promotion, indexing, printing."""

import copy
import gc
import os
import pickle
import random
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import rsnn
from rsnn import nn


def child(code):
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.split()


def test_import_time_and_memory():
    code = """
import time, sys
t = time.process_time(); import rsnn; t = time.process_time() - t
rss = next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmRSS')) if sys.platform == 'linux' else 0
print(t, rss, 'torch' in sys.modules, 'numpy' in sys.modules)
"""
    seconds, rss, has_torch, has_numpy = min(child(code) for _ in range(3))
    print(f"import {float(seconds):.3f} s (bar 0.15), resident {int(rss) / 1024:.0f} MiB")
    assert float(seconds) < 0.5
    assert int(rss) < 200 * 1024
    assert has_torch == "False" and has_numpy == "False"


def test_long_chain():
    x = rsnn.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.item() == 1 and y.item() == 100_001
    del y
    z = x
    for _ in range(100_000):  # freed without a backward
        z = z * 1
    del z


def test_memory_is_flat():
    rsnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = rsnn.optim.SGD(model.parameters(), lr=0.05)
    x, y = rsnn.randn(16, 8), rsnn.randn(16, 1)
    live, losses = [], []
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        del loss
        live.append(rsnn.memory.stats()["live"])
    assert live[-1] <= live[20], (live[20], live[-1])
    assert losses[-1] < losses[0]


def test_graph_is_freed():
    gc.collect()
    before = rsnn.memory.stats()["live"]
    x = rsnn.ones(1000, requires_grad=True)
    y = (x.exp() * x).sum()
    y.backward()
    del x, y
    gc.collect()
    assert rsnn.memory.stats()["live"] <= before


def test_hooks():
    x = rsnn.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    y = x * 3
    y.retain_grad()
    handle = y.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0], [6.0, 6.0]]
    assert y.grad.tolist() == [2.0, 2.0]
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    layer = nn.Linear(2, 2)
    layer.register_forward_pre_hook(lambda m, args: seen.append("pre"))
    layer.register_forward_hook(lambda m, args, out: out * 0)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append("backward"))
    out = layer(rsnn.ones(1, 2, requires_grad=True))
    assert out.tolist() == [[0.0, 0.0]]
    out.sum().backward()
    assert seen[-2:] == ["pre", "backward"]


class Cube(rsnn.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


def test_function():
    x = rsnn.tensor([2.0], requires_grad=True, dtype=rsnn.float64)
    assert rsnn.autograd.grad(Cube.apply(x).sum(), x)[0].item() == 12
    assert rsnn.autograd.gradcheck(Cube.apply, (x,))
    assert rsnn.autograd.gradgradcheck(Cube.apply, (x,))


def test_error_in_backward_reaches_the_caller():
    x = rsnn.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint(reentrant):
    from rsnn.utils.checkpoint import checkpoint

    layer = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    x = rsnn.randn(4, 3, requires_grad=True)
    layer(x).sum().backward()
    expected = [x.grad.clone()] + [p.grad.clone() for p in layer.parameters()]
    x.grad = None
    layer.zero_grad()
    checkpoint(layer, x, use_reentrant=reentrant).sum().backward()
    for e, g in zip(expected, [x.grad] + [p.grad for p in layer.parameters()]):
        assert rsnn.allclose(e, g)


def test_saved_tensors_hooks():
    packed = []

    def pack(t):
        packed.append(tuple(t.shape))
        return t.detach().numpy().copy()

    x = rsnn.tensor([1.0, 2.0], requires_grad=True)
    with rsnn.autograd.graph.saved_tensors_hooks(pack, rsnn.from_numpy):
        y = (x * x).sum()
    y.backward()
    assert packed and x.grad.tolist() == [2.0, 4.0]


def test_copies():
    model = nn.Linear(2, 3)
    other = copy.deepcopy(model)
    assert rsnn.equal(model.weight, other.weight) and model.weight.data_ptr() != other.weight.data_ptr()
    again = pickle.loads(pickle.dumps(model))
    assert rsnn.equal(model.weight, again.weight) and isinstance(again.weight, nn.Parameter) and again.weight.requires_grad
    for dtype in (rsnn.float32, rsnn.bfloat16, rsnn.int64, rsnn.bool):
        t = rsnn.tensor([[1, 0], [2, 3]]).to(dtype).t()
        back = pickle.loads(pickle.dumps(t))
        assert rsnn.equal(t, back) and t.stride() == back.stride() and back.dtype == dtype
    base = rsnn.zeros(4)
    a, b = copy.deepcopy([base, base[1:3]])
    a += 1
    assert b.tolist() == [1.0, 1.0]
    t = rsnn.ones(2)
    ref = weakref.ref(t)
    assert ref() is t
    del t
    gc.collect()
    assert ref() is None
    assert copy.copy(base).data_ptr() == base.data_ptr()


def test_numpy_shares_memory():
    a = np.zeros((2, 3), dtype=np.float32)
    t = rsnn.from_numpy(a)
    t[0, 1] = 5
    a[1, 2] = 7
    assert a[0, 1] == 5 and t[1, 2].item() == 7
    n = t.t().numpy()
    n[0, 0] = 9
    assert t[0, 0].item() == 9 and n.shape == (3, 2)
    assert np.asarray(rsnn.arange(3)).dtype == np.int64
    assert np.array_equal(np.add(rsnn.ones(2).numpy(), 1), [2, 2])
    del a, t
    assert n[2, 1] == 7


TYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


PAIRS = {
    "promote_types": lambda L, a, b: L.promote_types(a, b),
    "tensors": lambda L, a, b: L.ones(2, dtype=a) + L.ones(2, dtype=b),
    "0-d": lambda L, a, b: L.ones(2, dtype=a) * L.ones((), dtype=b),
    "div": lambda L, a, b: L.ones(2, dtype=a) / L.ones(2, dtype=b),
    "pow": lambda L, a, b: L.ones(2, dtype=a) ** L.ones((), dtype=b),
    "in place": lambda L, a, b: L.ones(2, dtype=a).add_(L.ones(2, dtype=b)),
    "cat": lambda L, a, b: L.cat([L.ones(2, dtype=a), L.ones(1, dtype=b)]),
    "maximum": lambda L, a, b: L.maximum(L.ones(2, dtype=a), L.ones(2, dtype=b)),
    "floor_divide": lambda L, a, b: L.floor_divide(L.ones(2, dtype=a), L.ones(2, dtype=b)),
}
SINGLES = {
    "scalar": lambda L, a, s: L.ones(2, dtype=a) + s,
    "rscalar": lambda L, a, s: s * L.ones((), dtype=a),
    "compare": lambda L, a, s: L.ones(2, dtype=a) < s,
    "sum": lambda L, a, s: L.ones(2, dtype=a).sum(),
    "prod": lambda L, a, s: L.ones(2, dtype=a).prod(),
    "mean": lambda L, a, s: L.ones(2, dtype=a).mean(),
    "exp": lambda L, a, s: L.ones(2, dtype=a).exp(),
    "neg": lambda L, a, s: -L.ones(2, dtype=a),
    "abs": lambda L, a, s: L.ones(2, dtype=a).abs(),
    "cumsum": lambda L, a, s: L.ones(2, dtype=a).cumsum(0),
    "where": lambda L, a, s: L.where(L.tensor([True, False]), L.ones(2, dtype=a), s),
    "clamp": lambda L, a, s: L.ones(2, dtype=a).clamp(min=s),
    "full_like": lambda L, a, s: L.full_like(L.ones(2, dtype=a), s),
}


def test_promotion():
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")

    def name(t):
        return str(getattr(t, "dtype", t)).rpartition(".")[2]

    def outcome(f, lib):
        try:
            return name(f(lib))
        except Exception as error:
            return type(error).__name__

    wrong = []

    def note(f, *types):
        e, g = outcome(f, torch), outcome(f, rsnn)
        if e != g and e != "NotImplementedError":  # bool ** bool
            wrong.append((*types, e, g))

    for a in TYPES:
        for b in TYPES:
            for what, f in PAIRS.items():
                note(lambda L, f=f, a=a, b=b: f(L, getattr(L, a), getattr(L, b)), what, a, b)
        for scalar in (True, 2, 2.5):
            for what, f in SINGLES.items():
                note(lambda L, f=f, a=a, s=scalar: f(L, getattr(L, a), s), what, a, scalar)
    assert not wrong, f"(call, types, torch, rsnn): {wrong}"


def piece(r, size):
    kind = r.choice("int slice slice none ellipsis list ints mask tensor2".split())
    if kind == "int":
        return r.randint(-size, size - 1)
    if kind == "slice":
        return slice(r.choice([None, -2, 0, 1]), r.choice([None, -1, 2, 9]), r.choice([None, 1, 2]))
    if kind == "list":
        return [r.randint(-size, size - 1) for _ in range(2)]
    if kind == "ints":
        return ("t", [r.randint(-size, size - 1) for _ in range(2)])
    if kind == "tensor2":
        return ("t", [[r.randint(-size, size - 1)], [r.randint(-size, size - 1)]])
    if kind == "mask":
        return ("t", [r.random() < 0.6 for _ in range(size)])
    return None if kind == "none" else Ellipsis


def test_indexing_against_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    r = random.Random(5)
    shape = (3, 4, 2)
    for trial in range(200):
        index, at = [], 0
        for _ in range(r.randint(1, 4)):
            p = piece(r, shape[at] if at < 3 else 1)
            if at == 3 and p is not None:
                break
            if p is Ellipsis and Ellipsis in [i for i in index if i is Ellipsis]:
                continue
            index.append(p)
            at += p is not None and p is not Ellipsis
            if p is Ellipsis:
                at = max(at, 2)  # what follows reads the last dimension
        outcomes = []
        for lib in (torch, rsnn):
            key = tuple(lib.tensor(p[1]) if isinstance(p, tuple) else p for p in index)
            x = lib.arange(24, dtype=lib.float64).reshape(*shape).requires_grad_()
            try:
                got = x[key]
                (got * got).sum().backward()
                y = x.detach().clone()
                y[key] = -1.0
                z = x.detach().clone()
                z[key] = got.detach() * 2 if got.numel() else 0.0
                # Repeated places make the last write unspecified: only the mask of what was written counts then.
                outcomes.append([got.detach().numpy(), x.grad.numpy(), y.numpy(), (z != x.detach()).numpy()])
            except (IndexError, RuntimeError, ValueError) as error:
                outcomes.append(type(error).__name__)
        expected, got = outcomes
        where = f"trial {trial}: {index}"
        assert isinstance(expected, str) == isinstance(got, str), f"{where}: torch {expected}, rsnn {got}"
        if isinstance(expected, str):
            assert expected == got, f"{where}: torch {expected}, rsnn {got}"
        else:
            for e, g in zip(expected, got):
                np.testing.assert_array_equal(e, g, err_msg=where)


def test_threads_give_the_same_bits():
    x = rsnn.from_numpy(np.random.RandomState(0).randn(200, 300).astype("float32"))
    before = rsnn.get_num_threads()
    results = []
    try:
        for n in (1, 2):
            rsnn.set_num_threads(n)
            results.append([t.numpy().tobytes() for t in (x.sum(), x.sum(0), x @ x.t(), x.softmax(1), x.exp().mean())])
    finally:
        rsnn.set_num_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda L: L.tensor([1.0, 2.5]), lambda L: L.tensor([[1, 2], [3, 4]]), lambda L: L.tensor(True), lambda L: L.zeros(0, 3),
        lambda L: L.arange(2000), lambda L: L.tensor([1e-8, 1e8]), lambda L: L.ones(2, requires_grad=True),
        lambda L: L.ones(2, dtype=L.float64), lambda L: L.tensor([float("nan"), float("inf")]), lambda L: L.Size([1, 2]),
    ],
)  # fmt: skip
def test_printing(make):
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    assert repr(make(rsnn)).replace("rsnn.", "torch.") == repr(make(torch))


def test_clock():
    """A small call is not absurdly slow: a loose bar that catches accidents."""
    x = rsnn.ones(4)
    t = time.process_time()
    for _ in range(5000):
        x + x
    per_call = (time.process_time() - t) / 5000
    print(f"x + x: {per_call * 1e6:.2f} us")
    assert per_call < 1e-4
