"""The same small network trained by both libraries from one seed: every optimizer, every schedule, and their options."""

import copy
import io
import warnings

import numpy as np
import pytest
import rsnn
from test_lr_scheduler import CASES as SCHEDULES

torch = pytest.importorskip("torch", reason="torch is the oracle")

OPTIMIZERS = {
    "SGD": {"lr": 0.05, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "amsgrad": True},
    "NAdam": {"lr": 0.002},
    "RAdam": {"lr": 0.01},
    "Adamax": {"lr": 0.01},
    "Adagrad": {"lr": 0.05},
    "Adadelta": {},
    "RMSprop": {"lr": 0.003, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 0.001},
    "ASGD": {"lr": 0.05, "t0": 20},
    "Adafactor": {"lr": 0.01},
    "LBFGS": {"lr": 0.3, "max_iter": 2},
    "Muon": {"lr": 0.01},
}


def network(lib, kind, dtype="float32"):
    """A network and its data, drawn by the library itself."""
    lib.manual_seed(7)
    model = lib.nn.Sequential(lib.nn.Linear(6, 16), lib.nn.Tanh(), lib.nn.LayerNorm(16), lib.nn.Linear(16, 3))
    x, y = lib.randn(20, 6), lib.randint(0, 3, (20,))
    if kind == "Muon":  # takes matrices only
        model[0].bias = model[3].bias = model[2].weight = model[2].bias = None
    dtype = getattr(lib, dtype)
    return model.to(dtype), x.to(dtype), y


def train(lib, kind, options, steps, schedule=None, state=None, groups=None):
    model, x, y = network(lib, kind)
    if state is not None:
        model.load_state_dict(state[0])
    params = model.parameters() if groups is None else groups(model)
    optimizer = getattr(lib.optim, kind)(params, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = SCHEDULES[schedule](lib.optim.lr_scheduler, optimizer) if schedule else None
    if state is not None:
        optimizer.load_state_dict(state[1])

    def closure():
        optimizer.zero_grad()
        loss = lib.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    losses = []
    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
        if scheduler is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scheduler.step()
    return model, optimizer, losses


def assert_same(ours, theirs, tolerance=1e-5):
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters()):
        a, b = a.detach(), b.detach()
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimizers(kind):
    # L-BFGS divides by differences of gradients, which are mostly rounding once it has converged.
    steps = 10 if kind == "LBFGS" else 50
    ours, _, first = train(rsnn, kind, OPTIMIZERS[kind], steps)
    theirs, _, second = train(torch, kind, OPTIMIZERS[kind], steps)
    # Muon iterates in bfloat16: products that round differently move the update by a few of its units.
    assert_same(ours, theirs, 5e-2 if kind == "Muon" else 1e-5)
    assert first[-1] < first[0] and abs(first[-1] - second[-1]) < 1e-2


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_schedules(kind, schedule):
    def halves(model):
        params = list(model.parameters())
        return [{"params": params[:3]}, {"params": params[3:], "lr": 0.02}]

    options = {"lr": 0.05, "momentum": 0.9} if kind == "SGD" else {"lr": 0.01}
    steps = 24 if "OneCycle" in schedule else 50
    ours, _, _ = train(rsnn, kind, options, steps, schedule, groups=halves)
    theirs, _, _ = train(torch, kind, options, steps, schedule, groups=halves)
    assert_same(ours, theirs)


@pytest.mark.parametrize("kind", [kind for kind in OPTIMIZERS if kind not in ("Muon", "LBFGS")])
def test_files_of_torch_go_on_identically(kind, tmp_path):
    """Training that torch began and saved goes on in rsnn as it would have gone on in torch, and the other way."""
    for first, second in ((torch, rsnn), (rsnn, torch)):
        model, optimizer, _ = train(first, kind, OPTIMIZERS[kind], 10)
        first.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
        loaded = second.load(tmp_path / "state.pt")
        state = loaded["model"], loaded["optimizer"]
        there, _, _ = train(second, kind, OPTIMIZERS[kind], 20, state=state)
        kept = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
        here, _, _ = train(first, kind, OPTIMIZERS[kind], 20, state=kept)
        assert_same(there, here)


