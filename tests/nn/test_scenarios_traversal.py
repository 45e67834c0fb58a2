"""Walks over a Module, what is set on all of it, printing and stateless calls, against torch."""

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def net(lib):
    nn = lib.nn
    torso = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4))
    return fill(lib, nn.Sequential(torso, nn.Dropout(0.5), nn.Linear(4, 2)))


# Walks


def shared(lib):
    nn = lib.nn
    m = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2)})
    m["b"].weight = m["a"].weight
    m["c"] = m["a"]
    m["none"] = nn.Identity()
    m._modules["none"] = None
    m["norm2"] = nn.BatchNorm1d(2)
    m["norm2"].running_mean = m["norm"].running_mean
    return m


@pytest.mark.parametrize("remove_duplicate", [True, False])
@pytest.mark.parametrize("recurse", [True, False])
@pytest.mark.parametrize("prefix", ["", "top"])
def test_named_members(same, prefix, recurse, remove_duplicate):
    def walk(lib, record):
        m = shared(lib)
        m.own = lib.nn.Parameter(lib.ones(1))
        m.register_parameter("absent", None)
        options = {"prefix": prefix, "recurse": recurse, "remove_duplicate": remove_duplicate}
        record([name for name, _ in m.named_parameters(**options)], [name for name, _ in m.named_buffers(**options)])
        record([name for name, _ in m.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)])
        record(len(list(m.parameters(recurse))), len(list(m.buffers(recurse))))

    same(walk)


@scenario
def children_and_modules(lib, record):
    m = shared(lib)
    record([name for name, _ in m.named_children()], len(list(m.children())), len(list(m.modules())))
    record(len(list(m.modules(remove_duplicate=False))))


@scenario
def named_modules_with_a_memo(lib, record):
    m = shared(lib)
    memo = {m["a"]}
    record([name for name, _ in m.named_modules(memo)], len(memo))


@scenario
def walks_are_generators(lib, record):
    m = net(lib)
    for walk in (m.parameters(), m.named_parameters(), m.buffers(), m.children(), m.modules(), m.named_modules()):
        record(type(walk).__name__)


@scenario
def named_members_of_ones_own(lib, record):
    m = net(lib)
    record([name for name, _ in m._named_members(lambda module: [("kind", type(module).__name__)])])


@scenario
def submodule_paths(lib, record):
    m = net(lib)
    record(m.get_submodule("") is m, m.get_submodule("0.2") is m[0][2])
    for path in ("9", "0.9.1", "0.0.weight", "0.training", "0..1"):
        record.error(lambda path=path: m.get_submodule(path))


@scenario
def set_submodule(lib, record):
    m = net(lib)
    m.set_submodule("0.1", lib.nn.Tanh())
    m.set_submodule("new", lib.nn.GELU())
    m.set_submodule("0", lib.nn.ReLU(), strict=True)
    record(repr(m))
    record.error(lambda: m.set_submodule("", lib.nn.ReLU()))
    record.error(lambda: m.set_submodule("2", 3))
    record.error(lambda: m.set_submodule("2.weight", lib.nn.ReLU()))
    record.error(lambda: m.set_submodule("missing", lib.nn.ReLU(), strict=True))
    record.error(lambda: m.set_submodule("no.way", lib.nn.ReLU()))


@scenario
def parameter_and_buffer_paths(lib, record):
    m = net(lib)
    record(m.get_parameter("2.bias"), m.get_buffer("0.2.running_var"))
    for path in ("2.nothing", "2.in_features", "0.2.running_mean", "x.weight"):
        record.error(lambda path=path: m.get_parameter(path))
    for path in ("2.bias", "0.2.nothing", "0.2.eps"):
        record.error(lambda path=path: m.get_buffer(path))


# Everything at once


@scenario
def apply_goes_depth_first(lib, record):
    m = shared(lib)
    seen = []
    record(m.apply(lambda module: seen.append(type(module).__name__)) is m, seen)


