"""Moving modules between dtypes, devices and memory formats, against torch."""

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def net(lib):
    nn = lib.nn
    return fill(lib, nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2)))


def dtypes(tensors):
    return [str(t.dtype).rpartition(".")[2] for t in tensors]


def seen(m):
    return dtypes(m.parameters()), dtypes(m.buffers()), [p.requires_grad for p in m.parameters()]


CASTS = {
    "float": lambda m, lib: m.float(),
    "double": lambda m, lib: m.double(),
    "half": lambda m, lib: m.half(),
    "bfloat16": lambda m, lib: m.bfloat16(),
    "to dtype": lambda m, lib: m.to(lib.float64),
    "to keyword": lambda m, lib: m.to(dtype=lib.float64),
    "to device and dtype": lambda m, lib: m.to("cpu", lib.float64),
    "to device object": lambda m, lib: m.to(lib.device("cpu")),
    "to device, dtype, non_blocking": lambda m, lib: m.to("cpu", lib.float64, True),
    "to dtype, non_blocking": lambda m, lib: m.to(lib.float64, True),
    "to tensor": lambda m, lib: m.to(lib.ones(1, dtype=lib.float64)),
    "to tensor keyword": lambda m, lib: m.to(tensor=lib.ones(1, dtype=lib.float16)),
    "to nothing": lambda m, lib: m.to(),
    "to None": lambda m, lib: m.to(None),
    "to None twice": lambda m, lib: m.to(device=None, dtype=None),
    "type": lambda m, lib: m.type(lib.float64),
    "cpu": lambda m, lib: m.cpu(),
    "to_empty": lambda m, lib: m.to_empty(device="cpu"),
    "share_memory": lambda m, lib: m.share_memory(),
    "channels_last": lambda m, lib: m.to(memory_format=lib.channels_last),
    "dtype and channels_last": lambda m, lib: m.to(lib.float64, memory_format=lib.channels_last),
}


@pytest.mark.parametrize("cast", CASTS)
def test_objects_and_dtypes(same, cast):
    def convert(lib, record):
        m = net(lib)
        m[3].weight.requires_grad_(False)
        m(tensor(lib, 4, 2, 2, 2)).square().sum().backward()
        params = list(m.parameters())
        grads = [p.grad for p in params]
        record(CASTS[cast](m, lib) is m, seen(m))
        record(all(a is b for a, b in zip(params, m.parameters())))
        record([p.grad is g for p, g in zip(params, grads)], dtypes(p.grad for p in params if p.grad is not None))
        if cast != "to_empty":
            record(dict(m.state_dict()), [p.grad for p in params])

    # Gradients were computed in float32, whatever they are converted to.
    same(convert, None if "half" in cast or "16" in cast or cast == "to tensor keyword" else 2e-5)


