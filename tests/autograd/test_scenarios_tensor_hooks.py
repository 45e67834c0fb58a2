"""Hooks against torch: of tensors, leaves and nodes, their order, and what they may return."""

import pytest

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def plain(value):
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


class Log(list):
    def hook(self, name, factor=None):
        def run(*args):
            self.append([name, plain(args)])
            return None if factor is None else args[0] * factor

        return run

    def take(self):
        out, self[:] = list(self), []
        return out


def chain(lib):
    x = lib.tensor(1.0, requires_grad=True)
    y = x * 2
    return x, y, y * 3


@scenario
def order_in_backward(lib, record):
    log, (x, y, z) = Log(), chain(lib)
    x.register_hook(log.hook("x", 5.0))
    y.register_hook(log.hook("y1", 10.0))
    y.retain_grad()
    y.register_hook(log.hook("y2"))
    y.grad_fn.register_prehook(log.hook("pre"))
    y.grad_fn.register_hook(log.hook("post"))
    accumulate = y.grad_fn.next_functions[0][0]
    accumulate.register_prehook(log.hook("accumulate pre"))
    accumulate.register_hook(log.hook("accumulate post"))
    x.register_post_accumulate_grad_hook(lambda t: log.append(["grad", t.grad.item()]))
    z.backward()
    record(log.take(), x.grad, y.grad)


@scenario
def order_in_grad(lib, record):
    log, (x, y, z) = Log(), chain(lib)
    x.register_hook(log.hook("x", 5.0))
    y.register_hook(log.hook("y", 10.0))
    y.grad_fn.register_hook(log.hook("node"))
    for inputs in ([x, y], [y], [x]):
        record(lib.autograd.grad(z, inputs, retain_graph=True), log.take())


@scenario
def order_with_inputs(lib, record):
    log, (x, y, z) = Log(), chain(lib)
    x.register_hook(log.hook("x"))
    y.register_hook(log.hook("y"))
    y.grad_fn.register_hook(log.hook("node"))
    z.backward(inputs=[x], retain_graph=True)
    record(log.take(), x.grad)
    z.backward(inputs=[y], retain_graph=True)
    record(log.take(), x.grad, y.grad)


@scenario
def hooks_of_one_tensor_run_in_order(lib, record):
    x = lib.tensor(1.0, requires_grad=True)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 2).backward()
    record(x.grad)


@scenario
def removed_hooks(lib, record):
    log, x = Log(), lib.tensor(1.0, requires_grad=True)
    first, second = x.register_hook(log.hook("a")), x.register_hook(log.hook("b"))
    (x * 2).backward()
    first.remove()
    first.remove()
    (x * 2).backward()
    with second:
        (x * 2).backward()
    (x * 2).backward()
    record(log.take())


@scenario
def removed_hooks_of_non_leaves(lib, record):
    log, (_, y, z) = Log(), chain(lib)
    handles = [y.register_hook(log.hook("y")), y.grad_fn.register_hook(log.hook("post")), y.grad_fn.register_prehook(log.hook("pre"))]
    z.backward(retain_graph=True)
    for handle in handles:
        handle.remove()
    z.backward()
    record(log.take())


@scenario
def removed_after_an_in_place_write(lib, record):
    log, (_, y, _) = Log(), chain(lib)
    handle = y.register_hook(log.hook("y"))
    y.mul_(2)
    handle.remove()
    y.backward()
    record(log.take())


@scenario
def removed_inside_a_hook(lib, record):
    log, x = Log(), lib.tensor(1.0, requires_grad=True)

    def once(g):
        log.append(["once", g.item()])
        handle.remove()

    handle = x.register_hook(once)
    (x * 2).backward()
    (x * 2).backward()
    record(log.take())


@scenario
def results_of_tensor_hooks(lib, record):
    def attempt(value, match):
        y = lib.ones(3, requires_grad=True) * 1
        y.register_hook(lambda g: value)
        record.raises(lambda: y.sum().backward(), match)

    attempt(lib.ones(2), "has changed the size of value")
    attempt(lib.ones(1, 3), "has changed the size of value")
    attempt(lib.ones(3).double(), "has changed the type of value")
    attempt(3, "but hook returned 'int'")
    attempt("x", "but hook returned 'str'")
    attempt(lib.ones(3), "")
    attempt(None, "")


@scenario
def results_of_node_hooks(lib, record):
    def attempt(register, value, match):
        x = lib.ones(3, requires_grad=True)
        y = x * 1
        getattr(y.grad_fn, register)(lambda *args: value)
        record.raises(lambda: y.sum().backward(), match)
        record(x.grad)

    one, two = lib.ones(3) * 7, lib.ones(2)
    for value, match in (((one, None), ""), ((one,), "incorrect number of values"), ((two, None), "changed the size"), (one, "expected tuple"), (3, "expected tuple")):
        attempt("register_hook", value, match)
    for value, match in (((one,), ""), ((one, None), "incorrect number of values"), ((two,), "changed the size"), (one, "expected tuple")):
        attempt("register_prehook", value, match)


