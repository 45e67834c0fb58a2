"""Explicit registration, Parameter and Buffer, against torch."""

import copy
import pickle

import pytest
from harness import Scenarios

scenario = Scenarios()


# Registration


@pytest.mark.parametrize("name", ["a.b", "", 3, None, "training", "forward", "weight", "new"])
@pytest.mark.parametrize("how", ["register_parameter", "register_buffer", "add_module", "register_module"])
def test_names(same, how, name):
    def register(lib, record):
        m = lib.nn.Linear(2, 2)
        m.register_buffer("buf", None)
        record.error(lambda: getattr(m, how)(name, None))
        record(list(m._parameters), list(m._buffers), list(m._modules))

    same(register)


@scenario
def registration_of_the_wrong_thing(lib, record):
    m = lib.nn.Module()
    for value in (3, "text", lib.ones(1), lib.nn.ReLU, [1]):
        record.error(lambda value=value: m.register_parameter("p", value))
        record.error(lambda value=value: m.add_module("m", value))
    record.error(lambda: m.register_buffer("b", 3))
    record.error(lambda: m.register_buffer("b", lib.nn.ReLU()))


@scenario
def a_parameter_as_buffer(lib, record):
    m = lib.nn.Module()
    m.register_buffer("b", lib.nn.Parameter(lib.ones(1)))
    record(list(m._buffers), len(list(m.parameters())))


@scenario
def a_result_of_an_op_as_parameter(lib, record):
    class Weird(lib.nn.Parameter):
        pass

    m = lib.nn.Module()
    record.error(lambda: m.register_parameter("p", lib.nn.Parameter(lib.ones(1)) * 2))
    made = lib.ones(1, requires_grad=True) * 2
    made._is_param = True
    record.error(lambda: m.register_parameter("p", made))


@scenario
def registering_twice(lib, record):
    m = lib.nn.Linear(2, 2)
    m.register_parameter("bias", None)
    m.add_module("sub", lib.nn.ReLU())
    m.add_module("sub", lib.nn.Tanh())
    record(m.bias, repr(m), list(m._parameters))
    m.register_parameter("bias", lib.nn.Parameter(lib.zeros(2)))
    record(list(m.state_dict()))


@scenario
def registration_hooks_replace_values(lib, record):
    mod = lib.nn.modules.module
    other = lib.nn.Tanh()
    handles = [
        mod.register_module_parameter_registration_hook(lambda m, n, p: lib.nn.Parameter(p.data * 0)),
        mod.register_module_buffer_registration_hook(lambda m, n, b: None if b is None else b + 5),
        mod.register_module_module_registration_hook(lambda m, n, s: other),
    ]
    m = lib.nn.Module()
    m.p = lib.nn.Parameter(lib.ones(1))
    m.q = None
    m.register_buffer("b", lib.ones(1))
    m.b = lib.zeros(1)
    m.s = lib.nn.ReLU()
    m.add_module("t", lib.nn.ReLU())
    m.s = None
    for handle in handles:
        handle.remove()
    record(m.p, m.b, m.s is other, m.t is other)


@scenario
def registration_hooks_may_refuse(lib, record):
    def refuse(module, name, value):
        raise KeyError(name)

    m = lib.nn.Module()
    with lib.nn.modules.module.register_module_parameter_registration_hook(refuse):
        record.error(lambda: setattr(m, "p", lib.nn.Parameter(lib.ones(1))))
    record(list(m._parameters))


# Parameter and Buffer


@scenario
def parameters(lib, record):
    Parameter = lib.nn.Parameter
    base = lib.ones(2)
    p = Parameter(base)
    record(type(p).__name__, p.requires_grad, p.is_leaf, p.data_ptr() == base.data_ptr(), base.requires_grad)
    record(Parameter().shape == (0,), Parameter(p).requires_grad, Parameter(base, False).requires_grad)
    record([type(v).__name__ for v in (p * 2, p.data, p.detach(), p.clone(), p[0], p.to(lib.float64), p.view(2))])
    record(repr(p), str(p.data))


@scenario
def parameters_of_integers(lib, record):
    record.raises(lambda: lib.nn.Parameter(lib.ones(2, dtype=lib.int64)), "can require gradients")
    record(lib.nn.Parameter(lib.ones(2, dtype=lib.int64), requires_grad=False))


@scenario
def instance_checks_of_parameters(lib, record):
    Parameter = lib.nn.Parameter
    marked = lib.ones(1)
    marked._is_param = True
    record(isinstance(marked, Parameter), isinstance(lib.ones(1), Parameter), isinstance(None, Parameter))
    record(issubclass(Parameter, lib.Tensor), isinstance(Parameter(lib.ones(1)), lib.Tensor))


@scenario
def a_parameter_from_a_result(lib, record):
    x = lib.ones(2, requires_grad=True)
    p = lib.nn.Parameter(x * 2)
    record(p.is_leaf, p.grad_fn, p.requires_grad)


@scenario
def copies_of_parameters(lib, record):
    p = lib.nn.Parameter(lib.ones(2), requires_grad=False)
    p.note = "kept by pickle"
    p.sum()
    deep, back = copy.deepcopy(p), pickle.loads(pickle.dumps(p))
    record(type(deep).__name__, deep.requires_grad, deep, hasattr(deep, "note"))
    record(type(back).__name__, back.requires_grad, back, back.note)
    twice = copy.deepcopy([p, p])
    record(twice[0] is twice[1])


@scenario
def buffers(lib, record):
    b = lib.nn.Buffer(lib.ones(2), persistent=False)
    record(isinstance(b, lib.nn.Buffer), isinstance(lib.ones(1), lib.nn.Buffer), b.persistent, b.requires_grad)
    record(lib.nn.Buffer().shape == (0,), lib.nn.Buffer(lib.ones(1, requires_grad=True)).requires_grad)
    record.raises(lambda: lib.nn.Buffer(lib.ones(1), False))


@scenario
def uninitialized_parameters(lib, record):
    p = lib.nn.UninitializedParameter(dtype=lib.float64)
    record(repr(p), p.requires_grad, isinstance(p, lib.nn.Parameter), lib.nn.parameter.is_lazy(p))
    record.error(lambda: p.shape)
    record.error(lambda: p.share_memory_())
    record.raises(lambda: p + 1, "Attempted to use an uninitialized parameter")
    twin = copy.deepcopy(p)
    record(type(twin).__name__, repr(pickle.loads(pickle.dumps(p))))
    p.materialize((2, 3))
    record(type(p).__name__, tuple(p.shape), str(p.dtype).endswith("float64"), p.requires_grad)


@scenario
def uninitialized_buffers(lib, record):
    b = lib.nn.UninitializedBuffer(persistent=False)
    record(repr(b), b.requires_grad, b.persistent, isinstance(b, lib.nn.Buffer))
    m = lib.nn.Module()
    m.b = b
    record(list(m._buffers), m._non_persistent_buffers_set)
    b.materialize((2,), dtype=lib.float64)
    record(tuple(m.b.shape), m.b.dtype == lib.float64)


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_registration(same, each):
    same(each)
