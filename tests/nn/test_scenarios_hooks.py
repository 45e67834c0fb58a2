"""Forward hooks of modules and handles against torch: their order, what they may change, how they fail, copies."""

import copy
import pickle

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


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_hooks(same, each):
    same(each)
