"""Module: registration, lookup, iteration, modes, conversion, hooks and printing against torch."""

import copy
import io
import pickle

import pytest
from harness import fill, tensor


def net(lib):
    nn = lib.nn
    torso = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4))
    return fill(lib, nn.Sequential(torso, nn.Dropout(0.5), nn.Linear(4, 2)))


def test_registration_and_lookup(same):
    def scenario(lib, record):
        nn = lib.nn
        m = nn.Module()
        m.a = nn.Parameter(lib.ones(2))
        m.b = nn.Linear(2, 2)
        m.register_buffer("c", lib.zeros(1))
        m.register_buffer("d", None, persistent=False)
        m.e = nn.Buffer(lib.ones(3), persistent=False)
        m.register_parameter("f", None)
        m.plain = 5
        record(
            [name for name, _ in m.named_parameters()], [name for name, _ in m.named_buffers()], list(m.state_dict())
        )
        record(
            isinstance(m.a, nn.Parameter),
            isinstance(m.a, lib.Tensor),
            isinstance(m.e, nn.Buffer),
            isinstance(m.c, nn.Buffer),
        )
        m.a = None
        record(m.a is None, "a" in m._parameters)
        m.a = nn.Parameter(lib.zeros(2))
        m.b = None
        record([name for name, _ in m.named_modules()], [name for name, _ in m.named_parameters()])
        m.c = None
        record(list(m.state_dict()))
        del m.a
        record(hasattr(m, "a"), "plain" in dir(m), "e" in dir(m))
        m.plain = nn.Parameter(lib.ones(1))
        record("plain" in m.__dict__, m.plain)

    same(scenario)


def test_registration_errors(same):
    def scenario(lib, record):
        nn = lib.nn
        m = nn.Module()
        m.weight = nn.Parameter(lib.ones(2))
        m.sub = nn.Linear(1, 1)
        m.register_buffer("buf", lib.ones(1))

        class NoInit(nn.Module):
            def __init__(self):
                self.w = nn.Parameter(lib.ones(1))

        class NoInit2(nn.Module):
            def __init__(self):
                self.w = nn.Linear(1, 1)

        record.raises(NoInit, "cannot assign parameters before Module.__init__() call")
        record.raises(NoInit2, "cannot assign module before Module.__init__() call")
        record.raises(lambda: setattr(m, "weight", lib.ones(2)), "as parameter 'weight'")
        record.raises(lambda: setattr(m, "sub", 3), "as child module 'sub'")
        record.raises(lambda: setattr(m, "buf", 3), "as buffer 'buf'")
        record.raises(lambda: m.register_parameter("x.y", None), 'parameter name can\'t contain "."')
        record.raises(lambda: m.register_parameter("", None), "parameter name can't be empty string")
        record.raises(lambda: m.register_parameter(3, None), "parameter name should be a string")
        record.raises(lambda: m.register_parameter("sub", None), "attribute 'sub' already exists")
        record.raises(lambda: m.register_parameter("z", lib.ones(1)), "object to parameter 'z'")
        record.raises(lambda: m.register_parameter("z", nn.Parameter(lib.ones(1)) * 2), "object to parameter 'z'")
        record.raises(lambda: m.register_buffer("sub", None), "attribute 'sub' already exists")
        record.raises(lambda: m.register_buffer("q", 3), "object to buffer 'q'")
        record.raises(lambda: m.add_module("q", 3), "is not a Module subclass")
        record.raises(lambda: m.add_module("a.b", m.sub), 'module name can\'t contain "."')
        record.raises(lambda: m.nothing, "object has no attribute 'nothing'")
        record.raises(lambda: delattr(m, "nothing"))
        record.raises(lambda: m(1), 'is missing the required "forward" function')
        record.raises(lambda: nn.Module(1), "takes 1 positional argument but 2 were given")
        record.raises(lambda: nn.Module(a=1), "got an unexpected keyword argument 'a'")
        record.raises(lambda: m.train(1), "training mode is expected to be boolean")
        record.raises(lambda: m.to(lib.int64), "only accepts floating point")

    same(scenario)


