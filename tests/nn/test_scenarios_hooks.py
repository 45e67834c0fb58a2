"""Hooks of modules against torch: their order, what they may change, how they fail, copies, and errors that pass by."""

import copy
import pickle
import warnings

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def linear(lib, seed=0):
    return fill(lib, lib.nn.Linear(2, 2), seed)


# For pickle, which finds functions by name.


def doubled(module, args, output):
    return output * 2


def plus_one(module, args):
    return (args[0] + 1,)


def halved(module, grad_input, grad_output):
    return tuple(None if grad is None else grad * 0.5 for grad in grad_input)


def add_key(module, state_dict, prefix, *rest):
    state_dict[prefix + "seen"] = True


# Forward hooks


@scenario
def order_of_forward_hooks(lib, record):
    m = linear(lib)
    order = []
    for name in "abc":
        m.register_forward_pre_hook(lambda mod, args, name=name: order.append("pre " + name))
        m.register_forward_hook(lambda mod, args, out, name=name: order.append("post " + name))
    m.register_forward_pre_hook(lambda mod, args: order.append("pre first"), prepend=True)
    m.register_forward_hook(lambda mod, args, out: order.append("post first"), prepend=True)
    m(tensor(lib, 1, 2))
    record(order)


@scenario
def pre_hooks_change_arguments(lib, record):
    m = linear(lib)
    m.register_forward_pre_hook(lambda mod, args: args[0] + 1)
    m.register_forward_pre_hook(lambda mod, args: (args[0] * 2,))
    m.register_forward_pre_hook(lambda mod, args: None)
    record(m(tensor(lib, 1, 2)))


@scenario
def pre_hooks_do_not_see_keywords(lib, record):
    m = linear(lib)
    m.register_forward_pre_hook(lambda mod, args: record(args))
    m.register_forward_pre_hook(lambda mod, args, kwargs: record(args, list(kwargs)), with_kwargs=True)
    record(m(input=tensor(lib, 1, 2)))


@scenario
def pre_hooks_change_keywords(lib, record):
    m = linear(lib)
    m.register_forward_pre_hook(lambda mod, args, kwargs: ((), {"input": args[0] * 3}), with_kwargs=True)
    m.register_forward_hook(lambda mod, args, kwargs, out: record(args, kwargs), with_kwargs=True)
    m.register_forward_hook(lambda mod, args, out: record(args))
    record(m(tensor(lib, 1, 2)))


@pytest.mark.parametrize("result", [3, (1,), (1, 2, 3), [1, 2]])
def test_wrong_result_of_a_pre_hook_with_keywords(same, result):
    def wrong(lib, record):
        m = linear(lib)
        m.register_forward_pre_hook(lambda mod, args, kwargs: result, with_kwargs=True)
        record.error(lambda: m(tensor(lib, 1, 2)))

    same(wrong)


@scenario
def forward_hooks_change_the_output(lib, record):
    m = linear(lib)
    m.register_forward_hook(lambda mod, args, out: {"out": out})
    m.register_forward_hook(lambda mod, args, out: record(type(out).__name__))
    record(m(tensor(lib, 1, 2)))


@scenario
def false_results_count(lib, record):
    m = linear(lib)
    m.register_forward_hook(lambda mod, args, out: 0)
    record(m(tensor(lib, 1, 2)))


@scenario
def a_hook_that_removes_itself(lib, record):
    m = linear(lib)
    seen = []

    def once(mod, args, out):
        seen.append("once")
        handle.remove()

    handle = m.register_forward_hook(once)
    m.register_forward_hook(lambda mod, args, out: seen.append("always"))
    m(tensor(lib, 1, 2)), m(tensor(lib, 1, 2))
    record(seen, len(m._forward_hooks))


@scenario
def a_hook_that_removes_and_adds_others(lib, record):
    m = linear(lib)
    seen = []

    def change(mod, args):
        later.remove()
        m.register_forward_pre_hook(lambda mod, args: seen.append("added"))

    m.register_forward_pre_hook(change)
    later = m.register_forward_pre_hook(lambda mod, args: seen.append("removed"))
    m(tensor(lib, 1, 2))
    record(seen)
    m(tensor(lib, 1, 2))
    record(seen)


