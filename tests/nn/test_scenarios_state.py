"""What a Module holds and how it is reached, against torch: attributes, registration, walks, modes, printing."""

import copy
import pickle
from collections import OrderedDict

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def net(lib):
    nn = lib.nn
    torso = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4))
    return fill(lib, nn.Sequential(torso, nn.Dropout(0.5), nn.Linear(4, 2)))



# Construction


@scenario
def a_new_module_holds_this_state(lib, record):
    record([(key, type(value).__name__) for key, value in vars(lib.nn.Module()).items()])


@scenario
def class_attributes(lib, record):
    Module = lib.nn.Module
    record(Module._version, Module.dump_patches, Module.call_super_init, Module._compiled_call_impl)
    record(Module.forward.__name__, Module.__name__)


@scenario
def no_name_of_our_own_in_the_class(lib, record):
    ours = {name for name in dir(lib.nn.Module) if not name.startswith("__")}
    record(sorted(ours - {"T_destination", "ipu", "mtia", "_slow_forward"}))


@scenario
def call_super_init_passes_arguments_on(lib, record):
    class Other:
        def __init__(self, *args, **kwargs):
            record(args, kwargs)

    class Both(lib.nn.Module, Other):
        call_super_init = True

    record(Both(1, a=2).training)


@scenario
def without_call_super_init_the_next_class_waits(lib, record):
    class Other:
        def __init__(self):
            record("other")

    class Both(lib.nn.Module, Other):
        def __init__(self):
            lib.nn.Module.__init__(self)
            record("module")
            Other.__init__(self)

    Both()


@scenario
def construction_reaches_a_setattr_behind_module(lib, record):
    names = []

    class Other:
        def __setattr__(self, name, value):
            names.append(name)
            super().__setattr__(name, value)

    class Both(lib.nn.Module, Other):
        pass

    Both().plain = 1
    record(names)


@scenario
def a_setattr_in_front_of_module_is_not_used_by_construction(lib, record):
    names = []

    class Mine(lib.nn.Module):
        def __setattr__(self, name, value):
            names.append(name)
            super().__setattr__(name, value)

    Mine().plain = 1
    record(names)


@scenario
def arguments_without_call_super_init(lib, record):
    record.error(lambda: lib.nn.Module(1, 2))
    record.error(lambda: lib.nn.Module(a=1))


@pytest.mark.parametrize("kind", ["parameter", "module", "buffer", "plain"])
def test_assignment_before_init(same, kind):
    def before_init(lib, record):
        nn = lib.nn
        value = {
            "parameter": lambda: nn.Parameter(lib.ones(1)),
            "module": lambda: nn.Linear(1, 1),
            "buffer": lambda: nn.Buffer(lib.ones(1)),
            "plain": lambda: 5,
        }[kind]()

        class Early(nn.Module):
            def __init__(self):
                self.early = value
                super().__init__()

        record.error(Early)

    same(before_init)


@scenario
def registration_before_init(lib, record):
    class Early(lib.nn.Module):
        def __init__(self, how):
            getattr(self, how)("x", None)

    record.error(lambda: Early("register_parameter"))
    record.error(lambda: Early("register_buffer"))
    record.error(lambda: Early("add_module"))


@scenario
def reading_and_calling_before_init(lib, record):
    class Early(lib.nn.Module):
        def __init__(self):
            pass

    record.error(lambda: Early().weight)
    record.error(lambda: Early()(1))
    record.error(lambda: list(Early().parameters()))


# Assignment


@scenario
def a_tensor_over_a_parameter(lib, record):
    m = lib.nn.Linear(2, 2)
    record.error(lambda: setattr(m, "weight", lib.ones(2, 2)))
    record.error(lambda: setattr(m, "weight", 3))
    record.error(lambda: setattr(m, "weight", lib.nn.Linear(1, 1)))
    record.error(lambda: setattr(m, "weight", lib.nn.Buffer(lib.ones(1))))


