"""What a row is, and how a forward or a forward and backward pass is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row: a name, a maker, the work in it, and the ratio it has to reach.

    Args:
        make: takes the library, returns the function to time.
        flops: floating-point operations of one call; the share of the multiply-add peak is computed from them.
        bytes: bytes read and written at least by one call; the share of the bandwidth is computed from them.
        bar: torch's time over rsnn's that the row must reach.
        kind: `f32` or `f64`, the peak that `flops` is divided by.
    """

    name: str
    make: Callable
    bar: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    kind: str = "f32"


def both(forward: Callable, inputs: list) -> Callable:
    """Return a function that runs forward and backward with a gradient of ones, and drops the gradients."""
    ones = forward().detach() * 0 + 1

    def run():
        forward().backward(ones)
        for t in inputs:
            t.grad = None

    return run


def backward(forward: Callable, inputs: list, lib) -> Callable:
    """Return a function that runs only the backward pass of one recorded forward pass."""
    out = forward()
    ones = out.detach() * 0 + 1
    return lambda: lib.autograd.grad(out, inputs, ones, retain_graph=True)


def without_grad(lib, forward: Callable) -> Callable:
    def run():
        with lib.no_grad():
            forward()

    return run
