"""nn.utils.prune: every rule, containers of rules, global pruning, removal and errors against torch."""

import copy
import importlib

import pytest
from harness import fill, tensor


def layer(lib, rows=4, columns=6):
    return fill(lib, lib.nn.Linear(columns, rows))


def tools(lib):
    return importlib.import_module(f"{lib.__name__}.nn.utils.prune")


def test_l1_unstructured_by_count_and_share(same):
    def scenario(lib, record):
        prune = tools(lib)
        for amount in (0, 3, 0.0, 0.25, 0.49, 1.0, 24):
            m = layer(lib)
            record(prune.l1_unstructured(m, "weight", amount) is m, m.weight_mask, m.weight)

    same(scenario)


def test_what_pruning_leaves_in_the_module(same):
    def scenario(lib, record):
        m = layer(lib)
        weight = m.weight
        tools(lib).l1_unstructured(m, "weight", 0.5)
        record(list(m.state_dict()), [n for n, _ in m.named_parameters()], [n for n, _ in m.named_buffers()])
        record(
            m.weight_orig is weight, isinstance(m.weight, lib.nn.Parameter), m.weight.requires_grad, m.weight.is_leaf
        )
        record(len(m._forward_pre_hooks), tools(lib).is_pruned(m), tools(lib).is_pruned(layer(lib)), repr(m))

    same(scenario)


def test_gradients_reach_only_what_is_left(same):
    def scenario(lib, record):
        m = layer(lib)
        tools(lib).l1_unstructured(m, "weight", 0.5)
        m(tensor(lib, 3, 6)).square().sum().backward()
        record(m.weight_orig.grad, m.bias.grad)

    same(scenario)


def test_training_goes_through_the_mask(same):
    def scenario(lib, record):
        m = layer(lib)
        tools(lib).l1_unstructured(m, "weight", 0.5)
        optimizer = lib.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)
        for i in range(3):
            optimizer.zero_grad()
            m(tensor(lib, 3, 6, seed=i)).square().sum().backward()
            optimizer.step()
        m(tensor(lib, 1, 6))
        record(m.weight, m.weight_orig)

    same(scenario)


def test_l1_unstructured_twice_adds_up(same):
    def scenario(lib, record):
        m = layer(lib)
        prune = tools(lib)
        prune.l1_unstructured(m, "weight", 0.25)
        prune.l1_unstructured(m, "weight", 0.5)
        record(m.weight_mask, len(m._forward_pre_hooks))
        hook = next(iter(m._forward_pre_hooks.values()))
        record(type(hook).__name__, len(hook), [type(h).__name__ for h in hook], type(hook[1]).__name__)
        prune.l1_unstructured(m, "weight", 3)
        record(m.weight_mask, len(hook))

    same(scenario)


def test_importance_scores(same):
    def scenario(lib, record):
        prune = tools(lib)
        m = layer(lib)
        scores = tensor(lib, 4, 6, seed=9)
        prune.l1_unstructured(m, "weight", 0.5, importance_scores=scores)
        record(m.weight_mask, m.weight)
        n = layer(lib)
        prune.ln_structured(n, "weight", 2, 1, 1, importance_scores=scores)
        record(n.weight_mask)
        record.raises(
            lambda: prune.l1_unstructured(layer(lib), "weight", 1, importance_scores=lib.ones(2)),
            "importance_scores should have the same shape as parameter weight of",
        )

    same(scenario)


@pytest.mark.parametrize("n", [1, 2, -2, float("inf"), -float("inf")])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_ln_structured(same, n, dim):
    def scenario(lib, record):
        m = layer(lib)
        tools(lib).ln_structured(m, "weight", 0.5, n=n, dim=dim)
        record(m.weight_mask, m(tensor(lib, 2, 6)))

    same(scenario)


def test_ln_structured_with_the_frobenius_norm(same):
    def scenario(lib, record):
        m = layer(lib)
        tools(lib).ln_structured(m, "weight", 2, n="fro", dim=0)
        record(m.weight_mask)

    same(scenario)


