"""Normalization layers: layouts, empty batches, dtypes, errors and accuracy against torch; BatchNorm has its own file."""

import copy

import numpy as np
import pytest
from harness import fill, numbers, tensor

DIMS = (1, 2, 3)


def shape(n, batch=3, channels=4):
    return (batch, channels, *(5, 4, 3)[:n])


def grads(lib, module, x, seed=3):
    """Return the output, and the gradients of a weighted sum of it for input and parameters."""
    x = x.detach().clone().requires_grad_()
    y = module(x)
    (y * tensor(lib, *y.shape, seed=seed).to(y.dtype)).sum().backward()
    return [y, x.grad, *(p.grad for p in module.parameters())]


# All of them


@pytest.mark.parametrize("n,layout", [(2, "channels_last"), (3, "channels_last_3d")])
def test_channels_last(same, n, layout):
    def scenario(lib, record):
        for make in (
            lambda: getattr(lib.nn, f"BatchNorm{n}d")(4),
            lambda: getattr(lib.nn, f"InstanceNorm{n}d")(4, affine=True),
            lambda: lib.nn.GroupNorm(2, 4),
        ):
            m = fill(lib, make())
            x = tensor(lib, *shape(n)).contiguous(memory_format=getattr(lib, layout))
            record(grads(lib, m, x), m(x), m.eval()(x))

    same(scenario)


@pytest.mark.parametrize("n,layout", [(2, "channels_last"), (3, "channels_last_3d")])
def test_results_lie_as_the_input_does(same, n, layout):
    def scenario(lib, record):
        for make in (lambda: getattr(lib.nn, f"BatchNorm{n}d")(4), lambda: lib.nn.GroupNorm(2, 4)):
            for dtype in (lib.float32, lib.bfloat16):
                m = make()
                x = tensor(lib, *shape(n)).to(dtype).contiguous(memory_format=getattr(lib, layout)).requires_grad_()
                y = m(x)
                (g,) = lib.autograd.grad(y, x, y.detach())
                record([list(y.stride()), list(g.stride()), list(m.eval()(x).stride())])

    same(scenario)


def test_inputs_that_are_not_contiguous(same):
    def scenario(lib, record):
        for make in (
            lambda: lib.nn.BatchNorm1d(4),
            lambda: lib.nn.InstanceNorm1d(4, affine=True),
            lambda: lib.nn.GroupNorm(2, 4),
            lambda: lib.nn.LayerNorm(5),
            lambda: lib.nn.RMSNorm(5),
        ):
            m = fill(lib, make())
            x = tensor(lib, 3, 5, 4).transpose(1, 2)
            record(grads(lib, m, x), m(tensor(lib, 6, 4, 10)[::2, :, ::2]), m(tensor(lib, 1, 4, 5).expand(3, 4, 5)))

    same(scenario)


@pytest.mark.parametrize("n", DIMS)
def test_empty_batches(same, n):
    def scenario(lib, record):
        for make in (
            lambda: getattr(lib.nn, f"BatchNorm{n}d")(4), lambda: lib.nn.LayerNorm(5 if n == 1 else (5, 4, 3)[n - 1]),
            lambda: lib.nn.GroupNorm(2, 4),
        ):  # fmt: skip
            m = fill(lib, make())
            x = lib.zeros(shape(n, batch=0), requires_grad=True)
            y = m(x)
            y.sum().backward()
            record(y, x.grad, [p.grad for p in m.parameters()], [b for b in m.buffers()])
            record(m.eval()(x))

    same(scenario)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_dtypes(same, dtype):
    def scenario(lib, record):
        kind = getattr(lib, dtype)
        for make in (
            lambda: lib.nn.BatchNorm1d(4), lambda: lib.nn.LayerNorm(5), lambda: lib.nn.GroupNorm(2, 4), lambda: lib.nn.RMSNorm(5),
            lambda: lib.nn.InstanceNorm1d(4, affine=True), lambda: lib.nn.LocalResponseNorm(3),
        ):  # fmt: skip
            m = fill(lib, make()).to(kind)
            record(grads(lib, m, tensor(lib, *shape(1)).to(kind)), dict(m.state_dict()))

    same(scenario, tolerance={"float64": 1e-10, "float16": 6e-3, "bfloat16": 5e-2}[dtype])


def test_half_input_with_float_parameters(same):
    def scenario(lib, record):
        for kind in (lib.bfloat16, lib.float16):
            m = fill(lib, lib.nn.BatchNorm1d(4))
            y = m(tensor(lib, *shape(1)).to(kind))
            record(str(y.dtype).split(".")[1], y, m.running_mean)
            n = fill(lib, lib.nn.LayerNorm(5))
            record(n(tensor(lib, *shape(1)).to(kind)))

    same(scenario, tolerance=3e-2)