@scenario
def a_removed_hook_with_keywords_loses_them(lib, record):
    m = linear(lib)
    m.register_forward_hook(lambda mod, args, out: later.remove())
    later = m.register_forward_hook(lambda *given: record(len(given)), with_kwargs=True)
    m(tensor(lib, 1, 2))


@scenario
def a_global_hook_removes_one_of_the_module(lib, record):
    m = linear(lib)
    mine = m.register_forward_pre_hook(lambda mod, args: record("mine"))
    with lib.nn.modules.module.register_module_forward_pre_hook(lambda mod, args: mine.remove()):
        m(tensor(lib, 1, 2))
    record(len(m._forward_pre_hooks))


@pytest.mark.parametrize("where", ["register_forward_pre_hook", "register_forward_hook"])
def test_a_hook_that_raises(same, where):
    def fails(lib, record):
        def hook(*args):
            raise KeyError("hook")

        m = lib.nn.Sequential(linear(lib))
        getattr(m[0], where)(hook)
        record.error(lambda: m(tensor(lib, 1, 2)))
        m[0].register_forward_hook(lambda mod, args, out: record("always", out), always_call=True)
        record.error(lambda: m(tensor(lib, 1, 2)))

    same(fails)


class Failing:
    """Builds a module whose forward raises."""

    def __new__(cls, lib):
        class Fails(lib.nn.Module):
            def forward(self, x, scale=1):
                raise KeyError("forward")

        return Fails()


@scenario
def always_called_hooks_after_a_failure(lib, record):
    m = Failing(lib)
    m.register_forward_pre_hook(lambda mod, args: (args[0] + 1,))
    m.register_forward_hook(lambda mod, args, out: record("no"))
    m.register_forward_hook(lambda mod, args, out: record("yes", args, out) or 5, always_call=True)
    m.register_forward_hook(lambda mod, a, k, out: record(a, k, out), always_call=True, with_kwargs=True)
    record.error(lambda: m(1, scale=2))


@scenario
def always_called_hooks_that_fail_too(lib, record):
    def bad(mod, args, out):
        raise ValueError("second")

    m = Failing(lib)
    m.register_forward_hook(bad, always_call=True)
    m.register_forward_hook(lambda mod, args, out: record("after"), always_call=True)
    record.warned(lambda: record.error(lambda: m(1)))


@scenario
def always_called_hooks_run_once(lib, record):
    m = linear(lib)
    seen = []
    m.register_forward_hook(lambda mod, args, out: seen.append(1), always_call=True)
    m(tensor(lib, 1, 2))

    def bad(mod, args, out):
        raise ValueError("later hook")

    m.register_forward_hook(bad)
    record.error(lambda: m(tensor(lib, 1, 2)))
    record(seen)


@scenario
def global_always_called_hooks(lib, record):
    mod = lib.nn.modules.module
    m = Failing(lib)
    with mod.register_module_forward_hook(lambda m, a, out: record("global", a, out), always_call=True):
        record.error(lambda: m(1))
    record(len(mod._global_forward_hooks), len(mod._global_forward_hooks_always_called))


@scenario
def global_forward_hooks_with_keywords(lib, record):
    mod = lib.nn.modules.module
    m = linear(lib)
    with mod.register_module_forward_hook(lambda m, a, k, out: record(list(k)) or out + 1, with_kwargs=True):
        record(m(input=tensor(lib, 1, 2)))


@scenario
def global_hooks_come_first(lib, record):
    mod = lib.nn.modules.module
    m = linear(lib)
    order = []
    m.register_forward_pre_hook(lambda *a: order.append("own pre"))
    m.register_forward_hook(lambda *a: order.append("own post"))
    m.register_full_backward_hook(lambda *a: order.append("own back"))
    m.register_full_backward_pre_hook(lambda *a: order.append("own back pre"))
    handles = [
        mod.register_module_forward_pre_hook(lambda *a: order.append("global pre")),
        mod.register_module_forward_hook(lambda *a: order.append("global post")),
        mod.register_module_full_backward_hook(lambda *a: order.append("global back")),
        mod.register_module_full_backward_pre_hook(lambda *a: order.append("global back pre")),
    ]
    record(bool(mod._has_any_global_hook()))
    m(tensor(lib, 1, 2, grad=True)).sum().backward()
    for handle in handles:
        handle.remove()
    record(order)


