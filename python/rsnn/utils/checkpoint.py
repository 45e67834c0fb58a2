"""Trade time for memory: drop a part's saved tensors, and run the part again when backward needs them."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import rsnn

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_early_stop"]

_early_stop: bool | None = None


class CheckpointError(RuntimeError):
    """Report a part that did not run the second time as it did the first."""


class _Stop(Exception):
    """End a second run once it has made all that backward needs."""


def noop_context_fn() -> tuple:
    """Return no contexts, for the first and for the second run."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool):
    """Let second runs stop early, or not, within a `with` block."""
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


class _Holder:
    """Stand in the graph for a tensor that was not kept."""

    __slots__ = ("value", "__weakref__")

    def __init__(self) -> None:
        self.value: Any = None


def _facts(t: Any) -> tuple:
    return tuple(t.shape), t.dtype, t.device


class _Part:
    """One checkpointed call: its holders in the order of saving, and how to run it again."""

    def __init__(self, run: Callable[[], Any], early_stop: bool, check: bool):
        self.run, self.early_stop, self.check = run, early_stop, check
        self.holders: list[weakref.ref] = []
        self.facts: list[tuple] = []

    def pack(self, t: Any) -> _Holder:
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.facts.append(_facts(t))
        return holder

    def unpack(self, holder: _Holder) -> Any:
        if holder.value is None:
            self.recompute()
        if holder.value is None:
            raise CheckpointError(
                "rsnn.utils.checkpoint: a different number of tensors was saved during the original forward and "
                f"recomputation. Number of tensors saved during forward: {len(self.holders)}"
            )
        value, holder.value = holder.value, None  # a second backward runs the part again
        return value

    def recompute(self) -> None:
        stop, count = _Stop(), 0
        different: str | None = None

        def keep(t: Any) -> Any:
            nonlocal count, different
            if count < len(self.holders):
                if self.check and different is None and _facts(t) != self.facts[count]:
                    different = (
                        "rsnn.utils.checkpoint: Recomputed values for the following tensors have different metadata "
                        f"than during the forward pass.\ntensor at position {count}:\nsaved metadata: "
                        f"{self.facts[count]}\nrecomputed metadata: {_facts(t)}"
                    )
                holder = self.holders[count]()
                if holder is not None:
                    holder.value = t.detach()
            count += 1
            if self.early_stop and count == len(self.holders):
                raise stop
            return t.detach()

        with rsnn.autograd.graph.saved_tensors_hooks(keep, lambda t: t), rsnn.enable_grad():
            try:
                self.run()
            except _Stop as error:
                if error is not stop:
                    raise
        if different is not None:
            raise CheckpointError(different)
        if count < len(self.holders):
            raise CheckpointError(
                "rsnn.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {count}."
            )


@contextlib.contextmanager
def _random_state(state: Any):
    """Run with an earlier state of the random generator."""
    now = rsnn.get_rng_state()
    rsnn.set_rng_state(state)
    try:
        yield
    finally:
        rsnn.set_rng_state(now)


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function without keeping its saved tensors; backward calls it once more.

    Args:
        function: called with `args` and `kwargs`, twice when there is a backward.
        use_reentrant: accepted; the call is always non-reentrant, so keywords, nesting and `autograd.grad` work.
        context_fn: gives two context managers, for the first and for the second call.
        determinism_check: `"none"` skips the comparison of shapes, dtypes and devices.
        early_stop: end the second call once everything is there.
        preserve_rng_state: draw the same random numbers in the second call.

    Raises:
        CheckpointError: the second call saved other tensors than the first.

    Example:
        >>> y = checkpoint(block, x, use_reentrant=False)
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'] but got {determinism_check}")
    first, second = context_fn()
    if not rsnn.is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    state = rsnn.get_rng_state() if preserve_rng_state else None

    def run() -> None:
        with second, contextlib.nullcontext() if state is None else _random_state(state):
            function(*args, **kwargs)

    early = early_stop if _early_stop is None else _early_stop
    part = _Part(run, early, determinism_check == "default")
    with rsnn.autograd.graph.saved_tensors_hooks(part.pack, part.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Iterable[Callable], segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Call functions one after another, checkpointed in segments; the last segment is kept.

    Args:
        functions: modules or functions, or an `nn.Sequential`.
        segments: how many parts.
        input: of the first function.

    Example:
        >>> y = checkpoint_sequential(model, 4, x)
    """
    steps = list(functions.children()) if isinstance(functions, rsnn.nn.Sequential) else list(functions)
    size = len(steps) // segments

    def part(begin: int, end: int) -> Callable:
        def run(x: Any) -> Any:
            for step in steps[begin:end]:
                x = step(x)
            return x

        return run

    cut = size * (segments - 1)
    for begin in range(0, cut, size or 1):
        input = checkpoint(part(begin, begin + size), input, use_reentrant=use_reentrant, **kwargs)
    return part(cut, len(steps))(input)
