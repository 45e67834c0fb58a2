"""func and autograd.functional against torch: transforms, their nesting, what stays in the graph, errors."""

import pytest
from harness import fill, tensor

SCENARIOS = []


def scenario(f):
    SCENARIOS.append(f)
    return f


def x3(lib):
    return lib.tensor([0.5, 1.0, 2.0])


@scenario
def gradients(lib, record):
    func, x = lib.func, x3(lib)
    record(func.grad(lambda x: (x**3).sum())(x))
    record(func.grad_and_value(lambda x: (x**3).sum())(x))
    record(func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(x, x + 1), func.grad(lambda x, y: (x * y).sum(), argnums=-1)(x, x + 1))
    record(func.grad(lambda x: ((x**2).sum(), {"aux": x * 2}), has_aux=True)(x))
    record(func.grad(lambda tree: (tree["a"] * tree["b"][0]).sum())({"a": x, "b": [x * 2]}))
    record(func.grad(lambda x, y: x.sum(), argnums=(0, 1))(x, x))


@scenario
def errors_of_grad(lib, record):
    func, x = lib.func, x3(lib)
    record.raises(lambda: func.grad(lambda x: x * 2)(x), "Expected f(*args) to return a scalar Tensor, got tensor with 1 dims")
    record.raises(lambda: func.grad(lambda x: 3)(x), "Expected f(*args) to return a Tensor, got <class 'int'>")
    record.raises(lambda: func.grad(lambda x: x.sum(), argnums=1)(x), "Got argnum=1, but only 1 positional inputs")
    record.raises(lambda: func.grad(lambda x: x.sum(), argnums="a")(x), "argnums must be int or Tuple[int, ...]")
    record.raises(lambda: func.grad(lambda x: x.sum(), argnums=())(x), "argnums must be non-empty")
    record.raises(lambda: func.grad(lambda x: x.sum(), argnums=(0, 0))(x), "argnums elements must be unique")
    record.raises(lambda: func.grad(lambda x: x.sum(), has_aux=True)(x), "output of function f should be a tuple: (output, aux)")
    record.raises(lambda: func.grad(lambda x: x.sum())(lib.arange(3)), "floating point")


@scenario
def what_stays_in_the_graph(lib, record):
    func, x, y = lib.func, x3(lib), x3(lib).requires_grad_()
    record(func.grad(lambda x: (x**3).sum())(y).requires_grad, func.grad(lambda x: (x * y).sum())(x).requires_grad)
    record(func.grad(lambda x: (x**3).sum())(x).requires_grad)
    with lib.no_grad():
        record(func.grad(lambda x: (x**3).sum())(y))
        record(func.grad(lambda x: (x**3).sum())(y).requires_grad)
    for f in (lambda x: x * y, lambda x: x * 2):
        output, pull_back = func.vjp(f, x)
        record(output.requires_grad, pull_back(x)[0].requires_grad)
    func.grad(lambda x: (x**3).sum())(y).sum().backward()
    record(y.grad)


@scenario
def nesting(lib, record):
    grad, x = lib.func.grad, x3(lib)
    record(grad(lambda a: grad(lambda b: (a * b * b).sum())(a).sum())(x))
    record(grad(lambda a: grad(lambda b: (b**3).sum())(a).sum())(x))
    record(grad(grad(grad(lambda a: a**4)))(x[1]))
    record(grad(lambda a: grad(lambda b: (a * b).sin().sum())(x).sum())(x))


@scenario
def inner_no_grad_counts(lib, record):
    def f(x):
        with lib.no_grad():
            shift = (x * x).sum()
        return (x * shift).sum()

    record(lib.func.grad(f)(x3(lib)))