def test_submodule_paths(same):
    def scenario(lib, record):
        nn = lib.nn
        m = net(lib)
        record(m.get_submodule("0.1") is m[0][1], m.get_submodule("") is m)
        record(m.get_parameter("0.0.weight"), m.get_buffer("0.2.running_mean"))
        m.set_submodule("0.1", nn.Tanh())
        record(repr(m))
        record.raises(lambda: m.get_submodule("0.9"), "has no attribute `9`")
        record.raises(lambda: m.get_submodule("0.0.weight"), "is not an nn.Module")
        record.raises(lambda: m.get_parameter("0.2.running_mean"), "is not an nn.Parameter")
        record.raises(lambda: m.get_buffer("0.0.weight"), "is not a buffer")
        record.raises(lambda: m.set_submodule("", nn.Tanh()), "Cannot set the submodule without a target name")
        record.raises(lambda: m.set_submodule("0.7", nn.Tanh(), strict=True), "has no attribute `7`")

    same(scenario)


def test_iteration_and_ties(same):
    def scenario(lib, record):
        nn = lib.nn
        m = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
        m["b"].weight = m["a"].weight
        m["c"] = m["a"]
        record([n for n, _ in m.named_parameters()], [n for n, _ in m.named_parameters(remove_duplicate=False)])
        record([n for n, _ in m.named_modules()], [n for n, _ in m.named_modules(remove_duplicate=False)])
        record([n for n, _ in m.named_children()], len(list(m.children())), list(m.state_dict()))
        record([n for n, _ in m.named_parameters(prefix="x", recurse=False)])
        m.double()
        record(m["b"].weight is m["a"].weight, str(m["b"].weight.dtype).endswith("float64"))
        twin = copy.deepcopy(m)
        record(twin["b"].weight is twin["a"].weight, twin["a"].weight is not m["a"].weight)

    same(scenario)


def test_modes_and_gradients(same):
    def scenario(lib, record):
        m = net(lib)
        m.eval()
        record([c.training for c in m.modules()], [c.training for c in m.train().modules()])
        m.requires_grad_(False)
        record(any(p.requires_grad for p in m.parameters()))
        m.requires_grad_(True)
        m.eval()(tensor(lib, 5, 3)).sum().backward()
        record([p.grad for p in m.parameters()])
        m.zero_grad(set_to_none=False)
        record([p.grad.abs().sum() for p in m.parameters()])
        m.zero_grad()
        record([p.grad is None for p in m.parameters()])

    same(scenario)


def test_conversion_keeps_objects(same):
    def scenario(lib, record):
        m = net(lib).eval()
        before = list(m.parameters())
        m(tensor(lib, 5, 3)).sum().backward()
        for change in (
            m.double,
            m.half,
            m.bfloat16,
            m.float,
            lambda: m.to(lib.float64),
            lambda: m.to("cpu", lib.float32),
            lambda: m.to(lib.ones(1, dtype=lib.float64)),
            lambda: m.type(lib.float32),
            m.cpu,
        ):
            record(change() is m)
            record(
                [str(p.dtype).split(".")[1] for p in m.parameters()],
                [str(p.grad.dtype).split(".")[1] for p in m.parameters()],
            )
            record([str(b.dtype).split(".")[1] for b in m.buffers()])
        record(all(a is b for a, b in zip(before, m.parameters())), [p.requires_grad for p in m.parameters()])
        seen = []
        m.apply(lambda module: seen.append(type(module).__name__))
        record(seen)

    same(scenario)


def test_to_empty_and_skip_init(same, rsnn):
    def scenario(lib, record):
        m = lib.nn.Linear(2, 3)
        weight = m.weight
        record(m.to_empty(device="cpu") is m, m.weight is weight, m.weight.requires_grad, tuple(m.weight.shape))
        skipped = lib.nn.utils.skip_init(lib.nn.Linear, 2, 3)
        record(tuple(skipped.weight.shape), skipped.weight.is_meta)

    same(scenario)
    with pytest.raises(NotImplementedError, match="rsnn.nn.utils.skip_init.*to_empty"):
        rsnn.nn.Linear(2, 3, device="meta")


