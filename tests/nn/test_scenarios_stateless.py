"""Calls of a module with other tensors than its own, against torch."""

import importlib

from harness import fill, tensor


def module(lib, name):
    return importlib.import_module(f"{lib.__name__}.nn.utils.{name}")


def net(lib):
    nn = lib.nn
    return fill(lib, nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))


def test_stateless_functional_call_is_deprecated_and_works(same):
    def scenario(lib, record):
        m = net(lib)
        call = lambda: module(lib, "stateless").functional_call(m, {"0.weight": lib.ones(4, 3)}, tensor(lib, 2, 3))  # noqa: E731
        record(record.warns(call, "is deprecated as of PyTorch 2.0 and will be removed"))
        record(m[0].weight)

    same(scenario)


def test_stateless_call_restores_after_an_error(same):
    def scenario(lib, record):
        functional_call = lib.func.functional_call
        m = net(lib)
        weight = m[0].weight
        record.raises(lambda: functional_call(m, {"0.weight": lib.ones(9, 9)}, (tensor(lib, 2, 3),)))
        record(m[0].weight is weight, list(m.state_dict()))

    same(scenario)


def test_stateless_call_replaces_buffers(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.BatchNorm1d(2)).eval()
        mean = lib.full((2,), 3.0)
        record(lib.func.functional_call(m, {"running_mean": mean}, (tensor(lib, 3, 2),)), m.running_mean)
        m.train()
        given = {"running_mean": mean, "num_batches_tracked": lib.tensor(5)}
        lib.func.functional_call(m, given, (tensor(lib, 3, 2),))
        record(mean, given["num_batches_tracked"], m.running_mean, m.num_batches_tracked)

    same(scenario)


def test_stateless_call_writes_back_what_the_module_assigned(same):
    def scenario(lib, record):
        class Counter(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("n", lib.zeros(()))

            def forward(self):
                self.n = self.n + 1
                return self.n

        m = Counter()
        given = {"n": lib.tensor(5.0)}
        record(lib.func.functional_call(m, given, ()), given["n"], m.n)

    same(scenario)


def test_stateless_call_with_tied_weights(same):
    def scenario(lib, record):
        class Tied(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.a = fill(lib, lib.nn.Linear(2, 2, bias=False))
                self.b = lib.nn.Linear(2, 2, bias=False)
                self.b.weight = self.a.weight

            def forward(self, x):
                return self.b(self.a(x))

        call = lib.func.functional_call
        m, x, one, two = Tied(), tensor(lib, 1, 2), lib.ones(2, 2), lib.full((2, 2), 2.0)
        record(
            call(m, {"a.weight": one}, (x,)),
            call(m, {"b.weight": one}, (x,)),
            call(m, {"a.weight": one}, (x,), tie_weights=False),
        )
        record(call(m, {"a.weight": one, "b.weight": one}, (x,)))
        record.raises(
            lambda: call(m, {"a.weight": one, "b.weight": two}, (x,)), "functional_call got multiple values for keys"
        )
        record(call(m, {"a.weight": one, "b.weight": two}, (x,), tie_weights=False), m.a.weight is m.b.weight)
        record(call(m, {"a.weight": one}, (x,), strict=True))

    same(scenario)


def test_stateless_call_strictness(same):
    def scenario(lib, record):
        call = lib.func.functional_call
        m, x = net(lib), tensor(lib, 1, 3)
        given = dict(m.named_parameters())
        record.raises(
            lambda: call(m, {"q.weight": x, **given}, (x,), strict=True),
            "Error(s) in reparametrizing for Sequential:\n\tUnexpected key(s): 'q.weight'.",
        )
        record.raises(
            lambda: call(m, {"0.bias": x}, (x,), strict=True), "Missing key(s): '0.weight', '2.bias', '2.weight'."
        )
        record.raises(lambda: call(m, {"q.weight": x}, (x,)))
        record.raises(lambda: call(m, {"0.weight": "text"}, (x,)))
        record(list(m.state_dict()))

    same(scenario)


def test_stateless_call_arguments(same):
    def scenario(lib, record):
        class Add(lib.nn.Module):
            def forward(self, a, b=1, *, c=0):
                return a + b + c

        call = lib.func.functional_call
        record(
            call(Add(), {}, lib.ones(1)), call(Add(), {}, (lib.ones(1), 5)), call(Add(), {}, (lib.ones(1),), {"c": 9})
        )
        record(call(Add(), {}, None, {"a": lib.ones(1)}))

    same(scenario)