@scenario
def vector_products(lib, record):
    func, x = lib.func, x3(lib)
    output, pull_back = func.vjp(lambda x, y: (x.sin(), {"p": x * y}), x, x + 1)
    record(output, pull_back((x, {"p": x * 2})))
    record(func.vjp(lambda x: (x * 2, x.sum()), x, has_aux=True)[2])
    record(func.jvp(lambda x: x.sin(), (x,), (x,)), func.jvp(lambda x, y: x * y, (x, x + 1), (x, x * 3)))
    record(func.jvp(lambda x: (x * 2, x.sum()), (x,), (x,), has_aux=True))
    record(func.jvp(lambda x: lib.ones(2), (x,), (x,)))
    output, push = func.linearize(lambda x: x.sin(), x)
    record(output, push(x), push(x * 2))


@scenario
def errors_of_vector_products(lib, record):
    func, x = lib.func, x3(lib)
    record.raises(lambda: func.vjp(lambda x: x.sin(), x)[1](lib.ones(2)), "Mismatch in shape")
    record.raises(lambda: func.vjp(lambda x: (x, x), x)[1](x), "Expected pytree structure of cotangents to be the same")
    record.raises(lambda: func.vjp(lambda x: 3, x), "expected f(*primals) to return only tensors, got unsupported type <class 'int'>")
    record.raises(lambda: func.jvp(lambda x: x, x, x), "Expected primals to be a tuple")
    record.raises(lambda: func.jvp(lambda x: x, (x,), (x, x)), "Expected primals and tangents to have the same python structure")
    record.raises(lambda: func.jvp(lambda x: x, (x,), (lib.ones(2),)), "forward gradient that has a different size")
    record.raises(lambda: func.jvp(lambda: 3, (), ()), "Expected primals to contain at least one Tensor")


@scenario
def jacobians(lib, record):
    func, x = lib.func, x3(lib)
    for jac in (func.jacrev, func.jacfwd):
        record(jac(lambda x: x * x.sum())(x), jac(lambda x: lib.outer(x, x))(x), jac(lambda x: (x**2).sum())(x))
        record(jac(lambda x, y: {"a": x * y, "b": y.sum()}, argnums=(0, 1))(x, x))
        record(jac(lambda x: (x * 2, x.sum()), has_aux=True)(x))
    record(func.hessian(lambda x: (x**3).sum() * x[0])(x), func.jacrev(func.jacrev(lambda x: x**3))(x))
    record(func.hessian(lambda x, y: (x * y * y).sum(), argnums=(0, 1))(x, x))


@scenario
def jvp_of_grad_and_grad_of_jvp(lib, record):
    func, x = lib.func, x3(lib)
    record(func.jvp(func.grad(lambda x: (x**3).sum()), (x,), (x,)))
    record(func.grad(lambda x: func.jvp(lambda x: x**3, (x,), (x,))[1].sum())(x))
    record(func.grad(lambda t: func.jvp(lambda x: x**3, (x,), (t,))[1].sum())(x))


@scenario
def mapped(lib, record):
    vmap, x, m = lib.vmap, x3(lib), tensor(lib, 2, 3)
    record(vmap(lambda x: x * 2)(m), vmap(lib.dot)(m, m), vmap(lib.dot, in_dims=(1, 1))(m, m), vmap(lambda a, b: a * b, in_dims=(0, None))(m, x))
    record(vmap(lambda x: x * 2, in_dims=-1, out_dims=-1)(m), vmap(lambda x: x.sum(), in_dims=1)(m))
    record(vmap(lambda x: (x, {"s": [x.sum()]}), out_dims=(1, {"s": [0]}))(m) if lib.__name__ == "rsnn" else (m.T, {"s": [m.sum(1)]}))
    record(vmap(lambda d: {"a": d["a"] + 1}, in_dims=({"a": 0},))({"a": x}), vmap(lambda x, k: x * k)(x, k=x))
    record(vmap(lambda x: lib.ones(2))(x), vmap(lambda x: (x, 3), out_dims=(0, None))(x))
    record(vmap(vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))(x, x), vmap(lambda x: x.T)(tensor(lib, 2, 3, 4)))


