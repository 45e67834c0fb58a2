"""Lazy modules: sizes from the first input, state dicts before and after, copies and errors against torch."""

import copy
import io
import pickle

import pytest
from harness import fill, tensor

CONVS = [f"LazyConv{t}{n}d" for t in ("", "Transpose") for n in (1, 2, 3)]
NORMS = [f"Lazy{kind}{n}d" for kind in ("BatchNorm", "InstanceNorm") for n in (1, 2, 3)]


def describe(lib, module):
    """Return (name, kind, shape or None) of every parameter and buffer."""
    rows = []
    for name, t in [*module.named_parameters(), *module.named_buffers()]:
        lazy = lib.nn.parameter.is_lazy(t)
        rows.append((name, type(t).__name__ if lazy else "tensor", None if lazy else tuple(t.shape)))
    return rows


def test_linear_takes_its_size_from_the_input(same):
    def scenario(lib, record):
        m = lib.nn.LazyLinear(4)
        record(repr(m), m.in_features, m.out_features, describe(lib, m), m.has_uninitialized_params(), type(m).__name__)
        lib.manual_seed(3)
        y = m(tensor(lib, 2, 5))
        record(y, repr(m), type(m).__name__, describe(lib, m), m.weight, m.bias, len(m._forward_pre_hooks))
        record.raises(lambda: m(tensor(lib, 2, 3)))

    same(scenario)


def test_linear_without_bias_and_with_other_dtype(same):
    def scenario(lib, record):
        m = lib.nn.LazyLinear(4, bias=False, dtype=lib.float64)
        record(repr(m), m.bias, [str(p.dtype).split(".")[1] for p in m.parameters()])
        m(tensor(lib, 1, 2, 3, dtype="float64"))
        record(repr(m), describe(lib, m), [str(p.dtype).split(".")[1] for p in m.parameters()])

    same(scenario)


def test_initial_values_are_those_of_the_plain_module(same):
    def scenario(lib, record):
        for lazy, plain, shape in (
            (lambda: lib.nn.LazyLinear(3), lambda: lib.nn.Linear(5, 3), (2, 5)),
            (lambda: lib.nn.LazyConv2d(3, 2), lambda: lib.nn.Conv2d(4, 3, 2), (1, 4, 3, 3)),
        ):
            lib.manual_seed(7)
            expected = plain()
            lib.manual_seed(7)
            m = lazy()
            m.initialize_parameters(tensor(lib, *shape))
            record(bool((m.weight == expected.weight).all()), bool((m.bias == expected.bias).all()), m.weight)

    same(scenario)


@pytest.mark.parametrize("name", CONVS)
def test_convolutions_take_their_channels_from_the_input(same, name):
    def scenario(lib, record):
        n = int(name[-2])
        m = getattr(lib.nn, name)(4, 2, stride=2, groups=2, bias=True)
        record(repr(m), describe(lib, m))
        lib.manual_seed(1)
        record(m(tensor(lib, 1, 6, *[4] * n)), repr(m), type(m).__name__, describe(lib, m))

    same(scenario)


@pytest.mark.parametrize("name", CONVS)
def test_convolutions_refuse_wrong_inputs(same, name):
    def scenario(lib, record):
        n = int(name[-2])
        m = getattr(lib.nn, name)(4, 2)
        record.raises(
            lambda: m(tensor(lib, *[2] * (n + 3))),
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}",
        )
        record(m.has_uninitialized_params())
        record(tuple(m(tensor(lib, 3, *[4] * n)).shape), m.in_channels)
        grouped = getattr(lib.nn, name)(4, 2, groups=2)
        record.raises(lambda: grouped(tensor(lib, 1, 3, *[4] * n)), "in_channels must be divisible by groups")

    same(scenario)