@scenario
def hooks_of_nested_modules(lib, record):
    m = lib.nn.Sequential(linear(lib), lib.nn.Sequential(linear(lib, 1), lib.nn.Tanh()))
    order = []
    for name, child in m.named_modules():
        child.register_forward_pre_hook(lambda mod, args, name=name: order.append("into " + name))
        child.register_forward_hook(lambda mod, args, out, name=name: order.append("out of " + name))
    m(tensor(lib, 1, 2))
    record(order)


@scenario
def an_overridden_call_impl(lib, record):
    class Mine(lib.nn.Linear):
        def _call_impl(self, *args, **kwargs):
            record("mine")
            return super()._call_impl(*args, **kwargs)

    m = fill(lib, Mine(2, 2))
    m.register_forward_hook(doubled)
    record(m(tensor(lib, 1, 2)))


@scenario
def a_forward_put_on_the_instance(lib, record):
    m = linear(lib)
    m.forward = lambda x: x * 10
    m.register_forward_hook(doubled)
    record(m(tensor(lib, 1, 2)))


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
        record.warned(lambda: m([x] if case == "nested input" else x)) is None
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
    m.register_full_backward_pre_hook(doubled)
    full, old = m._get_backward_hooks()
    record(len(full), len(old), len(m._get_backward_pre_hooks()), full[0] is halved)


# Handles


@scenario
def handles(lib, record):
    m = linear(lib)
    handle = m.register_forward_hook(doubled, with_kwargs=True, always_call=True)
    record(handle.id in m._forward_hooks, handle.id in m._forward_hooks_with_kwargs, type(handle).__name__)
    handle.remove()
    handle.remove()
    record(len(m._forward_hooks), len(m._forward_hooks_with_kwargs), len(m._forward_hooks_always_called))


@scenario
def ids_of_handles_grow(lib, record):
    m = linear(lib)
    first, second = m.register_forward_hook(doubled), m.register_forward_pre_hook(plus_one)
    record(second.id - first.id, list(m._forward_hooks) == [first.id])


@scenario
def handles_as_context_managers(lib, record):
    m = linear(lib)
    with m.register_forward_hook(doubled) as handle:
        record(type(handle).__name__, m(tensor(lib, 1, 2)))
    record(m(tensor(lib, 1, 2)))
    try:
        with m.register_forward_hook(doubled):
            raise KeyError("inside")
    except KeyError:
        record(len(m._forward_hooks))


@scenario
def handles_survive_pickling_with_their_module(lib, record):
    m = linear(lib)
    handle = m.register_forward_hook(doubled)
    twin, back = pickle.loads(pickle.dumps((m, handle)))
    record(len(twin._forward_hooks), twin(tensor(lib, 1, 2)))
    back.remove()
    record(len(twin._forward_hooks), len(m._forward_hooks))


@scenario
def a_handle_outlives_its_module(lib, record):
    m = linear(lib)
    handle = m.register_full_backward_hook(halved)
    del m
    handle.remove()
    record(type(pickle.loads(pickle.dumps(handle))).__name__)


@scenario
def hooks_in_copies(lib, record):
    m = linear(lib)
    m.register_forward_pre_hook(plus_one)
    m.register_forward_hook(doubled)
    m.register_full_backward_hook(halved)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        x = tensor(lib, 1, 2, grad=True)
        out = twin(x)
        out.sum().backward()
        record(out, x.grad, len(twin._forward_hooks))


@scenario
def a_deep_copy_has_hooks_of_its_own(lib, record):
    m = linear(lib)
    handle = m.register_forward_hook(doubled)
    twin = copy.deepcopy(m)
    handle.remove()
    record(twin(tensor(lib, 1, 2)), m(tensor(lib, 1, 2)))


@scenario
def load_hooks_of_a_copy_belong_to_the_copy(lib, record):
    m = lib.nn.Linear(2, 2)
    m.register_load_state_dict_pre_hook(lambda module, *rest: record(module is m))
    twin = copy.deepcopy(m)
    twin.load_state_dict(m.state_dict())
    m.load_state_dict(m.state_dict())


