"""GradScaler against torch: scaling, skipped steps, growth, state, misuse."""

import pytest
import rsnn

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def setup(lib, **kwargs):
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    options = {"init_scale": 4.0, "growth_interval": 2} | kwargs
    return w, lib.optim.SGD([w], lr=0.5), lib.amp.GradScaler("cpu", **options)


@scenario
def scales_and_steps(lib, record):
    w, optimizer, scaler = setup(lib)
    for _ in range(5):
        optimizer.zero_grad()
        scaler.scale((w * w).sum()).backward()
        record(w.grad)
        scaler.step(optimizer)
        scaler.update()
        record(w, w.grad, scaler.get_scale(), scaler.state_dict()["_growth_tracker"])


@scenario
def skips_overflow(lib, record):
    for bad in (float("inf"), float("nan"), -float("inf")):
        w, optimizer, scaler = setup(lib)
        scaler.scale((w * lib.tensor([1.0, bad])).sum()).backward()
        record(scaler.step(optimizer))
        scaler.update()
        record(w, scaler.get_scale(), scaler.state_dict())


@scenario
def unscales_for_clipping(lib, record):
    w, optimizer, scaler = setup(lib)
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    record(w.grad)
    lib.nn.utils.clip_grad_norm_([w], 1.0)
    scaler.step(optimizer)
    scaler.update()
    record(w)


@scenario
def several_optimizers_and_losses(lib, record):
    a, first, scaler = setup(lib)
    b, second, _ = setup(lib)
    losses = scaler.scale([(a * a).sum(), (b * float("inf")).sum()])
    record(type(losses).__name__, losses)
    for loss in losses:
        loss.backward()
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    record(a, b, scaler.get_scale())


@scenario
def misuse(lib, record):
    w, optimizer, scaler = setup(lib)
    scaler.scale(lib.ones(1))
    record.raises(lambda: scaler.update(), "No inf checks were recorded prior to update")
    record.raises(lambda: scaler.step(optimizer), "No inf checks were recorded for this optimizer")
    scaler = setup(lib)[2]
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    record.raises(lambda: scaler.unscale_(optimizer), "unscale_() has already been called on this optimizer since the last update()")
    scaler.step(optimizer)
    record.raises(lambda: scaler.step(optimizer), "step() has already been called since the last update()")
    record.raises(lambda: scaler.unscale_(optimizer), "unscale_() is being called after step()")
    record.raises(lambda: scaler.step(optimizer, closure=lambda: 0), "Closure use is not currently supported if GradScaler is enabled")
    half = lib.tensor([1.0], dtype=lib.float16, requires_grad=True)
    half.grad = lib.ones(1, dtype=lib.float16)
    record.raises(lambda: scaler.unscale_(lib.optim.SGD([half], lr=0.1)), "Attempting to unscale FP16 gradients")
    record.raises(lambda: scaler.scale(3), "outputs must be a Tensor or an iterable of Tensors")
    record.raises(lambda: lib.amp.GradScaler("cpu", growth_factor=0.5), "The growth factor must be > 1.0")
    record.raises(lambda: lib.amp.GradScaler("cpu", backoff_factor=1.5), "The backoff factor must be < 1.0")


@scenario
def state(lib, record):
    _, _, scaler = setup(lib)
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.25)
    scaler.set_growth_interval(7)
    record(scaler.state_dict(), scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval())
    other = setup(lib)[2]
    other.load_state_dict(scaler.state_dict())
    record(other.state_dict(), other.is_enabled())
    record.raises(lambda: other.load_state_dict({}), "The source state dict is empty")


@scenario
def sets_the_scale(lib, record):
    w, optimizer, scaler = setup(lib)
    scaler.scale((w * w).sum()).backward()
    scaler.step(optimizer)
    scaler.update(16.0)
    record(scaler.get_scale())


@scenario
def disabled(lib, record):
    w, optimizer, scaler = setup(lib, enabled=False)
    loss = (w * w).sum()
    record(scaler.scale(loss) is loss, scaler.get_scale(), scaler.state_dict(), scaler.is_enabled())
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    record(w)


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_grad_scaler(same, f):
    same(f)


def test_without_a_gpu_it_disables_itself():
    if rsnn.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.warns(UserWarning, match="Disabling"):
        assert not rsnn.amp.GradScaler().is_enabled()
