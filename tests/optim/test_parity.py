"""Fifty steps of every optimizer beside torch's, and state dicts both ways."""

import copy

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is the oracle")

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "amsgrad": True, "betas": (0.8, 0.95), "eps": 1e-6}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.01}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {"lr": 0.01}),
    ("ASGD", {"lr": 0.01, "t0": 10, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.01, "weight_decay": 0.1}),
]
SHAPES = [(5, 3), (3,), (2, 3, 4)]


def start(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]


def gradients(step, dtype=np.float32):
    rng = np.random.default_rng(1000 + step)
    return [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]


def run(lib, name, options, steps, params=None, optimizer=None, first=0, dtype=np.float32):
    if params is None:
        params = [lib.nn.Parameter(lib.from_numpy(a.copy())) for a in start(dtype=dtype)]
    if optimizer is None:
        optimizer = getattr(lib.optim, name)(params, **options)
    for step in range(first, first + steps):
        optimizer.zero_grad()
        for p, g in zip(params, gradients(step, dtype)):
            p.grad = lib.from_numpy(g)
        optimizer.step()
    return params, optimizer


def assert_same(ours, theirs, tolerance=2e-5):
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def to_torch(value):
    if isinstance(value, rsnn.Tensor):
        return torch.from_numpy(np.array(value.detach().numpy()))
    if isinstance(value, dict):
        return {k: to_torch(v) for k, v in value.items()}
    return type(value)(to_torch(v) for v in value) if isinstance(value, (list, tuple)) else value


def to_rsnn(value):
    if isinstance(value, torch.Tensor):
        return rsnn.from_numpy(np.array(value.detach().numpy()))
    if isinstance(value, dict):
        return {k: to_rsnn(v) for k, v in value.items()}
    return type(value)(to_rsnn(v) for v in value) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_fifty_steps(name, options, dtype):
    ours, _ = run(rsnn, name, options, 50, dtype=dtype)
    theirs, _ = run(torch, name, options, 50, dtype=dtype)
    # `step`, `eta` and `mu` are float32 in torch, so double precision keeps only that much.
    assert_same(ours, theirs, 2e-5 if dtype == np.float32 else 1e-7)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_dict_to_torch(name, options):
    ours, optimizer = run(rsnn, name, options, 5)
    theirs = [torch.nn.Parameter(to_torch(p)) for p in ours]
    loaded = getattr(torch.optim, name)(theirs, **options)
    loaded.load_state_dict(to_torch(optimizer.state_dict()))
    assert set(loaded.state_dict()["state"]) == set(optimizer.state_dict()["state"])
    run(rsnn, name, options, 5, ours, optimizer, first=5)
    run(torch, name, options, 5, theirs, loaded, first=5)
    assert_same(ours, theirs)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_dict_from_torch(name, options):
    theirs, optimizer = run(torch, name, options, 5)
    ours = [rsnn.nn.Parameter(to_rsnn(p)) for p in theirs]
    loaded = getattr(rsnn.optim, name)(ours, **options)
    loaded.load_state_dict(to_rsnn(optimizer.state_dict()))
    assert {k: sorted(v) for k, v in loaded.state_dict()["state"].items()} == {
        k: sorted(v) for k, v in optimizer.state_dict()["state"].items()
    }
    run(torch, name, options, 5, theirs, optimizer, first=5)
    run(rsnn, name, options, 5, ours, loaded, first=5)
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adafactor", "LBFGS", "RAdam", "Rprop", "ASGD", "NAdam"])
def test_param_groups_and_repr_as_torch(name):
    def make(lib):
        return getattr(lib.optim, name)([lib.nn.Parameter(lib.zeros(2, 2))])

    assert repr(make(rsnn)) == repr(make(torch))
    ours, theirs = make(rsnn).state_dict()["param_groups"], make(torch).state_dict()["param_groups"]
    assert ours == theirs


