"""autograd.Function against torch: every method of ctx, both forms of forward, and what backward may return."""

import gc
import weakref

import pytest

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def function(lib, forward, backward, **more):
    """Make a Function of two functions."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Made", (lib.autograd.Function,), body | {k: staticmethod(v) for k, v in more.items()})


def leaf(lib):
    return lib.tensor([1.0, 2.0], requires_grad=True)


@scenario
def needs_input_grad(lib, record):
    def forward(ctx, *args):
        record(ctx.needs_input_grad, lib.is_grad_enabled(), [getattr(a, "requires_grad", None) for a in args])
        return args[0] * 1

    made = function(lib, forward, lambda ctx, g: (g, None, None, None))
    made.apply(leaf(lib), 2, None, "text")
    made.apply(lib.ones(2), leaf(lib), 1, 2)
    with lib.no_grad():
        record(made.apply(leaf(lib), 1, 2, 3).requires_grad)
    record(made.apply(lib.ones(2), 1, 2, 3).requires_grad)


@scenario
def attributes_and_names(lib, record):
    def forward(ctx, x):
        ctx.factor, kept["ctx"] = 5, ctx
        return x * 5

    def backward(ctx, g):
        record(ctx is kept["ctx"], ctx.factor, ctx.needs_input_grad, len(ctx.next_functions), ctx.name())
        return g * ctx.factor

    kept = {}
    x = leaf(lib)
    y = function(lib, forward, backward).apply(x)
    record(y.grad_fn is kept["ctx"], y.grad_fn.name(), type(y.grad_fn).__name__, y.grad_fn.factor)
    record(isinstance(y.grad_fn, lib.autograd.graph.Node), isinstance(y.grad_fn, lib.autograd.function.FunctionCtx))
    y.sum().backward()
    record(x.grad)


@scenario
def outputs_that_are_no_tensors(lib, record):
    seen = []

    def backward(ctx, *grads):
        seen.append([g is None for g in grads])
        return grads[0]

    made = function(lib, lambda ctx, x: (x * 1, 5, None, "a"), backward)
    out = made.apply(leaf(lib))
    record(out[1:], out[0].requires_grad)
    out[0].sum().backward()
    record(seen)


@scenario
def input_returned_as_it_is(lib, record):
    made = function(lib, lambda ctx, x: x, lambda ctx, g: g * 2)
    x = leaf(lib)
    y = made.apply(x)
    record(y is x, y.data_ptr() == x.data_ptr(), y._is_view(), y.requires_grad)
    y.sum().backward()
    record(x.grad)
    record.raises(lambda: made.apply(leaf(lib) * 1).mul_(2), "This view was created inside a custom Function")


@scenario
def view_returned(lib, record):
    made = function(lib, lambda ctx, x: x.view(-1, 1), lambda ctx, g: g.reshape(-1) * 2)
    x = leaf(lib)
    made.apply(x).sum().backward()
    record(x.grad)
    record.raises(lambda: made.apply(leaf(lib) * 1).mul_(2), "This view was created inside a custom Function")


@scenario
def marked_dirty(lib, record):
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    made = function(lib, forward, lambda ctx, g: g * 2)
    x = leaf(lib)
    y = x * 1
    z = made.apply(y)
    record(z is y, y._version, type(y.grad_fn).__name__)
    z.sum().backward()
    record(x.grad)
    record.raises(lambda: made.apply(leaf(lib)), "a leaf Variable that requires grad has been used in an in-place operation")


@scenario
def marked_dirty_view(lib, record):
    def forward(ctx, x):
        x.mul_(3)
        ctx.mark_dirty(x)
        return x

    x = leaf(lib)
    base = x * 1
    function(lib, forward, lambda ctx, g: g * 3).apply(base[:1])
    base.sum().backward()
    record(base, x.grad)


@scenario
def dirty_but_not_returned(lib, record):
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x * 1

    made = function(lib, forward, lambda ctx, g: g)
    record.raises(lambda: made.apply(leaf(lib) * 1), "marked as dirty during the forward method were not returned")


@scenario
def dirty_counts_as_modified(lib, record):
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    y = leaf(lib) * 1
    z = y.exp()
    w = y * y
    function(lib, forward, lambda ctx, g: g).apply(y)
    z.sum().backward(retain_graph=True)
    record.raises(lambda: w.sum().backward(), "modified by an inplace operation")


@scenario
def not_differentiable_and_missing_gradients(lib, record):
    for materialize in (True, False):
        seen = []

        def forward(ctx, x, materialize=materialize):
            a, b, c = x * 1, x * 2, x * 3
            ctx.mark_non_differentiable(b)
            ctx.set_materialize_grads(materialize)
            return a, b, c

        def backward(ctx, *grads, seen=seen):
            seen.append([None if g is None else g.tolist() for g in grads])
            return grads[0]

        a, b, c = function(lib, forward, backward).apply(leaf(lib))
        record(a.requires_grad, b.requires_grad, c.requires_grad, b.grad_fn)
        a.sum().backward()
        record(seen)


@scenario
def saves_inputs_outputs_and_others(lib, record):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(x, y, None, x * 3)
        return y

    def backward(ctx, g):
        x, y, nothing, other = ctx.saved_tensors
        record(x, y, nothing, other, y.requires_grad, y.grad_fn is made_here[0].grad_fn, other.requires_grad, x is leaves[0])
        return g * y

    made = function(lib, forward, backward)
    leaves = [leaf(lib)]
    made_here = [made.apply(leaves[0])]
    (g,) = lib.autograd.grad(made_here[0].sum(), leaves[0], create_graph=True)
    record(g, lib.autograd.grad(g.sum(), leaves[0]))


@scenario
def saved_tensors_are_checked(lib, record):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    made = function(lib, forward, lambda ctx, g: g * ctx.saved_tensors[0])
    y = made.apply(leaf(lib))
    y.mul_(2)
    record.raises(lambda: y.sum().backward(), "which is output 0 of Made, is at version 1; expected version 0 instead")
    z = made.apply(leaf(lib))
    z.sum().backward()
    record.raises(lambda: z.sum().backward(), "Trying to backward through the graph a second time")
    record.raises(lambda: z.grad_fn.saved_tensors, "Trying to backward through the graph a second time")
    bad = function(lib, lambda ctx, x: ctx.save_for_backward(3), lambda ctx, g: g)
    record.raises(lambda: bad.apply(leaf(lib)), "save_for_backward can only save variables, but argument 0 is of type int")


@scenario
def wrong_results_of_backward(lib, record):
    ones = lib.ones(2)

    def attempt(value, match=""):
        made = function(lib, lambda ctx, x, k: x * 1, lambda ctx, g: value)
        x = leaf(lib)
        record.raises(lambda: made.apply(x, 3).sum().backward(), match)
        record(x.grad)

    attempt((ones,), "returned an incorrect number of gradients (expected 2, got 1)")
    attempt(ones, "returned an incorrect number of gradients (expected 2, got 1)")
    attempt((ones, None, ones), "returned an incorrect number of gradients (expected 2, got 3)")
    attempt((ones, None, None))
    attempt((None, None))
    attempt((ones, ones), "gradient different than None at position 2, but the corresponding forward input was not a Variable")
    attempt(("a", None), "expected Variable or None (got str)")
    attempt((ones.double(), None))
    attempt((lib.ones(1, 2), None))
    attempt((lib.ones(3, 2), None))
    attempt((lib.ones(3), None), "returned an invalid gradient at index 0 - got [3] but expected shape compatible with [2]")


@scenario
def missing_methods(lib, record):
    no_backward = type("NoBackward", (lib.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1)})
    record.raises(lambda: no_backward.apply(leaf(lib)).sum().backward(), "You must implement either the backward or vjp method")
    record.raises(lambda: lib.autograd.Function.apply(leaf(lib)), "You must implement the forward function")
    vjp_only = type("Vjp", (lib.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 2), "vjp": staticmethod(lambda ctx, g: g * 2)})
    x = leaf(lib)
    vjp_only.apply(x).sum().backward()
    record(x.grad)
    record.warns(lambda: None if vjp_only() is None else None, "should not be instantiated")


@scenario
def setup_context_form(lib, record):
    def setup_context(ctx, inputs, output):
        record(inputs[1:], output.requires_grad)
        ctx.save_for_backward(inputs[0], output)
        ctx.power = inputs[1]

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        record(x, y)
        return g * ctx.power * x ** (ctx.power - 1), None

    made = function(lib, lambda x, power=2: x**power, backward, setup_context=setup_context)
    for call in (lambda x: made.apply(x), lambda x: made.apply(x, 3), lambda x: made.apply(x, power=4)):
        x = leaf(lib)
        (g,) = lib.autograd.grad(call(x).sum(), x, create_graph=True)
        record(g, lib.autograd.grad(g.sum(), x))


@scenario
def once_differentiable(lib, record):
    once = lib.autograd.function.once_differentiable
    made = function(lib, lambda ctx, x: x * x, once(lambda ctx, g: (record(lib.is_grad_enabled()), g * 2)[1]))
    x = leaf(lib)
    made.apply(x).sum().backward()
    record(x.grad)
    (g,) = lib.autograd.grad((made.apply(x) * x).sum(), x, create_graph=True)
    record.raises(lambda: g.sum().backward(), "trying to differentiate twice a function that was marked with @once_differentiable")


@scenario
def double_backward(lib, record):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    made = function(lib, forward, lambda ctx, g: g * 3 * ctx.saved_tensors[0] ** 2)
    x = leaf(lib)
    (g,) = lib.autograd.grad(made.apply(x).sum(), x, create_graph=True)
    (h,) = lib.autograd.grad(g.sum(), x, create_graph=True)
    record(g, h, lib.autograd.grad(h.sum(), x))


@scenario
def lists_and_integers(lib, record):
    listed = function(lib, lambda ctx, *xs: [x * 2 for x in xs], lambda ctx, *g: g)
    record(type(listed.apply(leaf(lib), leaf(lib))).__name__, listed.apply(leaf(lib))[0].requires_grad)
    integers = function(lib, lambda ctx, x: lib.tensor([1, 2]), lambda ctx, g: None)
    record(integers.apply(leaf(lib)).requires_grad)
    doubled = function(lib, lambda ctx, x: (lambda y: (y, y))(x * 1), lambda ctx, a, b: (record(a, b), a + b)[1])
    x = leaf(lib)
    sum(doubled.apply(x)).sum().backward()
    record(x.grad)


@scenario
def unused_output_and_two_inputs(lib, record):
    made = function(lib, lambda ctx, a, b: (a * b, a + b), lambda ctx, g, h: (record(g, h), (g * 3, g * 4))[1])
    a, b = leaf(lib), leaf(lib)
    made.apply(a, b)[0].sum().backward()
    record(a.grad, b.grad)


@scenario
def saved_tensor_hooks_apply(lib, record):
    seen = []

    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(x, y)
        return y

    made = function(lib, forward, lambda ctx, g: g * ctx.saved_tensors[1])
    x = leaf(lib)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: (seen.append("pack"), t)[1], lambda t: (seen.append("unpack"), t)[1]):
        y = made.apply(x)
    y.sum().backward()
    record(seen, x.grad)


@scenario
def exception_in_backward(lib, record):
    def backward(ctx, g):
        raise KeyError("from backward")

    y = function(lib, lambda ctx, x: x * 1, backward).apply(leaf(lib))
    record.raises(lambda: y.sum().backward(), "from backward")


@scenario
def backward_inside_backward(lib, record):
    def backward(ctx, g):
        with lib.enable_grad():
            x = lib.ones(2, requires_grad=True)
            (inner,) = lib.autograd.grad((x * x * 3).sum(), x)
        return g * inner

    x = leaf(lib)
    function(lib, lambda ctx, x: x * 1, backward).apply(x).sum().backward()
    record(x.grad)


@scenario
def keywords_reach_forward(lib, record):
    made = function(lib, lambda ctx, x, k=1: x * k, lambda ctx, g: (g, None))
    record.raises(lambda: made.apply(leaf(lib), wrong=2), "unexpected keyword argument")


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_function(same, f):
    same(f)


def test_saved_output_leaks_nothing():
    import rsnn

    class Exp(rsnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[1]

    gc.disable()
    try:
        y = Exp.apply(rsnn.ones(3, requires_grad=True))
        dead = weakref.ref(y)
        del y
        assert dead() is None
    finally:
        gc.enable()