def test_ln_structured_on_convolutions(same):
    def scenario(lib, record):
        for dim in range(4):
            m = fill(lib, lib.nn.Conv2d(3, 4, 2))
            tools(lib).ln_structured(m, "weight", 1, n=2, dim=dim)
            record(m.weight_mask, m(tensor(lib, 1, 3, 3, 3)))

    same(scenario)


def test_structured_after_unstructured_looks_at_channels_that_are_left(same):
    def scenario(lib, record):
        prune = tools(lib)
        m = layer(lib)
        prune.ln_structured(m, "weight", 1, n=2, dim=0)
        prune.ln_structured(m, "weight", 1, n=2, dim=0)
        prune.l1_unstructured(m, "weight", 0.5)
        prune.ln_structured(m, "weight", 0.34, n=1, dim=-1)
        record(m.weight_mask, m.weight)

    same(scenario)


def test_random_rules_draw_what_torch_draws(same):
    def scenario(lib, record):
        prune = tools(lib)
        lib.manual_seed(3)
        a, b, c = layer(lib), layer(lib), fill(lib, lib.nn.Conv1d(4, 6, 2))
        prune.random_unstructured(a, "weight", 0.5)
        prune.random_structured(b, "weight", 2, dim=0)
        prune.random_structured(b, "weight", 0.5, dim=1)
        prune.random_structured(c, "weight", 3, dim=-2)
        record(a.weight_mask, b.weight_mask, c.weight_mask, lib.rand(2))

    same(scenario)


def test_random_rules_at_their_ends(same):
    def scenario(lib, record):
        prune = tools(lib)
        for amount in (0, 0.0, 4, 1.0):
            m = layer(lib)
            prune.random_structured(m, "weight", amount, 0)
            record(m.weight_mask)
        m = layer(lib)
        prune.random_unstructured(m, "bias", 0)
        record(m.bias_mask)

    same(scenario)


def test_identity(same):
    def scenario(lib, record):
        m = layer(lib)
        tools(lib).identity(m, "bias")
        record(m.bias_mask, m.bias, list(m.state_dict()))

    same(scenario)


def test_custom_from_mask(same):
    def scenario(lib, record):
        prune = tools(lib)
        m = layer(lib)
        prune.custom_from_mask(m, "bias", lib.tensor([1, 0, 1, 0]))
        record(m.bias, m.bias_mask)
        prune.custom_from_mask(m, "bias", lib.tensor([True, True, False, False]))
        record(m.bias, m.bias_mask)
        record.raises(lambda: prune.custom_from_mask(m, "weight", lib.ones(2)))

    same(scenario)


def test_a_failed_rule_leaves_the_parameter(same):
    def scenario(lib, record):
        prune = tools(lib)
        m = layer(lib)
        record.raises(
            lambda: prune.l1_unstructured(m, "weight", 99),
            "amount=99 should be smaller than the number of parameters to prune=24",
        )
        record(sorted(m.state_dict()), isinstance(m.weight, lib.nn.Parameter), len(m._forward_pre_hooks))
        record(m(tensor(lib, 1, 6)))

    same(scenario)


def test_amounts_that_are_refused(same):
    def scenario(lib, record):
        prune = tools(lib)
        for amount in (-1, -0.1, 1.1):
            record.raises(
                lambda a=amount: prune.l1_unstructured(layer(lib), "weight", a),
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer",
            )
        record.raises(
            lambda: prune.random_unstructured(layer(lib), "weight", "half"),
            "Invalid type for amount: half. Must be int or float.",
        )
        record.raises(
            lambda: prune.random_structured(layer(lib), "weight", 7, 1),
            "amount=7 should be smaller than the number of parameters to prune=6",
        )

    same(scenario)