@pytest.mark.parametrize("options", [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}])
@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_muon(shape, options):
    rng = np.random.default_rng(0)
    weight, grad = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    results = []
    for lib in (rsnn, torch):
        p = lib.nn.Parameter(lib.from_numpy(weight.copy()))
        optimizer = lib.optim.Muon([p], lr=0.1, **options)
        for _ in range(3):
            p.grad = lib.from_numpy(grad.copy())
            optimizer.step()
        results.append(p)
    # bfloat16 matrices: products that round differently move the update by a few of its units.
    assert_same(results[:1], results[1:], 2e-2)


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_lbfgs_on_rosenbrock(line_search_fn):
    trails = []
    for lib in (rsnn, torch):
        x = lib.nn.Parameter(lib.tensor([-1.5, 2.0], dtype=lib.float64))
        lr = 0.01 if line_search_fn is None else 1
        optimizer = lib.optim.LBFGS([x], lr=lr, max_iter=10, line_search_fn=line_search_fn)

        def closure(optimizer=optimizer, x=x):
            optimizer.zero_grad()
            loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
            loss.backward()
            return loss

        trail = []
        for _ in range(4):
            trail.append(float(optimizer.step(closure)))
        trails.append([*trail, *x.detach().numpy(), optimizer.state[x]["func_evals"], optimizer.state[x]["n_iter"]])
    np.testing.assert_allclose(trails[0], trails[1], rtol=1e-6, atol=1e-9)


def test_errors_as_torch():
    for make in (
        lambda lib: lib.optim.SGD([], lr=0.1),
        lambda lib: lib.optim.SGD(lib.zeros(2), lr=0.1),
        lambda lib: lib.optim.SGD([lib.zeros(2)], lr=-1),
        lambda lib: lib.optim.SGD([lib.zeros(2)], lr=0.1, nesterov=True),
        lambda lib: lib.optim.Adam([lib.zeros(2)], betas=(1.0, 0.9)),
        lambda lib: lib.optim.Adam([lib.zeros(2)], eps=-1.0),
        lambda lib: lib.optim.AdamW([lib.zeros(2)], weight_decay=-1.0),
        lambda lib: lib.optim.Muon([lib.zeros(2)]),
        lambda lib: lib.optim.SGD({"params": lib.zeros(2)}.values(), lr=[1]),
        lambda lib: lib.optim.SGD([{"params": {1, 2}}], lr=0.1),
        lambda lib: lib.optim.SGD([3], lr=0.1),
        lambda lib: lib.optim.SGD([(lib.zeros(1, requires_grad=True) * 2)], lr=0.1),
    ):
        with pytest.raises(Exception) as theirs:
            make(torch)
        with pytest.raises(theirs.type) as ours:
            make(rsnn)
        if "torch." not in str(theirs.value) and theirs.type is ValueError:
            assert str(ours.value) == str(theirs.value)


def test_same_parameter_in_two_groups():
    p = rsnn.nn.Parameter(rsnn.zeros(2))
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        rsnn.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)


def test_hooks_run_in_order_and_can_be_removed():
    p = rsnn.nn.Parameter(rsnn.zeros(2))
    optimizer, seen = rsnn.optim.SGD([p], lr=0.1), []
    handles = [
        optimizer.register_step_pre_hook(lambda opt, args, kwargs: seen.append("pre")),
        optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append("post")),
        optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1}),
    ]
    optimizer.step()
    assert seen == ["pre", "post"]
    assert optimizer.state_dict()["extra"] == 1
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert seen == ["pre", "post"] and "extra" not in optimizer.state_dict()


def test_closure_named_parameters_and_deepcopy():
    layer = rsnn.nn.Linear(2, 1)
    optimizer = rsnn.optim.AdamW(layer.named_parameters(), lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]

    def closure():
        optimizer.zero_grad()
        loss = layer(rsnn.ones(1, 2)).square().sum()
        loss.backward()
        return loss

    first = float(optimizer.step(closure).detach())
    for _ in range(20):
        last = float(optimizer.step(closure).detach())
    assert last < first
    assert len(copy.deepcopy(optimizer).state) == 2


def test_unused_parameters_are_skipped_and_groups_keep_options():
    a, b = rsnn.nn.Parameter(rsnn.ones(2)), rsnn.nn.Parameter(rsnn.ones(2))
    optimizer = rsnn.optim.SGD([{"params": [a]}, {"params": [b], "lr": 1.0}], lr=0.5)
    b.grad = rsnn.ones(2)
    optimizer.step()
    assert a.tolist() == [1.0, 1.0] and b.tolist() == [0.0, 0.0]
