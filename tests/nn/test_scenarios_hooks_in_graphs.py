"""Hooks of modules where the graph is not the plain one, against torch: double backward, checkpointing, odd outputs."""

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def linear(lib, seed=0, i=2, o=2):
    return fill(lib, lib.nn.Linear(i, o), seed)


@scenario
def double_backward_through_full_hooks(lib, record):
    m = lib.nn.Sequential(linear(lib), lib.nn.Tanh(), linear(lib, 3))
    for layer in m:
        layer.register_full_backward_hook(lambda mod, gi, go: record(gi, go))
    x = tensor(lib, 3, 2, grad=True)
    (g,) = lib.autograd.grad(m(x).sum(), x, create_graph=True)
    g.pow(2).sum().backward()
    record(x.grad, m[0].weight.grad)


@scenario
def backward_twice_with_a_kept_graph(lib, record):
    m = linear(lib)
    seen = []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append(1))
    m.register_full_backward_pre_hook(lambda mod, go: seen.append(2))
    x = tensor(lib, 3, 2, grad=True)
    y = m(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    record(seen, x.grad, m.weight.grad)


@scenario
def hooks_under_checkpoint(lib, record):
    m = linear(lib)
    seen = []
    m.register_forward_hook(lambda *a: seen.append("f"))
    m.register_forward_pre_hook(lambda *a: seen.append("p"))
    x = tensor(lib, 3, 2, grad=True)
    lib.utils.checkpoint.checkpoint(m, x, use_reentrant=False).sum().backward()
    record(seen, x.grad)


@scenario
def full_hook_of_a_recurrent_layer(lib, record):
    m = fill(lib, lib.nn.LSTM(2, 3))
    m.register_full_backward_hook(lambda mod, gi, go: record(len(gi), len(go), gi[0], go[0]))
    x = tensor(lib, 4, 1, 2, grad=True)
    record.error(lambda: m(x)[0].sum().backward())
    record(x.grad)


@scenario
def only_a_pre_hook_and_no_input_needs_a_gradient(lib, record):
    m = linear(lib)
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    record.warns(lambda: m(tensor(lib, 3, 2)).sum().backward(), "since no inputs require gradients")
    record(m.weight.grad)


@scenario
def a_module_that_returns_its_input(lib, record):
    m = lib.nn.Identity()
    m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 3,))
    x = tensor(lib, 2, grad=True)
    y = m(x)
    record(y is x)
    y.sum().backward()
    record(x.grad)


@scenario
def an_output_of_none(lib, record):
    class N(lib.nn.Module):
        def forward(self, x):
            return None

    m = N()
    m.register_full_backward_hook(lambda *a: None)
    record.warned(lambda: m(tensor(lib, 2, grad=True)))
    m = N()
    m.register_backward_hook(lambda *a: None)
    record.error(lambda: m(tensor(lib, 2, grad=True)))
    m = N()
    m.register_forward_hook(lambda mod, a, out: record(out))
    m(1)


@scenario
def old_hooks_and_odd_outputs(lib, record):
    class N(lib.nn.Module):
        def forward(self, x):
            return self.out

    for out in ((), [], {}, "", 3):
        m = N()
        m.out = out
        m.register_backward_hook(lambda *a: None)
        record.error(lambda m=m: m(tensor(lib, 2, grad=True)))


@scenario
def global_backward_hooks(lib, record):
    M = lib.nn.modules.module
    m = lib.nn.Sequential(linear(lib), linear(lib, 2))
    names = {m: "s", m[0]: "0", m[1]: "1"}
    handles = [
        M.register_module_full_backward_hook(lambda mod, gi, go: record(names[mod], gi)),
        M.register_module_full_backward_pre_hook(lambda mod, go: record("pre " + names[mod])),
    ]
    try:
        x = tensor(lib, 1, 2, grad=True)
        m(x).sum().backward()
        record(x.grad)
        record.error(lambda: M.register_module_backward_hook(lambda *a: None))
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_hooks_in_graphs(same, each):
    same(each)
