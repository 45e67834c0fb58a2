"""Backward hooks of modules against torch: full ones, the old kind, and those of tensors behind modules."""

import warnings

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def linear(lib, seed=0):
    return fill(lib, lib.nn.Linear(2, 2), seed)


def halved(module, grad_input, grad_output):
    return tuple(None if grad is None else grad * 0.5 for grad in grad_input)


# Full backward hooks


@scenario
def full_backward_hooks(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda mod, gi, go: record(gi, go))
    x = tensor(lib, 3, 2, grad=True)
    m(x).square().sum().backward()
    record(x.grad, m.weight.grad)


@scenario
def full_backward_hooks_change_gradients_of_inputs(lib, record):
    m = lib.nn.Sequential(linear(lib), linear(lib, 3))
    m[1].register_full_backward_hook(halved)
    m[1].register_full_backward_hook(lambda mod, gi, go: record(gi))
    x = tensor(lib, 3, 2, grad=True)
    m(x).square().sum().backward()
    record(x.grad, [p.grad for p in m.parameters()])


@scenario
def full_backward_pre_hooks_change_gradients_of_outputs(lib, record):
    m = linear(lib)
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    m.register_full_backward_pre_hook(lambda mod, go: record("first", go), prepend=True)
    m.register_full_backward_hook(lambda mod, gi, go: record(gi, go))
    x = tensor(lib, 3, 2, grad=True)
    m(x).sum().backward()
    record(x.grad, m.weight.grad)


@scenario
def prepended_full_backward_hooks(lib, record):
    m = linear(lib)
    order = []
    m.register_full_backward_hook(lambda *a: order.append("second"))
    m.register_full_backward_hook(lambda *a: order.append("first"), prepend=True)
    m(tensor(lib, 1, 2, grad=True)).sum().backward()
    record(order)


@scenario
def no_input_needs_a_gradient(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda mod, gi, go: record(gi, go))
    out = m(tensor(lib, 1, 2))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        out.sum().backward()
    record(["no inputs require gradients" in str(w.message) for w in seen], m.weight.grad)
    m = linear(lib)
    m.register_full_backward_hook(lambda mod, gi, go: (go[0],))
    record.raises(
        lambda: m(tensor(lib, 1, 2)).sum().backward(),
        "Backward hook for Modules where no input requires gradient should always return None",
    )


@pytest.mark.parametrize("size", [0, 2, 3])
def test_wrong_number_of_gradients(same, size):
    def wrong(lib, record):
        m = linear(lib)
        m.register_full_backward_hook(lambda mod, gi, go: (gi[0],) * size)
        record.error(lambda: m(tensor(lib, 1, 2, grad=True)).sum().backward())
        m = linear(lib)
        m.register_full_backward_pre_hook(lambda mod, go: (go[0],) * size)
        record.error(lambda: m(tensor(lib, 1, 2, grad=True)).sum().backward())

    same(wrong)


@scenario
def a_tensor_in_place_of_a_tuple_of_gradients(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda mod, gi, go: gi[0])
    record.error(lambda: m(tensor(lib, 4, 2, grad=True)).sum().backward())


@scenario
def several_inputs_and_outputs(lib, record):
    class Pair(lib.nn.Module):
        def forward(self, a, text, b):
            return a * b, text, a + 1

    m = Pair()
    m.register_full_backward_hook(lambda mod, gi, go: record(gi, go))
    a, b = tensor(lib, 2, grad=True), tensor(lib, 2, seed=5)
    first, text, last = m(a, "text", b)
    record(text)
    (first.sum() + 2 * last.sum()).backward()
    record(a.grad)


@scenario
def an_output_that_is_not_used(lib, record):
    class Pair(lib.nn.Module):
        def forward(self, a):
            return a * 2, a * 3

    m = Pair()
    m.register_full_backward_hook(lambda mod, gi, go: record([g is None for g in go], gi))
    a = tensor(lib, 2, grad=True)
    m(a)[1].sum().backward()
    record(a.grad)


@pytest.mark.parametrize("kind", ["dict", "list", "number"])
def test_outputs_without_backward_hooks(same, kind):
    def nested(lib, record):
        class Nested(lib.nn.Module):
            def forward(self, x):
                return {"dict": {"out": x * 2}, "list": [x * 2], "number": 3}[kind]

        m = Nested()
        m.register_full_backward_hook(lambda *a: record("not called"))
        x = tensor(lib, 2, grad=True)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                out = m(x)
            except Exception as error:
                record(type(error).__name__)
                out = None
        record(["For backward hooks to be called, module output should be" in str(w.message) for w in seen])
        record(type(out).__name__)

    same(nested)


@scenario
def keyword_inputs_have_no_backward_hook(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda mod, gi, go: record(gi))
    x = tensor(lib, 1, 2, grad=True)
    m(input=x).sum().backward()
    record(x.grad)


@scenario
def backward_hooks_without_recording(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda *a: record("not called"))
    m.register_full_backward_pre_hook(lambda *a: record("not called"))
    with lib.no_grad():
        out = m(tensor(lib, 1, 2, grad=True))
    record(out, out.requires_grad)