def test_state_dict_round_trip(same):
    def scenario(lib, record):
        m, other = net(lib), fill(lib, net(lib), seed=50)
        state = m.state_dict()
        record(list(state), type(state).__name__, {k: dict(v) for k, v in state._metadata.items()})
        record(state["0.0.weight"].requires_grad, m.state_dict(keep_vars=True)["0.0.weight"] is m[0][0].weight)
        result = other.load_state_dict(state)
        record(str(result), result.missing_keys, dict(other.state_dict()))
        record(list(m.state_dict(prefix="p.")))
        record(state["0.0.weight"].data_ptr() == m[0][0].weight.data_ptr())

    same(scenario)


def test_state_dict_errors(same):
    def scenario(lib, record):
        m = net(lib)
        state = m.state_dict()
        state["extra"] = lib.ones(1)
        state["0.0.extra.deep"] = lib.ones(1)
        del state["2.bias"]
        record.raises(
            lambda: m.load_state_dict(state),
            'Error(s) in loading state_dict for Sequential:\n\tMissing key(s) in state_dict: "2.bias"',
        )
        record.raises(lambda: m.load_state_dict(state), 'Unexpected key(s) in state_dict: "extra", "0.0.extra.deep"')
        out = m.load_state_dict(state, strict=False)
        record(out.missing_keys, sorted(out.unexpected_keys))
        wrong = m.state_dict()
        wrong["2.weight"] = lib.ones(5, 5)
        record.raises(lambda: m.load_state_dict(wrong), "size mismatch for 2.weight: copying a param with shape")
        record.raises(lambda: m.load_state_dict(wrong, strict=False), "size mismatch for 2.weight")
        record.raises(lambda: m.load_state_dict([1]), "Expected state_dict to be dict-like")
        wrong["2.weight"] = 3
        record.raises(lambda: m.load_state_dict(wrong), 'While copying the parameter named "2.weight", expected')

    same(scenario)


def test_assign(same):
    def scenario(lib, record):
        m = net(lib)
        state = {k: (v.double() if v.is_floating_point() else v) for k, v in m.state_dict().items()}
        m.load_state_dict(state, assign=True)
        record(
            str(m[2].weight.dtype).endswith("float64"),
            m[2].weight.requires_grad,
            isinstance(m[2].weight, lib.nn.Parameter),
        )
        record(m[2].weight.data_ptr() == state["2.weight"].data_ptr())

    same(scenario)


def test_assign_keeps_ties(rsnn):
    m = rsnn.nn.ModuleList([rsnn.nn.Linear(2, 2, bias=False), rsnn.nn.Linear(2, 2, bias=False)])
    m[1].weight = m[0].weight
    m.load_state_dict({k: v.clone() for k, v in m.state_dict().items()}, assign=True)
    assert m[0].weight is m[1].weight


def test_state_dict_hooks_and_extra_state(same):
    def scenario(lib, record):
        nn = lib.nn

        class Extra(nn.Module):
            _version = 7

            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(lib.ones(1))
                self.count = 3

            def get_extra_state(self):
                return {"count": self.count}

            def set_extra_state(self, state):
                self.count = state["count"] + 1

        m = nn.Sequential(Extra())
        m.register_state_dict_pre_hook(lambda module, prefix, keep_vars: record("pre", prefix, keep_vars))

        def post(module, state, prefix, metadata):
            state[prefix + "added"] = lib.zeros(1)

        handle = m.register_state_dict_post_hook(post)
        m._register_state_dict_hook(lambda module, state, prefix, metadata: record(sorted(state), metadata))
        m.register_load_state_dict_pre_hook(lambda module, state, prefix, *rest: state.pop("added", None))
        m.register_load_state_dict_post_hook(lambda module, keys: record(keys.missing_keys, keys.unexpected_keys))
        state = m.state_dict()
        record(list(state), state["0._extra_state"])
        m.load_state_dict(state)
        record(m[0].count)
        handle.remove()
        record(list(m.state_dict()))
        del state["0._extra_state"]
        record.raises(lambda: m.load_state_dict(state), '"0._extra_state"')

    same(scenario)