@pytest.mark.parametrize("name", NORMS)
def test_norms_take_their_features_from_the_input(same, name):
    def scenario(lib, record):
        n = int(name[-2])
        for affine, track in ((True, True), (False, False), (True, False), (False, True)):
            m = getattr(lib.nn, name)(affine=affine, track_running_stats=track)
            record(repr(m), describe(lib, m), list(m.state_dict()))
            x = tensor(lib, 2, 3, *[3] * n)
            record(m(x), repr(m), type(m).__name__, describe(lib, m), m.eval()(x), dict(m.state_dict()))

    same(scenario)


@pytest.mark.parametrize("name", [n for n in NORMS if "Instance" in n])
def test_lazy_instance_norms_count_dimension_one_of_unbatched_inputs_too(same, name):
    def scenario(lib, record):
        n = int(name[-2])
        m = getattr(lib.nn, name)(affine=True)
        record(m(tensor(lib, 3, 3, *[4] * (n - 1))), m.num_features)

    same(scenario)


def test_lazy_norm_without_bias(same):
    def scenario(lib, record):
        m = lib.nn.LazyBatchNorm1d(bias=False)
        record(m.bias, list(m.state_dict()))
        m(tensor(lib, 4, 3))
        record(repr(m), m.bias, list(m.state_dict()))

    same(scenario)


def test_state_dict_before_the_first_call_holds_lazy_tensors(same):
    def scenario(lib, record):
        for m in (lib.nn.LazyLinear(3), lib.nn.LazyBatchNorm2d(), lib.nn.LazyConv1d(2, 2)):
            state = m.state_dict()
            record([(k, lib.nn.parameter.is_lazy(v)) for k, v in state.items()])
            record([(k, v is dict(m.named_parameters()).get(k, v)) for k, v in m.state_dict(keep_vars=True).items()])

    same(scenario)


def test_a_lazy_state_loads_into_a_lazy_module(same):
    def scenario(lib, record):
        a, b = lib.nn.LazyLinear(3), lib.nn.LazyLinear(3)
        record(str(b.load_state_dict(a.state_dict())), b.has_uninitialized_params(), type(b).__name__)
        b(tensor(lib, 1, 2))
        record(describe(lib, b), a.has_uninitialized_params())

    same(scenario)


def test_a_full_state_loads_into_a_lazy_module_and_gives_the_sizes(same):
    def scenario(lib, record):
        source = fill(lib, lib.nn.Linear(5, 3))
        m = lib.nn.LazyLinear(3)
        record(str(m.load_state_dict(source.state_dict())), m.has_uninitialized_params(), type(m).__name__)
        record(m.in_features, describe(lib, m))
        record(m(tensor(lib, 2, 5)), type(m).__name__, m.in_features, repr(m), len(m._forward_pre_hooks))

    same(scenario)


def test_a_full_batch_norm_state_loads_into_a_lazy_one(same):
    def scenario(lib, record):
        source = fill(lib, lib.nn.BatchNorm2d(3))
        source(tensor(lib, 2, 3, 2, 2))
        m = lib.nn.LazyBatchNorm2d()
        m.load_state_dict(source.state_dict())
        record(describe(lib, m), type(m).__name__, m.num_features)
        record(m.eval()(tensor(lib, 1, 3, 2, 2)), type(m).__name__, m.num_features, dict(m.state_dict()))

    same(scenario)


def test_a_full_convolution_state_loads_into_a_lazy_one(same):
    def scenario(lib, record):
        source = fill(lib, lib.nn.Conv2d(3, 4, 2))
        m = lib.nn.LazyConv2d(4, 2)
        m.load_state_dict(source.state_dict())
        record(m(tensor(lib, 1, 3, 3, 3)), type(m).__name__, m.in_channels, repr(m))

    same(scenario)


def test_a_lazy_state_does_not_load_into_a_full_module(same):
    def scenario(lib, record):
        lazy, full = lib.nn.LazyLinear(3), lib.nn.Linear(5, 3)
        record.raises(lambda: full.load_state_dict(lazy.state_dict()), "shape of an uninitialized parameter")

    same(scenario)


