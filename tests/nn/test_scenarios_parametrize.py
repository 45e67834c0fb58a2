"""nn.utils.parametrize: registration, chains, caching, removal, state against torch."""

import copy
import pickle

from harness import fill, tensor


def tools(lib):
    return lib.nn.utils.parametrize


def rules(lib):
    """Return the parametrizations the scenarios use: with and without an inverse, and onto two tensors."""

    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

    class Double(lib.nn.Module):
        def forward(self, x):
            return x * 2

        def right_inverse(self, y):
            return y / 2

    class Plus(lib.nn.Module):
        def __init__(self, amount=1.0):
            super().__init__()
            self.amount = lib.nn.Parameter(lib.tensor(amount))

        def forward(self, x):
            return x + self.amount

        def right_inverse(self, y):
            return y - self.amount

    class Product(lib.nn.Module):
        def forward(self, a, b):
            return a * b

        def right_inverse(self, y):
            return y, lib.full_like(y, 1.0)

    return Symmetric, Double, Plus, Product


def layer(lib, size=3):
    return fill(lib, lib.nn.Linear(size, size))


def test_registering_changes_class_repr_and_names(same):
    def scenario(lib, record):
        P, (Symmetric, *_) = tools(lib), rules(lib)
        m = layer(lib)
        record(
            P.register_parametrization(m, "weight", Symmetric()) is m, type(m).__name__, isinstance(m, lib.nn.Linear)
        )
        record(repr(m), list(m.state_dict()), [n for n, _ in m.named_modules()], [n for n, _ in m.named_parameters()])
        record("weight" in m._parameters, hasattr(m, "weight"), m.weight.requires_grad, m.weight.is_leaf)
        record(
            P.type_before_parametrizations(m) is lib.nn.Linear, type(m).__module__ == lib.nn.utils.parametrize.__name__
        )

    same(scenario)


