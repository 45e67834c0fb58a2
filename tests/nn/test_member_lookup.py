"""Reading an attribute of a module and calling it run natively; what comes first, and what fails how, is torch's."""

import abc
import copy
import functools
import pickle
import weakref
from typing import Generic, TypeVar

import pytest
import rsnn
from rsnn import nn
from rsnn.nn.utils import parametrize

try:
    import torch
except ImportError:
    torch = None

LIBS = [rsnn] if torch is None else [rsnn, torch]
T = TypeVar("T")


@pytest.fixture(params=LIBS, ids=lambda lib: lib.__name__)
def lib(request):
    return request.param


def net(lib, *bases, **members):
    return type("Net", (*bases, lib.nn.Module), members)()


def text(call):
    with pytest.raises(AttributeError) as caught:
        call()
    return str(caught.value)


def test_an_attribute_of_the_instance_comes_first(lib):
    layer, x = lib.nn.Linear(2, 3), lib.randn(4, 2)
    layer.__dict__["weight"] = lib.zeros(3, 2)
    assert (layer(x) == layer.bias).all()
    layer.__dict__["bias"] = lib.ones(3)
    assert (layer(x) == 1).all()


def test_parameters_come_before_buffers_and_modules(lib):
    m = net(lib)
    m._modules["a"] = m
    assert m.a is m
    m._buffers["a"] = buffer = lib.zeros(1)
    assert m.a is buffer
    m._parameters["a"] = None
    assert m.a is None
    m.__class__.a = "of the class"
    assert m.a == "of the class"
    m.__dict__["a"] = "of the instance"
    assert m.a == "of the instance"
    m.__class__.a = property(lambda self: "computed")
    assert m.a == "computed"


def test_what_is_missing_is_named(lib):
    layer = lib.nn.Linear(2, 3)
    del layer.weight
    assert text(lambda: layer(lib.randn(4, 2))) == "'Linear' object has no attribute 'weight'"
    assert not hasattr(layer, "weight")
    assert getattr(layer, "weight", 7) == 7
    bare = lib.nn.Linear.__new__(lib.nn.Linear)
    assert text(lambda: bare.weight) == "'Linear' object has no attribute 'weight'"


def test_an_error_inside_a_property(lib):
    failing = net(lib, size=property(lambda self: self.nothing), other=property(lambda self: 1 / 0))
    said = text(lambda: failing.size)
    assert ("'nothing'" if lib is rsnn else "'size'") in said
    with pytest.raises(ZeroDivisionError):
        getattr(failing, "other")  # noqa: B009


def test_a_class_may_have_its_own_getattr(lib):
    def own(self, name):
        try:
            return lib.nn.Module.__getattr__(self, name)
        except AttributeError:
            return "own " + name

    wrapper = net(lib, __getattr__=own)
    wrapper.fc = lib.nn.Linear(1, 1)
    assert isinstance(wrapper.fc, lib.nn.Linear)
    assert wrapper.nothing == "own nothing"
    below = type("Below", (type(wrapper),), {})()
    assert below.nothing == "own nothing"

    every = net(lib, __getattribute__=lambda self, name: "all" if name == "fc" else object.__getattribute__(self, name))
    every.fc = lib.nn.Linear(1, 1)
    assert every.fc == "all"


def test_a_class_may_change_later(lib):
    m = net(lib)
    below = type("Below", (type(m),), {})()
    type(m).__getattr__ = lambda self, name: "changed"
    assert m.nothing == below.nothing == "changed"
    del type(m).__getattr__
    m.register_buffer("b", lib.ones(1))
    assert m.b == 1
    assert "has no attribute 'nothing'" in text(lambda: below.nothing)
    type(m).__call__ = lambda self, x: "called"
    assert m(1) == below(1) == "called"


def test_with_other_bases(lib):
    class Plain:
        __slots__ = ()

        @property
        def kind(self):
            return "plain"

    class Guarded(lib.nn.Module, Generic[T], abc.ABC):
        __slots__ = ("slot",)

        @functools.cached_property
        def once(self):
            return object()

        @abc.abstractmethod
        def forward(self, x): ...

    class Both(Guarded[int], Plain):
        def forward(self, x):
            return self.fc(x)

    m = Both()
    m.fc = lib.nn.Linear(2, 2)
    assert m.kind == "plain"
    assert m.once is m.once
    assert "no attribute 'slot'" in text(lambda: m.slot)
    m.slot = 3
    assert m.slot == 3
    assert m(lib.ones(1, 2)).shape == (1, 2)
    assert weakref.ref(m)() is m
    twin = copy.deepcopy(m)
    assert twin.fc is not m.fc
    assert (twin.fc.weight == m.fc.weight).all()


def test_members_that_are_no_plain_dict(lib):
    class Computed(dict):
        def __contains__(self, name):
            return True

        def __getitem__(self, name):
            return "computed " + name

    m = net(lib)
    m.__dict__["_buffers"] = Computed()
    assert m.anything == "computed anything"


def test_calls(lib):
    m = net(lib, forward=lambda self, *args, **kwargs: (args, kwargs))
    assert m() == ((), {})
    assert m(1, k=2) == ((1,), {"k": 2})
    m.forward = lambda x: x + 1
    assert m(1) == 2
    handle = m.register_forward_hook(lambda module, args, out: out * 10)
    assert m(1) == 20
    handle.remove()
    assert m(1) == 2
    handle = lib.nn.modules.module.register_module_forward_pre_hook(lambda module, args: (args[0] + 1,))
    assert m(1) == 3
    handle.remove()
    assert m(1) == 2
    with pytest.raises(TypeError, match="argument"):
        m()
    bare = type(m).__new__(type(m))
    assert "_forward_hooks" in text(lambda: bare(1)) or "_backward_hooks" in text(lambda: bare(1))


@pytest.mark.parametrize("name", ["_call_impl", "__call__"])
def test_a_class_may_have_its_own_call(lib, name):
    m = net(lib, **{name: lambda self, x: "own"})
    assert m(1) == "own"
    assert type("Below", (type(m),), {})()(1) == "own"


def test_what_is_no_error_passes_through(lib):
    def stop(self):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net(lib, forward=stop)()


def test_wrong_arguments_of_a_child_are_its_own_error():
    child = net(rsnn, forward=lambda self: None)
    with pytest.raises(TypeError) as caught:
        nn.Sequential(child)(1)
    assert "[in" not in str(caught.value)


def test_a_parametrized_weight_is_computed():
    class Twice(nn.Module):
        def forward(self, weight):
            return 2 * weight

    layer, x = nn.Linear(2, 3, bias=False), rsnn.randn(4, 2)
    plain = layer(x)
    parametrize.register_parametrization(layer, "weight", Twice())
    assert rsnn.allclose(layer(x), 2 * plain)
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter)


def test_a_lazy_layer_changes_its_class():
    layer = nn.LazyLinear(3)
    assert layer(rsnn.ones(2, 5)).shape == (2, 3)
    assert type(layer) is nn.Linear
    again = pickle.loads(pickle.dumps(layer))
    assert (again.weight == layer.weight).all()
