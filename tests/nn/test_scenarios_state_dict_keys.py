"""Keys of state dicts against torch: which are wrong, which layouts of a module fit another, what loading converts."""

from collections import OrderedDict

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def linear(lib, seed=0, i=2, o=2):
    return fill(lib, lib.nn.Linear(i, o), seed)


@scenario
def a_prefix_is_taken_off(lib, record):
    m = linear(lib)
    s = OrderedDict(("module." + k, v) for k, v in m.state_dict().items())
    s._metadata = OrderedDict([("", {}), ("module", {"version": 1})])
    lib.nn.modules.utils.consume_prefix_in_state_dict_if_present(s, "module.")
    record(list(s), dict(s._metadata), m.load_state_dict(s))


@scenario
def odd_keys(lib, record):
    m = lib.nn.Sequential(linear(lib), linear(lib))
    s = m.state_dict()
    for extra in (
        "0",
        "",
        ".",
        "0.",
        "0.weight.x",
        "00.weight",
        "2.weight",
        "0..weight",
        ".0.weight",
        "weight",
        "0.training",
        "_extra_state",
        "0._extra_state",
        "0._extra_state.x",
    ):
        d = OrderedDict(s)
        d[extra] = lib.ones(1)
        record(extra)
        record.error(lambda d=d: m.load_state_dict(d))
        record(m.load_state_dict(d, strict=False))


@scenario
def two_prefix_names(lib, record):
    m = lib.nn.ModuleDict({"a": linear(lib), "ab": linear(lib), "a_b": linear(lib)})
    s = OrderedDict(m.state_dict())
    del s["ab.weight"]
    s["ab.w"] = lib.ones(1)
    s["a.ab.weight"] = lib.ones(1)
    record.error(lambda: m.load_state_dict(s))


@scenario
def strides_and_dtypes_of_the_checkpoint(lib, record):
    m = linear(lib, i=3, o=2)
    w = tensor(lib, 3, 2)
    m.load_state_dict({"weight": w.t(), "bias": lib.ones(2, dtype=lib.float64)})
    record(m.weight, m.bias, m.weight.is_contiguous())


@scenario
def integers_cannot_become_parameters(lib, record):
    m = linear(lib)
    record.raises(
        lambda: m.load_state_dict({"weight": lib.ones(2, 2, dtype=lib.int64), "bias": lib.ones(2)}, assign=True),
        "nly Tensors of floating point",
    )
    record([str(p.dtype)[-7:] for p in m.parameters()])


@scenario
def a_frozen_weight_loads(lib, record):
    m = linear(lib)
    m.weight.requires_grad_(False)
    s = {k: v + 1 for k, v in m.state_dict().items()}
    m.load_state_dict(s)
    record(m.weight.requires_grad, m.bias.requires_grad, m.weight)


@scenario
def state_dict_hook_that_replaces(lib, record):
    m = lib.nn.Sequential(linear(lib))
    m._register_state_dict_hook(lambda mod, d, p, meta: {"only": 1})
    record(m.state_dict())
    n = lib.nn.Sequential(m)
    record(list(n.state_dict()))


@scenario
def positional_arguments(lib, record):
    m = linear(lib)
    d = OrderedDict()
    record(list(record.warned(lambda: m.state_dict(d, "x.", True))), d["x.weight"] is m.weight)


@scenario
def keys_of_attention(lib, record):
    a = lib.nn.MultiheadAttention(4, 2)
    b = lib.nn.MultiheadAttention(4, 2, kdim=3, vdim=3)
    record(list(a.state_dict()), list(b.state_dict()))
    record.error(lambda: a.load_state_dict(b.state_dict()))


@scenario
def old_weight_norm_loads_into_the_new(lib, record):
    m = lib.nn.utils.weight_norm(linear(lib))
    n = lib.nn.utils.parametrizations.weight_norm(linear(lib, 5))
    record(list(m.state_dict()), list(n.state_dict()), n.load_state_dict(m.state_dict()), n.weight)


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_state_dict_keys(same, each):
    same(each)