@scenario
def in_place_behind_a_full_backward_hook(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda *a: None)
    out = m(tensor(lib, 1, 2, grad=True))
    record.raises(lambda: out.mul_(2), "is a view and is being modified inplace")
    record.raises(lambda: out.relu_(), "This view was created inside a custom Function")


@scenario
def in_place_inside_a_module_with_a_full_backward_hook(lib, record):
    class InPlace(lib.nn.Module):
        def forward(self, x):
            return x.mul_(2)

    m = InPlace()
    m.register_full_backward_hook(lambda *a: None)
    x = tensor(lib, 1, 2, grad=True)
    record.raises(lambda: m(x * 1), "is a view and is being modified inplace")


@scenario
def a_full_backward_hook_that_raises(lib, record):
    def bad(mod, gi, go):
        raise KeyError("in backward")

    m = linear(lib)
    handle = m.register_full_backward_hook(bad)
    record.error(lambda: m(tensor(lib, 1, 2, grad=True)).sum().backward())
    handle.remove()
    m.zero_grad()
    m(tensor(lib, 1, 2)).sum().backward()
    record(m.bias.grad)


@scenario
def a_module_called_twice(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda mod, gi, go: record(gi, go))
    x = tensor(lib, 1, 2, grad=True)
    m(m(x)).sum().backward()
    record(x.grad)


@scenario
def the_graph_keeps_hooks_that_were_removed(lib, record):
    m = linear(lib)
    handle = m.register_full_backward_hook(lambda *a: record("called"))
    out = m(tensor(lib, 1, 2, grad=True))
    handle.remove()
    out.sum().backward()
    record(len(m._backward_hooks))


@scenario
def outputs_behind_a_full_backward_hook(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(lambda *a: None)
    out = m(tensor(lib, 1, 2, grad=True))
    record(type(out.grad_fn).__name__, out.grad_fn.name(), out.requires_grad)


@scenario
def a_named_tuple_stays_one(lib, record):
    import collections

    Both = collections.namedtuple("Both", "a b")

    class Named(lib.nn.Module):
        def forward(self, x):
            return Both(x * 2, x * 3)

    m = Named()
    m.register_full_backward_hook(lambda mod, gi, go: record(len(go)))
    x = tensor(lib, 2, grad=True)
    out = m(x)
    (out.a + out.b).sum().backward()
    record(type(out).__name__, x.grad)


# The old kind


@scenario
def old_and_full_hooks_do_not_mix(lib, record):
    m, n = linear(lib), linear(lib)
    m.register_full_backward_hook(lambda *a: None)
    record.error(lambda: m.register_backward_hook(lambda *a: None))
    n.register_backward_hook(lambda *a: None)
    record.error(lambda: n.register_full_backward_hook(lambda *a: None))
    record(m._is_full_backward_hook, n._is_full_backward_hook, lib.nn.Module()._is_full_backward_hook)


@scenario
def an_old_hook_on_one_node(lib, record):
    class Tanh(lib.nn.Module):
        def forward(self, x):
            return x.tanh()

    m = Tanh()
    m.register_backward_hook(lambda mod, gi, go: record(mod is m, gi, go))
    x = tensor(lib, 2, grad=True)
    out = record.warned(lambda: m(x * 2))
    out.sum().backward()
    record(x.grad)
    m.register_backward_hook(lambda mod, gi, go: (gi[0] * 3,))
    x.grad = None
    m(x * 2).sum().backward()
    record(x.grad)


@pytest.mark.parametrize("case", ["dict", "list", "many", "nested input", "two nodes", "leaf"])
def test_warnings_about_old_hooks(same, case):
    def warn(lib, record):
        class Mine(lib.nn.Module):
            def forward(self, x):
                if case == "dict":
                    return {"out": x.tanh()}
                if case == "list":
                    return [x.tanh()]
                if case == "many":
                    return x.tanh(), x.exp()
                if case == "nested input":
                    return x[0].tanh()
                return x.tanh().exp() if case == "two nodes" else x.tanh()

        m = Mine()
        m.register_backward_hook(lambda *a: None)
        x = tensor(lib, 2, grad=True)
        x = x if case == "leaf" else x * 1
        record.warned(lambda: m([x] if case == "nested input" else x))
        record(case)

    same(warn)


@scenario
def an_old_hook_on_an_output_without_history(lib, record):
    m = lib.nn.ReLU()
    m.register_backward_hook(lambda *a: record("no"))
    record(m(tensor(lib, 2)))


@scenario
def get_backward_hooks(lib, record):
    m = linear(lib)
    m.register_full_backward_hook(halved)
    m.register_full_backward_pre_hook(lambda module, grad_output: None)
    full, old = m._get_backward_hooks()
    record(len(full), len(old), len(m._get_backward_pre_hooks()), full[0] is halved)


# Tensor hooks behind modules


@scenario
def hooks_of_parameters(lib, record):
    m = linear(lib)
    m.weight.register_hook(lambda grad: grad * 2)
    m.bias.register_post_accumulate_grad_hook(lambda param: record(param is m.bias, param.grad))
    m(tensor(lib, 1, 2)).sum().backward()
    record(m.weight.grad)


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_backward_hooks(same, each):
    same(each)
