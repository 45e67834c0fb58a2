"""The recorded graph against torch: nodes, saved-tensor hooks, save_on_cpu, and checkpointing."""

import pytest
import rsnn
from harness import fill, tensor

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def leaf(lib, *values):
    return lib.tensor([float(v) for v in values or (1, 2)], requires_grad=True)


@scenario
def nodes(lib, record):
    x, w = leaf(lib), leaf(lib)
    y = x * w
    node = y.grad_fn
    record(node.name(), type(node).__name__, node is y.grad_fn, [nr for _, nr in node.next_functions])
    accumulate = node.next_functions[0][0]
    record(type(accumulate).__name__, accumulate.variable is x, accumulate.next_functions, node.metadata)
    node.metadata["note"] = 5
    record(y.grad_fn.metadata, isinstance(node, lib.autograd.graph.Node), hash(node) == hash(y.grad_fn), node == y.grad_fn)
    record(x.grad_fn, x.output_nr, y.output_nr, (y * 2).grad_fn.next_functions[0][0] is node)


@scenario
def names_of_nodes(lib, record):
    x = leaf(lib)
    for f in ("exp", "sin", "tanh", "sigmoid", "relu", "abs", "neg", "log", "sqrt", "clone"):
        record(getattr(x, f)().grad_fn.name())
    for y in (x + 1, x - 1, x * 2, x / 2, x * x, x[0], x[:1], x.view(2, 1), x.expand(3, 2), x.permute(0)):
        record(y.grad_fn.name())


@scenario
def constants_have_no_edge(lib, record):
    node = (leaf(lib) * lib.ones(2)).grad_fn
    record([None if n is None else type(n).__name__ for n, _ in node.next_functions])


@scenario
def outputs_of_one_node(lib, record):
    x = tensor(lib, 3, 4, grad=True)
    values, indices = x.max(1)
    record(values.grad_fn is not None, indices.grad_fn, values.output_nr)
    var, mean = lib.var_mean(x)
    record(var.requires_grad, mean.requires_grad)
    (var * mean).backward()
    record(x.grad)


@scenario
def order_of_execution(lib, record):
    x, seen = leaf(lib), []
    a = x * 2
    b = x * 3
    c = a + b
    for name, t in (("a", a), ("b", b), ("c", c)):
        t.register_hook(lambda g, name=name: seen.append(name))
    c.sum().backward()
    record(seen)


@scenario
def packing(lib, record):
    seen = []

    def pack(t):
        seen.append(["pack", list(t.shape), lib.is_grad_enabled()])
        return t * 1

    def unpack(t):
        seen.append(["unpack", list(t.shape)])
        return t

    x = leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
        z = y.sum()
    z.backward()
    record(seen, x.grad)


@scenario
def packing_sees_the_tensor_itself(lib, record):
    seen, x = [], leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: (seen.append(t is x), t)[1], lambda t: t):
        y = (x * x.detach()).sum()
    y.backward()
    record(sorted(seen), x.grad)


@scenario
def packing_is_innermost_first(lib, record):
    seen, x = [], leaf(lib)
    hooks = lib.autograd.graph.saved_tensors_hooks

    def made(name):
        return hooks(lambda t: (seen.append(name), t)[1], lambda t: (seen.append(name + " back"), t)[1])

    with made("outer"):
        a = x.exp()
        with made("inner"):
            b = a.exp()
        c = b.exp()
    c.sum().backward()
    record(seen, x.grad)


@scenario
def unpacked_values_count(lib, record):
    x = leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t * 10):
        y = x * x
    y.sum().backward()
    record(x.grad)


@scenario
def double_backward_through_hooks(lib, record):
    x = leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = (x**3).sum()
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    record(g, lib.autograd.grad(g.sum(), x))


@scenario
def hooks_that_misbehave(lib, record):
    hooks, x = lib.autograd.graph.saved_tensors_hooks, leaf(lib)

    def attempt(pack, unpack, match):
        def run():
            with hooks(pack, unpack):
                y = (x * x).sum()
            y.backward()

        record.raises(run, match)

    attempt(lambda t: t.mul_(2), lambda t: t, "pack hook is modifying its input in place")
    attempt(lambda t: t, lambda t: 3, "unpack_hook expected to be a Tensor but got result of type")
    attempt(lambda t: 1 / 0, lambda t: t, "division by zero")
    attempt(lambda t: t, lambda t: 1 / 0, "division by zero")


