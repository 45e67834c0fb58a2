"""Wrong calls against torch: the exception's type, the phrase of its text that people match on, and no tensor changed."""

import numpy as np
import pytest
import rsnn
import rsnn.utils.data
from wrong_calls import CALLS

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")

# Where rsnn still differs. Strict: a call that agrees with torch has to leave the list.
ACCEPTED = {
    "factory": [
        "size float", "size text", "size nothing", "overflow int8", "nan to int", "arange nothing",
        "frombuffer uneven",
    ],
    "indexing": [
        "set dtype",
    ],
    "modules": [
        "clip text",
    ],
    "pointwise": [
        "lerp dtypes", "rsub boolean", "positive booleans", "integer to negative power", "clamp mixed bounds",
        "round decimals of integers", "exp number",
    ],
    "products": [
        "addmm dtypes", "einsum letter", "sdpa causal mask", "mha causal",
    ],
    "reductions": [
        "sum float dim",
    ],
    "shapes": [
        "view float", "contiguous format", "meshgrid ranks",
    ],
}  # fmt: skip
OTHER_TYPE = {
    "convolution": [
        "unfold rank", "avg_pool rank",
    ],
    "factory": [
        "size beyond int64", "size mixed", "device negative", "list and number", "list of text", "none",
        "list of none", "object", "dict", "overflow int64", "full text", "arange text", "zeros_like list",
        "finfo text",
    ],
    "functional": [
        "layer_norm integers", "batch_norm rank",
    ],
    "indexing": [
        "delete", "index_add range",
    ],
    "losses": [
        "cross_entropy integers", "ctc integers",
    ],
    "pointwise": [
        "bitwise not floats", "copysign text", "float many", "int many", "type text", "equal number",
    ],
    "products": [
        "matmul number", "baddbmm rank", "einsum nothing",
    ],
    "reductions": [
        "mean text", "var text", "std text", "logsumexp text", "norm text", "softmax integers",
        "log_softmax integers",
    ],
    "shapes": [
        "view text", "view nothing", "mT rank", "cat tensor", "cat numbers", "atleast text",
    ],
}  # fmt: skip
OTHER_TEXT = {
    "convolution": [
        "max_pool negative padding", "max_pool negative stride",
    ],
    "factory": [
        "device empty", "requires_grad int", "tensor requires_grad int",
    ],
    "functional": [
        "layer_norm dtypes",
    ],
    "indexing": [
        "second", "take_along_dim dtype",
    ],
    "losses": [
        "mse shapes", "l1 shapes",
    ],
    "modules": [
        "batch_norm one", "optimizer tensor",
    ],
    "pointwise": [
        "grad dtype",
    ],
    "products": [
        "matmul matrix vector", "matmul batched inner", "mv size", "dot dtypes", "addmm input", "addmm rank",
        "addmv size", "addr rank", "einsum output twice", "linear dtypes",
    ],
    "reductions": [
        "histc nan", "diff dim",
    ],
    "shapes": [
        "expand", "expand new unknown", "as_strided negative", "cat none",
    ],
}  # fmt: skip
WHY = {
    f"{table}: {name}": why
    for part, why in ((ACCEPTED, "accepted"), (OTHER_TYPE, "another exception type"), (OTHER_TEXT, "another text"))
    for table, names in part.items()
    for name in names
}


class Watched:
    """The library, remembering what its factories made and what that held."""

    def __init__(self, lib):
        self._lib, self.made = lib, []

    def __getattr__(self, name):
        value = getattr(self._lib, name)
        if name not in ("ones", "zeros", "tensor", "full"):
            return value

        def make(*args, **kwargs):
            made = value(*args, **kwargs)
            self.made.append((made, made.detach().clone()))
            return made

        return make


def caught(call, lib):
    try:
        call(lib)
    except Exception as error:
        return error
    return None


def rows():
    for name in CALLS:
        why = WHY.get(name)
        yield pytest.param(name, marks=pytest.mark.xfail(reason=why, strict=True) if why else ())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", rows())
def test_wrong_call(name):
    call, phrase = CALLS[name]
    watched = Watched(rsnn)
    expected, got = caught(call, torch), caught(call, watched)
    assert expected is not None, "torch accepts this call: the table is wrong"
    assert phrase in str(expected), f"torch's text lacks the phrase: {expected}"
    assert got is not None, f"rsnn accepts it; torch: {type(expected).__name__}: {expected}"
    kinds = [k for k in type(expected).__mro__ if k.__module__ == "builtins"]
    assert isinstance(got, kinds[0]), f"torch {expected!r}, rsnn {got!r}"
    assert phrase.replace("torch.", "rsnn.") in str(got).replace("torch.", "rsnn."), f"torch {expected!r}, rsnn {got!r}"
    assert str(got) and "internal error" not in str(got)
    for made, before in watched.made:
        np.testing.assert_array_equal(made.detach().numpy(), before.numpy(), err_msg="a tensor changed")


def test_count():
    assert len(CALLS) >= 1000
    assert not set(WHY) - set(CALLS), f"listed, but not in the table: {sorted(set(WHY) - set(CALLS))}"
