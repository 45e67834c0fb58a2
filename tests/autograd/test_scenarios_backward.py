"""backward and grad against torch: arguments, errors, retained graphs, accumulation."""

import pytest
from harness import tensor

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def leaf(lib, *values):
    return lib.tensor([float(v) for v in values], requires_grad=True)


@scenario
def unused_inputs(lib, record):
    x, z = leaf(lib, 1, 2), leaf(lib, 3)
    y = (x * x).sum()
    record.raises(lambda: lib.autograd.grad(y, [x, z], retain_graph=True), "appears to not have been used in the graph")
    record(lib.autograd.grad(y, [x, z], allow_unused=True, retain_graph=True))
    record(lib.autograd.grad(y, [x, z], materialize_grads=True, retain_graph=True))
    record.raises(lambda: lib.autograd.grad(y, x, materialize_grads=True, allow_unused=False), "Expected allow_unused")
    record.raises(lambda: lib.autograd.grad(y, lib.ones(1)), "does not require grad")
    record.raises(lambda: lib.autograd.grad(y, lib.ones(1), allow_unused=True), "does not require grad")


@scenario
def same_input_twice(lib, record):
    x = leaf(lib, 2)
    record(lib.autograd.grad((x**3).sum(), [x, x]))


@scenario
def several_outputs(lib, record):
    x = leaf(lib, 1, 2)
    a, b = x * 2, x.exp()
    record(lib.autograd.grad([a, b], x, [lib.ones(2), lib.tensor([0.5, 2.0])]))
    record.raises(lambda: lib.autograd.grad([x * 2, x * 3], x, [lib.ones(2)]), "got 2 tensors and 1 gradients")


@scenario
def output_given_twice(lib, record):
    x = leaf(lib, 1, 2)
    y = (x * x).sum()
    lib.autograd.backward([y, y])
    record(x.grad)


@scenario
def output_that_feeds_another(lib, record):
    x = leaf(lib, 1, 2)
    y = x * x
    z = (y * 3).sum()
    lib.autograd.backward([z, y], [None, lib.ones(2)])
    record(x.grad)


@scenario
def output_is_an_input(lib, record):
    x = leaf(lib, 1, 2)
    record(lib.autograd.grad(x, x, lib.ones(2)))
    y = x * 2
    record(lib.autograd.grad(y, [y, x], lib.ones(2)))


@scenario
def gradients_of_other_dtypes(lib, record):
    x = leaf(lib, 1, 2)
    for seed in (lib.ones(2).double(), lib.tensor([True, False]), lib.tensor([2, 3])):
        record(lib.autograd.grad(x * 2, x, seed))


@scenario
def wrong_gradients(lib, record):
    y = leaf(lib, 1, 2) * 2
    record.raises(lambda: y.backward(), "grad can be implicitly created only for scalar outputs")
    for shape in ((3,), (1,), (2, 1), ()):
        record.raises(lambda shape=shape: y.backward(lib.ones(shape), retain_graph=True), "Mismatch in shape: grad_output[0] has a shape of")
    record.raises(lambda: lib.autograd.backward(lib.ones(1)), "element 0 of tensors does not require grad")
    record.raises(lambda: lib.autograd.backward([y.sum(), lib.ones(1)]), "element 1 of tensors does not require grad")


@scenario
def one_element_is_a_scalar(lib, record):
    x = leaf(lib, 3)
    (x * x).backward()
    record(x.grad)
    z = leaf(lib, 3)
    (z * z).reshape(1, 1).backward()
    record(z.grad)


@scenario
def second_backward(lib, record):
    x = leaf(lib, 1, 2)
    for y in (x.exp().sum(), (x * 2).sum(), x.sum(), (x + 1).sum()):
        y.backward()
        record.raises(y.backward, "Trying to backward through the graph a second time")