@pytest.mark.parametrize("kind", ["Adam", "SGD", "RMSprop"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_parameters(kind, dtype):
    results = []
    for lib in (rsnn, torch):
        rng = np.random.default_rng(3)
        p = lib.nn.Parameter(lib.from_numpy(rng.standard_normal(300).astype(np.float32)).to(getattr(lib, dtype)))
        optimizer = getattr(lib.optim, kind)([p], lr=0.01)
        for _ in range(5):
            p.grad = lib.from_numpy(rng.standard_normal(300).astype(np.float32)).to(p.dtype)
            optimizer.step()
        results.append(p.detach().float().numpy())
        assert all(v.dtype == p.dtype for k, v in optimizer.state[p].items() if k != "step")
    # torch rounds after each operation, rsnn once a step.
    np.testing.assert_allclose(*results, atol=4e-3 if dtype == "float16" else 4e-2)


@pytest.mark.parametrize("kind", [kind for kind in OPTIMIZERS if kind not in ("Muon", "LBFGS", "Adafactor")])
def test_layouts_and_shared_storage(kind):
    """Transposed parameters, strided gradients, views of one storage and a parameter listed twice."""
    results = []
    for lib in (rsnn, torch):
        rng = np.random.default_rng(1)

        def draw(*shape, lib=lib, rng=rng):
            return lib.from_numpy(rng.standard_normal(shape).astype(np.float32))

        flat = draw(40)
        params = [draw(5, 4).t().requires_grad_(), flat[:20].requires_grad_(), flat[20:].view(4, 5).requires_grad_()]
        params.append(draw(3, 6).requires_grad_())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer = getattr(lib.optim, kind)([*params, params[-1]], **OPTIMIZERS[kind])
        for _ in range(3):
            for p in params:
                p.grad = draw(*[2 * n for n in p.shape])[tuple(slice(None, None, 2) for _ in p.shape)]
            optimizer.step()
        results.append([p.detach().numpy() for p in params] + [flat.numpy()])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [k for k in OPTIMIZERS if k not in ("SGD", "Adagrad", "Adafactor", "Muon", "LBFGS")])
def test_capturable_is_refused_on_the_cpu(kind):
    for lib in (rsnn, torch):
        p = lib.nn.Parameter(lib.ones(2))
        optimizer = getattr(lib.optim, kind)([p], capturable=True)
        p.grad = lib.ones(2)
        with pytest.raises(AssertionError, match="If capturable=True, params"):
            optimizer.step()


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "SGD", "Adagrad"])
def test_foreach_and_fused_are_accepted(kind):
    results = []
    for options in ({}, {"foreach": True}, {"fused": True}):
        model, _, _ = train(rsnn, kind, {"lr": 0.01, **options}, 5)
        results.append([p.tolist() for p in model.parameters()])
    assert results[0] == results[1] == results[2]
    for lib in (rsnn, torch):
        make = getattr(lib.optim, kind)
        with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
            make([lib.nn.Parameter(lib.ones(2))], foreach=True, fused=True)
        with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
            make([lib.nn.Parameter(lib.ones(2))], differentiable=True, fused=True)


DIFFERENTIABLE = [kind for kind in OPTIMIZERS if kind not in ("LBFGS", "Muon", "Adafactor")]


def stepped(lib, kind, start, *grads):
    """Where differentiable steps along `grads` lead from `start`."""
    p = start.clone()
    optimizer = getattr(lib.optim, kind)([p], differentiable=True, **OPTIMIZERS[kind])
    for g in grads:
        p.grad = g
        optimizer.step()
    return p


@pytest.mark.parametrize("kind", DIFFERENTIABLE)
def test_differentiable(kind):
    rng = np.random.default_rng(5)
    arrays = [rng.standard_normal(6) for _ in range(4)]
    results = []
    for lib in (rsnn, torch):
        inputs = [lib.from_numpy(a).requires_grad_() for a in arrays[:2]]
        (stepped(lib, kind, *inputs) ** 2).sum().backward()
        results.append([t.grad for t in inputs])
    for a, b in zip(*results):
        if b is not None:  # torch takes the first momentum of SGD for a constant
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-8)
    # Several steps, where torch stops at states that it changed in place.
    inputs = tuple(rsnn.from_numpy(a).requires_grad_() for a in arrays)
    assert rsnn.autograd.gradcheck(lambda *inputs: stepped(rsnn, kind, *inputs), inputs, atol=1e-4)


