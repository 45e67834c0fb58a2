"""load_state_dict against torch: reports, what stays untouched, assign, hooks, overrides."""

from collections import OrderedDict
from types import MappingProxyType

import pytest
from harness import Scenarios, tensor
from small_net import net, state_of, values

scenario = Scenarios()


# Loading


@scenario
def a_round_trip(lib, record):
    m = net(lib)
    result = m.load_state_dict(state_of(lib))
    record(str(result), repr(result), type(result).__name__, result.missing_keys, result.unexpected_keys, values(m))
    missing, unexpected = m.load_state_dict(state_of(lib))
    record(missing, unexpected)


@scenario
def loading_keeps_objects(lib, record):
    m = net(lib)
    before = [*m.parameters(), *m.buffers()]
    m.load_state_dict(state_of(lib))
    record([a is b for a, b in zip(before, [*m.parameters(), *m.buffers()])])
    record(all(p.requires_grad and p.is_leaf for p in m.parameters()))


@pytest.mark.parametrize("kind", ["dict", "ordered", "proxy", "pairs", "list", "none", "module"])
def test_what_counts_as_a_state_dict(same, kind):
    def load(lib, record):
        state = state_of(lib)
        given = {
            "dict": dict(state),
            "ordered": OrderedDict(state),
            "proxy": MappingProxyType(dict(state)),
            "pairs": list(state.items()),
            "list": [1],
            "none": None,
            "module": net(lib),
        }[kind]
        record.raises(lambda: net(lib).load_state_dict(given), "Expected state_dict to be dict-like, got <class")

    same(load)


def spoilt(lib, how):
    state = state_of(lib)
    if "missing" in how:
        del state["2.bias"], state["0.1.running_mean"]
    if "unexpected" in how:
        for name in ("extra", "0.0.deep.name", "0.7.weight", "2", "9.weight", "0.0.weight.x"):
            state[name] = lib.ones(1)
    if "shape" in how:
        state["0.0.weight"], state["2.weight"] = lib.ones(4), lib.ones(3, 3)
    if "type" in how:
        state["2.weight"] = [1, 2]
    if "0-d" in how:
        state["0.1.num_batches_tracked"] = lib.tensor([7])
    return state


REPORTS = ["missing", "unexpected", "shape", "type", "0-d", "missing, unexpected", "missing, unexpected, shape", "shape, type"]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("how", REPORTS)
def test_reports(same, how, strict):
    def load(lib, record):
        m = net(lib)
        record.error(lambda: record(m.load_state_dict(spoilt(lib, how), strict=strict)))

    same(load)


@pytest.mark.parametrize("how", ["missing", "unexpected", "shape", "type", "missing, unexpected, shape"])
def test_a_load_that_fails_changes_nothing(rsnn, how):
    m = net(rsnn)
    before = values(m)
    with pytest.raises(RuntimeError, match="Error\\(s\\) in loading state_dict for Sequential"):
        m.load_state_dict(spoilt(rsnn, how))
    assert all(rsnn.equal(before[name], value) for name, value in m.state_dict().items())


def test_a_shape_that_does_not_fit_stops_hooked_modules_too(rsnn):
    m = net(rsnn)
    m[0].register_load_state_dict_post_hook(lambda module, keys: None)
    m[0][0].register_load_state_dict_pre_hook(lambda *args: None)
    before = values(m)
    state = state_of(rsnn)
    state["2.weight"] = rsnn.ones(5)
    with pytest.raises(RuntimeError, match="size mismatch for 2.weight"):
        m.load_state_dict(state, strict=False)
    assert all(rsnn.equal(before[name], value) for name, value in m.state_dict().items())


@scenario
def partial_loads(lib, record):
    m = net(lib)
    state = {"2.bias": lib.ones(2), "unknown": lib.ones(1)}
    record(m.load_state_dict(state, strict=False), values(m))


@scenario
def conversions_on_the_way(lib, record):
    m = net(lib)
    state = {name: value.double() for name, value in state_of(lib).items()}
    m.load_state_dict(state)
    record(values(m), m[2].weight.dtype == lib.float32)


