"""state_dict against torch: contents, metadata, hooks, extra state, old checkpoints."""

import copy
from collections import OrderedDict

import pytest
from harness import Scenarios, fill, tensor
from small_net import net, values

scenario = Scenarios()


# Saving


@scenario
def contents(lib, record):
    state = net(lib).state_dict()
    record(type(state).__name__, dict(state), {key: dict(value) for key, value in state._metadata.items()})
    record(type(state._metadata).__name__)


@scenario
def saved_tensors_are_detached_and_share_memory(lib, record):
    m = net(lib)
    state = m.state_dict()
    record([value.requires_grad for value in state.values()], [type(value).__name__ for value in state.values()])
    record(state["2.bias"].data_ptr() == m[2].bias.data_ptr())
    with lib.no_grad():
        m[2].bias.zero_()
    record(state["2.bias"])


@scenario
def keep_vars(lib, record):
    m = net(lib)
    state = m.state_dict(keep_vars=True)
    record(state["2.bias"] is m[2].bias, state["0.1.running_mean"] is m[0][1].running_mean)


@scenario
def prefixes(lib, record):
    state = net(lib).state_dict(prefix="model.")
    record(list(state), list(state._metadata))


@scenario
def a_destination_of_ones_own(lib, record):
    plain = {"first": 1}
    record(net(lib).state_dict(destination=plain) is plain, list(plain))
    ordered = OrderedDict()
    ordered._metadata = OrderedDict()
    net(lib).state_dict(destination=ordered, prefix="a.")
    lib.nn.Linear(1, 1).state_dict(destination=ordered, prefix="b.")
    record(list(ordered), list(ordered._metadata))


@scenario
def positional_arguments(lib, record):
    target = OrderedDict()
    state = record.warned(lambda: lib.nn.Linear(1, 1).state_dict(target, "p.", True))
    record(state is target, list(state), state["p.bias"].requires_grad, hasattr(target, "_metadata"))
    state = record.warned(lambda: lib.nn.Linear(1, 1).state_dict(OrderedDict(), "no.", prefix="yes."))
    record(list(state))


@scenario
def absent_and_shared_members(lib, record):
    m = lib.nn.ModuleDict({"a": lib.nn.Linear(2, 2, bias=False), "b": lib.nn.Linear(2, 2)})
    m["b"].weight = m["a"].weight
    m["c"] = m["a"]
    m._modules["gone"] = None
    m.register_buffer("none", None)
    m.register_buffer("kept", lib.ones(1))
    m.register_buffer("left_out", lib.ones(1), persistent=False)
    state = m.state_dict()
    record(list(state), state["a.weight"].data_ptr() == state["c.weight"].data_ptr(), list(state._metadata))


@scenario
def versions(lib, record):
    class Mine(lib.nn.Module):
        _version = 7

    m = lib.nn.Sequential(Mine(), lib.nn.BatchNorm1d(1))
    record({key: dict(value) for key, value in m.state_dict()._metadata.items()})


@scenario
def an_overridden_save(lib, record):
    class Mine(lib.nn.Linear):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "version"] = 3
            record(prefix, keep_vars)

    record(list(lib.nn.Sequential(Mine(1, 1)).state_dict(keep_vars=True)))


@scenario
def an_overridden_state_dict(lib, record):
    class Mine(lib.nn.Linear):
        def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
            record(args, prefix, keep_vars, destination is None)
            return super().state_dict(*args, destination=destination, prefix=prefix + "inner.", keep_vars=keep_vars)

    record(list(lib.nn.Sequential(Mine(1, 1)).state_dict()))


@scenario
def save_hooks(lib, record):
    m = lib.nn.Sequential(lib.nn.Linear(1, 1))
    m.register_state_dict_pre_hook(lambda mod, prefix, keep_vars: record("pre", prefix, keep_vars))
    m[0].register_state_dict_pre_hook(lambda mod, prefix, keep_vars: record("inner pre", prefix))
    m[0].register_state_dict_post_hook(lambda mod, state, prefix, meta: record("inner post", list(state), meta))
    m._register_state_dict_hook(lambda mod, state, prefix, meta: {"replaced": len(state)})
    m._register_state_dict_hook(lambda mod, state, prefix, meta: record("last", state))
    record(m.state_dict())


@scenario
def post_hooks_return_none(lib, record):
    m = lib.nn.Linear(1, 1)
    hook = lambda mod, state, prefix, meta: state  # noqa: E731
    handle = m.register_state_dict_post_hook(hook)
    record.error(m.state_dict)
    record.error(lambda: m._register_state_dict_hook(hook))
    handle.remove()
    record(list(m.state_dict()), hook._from_public_api)


# Extra state


