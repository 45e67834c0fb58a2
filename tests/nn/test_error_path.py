"""The path of a module in errors of its ops, which torch does not have."""

import pickle
import re

import pytest


def model(rsnn):
    nn = rsnn.nn
    return nn.ModuleDict({"encoder": nn.ModuleDict({"layers": nn.Sequential(nn.ReLU(), nn.Linear(3, 4))})})


class TestPath:
    def run(self, rsnn, body):
        class Outer(rsnn.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = model(rsnn)

            def forward(self, x):
                return body(self, x)

        return Outer()

    def test_the_whole_path_once(self, rsnn):
        m = self.run(rsnn, lambda self, x: self.inner["encoder"]["layers"](x))
        with pytest.raises(RuntimeError) as caught:
            m(rsnn.ones(2, 5))
        text = "mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4) [in inner.encoder.layers.1 (Linear)]"
        assert str(caught.value) == text
        assert type(caught.value) is RuntimeError

    def test_the_module_itself(self, rsnn):
        m = self.run(rsnn, lambda self, x: x @ x)
        with pytest.raises(RuntimeError, match=r"\[in Outer\]$"):
            m(rsnn.ones(2, 5))

    def test_checks_in_python(self, rsnn):
        m = rsnn.nn.Sequential(rsnn.nn.BatchNorm2d(3))
        with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\).*\[in 0 \(BatchNorm2d\)\]$"):
            m(rsnn.ones(2, 3))

    @pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, ZeroDivisionError])
    def test_exceptions_of_users(self, rsnn, kind):
        def body(self, x):
            raise kind("mine")

        error = kind("mine")
        with pytest.raises(kind) as caught:
            rsnn.nn.Sequential(self.run(rsnn, body))(rsnn.ones(1))
        assert str(caught.value) == str(error)
        assert not vars(caught.value)

    @pytest.mark.parametrize("where", ["register_forward_pre_hook", "register_forward_hook"])
    def test_errors_of_hooks(self, rsnn, where):
        m = rsnn.nn.Sequential(rsnn.nn.Sequential(rsnn.nn.Linear(2, 2)))
        getattr(m[0][0], where)(lambda *a: rsnn.ones(2, 3) @ rsnn.ones(2, 3))
        with pytest.raises(RuntimeError) as caught:
            m(rsnn.ones(1, 2))
        assert "[in" not in str(caught.value)

    def test_a_module_with_hooks(self, rsnn):
        m = rsnn.nn.Sequential(rsnn.nn.Linear(2, 2))
        m[0].register_forward_hook(lambda module, args, output: output * 2)
        with pytest.raises(RuntimeError, match=r"\[in 0 \(Linear\)\]$"):
            m(rsnn.ones(1, 3))

    def test_an_error_that_was_handled(self, rsnn):
        def body(self, x):
            try:
                return self.inner["encoder"]["layers"](x)
            except RuntimeError:
                return x

        assert self.run(rsnn, body)(rsnn.ones(2, 5)).shape == (2, 5)

    def test_errors_pickle(self, rsnn):
        with pytest.raises(RuntimeError) as caught:
            rsnn.nn.Sequential(rsnn.nn.Linear(2, 2))(rsnn.ones(1, 3))
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# torch's type and text come first