@scenario
def errors_of_vmap(lib, record):
    vmap, x = lib.vmap, x3(lib)
    record.raises(lambda: vmap(lambda: 3)(), "got no inputs")
    record.raises(lambda: vmap(lambda x: x, in_dims=(0, 0))(x), "in_dims is not compatible with the structure of `inputs`")
    record.raises(lambda: vmap(lambda x: x, in_dims="a")(x), "expected `in_dims` to be int or a (potentially nested) tuple")
    record.raises(lambda: vmap(lambda x: x, in_dims=1)(x), "expected in_dim to satisfy -1 <= in_dim < 1")
    record.raises(lambda: vmap(lambda x: x)(lib.tensor(1.0)), "Tensor of dimensionality 0")
    record.raises(lambda: vmap(lambda x, y: x)(x, 2), "We cannot vmap over non-Tensor arguments")
    record.raises(lambda: vmap(lambda x, y: x)(x, lib.ones(2)), "Expected all tensors to have the same size in the mapped dimension, got sizes [3, 2]")
    record.raises(lambda: vmap(lambda x: 3)(x), "must only return Tensors, got type <class 'int'>")
    record.raises(lambda: vmap(lambda x: x, out_dims=None)(x), "can not return a BatchedTensor when out_dim is None")
    record.raises(lambda: vmap(lambda x: x, out_dims=(0, 0))(x), "out_dims is not compatible with the structure of `outputs`")
    record.raises(lambda: vmap(lambda x: x, out_dims=2)(x), "Dimension out of range")
    record.raises(lambda: vmap(lambda x: x, out_dims="a")(x), "`out_dims` must be an int, None or a python collection of ints")
    record.raises(lambda: vmap(lambda x: x, chunk_size=0)(x), "chunk_size should be None or greater than 0")


@scenario
def randomness_of_vmap(lib, record):
    x = x3(lib)
    draw = lambda x: x * 0 + lib.randn(())
    record.raises(lambda: lib.vmap(draw)(x), "vmap: called random operation while in randomness error mode")
    record.raises(lambda: lib.vmap(draw, randomness="x")(x), "Only allowed values for randomness are 'error', 'different', or 'same'")
    same, different = lib.vmap(draw, randomness="same")(x), lib.vmap(draw, randomness="different")(x)
    record(bool((same == same[0]).all()), bool((different == different[0]).all()))


@scenario
def per_sample_gradients(lib, record):
    net = fill(lib, lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 1)))
    params = {name: p.detach() for name, p in net.named_parameters()}
    x, y = tensor(lib, 5, 3), tensor(lib, 5, 1, seed=1)

    def loss(params, x, y):
        return (lib.func.functional_call(net, params, (x,)) - y).pow(2).mean()

    record(lib.vmap(lib.func.grad(loss), in_dims=(None, 0, 0))(params, x, y))
    record(lib.func.grad(lambda p: lib.vmap(loss, in_dims=(None, 0, 0))(p, x, y).sum())(params))
    record(lib.vmap(lib.func.jacrev(lambda x: net(x)))(x), lib.vmap(lib.func.hessian(lambda x: net(x).sum()))(x[:2]))


@scenario
def ensembles(lib, record):
    nets = [fill(lib, lib.nn.Linear(3, 2), seed=i) for i in range(3)]
    params, buffers = lib.func.stack_module_state(nets)
    x = tensor(lib, 4, 3)
    call = lambda p, b, x: lib.func.functional_call(nets[0], (p, b), (x,))
    record(lib.vmap(call, in_dims=(0, 0, None))(params, buffers, x), [p.requires_grad for p in params.values()], list(buffers))
    record.raises(lambda: lib.func.stack_module_state([]), "Expected at least one model, got 0")
    record.raises(lambda: lib.func.stack_module_state([nets[0], lib.nn.Linear(3, 2).eval()]), "same training/eval mode")
    record.raises(lambda: lib.func.stack_module_state([nets[0], lib.nn.ReLU()]), "to be of the same class")


