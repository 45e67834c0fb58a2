"""The node that adds to a leaf's gradient: how long it lives, what it holds, and what its leaf is then."""

import functools
import gc
import subprocess
import sys
import weakref

import pytest
import rsnn

try:
    import torch
except ImportError:
    torch = None


@pytest.fixture(params=[rsnn] if torch is None else [rsnn, torch], ids=lambda lib: lib.__name__)
def lib(request):
    return request.param


def node_of(y):
    return y.grad_fn.next_functions[0][0]


def test_one_node_while_somebody_holds_it(lib):
    x = lib.ones(2, requires_grad=True)
    a, b = x * 2, x * 3
    node = node_of(a)
    assert node is node_of(b)
    assert node.variable is x
    del a, b
    assert node_of(x * 4) is node


def test_hooks_of_a_node_go_with_it(lib):
    x, seen = lib.ones(2, requires_grad=True), []
    y = x * 2
    node_of(y).register_hook(lambda *_: seen.append("graph"))
    y.sum().backward()
    assert seen == ["graph"]
    del y
    (x * 2).sum().backward()
    assert seen == ["graph"]
    y = x * 2
    node = node_of(y)
    node.register_hook(lambda *_: seen.append("object"))
    del y
    (x * 2).sum().backward()
    assert seen == ["graph", "object"]


def test_a_hook_that_knows_its_leaf_is_no_leak(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    x.mark = type("Mark", (), {})()
    mark = weakref.ref(x.mark)
    node_of(y).register_hook(functools.partial(lambda leaf, *_: None, x))
    del x, y
    gc.collect()
    assert mark() is None


def test_a_graph_keeps_its_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    y = (x * 2).sum()
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    del x
    gc.collect()
    y.backward()
    assert seen == [[2.0, 2.0]]


def test_a_node_keeps_its_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    node = node_of(x * 2)
    del x
    gc.collect()
    assert node.variable.tolist() == [1.0, 1.0]


def test_new_data_of_another_shape(lib):
    x = lib.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    x.grad = None
    x.data = lib.ones(3)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_gradient_that_a_hook_kept_is_not_shared(lib):
    x, kept = lib.ones(2, requires_grad=True), []
    x.register_hook(kept.append)
    (x * 2).sum().backward()
    x.grad.zero_()
    if lib is rsnn:
        assert kept[0].tolist() == [2.0, 2.0]


PEAK = """
import rsnn
w = rsnn.ones(1 << 22, requires_grad=True)
c = rsnn.ones(1 << 22)
(w * c).sum().backward()
print(rsnn.memory.stats()["peak"])
"""


def test_a_gradient_of_its_own_is_not_copied():
    out = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) < 3.5 * (4 << 22)


def test_results_have_no_dict_until_they_need_one(lib):
    y = lib.ones(2) + 1
    assert y.__dict__ == {}
    y.name_of_mine = 5
    assert y.__dict__ == {"name_of_mine": 5}
    z = y * 2
    z.itself = [z]
    gone = weakref.ref(z)
    del z
    gc.collect()
    assert gone() is None


class TestMakingAContext:
    def test_as_a_decorator(self, lib):
        x = lib.ones(1, requires_grad=True)

        @lib.no_grad
        def bare():
            return x * 2

        @lib.no_grad()
        def called():
            return x * 2

        assert not bare().requires_grad
        assert not called().requires_grad
        assert not lib.no_grad(lambda: x * 2)().requires_grad
        with lib.no_grad():
            assert lib.enable_grad(lambda: x * 2)().requires_grad

    def test_attributes_and_subclasses(self, lib):
        class Mine(lib.no_grad):
            def __init__(self):
                super().__init__()
                self.made = True

        mine = Mine()
        assert mine.made
        with mine:
            assert not lib.is_grad_enabled()
        assert lib.is_grad_enabled()
        context = lib.no_grad()
        context.tag = 1
        assert context.tag == 1
        with pytest.raises(TypeError):
            lib.no_grad(1, 2)
