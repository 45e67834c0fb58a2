"""nn.init: the values of every function from one seed, generators, subnormal shapes and errors against torch."""

import math

import pytest
from harness import tensor

SHAPES = [(3, 4), (7, 1), (1, 5), (4, 3, 2), (2, 3, 3, 2), (2, 2, 2, 2, 3)]


def drawn(lib, record, shape, *fills, dtype=None):
    for fill in fills:
        lib.manual_seed(11)
        t = lib.empty(shape, dtype=dtype)
        record(fill(t) is t, t)
    # Both generators stand at the same place afterwards.
    record(lib.rand(3))


@pytest.mark.parametrize("shape", [(5,), *SHAPES])
def test_uniform_and_normal(same, shape):
    def scenario(lib, record):
        init = lib.nn.init
        drawn(
            lib,
            record,
            shape,
            init.uniform_,
            lambda t: init.uniform_(t, -3, 7),
            init.normal_,
            lambda t: init.normal_(t, 2.0, 0.5),
        )

    same(scenario, tolerance=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_xavier(same, shape):
    def scenario(lib, record):
        init = lib.nn.init
        drawn(
            lib, record, shape, init.xavier_uniform_, init.xavier_normal_, lambda t: init.xavier_uniform_(t, gain=2.5),
            lambda t: init.xavier_normal_(t, init.calculate_gain("relu")),
        )  # fmt: skip

    same(scenario, tolerance=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_kaiming(same, shape):
    def scenario(lib, record):
        init = lib.nn.init
        drawn(
            lib, record, shape, init.kaiming_uniform_, init.kaiming_normal_,
            lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)),
            lambda t: init.kaiming_uniform_(t, mode="fan_out", nonlinearity="relu"),
            lambda t: init.kaiming_normal_(t, 0.2, "FAN_OUT", "leaky_relu"),
            lambda t: init.kaiming_normal_(t, nonlinearity="tanh"),
        )  # fmt: skip

    same(scenario, tolerance=1e-6)


@pytest.mark.parametrize(
    "bounds",
    [
        (0.0, 1.0, -2.0, 2.0),
        (0.5, 2.0, -1.0, 1.5),
        (0.0, 0.02, -2.0, 2.0),
        (0.0, 1.0, 1.5, 2.5),
        (0.0, 1.0, 3.0, 4.0),
        (5.0, 1.0, -1.0, 4.5),
        (0.0, 1.0, -0.1, 0.1),
    ],
)
def test_trunc_normal(same, bounds):
    def scenario(lib, record):
        drawn(lib, record, (40, 30), lambda t: lib.nn.init.trunc_normal_(t, *bounds))

    same(scenario, tolerance=1e-5)


def test_trunc_normal_far_from_its_bounds_warns(same):
    def scenario(lib, record):
        lib.manual_seed(0)
        t = lib.empty(20)
        record(
            record.warns(
                lambda: lib.nn.init.trunc_normal_(t, 5.0, 1.0, -2.0, 2.0), "mean is more than 2 std from [a, b]"
            )
        )

    same(scenario, tolerance=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_other_dtypes(same, dtype):
    def scenario(lib, record):
        init = lib.nn.init
        drawn(
            lib, record, (4, 5), init.uniform_, init.normal_, init.xavier_uniform_, init.kaiming_normal_, init.trunc_normal_,
            init.eye_, dtype=getattr(lib, dtype),
        )  # fmt: skip

    same(scenario)


def test_constants(same):
    def scenario(lib, record):
        init = lib.nn.init
        drawn(lib, record, (2, 3), init.ones_, init.zeros_, lambda t: init.constant_(t, -0.25))
        record(init.ones_(lib.empty(2, dtype=lib.int64)), init.constant_(lib.empty((), dtype=lib.bool), 3))

    same(scenario)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (0, 3)])
def test_eye(same, shape):
    def scenario(lib, record):
        p = lib.nn.Parameter(lib.full(shape, 9.0))
        record(lib.nn.init.eye_(p) is p, p, p.requires_grad, p.is_leaf)

    same(scenario)


