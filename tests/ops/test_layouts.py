"""Where results of elementwise ops lie in memory: strides are torch's for operands of many layouts."""

import itertools

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="strides are compared with torch's")

# A way to lay out a tensor of four dimensions.
LAYOUTS = {
    "row-major": lambda x: x,
    "channels last": lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    "transposed": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "reversed": lambda x: x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
    "last first": lambda x: x.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0),
    "sliced": lambda x: x.repeat(1, 1, 2, 1)[:, :, ::2],
    "sliced channels last": lambda x: x.repeat(1, 2, 1, 1).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)[:, ::2],
    "expanded": lambda x: x[:1].expand(x.shape),
    "expanded inside": lambda x: x[:, :, :1].transpose(0, 3).contiguous().transpose(0, 3).expand(x.shape),
}
SHAPES = [(2, 3, 4, 5), (2, 3, 1, 1), (2, 1, 4, 5), (1, 3, 4, 5), (2, 3, 1, 5), (4, 4, 4, 4), (1, 1, 1, 1)]
# The second operand from a tensor of the first one's shape.
PARTNERS = {
    "number": lambda x, lib: 2.0,
    "0-d": lambda x, lib: lib.ones(()),
    "channels": lambda x, lib: x[:1, :, :1, :1],
    "row": lambda x, lib: x[0, 0, 0],
    "planes": lambda x, lib: x[0].permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "row-major": lambda x, lib: x.contiguous(),
}

UNARY = {
    "exp": lambda x, lib: lib.exp(x),
    "neg": lambda x, lib: -x,
    "relu": lambda x, lib: lib.relu(x),
    "gelu": lambda x, lib: lib.nn.functional.gelu(x),
    "clamp": lambda x, lib: x.clamp(0.1, 0.5),
    "isnan": lambda x, lib: lib.isnan(x),
    "logical_not": lambda x, lib: x.logical_not(),
    "round": lambda x, lib: x.round(),
    "integers": lambda x, lib: x.to(lib.int64).abs(),
    "half": lambda x, lib: x.to(lib.bfloat16).exp(),
    "clone": lambda x, lib: x.clone(),
    "clone preserving": lambda x, lib: x.clone(memory_format=lib.preserve_format),
    "clone contiguous": lambda x, lib: x.clone(memory_format=lib.contiguous_format),
    "empty_like": lambda x, lib: lib.empty_like(x),
    "zeros_like": lambda x, lib: lib.zeros_like(x),
    "ones_like": lambda x, lib: lib.ones_like(x, dtype=lib.float64),
    "full_like": lambda x, lib: lib.full_like(x, 3.0),
    "zeros_like contiguous": lambda x, lib: lib.zeros_like(x, memory_format=lib.contiguous_format),
    "zeros_like channels last": lambda x, lib: lib.zeros_like(x, memory_format=lib.channels_last),
    "rand_like": lambda x, lib: lib.rand_like(x),
    "randn_like": lambda x, lib: lib.randn_like(x),
    "randint_like": lambda x, lib: lib.randint_like(x, 2, 9),
}
DENSE = ["row-major", "channels last", "transposed", "reversed", "last first"]
CASTS = {
    "double": lambda x, lib: x.double(),
    "to": lambda x, lib: x.to(lib.int32),
    "bfloat16": lambda x, lib: x.bfloat16(),
}


def laid(lib, layout, shape):
    n = 1
    for d in shape:
        n *= d
    return LAYOUTS[layout]((lib.arange(n, dtype=lib.float32) / n).reshape(shape))


def same(f, *args, values=True):
    """Check that both libraries give the same values in the same places; strides of dimensions of size 1 do not matter."""
    ours, theirs = (f(lib, *args) for lib in (rsnn, torch))
    strides = [[s for s, d in zip(x.stride(), x.shape) if d != 1] for x in (ours, theirs)]
    assert strides[0] == strides[1]
    if values:
        ours, theirs = (x.double().reshape(-1).tolist() for x in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, rtol=1e-2 if "half" in args else 1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UNARY)