@scenario
def none_over_everything(lib, record):
    m = lib.nn.Linear(2, 2)
    m.sub = lib.nn.ReLU()
    m.register_buffer("buf", lib.ones(1))
    m.weight = m.sub = m.buf = None
    record(list(m._parameters), list(m._modules), list(m._buffers), m.weight, m.sub, m.buf, list(m.state_dict()))


@scenario
def none_over_a_name_that_is_not_there(lib, record):
    m = lib.nn.Module()
    m.x = None
    record("x" in m.__dict__, list(m._parameters))
    m.x = lib.nn.Parameter(lib.ones(1))
    record("x" in m.__dict__, list(m._parameters))


@scenario
def a_parameter_over_each_kind(lib, record):
    m = lib.nn.Module()
    m.plain, m.sub = 1, lib.nn.ReLU()
    m.register_buffer("buf", lib.ones(1), persistent=False)
    for name in ("plain", "sub", "buf"):
        setattr(m, name, lib.nn.Parameter(lib.zeros(1)))
    record(list(m._parameters), list(m._modules), list(m._buffers), m._non_persistent_buffers_set, "plain" in vars(m))


@scenario
def a_module_over_each_kind(lib, record):
    m = lib.nn.Module()
    m.plain = 1
    m.register_buffer("buf", lib.ones(1), persistent=False)
    for name in ("plain", "buf"):
        setattr(m, name, lib.nn.ReLU())
    record(list(m._modules), list(m._buffers), m._non_persistent_buffers_set, "plain" in vars(m))
    m.w = lib.nn.Parameter(lib.ones(1))
    record.error(lambda: setattr(m, "w", lib.nn.ReLU()))


@scenario
def plain_values_over_a_module_and_a_buffer(lib, record):
    m = lib.nn.Module()
    m.sub = lib.nn.ReLU()
    m.register_buffer("buf", lib.ones(1))
    record.error(lambda: setattr(m, "sub", 3))
    record.error(lambda: setattr(m, "sub", lib.ones(1)))
    record.error(lambda: setattr(m, "buf", 3))
    m.buf = lib.zeros(2)
    record(m.buf, list(m._buffers))


@scenario
def a_buffer_object_over_each_kind(lib, record):
    m = lib.nn.Module()
    m.plain, m.sub = 1, lib.nn.ReLU()
    record.error(lambda: setattr(m, "plain", lib.nn.Buffer(lib.ones(1))))
    record.error(lambda: setattr(m, "sub", lib.nn.Buffer(lib.ones(1))))
    m.register_buffer("buf", lib.ones(1))
    m.buf = lib.nn.Buffer(lib.zeros(1), persistent=False)
    record(m._non_persistent_buffers_set, m.buf, list(m.state_dict()))


@scenario
def a_tensor_over_a_buffer_keeps_it_out_of_the_state(lib, record):
    m = lib.nn.Module()
    m.register_buffer("buf", lib.ones(1), persistent=False)
    m.buf = lib.zeros(3)
    record(list(m.state_dict()), m.buf)
    m.register_buffer("buf", lib.zeros(2))
    record(list(m.state_dict()))


@scenario
def register_buffer_of_a_subclass_is_used_by_assignment(lib, record):
    class Mine(lib.nn.Module):
        def register_buffer(self, name, tensor, persistent=True):
            record(name, persistent)
            super().register_buffer(name, tensor, persistent)

    m = Mine()
    m.a = lib.nn.Buffer(lib.ones(1), persistent=False)
    m.a = lib.zeros(1)
    record(m._non_persistent_buffers_set)


@scenario
def register_buffer_without_persistent(lib, record):
    class Mine(lib.nn.Module):
        def register_buffer(self, name, tensor):
            super().register_buffer(name, tensor)

    m = Mine()
    m.a = lib.nn.Buffer(lib.ones(1))
    record(list(m._buffers))
    record.error(lambda: setattr(m, "b", lib.nn.Buffer(lib.ones(1), persistent=False)))