@pytest.mark.parametrize("shape", [(4, 4, 3), (6, 2, 3, 4), (2, 6, 1, 2, 3), (4, 2, 2)])
def test_dirac(same, shape):
    def scenario(lib, record):
        init = lib.nn.init
        record(init.dirac_(lib.empty(shape)), init.dirac_(lib.empty(shape), groups=2))

    same(scenario)


def test_dirac_keeps_a_signal(same):
    def scenario(lib, record):
        conv = lib.nn.Conv1d(2, 2, 3, padding=1, bias=False)
        lib.nn.init.dirac_(conv.weight)
        record(conv(tensor(lib, 1, 2, 5)))

    same(scenario)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (4, 2, 3), (2, 3, 2, 2), (1, 4), (4, 1), (1, 1)])
def test_orthogonal(same, shape):
    def scenario(lib, record):
        init = lib.nn.init
        drawn(lib, record, shape, init.orthogonal_, lambda t: init.orthogonal_(t, gain=0.5))
        flat = init.orthogonal_(lib.empty(shape)).flatten(1)
        record(flat @ flat.t() if flat.shape[0] <= flat.shape[1] else flat.t() @ flat)

    same(scenario, tolerance=1e-5)


def test_orthogonal_of_a_large_matrix(same):
    def scenario(lib, record):
        lib.manual_seed(2)
        q = lib.nn.init.orthogonal_(lib.empty(150, 100))
        record(q, q.t() @ q)

    same(scenario, tolerance=1e-4)


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 1.0])
def test_sparse(same, sparsity):
    def scenario(lib, record):
        drawn(
            lib,
            record,
            (7, 5),
            lambda t: lib.nn.init.sparse_(t, sparsity),
            lambda t: lib.nn.init.sparse_(t, sparsity, std=2.0),
        )

    same(scenario, tolerance=1e-6)


def test_generators(same):
    def scenario(lib, record):
        init = lib.nn.init
        lib.manual_seed(0)
        for fill in (
            init.uniform_, init.normal_, init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_,
            init.kaiming_normal_, init.trunc_normal_, init.orthogonal_,
        ):  # fmt: skip
            g = lib.Generator().manual_seed(5)
            record(fill(lib.empty(3, 2), generator=g), lib.rand(1, generator=g))
        # The default generator was not touched.
        record(lib.rand(2))

    same(scenario, tolerance=1e-5)


def test_gains(same):
    def scenario(lib, record):
        gain = lib.nn.init.calculate_gain
        names = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
        record([float(gain(n)) for n in (*names, "sigmoid", "tanh", "relu", "leaky_relu", "selu")])
        record(float(gain("leaky_relu", 0.3)), float(gain("leaky_relu", 1)), float(gain("tanh", "ignored")))
        record.raises(lambda: gain("gelu"), "Unsupported nonlinearity gelu")
        record.raises(lambda: gain("leaky_relu", "a"), "negative_slope a not a valid number")
        record.raises(lambda: gain("leaky_relu", True), "negative_slope True not a valid number")

    same(scenario)