@scenario
def values_that_need_gradients(lib, record):
    m = lib.nn.Linear(2, 2)
    m.load_state_dict({"weight": tensor(lib, 2, 2, grad=True), "bias": tensor(lib, 2, grad=True) * 2})
    record(values(m), m.weight.is_leaf, m.bias.grad_fn)


@scenario
def the_state_dict_of_the_caller_stays(lib, record):
    state = state_of(lib)
    m = net(lib)
    m.register_load_state_dict_pre_hook(lambda mod, state, *rest: state.pop("2.bias"))
    record(m.load_state_dict(state, strict=False), "2.bias" in state)


@scenario
def loading_inside_no_grad_mode(lib, record):
    m = net(lib)
    m.load_state_dict(state_of(lib))
    record(lib.is_grad_enabled(), m(tensor(lib, 3, 3)).requires_grad)


@scenario
def loading_under_a_prefix(lib, record):
    inner = lib.nn.Linear(2, 2)
    missing, unexpected, errors = [], [], []
    state = {"p.weight": lib.ones(2, 2), "p.bias": lib.ones(2), "p.x": lib.ones(1), "q": lib.ones(1)}
    inner._load_from_state_dict(state, "p.", {}, True, missing, unexpected, errors)
    record(missing, unexpected, errors, values(inner))
    inner._load_from_state_dict({}, "p.", {}, False, missing, unexpected, errors)
    record(missing, unexpected, errors)


# assign


@scenario
def assign_takes_the_tensors(lib, record):
    m = net(lib)
    m[2].weight.requires_grad_(False)
    state = {name: value.double() if value.is_floating_point() else value for name, value in state_of(lib).items()}
    record(m.load_state_dict(state, assign=True))
    record(m[2].weight.dtype == lib.float64, m[2].weight.requires_grad, m[2].bias.requires_grad)
    record(m[2].weight.data_ptr() == state["2.weight"].data_ptr(), isinstance(m[2].weight, lib.nn.Parameter))
    record(m[0][1].running_mean is state["0.1.running_mean"], values(m))


@scenario
def assign_of_parameters(lib, record):
    m = lib.nn.Linear(2, 2)
    m.bias.requires_grad_(False)
    given = lib.nn.Parameter(lib.ones(2, 2)), lib.nn.Parameter(lib.ones(2))
    m.load_state_dict({"weight": given[0], "bias": given[1]}, assign=True)
    record(m.weight is given[0], m.bias is given[1], m.bias.requires_grad)


@scenario
def assign_reports_too(lib, record):
    record.error(lambda: net(lib).load_state_dict(spoilt(lib, "missing, unexpected, shape"), assign=True))


@scenario
def assign_reaches_overrides(lib, record):
    class Mine(lib.nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            record(dict(local_metadata))
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    m = Mine(2, 2)
    weight = lib.ones(2, 2)
    m.load_state_dict({"weight": weight, "bias": lib.ones(2)}, assign=True)
    record(m.weight.data_ptr() == weight.data_ptr())


def test_assign_keeps_ties(rsnn):
    m = rsnn.nn.ModuleList([rsnn.nn.Linear(2, 2), rsnn.nn.Linear(2, 2)])
    m[1].weight = m[0].weight
    m.load_state_dict({name: value.clone() for name, value in m.state_dict().items()}, assign=True)
    assert m[0].weight is m[1].weight
    assert m[0].bias is not m[1].bias


def test_assign_does_not_stay_in_the_metadata(rsnn):
    state = rsnn.nn.Linear(2, 2).state_dict()
    rsnn.nn.Linear(2, 2).load_state_dict(state, assign=True)
    m = rsnn.nn.Linear(2, 2)
    m.load_state_dict(state)
    assert m.weight.data_ptr() != state["weight"].data_ptr()
    assert state._metadata == {"": {"version": 1}}


# Hooks and overrides


@scenario
def load_pre_hooks(lib, record):
    m = lib.nn.Sequential(lib.nn.Linear(2, 2))

    def rename(mod, state, prefix, meta, strict, missing, unexpected, errors):
        record(mod is m[0], prefix, dict(meta), strict, missing, unexpected, errors, sorted(state))
        state[prefix + "weight"] = state.pop(prefix + "old_weight")

    m[0].register_load_state_dict_pre_hook(rename)
    m[0]._register_load_state_dict_pre_hook(lambda state, prefix, *rest: record("second", sorted(state)))
    record(m.load_state_dict({"0.old_weight": lib.ones(2, 2), "0.bias": lib.zeros(2)}), values(m))


@scenario
def load_pre_hooks_rename_for_children(lib, record):
    m = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 2))

    def rename(state, prefix, *rest):
        for key in list(state):
            state[key.replace("module.", "")] = state.pop(key)

    m._register_load_state_dict_pre_hook(rename)
    record(m.load_state_dict({"module." + name: value * 0 for name, value in m.state_dict().items()}), values(m))


