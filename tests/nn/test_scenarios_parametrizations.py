"""Ready parametrizations, orthogonal, weight norm and spectral norm, against torch."""

import importlib

import pytest
from harness import fill, tensor


def tools(lib):
    return lib.nn.utils.parametrize


# Ready parametrizations


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_can_be_assigned_and_trained(same, shape, orthogonal_map):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        lib.manual_seed(1)
        m = PZ.orthogonal(lib.nn.Linear(shape[1], shape[0], bias=False), orthogonal_map=orthogonal_map)
        q = lib.nn.init.orthogonal_(lib.empty(*shape))
        m.weight = q
        record(m.weight, q, list(m.state_dict()))
        optimizer = lib.optim.SGD(m.parameters(), lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            (m(tensor(lib, 4, shape[1], seed=i)) - 1).square().sum().backward()
            optimizer.step()
        w = m.weight
        small = w if shape[0] <= shape[1] else w.t()
        record(small @ small.t())
        # How the tall base is completed does not show in the first columns' own gradient.
        record(w if shape[0] == shape[1] else 0)

    same(scenario, tolerance=2e-4)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_without_trivialization(same, orthogonal_map):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        m = fill(lib, lib.nn.Linear(3, 4, bias=False))
        PZ.orthogonal(m, orthogonal_map=orthogonal_map, use_trivialization=False)
        record(list(m.state_dict()), m.weight.t() @ m.weight, m.weight)
        m(tensor(lib, 2, 3)).square().sum().backward()
        record(m.parametrizations.weight.original.grad.tril(-1))
        if orthogonal_map != "householder":
            record.raises(
                lambda: setattr(m, "weight", lib.eye(4, 3)),
                "It is not possible to assign to the matrix exponential or the Cayley",
            )

    same(scenario, tolerance=1e-4)


def test_orthogonal_chooses_its_map_and_refuses_what_does_not_fit(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        m = PZ.orthogonal(lib.nn.Linear(3, 3))
        record("matrix_exp" in str(m.parametrizations.weight[0].orthogonal_map))
        m = PZ.orthogonal(lib.nn.Linear(3, 2))
        record("householder" in str(m.parametrizations.weight[0].orthogonal_map))
        record.raises(lambda: setattr(m, "weight", lib.ones(3, 3)), "Expected a matrix or batch of matrices of shape")
        record.raises(
            lambda: PZ.orthogonal(lib.nn.Linear(3, 3), "bias"),
            "Expected a matrix or batch of matrices. Got a tensor of 1 dimensions.",
        )
        record.raises(lambda: PZ.orthogonal(lib.nn.Linear(3, 3), "nope"), "has no parameter or buffer with name 'nope'")
        record.raises(
            lambda: PZ.orthogonal(lib.nn.Linear(3, 3), orthogonal_map="qr"), "orthogonal_map has to be one of"
        )

    same(scenario)


def test_orthogonal_on_a_batch_of_matrices(same):
    def scenario(lib, record):
        class Holder(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.w = lib.nn.Parameter(tensor(lib, 2, 4, 3))

        m = lib.nn.utils.parametrizations.orthogonal(Holder(), "w")
        record(m.w.transpose(-1, -2) @ m.w)
        m.w.sum().backward()
        record(tuple(m.parametrizations.w.original.grad.shape))

    same(scenario, tolerance=1e-4)


def test_orthogonal_state_dict_round_trip(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        a, b = (PZ.orthogonal(fill(lib, lib.nn.Linear(3, 3), seed=s)) for s in (0, 5))
        b.load_state_dict(a.state_dict())
        record(b.weight, list(a.state_dict()), bool((a.weight == b.weight).all()))

    same(scenario, tolerance=1e-4)


def test_weight_norm_dimensions(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        for dim in (0, 1, 2, 3, -1, None):
            m = PZ.weight_norm(fill(lib, lib.nn.Conv2d(2, 3, 2)), dim=dim)
            m(tensor(lib, 1, 2, 3, 3)).square().sum().backward()
            record(dict(m.state_dict()), [p.grad for p in m.parameters()], m.weight)

    same(scenario)


def test_weight_norm_training_and_removal(same):
    def scenario(lib, record):
        PZ, P = lib.nn.utils.parametrizations, tools(lib)
        m = PZ.weight_norm(fill(lib, lib.nn.Linear(3, 4)))
        optimizer = lib.optim.SGD(m.parameters(), lr=0.1)
        for i in range(3):
            optimizer.zero_grad()
            m(tensor(lib, 4, 3, seed=i)).square().sum().backward()
            optimizer.step()
        record(dict(m.state_dict()), m.weight)
        m.weight = lib.ones(4, 3)
        record(dict(m.state_dict()))
        P.remove_parametrizations(m, "weight")
        record(repr(m), dict(m.state_dict()))

    same(scenario)


def test_weight_norm_reads_old_checkpoints(same):
    def scenario(lib, record):
        utils = lib.nn.utils
        old = utils.weight_norm(fill(lib, lib.nn.Sequential(lib.nn.Linear(3, 4))[0]))
        new = utils.parametrizations.weight_norm(lib.nn.Linear(3, 4))
        record(str(new.load_state_dict(old.state_dict())), new.weight)

    same(scenario)


def test_spectral_norm_power_iterations(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        lib.manual_seed(0)
        m = PZ.spectral_norm(fill(lib, lib.nn.Linear(4, 5)), n_power_iterations=2)
        x = tensor(lib, 2, 4)
        record(list(m.state_dict()), m(x), m(x), m.eval()(x), m(x), dict(m.state_dict()))
        m.train()
        m(x).square().sum().backward()
        record(m.parametrizations.weight.original.grad)

    same(scenario, tolerance=1e-4)


def test_spectral_norm_dimensions_and_vectors(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        lib.manual_seed(0)
        conv = PZ.spectral_norm(fill(lib, lib.nn.ConvTranspose2d(2, 3, 2)))
        record(conv.weight, tuple(conv.parametrizations.weight[0]._u.shape), conv.parametrizations.weight[0].dim)
        m = PZ.spectral_norm(fill(lib, lib.nn.Linear(4, 5)), dim=-1)
        record(m.weight, m.parametrizations.weight[0].dim)
        m = PZ.spectral_norm(fill(lib, lib.nn.Linear(4, 5)), "bias")
        record(m.bias, list(m.state_dict()))

    same(scenario, tolerance=1e-4)


def test_spectral_norm_errors(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        record.raises(lambda: PZ.spectral_norm(lib.nn.Linear(2, 2), dim=2), "Dimension out of range")
        record.raises(
            lambda: PZ.spectral_norm(lib.nn.Linear(2, 2), n_power_iterations=0),
            "Expected n_power_iterations to be positive",
        )
        record.raises(
            lambda: PZ.spectral_norm(lib.nn.Linear(2, 2), "nope"), "has no parameter or buffer with name 'nope'"
        )

    same(scenario)


def test_spectral_norm_on_top_of_another(same):
    def scenario(lib, record):
        PZ, P = lib.nn.utils.parametrizations, tools(lib)
        lib.manual_seed(0)
        m = PZ.spectral_norm(PZ.weight_norm(fill(lib, lib.nn.Linear(3, 3))))
        record(m.weight, list(m.state_dict()))
        P.remove_parametrizations(m, "weight")
        record(m.weight, list(m.state_dict()))

    same(scenario, tolerance=1e-4)


def test_spectral_norm_state_dict_round_trip(same):
    def scenario(lib, record):
        PZ = lib.nn.utils.parametrizations
        lib.manual_seed(0)
        a, b = (PZ.spectral_norm(fill(lib, lib.nn.Linear(3, 4), seed=s)).eval() for s in (0, 5))
        b.load_state_dict(a.state_dict())
        record(bool((a.weight == b.weight).all()), b.weight)

    same(scenario, tolerance=1e-4)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_take_computed_weights(same, kind):
    def scenario(lib, record):
        prune = importlib.import_module(f"{lib.__name__}.nn.utils.prune")
        for wrap in (
            lambda m: lib.nn.utils.weight_norm(m, "weight_hh_l0"),
            lambda m: lib.nn.utils.parametrizations.weight_norm(m, "weight_hh_l0"),
            lambda m: lib.nn.utils.spectral_norm(m, "weight_hh_l0"),
            lambda m: prune.l1_unstructured(m, "weight_ih_l0", 0.5),
        ):
            lib.manual_seed(0)
            m = wrap(fill(lib, getattr(lib.nn, kind)(2, 3)))
            y, _ = m(tensor(lib, 4, 2, 2))
            y.square().sum().backward()
            record(list(m.state_dict()), y, [p.grad for p in m.parameters()])

    same(scenario, tolerance=1e-4)