@scenario
def second_backward_of_kept_graph(lib, record):
    x = leaf(lib, 1, 2)
    y = (x.exp() * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    record(x.grad)
    record.raises(lambda: y.backward(), "a second time")


@scenario
def shared_part_is_consumed(lib, record):
    x = leaf(lib, 1, 2)
    shared = x.exp()
    a, b = (shared * 2).sum(), (shared * 3).sum()
    a.backward()
    record.raises(lambda: b.backward(), "a second time")
    record(x.grad)


@scenario
def create_graph(lib, record):
    x = leaf(lib, 1, 2)
    (g,) = lib.autograd.grad((x**3).sum(), x, create_graph=True)
    record(g, g.requires_grad)
    (h,) = lib.autograd.grad((g * g).sum(), x, create_graph=True)
    record(h, lib.autograd.grad(h.sum(), x))


@scenario
def create_graph_into_grad(lib, record):
    x = leaf(lib, 1, 2)
    (x**3).sum().backward(create_graph=True)
    record(x.grad, x.grad.requires_grad)
    loss = (x.grad**2).sum()
    x.grad = None
    loss.backward()
    record(x.grad)


@scenario
def create_graph_accumulates_out_of_place(lib, record):
    x = leaf(lib, 1, 2)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    (x**2).sum().backward(create_graph=True)
    record(first, x.grad, first is x.grad)


@scenario
def accumulation_in_place(lib, record):
    x = leaf(lib, 1, 2)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    record(first is x.grad, x.grad, x.grad.requires_grad)


@scenario
def first_gradient_is_no_alias(lib, record):
    x, seed = leaf(lib, 1, 2), lib.ones(2)
    (x + 0).backward(seed)
    seed.add_(5)
    record(x.grad)
    a, b = leaf(lib, 1), leaf(lib, 1)
    (a + b).sum().backward()
    a.grad.add_(1)
    record(a.grad, b.grad)


@scenario
def inputs_are_leaves(lib, record):
    x, w = leaf(lib, 1, 2), leaf(lib, 3, 4)
    y = (x * w).sum()
    y.backward(inputs=[w], retain_graph=True)
    record(x.grad, w.grad)
    y.backward(inputs=x, retain_graph=True)
    record(x.grad, w.grad)
    record.raises(lambda: y.backward(inputs=[]), "cannot be empty")
    record.raises(lambda: y.backward(inputs=[lib.ones(1)]), "requires_grad=False")


@scenario
def inputs_are_not_leaves(lib, record):
    x = leaf(lib, 1, 2)
    y = x * 2
    z = (y * y).sum()
    z.backward(inputs=[y], retain_graph=True)
    record(x.grad, y.grad, y.retains_grad)
    z.backward(inputs=[y, x])
    record(x.grad, y.grad)


@scenario
def inputs_keep_other_leaves_alone(lib, record):
    layer = lib.nn.Linear(2, 2)
    x = tensor(lib, 3, 2, grad=True)
    layer(x).pow(2).sum().backward(inputs=list(layer.parameters()))
    record(x.grad, layer.bias.grad is not None)


@scenario
def batched_gradients(lib, record):
    x = leaf(lib, 1, 2, 3)
    y = x * x
    record(lib.autograd.grad(y, x, lib.eye(3), is_grads_batched=True, retain_graph=True))
    record.raises(
        lambda: lib.autograd.grad(y, x, lib.ones(3, 2), is_grads_batched=True, retain_graph=True),
        "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension",
    )


@scenario
def a_diamond(lib, record):
    x = leaf(lib, 1, 2)
    a = x.sin()
    y = (a * a.exp() + a).sum()
    y.backward()
    record(x.grad)


@scenario
def many_uses_of_one_tensor(lib, record):
    x = leaf(lib, 0.1)
    y = x
    for _ in range(50):
        y = y + x
    y.sum().backward()
    record(x.grad)


@scenario
def integer_branches(lib, record):
    x = leaf(lib, 1.5, 2.5)
    index = lib.argsort(x)
    record(index.requires_grad, x[index].requires_grad)
    x[index].prod().backward()
    record(x.grad)


@scenario
def detached_parts(lib, record):
    x = leaf(lib, 1, 2)
    (x * x.detach()).sum().backward()
    record(x.grad, x.detach().requires_grad, x.data.requires_grad)


@scenario
def only_inputs_and_grad_variables_warn(lib, record):
    x = leaf(lib, 1, 2)
    y = x * x
    record.warns(lambda: lib.autograd.grad(y.sum(), x, only_inputs=False, retain_graph=True), "only_inputs argument is deprecated")
    record.warns(lambda: lib.autograd.backward(y, grad_variables=lib.ones(2)), "grad_variables")
    record(x.grad)


@scenario
def assigned_gradients(lib, record):
    x = leaf(lib, 1, 2)
    x.grad = lib.ones(2)
    (x * 2).sum().backward()
    record(x.grad)
    for wrong in (lib.ones(3), lib.ones(2).double(), 3, x):
        record.raises(lambda wrong=wrong: setattr(x, "grad", wrong), "assign")
    x.grad = None
    record(x.grad)
    del x.grad
    record(x.grad)


@scenario
def gradient_of_a_non_leaf_warns(lib, record):
    x = leaf(lib, 1, 2)
    y = x * 2
    record.warns(lambda: y.grad, "is not a leaf Tensor is being accessed")
    y.retain_grad()
    record.warns(lambda: y.grad)


@scenario
def requires_grad_switch(lib, record):
    x = leaf(lib, 1, 2)
    record.raises(lambda: (x * 2).requires_grad_(False), "you can only change requires_grad flags of leaf variables")
    record((x * 2).requires_grad_().requires_grad)
    for dtype in (lib.int64, lib.bool):
        record.raises(lib.ones(2, dtype=dtype).requires_grad_, "only Tensors of floating point")
        record(lib.ones(2, dtype=dtype).requires_grad_(False).requires_grad)
    x.requires_grad_(False)
    record((x * 2).requires_grad, x.is_leaf)


@scenario
def gradient_dtype_follows_the_tensor(lib, record):
    x = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
    (x.float() * 3).sum().backward()
    record(x.grad)
    h = lib.tensor([1.0, 2.0], dtype=lib.bfloat16, requires_grad=True)
    (h * lib.tensor([2.0, 3.0])).sum().backward()
    record(h.grad)


@scenario
def broadcast_gradients(lib, record):
    x, w = tensor(lib, 3, 1, grad=True), tensor(lib, 2, 1, 4, grad=True, seed=1)
    (x * w).sum().backward()
    record(x.grad, w.grad)


@scenario
def gradient_edges(lib, record):
    x = leaf(lib, 1, 2)
    y = x * x
    edge = lib.autograd.graph.get_gradient_edge(y)
    record(edge.output_nr, edge.node is y.grad_fn, edge.node.name())
    z = (y * 3).sum()
    record(lib.autograd.grad(z, edge, retain_graph=True))
    record(lib.autograd.grad(edge, x, lib.ones(2), retain_graph=True))
    z.backward(inputs=[lib.autograd.graph.get_gradient_edge(x)])
    record(x.grad)
    record.raises(lambda: lib.autograd.graph.get_gradient_edge(lib.ones(1)), "does not require gradients")


@scenario
def frozen_weight_saves_no_input(lib, record):
    layer = lib.nn.Linear(2, 3).requires_grad_(False)
    x = tensor(lib, 4, 2, grad=True)
    h = x * 1
    y = layer(h)
    h.add_(1)  # only the weight was saved
    y.sum().backward()
    record.raises(lambda: None)
    record(lib.allclose(x.grad, layer.weight.sum(0).expand(4, 2)))


@scenario
def scaled_tensor_may_be_modified(lib, record):
    x = leaf(lib, 1, 2)
    h = x * 1
    z = h * 2
    h.add_(1)
    z.sum().backward()
    record(x.grad)


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_backward(same, f):
    same(f)


def test_deep_chain():
    import rsnn

    x = rsnn.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.item() == 1
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y  # dropping a graph recurses no deeper than running it