def test_state_dict_hooks():
    seen = {}
    for lib in (rsnn, torch):
        events = []
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.ones(2))], lr=0.1)
        optimizer.register_state_dict_pre_hook(lambda o, e=events: e.append("pre"))
        optimizer.register_state_dict_pre_hook(lambda o, e=events: e.append("first"), prepend=True)
        optimizer.register_state_dict_post_hook(lambda o, s, e=events: e.append(sorted(s)))
        optimizer.register_load_state_dict_pre_hook(lambda o, s, e=events: {**s, "extra": e.append("load pre")})
        optimizer.register_load_state_dict_post_hook(lambda o, e=events: e.append("loaded"))
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.register_step_pre_hook(lambda o, args, kwargs: ((*args, lambda: 3.0), {}))
        events.append(optimizer.step())
        with pytest.raises(RuntimeError, match="must return None or a tuple of"):
            optimizer.register_step_pre_hook(lambda o, args, kwargs: 5)
            optimizer.step()
        seen[lib] = events
    assert seen[rsnn] == seen[torch]


def test_added_groups_and_load_errors():
    for lib in (rsnn, torch):
        a, b, c = (lib.nn.Parameter(lib.ones(2)) for _ in range(3))
        optimizer = lib.optim.Adam([a], lr=0.1)
        optimizer.add_param_group({"params": b, "lr": 0.5})
        assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5]
        assert optimizer.param_groups[1]["betas"] == (0.9, 0.999)
        with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
            optimizer.add_param_group({"params": [a]})
        with pytest.raises(TypeError, match="param_group must be a dict"):
            optimizer.add_param_group([c])
        with pytest.raises(ValueError, match="different number of parameter groups"):
            optimizer.load_state_dict(lib.optim.Adam([a]).state_dict())
        with pytest.raises(ValueError, match="doesn't match the size"):
            lib.optim.Adam([a, b]).load_state_dict(lib.optim.Adam([c]).state_dict())


def test_swap_in_and_sparse_adam():
    for lib in (rsnn, torch):
        model, optimizer, _ = train(lib, "Adam", {"lr": 0.01}, 3)
        before, state = [p.tolist() for p in model.parameters()], copy.deepcopy(optimizer.state_dict())
        others = {name: p.detach().clone() for name, p in model.named_parameters()}
        with lib.optim.swap_in_optimizer_params_and_state(optimizer, others, state):
            for p in others.values():
                p.grad = lib.ones_like(p)
            optimizer.step()
        assert [p.tolist() for p in model.parameters()] == before
        assert state["state"][0]["step"].item() == 4 and optimizer.state[next(model.parameters())]["step"].item() == 3
        assert others["0.weight"].tolist() != before[0]
        with pytest.raises(RuntimeError, match="requires initialized optimizer state"):
            fresh = lib.optim.Adam(model.parameters())
            with lib.optim.swap_in_optimizer_params_and_state(fresh, others, state):
                pass
        p = lib.nn.Parameter(lib.ones(2))
        sparse = lib.optim.SparseAdam([p])
        sparse.step()
        p.grad = lib.ones(2)
        with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients, please consider Adam instead"):
            sparse.step()


def test_pickled_optimizer_goes_on():
    model, optimizer, _ = train(rsnn, "AdamW", {"lr": 0.01}, 3)
    buffer = io.BytesIO()
    rsnn.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    other = rsnn.optim.AdamW(copy.deepcopy(model).parameters())
    other.load_state_dict(rsnn.load(buffer))
    for a, b in zip(optimizer.param_groups[0]["params"], other.param_groups[0]["params"]):
        a.grad, b.grad = rsnn.ones_like(a), rsnn.ones_like(b)
    optimizer.step()
    other.step()
    for a, b in zip(optimizer.param_groups[0]["params"], other.param_groups[0]["params"]):
        assert a.tolist() == b.tolist()