def test_one_operand(name, layout):
    def run(lib, shape, name):
        lib.manual_seed(0)
        return UNARY[name](laid(lib, layout, shape), lib)

    for shape in SHAPES:
        same(run, shape, name, values=name != "empty_like")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASTS)
def test_casts(name, layout):
    for shape in SHAPES:
        same(lambda lib, shape: CASTS[name](laid(lib, layout, shape), lib), shape)


@pytest.mark.parametrize("one", LAYOUTS)
@pytest.mark.parametrize("other", LAYOUTS)
def test_two_operands(one, other):
    x = lambda lib, shape: (laid(lib, one, shape), laid(lib, other, shape))  # noqa: E731
    for shape in SHAPES:
        same(lambda lib, shape: lib.add(*x(lib, shape)), shape)
        same(lambda lib, shape: lib.lerp(*x(lib, shape), 0.3), shape)
        same(lambda lib, shape: lib.lt(*x(lib, shape)), shape)
        same(lambda lib, shape: lib.where(x(lib, shape)[0] > 0.5, *x(lib, shape)), shape)
        same(lambda lib, shape: lib.addcmul(x(lib, shape)[0].contiguous(), *x(lib, shape)), shape)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("partner", PARTNERS)
def test_broadcast(partner, layout):
    def pair(lib, shape):
        x = laid(lib, layout, shape)
        return x, PARTNERS[partner](x, lib)

    for shape in SHAPES:
        same(lambda lib, shape: pair(lib, shape)[0] * pair(lib, shape)[1], shape)
        same(lambda lib, shape: pair(lib, shape)[1] - pair(lib, shape)[0], shape)
        if partner != "number":
            same(lambda lib, shape: lib.where(pair(lib, shape)[1] > 0.5, *pair(lib, shape)), shape)


@pytest.mark.parametrize("shape", [(4, 6), (1, 6), (4, 1), (2, 3, 4), (2, 3, 4, 5, 6)])
def test_other_ranks(shape):
    def x(lib, order):
        back = [order.index(d) for d in range(len(shape))]
        return laid(lib, "row-major", shape).permute(order).contiguous().permute(back)

    for order in itertools.islice(itertools.permutations(range(len(shape))), 24):
        same(lambda lib, order: x(lib, order).exp(), order)
        same(lambda lib, order: x(lib, order) + 1, order)
        same(lambda lib, order: x(lib, order) + laid(lib, "row-major", shape), order)
        same(lambda lib, order: laid(lib, "row-major", shape[-1:]) + x(lib, order), order)
        same(lambda lib, order: x(lib, order).clone(), order)


@pytest.mark.parametrize("leaf", LAYOUTS)
@pytest.mark.parametrize("given", DENSE)
def test_gradients_lie_as_their_leaves(leaf, given):
    def run(lib, shape, times):
        x = laid(lib, leaf, shape).detach().requires_grad_()
        for _ in range(times):
            (x * 3).backward(laid(lib, given, shape))
        return x.grad

    for shape in SHAPES:
        same(run, shape, 1)
        same(run, shape, 2)


@pytest.mark.parametrize("layout", DENSE)
def test_in_place(layout):
    def run(lib):
        x = laid(lib, layout, (2, 3, 4, 5))
        x.exp_().add_(laid(lib, "row-major", (2, 3, 4, 5))).mul_(laid(lib, "channels last", (2, 3, 4, 5)))
        return x.masked_fill_(x > 2, 0.5).neg_()

    same(run)


@pytest.mark.parametrize("layout", DENSE)
def test_optimizer_steps(layout):
    def run(lib):
        p = lib.nn.Parameter(laid(lib, layout, (2, 3, 4, 5)))
        optimizer = lib.optim.AdamW([p], lr=0.1)
        for given in DENSE:
            p.grad = laid(lib, given, (2, 3, 4, 5)) - 0.5
            optimizer.step()
        return p.detach() + 1.0

    same(run)