def test_double_backward(same):
    def scenario(lib, record):
        for make in (
            lambda: lib.nn.BatchNorm1d(4),
            lambda: lib.nn.LayerNorm(5),
            lambda: lib.nn.GroupNorm(2, 4),
            lambda: lib.nn.InstanceNorm1d(4),
            lambda: lib.nn.RMSNorm(5),
        ):
            m = fill(lib, make()).double()
            x = tensor(lib, *shape(1), dtype="float64").requires_grad_()
            (g,) = lib.autograd.grad(m(x).pow(3).sum(), x, create_graph=True)
            g.square().sum().backward()
            record(x.grad, [p.grad for p in m.parameters()])

    same(scenario, tolerance=1e-7)


# LayerNorm, GroupNorm, RMSNorm


@pytest.mark.parametrize("normalized", [5, (5,), [4, 5], (3, 4, 5)])
def test_layer_norm(same, normalized):
    def scenario(lib, record):
        for affine, bias in ((True, True), (True, False), (False, True)):
            m = fill(lib, lib.nn.LayerNorm(normalized, elementwise_affine=affine, bias=bias))
            record(repr(m), m.normalized_shape, list(m.state_dict()), grads(lib, m, tensor(lib, 3, 4, 5)))

    same(scenario)


def test_layer_norm_errors(same):
    def scenario(lib, record):
        m = lib.nn.LayerNorm(4)
        record.raises(
            lambda: m(tensor(lib, 2, 5)),
            "Given normalized_shape=[4], expected input with shape [*, 4], but got input of size[2, 5]",
        )
        record.raises(
            lambda: lib.nn.LayerNorm((3, 4))(tensor(lib, 4)),
            "Given normalized_shape=[3, 4], expected input with shape [*, 3, 4], but got input of size[4]",
        )
        f, x = lib.nn.functional.layer_norm, tensor(lib, 2, 4)
        record.raises(
            lambda: f(x, (4,), weight=lib.ones(3)),
            "Expected weight to be of same shape as normalized_shape, but got weight of shape [3] and normalized_shape = [4]",
        )
        record.raises(
            lambda: f(x, (4,), bias=lib.ones(5)),
            "Expected bias to be of same shape as normalized_shape, but got bias of shape [5] and normalized_shape = [4]",
        )
        record.raises(lambda: f(x, ()), "Expected normalized_shape to be at least 1-dimensional")
        record.raises(lambda: f(x, 4))

    same(scenario)


def test_layer_norm_of_a_constant_row(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.LayerNorm(5))
        record(grads(lib, m, lib.full((2, 5), 3.25)), grads(lib, lib.nn.LayerNorm(1), tensor(lib, 3, 1)))

    # torch leaves rounding of the mean, times 1 / sqrt(eps), where rsnn has zero.
    same(scenario, tolerance=1e-3)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_group_norm(same, groups, n):
    def scenario(lib, record):
        if n == 0 and groups == 4:
            record("one value a group")
            return
        for affine, bias in ((True, True), (True, False), (False, True)):
            m = fill(lib, lib.nn.GroupNorm(groups, 4, affine=affine, bias=bias))
            record(repr(m), list(m.state_dict()), grads(lib, m, tensor(lib, *shape(n))))

    same(scenario)


def test_group_norm_errors(same):
    def scenario(lib, record):
        nn, f = lib.nn, lib.nn.functional.group_norm
        record.raises(lambda: nn.GroupNorm(3, 4), "num_channels (4) must be divisible by num_groups (3)")
        record.raises(
            lambda: nn.GroupNorm(2, 4)(tensor(lib, 2, 6, 3)),
            "Expected weight to be a vector of size equal to the number of channels in input, but got weight of shape [4] and input of shape [2, 6, 3]",
        )
        record.raises(
            lambda: f(tensor(lib, 2, 5), 2),
            "Expected number of channels in input to be divisible by num_groups, but got input of shape [2, 5] and num_groups=2",
        )
        record.raises(
            lambda: f(tensor(lib, 1, 4), 4), "Expected more than 1 value per channel when training, got input size"
        )
        record.raises(lambda: f(tensor(lib, 4), 2))
        record.raises(
            lambda: f(tensor(lib, 2, 4), 2, bias=lib.ones(3)),
            "Expected bias to be a vector of size equal to the number of channels in input, but got bias of shape [",
        )

    same(scenario)


@pytest.mark.parametrize("normalized", [5, (4, 5)])
def test_rms_norm(same, normalized):
    def scenario(lib, record):
        for eps in (None, 1e-5, 0.1):
            for affine in (True, False):
                m = fill(lib, lib.nn.RMSNorm(normalized, eps=eps, elementwise_affine=affine))
                record(repr(m), list(m.state_dict()), grads(lib, m, tensor(lib, 3, 4, 5)))
        record(grads(lib, lib.nn.RMSNorm(5), lib.zeros(2, 5)))

    same(scenario)


def test_rms_norm_errors(same):
    def scenario(lib, record):
        record.raises(
            lambda: lib.nn.RMSNorm(4)(tensor(lib, 2, 5)), "Given normalized_shape=[4], expected input with shape [*"
        )
        record.raises(
            lambda: lib.nn.functional.rms_norm(tensor(lib, 2, 4), (4,), lib.ones(3)),
            "Expected weight to be of same shape as normalized_shape",
        )

    same(scenario)