@scenario
def disabled_hooks(lib, record):
    graph, x = lib.autograd.graph, leaf(lib)
    hooks = graph.saved_tensors_hooks(lambda t: t, lambda t: t)

    def inside():
        with graph.disable_saved_tensors_hooks("not here"):
            record((x * x).requires_grad)
            with hooks:
                pass

    def around():
        with hooks, graph.disable_saved_tensors_hooks("not there"):
            pass

    record.raises(inside, "not here")
    record.raises(around, "not there")
    with hooks:
        record((x * x).requires_grad)


@scenario
def saved_on_the_cpu(lib, record):
    x = leaf(lib)
    with lib.autograd.graph.save_on_cpu():
        y = (x.exp() * x).sum()
    y.backward()
    record(x.grad)


def block(lib):
    net = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.Tanh(), lib.nn.Linear(8, 4))
    return fill(lib, net)


def checkpoint(lib):
    return __import__(f"{lib.__name__}.utils.checkpoint", fromlist=["x"])


@scenario
def checkpointed_gradients(lib, record):
    net, x = block(lib), tensor(lib, 3, 4, grad=True)
    y = checkpoint(lib).checkpoint(net, x, use_reentrant=False)
    record(y)
    y.pow(2).sum().backward()
    record(x.grad, [p.grad for p in net.parameters()])


@scenario
def checkpoint_runs_twice(lib, record):
    calls, x = [], leaf(lib)

    def f(x, scale, *, shift=0):
        calls.append((scale, shift, lib.is_grad_enabled()))
        return {"y": x.exp() * scale + shift}

    y = checkpoint(lib).checkpoint(f, x, 3, shift=1, use_reentrant=False)["y"]
    record(len(calls))
    y.sum().backward()
    record(calls, x.grad)
    with lib.no_grad():
        record(checkpoint(lib).checkpoint(f, x, 2, use_reentrant=False)["y"].requires_grad)


@scenario
def checkpoint_stops_early(lib, record):
    cp = checkpoint(lib)
    for early in (True, False):
        seen, x = [], leaf(lib)

        def f(x, seen=seen):
            y = x.exp().exp()
            seen.append("end")
            return y + 1

        with cp.set_checkpoint_early_stop(early):
            y = cp.checkpoint(f, x, use_reentrant=False)
        y.sum().backward()
        record(seen, x.grad)


@scenario
def checkpoints_nest(lib, record):
    cp, x = checkpoint(lib), leaf(lib)

    def inner(x):
        return x.sin().exp()

    def outer(x):
        return cp.checkpoint(inner, x * 2, use_reentrant=False) * x

    cp.checkpoint(outer, x, use_reentrant=False).sum().backward()
    record(x.grad)


@scenario
def checkpoint_with_dropout(lib, record):
    x = lib.ones(1000, requires_grad=True)
    y = checkpoint(lib).checkpoint(lambda x: lib.nn.functional.dropout(x.exp(), 0.5) * x, x, use_reentrant=False)
    y.sum().backward()
    kept = (y != 0).float()
    record(lib.allclose(x.grad, kept * 2 * 2.718281828 * 2, atol=1e-4), 300 < kept.sum() < 700)


@scenario
def checkpoint_double_backward_and_grad(lib, record):
    x = leaf(lib)
    y = checkpoint(lib).checkpoint(lambda x: (x**3).sum(), x, use_reentrant=False)
    (g,) = lib.autograd.grad(y, x, create_graph=True)
    record(g, lib.autograd.grad(g.sum(), x))


