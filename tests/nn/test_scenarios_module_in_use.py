"""What programs do with a whole Module, against torch: stateless calls, copies, modes, attributes of its class."""

import copy
import io
import pickle

import pytest
from harness import Scenarios, fill, tensor

scenario = Scenarios()


def linear(lib, seed=0, i=2, o=2):
    return fill(lib, lib.nn.Linear(i, o), seed)


@scenario
def functional_call_variants(lib, record):
    m = lib.nn.Sequential(linear(lib), linear(lib, 3))
    x = tensor(lib, 1, 2)
    fc = lib.func.functional_call
    record(fc(m, {"0.weight": lib.ones(2, 2)}, x), fc(m, ({"0.weight": lib.ones(2, 2)}, {"1.bias": lib.zeros(2)}), (x,)))
    record.error(lambda: fc(m, {"nope": lib.ones(1)}, (x,)))
    record.error(lambda: fc(m, {"0.weight": lib.ones(2, 2)}, (x,), strict=True))
    record.error(lambda: fc(m, ({"0.weight": x}, {"0.weight": x}), (x,)))
    record(fc(m, {"0.weight": lib.ones(2, 2)}, (), {"input": x}))


@scenario
def hook_ids_and_dicts(lib, record):
    m = linear(lib)
    h = m.register_forward_hook(lambda *a: None, with_kwargs=True, always_call=True)
    record(
        list(m._forward_hooks) == [h.id],
        m._forward_hooks_with_kwargs == {h.id: True},
        m._forward_hooks_always_called == {h.id: True},
    )
    h.remove()
    record(len(m._forward_hooks), len(m._forward_hooks_with_kwargs), len(m._forward_hooks_always_called))
    h.remove()


@scenario
def deep_copies_keep_ties_and_grads(lib, record):
    m = lib.nn.Sequential(linear(lib), linear(lib))
    m[1].weight = m[0].weight
    m(tensor(lib, 1, 2)).sum().backward()
    c = copy.deepcopy(m)
    record(c[1].weight is c[0].weight, c[0].weight.grad, c[0].weight.grad is not m[0].weight.grad)
    b = io.BytesIO()
    pickle.dump(m, b)
    p = pickle.loads(b.getvalue())
    record(p[1].weight is p[0].weight, p[0].weight.grad)


@scenario
def wrong_modes(lib, record):
    m = linear(lib)
    for mode in (1, None, "x", lib.ones(1)):
        record.error(lambda mode=mode: m.train(mode))
    record(m.train(False) is m, m.eval() is m, m.training)


@scenario
def a_parameter_named_as_a_class_attribute(lib, record):
    class A(lib.nn.Module):
        w = 3

        def __init__(self):
            super().__init__()
            self.w = lib.nn.Parameter(lib.ones(1))

    record.error(A)


@scenario
def a_property_with_a_setter(lib, record):
    class A(lib.nn.Module):
        @property
        def p(self):
            return self._p

        @p.setter
        def p(self, v):
            self._p = v

    a = A()
    a.p = 3
    record(a.p)
    record.error(lambda: setattr(a, "p", lib.nn.ReLU()))
    record(list(a._modules))
    record(type(a.p).__name__)
    a.p = None
    record(a.p)


@scenario
def gradients_follow(lib, record):
    m = linear(lib)
    m(tensor(lib, 1, 2)).sum().backward()
    g = m.weight.grad
    w = m.weight
    m.double()
    record(m.weight is w, m.weight.grad, m.weight.grad is g)
    m.half()
    record(m.weight.grad)
    m.float()
    m(tensor(lib, 1, 2)).sum().backward()
    record(m.weight.grad)


@scenario
def type_names(lib, record):
    m = linear(lib)
    m.type(lib.float64)
    record(m.weight)
    m.type("torch.FloatTensor" if lib.__name__ == "torch" else "rsnn.FloatTensor")
    record(m.weight)


@scenario
def to_empty(lib, record):
    m = linear(lib)
    w = m.weight
    record(m.to_empty(device="cpu") is m, m.weight is w, tuple(m.weight.shape))