# Local response


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_local_response_norm(same, size):
    def scenario(lib, record):
        for args in ((), (0.5, 0.9, 2.0)):
            m = lib.nn.LocalResponseNorm(size, *args)
            record(repr(m), [grads(lib, m, tensor(lib, *shape(n, 2, 6))) for n in DIMS])
        record.raises(lambda: m(tensor(lib, 2, 3)), "Expected 3D or higher dimensionality")

    same(scenario)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_cross_map_lrn(same, size):
    def scenario(lib, record):
        m = lib.nn.CrossMapLRN2d(size, 0.4, 0.8, 1.5)
        record(repr(m), m(tensor(lib, 2, 6, 3, 4)))
        record.raises(lambda: m(tensor(lib, 2, 6, 3)), "CrossMapLRN2d: Expected input to be 4D, got 3D instead.")

    same(scenario)


def test_the_gradient_of_cross_map_lrn_is_that_of_its_output(rsnn):
    # torch's own gradient is not.
    m = rsnn.nn.CrossMapLRN2d(3, 0.4, 0.8, 1.5)
    assert rsnn.autograd.gradcheck(m, (tensor(rsnn, 1, 5, 2, 2, dtype="float64").requires_grad_(),))


def test_normalize(same):
    def scenario(lib, record):
        f = lib.nn.functional.normalize
        x = tensor(lib, 3, 4, 5)
        for p in (2.0, 1.0, 3.0, float("inf")):
            for dim in (1, 0, -1, (0, 2)):
                record(f(x, p, dim))
        out = lib.empty(3, 4, 5)
        record(f(lib.zeros(2, 3)), f(x, out=out) is out, out, f(x, eps=100.0))

    same(scenario)


def test_norms_copy_and_reset(same):
    def scenario(lib, record):
        for make in (
            lambda: lib.nn.BatchNorm1d(4),
            lambda: lib.nn.InstanceNorm1d(4, affine=True, track_running_stats=True),
            lambda: lib.nn.LayerNorm(4),
            lambda: lib.nn.GroupNorm(2, 4),
            lambda: lib.nn.RMSNorm(4),
        ):
            m = fill(lib, make())
            m(tensor(lib, 3, 4, 4))
            twin = copy.deepcopy(m)
            m.reset_parameters()
            record(dict(m.state_dict()), dict(twin.state_dict()))

    same(scenario)


# Accuracy far from zero: mean 1e4, spread 1e-3 (a few float32 steps), against float64 on the same numbers.


def far(shape, dtype=np.float32):
    return (1e4 + 1e-3 * np.random.RandomState(0).randn(*shape)).astype(dtype)


@pytest.mark.parametrize("name", ["batch", "batch_last", "instance", "layer", "group", "batch_stats"])
def test_accuracy_far_from_zero(rsnn, name):
    nn = rsnn.nn
    make, size = {
        "batch": (lambda: nn.BatchNorm1d(6), (8, 6, 40)),
        "batch_last": (lambda: nn.BatchNorm2d(6), (8, 6, 5, 8)),
        "batch_stats": (lambda: nn.BatchNorm1d(6), (64, 6)),
        "instance": (lambda: nn.InstanceNorm1d(6, affine=True), (8, 6, 40)),
        "layer": (lambda: nn.LayerNorm(240), (16, 240)),
        "group": (lambda: nn.GroupNorm(2, 6), (8, 6, 40)),
    }[name]
    data = far(size)
    weight = numbers(*size, seed=5)

    def run(dtype):
        m = fill(rsnn, make()).to(dtype)
        x = rsnn.from_numpy(data).to(dtype)
        if name == "batch_last":
            x = x.contiguous(memory_format=rsnn.channels_last)
        x.requires_grad_()
        # A small eps, so that the spread counts.
        m.eps = 1e-12
        y = m(x)
        (y * rsnn.from_numpy(weight).to(dtype)).sum().backward()
        out = [y, x.grad, *(p.grad for p in m.parameters()), *(b for b in m.buffers())]
        return [t.detach().double().numpy() for t in out]

    for got, expected in zip(run(rsnn.float32), run(rsnn.float64)):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got / scale, expected / scale, atol=2e-4)


def test_running_variance_far_from_zero(rsnn):
    m = rsnn.nn.BatchNorm1d(3, momentum=1.0)
    data = far((500, 3))
    m(rsnn.from_numpy(data))
    np.testing.assert_allclose(m.running_var.numpy(), data.astype(np.float64).var(0, ddof=1), rtol=1e-3)
    np.testing.assert_allclose(m.running_mean.numpy(), data.astype(np.float64).mean(0), rtol=1e-7)


def test_rms_norm_of_huge_and_tiny_values(rsnn):
    for scale in (1e18, 1e-18):
        x = rsnn.from_numpy((numbers(4, 64) * scale).astype(np.float32))
        y = rsnn.nn.functional.rms_norm(x, (64,), eps=0.0).double().numpy()
        wide = x.double().numpy()
        np.testing.assert_allclose(y, wide / np.sqrt((wide**2).mean(-1, keepdims=True)), rtol=1e-5)