@scenario
def a_plain_tensor_is_a_plain_attribute(lib, record):
    m = lib.nn.Module()
    m.x = lib.ones(1)
    record("x" in vars(m), list(m.state_dict()))


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
        record.error(lambda: m.register_parameter("p", value))
        record.error(lambda: m.add_module("m", value))
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


# Reading and deleting


@scenario
def a_missing_attribute(lib, record):
    record.error(lambda: lib.nn.Linear(1, 1).nothing)
    record(hasattr(lib.nn.Linear(1, 1), "nothing"), getattr(lib.nn.Linear(1, 1), "nothing", 7))


@scenario
def reading_past_the_attribute_protocol(lib, record):
    m = lib.nn.Linear(1, 1)
    record(m._parameters["weight"] is m.weight, "weight" in vars(m), type(m._parameters).__name__)
    m._parameters["extra"] = lib.nn.Parameter(lib.ones(1))
    record(m.extra, [name for name, _ in m.named_parameters()])
    m._buffers["raw"] = lib.ones(1)
    record(m.raw, list(m.state_dict()))


@scenario
def a_property_shadows_nothing(lib, record):
    class Mine(lib.nn.Module):
        @property
        def device(self):
            return "here"

    m = Mine()
    record(m.device)
    record.raises(lambda: setattr(m, "device", 3))
    record.error(lambda: m.register_buffer("device", lib.ones(1)))


@scenario
def deleting_each_kind(lib, record):
    m = lib.nn.Linear(2, 2)
    m.sub, m.plain = lib.nn.ReLU(), 1
    m.register_buffer("buf", lib.ones(1), persistent=False)
    del m.weight, m.sub, m.plain, m.buf
    record(list(m._parameters), list(m._modules), list(m._buffers), m._non_persistent_buffers_set, hasattr(m, "plain"))
    record.raises(lambda: delattr(m, "plain"))
    record.raises(lambda: delattr(m, "weight"))


@scenario
def dir_lists_members_but_no_numbers(lib, record):
    m = net(lib)
    m.register_buffer("buf", lib.ones(1))
    names = dir(m)
    record("0" in names, "buf" in names, "training" in names, "parameters" in names, "weight" in dir(m[2]))
    record(names == sorted(names))


@scenario
def set_state_of_an_old_pickle(lib, record):
    m = lib.nn.Module.__new__(lib.nn.Module)
    m.__setstate__({"training": False, "_parameters": {}, "_buffers": {}, "_modules": {}, "_backward_hooks": OrderedDict()})
    missing = {"_forward_hooks"}
    record(sorted(set(lib.nn.Module().__dict__) - set(m.__dict__) - missing), m._is_full_backward_hook, m.training)


@scenario
def get_state_is_a_copy(lib, record):
    m = lib.nn.Linear(1, 1)
    state = m.__getstate__()
    state["training"] = False
    record(m.training, sorted(state) == sorted(vars(m)))


@scenario
def copies(lib, record):
    m = net(lib)
    shallow, deep = copy.copy(m), copy.deepcopy(m)
    record(shallow[2].weight is m[2].weight, deep[2].weight is m[2].weight, shallow._modules is m._modules)
    record(dict(deep.state_dict()), deep[0][0].weight.requires_grad, repr(deep) == repr(m))


@scenario
def pickles(lib, record):
    m = net(lib).eval()
    m[2].weight.requires_grad_(False)
    back = pickle.loads(pickle.dumps(m))
    record(back.training, back[2].weight.requires_grad, dict(back.state_dict()), repr(back) == repr(m))
    record([type(p).__name__ for p in back.parameters()], sorted(vars(back)) == sorted(vars(m)))


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
        record.error(lambda: m.get_submodule(path))


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
        record.error(lambda: m.get_parameter(path))
    for path in ("2.bias", "0.2.nothing", "0.2.eps"):
        record.error(lambda: m.get_buffer(path))


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
def test_state(same, each):
    same(each)


def test_the_error_of_a_property_is_not_masked(rsnn):
    class Mine(rsnn.nn.Module):
        @property
        def broken(self):
            return self.nothing_here

    with pytest.raises(AttributeError, match="nothing_here"):
        Mine().broken