@scenario
def load_pre_hooks_report(lib, record):
    def complain(state, prefix, meta, strict, missing, unexpected, errors):
        missing.append("made up")
        unexpected.append("also made up")
        errors.append("something is wrong")

    m = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Linear(1, 1))
    m[1]._register_load_state_dict_pre_hook(complain)
    record.error(lambda: m.load_state_dict(m.state_dict()))


@scenario
def load_post_hooks(lib, record):
    m = net(lib)
    order = []
    for name, module in m.named_modules():
        module.register_load_state_dict_post_hook(
            lambda mod, keys, name=name: order.append((name, list(keys.missing_keys), list(keys.unexpected_keys)))
        )
    m.load_state_dict(spoilt(lib, "missing, unexpected"), strict=False)
    record(order)


@scenario
def load_post_hooks_see_loaded_values(lib, record):
    m = net(lib)
    m[0].register_load_state_dict_post_hook(lambda mod, keys: record(m[0][0].weight, m[2].weight))
    m.load_state_dict(state_of(lib))


@scenario
def load_post_hooks_forgive(lib, record):
    m = net(lib)
    m.register_load_state_dict_post_hook(lambda mod, keys: (keys.missing_keys.clear(), keys.unexpected_keys.clear())[2:] or None)
    record(m.load_state_dict(spoilt(lib, "missing, unexpected")), values(m))


@scenario
def load_post_hooks_return_none(lib, record):
    m = net(lib)
    m.register_load_state_dict_post_hook(lambda mod, keys: 3)
    record.error(lambda: m.load_state_dict(state_of(lib)))


@scenario
def order_of_reports_around_overrides(lib, record):
    class Mine(lib.nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
            record(list(missing), list(unexpected), len(errors))
            super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
            record(list(missing), list(unexpected), len(errors))

    m = lib.nn.Sequential(lib.nn.Linear(1, 1), Mine(1, 1), lib.nn.Linear(1, 1))
    state = {"0.x": lib.ones(1), "1.y": lib.ones(1), "1.weight": lib.ones(2, 2), "2.bias": lib.ones(3)}
    record.error(lambda: m.load_state_dict(state))


@scenario
def an_override_sees_what_it_loaded(lib, record):
    class Mine(lib.nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            state_dict[prefix + "bias"] = state_dict.pop(prefix + "old") + 1
            super()._load_from_state_dict(state_dict, prefix, *rest)
            record(self.weight, self.bias)

    m = lib.nn.Sequential(lib.nn.Linear(1, 1), Mine(2, 2))
    state = m.state_dict()
    state["1.old"] = state.pop("1.bias")
    record(m.load_state_dict({name: value * 0 for name, value in state.items()}))


@scenario
def an_override_without_super(lib, record):
    class Skips(lib.nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
            record(sorted(state_dict), dict(local_metadata))

    record(lib.nn.Sequential(Skips(1, 1)).load_state_dict({"0.anything": 1}))


@scenario
def overrides_get_versions(lib, record):
    class Mine(lib.nn.Linear):
        _version = 4

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            record(local_metadata.get("version"), isinstance(local_metadata, dict), type(state_dict).__name__)
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    m = lib.nn.Sequential(Mine(1, 1))
    m.load_state_dict(m.state_dict())
    m.load_state_dict(dict(m.state_dict()))
    lone = Mine(1, 1)
    lone.load_state_dict(lone.state_dict())


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_load_state_dict(same, each):
    same(each)
