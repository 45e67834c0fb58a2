"""Runs one scenario with torch and with rsnn and compares everything it records."""

import re
import warnings

import numpy as np

TOLERANCE = {"float32": 2e-5, "float64": 1e-9, "float16": 2e-3, "bfloat16": 2e-2}


class Record:
    """What a scenario saw: values in order, and how exceptions read."""

    def __init__(self, lib):
        self.lib = lib
        self.events = []

    def __call__(self, *values):
        for value in values:
            self.events.append(self._plain(value))

    def raises(self, action, match=""):
        """Record the type and, where `match` is part of the text, that text."""
        try:
            action()
        except Exception as error:
            self.events.append((type(error).__name__, match, match in str(error)))
        else:
            self.events.append("no error")

    def warns(self, action, match=""):
        """Record the categories of the warnings of `action`, and whether `match` is in their texts; return its result."""
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            result = action()
        self.events.append([(warning.category.__name__, match in str(warning.message)) for warning in seen])
        return result

    def error(self, action):
        """Record the type and the whole text of the exception, with one name for both libraries."""
        try:
            action()
        except Exception as error:
            self.events.append((type(error).__name__, _neutral(error)))
        else:
            self.events.append("no error")

    def warned(self, action):
        """Record the categories and whole texts of the warnings of `action`; return its result."""
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            result = action()
        self.events.append([(warning.category.__name__, _neutral(warning.message)) for warning in seen])
        return result

    def _plain(self, value):
        if isinstance(value, self.lib.Tensor):
            value = value.detach()
            dtype = str(value.dtype).rpartition(".")[2]
            if dtype in ("float16", "bfloat16"):
                value = value.float()
            return (dtype, np.array(value.numpy()))
        if isinstance(value, (list, tuple)):
            return [self._plain(v) for v in value]
        if isinstance(value, dict):
            return [(key, self._plain(v)) for key, v in value.items()]
        return value


class Scenarios(list):
    """Scenarios of one file: a decorator that collects them, to parametrize one test with."""

    def __call__(self, scenario):
        self.append(scenario)
        return scenario


def _neutral(text):
    return re.sub(r"0x[0-9a-f]+", "0x", str(text).replace("rsnn", "torch"))


def numbers(*shape, seed=0, low=None, high=None, dtype="float32"):
    """Return an array that does not depend on either library's generator."""
    state = np.random.RandomState(seed + sum(shape))
    if dtype.startswith("int"):
        return state.randint(low or 0, high, shape).astype(dtype)
    values = state.randn(*shape) if low is None else state.uniform(low, high, shape)
    return np.asarray(values, dtype=dtype)


def tensor(lib, *shape, grad=False, **kwargs):
    """Return a tensor of `numbers`."""
    out = lib.from_numpy(np.array(numbers(*shape, **kwargs)))
    return out.requires_grad_() if grad else out


def bool_mask(lib, *shape, seed=0):
    """Return a mask with True in about two thirds, and at least one in each row."""
    mask = numbers(*shape, seed=seed) > -0.4
    mask[..., 0] = True
    return lib.from_numpy(mask)


def fill(lib, module, seed=0):
    """Give parameters values that do not depend on either library's generator."""
    with lib.no_grad():
        for i, (_, param) in enumerate(module.named_parameters()):
            param.copy_(lib.from_numpy(np.array(numbers(*param.shape, seed=seed + i) * 0.3)))
    return module


def assert_same(expected, actual, tolerance=None, where=""):
    """Compare two lists of recorded events."""
    assert type(expected) is type(actual), f"{where}: {expected!r} against {actual!r}"
    if isinstance(expected, tuple) and len(expected) == 2 and isinstance(expected[1], np.ndarray):
        assert expected[0] == actual[0], f"{where}: dtype {expected[0]} against {actual[0]}"
        assert expected[1].shape == actual[1].shape, f"{where}: shape {expected[1].shape} against {actual[1].shape}"
        bound = tolerance or TOLERANCE.get(expected[0], 0)
        np.testing.assert_allclose(actual[1], expected[1], rtol=bound * 10, atol=bound, equal_nan=True, err_msg=where)
    elif isinstance(expected, (list, tuple)):
        assert len(expected) == len(actual), f"{where}: {expected!r} against {actual!r}"
        for i, (left, right) in enumerate(zip(expected, actual)):
            assert_same(left, right, tolerance, f"{where}[{i}]")
    elif isinstance(expected, float):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6, equal_nan=True, err_msg=where)
    else:
        assert expected == actual, f"{where}: {expected!r} against {actual!r}"


def compare(scenario, torch, rsnn, tolerance=None):
    """Run `scenario(lib, record)` with both libraries and compare the records."""
    records = []
    for lib in (torch, rsnn):
        record = Record(lib)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scenario(lib, record)
        records.append(record.events)
    assert records[0], "the scenario recorded nothing"
    assert_same(*records, tolerance, scenario.__name__)
