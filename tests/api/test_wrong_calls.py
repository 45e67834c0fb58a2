"""Wrong calls against torch: the exception's type, the phrase of its text that people match on, and no tensor changed."""

import numpy as np
import pytest
import rsnn
import rsnn.utils.data
from wrong_calls import CALLS

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")

# Where rsnn differs: why. Strict: a call that agrees with torch has to leave the list.
WHY = {
    "convolution: unfold rank": "torch looks a dimension up before it checks the rank; the text here names the rank",
    "convolution: avg_pool rank": "as unfold",
    "factory: size beyond int64": "OverflowError, which is what Python raises for such a number",
    "functional: batch_norm rank": "torch names a wrong number of running means; here the dimension that is missing",
    "products: baddbmm rank": "as unfold",
    "products: sdpa causal mask": "is_causal and a mask hold together",
    "products: mha causal": "is_causal builds its mask",
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