def with_extra(lib):
    class Extra(lib.nn.Linear):
        def __init__(self, *args):
            super().__init__(*args)
            self.count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]
            self.seen = float(self.bias.sum())

    return lib.nn.Sequential(fill(lib, Extra(2, 2)), lib.nn.ReLU())


@scenario
def extra_state(lib, record):
    m = with_extra(lib)
    state = m.state_dict()
    record(list(state), state["0._extra_state"])
    state["0._extra_state"] = {"count": 9}
    state["0.bias"] = lib.ones(2)
    record(m.load_state_dict(state), m[0].count, m[0].seen)


@scenario
def extra_state_that_is_missing_or_unexpected(lib, record):
    state = with_extra(lib).state_dict()
    del state["0._extra_state"]
    record.error(lambda: with_extra(lib).load_state_dict(state))
    record(with_extra(lib).load_state_dict(state, strict=False))
    state["0._extra_state"], state["1._extra_state"], state["_extra_state"] = {"count": 1}, 2, 3
    record.error(lambda: with_extra(lib).load_state_dict(state))


@scenario
def half_of_the_extra_state(lib, record):
    class Half(lib.nn.Module):
        def get_extra_state(self):
            return 1

    record.raises(lambda: Half().load_state_dict(Half().state_dict()), '"_extra_state"')
    record.raises(lambda: lib.nn.Module().get_extra_state(), "Reached a code path in Module.get_extra_state()")
    record.raises(lambda: lib.nn.Module().set_extra_state(1), "Reached a code path in Module.set_extra_state()")


@scenario
def extra_state_that_fails(lib, record):
    m = with_extra(lib)
    state = m.state_dict()
    state["0._extra_state"] = {}
    record.error(lambda: m.load_state_dict(state))


# Old checkpoints


@pytest.mark.parametrize("version", [None, 1, 2])
def test_old_batch_norm(same, version):
    def load(lib, record):
        m = lib.nn.Sequential(lib.nn.BatchNorm1d(2))
        state = m.state_dict()
        del state["0.num_batches_tracked"]
        m[0].num_batches_tracked.fill_(5)
        if version is None:
            state = dict(state)
        else:
            state._metadata["0"]["version"] = version
        record.error(lambda: record(m.load_state_dict(state)))
        record(m[0].num_batches_tracked)

    same(load)


@scenario
def old_instance_norm(lib, record):
    stats = {"running_mean": lib.zeros(2), "running_var": lib.ones(2)}
    record.raises(
        lambda: lib.nn.InstanceNorm1d(2).load_state_dict(stats),
        'Unexpected running stats buffer(s) "running_mean" and "running_var" for InstanceNorm1d with track_running_stats=False',
    )


@scenario
def old_weight_norm(lib, record):
    m = lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(2, 3))
    state = m.state_dict()
    old = {"weight_g": lib.ones(3, 1), "weight_v": tensor(lib, 3, 2), "bias": lib.zeros(3)}
    record(list(state), m.load_state_dict(old), m.weight)


@scenario
def attention_of_another_layout(lib, record):
    packed = lib.nn.MultiheadAttention(4, 2)
    separate = lib.nn.MultiheadAttention(4, 2, kdim=3, vdim=3)
    record(list(packed.state_dict()), list(separate.state_dict()))
    record.error(lambda: packed.load_state_dict(separate.state_dict()))


@scenario
def a_zero_dimensional_tensor_of_one_element(lib, record):
    m = lib.nn.Module()
    m.scale = lib.nn.Parameter(lib.tensor(1.0))
    m.load_state_dict({"scale": lib.tensor([5.0])})
    record(m.scale)
    record.error(lambda: m.load_state_dict({"scale": lib.ones(2)}))
    record.error(lambda: m.load_state_dict({"scale": lib.ones(1, 1)}))


@scenario
def lazy_modules(lib, record):
    m = lib.nn.Sequential(lib.nn.LazyLinear(2))
    record(list(m.state_dict()), m.load_state_dict({"0.weight": lib.ones(2, 3), "0.bias": lib.zeros(2)}))
    record(tuple(m[0].weight.shape), m(lib.ones(1, 3)))
    record.raises(
        lambda: lib.nn.Linear(3, 2).load_state_dict(lib.nn.LazyLinear(2).state_dict()),
        "Can't access the shape of an uninitialized parameter or buffer",
    )


@scenario
def copies_of_a_state_dict(lib, record):
    m = net(lib)
    saved = copy.deepcopy(m.state_dict())
    with lib.no_grad():
        for param in m.parameters():
            param.zero_()
    record(m.load_state_dict(saved), values(m), {k: dict(v) for k, v in saved._metadata.items()})


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_state_dict(same, each):
    same(each)
