"""Every schedule beside torch's: rates, momenta, state dicts, warnings."""

import warnings

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is the oracle")

CASES = {
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda e: 0.9**e),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, [lambda e: 0.9, lambda e: 0.8]),
    "StepLR": lambda m, o: m.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    "ConstantLR": lambda m, o: m.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.1, 0.9, 7),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 6, 0.01),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 3, 4),
    "CyclicLR2": lambda m, o: m.CyclicLR(o, 0.01, [0.1, 0.2], 3, mode="triangular2"),
    "CyclicLRexp": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9, cycle_momentum=False),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 0.1, total_steps=25),
    "OneCycleLR3": lambda m, o: m.OneCycleLR(
        o, [0.1, 0.2], epochs=5, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, 10), m.ExponentialLR(o, 0.9)], [4, 12]
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 3), m.ExponentialLR(o, 0.9)]),
}


def make(lib, name, kind="SGD"):
    a, b = lib.nn.Parameter(lib.zeros(1)), lib.nn.Parameter(lib.zeros(1))
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(lib.optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.3}], lr=0.5, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optimizer, CASES[name](lib.optim.lr_scheduler, optimizer)


def trail(optimizer, scheduler, steps=22):
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
            for g in optimizer.param_groups:
                rows.append([g["lr"], g["betas"][0] if "betas" in g else g["momentum"]])
            rows.append(scheduler.get_last_lr())
    return np.array(rows, dtype=float)


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", CASES)
def test_rates(name, kind):
    np.testing.assert_allclose(trail(*make(rsnn, name, kind)), trail(*make(torch, name, kind)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_state_dict_both_ways(name):
    for source, target in ((rsnn, torch), (torch, rsnn)):
        first, scheduler = make(source, name)
        trail(first, scheduler, 7)
        second, loaded = make(target, name)
        loaded.load_state_dict(scheduler.state_dict())
        second.load_state_dict(first.state_dict())
        np.testing.assert_allclose(
            trail(second, loaded, 10), trail(first, scheduler, 10), rtol=1e-12, atol=1e-15, err_msg=source.__name__
        )


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "LinearLR", "ExponentialLR", "PolynomialLR", "ConstantLR"])
def test_closed_form(name):
    results = []
    for lib in (rsnn, torch):
        optimizer, scheduler = make(lib, name)
        optimizer.step()
        with pytest.warns(UserWarning, match="epoch parameter"):
            scheduler.step(5)
        results.append(scheduler.get_last_lr())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"mode": "max", "threshold_mode": "abs", "cooldown": 2, "min_lr": 0.02}])
def test_plateau(options):
    metrics = [1.0, 0.9, 0.91, 0.92, 0.95, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.7, 0.7, 0.7, 0.7, 0.7]
    results = []
    for lib in (rsnn, torch):
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.zeros(1))], lr=0.5)
        scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, factor=0.3, **options)
        for metric in metrics:
            scheduler.step(metric)
            results.append([scheduler.get_last_lr()[0], scheduler.num_bad_epochs])
    half = len(results) // 2
    np.testing.assert_allclose(results[:half], results[half:], rtol=1e-12)


def test_order_warning():
    optimizer, scheduler = make(rsnn, "StepLR")
    with pytest.warns(UserWarning, match="Detected call of `lr_scheduler.step"):
        scheduler.step()
    optimizer, scheduler = make(rsnn, "StepLR")
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_tensor_rate_keeps_its_identity():
    lr = rsnn.tensor(0.5)
    optimizer = rsnn.optim.SGD([rsnn.nn.Parameter(rsnn.zeros(1))], lr=lr)
    scheduler = rsnn.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == pytest.approx(0.25)


def test_swa():
    for kind in ("cos", "linear"):
        results = []
        for lib in (rsnn, torch):
            optimizer = lib.optim.SGD([lib.nn.Parameter(lib.zeros(1))], lr=0.5, momentum=0.9)
            scheduler = lib.optim.swa_utils.SWALR(optimizer, 0.05, 5, kind)
            rates = []
            for _ in range(8):
                optimizer.step()
                scheduler.step()
                rates += scheduler.get_last_lr()
            results.append(rates)
        np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.parametrize("average", ["swa", "ema"])
def test_averaged_model(average):
    results = []
    for lib in (rsnn, torch):
        model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.BatchNorm1d(2))
        fn = lib.optim.swa_utils.get_ema_multi_avg_fn(0.5) if average == "ema" else None
        averaged = lib.optim.swa_utils.AveragedModel(model, multi_avg_fn=fn)
        for value in (1.0, 2.0, 6.0):
            with lib.no_grad():
                for p in model.parameters():
                    p.fill_(value)
            averaged.update_parameters(model)
        lib.optim.swa_utils.update_bn([lib.ones(4, 2) * i for i in range(3)], averaged)
        results.append([v.numpy().astype(float) for v in averaged.state_dict().values()])
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