WRONG = {
    "integer dtype": lambda m, lib: m.to(lib.int32),
    "bool dtype": lambda m, lib: m.to(dtype=lib.bool),
    "integer tensor": lambda m, lib: m.to(lib.ones(1, dtype=lib.int64)),
    "copy": lambda m, lib: m.to("cpu", copy=True),
    "type to an integer": lambda m, lib: m.type(lib.int32),
    "channels_last of volumes": lambda m, lib: lib.nn.Conv3d(1, 1, 1).to(memory_format=lib.channels_last),
    "channels_last_3d of images": lambda m, lib: m.to(memory_format=lib.channels_last_3d),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_refused(same, wrong):
    def refuse(lib, record):
        m = net(lib)
        record.error(lambda: WRONG[wrong](m, lib))
        record(seen(m), m(tensor(lib, 4, 2, 2, 2)))

    same(refuse)


INVALID = {
    "string dtype": lambda m, lib: m.to("cpu", "float64"),
    "string dtype keyword": lambda m, lib: m.to(dtype="float64"),
    "unknown keyword": lambda m, lib: m.to(lib.float64, other=1),
    "tensor as dtype": lambda m, lib: m.to("cpu", lib.ones(1)),
    "twice": lambda m, lib: m.to("cpu", device="cpu"),
}


@pytest.mark.parametrize("invalid", INVALID)
def test_invalid_combinations(same, invalid):
    def call(lib, record):
        record.raises(lambda: INVALID[invalid](net(lib), lib), "to() received an invalid combination of arguments - got (")

    same(call)


@scenario
def unknown_devices(lib, record):
    record.raises(lambda: net(lib).to("nowhere"), "device type at start of device string: nowhere")


@scenario
def signatures(lib, record):
    record.raises(lambda: net(lib).to_empty("cpu"), "takes 1 positional argument but 2 were given")
    record.raises(lambda: net(lib).to_empty(), "Module.to_empty() missing 1 required keyword-only argument: 'device'")
    record.raises(lambda: net(lib).type(), "missing 1 required positional argument: 'dst_type'")


@scenario
def memory_formats(lib, record):
    m = net(lib).to(memory_format=lib.channels_last)
    record(tuple(m[0].weight.stride()), tuple(m[3].weight.stride()), m(tensor(lib, 4, 2, 2, 2)))
    m.to(memory_format=lib.preserve_format)
    record(tuple(m[0].weight.stride()))
    m.to(memory_format=lib.contiguous_format)
    record(tuple(m[0].weight.stride()))
    volume = lib.nn.Conv3d(3, 2, 2).to(memory_format=lib.channels_last_3d)
    record(tuple(volume.weight.stride()))


@scenario
def integer_buffers_stay(lib, record):
    m = lib.nn.Module()
    m.register_buffer("count", lib.tensor(3))
    m.register_buffer("mask", lib.tensor([True, False]))
    m.register_buffer("scale", lib.ones(1))
    m.register_buffer("none", None)
    for cast in (m.half, m.double, lambda: m.to(lib.float32), lambda: m.type(lib.float64)):
        cast()
        record(dtypes(m.buffers()))


@scenario
def tied_parameters_stay_tied(lib, record):
    m = lib.nn.ModuleList([lib.nn.Linear(2, 2), lib.nn.Linear(2, 2)])
    m[1].weight = m[0].weight
    for cast in (m.double, m.half, lambda: m.to("cpu"), lambda: m.to_empty(device="cpu"), m.share_memory):
        cast()
        record(m[1].weight is m[0].weight, dtypes(m.parameters()))


@scenario
def an_optimizer_keeps_its_parameters(lib, record):
    m = fill(lib, lib.nn.Linear(2, 1))
    opt = lib.optim.SGD(m.parameters(), lr=0.1)
    m.double()
    m(tensor(lib, 3, 2, dtype="float64")).sum().backward()
    opt.step()
    record(m.weight, m.bias)


@scenario
def apply_sees_the_parameters_themselves(lib, record):
    m = lib.nn.BatchNorm1d(2)
    kinds = []

    def look(t):
        kinds.append((isinstance(t, lib.nn.Parameter), tuple(t.shape), lib.is_grad_enabled()))
        return t

    record(m._apply(look) is m, kinds)


@scenario
def apply_values(lib, record):
    m = net(lib)
    m(tensor(lib, 4, 2, 2, 2)).square().sum().backward()
    m._apply(lambda t: t * 2)
    record(dict(m.state_dict()), [p.grad for p in m.parameters()], [p.is_leaf for p in m.parameters()])


@scenario
def apply_without_recursion(lib, record):
    m = lib.nn.Sequential(lib.nn.Linear(1, 1))
    m.own = lib.nn.Parameter(lib.ones(1))
    m._apply(lambda t: t.double(), recurse=False)
    record(dtypes(m.parameters()))
    m.to_empty(device="cpu", recurse=False)
    record(dtypes(m.parameters()))


@scenario
def an_overridden_apply_is_called(lib, record):
    class Mine(lib.nn.Linear):
        def _apply(self, fn, recurse=True):
            record("mine")
            return super()._apply(fn, recurse)

    lib.nn.Sequential(Mine(1, 1)).double()


@scenario
def a_conversion_that_fails_half_way(lib, record):
    m = fill(lib, lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 2)))
    calls = []

    def fails(t):
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("third")
        return t.double()

    record.error(lambda: m._apply(fails))
    record(seen(m), [p.is_leaf for p in m.parameters()])
    m.float()
    record(m(tensor(lib, 1, 2)))


@scenario
def parameters_of_inference_and_frozen_modules(lib, record):
    m = lib.nn.Linear(2, 2).requires_grad_(False)
    m.double()
    record(seen(m))
    m.requires_grad_()
    m.half()
    record(seen(m), [p.grad for p in m.parameters()])


@scenario
def views_of_a_parameter_keep_the_old_data(lib, record):
    m = lib.nn.Linear(2, 2)
    alias = m.weight.data
    m.double()
    record(dtypes([alias]), alias.data_ptr() == m.weight.data_ptr())
    m.to(lib.float64)
    record(m.weight.dtype == lib.float64)


@scenario
def lazy_modules_convert(lib, record):
    m = lib.nn.LazyLinear(2)
    m.double()
    m.to("cpu")
    record(type(m.weight).__name__, dtypes([m.weight]))
    m(tensor(lib, 1, 3, dtype="float64"))
    record(dtypes(m.parameters()), tuple(m.weight.shape))


@scenario
def hooks_of_tensors_stay(lib, record):
    m = fill(lib, lib.nn.Linear(2, 1))
    m.weight.register_hook(lambda grad: grad * 2)
    m.double()
    m(tensor(lib, 3, 2, dtype="float64")).sum().backward()
    record(m.weight.grad, m.bias.grad)


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_convert(same, each):
    same(each)


def test_a_gradient_that_cannot_be_converted_leaves_the_parameter(rsnn):
    m = rsnn.nn.Linear(2, 2)
    m(rsnn.ones(1, 2)).sum().backward()
    calls = []

    def fails(t):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("gradient")
        return t.double()

    with pytest.raises(KeyError):
        m._apply(fails)
    assert m.weight.dtype is m.weight.grad.dtype is rsnn.float32