def test_dimensions_that_are_refused(same):
    def scenario(lib, record):
        prune = tools(lib)
        record.raises(
            lambda: prune.ln_structured(layer(lib), "bias", 1, 2, 0),
            "Structured pruning can only be applied to multidimensional tensors.",
        )
        record.raises(lambda: prune.ln_structured(layer(lib), "weight", 1, 2, 2), "Invalid index 2 for tensor of size")
        record.raises(lambda: prune.random_structured(layer(lib), "weight", 1, 5), "Invalid index 5 for tensor of size")

    same(scenario)


def test_names_that_are_not_there(same):
    def scenario(lib, record):
        prune = tools(lib)
        record.raises(lambda: prune.l1_unstructured(layer(lib), "nope", 1), "'Linear' object has no attribute 'nope'")
        record.raises(lambda: prune.remove(layer(lib), "weight"), "Parameter 'weight' of module")

    same(scenario)


def test_global_unstructured(same):
    def scenario(lib, record):
        prune = tools(lib)
        a, b = layer(lib), layer(lib, 2, 3)
        prune.global_unstructured([(a, "weight"), (b, "weight"), (b, "bias")], prune.L1Unstructured, amount=0.5)
        record(a.weight_mask, b.weight_mask, b.bias_mask)
        prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=4)
        record(a.weight_mask, b.weight_mask)
        lib.manual_seed(0)
        prune.global_unstructured(((a, "weight"), (b, "weight")), prune.RandomUnstructured, amount=0.3)
        record(a.weight_mask, b.weight_mask)

    same(scenario)


def test_global_importance_scores(same):
    def scenario(lib, record):
        prune = tools(lib)
        a, b = layer(lib), layer(lib, 2, 3)
        scores = {(a, "weight"): tensor(lib, 4, 6, seed=5)}
        prune.global_unstructured(
            [(a, "weight"), (b, "weight")], prune.L1Unstructured, importance_scores=scores, amount=0.5
        )
        record(a.weight_mask, b.weight_mask)

    same(scenario)


