"""Grad modes and in-place writes against torch: contexts, decorators, generators, views, leaves, versions."""

import pytest

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def leaf(lib, *values):
    return lib.tensor([float(v) for v in values or (1, 2, 3, 4)], requires_grad=True)


@scenario
def contexts_nest_and_restore(lib, record):
    def note():
        record(lib.is_grad_enabled(), lib.is_inference_mode_enabled())

    note()
    with lib.no_grad():
        note()
        with lib.enable_grad():
            note()
            with lib.set_grad_enabled(False):
                note()
            note()
        note()
    with lib.inference_mode():
        note()
        with lib.inference_mode(False):
            note()
        with lib.enable_grad():
            note()
            record((leaf(lib) * 2).requires_grad)
    note()


@scenario
def contexts_restore_after_exceptions(lib, record):
    for make in (lib.no_grad, lib.inference_mode, lambda: lib.set_grad_enabled(False)):

        def fail(make=make):
            with make():
                raise KeyError("inside")

        record.raises(fail, "inside")
        record(lib.is_grad_enabled(), lib.is_inference_mode_enabled())


@scenario
def decorators(lib, record):
    @lib.no_grad()
    def a():
        """Say something."""
        return lib.is_grad_enabled()

    @lib.no_grad
    def b(x, *, k=1):
        return lib.is_grad_enabled(), x, k

    @lib.enable_grad()
    def c():
        return lib.is_grad_enabled()

    @lib.set_grad_enabled(False)
    def d():
        return lib.is_grad_enabled()

    @lib.inference_mode
    def e():
        return lib.is_inference_mode_enabled()

    @lib.inference_mode(False)
    def f():
        return lib.is_inference_mode_enabled()

    record(a(), a.__name__, a.__doc__, b(1, k=2), d(), e(), f(), lib.is_grad_enabled())
    with lib.no_grad():
        record(c(), lib.is_grad_enabled())


@scenario
def decorated_generators(lib, record):
    @lib.no_grad()
    def steps():
        record(lib.is_grad_enabled())
        got = yield 1
        record(lib.is_grad_enabled(), got)
        try:
            yield 2
        except KeyError as error:
            record(lib.is_grad_enabled(), str(error))
            yield 3
        return "end"

    gen = steps()
    record(next(gen), lib.is_grad_enabled(), gen.send("sent"), lib.is_grad_enabled(), gen.throw(KeyError("thrown")))
    try:
        next(gen)
    except StopIteration as stop:
        record(stop.value)

    @lib.no_grad()
    def closed():
        try:
            yield 1
        finally:
            record("closed", lib.is_grad_enabled())

    gen = closed()
    next(gen)
    gen.close()
    record(lib.is_grad_enabled())


@scenario
def set_grad_enabled_acts_at_once(lib, record):
    lib.set_grad_enabled(False)
    record(lib.is_grad_enabled())
    lib.set_grad_enabled(True)
    record(lib.is_grad_enabled())
    with lib.set_grad_enabled(False):
        record(leaf(lib).exp().requires_grad)
    record(leaf(lib).exp().requires_grad)


@scenario
def no_grad_makes_constants(lib, record):
    x = leaf(lib)
    with lib.no_grad():
        y = x * 2
        z = lib.ones(2, requires_grad=True)
    record(y.requires_grad, y.is_leaf, y.grad_fn, z.requires_grad, (z * 2).requires_grad)


@scenario
def parameters_step_under_no_grad(lib, record):
    x = leaf(lib)
    with lib.no_grad():
        x.mul_(2)
        x -= 1
    record(x, x.requires_grad, x.is_leaf, x._version)


@scenario
def leaves_refuse_in_place(lib, record):
    match = "a leaf Variable that requires grad is being used in an in-place operation"
    for write in ("add_", "mul_", "copy_"):
        record.raises(lambda write=write: getattr(leaf(lib), write)(lib.ones(4)), match)
    for write in ("zero_", "exp_", "relu_", "detach_"):
        record.raises(getattr(leaf(lib), write), match if write != "detach_" else "")
    record.raises(lambda: leaf(lib).__setitem__(0, 1.0), "leaf Variable that requires grad")
    record.raises(lambda: leaf(lib).fill_(1), match)
    record.raises(lambda: leaf(lib)[1:].add_(1), "a view of a leaf Variable that requires grad is being used")
    record.raises(lambda: leaf(lib).expand(2, 4).add_(1), "a view of a leaf Variable")


@scenario
def expanded_memory_refuses_in_place(lib, record):
    record.raises(lambda: (leaf(lib) * 1).expand(2, 4).add_(1), "more than one element of the written-to tensor refers to a single")


@scenario
def view_then_write_the_view(lib, record):
    x = leaf(lib)
    base = x * 1
    view = base[1:3]
    view.mul_(10)
    record(base, view, base.grad_fn.name() == view.grad_fn.name(), view._is_view(), view._base is base)
    (base * base).sum().backward()
    record(x.grad)


@scenario
def view_then_write_the_base(lib, record):
    x = leaf(lib)
    base = x * 1
    view = base.view(2, 2)
    base.mul_(3)
    record(view)
    (view * view).sum().backward()
    record(x.grad)


