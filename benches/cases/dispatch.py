"""Costs that do not depend on size: calls, small graphs, contexts."""

from .case import Case


def add(lib):
    x, y = lib.ones(1), lib.ones(1)
    return lambda: x + y


def add_with_grad(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1)
    return lambda: x + y


def smallest_backward(lib):
    x, y = lib.ones(1, requires_grad=True), lib.ones(1)
    return lambda: (x * y).backward()


def linear_call(lib):
    layer, x = lib.nn.Linear(8, 8), lib.ones(1, 8)
    return lambda: layer(x)


def linear_call_without_grad(lib):
    layer, x = lib.nn.Linear(8, 8), lib.ones(1, 8)
    layer.requires_grad_(False)
    return lambda: layer(x)


def identity_call(lib):
    class Identity(lib.nn.Module):
        def forward(self, x):
            return x

    module, x = Identity(), lib.ones(1, 8)
    return lambda: module(x)


def no_grad_context(lib):
    no_grad = lib.no_grad

    def run():
        with no_grad():
            pass

    return run


def shape(lib):
    x = lib.ones(1)
    return lambda: x.shape


def state_dict(lib):
    model = lib.nn.Sequential(*[lib.nn.Linear(4, 4) for _ in range(250)])
    return lambda: model.load_state_dict(model.state_dict())


CASES = [
    Case("dispatch: add of 1-element tensors", add, bar=4),
    Case("dispatch: add of 1-element tensors, with grad", add_with_grad, bar=6),
    Case("dispatch: smallest backward", smallest_backward, bar=20),
    Case("dispatch: nn.Linear(8, 8) call", linear_call, bar=4),
    Case("dispatch: nn.Linear(8, 8) call, nothing requires grad", linear_call_without_grad, bar=3),
    Case("dispatch: call of an identity Module", identity_call, bar=2),
    Case("dispatch: no_grad context", no_grad_context, bar=4),
    Case("dispatch: x.shape", shape),
    Case("state_dict and load_state_dict, 500 tensors", state_dict, bar=2),
]
