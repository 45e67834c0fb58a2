"""A small profiler: how often each operation ran on this thread, and for how long."""

from __future__ import annotations

import functools
import json
from collections import defaultdict

from .. import _rsnn as _C

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]


class FunctionEvent:
    """One run of an operation or a named range: `name`, and `start`, `end` and `self_cpu_time_total` in microseconds."""

    __slots__ = ("end", "name", "self_cpu_time_total", "start")

    def __init__(self, name, start, end):
        self.name, self.start, self.end = name, start, end
        self.self_cpu_time_total = end - start

    @property
    def cpu_time_total(self):
        """Microseconds from start to end, nested operations included."""
        return self.end - self.start


class FunctionEventAvg:
    """All runs under one name; times in microseconds."""

    def __init__(self, key):
        self.key, self.count, self.cpu_time_total, self.self_cpu_time_total = key, 0, 0.0, 0.0

    @property
    def cpu_time(self):
        """Average time of one run."""
        return self.cpu_time_total / self.count

    def __repr__(self):
        return f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total:.3f}us count={self.count}>"


class EventList(list):
    """A list of averages that prints as a table."""

    def table(self, sort_by=None, row_limit=100, header=None, **kwargs):
        """Return a text table, sorted by an attribute such as "self_cpu_time_total"."""
        rows = sorted(self, key=lambda e: getattr(e, sort_by), reverse=True) if sort_by else list(self)
        total = sum(e.self_cpu_time_total for e in self) or 1.0
        width = max([len(e.key) for e in rows] + [4])
        lines = [] if header is None else [header]
        lines.append(f"{'Name':<{width}}  {'Self CPU %':>10}  {'Self CPU':>12}  {'CPU total':>12}  {'CPU time avg':>12}  {'# of Calls':>10}")
        for e in rows[: row_limit if row_limit >= 0 else None]:
            share, times = 100 * e.self_cpu_time_total / total, (e.self_cpu_time_total, e.cpu_time_total, e.cpu_time)
            lines.append(f"{e.key:<{width}}  {share:>9.2f}%  " + "  ".join(f"{t:>10.3f}us" for t in times) + f"  {e.count:>10}")
        lines.append(f"Self CPU time total: {sum(e.self_cpu_time_total for e in self):.3f}us")
        return "\n".join(lines)

    def __str__(self):
        return self.table()


class profile:
    """Measure every operation that this thread runs inside a `with` block, forward and backward.

    It measures wall time on the CPU per operation by torch's name; the backward of a recorded operation appears as its node
    (`MulBackward0`) with the operations inside. It does not measure memory, shapes, stacks, other threads or the GPU's own time:
    those arguments are accepted and change nothing.

    Args:
        enabled: False measures nothing.

    Example:
        >>> import rsnn
        >>> with rsnn.autograd.profiler.profile() as prof:
        ...     y = rsnn.ones(2, 2) @ rsnn.ones(2, 2)
        >>> [e.key for e in prof.key_averages() if e.key == "matmul"]
        ['matmul']
    """

    def __init__(
        self,
        enabled=True,
        *,
        use_cpu=True,
        use_device=None,
        record_shapes=False,
        with_flops=False,
        profile_memory=False,
        with_stack=False,
        with_modules=False,
        **kwargs,
    ):
        self.enabled = enabled
        self.function_events: list[FunctionEvent] | None = None

    def __enter__(self):
        if self.enabled:
            if _C.profile_now() is not None:
                raise RuntimeError("profile: another profiler is running on this thread")
            _C.profile_start()
        return self

    def __exit__(self, *exc):
        if self.enabled:
            self.function_events = _nested([FunctionEvent(name, a / 1e3, b / 1e3) for name, a, b in _C.profile_stop()])
        return False

    def key_averages(self, *args, **kwargs):
        """Return one entry per name."""
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        found: dict = {}
        for event in self.function_events:
            average = found.setdefault(event.name, FunctionEventAvg(event.name))
            average.count += 1
            average.cpu_time_total += event.cpu_time_total
            average.self_cpu_time_total += event.self_cpu_time_total
        return EventList(found.values())

    def table(self, sort_by=None, row_limit=100, **kwargs):
        """Return the averages as a text table."""
        return self.key_averages().table(sort_by, row_limit)

    @property
    def self_cpu_time_total(self):
        """Microseconds inside operations."""
        return sum(e.self_cpu_time_total for e in self.key_averages())

    def export_chrome_trace(self, path):
        """Write the runs in the format that chrome://tracing reads."""
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        events = [
            {"name": e.name, "ph": "X", "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0} for e in self.function_events
        ]
        with open(path, "w") as file:
            json.dump({"traceEvents": events}, file)


def _nested(events):
    """Sort by start, and take the time of what ran inside an event off its own time."""
    events.sort(key=lambda e: (e.start, -e.end))
    inside: dict = defaultdict(float)
    stack: list = []
    for i, event in enumerate(events):
        while stack and events[stack[-1]].end <= event.start:
            stack.pop()
        if stack:
            inside[stack[-1]] += event.cpu_time_total
        stack.append(i)
    for i, time in inside.items():
        events[i].self_cpu_time_total -= time
    return events


class record_function:
    """Name a range for the profiler, as a context or a decorator.

    Example:
        >>> import rsnn
        >>> with rsnn.autograd.profiler.record_function("step"):
        ...     y = rsnn.ones(2) + 1
    """

    def __init__(self, name, args=None):
        self.name = name

    def __enter__(self):
        self._begin = _C.profile_now()
        return self

    def __exit__(self, *exc):
        _C.profile_note(self.name, self._begin)

    def __call__(self, func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            with record_function(self.name):
                return func(*args, **kwargs)

        return wrapper
