"""BatchNorm and InstanceNorm: running statistics, switches, errors against torch."""

import pytest
from harness import fill, tensor

DIMS = (1, 2, 3)


def shape(n, batch=3, channels=4):
    return (batch, channels, *(5, 4, 3)[:n])


def grads(lib, module, x, seed=3):
    """Return the output, and the gradients of a weighted sum of it for input and parameters."""
    x = x.detach().clone().requires_grad_()
    y = module(x)
    (y * tensor(lib, *y.shape, seed=seed).to(y.dtype)).sum().backward()
    return [y, x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("n", DIMS)
@pytest.mark.parametrize("affine,bias", [(True, True), (True, False), (False, True)])
def test_batch_norm_trains_and_evaluates(same, n, affine, bias):
    def scenario(lib, record):
        m = fill(lib, getattr(lib.nn, f"BatchNorm{n}d")(4, affine=affine, bias=bias))
        record(repr(m), list(m.state_dict()))
        for i in range(3):
            m.zero_grad()
            record(grads(lib, m, tensor(lib, *shape(n), seed=i) * 2 + 1), dict(m.state_dict()))
        record(grads(lib, m.eval(), tensor(lib, *shape(n))), dict(m.state_dict()))

    same(scenario)


def test_batch_norm_of_two_dimensions(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.BatchNorm1d(4))
        record(grads(lib, m, tensor(lib, 6, 4)), dict(m.state_dict()), m.eval()(tensor(lib, 1, 4)))

    same(scenario)


def test_batch_norm_with_a_cumulative_average(same):
    def scenario(lib, record):
        m = lib.nn.BatchNorm2d(4, momentum=None)
        for i in range(4):
            m(tensor(lib, *shape(2), seed=i))
            record(dict(m.state_dict()))
        m.reset_running_stats()
        record(dict(m.state_dict()), repr(m))

    same(scenario)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_batch_norm_momentum(same, momentum):
    def scenario(lib, record):
        m = lib.nn.BatchNorm1d(4, momentum=momentum, eps=1e-3)
        for i in range(2):
            m(tensor(lib, *shape(1), seed=i))
        record(dict(m.state_dict()), m.eval()(tensor(lib, *shape(1))))

    same(scenario)


@pytest.mark.parametrize("n", DIMS)
def test_batch_norm_without_running_statistics(same, n):
    def scenario(lib, record):
        m = fill(lib, getattr(lib.nn, f"BatchNorm{n}d")(4, track_running_stats=False))
        record(list(m.state_dict()), m.running_mean, m.num_batches_tracked, repr(m))
        x = tensor(lib, *shape(n))
        record(grads(lib, m, x), grads(lib, m.eval(), x))

    same(scenario)


def test_batch_norm_whose_statistics_are_switched_off_later(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.BatchNorm1d(4))
        m(tensor(lib, *shape(1)))
        m.track_running_stats = False
        record(m(tensor(lib, *shape(1), seed=2)), dict(m.state_dict()), m.eval()(tensor(lib, *shape(1))))
        m.running_mean = m.running_var = None
        record(m(tensor(lib, *shape(1))))

    same(scenario)


def test_batch_norm_frozen_in_a_training_network(same):
    def scenario(lib, record):
        net = fill(lib, lib.nn.Sequential(lib.nn.Conv2d(2, 4, 2), lib.nn.BatchNorm2d(4), lib.nn.ReLU())).train()
        net[1].eval()
        for p in net[1].parameters():
            p.requires_grad_(False)
        x = tensor(lib, 2, 2, 4, 4)
        net(x).sum().backward()
        record(net[0].weight.grad, net[1].weight.grad, dict(net[1].state_dict()))

    same(scenario)


def test_batch_norm_errors(same):
    def scenario(lib, record):
        nn = lib.nn
        for n, text in (
            (1, "expected 2D or 3D input (got 4D input)"),
            (2, "expected 4D input (got 3D input)"),
            (3, "expected 5D input (got 4D input)"),
        ):
            wrong = tensor(lib, *[2] * {1: 4, 2: 3, 3: 4}[n])
            record.raises(lambda n=n, x=wrong: getattr(nn, f"BatchNorm{n}d")(2)(x), text)
        record.raises(
            lambda: nn.BatchNorm1d(4)(tensor(lib, 1, 4)),
            "Expected more than 1 value per channel when training, got input size",
        )
        record.raises(
            lambda: nn.BatchNorm2d(4)(tensor(lib, 1, 4, 1, 1)),
            "Expected more than 1 value per channel when training, got input size",
        )
        record.raises(
            lambda: nn.BatchNorm1d(4, track_running_stats=False).eval()(tensor(lib, 1, 4)),
            "Expected more than 1 value per channel when training",
        )
        record.raises(lambda: nn.BatchNorm1d(3)(tensor(lib, 2, 4)), "running_mean should contain 4 elements not 3")
        record.raises(
            lambda: nn.BatchNorm1d(3).eval()(tensor(lib, 2, 4)), "running_mean should contain 4 elements not 3"
        )
        record(nn.BatchNorm1d(4).eval()(tensor(lib, 1, 4)))

    same(scenario)


def test_functional_batch_norm_errors(same):
    def scenario(lib, record):
        f, x, ones = lib.nn.functional.batch_norm, tensor(lib, 2, 3), lib.ones
        record.raises(lambda: f(x, ones(2), ones(3)), "running_mean should contain 3 elements not 2")
        record.raises(lambda: f(x, ones(3), ones(4)), "running_var should contain 3 elements not 4")
        record.raises(lambda: f(x, ones(3), ones(3), weight=ones(2)), "weight should contain 3 elements not 2")
        record.raises(lambda: f(x, ones(3), ones(3), bias=ones(5)), "bias should contain 3 elements not 5")
        record.raises(lambda: f(x, None, None), "running_mean must be defined in evaluation mode")

    same(scenario)


def test_functional_batch_norm_updates_given_statistics(same):
    def scenario(lib, record):
        f = lib.nn.functional.batch_norm
        mean, var = lib.zeros(4), lib.ones(4)
        record(f(tensor(lib, *shape(2)), mean, var, training=True, momentum=0.3), mean, var)
        record(f(tensor(lib, *shape(2)), mean, var), f(tensor(lib, *shape(2)), None, None, training=True))

    same(scenario)


def test_batch_norm_reads_states_without_a_counter(same):
    def scenario(lib, record):
        m, source = lib.nn.BatchNorm1d(2), fill(lib, lib.nn.BatchNorm1d(2))
        source(tensor(lib, 3, 2))
        state = source.state_dict()
        del state["num_batches_tracked"]
        state._metadata[""]["version"] = 1
        m(tensor(lib, 3, 2))
        record(str(m.load_state_dict(state)), dict(m.state_dict()))
        state = source.state_dict()
        del state["num_batches_tracked"]
        record.raises(lambda: m.load_state_dict(state), 'Missing key(s) in state_dict: "num_batches_tracked"')

    same(scenario)


def test_sync_batch_norm_with_one_process(same):
    def scenario(lib, record):
        net = fill(
            lib,
            lib.nn.Sequential(
                lib.nn.Conv1d(2, 4, 2), lib.nn.BatchNorm1d(4), lib.nn.Sequential(lib.nn.BatchNorm1d(4, affine=False))
            ),
        )
        weight = net[1].weight
        sync = lib.nn.SyncBatchNorm.convert_sync_batchnorm(net)
        record(repr(sync), sync is net, sync[1].weight is weight, list(sync.state_dict()))
        record(sync(tensor(lib, 3, 2, 6)), sync.eval()(tensor(lib, 3, 2, 6)))
        record.raises(lambda: lib.nn.SyncBatchNorm(2)(lib.ones(2)), "expected at least 2D input (got 1D input)")
        record(lib.nn.SyncBatchNorm.convert_sync_batchnorm(lib.nn.BatchNorm2d(3, momentum=None)).momentum)

    same(scenario)


@pytest.mark.parametrize("n", DIMS)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_instance_norm(same, n, affine, track):
    def scenario(lib, record):
        m = fill(lib, getattr(lib.nn, f"InstanceNorm{n}d")(4, affine=affine, track_running_stats=track))
        record(repr(m), list(m.state_dict()))
        for i in range(2):
            m.zero_grad()
            record(grads(lib, m, tensor(lib, *shape(n), seed=i)), dict(m.state_dict()))
        record(grads(lib, m.eval(), tensor(lib, *shape(n))))

    same(scenario)


@pytest.mark.parametrize("n", DIMS)
def test_instance_norm_unbatched(same, n):
    def scenario(lib, record):
        m = fill(lib, getattr(lib.nn, f"InstanceNorm{n}d")(4, affine=True, track_running_stats=True))
        record(grads(lib, m, tensor(lib, *shape(n)[1:])), dict(m.state_dict()), m.eval()(tensor(lib, *shape(n)[1:])))

    same(scenario)


def test_instance_norm_momentum(same):
    def scenario(lib, record):
        for momentum in (None, 0.0, 0.5, 1.0):
            m = lib.nn.InstanceNorm1d(4, track_running_stats=True, momentum=momentum)
            for i in range(2):
                m(tensor(lib, *shape(1), seed=i))
            record(dict(m.state_dict()))

    same(scenario)


def test_instance_norm_errors_and_warnings(same):
    def scenario(lib, record):
        nn = lib.nn
        record.raises(
            lambda: nn.InstanceNorm1d(4)(tensor(lib, 2, 4, 1)),
            "Expected more than 1 spatial element when training, got input size",
        )
        record.raises(lambda: nn.InstanceNorm2d(4)(tensor(lib, 2, 4)), "expected 3D or 4D input (got 2D input)")
        record.raises(
            lambda: nn.InstanceNorm1d(3, affine=True)(tensor(lib, 2, 4, 5)),
            "expected input's size at dim=1 to match num_features (3), but got: 4.",
        )
        record(
            record.warns(
                lambda: nn.InstanceNorm1d(3)(tensor(lib, 2, 4, 5)), "input's size at dim=1 does not match num_features."
            )
        )
        record(nn.InstanceNorm1d(4, track_running_stats=True).eval()(tensor(lib, 2, 4, 1)))
        f = lib.nn.functional.instance_norm
        record.raises(
            lambda: f(tensor(lib, 2, 4, 5), use_input_stats=False),
            "Expected running_mean and running_var to be defined when use_input_stats is false",
        )

    same(scenario)


def test_instance_norm_refuses_old_statistics(same):
    def scenario(lib, record):
        m = lib.nn.InstanceNorm1d(2)
        state = lib.nn.InstanceNorm1d(2, track_running_stats=True).state_dict()
        state._metadata[""].pop("version")
        record.raises(
            lambda: m.load_state_dict(state),
            'Unexpected running stats buffer(s) "running_mean" and "running_var" for InstanceNorm1d with track_running_stats=False.',
        )

    same(scenario)


def test_functional_instance_norm(same):
    def scenario(lib, record):
        f = lib.nn.functional.instance_norm
        x, mean, var = tensor(lib, *shape(2)), lib.zeros(4), lib.ones(4)
        record(f(x), f(x, mean, var, lib.arange(4.0), lib.ones(4), True, 0.2, 1e-3), mean, var)
        record(f(x, mean, var, use_input_stats=False))

    same(scenario)