def test_global_errors(same):
    def scenario(lib, record):
        prune = tools(lib)
        a = layer(lib)
        record.raises(
            lambda: prune.global_unstructured(3, prune.L1Unstructured, amount=1),
            "global_unstructured(): parameters is not an Iterable",
        )
        record.raises(
            lambda: prune.global_unstructured([(a, "weight")], prune.L1Unstructured, importance_scores=[1], amount=1),
            "global_unstructured(): importance_scores must be of type dict",
        )
        record.raises(
            lambda: prune.global_unstructured([(a, "weight")], prune.LnStructured, amount=1, n=2),
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`.',
        )

    same(scenario)


def test_removal_makes_pruning_permanent(same):
    def scenario(lib, record):
        prune = tools(lib)
        m = layer(lib)
        weight = m.weight
        prune.l1_unstructured(m, "weight", 0.5)
        prune.random_structured(m, "weight", 0, 1)
        value = m.weight
        record(
            prune.remove(m, "weight") is m, m.weight is weight, bool((m.weight == value).all()), list(m.state_dict())
        )
        record(
            len(m._forward_pre_hooks),
            prune.is_pruned(m),
            m.weight.requires_grad,
            isinstance(m.weight, lib.nn.Parameter),
        )
        m(tensor(lib, 2, 6)).sum().backward()
        record(m.weight.grad)

    same(scenario)


def test_a_whole_network(same):
    def scenario(lib, record):
        prune = tools(lib)
        net = fill(
            lib, lib.nn.Sequential(lib.nn.Conv2d(1, 3, 2), lib.nn.ReLU(), lib.nn.Flatten(), lib.nn.Linear(12, 2))
        )
        for module in net:
            if isinstance(module, (lib.nn.Conv2d, lib.nn.Linear)):
                prune.l1_unstructured(module, "weight", 0.4)
                prune.random_structured(module, "weight", 0, 0)
        record(net(tensor(lib, 2, 1, 3, 3)), list(net.state_dict()), prune.is_pruned(net))
        for module in (net[0], net[3]):
            prune.remove(module, "weight")
        record(net(tensor(lib, 2, 1, 3, 3)), prune.is_pruned(net))

    same(scenario)


def test_state_dict_round_trip(same):
    def scenario(lib, record):
        prune = tools(lib)
        a, b = layer(lib), fill(lib, lib.nn.Linear(6, 4), seed=5)
        prune.l1_unstructured(a, "weight", 0.5)
        prune.identity(b, "weight")
        record(str(b.load_state_dict(a.state_dict())), b(tensor(lib, 1, 6)), b.weight)
        record.raises(lambda: layer(lib).load_state_dict(a.state_dict()), 'Missing key(s) in state_dict: "weight"')

    same(scenario)


def test_deepcopy_after_a_detached_forward(same):
    def scenario(lib, record):
        m = layer(lib)
        tools(lib).l1_unstructured(m, "weight", 0.5)
        record.raises(lambda: copy.deepcopy(m), "Only Tensors created explicitly by the user")
        with lib.no_grad():
            m(tensor(lib, 1, 6))
        twin = copy.deepcopy(m)
        record(twin(tensor(lib, 1, 6)), twin.weight_orig is m.weight_orig, tools(lib).is_pruned(twin))

    same(scenario)


def test_prune_a_tensor_without_a_module(same):
    def scenario(lib, record):
        prune = tools(lib)
        t = tensor(lib, 4, 6)
        record(prune.L1Unstructured(amount=0.5).prune(t))
        record(prune.LnStructured(amount=2, n=2, dim=0).prune(t, default_mask=(t > -1).to(t.dtype)))
        record(prune.L1Unstructured(3).prune(t, importance_scores=t.flip(0)), prune.Identity().prune(t))
        record.raises(
            lambda: prune.L1Unstructured(3).prune(t, importance_scores=lib.ones(2)),
            "importance_scores should have the same shape as tensor t",
        )

    same(scenario)


def test_a_rule_of_ones_own(same):
    def scenario(lib, record):
        prune = tools(lib)

        class EveryOther(prune.BasePruningMethod):
            PRUNING_TYPE = "unstructured"

            def compute_mask(self, t, default_mask):
                mask = default_mask.clone()
                mask.view(-1)[::2] = 0
                return mask

        m = layer(lib)
        EveryOther.apply(m, "bias")
        record(m.bias, m.bias_mask)
        EveryOther.apply(m, "bias")
        record(m.bias_mask)

        class Bad(EveryOther):
            PRUNING_TYPE = "odd"

        record.raises(lambda: Bad.apply(m, "bias"), "Unrecognized PRUNING_TYPE odd")
        record.raises(lambda: prune.BasePruningMethod(), "Can't instantiate abstract class BasePruningMethod")

    same(scenario)


def test_containers_of_rules(same):
    def scenario(lib, record):
        prune = tools(lib)
        first, second, other = prune.L1Unstructured(1), prune.RandomUnstructured(1), prune.Identity()
        first._tensor_name = second._tensor_name = "weight"
        other._tensor_name = "bias"
        c = prune.PruningContainer(first)
        c.add_pruning_method(second)
        record(len(c), [type(x).__name__ for x in c], c[0] is first)
        record.raises(
            lambda: c.add_pruning_method(other),
            "Can only add pruning methods acting on the parameter named 'weight' to PruningContainer",
        )
        record.raises(lambda: c.add_pruning_method("x"), "is not a BasePruningMethod subclass")
        c.add_pruning_method(None)
        record(len(c))

    same(scenario)


def test_recurrent_modules(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.GRUCell(3, 2))
        tools(lib).l1_unstructured(m, "weight_hh", 0.5)
        record(m(tensor(lib, 1, 3), tensor(lib, 1, 2)), list(m.state_dict()))

    same(scenario)