def test_forward_hooks(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.Linear(2, 2))
        x = tensor(lib, 3, 2)
        order = []
        m.register_forward_pre_hook(lambda mod, args: order.append("pre1"))
        m.register_forward_pre_hook(lambda mod, args: (args[0] * 2,), prepend=True)
        m.register_forward_pre_hook(lambda mod, args, kwargs: order.append(("kw", len(kwargs))), with_kwargs=True)
        h = m.register_forward_hook(lambda mod, args, out: out + 1)
        m.register_forward_hook(lambda mod, args, kwargs, out: order.append("post"), with_kwargs=True, prepend=True)
        record(m(x), m(input=x) if False else order)
        h.remove()
        record(m(x), order)
        with m.register_forward_hook(lambda mod, args, out: out * 0):
            record(m(x))
        record(m(x))

        class Bad(lib.nn.Module):
            def forward(self, x):
                raise KeyError("inside")

        bad = Bad()
        bad.register_forward_hook(lambda mod, args, out: order.append(("always", out is None)), always_call=True)
        record.raises(lambda: bad(x), "inside")
        record(order)
        bad.register_forward_pre_hook(lambda mod, args, kwargs: 3, with_kwargs=True)
        record.raises(lambda: bad(x), "forward pre-hook must return None or a tuple")

    same(scenario)


def test_backward_hooks(same):
    def scenario(lib, record):
        m = fill(lib, lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.Tanh(), lib.nn.Linear(3, 1)))
        x = tensor(lib, 4, 2, grad=True)
        m[1].register_full_backward_hook(lambda mod, gi, go: record("tanh", gi, go))
        m[0].register_full_backward_hook(lambda mod, gi, go: (gi[0] * 2,))
        m[2].register_full_backward_pre_hook(lambda mod, go: (go[0] * 3,))
        m.register_full_backward_hook(lambda mod, gi, go: record("all", gi, go))
        m(x).sum().backward()
        record(x.grad, [p.grad for p in m.parameters()])
        record.raises(
            lambda: m.register_backward_hook(lambda *a: None), "Cannot use both regular backward hooks and full"
        )
        m2 = fill(lib, lib.nn.Linear(2, 1))
        m2.register_full_backward_hook(lambda mod, gi, go: record("no input gradient", gi, go))
        m2(tensor(lib, 4, 2)).sum().backward()
        m3 = fill(lib, lib.nn.Linear(2, 1))
        m3.register_full_backward_hook(lambda mod, gi, go: (gi[0], gi[0]))
        record.raises(
            lambda: m3(tensor(lib, 4, 2, grad=True)).sum().backward(),
            "Backward hook returned an invalid number of grad_input, got 2, but expected 1",
        )

    same(scenario)


def test_global_hooks(same):
    def scenario(lib, record):
        mod = lib.nn.modules.module
        m = fill(lib, lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.Tanh()))
        seen = []
        handles = [
            mod.register_module_forward_pre_hook(lambda m, a: seen.append(("pre", type(m).__name__))),
            mod.register_module_forward_hook(lambda m, a, o: seen.append(("post", type(m).__name__))),
            mod.register_module_full_backward_pre_hook(lambda m, go: seen.append(("bpre", type(m).__name__))),
            mod.register_module_full_backward_hook(lambda m, gi, go: seen.append(("back", type(m).__name__))),
            mod.register_module_parameter_registration_hook(lambda m, n, p: seen.append(("param", n))),
            mod.register_module_buffer_registration_hook(lambda m, n, p: seen.append(("buf", n))),
            mod.register_module_module_registration_hook(lambda m, n, p: seen.append(("mod", n))),
        ]
        m(tensor(lib, 4, 2, grad=True)).sum().backward()
        lib.nn.Sequential(lib.nn.BatchNorm1d(2))
        for handle in handles:
            handle.remove()
        m(tensor(lib, 4, 2))
        lib.nn.Linear(1, 1)
        record(seen)

    same(scenario)