@scenario
def load_hooks_pickle(lib, record):
    m = lib.nn.Linear(2, 2)
    m._register_load_state_dict_pre_hook(add_key)
    back = pickle.loads(pickle.dumps(m))
    record.raises(lambda: back.load_state_dict(m.state_dict()), '"seen"')


@scenario
def a_load_hook_of_a_dead_module(lib, record):
    m = lib.nn.Linear(1, 1)
    m.register_load_state_dict_pre_hook(lambda *a: None)
    (hook,) = m._load_state_dict_pre_hooks.values()
    del m
    record.error(lambda: hook({}, "", {}, True, [], [], []))


# Tensor hooks behind modules


@scenario
def hooks_of_parameters(lib, record):
    m = linear(lib)
    m.weight.register_hook(lambda grad: grad * 2)
    m.bias.register_post_accumulate_grad_hook(lambda param: record(param is m.bias, param.grad))
    m(tensor(lib, 1, 2)).sum().backward()
    record(m.weight.grad)


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_hooks(same, each):
    same(each)


# The path of a module in errors of its ops, which torch does not have


def model(rsnn):
    nn = rsnn.nn
    return nn.ModuleDict({"encoder": nn.ModuleDict({"layers": nn.Sequential(nn.ReLU(), nn.Linear(3, 4))})})


class TestPath:
    def run(self, rsnn, body):
        class Outer(rsnn.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = model(rsnn)

            def forward(self, x):
                return body(self, x)

        return Outer()

    def test_the_whole_path_once(self, rsnn):
        m = self.run(rsnn, lambda self, x: self.inner["encoder"]["layers"](x))
        with pytest.raises(RuntimeError) as caught:
            m(rsnn.ones(2, 5))
        text = "mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4) [in inner.encoder.layers.1 (Linear)]"
        assert str(caught.value) == text
        assert type(caught.value) is RuntimeError

    def test_the_module_itself(self, rsnn):
        m = self.run(rsnn, lambda self, x: x @ x)
        with pytest.raises(RuntimeError, match=r"\[in Outer\]$"):
            m(rsnn.ones(2, 5))

    def test_checks_in_python(self, rsnn):
        m = rsnn.nn.Sequential(rsnn.nn.BatchNorm2d(3))
        with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\).*\[in 0 \(BatchNorm2d\)\]$"):
            m(rsnn.ones(2, 3))

    @pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, ZeroDivisionError])
    def test_exceptions_of_users(self, rsnn, kind):
        def body(self, x):
            raise kind("mine")

        error = kind("mine")
        with pytest.raises(kind) as caught:
            rsnn.nn.Sequential(self.run(rsnn, body))(rsnn.ones(1))
        assert str(caught.value) == str(error)
        assert not vars(caught.value)

    @pytest.mark.parametrize("where", ["register_forward_pre_hook", "register_forward_hook"])
    def test_errors_of_hooks(self, rsnn, where):
        m = rsnn.nn.Sequential(rsnn.nn.Sequential(rsnn.nn.Linear(2, 2)))
        getattr(m[0][0], where)(lambda *a: rsnn.ones(2, 3) @ rsnn.ones(2, 3))
        with pytest.raises(RuntimeError) as caught:
            m(rsnn.ones(1, 2))
        assert "[in" not in str(caught.value)

    def test_a_module_with_hooks(self, rsnn):
        m = rsnn.nn.Sequential(rsnn.nn.Linear(2, 2))
        m[0].register_forward_hook(doubled)
        with pytest.raises(RuntimeError, match=r"\[in 0 \(Linear\)\]$"):
            m(rsnn.ones(1, 3))

    def test_an_error_that_was_handled(self, rsnn):
        def body(self, x):
            try:
                return self.inner["encoder"]["layers"](x)
            except RuntimeError:
                return x

        assert self.run(rsnn, body)(rsnn.ones(2, 5)).shape == (2, 5)

    def test_errors_pickle(self, rsnn):
        with pytest.raises(RuntimeError) as caught:
            rsnn.nn.Sequential(rsnn.nn.Linear(2, 2))(rsnn.ones(1, 3))
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