def test_fans(same):
    def scenario(lib, record):
        fans = lib.nn.init._calculate_fan_in_and_fan_out
        record([fans(lib.empty(s)) for s in SHAPES])
        record.raises(
            lambda: fans(lib.empty(3)), "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )

    same(scenario)


def test_errors(same):
    def scenario(lib, record):
        init = lib.nn.init
        few = "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        for fill in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_):
            record.raises(lambda f=fill: f(lib.empty(3)), few)
        record.raises(
            lambda: init.kaiming_normal_(lib.empty(2, 2), mode="both"),
            "Mode both not supported, please use one of ['fan_in', 'fan_out']",
        )
        record.raises(
            lambda: init.kaiming_uniform_(lib.empty(2, 2), nonlinearity="swish"), "Unsupported nonlinearity swish"
        )
        record.raises(lambda: init.eye_(lib.empty(3)), "Only tensors with 2 dimensions are supported")
        record.raises(lambda: init.dirac_(lib.empty(3, 3)), "Only tensors with 3, 4, or 5 dimensions are supported")
        record.raises(lambda: init.dirac_(lib.empty(3, 3, 3), groups=2), "dim 0 must be divisible by groups")
        record.raises(lambda: init.orthogonal_(lib.empty(3)), "Only tensors with 2 or more dimensions are supported")
        record.raises(lambda: init.sparse_(lib.empty(3), 0.1), "Only tensors with 2 dimensions are supported")
        record.raises(
            lambda: init.uniform_(lib.empty(3), 2.0, 1.0),
            "uniform_ expects to return a [from, to) range, but found from=2 > to=1",
        )
        record.raises(lambda: init.normal_(lib.empty(3), 0.0, -1.0), "normal expects std >= 0.0, but found std -1")

    same(scenario)


def test_empty_tensors(same):
    def scenario(lib, record):
        init = lib.nn.init
        for fill in (init.kaiming_uniform_, init.kaiming_normal_):
            record(record.warns(lambda f=fill: f(lib.empty(0, 3)), "Initializing zero-element tensors is a no-op"))
        record(init.orthogonal_(lib.empty(0, 3)), init.uniform_(lib.empty(0)), init.normal_(lib.empty(0, 2)))
        record(lib.nn.Linear(0, 3).bias, lib.nn.Linear(3, 0).weight)

    same(scenario)


def test_parameters_stay_leaves(same):
    def scenario(lib, record):
        init = lib.nn.init
        p = lib.nn.Parameter(lib.empty(3, 3))
        for fill in (
            init.uniform_,
            init.xavier_normal_,
            init.orthogonal_,
            init.trunc_normal_,
            init.zeros_,
            lambda t: init.sparse_(t, 0.5),
        ):
            record(fill(p) is p, p.is_leaf, p.requires_grad, p.grad_fn)

    same(scenario)


def test_views_and_transposed_tensors(same):
    def scenario(lib, record):
        init = lib.nn.init
        t = lib.zeros(4, 6)
        lib.manual_seed(1)
        init.uniform_(t[:, 1:3])
        init.normal_(t.t()[3:5])
        init.xavier_uniform_(t[1:3, 4:])
        record(t)

    same(scenario, tolerance=1e-6)


def test_old_names_warn(same):
    def scenario(lib, record):
        init = lib.nn.init
        for name, args in (
            ("uniform", ()), ("normal", ()), ("constant", (2.0,)), ("eye", ()), ("xavier_uniform", ()), ("xavier_normal", ()),
            ("kaiming_uniform", ()), ("kaiming_normal", ()), ("orthogonal", ()), ("sparse", (0.5,)),
        ):  # fmt: skip
            lib.manual_seed(0)
            f = getattr(init, name)
            text = f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`."
            record(record.warns(lambda f=f, a=args: f(lib.empty(2, 2), *a), text), f.__name__)
        record.warns(lambda: init.dirac(lib.empty(1, 1, 1)), "deprecated")

    same(scenario, tolerance=1e-5)


def test_module_resets(same):
    def scenario(lib, record):
        nn = lib.nn
        for make in (
            lambda: nn.Linear(3, 4), lambda: nn.Conv2d(2, 3, 2), lambda: nn.ConvTranspose1d(2, 3, 2, groups=1),
            lambda: nn.Embedding(4, 3, padding_idx=1), lambda: nn.LSTM(2, 3), lambda: nn.GRUCell(2, 3),
            lambda: nn.Bilinear(2, 3, 4), lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True), lambda: nn.BatchNorm1d(3),
            lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
            lambda: nn.LayerNorm(3), lambda: nn.PReLU(2), lambda: nn.TransformerEncoderLayer(4, 2, 8),
            lambda: nn.Transformer(4, 2, 1, 1, 8), lambda: nn.EmbeddingBag(3, 2),
        ):  # fmt: skip
            lib.manual_seed(9)
            m = make()
            record(dict(m.state_dict()))
            reset = getattr(m, "reset_parameters", None) or getattr(m, "_reset_parameters", None)
            if reset:
                reset()
                record(dict(m.state_dict()))

    same(scenario, tolerance=1e-6)