WRONG = {
    "linear": lambda nn: (nn.Linear(3, 4), ((2, 5),)),
    "conv": lambda nn: (nn.Conv2d(3, 4, 3), ((1, 2, 8, 8),)),
    "conv rank": lambda nn: (nn.Conv2d(3, 4, 3), ((2, 8),)),
    "small for conv": lambda nn: (nn.Conv1d(1, 1, 5), ((1, 1, 2),)),
    "batch norm rank": lambda nn: (nn.BatchNorm1d(3), ((3,),)),
    "batch norm channels": lambda nn: (nn.BatchNorm2d(3), ((1, 2, 4, 4),)),
    "layer norm": lambda nn: (nn.LayerNorm(4), ((2, 3),)),
    "group norm": lambda nn: (nn.GroupNorm(2, 4), ((2, 3),)),
    "softmax": lambda nn: (nn.Softmax(3), ((2, 2),)),
    "pool": lambda nn: (nn.MaxPool2d(2), ((2, 2),)),
    "bilinear": lambda nn: (nn.Bilinear(2, 3, 4), ((1, 2), (1, 4))),
    "bce loss": lambda nn: (nn.BCELoss(), ((2, 3), (4, 3))),
    "flatten": lambda nn: (nn.Flatten(5), ((2, 2),)),
    "unflatten": lambda nn: (nn.Unflatten(1, (2, 2)), ((2, 3),)),
    "lstm": lambda nn: (nn.LSTM(3, 4), ((2, 2, 2),)),
    "gru cell": lambda nn: (nn.GRUCell(3, 4), ((2, 2),)),
    "pixel shuffle": lambda nn: (nn.PixelShuffle(2), ((1, 3, 2, 2),)),
    "glu": lambda nn: (nn.GLU(), ((2, 3),)),
    "arguments": lambda nn: (nn.ReLU(), ((1,), (1,))),
    "no forward": lambda nn: (nn.ModuleList(), ((1,),)),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_text_of_torch_comes_first(torch, rsnn, case):
    seen = []
    for lib in (torch, rsnn):
        module, shapes = WRONG[case](lib.nn)

        class Outer(lib.nn.Module):
            def __init__(self, inner):
                super().__init__()
                self.inner = inner

            def forward(self, *args):
                return self.inner(*args)

        with pytest.raises(Exception) as caught:  # noqa: B017
            Outer(module)(*(lib.ones(*shape) for shape in shapes))
        seen.append((type(caught.value), str(caught.value), type(module).__name__))
    (kind, text, name), (own_kind, own_text, _) = seen
    assert kind is own_kind
    own_text = own_text.replace("rsnn", "torch")
    # Wrong calls are Python's own errors, and a missing forward names its module.
    if case in ("arguments", "no forward"):
        assert own_text == text
    else:
        # Some ops say their name first, where torch's text does not.
        assert re.fullmatch(rf"(\w+: )?{re.escape(text)} \[in inner \({name}\)\]", own_text), own_text


# Which name a module goes by


def test_a_module_under_two_names_goes_by_the_first(rsnn):
    layer = rsnn.nn.Linear(2, 2)
    m = rsnn.nn.ModuleDict({"a": layer, "b": layer})
    m.forward = lambda x: m["b"](x)
    with pytest.raises(RuntimeError, match=r"2x2\) \[in a \(Linear\)\]$"):
        m(rsnn.ones(1, 3))


def test_a_module_that_is_no_child(rsnn):
    stranger = rsnn.nn.Linear(2, 2)

    class Outer(rsnn.nn.Module):
        def forward(self, x):
            return stranger(x)

    with pytest.raises(RuntimeError, match=r"\[in Linear\]$"):
        rsnn.nn.Sequential(Outer())(rsnn.ones(1, 3))


def test_a_wrapper_that_raises_its_own(rsnn):
    class Outer(rsnn.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = rsnn.nn.Linear(2, 2)

        def forward(self, x):
            try:
                return self.inner(x)
            except RuntimeError as error:
                raise RuntimeError("wrapped") from error

    with pytest.raises(RuntimeError) as caught:
        rsnn.nn.Sequential(Outer())(rsnn.ones(1, 3))
    assert str(caught.value) == "wrapped"
    assert str(caught.value.__cause__).endswith("[in Linear]")


def test_the_same_exception_object_raised_twice(rsnn):
    error = RuntimeError("kept")

    class Raises(rsnn.nn.Module):
        def forward(self, x):
            raise error

    m = rsnn.nn.Sequential(Raises())
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            m(rsnn.ones(1))
        assert caught.value is error and str(error) == "kept"


def test_subclasses_of_exceptions_of_users(rsnn):
    class Mine(ValueError):
        def __init__(self, code, text):
            super().__init__(text)
            self.code = code

    class Raises(rsnn.nn.Module):
        def forward(self, x):
            raise Mine(3, "text")

    with pytest.raises(Mine) as caught:
        rsnn.nn.Sequential(Raises())(rsnn.ones(1))
    assert (caught.value.code, caught.value.args) == (3, ("text",))


def test_exceptions_without_text(rsnn):
    class Raises(rsnn.nn.Module):
        def forward(self, x):
            raise self.kind

    for kind in (RuntimeError(), RuntimeError(3), StopIteration(1), AssertionError):
        m = Raises()
        m.kind = kind
        with pytest.raises(kind if isinstance(kind, type) else type(kind)) as caught:
            rsnn.nn.Sequential(m)(rsnn.ones(1))
        assert "[in" not in str(caught.value)


def test_stateless_calls_name_the_module(rsnn):
    m = rsnn.nn.Sequential(rsnn.nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match=r"\[in 0 \(Linear\)\]$"):
        rsnn.func.functional_call(m, {"0.weight": rsnn.ones(2, 2)}, (rsnn.ones(1, 3),))


def test_hooks_around_the_module_that_fails(rsnn):
    m = rsnn.nn.Sequential(rsnn.nn.Sequential(rsnn.nn.Linear(2, 2)))
    seen = []
    for module in m.modules():
        module.register_forward_hook(lambda mod, args, out: seen.append(out), always_call=True)
        module.register_full_backward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match=r"\[in 0\.0 \(Linear\)\]$") as caught:
        m(rsnn.ones(1, 3))
    assert seen == [None, None, None]
    assert str(caught.value).count("[in") == 1