@scenario
def repr_all(lib, record):
    nn = lib.nn
    for m in (
        nn.Conv2d(1, 2, 3, padding=1, bias=False),
        nn.BatchNorm1d(3),
        nn.LayerNorm(3),
        nn.Embedding(3, 4, padding_idx=0),
        nn.LSTM(2, 3, num_layers=2, bidirectional=True),
        nn.Dropout(0.1, True),
        nn.MultiheadAttention(4, 2),
        nn.TransformerEncoderLayer(4, 2),
        nn.ModuleList([nn.ReLU() for _ in range(3)]),
        nn.ModuleDict({"a": nn.Linear(1, 1)}),
        nn.ParameterList([lib.ones(1)]),
        nn.CrossEntropyLoss(),
        nn.Upsample(scale_factor=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose1d(1, 1, 2, output_padding=0),
        nn.GroupNorm(2, 4),
        nn.Bilinear(1, 2, 3),
        nn.Softmax(-1),
        nn.Flatten(),
        nn.Unflatten(1, (2, 2)),
        nn.EmbeddingBag(3, 2),
        nn.GRUCell(2, 3),
        nn.AdaptiveAvgPool2d((1, None)),
        nn.PReLU(),
        nn.RMSNorm(4),
        nn.InstanceNorm2d(2),
        nn.PixelShuffle(2),
        nn.ZeroPad2d(1),
        nn.Identity(),
        nn.CosineSimilarity(),
        nn.Hardtanh(),
        nn.GELU("tanh"),
        nn.Threshold(1, 2),
        nn.Fold(2, 1),
        nn.LazyLinear(3),
    ):
        record(repr(m).replace("rsnn", "torch"))


@scenario
def hook_signature_errors(lib, record):
    m = linear(lib)
    m.register_forward_hook(lambda mod: None)
    record.raises(lambda: m(tensor(lib, 1, 2)), "takes 1 positional argument but 3 were given")


@scenario
def sequence_of_changes(lib, record):
    m = linear(lib)
    h1 = m.register_forward_hook(lambda mod, a, out: (out, 1))
    h2 = m.register_forward_hook(lambda mod, a, out: {"x": out})
    out = m(tensor(lib, 1, 2))
    record(list(out), type(out["x"]).__name__)
    with h1, h2:
        pass
    record(m(tensor(lib, 1, 2)))


@scenario
def forward_kwargs_only(lib, record):
    class K(lib.nn.Module):
        def forward(self, *, x, y=2):
            return x * y

    m = K()
    m.register_forward_pre_hook(lambda mod, a, k: (a, {**k, "y": 5}), with_kwargs=True)
    record(m(x=3))
    record.error(lambda: m(3))


@scenario
def inherited_calls(lib, record):
    class C(lib.nn.Linear):
        def __call__(self, x, twice=False):
            return super().__call__(super().__call__(x) if twice else x)

    m = fill(lib, C(2, 2))
    record(m(tensor(lib, 1, 2), twice=True))
    record(lib.nn.Module.__call__(m, tensor(lib, 1, 2)), m._call_impl(tensor(lib, 1, 2)), m._wrapped_call_impl(tensor(lib, 1, 2)))


@scenario
def call_with_self_named_kwargs(lib, record):
    class C(lib.nn.Module):
        def forward(self, **kw):
            return sorted(kw)

    record(C()(args=1, kwargs=2, input=3, module=4, hook=5))
    m = C()
    m.register_forward_hook(lambda *a: None)
    record(m(args=1, kwargs=2, module=3))


@scenario
def generator_forward(lib, record):
    class C(lib.nn.Module):
        def forward(self, n):
            yield from range(n)

    record(list(C()(3)))


@scenario
def extra_state_tensor_roundtrip(lib, record):
    class E(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.n = 0

        def get_extra_state(self):
            return {"n": self.n, "t": lib.ones(1)}

        def set_extra_state(self, s):
            self.n = s["n"]

    a, b = E(), E()
    a.n = 7
    b.load_state_dict(a.state_dict())
    record(b.n, list(a.state_dict()))
    p = lib.nn.Sequential(a)
    record(list(p.state_dict()), p.state_dict()["0._extra_state"])


@scenario
def buffers_that_become_none(lib, record):
    m = lib.nn.Module()
    m.register_buffer("b", lib.ones(1))
    m.b = None
    record(dict(m.state_dict()), m.b)
    record.error(lambda: m.load_state_dict({"b": lib.ones(1)}))
    m.b = lib.zeros(2)
    record(dict(m.state_dict()))


@scenario
def order_of_members_after_replacing(lib, record):
    m = lib.nn.Module()
    m.a = lib.nn.Parameter(lib.ones(1))
    m.b = lib.nn.Parameter(lib.ones(1))
    m.a = lib.nn.Parameter(lib.zeros(1))
    record([n for n, _ in m.named_parameters()])
    del m.a
    m.a = lib.nn.Parameter(lib.zeros(1))
    record([n for n, _ in m.named_parameters()])
    record.error(lambda: delattr(m, "zz"))


@pytest.mark.parametrize("each", scenario, ids=lambda each: each.__name__)
def test_module_in_use(same, each):
    same(each)
