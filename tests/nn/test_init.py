"""Initializers: values drawn from one seed, gains and errors against torch."""

from harness import tensor


def test_values_from_a_seed(same):
    def scenario(lib, record):
        init = lib.nn.init
        for shape in ((3, 4), (4, 3, 2, 2)):
            for fill in (
                init.uniform_, init.normal_, init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_,
                init.kaiming_normal_, init.trunc_normal_, init.ones_, init.zeros_,
                lambda t: init.constant_(t, 2.5),
                lambda t: init.kaiming_normal_(t, 0.2, "fan_out", "leaky_relu"),
                lambda t: init.trunc_normal_(t, 0.5, 2.0, -1.0, 1.5),
            ):  # fmt: skip
                lib.manual_seed(5)
                t = lib.empty(shape)
                record(fill(t) is t, t)

    same(scenario, tolerance=1e-5)


def test_structure(same):
    def scenario(lib, record):
        init = lib.nn.init
        record(
            init.eye_(lib.empty(3, 4)), init.dirac_(lib.empty(4, 2, 3), groups=2), init.dirac_(lib.empty(3, 3, 3, 3))
        )
        for shape in ((4, 3), (3, 4), (4, 4), (3, 2, 2)):
            lib.manual_seed(1)
            q = init.orthogonal_(lib.empty(shape), gain=2.0)
            record(q)
        lib.manual_seed(1)
        record((init.sparse_(lib.empty(6, 4), 0.4) == 0).sum(0))

    same(scenario, tolerance=1e-5)


def test_gains(same):
    def scenario(lib, record):
        gain = lib.nn.init.calculate_gain
        record([float(gain(n)) for n in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")])
        record(float(gain("leaky_relu", 0.3)))
        record.raises(lambda: gain("swish"), "Unsupported nonlinearity swish")
        record.raises(lambda: gain("leaky_relu", "a"), "not a valid number")

    same(scenario)


def test_errors_and_gradients(same):
    def scenario(lib, record):
        init = lib.nn.init
        record.raises(
            lambda: init.xavier_uniform_(lib.ones(3)),
            "Fan in and fan out can not be computed for tensor with fewer than 2",
        )
        record.raises(lambda: init.kaiming_uniform_(lib.ones(3, 3), mode="both"), "Mode both not supported")
        record.raises(lambda: init.eye_(lib.ones(3)), "Only tensors with 2 dimensions are supported")
        record.raises(lambda: init.dirac_(lib.ones(3)), "Only tensors with 3, 4, or 5 dimensions are supported")
        record.raises(lambda: init.orthogonal_(lib.ones(3)), "Only tensors with 2 or more dimensions are supported")
        p = lib.nn.Parameter(lib.ones(2, 2))
        init.uniform_(p)
        record(p.is_leaf, p.requires_grad, tensor(lib, 2).numel())

    same(scenario)
