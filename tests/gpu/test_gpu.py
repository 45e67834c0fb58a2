"""Ops and their gradients on device("gpu") against the CPU.

Needs an adapter; without one the tests skip and say so, with RSNN_REQUIRE_GPU=1 they fail.
"""

import os

import pytest
import rsnn
import rsnn.nn.functional as F
from rsnn import nn

REQUIRED = os.environ.get("RSNN_REQUIRE_GPU") == "1"
on_gpu = pytest.mark.skipif(
    not rsnn.gpu.is_available() and not REQUIRED,
    reason="rsnn.gpu.is_available() is False: no adapter (RSNN_ALLOW_SOFTWARE=1 accepts one that runs on the CPU)",
)


def random(*shape, seed=0):
    rsnn.manual_seed(seed)
    return rsnn.randn(*shape)


def check(f, *inputs, tol=2e-5):
    """Compare the values and gradients of f on copies of inputs on both devices."""
    results = []
    for device in ("cpu", "gpu"):
        leaves = [x.detach().to(device).requires_grad_() for x in inputs]
        y = f(*leaves)
        assert y.device.type == rsnn.device(device).type
        weight = random(*y.shape, seed=7).to(device) if y.ndim else rsnn.tensor(1.5).to(device)
        (y * weight).sum().backward()
        results.append([t.detach().cpu() for t in (y, *(x.grad for x in leaves))])
    for cpu, gpu in zip(*results):
        rsnn.testing.assert_close(gpu, cpu, rtol=tol, atol=tol)


def test_without_an_adapter_the_error_says_what_to_check():
    if rsnn.gpu.is_available():
        pytest.skip("an adapter is there")
    with pytest.raises(RuntimeError, match="gpu"):
        rsnn.ones(2, device=rsnn.device("gpu"))


@on_gpu
def test_device_queries():
    assert rsnn.gpu.is_available() and rsnn.gpu.device_count() >= 1
    assert rsnn.gpu.get_device_name(0)
    rsnn.gpu.synchronize(0)
    with pytest.raises(RuntimeError, match="index 99"):
        rsnn.ones(1, device="gpu:99")


@on_gpu
@pytest.mark.parametrize("dtype", [rsnn.float32, rsnn.int32, rsnn.int64, rsnn.uint8, rsnn.bool])
def test_fill_and_copy(dtype):
    x = rsnn.ones(3, 5, dtype=dtype, device="gpu")
    assert x.cpu().tolist() == rsnn.ones(3, 5, dtype=dtype).tolist()
    y = rsnn.arange(6).to(dtype)
    assert y.to("gpu").cpu().tolist() == y.tolist()
    assert y.to("gpu").reshape(2, 3).t().cpu().tolist() == y.reshape(2, 3).t().tolist()


@on_gpu
def test_what_is_not_there_is_an_error():
    with pytest.raises(RuntimeError, match="float64 is not supported"):
        rsnn.ones(2, dtype=rsnn.float64).to("gpu")
    with pytest.raises(RuntimeError, match="same device"):
        rsnn.ones(2, device="gpu") + rsnn.ones(2)


@on_gpu
@pytest.mark.parametrize("f", [rsnn.add, rsnn.sub, rsnn.mul, rsnn.div, rsnn.maximum])
def test_binary_broadcasts(f):
    check(f, random(2, 3, 4), random(3, 1, seed=1))
    check(lambda a: f(a, 2.5), random(4, 5))


@on_gpu
@pytest.mark.parametrize("f", [F.gelu, F.relu, F.silu, rsnn.tanh, rsnn.sigmoid, rsnn.exp, F.softplus, F.elu])
def test_unary(f):
    check(f, random(3, 7))


@on_gpu
@pytest.mark.parametrize("shapes", [((3, 5), (5, 4)), ((2, 3, 17, 8), (2, 3, 8, 9)), ((2, 5, 6), (6,))])
def test_matmul(shapes):
    check(rsnn.matmul, random(*shapes[0]), random(*shapes[1], seed=1))


@on_gpu
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax(dim):
    check(lambda x: F.softmax(x, dim), random(2, 3, 40))
    check(lambda x: F.log_softmax(x, dim), random(2, 3, 40))


@on_gpu
def test_layer_norm():
    inputs = (random(6, 33), random(33, seed=1), random(33, seed=2))
    check(lambda x, w, b: F.layer_norm(x, (33,), w, b), *inputs, tol=1e-4)
    check(lambda x: F.layer_norm(x, (33,)), inputs[0], tol=1e-4)


@on_gpu
def test_reductions():
    for f in (lambda x: x.sum(1), lambda x: x.mean(), lambda x: x.amax(0)):
        check(f, random(6, 50))


@on_gpu
@pytest.mark.parametrize("optimizer", [rsnn.optim.SGD, rsnn.optim.AdamW])
def test_training_steps(optimizer):
    losses, weights = [], []
    x, target = random(32, 8, seed=3), random(32, 2, seed=4)
    for device in ("cpu", "gpu"):
        rsnn.manual_seed(5)
        model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 2)).to(device)
        steps = optimizer(model.parameters(), lr=0.01)
        for _ in range(3):
            steps.zero_grad()
            loss = F.mse_loss(model(x.to(device)), target.to(device))
            loss.backward()
            steps.step()
        losses.append(loss.item())
        weights.append(model[0].weight.detach().cpu())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    rsnn.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-4)