@scenario
def modes(lib, record):
    m = net(lib)
    record(m.eval() is m, [c.training for c in m.modules()], m.train() is m, [c.training for c in m.modules()])
    m[0].eval()
    record(m.training, [c.training for c in m.modules()])
    record.error(lambda: m.train(1))
    record.error(lambda: m.train(None))


@scenario
def an_overridden_train_is_called(lib, record):
    class Frozen(lib.nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    m = lib.nn.Sequential(Frozen(2))
    record(m.train()[0].training, m.training)


@scenario
def requires_grad(lib, record):
    m = shared(lib)
    record(m.requires_grad_(False) is m, any(p.requires_grad for p in m.parameters()))
    m["a"].requires_grad_()
    record([p.requires_grad for p in m.parameters()])


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(same, set_to_none):
    def zero(lib, record):
        m = fill(lib, lib.nn.Linear(3, 2))
        m(tensor(lib, 4, 3)).square().sum().backward(create_graph=True)
        before = m.weight.grad
        m.zero_grad(set_to_none=set_to_none)
        record(m.weight.grad is None, m.weight.grad is before)
        if not set_to_none:
            record(m.weight.grad, m.weight.grad.requires_grad, m.bias.grad)

    same(zero)


@scenario
def zero_grad_of_a_replica(lib, record):
    replica = lib.nn.Linear(1, 1)._replicate_for_data_parallel()
    record.warned(replica.zero_grad)
    record(list(replica._parameters), replica._is_replica)


@scenario
def share_memory(lib, record):
    m = lib.nn.BatchNorm1d(2)
    weight = m.weight
    record(m.share_memory() is m, m.weight is weight, m.num_batches_tracked)


@scenario
def stateless_calls(lib, record):
    m = net(lib).eval()
    x = tensor(lib, 2, 3)
    given = {name: value * 0 + 1 for name, value in m.state_dict().items()}
    record(lib.func.functional_call(m, given, (x,)), m(x), lib.func.functional_call(m, {"2.bias": lib.ones(2)}, x))
    given["nope"] = lib.ones(1)
    record.raises(lambda: lib.func.functional_call(m, given, (x,), strict=True), "nope")
    record(m(x))


@scenario
def the_gradient_of_a_stateless_call(lib, record):
    m = fill(lib, lib.nn.Linear(2, 1))
    params = {name: param.detach() for name, param in m.named_parameters()}
    x = tensor(lib, 3, 2)
    grads = lib.func.grad(lambda p: lib.func.functional_call(m, p, (x,)).square().sum())(params)
    record(sorted(grads), grads["weight"], grads["bias"], m.weight.grad)


# Printing


@scenario
def an_empty_module(lib, record):
    record(repr(lib.nn.Module()), str(lib.nn.Sequential()), lib.nn.Module()._get_name())


@pytest.mark.parametrize("extra", ["", "one", "two\nlines", "blank\n\nbetween", " "])
@pytest.mark.parametrize("children", [0, 1])
def test_repr(same, extra, children):
    def show(lib, record):
        class Mine(lib.nn.Module):
            def extra_repr(self):
                return extra

        m = Mine()
        if children:
            m.child = Mine()
            m.child.grandchild = lib.nn.ReLU()
            m._modules["gone"] = None
        record(repr(m))

    same(show)


@scenario
def repeated_layers_are_folded(lib, record):
    nn = lib.nn
    blocks = [nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3)]
    record(repr(nn.ModuleList([*blocks, nn.Tanh(), nn.Tanh(), nn.ReLU()])), repr(nn.ModuleList()))


@scenario
def repr_of_a_child_with_a_blank_line(lib, record):
    class Text(lib.nn.Module):
        def __repr__(self):
            return "first\n\n  last"

    record(repr(lib.nn.Sequential(Text())), lib.nn.modules.module._addindent("a\nb\n \nc", 3))


@scenario
def get_name_is_what_repr_shows(lib, record):
    class Mine(lib.nn.Linear):
        def _get_name(self):
            return "Named"

    record(repr(Mine(1, 1)))
    record.error(lambda: Mine(1, 1).get_submodule("q"))


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_traversal(same, each):
    same(each)
