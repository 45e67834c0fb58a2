"""What a Module holds and how it is reached, against torch: construction, attributes, copies."""

import copy
import pickle
from collections import OrderedDict

import pytest
from harness import Scenarios, fill

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


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_state(same, each):
    same(each)


def test_the_error_of_a_property_is_not_masked(rsnn):
    class Mine(rsnn.nn.Module):
        @property
        def broken(self):
            return self.nothing_here

    with pytest.raises(AttributeError, match="nothing_here"):
        _ = Mine().broken