@scenario
def writes_to_views_of_views(lib, record):
    x = leaf(lib)
    base = x * 1
    base.view(2, 2)[0].mul_(5)
    base.view(2, 2).t()[1].add_(base.detach()[:2].clone())
    record(base)
    (base**2).sum().backward()
    record(x.grad)


@scenario
def constants_take_history(lib, record):
    x = leaf(lib)
    buffer = lib.zeros(4)
    buffer[:2] = x[2:]
    buffer[2:].copy_(x[:2] * 3)
    record(buffer.requires_grad, buffer.is_leaf)
    (buffer * buffer).sum().backward()
    record(x.grad)


@scenario
def masked_and_indexed_writes(lib, record):
    x = leaf(lib)
    y = x * 1
    y[y > 2] = 0.0
    y[lib.tensor([0])] *= 4
    y.masked_fill_(lib.tensor([False, True, False, False]), 7.0)
    y.sum().backward()
    record(y, x.grad)


@scenario
def versions(lib, record):
    x = lib.ones(3)
    view = x[1:]
    record(x._version)
    x.add_(1)
    view.mul_(2)
    x[0] = 5.0
    record(x._version, view._version, x.detach()._version, x.clone()._version)
    lib.autograd.graph.increment_version(x)
    record(x._version)
    x.data.add_(1)
    record(x._version)


@scenario
def modified_saved_tensors(lib, record):
    match = "has been modified by an inplace operation"
    x = leaf(lib)
    y = x.exp()
    y.add_(1)
    record.raises(lambda: y.sum().backward(), "which is output 0 of Exp, is at version 1; expected version 0 instead")
    y = x * 2
    z = y * y
    y.add_(1)
    record.raises(lambda: z.sum().backward(), "which is output 0 of Add, is at version 1; expected version 0 instead")
    w = lib.ones(4)
    z = x * w
    w.add_(1)
    record.raises(lambda: z.sum().backward(), "is at version 1; expected version 0 instead. Hint: enable anomaly detection")
    y = x * 1
    z = y.sin()
    y[0] = 3.0
    record.raises(lambda: z.sum().backward(), match)
    y = x * 1
    z = y[1:].sin()
    y.zero_()
    record.raises(lambda: z.sum().backward(), match)


@scenario
def writes_that_nobody_saved(lib, record):
    x = leaf(lib)
    y = x * 1
    z = y + 1
    y.mul_(2)
    (z.sum() + y.sum()).backward()
    record(x.grad)


@scenario
def relu_keeps_only_its_output(lib, record):
    x = leaf(lib, -1, 2)
    y = x * 1
    z = y.relu()
    y.mul_(3)
    z.sum().backward()
    record(x.grad)


@scenario
def chain_of_in_place_ops(lib, record):
    x = leaf(lib)
    y = x.clone()
    y.sin_().add_(1).sigmoid_()
    y.sum().backward()
    record(x.grad)


@scenario
def no_grad_views_written_with_grad(lib, record):
    weight = leaf(lib, 1, 2, 3)
    plain = lib.ones(4)
    with lib.no_grad():
        view = plain[1:]
    record.raises(lambda: view.mul_(weight), "A view was created in no_grad mode and is being modified inplace with grad mode enabled")
    view.mul_(lib.ones(3))
    base = leaf(lib) * 1
    with lib.no_grad():
        view = base[1:]
    record.raises(lambda: view.mul_(2), "A view was created in no_grad mode")
    with lib.no_grad():
        view.mul_(2)
    with lib.inference_mode():
        view = plain[1:]
    record.raises(lambda: view.mul_(weight), "A view was created in inference mode and is being modified inplace in normal mode")


@scenario
def detach_in_place(lib, record):
    x = leaf(lib)
    y = x * 2
    y.detach_()
    record(y.requires_grad, y.is_leaf, y.grad_fn)
    record.raises(lambda: (x * 1)[1:].detach_(), "Can't detach views in-place. Use detach() instead")
    record.raises(lambda: lib.ones(3)[1:].detach_(), "Can't detach views in-place")
    record(x.detach_().requires_grad)


@scenario
def data_escapes_the_graph(lib, record):
    x = leaf(lib)
    y = x * x
    x.data.mul_(10)
    y.sum().backward()
    record(x.grad)
    x.data = lib.ones(2)
    record(x, x.requires_grad)


@scenario
def leaf_and_views(lib, record):
    x = leaf(lib)
    y = x * 1
    for t in (x, x.detach(), x[1:], y, y[1:], y.clone(), lib.ones(2)[1:]):
        record(t.is_leaf, t._is_view(), t.requires_grad)
    with lib.no_grad():
        record(y[1:]._is_view(), (y + 1)._is_view())


@scenario
def out_of_place_on_overwritten_parts(lib, record):
    x = leaf(lib)
    rows = lib.zeros(2, 4)
    for i in range(2):
        rows[i] = x * (i + 1)
    rows.prod().backward()
    record(x.grad)


@scenario
def unrelated_views_share_versions(lib, record):
    x = leaf(lib)
    base = x * 1
    left, right = base[:2], base[2:]
    z = left.exp()
    right.mul_(3)
    z.sum().backward()  # exp saved its own result
    record(x.grad)
    base = x * 1
    z = base[:2] * base[:2]
    base[2:].mul_(3)
    record.raises(lambda: z.sum().backward(), "modified by an inplace operation")


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_modes(same, f):
    same(f)