def test_the_stored_tensor_is_the_same_object(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = layer(lib)
        weight = m.weight
        P.register_parametrization(m, "weight", Double())
        record(m.parametrizations.weight.original is weight, weight, m.weight)
        optimizer = lib.optim.SGD([weight], lr=0.5)
        m(tensor(lib, 2, 3)).sum().backward()
        optimizer.step()
        record(weight.grad, m.weight)

    same(scenario)


def test_gradients_flow_to_the_stored_tensor_and_to_parameters_of_the_rule(same):
    def scenario(lib, record):
        P, (Symmetric, Double, Plus, _) = tools(lib), rules(lib)
        m = layer(lib)
        P.register_parametrization(m, "weight", Symmetric())
        P.register_parametrization(m, "weight", Plus(0.5))
        P.register_parametrization(m, "bias", Double())
        m(tensor(lib, 4, 3)).square().sum().backward()
        record([(n, p.grad) for n, p in m.named_parameters()])

    same(scenario)


def test_assignment_goes_through_the_inverse_of_the_whole_chain(same):
    def scenario(lib, record):
        P, (_, Double, Plus, _) = tools(lib), rules(lib)
        m = layer(lib)
        P.register_parametrization(m, "weight", Double())
        P.register_parametrization(m, "weight", Plus(3.0))
        m.weight = lib.full((3, 3), 7.0)
        record(m.weight, m.parametrizations.weight.original, m.parametrizations.weight.original.requires_grad)

    same(scenario)


def test_assignment_without_an_inverse_is_refused(same):
    def scenario(lib, record):
        P, (Symmetric, *_) = tools(lib), rules(lib)
        m = layer(lib)
        P.register_parametrization(m, "weight", Symmetric())
        record.raises(
            lambda: setattr(m, "weight", lib.ones(3, 3)), "parametrization Symmetric does not implement right_inverse."
        )

    same(scenario)


def test_assignment_of_another_dtype_is_refused(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = P.register_parametrization(layer(lib), "weight", Double())
        record.raises(
            lambda: setattr(m, "weight", lib.ones(3, 3, dtype=lib.float64)),
            "The tensor returned by `right_inverse` has dtype",
        )

        class Bad(lib.nn.Module):
            def forward(self, x):
                return x

            def right_inverse(self, y):
                return y if y.sum() != 9 else 5

        n = P.register_parametrization(layer(lib), "weight", Bad())
        record.raises(lambda: setattr(n, "weight", lib.ones(3, 3)), "`right_inverse` should return a tensor. Got int")

    same(scenario)


def test_a_rule_onto_several_tensors(same):
    def scenario(lib, record):
        P, (_, Double, _, Product) = tools(lib), rules(lib)
        m = P.register_parametrization(layer(lib), "weight", Product())
        record(list(m.state_dict()), m.weight, m.parametrizations.weight.is_tensor, m.parametrizations.weight.ntensors)
        m.parametrizations.weight.original1.data.fill_(3.0)
        m(tensor(lib, 2, 3)).sum().backward()
        record([(n, p.grad) for n, p in m.named_parameters()], m.weight)
        P.register_parametrization(m, "weight", Double())
        record(m.weight)
        m.weight = lib.ones(3, 3)
        record(m.weight, m.parametrizations.weight.original0)
        P.remove_parametrizations(m, "weight")
        record(list(m.state_dict()), m.weight, isinstance(m.weight, lib.nn.Parameter))

    same(scenario)


def test_a_rule_onto_several_tensors_cannot_leave_the_original(same):
    def scenario(lib, record):
        P, (*_, Product) = tools(lib), rules(lib)
        m = P.register_parametrization(layer(lib), "weight", Product())
        record.raises(
            lambda: P.remove_parametrizations(m, "weight", leave_parametrized=False),
            "Cannot leave unparametrized (`leave_parametrized=False`)",
        )
        record(P.is_parametrized(m, "weight"))

    same(scenario)


def test_inverse_that_returns_neither_tensor_nor_sequence(same):
    def scenario(lib, record):
        P = tools(lib)

        def rule(value):
            class Rule(lib.nn.Module):
                def forward(self, *x):
                    return x[0]

                def right_inverse(self, y):
                    return value

            return Rule()

        register = lambda value: P.register_parametrization(layer(lib), "weight", rule(value))  # noqa: E731
        record.raises(
            lambda: register(5),
            "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got int",
        )
        record.raises(lambda: register([lib.ones(3, 3), 5]), "Got element 1 of the sequence with type int.")
        record.raises(lambda: register(lib.ones(3, 3, dtype=lib.float64)), "it may not change the dtype")

    same(scenario)


def test_assignment_of_the_wrong_number_of_tensors(same):
    def scenario(lib, record):
        class Rule(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.mode = 0

            def forward(self, a, b):
                return a + b

            def right_inverse(self, y):
                return [(y, y), (y,), 5, (y, y.double())][self.mode]

        rule = Rule()
        m = tools(lib).register_parametrization(layer(lib), "weight", rule, unsafe=True)
        for mode, text in (
            (1, "must return a sequence of tensors of length 2. Got a sequence of length 1."),
            (2, "'right_inverse' must return a sequence of tensors. Got int."),
            (3, "Tensor 1 returned by `right_inverse` has dtype"),
        ):
            rule.mode = mode
            record.raises(lambda: setattr(m, "weight", lib.ones(3, 3)), text)

    same(scenario)


def test_rules_that_change_shape_or_dtype_are_refused_and_leave_the_module_alone(same):
    def scenario(lib, record):
        P = tools(lib)

        def rule(f):
            class Rule(lib.nn.Module):
                def forward(self, x):
                    return f(x)

            return Rule()

        m = layer(lib)
        for f, text in (
            (
                lambda x: x[:1],
                "Registering a parametrization may not change the shape of the tensor, unless `unsafe` flag",
            ),
            (
                lambda x: x.double(),
                "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` flag",
            ),
            (lambda x: 5, "A parametrization must return a tensor. Got int."),
        ):
            record.raises(lambda f=f: P.register_parametrization(m, "weight", rule(f)), text)
        record(type(m).__name__, list(m.state_dict()), P.is_parametrized(m))
        P.register_parametrization(m, "weight", rule(lambda x: x))
        for f, text in (
            (lambda x: x[:1], "change the shape of the tensor, unless the `unsafe` flag is enabled"),
            (lambda x: x.double(), "change the dtype of the tensor, unless the `unsafe` flag is enabled"),
            (lambda x: 5, "A parametrization must return a tensor. Got int."),
        ):
            record.raises(lambda f=f: P.register_parametrization(m, "weight", rule(f)), text)
        record(len(m.parametrizations.weight))

    same(scenario)


def test_appended_rules_need_an_inverse_of_the_same_shape_and_dtype(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)

        def rule(inverse):
            class Rule(lib.nn.Module):
                def forward(self, x):
                    return x

                def right_inverse(self, y):
                    return inverse(y)

            return Rule()

        m = P.register_parametrization(layer(lib), "weight", Double())
        for inverse, text in (
            (lambda y: y[:1], "must have the same shape as module.weight"),
            (lambda y: y.double(), "must have the same dtype as module.weight"),
            (lambda y: (y, y), "parametrization.right_inverse must return a tensor. Got: tuple"),
        ):
            record.raises(lambda i=inverse: P.register_parametrization(m, "weight", rule(i)), text)

        def refuse(y):
            raise NotImplementedError

        P.register_parametrization(m, "weight", rule(refuse))
        record(len(m.parametrizations.weight))

    same(scenario)


def test_unsafe_rules_may_change_the_shape(same):
    def scenario(lib, record):
        P = tools(lib)

        class FirstRows(lib.nn.Module):
            def forward(self, x):
                return x[:2]

        m = P.register_parametrization(lib.nn.Linear(3, 4, bias=False), "weight", FirstRows(), unsafe=True)
        record(tuple(m.weight.shape), m.parametrizations.weight.unsafe, tuple(m(tensor(lib, 1, 3)).shape))
        m = P.register_parametrization(lib.nn.Linear(3, 4, bias=False), "weight", FirstRows(), unsafe=True)
        P.remove_parametrizations(m, "weight")
        record(tuple(m.weight.shape), isinstance(m.weight, lib.nn.Parameter))

    same(scenario)


def test_an_inverse_may_change_the_shape_of_what_is_stored(same):
    def scenario(lib, record):
        class Expand(lib.nn.Module):
            def forward(self, x):
                return x.expand(3, 3)

            def right_inverse(self, y):
                return y[:1]

        m = layer(lib)
        weight = m.weight
        tools(lib).register_parametrization(m, "weight", Expand())
        record(m.parametrizations.weight.original is weight, tuple(weight.shape), m.weight)
        m(tensor(lib, 2, 3)).sum().backward()
        record(weight.grad)

    same(scenario)


def test_buffers_can_be_parametrized(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = lib.nn.BatchNorm1d(2)
        P.register_parametrization(m, "running_mean", Double())
        record([n for n, _ in m.named_buffers()], m.running_mean, list(m.state_dict()))
        P.remove_parametrizations(m, "running_mean")
        record([n for n, _ in m.named_buffers()], type(m).__name__)

    same(scenario)


def test_names_that_are_not_there(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = lib.nn.Linear(2, 2, bias=False)
        record.raises(
            lambda: P.register_parametrization(m, "nope", Double()),
            "does not have a parameter, a buffer, or a parametrized element with name 'nope'",
        )
        record.raises(lambda: P.remove_parametrizations(m, "weight"), "does not have a parametrization on weight")
        record(P.is_parametrized(m), P.is_parametrized(m, "weight"))

    same(scenario)


def test_the_rule_takes_the_mode_of_the_module(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = layer(lib).eval()
        first = Double()
        P.register_parametrization(m, "weight", first)
        record(first.training)
        m.train()
        record(first.training)

    same(scenario)


def test_caching(same):
    def scenario(lib, record):
        P = tools(lib)
        calls = []

        class Counting(lib.nn.Module):
            def forward(self, x):
                calls.append(1)
                return x * 1

        m = P.register_parametrization(layer(lib), "weight", Counting())
        calls.clear()
        _ = m.weight, m.weight
        record(len(calls))
        with P.cached():
            a = m.weight
            with P.cached():
                record(m.weight is a)
            record(m.weight is a, len(calls))
            m(tensor(lib, 2, 3)).sum().backward()
        record(m.weight is a, len(calls), m.parametrizations.weight.original.grad)

    same(scenario)


def test_caching_ends_when_an_error_leaves(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = P.register_parametrization(layer(lib), "weight", Double())
        try:
            with P.cached():
                record(m.weight is m.weight)
                raise ValueError
        except ValueError:
            pass
        record(m.weight is m.weight)

    same(scenario)


def test_recurrent_modules_use_the_cache(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        cell = fill(lib, lib.nn.RNNCell(2, 2))
        P.register_parametrization(cell, "weight_hh", Double())
        h = lib.zeros(1, 2)
        with P.cached():
            for i in range(3):
                h = cell(tensor(lib, 1, 2, seed=i), h)
            h.sum().backward()
        record(h, cell.parametrizations.weight_hh.original.grad)

    same(scenario)


def test_removal_leaves_the_computed_value_in_the_same_parameter(same):
    def scenario(lib, record):
        P, (Symmetric, Double, *_) = tools(lib), rules(lib)
        m = layer(lib)
        weight = m.weight
        P.register_parametrization(m, "weight", Symmetric())
        P.register_parametrization(m, "weight", Double())
        value = m.weight.detach().clone()
        record(P.remove_parametrizations(m, "weight") is m, m.weight is weight, bool((m.weight == value).all()))
        record(type(m).__name__, hasattr(m, "parametrizations"), list(m.state_dict()), m.weight.requires_grad, repr(m))

    same(scenario)


def test_removal_can_leave_the_stored_value(same):
    def scenario(lib, record):
        P, (Symmetric, *_) = tools(lib), rules(lib)
        m = layer(lib)
        before = m.weight.detach().clone()
        P.register_parametrization(m, "weight", Symmetric())
        P.remove_parametrizations(m, "weight", leave_parametrized=False)
        record(bool((m.weight == before).all()), list(m.state_dict()))

    same(scenario)


def test_removal_of_one_of_two(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = layer(lib)
        P.register_parametrization(m, "weight", Double())
        P.register_parametrization(m, "bias", Double())
        record(list(m.state_dict()), repr(m))
        P.remove_parametrizations(m, "weight")
        record(type(m).__name__, list(m.state_dict()), P.is_parametrized(m, "bias"), P.is_parametrized(m, "weight"))
        P.remove_parametrizations(m, "bias")
        record(type(m).__name__, list(m.state_dict()), repr(m))

    same(scenario)


def test_a_module_can_be_parametrized_again_after_removal(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = layer(lib)
        for _ in range(2):
            P.register_parametrization(m, "weight", Double())
            P.remove_parametrizations(m, "weight")
        P.register_parametrization(m, "weight", Double())
        record(m.weight, m(tensor(lib, 1, 3)), type(m).__name__)

    same(scenario)


def test_state_dict_round_trip(same):
    def scenario(lib, record):
        P, (Symmetric, _, Plus, _) = tools(lib), rules(lib)
        a, b = layer(lib), lib.nn.Linear(3, 3)
        for m in (a, b):
            P.register_parametrization(m, "weight", Symmetric())
            P.register_parametrization(m, "weight", Plus())
        record(str(b.load_state_dict(a.state_dict())), b.weight, list(a.state_dict()))
        record.raises(
            lambda: lib.nn.Linear(3, 3).load_state_dict(a.state_dict()), 'Missing key(s) in state_dict: "weight"'
        )

    same(scenario)


def test_deepcopy_is_independent(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = P.register_parametrization(layer(lib), "weight", Double())
        twin = copy.deepcopy(m)
        record(P.is_parametrized(twin, "weight"), type(twin).__name__, twin.weight)
        with lib.no_grad():
            twin.parametrizations.weight.original.zero_()
        record(m.weight, twin.weight, repr(twin))

    same(scenario)


def test_removal_from_a_copy_leaves_the_original_alone(rsnn):
    P, (_, Double, *_) = tools(rsnn), rules(rsnn)
    m = P.register_parametrization(layer(rsnn), "weight", Double())
    twin = copy.deepcopy(copy.deepcopy(m))
    with P.cached():
        assert twin.weight is not m.weight
    P.remove_parametrizations(twin, "weight")
    assert type(twin) is rsnn.nn.Linear and (m.weight == 2 * m.parametrizations.weight.original).all()
    P.remove_parametrizations(m, "weight")
    assert type(m) is rsnn.nn.Linear


def test_pickling_and_copying_are_refused(same):
    def scenario(lib, record):
        P, (_, Double, *_) = tools(lib), rules(lib)
        m = P.register_parametrization(lib.nn.Linear(2, 2), "weight", Double())
        record.raises(
            lambda: pickle.dumps(m), "Serialization of parametrized modules is only supported through state_dict()"
        )
        record.raises(
            lambda: copy.copy(m), "Serialization of parametrized modules is only supported through state_dict()"
        )

    same(scenario)


def test_transfer(same):
    def scenario(lib, record):
        P, (Symmetric, Double, _, Product) = tools(lib), rules(lib)
        a, b = layer(lib), lib.nn.Linear(3, 3)
        P.register_parametrization(a, "weight", Symmetric())
        P.register_parametrization(a, "bias", Double())
        record(P.transfer_parametrizations_and_params(a, b, "weight") is b, b.weight, P.is_parametrized(b, "bias"))
        c = lib.nn.Linear(3, 3)
        P.transfer_parametrizations_and_params(a, c)
        record(
            c.weight,
            c.bias,
            list(c.state_dict()),
            c.parametrizations.weight.original is a.parametrizations.weight.original,
        )
        two = P.register_parametrization(layer(lib), "weight", Product())
        d = lib.nn.Linear(3, 3)
        P.transfer_parametrizations_and_params(two, d)
        record(d.weight, list(d.state_dict()))
        plain = lib.nn.Linear(3, 3)
        record(P.transfer_parametrizations_and_params(plain, d) is d)

    same(scenario)


def test_dtype_moves(same):
    def scenario(lib, record):
        P, (Symmetric, *_) = tools(lib), rules(lib)
        m = P.register_parametrization(layer(lib), "weight", Symmetric()).double()
        record(str(m.weight.dtype).split(".")[1], m(tensor(lib, 1, 3, dtype="float64")))

    same(scenario)


def test_frozen_parameters_stay_frozen(same):
    def scenario(lib, record):
        P, (_, Double, _, Product) = tools(lib), rules(lib)
        m = layer(lib).requires_grad_(False)
        P.register_parametrization(m, "weight", Double())
        record(m.weight.requires_grad, m.parametrizations.weight.original.requires_grad)
        n = layer(lib).requires_grad_(False)
        P.register_parametrization(n, "weight", Product())
        record([p.requires_grad for p in n.parameters()])

    same(scenario)


def test_an_empty_list_is_refused(same):
    def scenario(lib, record):
        P = tools(lib)
        record.raises(
            lambda: P.ParametrizationList([], lib.ones(1)), "ParametrizationList requires one or more modules."
        )

    same(scenario)
