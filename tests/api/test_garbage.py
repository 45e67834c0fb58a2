"""Feeds every native function garbage: it has to raise an ordinary exception or return, never to break."""

import inspect
import itertools

import pytest
import rsnn

native = rsnn._rsnn

# Settings that would stay changed, and calls that wait or free what others hold.
SKIP = {"set_default_dtype", "set_num_threads", "use_define", "set_grad_mode", "set_inference_mode", "push_saved_hooks",
        "pop_saved_hooks", "disable_saved_hooks", "set_anomaly", "autocast_set_enabled", "autocast_set_dtype",
        "set_autocast_cache_enabled", "autocast_increment_nesting", "autocast_decrement_nesting", "watch_engine",
        "profile_start", "profile_stop"}  # fmt: skip
NAMES = sorted(n for n in dir(native) if not n.startswith("_") and inspect.isbuiltin(getattr(native, n)) and n not in SKIP)


def garbage():
    return {
        "none": None, "text": "x", "number": -7, "big": 1 << 70, "huge": 1 << 62, "nan": float("nan"), "list": [1, -9], "deep": [[None]],
        "tensor": rsnn.tensor([[1.0, float("nan")], [2.0, -1.0]]), "ints": rsnn.tensor([3, -4, 1 << 40]), "empty": rsnn.zeros(0, 3),
        "scalar": rsnn.tensor(-2), "mask": rsnn.tensor([True, False]), "object": object(), "strings": ["a", 1.5],
    }  # fmt: skip


TENSORS = ("tensor", "ints", "empty", "scalar", "mask")
CALLS = (
    [()]
    + [(k,) for k in garbage()]
    + [(t, k) for t in TENSORS for k in garbage()]
    + [(t, a, b) for t in ("tensor", "ints", "empty") for a, b in itertools.product(("number", "huge", "list", "ints", "mask", "empty"), repeat=2)]
    + [("tensor", "ints", "tensor", "number", "nan"), ("number", "tensor", "ints", "tensor"), ("text", "tensor", "number")]
)


@pytest.mark.parametrize("name", NAMES)
def test_native(name):
    f = getattr(native, name)
    for keys in CALLS:
        values = garbage()
        try:
            f(*[values[k] for k in keys])
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            assert "internal error" not in text and "panic" not in text.lower(), f"{name}{keys}: {text}"
        except BaseException as error:  # a panic arrives as one
            pytest.fail(f"{name}{keys}: {type(error).__name__}: {error}")
    assert rsnn.tensor([1.0]).item() == 1.0