def test_uninitialized_parameters_refuse_to_be_used(same):
    def scenario(lib, record):
        m = lib.nn.LazyLinear(3)
        record.raises(lambda: m.weight + 1, "Attempted to use an uninitialized parameter in")
        record.raises(lambda: m.weight.sum(), "Attempted to use an uninitialized parameter in")
        record.raises(lambda: lib.nn.init.normal_(m.weight), "Attempted to use an uninitialized parameter in")
        record.raises(lambda: m.weight.shape, "Can't access the shape of an uninitialized parameter or buffer")
        record.raises(lambda: m.weight.share_memory_(), "Can't share memory on an uninitialized parameter or buffer")
        record(repr(m.weight), repr(lib.nn.parameter.UninitializedBuffer()), m.weight.requires_grad)
        record(isinstance(m.weight, lib.nn.Parameter), str(m.weight.device), str(m.weight.dtype).split(".")[1])

    same(scenario)


def test_uninitialized_parameters_are_made_by_hand(same):
    def scenario(lib, record):
        p = lib.nn.parameter.UninitializedParameter(requires_grad=False, dtype=lib.float64)
        record(lib.nn.parameter.is_lazy(p), p.requires_grad, isinstance(p, lib.nn.Parameter))
        p.materialize((2, 3))
        record(
            type(p).__name__, tuple(p.shape), str(p.dtype).split(".")[1], p.requires_grad, lib.nn.parameter.is_lazy(p)
        )
        q = lib.nn.parameter.UninitializedParameter()
        q.materialize((2,), dtype=lib.float64)
        record(str(q.dtype).split(".")[1], q.requires_grad, q.is_leaf)

    same(scenario)


def test_dtype_moves_before_the_first_call(same):
    def scenario(lib, record):
        m = lib.nn.Sequential(lib.nn.LazyLinear(3), lib.nn.LazyBatchNorm1d()).double()
        record(
            [str(p.dtype).split(".")[1] for p in m.parameters()], [lib.nn.parameter.is_lazy(p) for p in m.parameters()]
        )
        record(str(m(tensor(lib, 4, 2, dtype="float64")).dtype).split(".")[1], describe(lib, m))
        moved = lib.nn.LazyLinear(2).to(lib.float64).to("cpu")
        record(str(moved.weight.dtype).split(".")[1], moved.has_uninitialized_params())

    same(scenario)


def test_deepcopy_before_and_after_the_first_call(same):
    def scenario(lib, record):
        m = lib.nn.LazyLinear(3)
        twin = copy.deepcopy(m)
        twin(tensor(lib, 1, 2))
        record(type(twin).__name__, twin.in_features, type(m).__name__, m.has_uninitialized_params())
        m(tensor(lib, 1, 4))
        record(type(m).__name__, m.in_features, tuple(copy.deepcopy(m).weight.shape))

    same(scenario)


def test_optimizer_over_lazy_parameters(same):
    def scenario(lib, record):
        m = lib.nn.Sequential(lib.nn.LazyLinear(3), lib.nn.ReLU(), lib.nn.LazyLinear(1))
        x = tensor(lib, 4, 2)
        before = [p for p in m.parameters()]
        m(x)
        record([p is q for p, q in zip(m.parameters(), before)])
        fill(lib, m)
        optimizer = lib.optim.SGD(m.parameters(), lr=0.1)
        m(x).sum().backward()
        optimizer.step()
        record([p for p in m.parameters()])

    same(scenario)


def test_late_buffers_are_tensors_in_files(same):
    def scenario(lib, record):
        norm = lib.nn.LazyBatchNorm1d()
        norm(lib.ones(2, 3))
        record(type(norm.running_mean).__name__, isinstance(norm.running_mean, lib.nn.Buffer))
        buffer = io.BytesIO()
        lib.save(norm, buffer)
        buffer.seek(0)
        loaded = lib.load(buffer, weights_only=False)
        for other in (pickle.loads(pickle.dumps(norm)), loaded):
            record(type(other.running_mean) is lib.Tensor, other.running_mean, other.num_batches_tracked)

    same(scenario)