def test_containers(same):
    def scenario(lib, record):
        nn = lib.nn
        seq = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
        record(repr(seq[1:]), repr(seq[-1]), len(seq), repr(seq + nn.Sequential(nn.GELU())))
        seq.append(nn.GELU()).insert(1, nn.SiLU())
        seq[0] = nn.ELU()
        del seq[2]
        record(repr(seq), repr(seq.pop(-1)), repr(seq * 2))
        record.raises(lambda: seq[9], "index 9 is out of range")
        ml = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)] + [nn.ReLU()])
        ml.insert(1, nn.Tanh())
        ml.extend([nn.ReLU(), nn.ReLU()])
        record(repr(ml), repr(ml[1:3]), len(ml), [type(m).__name__ for m in ml], list(ml.state_dict()))
        del ml[0]
        record(list(ml.state_dict()), repr(ml.pop(0)))
        record.raises(lambda: ml.extend(3), "ModuleList.extend should be called with an iterable")
        md = nn.ModuleDict([["a", nn.ReLU()], ["b", nn.Tanh()]])
        md.update({"c": nn.GELU()})
        record(repr(md), list(md), "a" in md, repr(md.pop("a")), list(md.keys()), len(md))
        record.raises(lambda: md.update([("x",)]), "has length 1; 2 is required")
        pl = nn.ParameterList([nn.Parameter(lib.ones(2)), lib.zeros(3)])
        pl.append(lib.ones(1))
        pl += [lib.ones(2, 2)]
        record([p.requires_grad for p in pl], len(pl), list(pl.state_dict()), len(pl[1:3]))
        pd = nn.ParameterDict({"x": lib.ones(2)})
        pd["y"] = nn.Parameter(lib.zeros(1))
        pd.update({"z": lib.ones(1)})
        record(
            list(pd), [n for n, _ in pd.named_parameters()], pd.pop("y"), list(pd.items()), pd.get("q"), len(pd | pd)
        )
        record.raises(lambda: pl(1), "ParameterList should not be called.")

    same(scenario)


def test_pickle_and_deepcopy(same):
    def scenario(lib, record):
        m = net(lib).eval()
        x = tensor(lib, 2, 3)
        back = pickle.loads(pickle.dumps(m))
        record(m(x), back(x), copy.deepcopy(m)(x), type(back[0][0].weight).__name__)
        p = lib.nn.Parameter(lib.ones(2), requires_grad=False)
        q = pickle.loads(pickle.dumps(p))
        record(q, q.requires_grad, type(q).__name__, copy.deepcopy(p).requires_grad)

    same(scenario)


def test_parameter(same):
    def scenario(lib, record):
        Parameter = lib.nn.Parameter
        p = Parameter(lib.ones(2))
        record(
            type(p).__name__,
            p.requires_grad,
            p.is_leaf,
            type(p * 2).__name__,
            type(p.data).__name__,
            type(p.detach()).__name__,
        )
        record(repr(p).split("\n")[0], Parameter(lib.ones(1), False).requires_grad, Parameter().numel())
        q = Parameter(p)
        record(q is p, q.data_ptr() == p.data_ptr())

        class Sub(lib.Tensor):
            pass

        record(isinstance(3, Parameter), isinstance(lib.ones(1), Parameter))

    same(scenario)


def test_lazy(same):
    def scenario(lib, record):
        nn = lib.nn
        lib.manual_seed(3)
        m = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
        record(repr(m), m[0].has_uninitialized_params(), isinstance(m[0].weight, nn.UninitializedParameter))
        record.raises(lambda: m[3].weight.shape, "Can't access the shape of an uninitialized parameter")
        m(tensor(lib, 2, 3, 5, 5))
        record(repr(m), type(m[0]).__name__, type(m[0].weight).__name__, dict(m.state_dict()))
        other = nn.LazyLinear(2)
        other.load_state_dict(m[3].state_dict())
        record(tuple(other.weight.shape), type(other).__name__)
        other(tensor(lib, 2, 36))
        record(other.in_features, type(other).__name__)

    same(scenario)


def test_error_names_the_submodule(rsnn):
    m = rsnn.nn.Sequential(rsnn.nn.Sequential(rsnn.nn.ReLU(), rsnn.nn.Linear(3, 4)))
    with pytest.raises(RuntimeError) as caught:
        m(rsnn.ones(2, 5))
    assert str(caught.value) == "mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4) [in 0.1 (Linear)]"


def test_whole_module_through_a_buffer(rsnn):
    buffer = io.BytesIO()
    pickle.dump(rsnn.nn.Linear(2, 2), buffer)
    assert pickle.loads(buffer.getvalue()).weight.shape == (2, 2)
