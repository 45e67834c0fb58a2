"""Anomaly detection names the backward that failed and shows the forward call behind it, as torch does."""

import warnings

import pytest
import rsnn

try:
    import torch
except ImportError:
    torch = None
LIBRARIES = [pytest.param(lib, id=lib.__name__) for lib in (rsnn, torch) if lib is not None]


def seen(lib, build, check_nan=True):
    """Return the error of the backward pass and the text of every warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with lib.autograd.detect_anomaly(check_nan=check_nan):
            loss = build(lib)
            try:
                loss.backward()
            except RuntimeError as error:
                return str(error), [str(w.message) for w in caught]
    return None, [str(w.message) for w in caught]


def nan_by_division(lib):
    x = lib.zeros(2, requires_grad=True)
    return (x * 0 / (x * 0)).sum()


def failing_function(lib):
    class Failing(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            raise RuntimeError("on purpose")

    return Failing.apply(lib.ones(2, requires_grad=True)).sum()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_nan_is_found_and_traced(lib):
    error, texts = seen(lib, nan_by_division)
    assert error == "Function 'DivBackward0' returned nan values in its 1th output."
    assert texts[0].startswith("Anomaly Detection has been enabled.")
    assert texts[1].startswith("Error detected in DivBackward0. Traceback of forward call that caused the error:\n")
    assert "in nan_by_division" in texts[1]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_nan_passes_without_the_check(lib):
    error, texts = seen(lib, nan_by_division, check_nan=False)
    assert error is None and len(texts) == 1


@pytest.mark.parametrize("lib", LIBRARIES)
def test_an_exception_is_traced_and_leaves_as_itself(lib):
    error, texts = seen(lib, failing_function)
    assert error == "on purpose"
    assert texts[1].startswith("Error detected in FailingBackward") and "in failing_function" in texts[1]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_a_graph_recorded_before(lib):
    loss = nan_by_division(lib)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with lib.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="returned nan values"):
            loss.backward()
    assert "No forward pass information available" in str(caught[-1].message)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_double_backward_names_the_call_behind_it(lib):
    x = lib.zeros(1, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with lib.autograd.detect_anomaly():
            (g,) = lib.autograd.grad((x**1.5).sum(), x, create_graph=True)
            with pytest.raises(RuntimeError, match="returned nan values"):
                (g * 0 / g).sum().backward()
    assert any("Error detected in DivBackward0" in str(w.message) for w in caught)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_switches(lib):
    states = []

    def note():
        states.append((lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()))

    note()
    with lib.autograd.set_detect_anomaly(True, check_nan=False):
        note()
        with lib.autograd.set_detect_anomaly(False):
            note()
        note()
    note()
    lib.set_anomaly_enabled(True)
    note()
    lib.set_anomaly_enabled(False)
    assert states == [(False, True), (True, False), (False, True), (True, False), (False, True), (True, True)]