def test_lazy_modules_in_a_network(same):
    def scenario(lib, record):
        nn = lib.nn
        net = nn.Sequential(
            nn.LazyConv2d(4, 3),
            nn.LazyBatchNorm2d(),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LazyLinear(2),
        )
        record(repr(net))
        lib.manual_seed(0)
        record(net(tensor(lib, 2, 3, 6, 6)), repr(net), list(net.state_dict()))

    same(scenario)


def test_a_lazy_module_of_ones_own(same):
    def scenario(lib, record):
        nn = lib.nn

        class LazyScale(nn.modules.lazy.LazyModuleMixin, nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.parameter.UninitializedParameter()
                self.register_buffer("seen", nn.parameter.UninitializedBuffer())

            def initialize_parameters(self, x):
                self.scale.materialize(x.shape[1:])
                self.seen.materialize((1,))
                with lib.no_grad():
                    self.scale.fill_(2.0)
                    self.seen.zero_()

            def forward(self, x):
                return x * self.scale

        m = LazyScale()
        record(m(tensor(lib, 2, 3)), type(m).__name__, describe(lib, m), m.has_uninitialized_params())

    same(scenario)


def test_initialize_parameters_gets_keyword_arguments(same):
    def scenario(lib, record):
        nn = lib.nn

        class Both(nn.modules.lazy.LazyModuleMixin, nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.parameter.UninitializedParameter()

            def initialize_parameters(self, x, *, width):
                self.w.materialize((width,))

            def forward(self, x, *, width):
                return x

        m = Both()
        m(tensor(lib, 1), width=7)
        record(tuple(m.w.shape))

    same(scenario)


def test_a_lazy_module_that_stays_uninitialized(same):
    def scenario(lib, record):
        nn = lib.nn

        class Forgetful(nn.modules.lazy.LazyModuleMixin, nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.parameter.UninitializedParameter()

            def initialize_parameters(self, x):
                pass

            def forward(self, x):
                return x

        class Undefined(nn.modules.lazy.LazyModuleMixin, nn.Module):
            def forward(self, x):
                return x

        record.raises(lambda: Forgetful()(1), "module Forgetful has not been fully initialized")
        record.raises(lambda: Undefined()(1), "initialize_parameters is not implemented for Undefined")

    same(scenario)


def test_a_shared_lazy_module_is_initialized_once(same):
    def scenario(lib, record):
        layer = lib.nn.LazyLinear(3)
        net = lib.nn.Sequential(layer, lib.nn.ReLU(), layer)
        record.raises(lambda: net(tensor(lib, 1, 4)))
        record(type(layer).__name__, layer.in_features)

    same(scenario)


def test_hooks_that_come_before_the_initialization(same):
    def scenario(lib, record):
        m = lib.nn.LazyLinear(3)
        seen = []
        m.register_forward_pre_hook(lambda mod, args: seen.append(type(mod).__name__))
        m.register_forward_pre_hook(lambda mod, args: seen.append(type(mod).__name__), prepend=True)
        m.register_forward_hook(lambda mod, args, out: seen.append(type(mod).__name__))
        m(tensor(lib, 1, 2))
        record(seen)

    same(scenario)


def test_parameter_groups_and_counting(same):
    def scenario(lib, record):
        m = lib.nn.LazyLinear(3)
        record(
            [n for n, _ in m.named_parameters()], len(list(m.parameters())), [p.requires_grad for p in m.parameters()]
        )
        m(tensor(lib, 1, 2))
        record([p.requires_grad for p in m.parameters()], [p.grad for p in m.parameters()])

    same(scenario)


def test_old_hooks_of_weight_norms_refuse_lazy_modules(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        record.raises(
            lambda: utils.spectral_norm(lib.nn.LazyLinear(3)), "`SpectralNorm` can't have uninitialized parameters"
        )
        record.raises(
            lambda: utils.weight_norm(lib.nn.LazyLinear(3)), "`WeightNorm` can't have uninitialized parameters"
        )

    same(scenario)