@scenario
def hooks_need_gradients(lib, record):
    plain_tensor, x = lib.ones(1), lib.ones(1, requires_grad=True)
    record.raises(lambda: plain_tensor.register_hook(print), "cannot register a hook on a tensor that doesn't require gradient")
    record.raises(lambda: plain_tensor.register_post_accumulate_grad_hook(print), "that doesn't require gradient")
    record.raises(lambda: (x * 1).register_post_accumulate_grad_hook(print), "cannot be registered on non-leaf tensors")
    record.raises(lambda: plain_tensor.retain_grad(), "can't retain_grad on Tensor that has requires_grad=False")
    x.retain_grad()
    record(x.retains_grad)


@scenario
def exceptions_leave_as_themselves(lib, record):
    def fail(*args):
        raise KeyError("from a hook")

    for place in ("tensor", "leaf", "node", "prehook", "post accumulate"):
        x, y, z = chain(lib)
        {
            "tensor": y.register_hook, "leaf": x.register_hook, "node": y.grad_fn.register_hook,
            "prehook": y.grad_fn.register_prehook, "post accumulate": x.register_post_accumulate_grad_hook,
        }[place](fail)  # fmt: skip
        record.raises(z.backward, "from a hook")


@scenario
def retained_gradients(lib, record):
    x, y, z = chain(lib)
    y.retain_grad()
    y.retain_grad()
    z.backward(retain_graph=True)
    record(y.grad, y.grad.requires_grad, y.retains_grad, z.retains_grad)
    z.backward()
    record(y.grad)


@scenario
def retained_gradients_with_graph(lib, record):
    x = lib.tensor(2.0, requires_grad=True)
    y = x * x
    y.retain_grad()
    (y * y).backward(create_graph=True)
    record(y.grad, y.grad.requires_grad)


@scenario
def retained_gradient_moves_with_in_place(lib, record):
    log, x = Log(), lib.tensor(1.0, requires_grad=True)
    y = x * 2
    y.register_hook(log.hook("before"))
    y.retain_grad()
    y.mul_(5)
    y.register_hook(log.hook("after"))
    y.backward()
    record(log.take(), y.grad, x.grad)


@scenario
def post_accumulate_hooks_step(lib, record):
    x = lib.tensor([1.0, 2.0], requires_grad=True)

    def step(t):
        with lib.no_grad():
            t -= 0.5 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    record(x, x.grad)


@scenario
def grad_mode_inside_hooks(lib, record):
    for create in (False, True):
        x, y, z = chain(lib)
        y.register_hook(lambda g: record(lib.is_grad_enabled()))
        z.backward(create_graph=create)


@scenario
def backward_inside_a_hook(lib, record):
    x, y, z = chain(lib)
    w = lib.tensor(3.0, requires_grad=True)
    y.register_hook(lambda g: lib.enable_grad()(lambda: (w * w).backward())())
    z.backward()
    record(x.grad, w.grad)


@scenario
def multi_grad_hook(lib, record):
    seen = []
    a, b, c = (lib.tensor(float(i), requires_grad=True) for i in (1, 2, 3))
    handle = lib.autograd.graph.register_multi_grad_hook([a, b, c], lambda grads: seen.append([plain(g) for g in grads]))
    (a * b * c).backward()
    (a * b).backward()
    (c * 2).backward(inputs=[c])
    handle.remove()
    (a * b * c).backward()
    record(seen)


@scenario
def multi_grad_hook_any(lib, record):
    seen = []
    a, b = (lib.tensor(float(i), requires_grad=True) for i in (1, 2))
    with lib.autograd.graph.register_multi_grad_hook([a, b], lambda g: seen.append(g.item()), mode="any"):
        (b * 5).backward()
        (a * b).backward()
    (a * b).backward()
    record(len(seen), seen[0])
    record.raises(lambda: lib.autograd.graph.register_multi_grad_hook([a], print, mode="some"), "Expects mode to be one of")


@scenario
def multi_grad_hook_of_non_leaves(lib, record):
    seen = []
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    a, b = x.exp(), x * 2
    lib.autograd.graph.register_multi_grad_hook((a, b), lambda grads: seen.append([plain(g) for g in grads]))
    (a * b).sum().backward(retain_graph=True)
    b.sum().backward()
    record(seen)


@scenario
def module_hooks_see_gradients(lib, record):
    layer, seen = lib.nn.Linear(2, 2), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append([gi[0].shape == (1, 2), go[0].tolist()]))
    layer(lib.ones(1, 2, requires_grad=True)).sum().backward()
    record(seen)


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_hooks(same, f):
    same(f)