@scenario
def checkpoint_of_changing_functions(lib, record):
    cp, state = checkpoint(lib), [0]

    def f(x):
        state[0] += 1
        return x.exp() if state[0] == 1 else x + 1

    y = cp.checkpoint(f, leaf(lib), use_reentrant=False)
    record.raises(lambda: y.sum().backward(), "different number of tensors was saved during the original forward and recomputation")

    def g(x):
        state[0] += 1
        return (x if state[0] % 2 else x[:1]).exp()

    state[0] = 0
    y = cp.checkpoint(g, leaf(lib), use_reentrant=False)
    record.raises(lambda: y.sum().backward(), "Recomputed values for the following tensors have different metadata")


@scenario
def checkpoint_contexts(lib, record):
    seen, x = [], leaf(lib)

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            seen.append(self.name)

        def __exit__(self, *exc):
            pass

    y = checkpoint(lib).checkpoint(
        lambda x: x.exp(), x, use_reentrant=False, context_fn=lambda: (Note("forward"), Note("again"))
    )
    y.sum().backward()
    record(seen, x.grad)


@scenario
def checkpoint_in_sequence(lib, record):
    net, x = block(lib), tensor(lib, 3, 4, grad=True)
    checkpoint(lib).checkpoint_sequential(net, 2, x, use_reentrant=False).sum().backward()
    record(x.grad)


def layers(lib):
    nn = lib.nn
    return {
        "linear": (nn.Linear(4, 3), tensor(lib, 2, 4, grad=True)),
        "sequential": (nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2)), tensor(lib, 5, 2, 4, grad=True)),
        "attention": (nn.MultiheadAttention(4, 2), tensor(lib, 3, 1, 4, grad=True)),
        "gru": (nn.GRU(4, 2), tensor(lib, 3, 1, 4, grad=True)),
    }


def run(name, layer, x):
    return layer(x, x, x)[0] if name == "attention" else layer(x)[0] if name == "gru" else layer(x)


@scenario
def weights_replaced_before_backward(lib, record):
    for name, (layer, x) in layers(lib).items():
        fill(lib, layer)
        for change in (lambda p: p.data * 3, lambda p: p.data.double()):
            y = run(name, layer, x)
            for p in layer.parameters():
                p.data = change(p)
            y.pow(2).sum().backward()
            record(name, x.grad, *[p.grad for p in layer.parameters()])
            x.grad = None
            layer.float().zero_grad()


@scenario
def weight_transposed_before_backward(lib, record):
    layer, x = fill(lib, lib.nn.Linear(4, 4)), tensor(lib, 2, 4, grad=True)
    y = layer(x)
    layer.weight.data = layer.weight.data.t()
    y.pow(2).sum().backward()
    record(x.grad, layer.weight.grad)


@scenario
def factors_replaced_before_backward(lib, record):
    x, w = leaf(lib), leaf(lib, 3, 4)
    y = x * w
    w.data = lib.tensor([5.0, 6.0], dtype=lib.float64)
    y.sum().backward()
    record(x.grad, w.grad)
    w, x = leaf(lib), leaf(lib)
    y = x * w
    w.data = lib.ones(3)
    record.raises(lambda: y.sum().backward())
    w = lib.ones(2)
    y = x * w
    w.set_(lib.ones(2) * 5)
    record.raises(lambda: y.sum().backward(), "has been modified by an inplace operation")


def test_conversion_before_backward():
    """Any layer may change its dtype between forward and backward: gradients are those of the forward's dtype."""
    for make, shape in (
        (lambda: rsnn.nn.Conv2d(2, 3, 3), (1, 2, 5, 5)), (lambda: rsnn.nn.LayerNorm(4), (3, 4)),
        (lambda: rsnn.nn.BatchNorm1d(4), (3, 4)), (lambda: rsnn.nn.GroupNorm(2, 4), (3, 4)),
    ):  # fmt: skip
        layer, x = fill(rsnn, make()), tensor(rsnn, *shape)
        layer(x).pow(2).sum().backward()
        expected = [p.grad for p in layer.parameters()]
        layer.zero_grad()
        y = layer(x)
        layer.double()
        y.pow(2).sum().backward()
        for p, e in zip(layer.parameters(), expected):
            assert p.dtype == rsnn.float64 and p.grad.dtype == rsnn.float32
            assert rsnn.equal(p.grad, e)


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_graph(same, f):
    same(f)