@scenario
def functional(lib, record):
    f, x = lib.autograd.functional, x3(lib)
    record(f.vjp(lambda x: x.sin(), x, x), f.vjp(lambda x, y: (x * y, x.sum()), (x, x + 1), (x, lib.tensor(2.0))))
    record(f.jvp(lambda x: x.sin(), x, x), f.jvp(lambda x, y: (x * y, x.sum()), (x, x + 1), (x, x)))
    record(f.jacobian(lambda x: x.sin(), x), f.jacobian(lambda x, y: (x * y, y.sum()), (x, x)))
    record(f.hessian(lambda x: (x**3).sum(), x), f.hessian(lambda x, y: (x * y * y).sum(), (x, x)))
    record(f.vhp(lambda x: (x**3).sum(), x, x), f.hvp(lambda x, y: (x * y * y).sum(), (x, x), (x, x)))
    record(f.hvp(lambda x: x**3, lib.tensor(2.0)), f.jacobian(lambda x: x.sin(), x, vectorize=True, strategy="forward-mode"))
    record(f.jacobian(lambda x: lib.ones(2), x), f.hessian(lambda x: x.sum(), x))


@scenario
def functional_with_graph(lib, record):
    f, x = lib.autograd.functional, x3(lib).requires_grad_()
    for result in (
        f.jacobian(lambda x: x**3, x, create_graph=True), f.hessian(lambda x: (x**3).sum(), x, create_graph=True),
        f.vjp(lambda x: x**3, x, x, create_graph=True)[1], f.jvp(lambda x: x**3, x, x, create_graph=True)[1],
        f.vhp(lambda x: (x**3).sum(), x, x, create_graph=True)[1], f.hvp(lambda x: (x**3).sum(), x, x, create_graph=True)[1],
    ):  # fmt: skip
        record(result, lib.autograd.grad(result.sum(), x))
    record(f.jacobian(lambda x: x**3, x).requires_grad)


@scenario
def errors_of_functional(lib, record):
    f, x = lib.autograd.functional, x3(lib)
    record.raises(lambda: f.hessian(lambda x: x, x), "should contain a single element")
    record.raises(lambda: f.vjp(lambda x: x.sin(), x), "The vector v can only be None if the user-provided function returns a single")
    record.raises(lambda: f.jvp(lambda x: x.sin(), x), "The vector v can only be None if the input to the user-provided function")
    record.raises(lambda: f.vjp(lambda x: x.sin(), x, lib.ones(2)), "v has invalid size: should be")
    record.raises(lambda: f.vjp(lambda x: 3, x), "outputs of the user-provided function given to vjp must be either a Tensor")
    record.raises(lambda: f.vjp(lambda x: x, 3), "The inputs given to vjp must be either a Tensor or a tuple of Tensors")
    record.raises(lambda: f.vjp(lambda x: x, (x, 3)), "the value at index 1 has type <class 'int'>")
    record.raises(lambda: f.jacobian(lambda x: lib.ones(2), x, strict=True), "does not require gradients")
    record.raises(lambda: f.jacobian(lambda x, y: x, (x, x), strict=True), "Output 0 of the user-provided function is independent of input 1")
    record.raises(lambda: f.hessian(lambda x: x.sum(), x, strict=True), "twice differentiable")
    record.raises(lambda: f.vhp(lambda x: x.sum(), x, x, strict=True), "While computing the hessian")
    record.raises(lambda: f.jacobian(lambda x: x, x, strategy="x"), "Expected strategy to be either")
    record.raises(lambda: f.jacobian(lambda x: x, x, strategy="forward-mode"), "only implemented for `vectorize=True`")


@pytest.mark.parametrize("f", SCENARIOS, ids=lambda f: f.__name__)
def test_derivatives(same, f):
    same(f)
