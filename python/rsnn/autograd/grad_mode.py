"""Contexts that switch recording: no_grad, enable_grad, set_grad_enabled, inference_mode."""

import functools
import inspect
from typing import Any

from .. import _rsnn as _C


class _Mode:
    """A context manager that is a decorator too; generator functions run each step inside it."""

    def __call__(self, func):
        if inspect.isclass(func):
            raise TypeError("a grad mode decorates functions, not classes")
        if inspect.isgeneratorfunction(func):

            @functools.wraps(func)
            def steps(*args, **kwargs):
                gen = func(*args, **kwargs)
                send, value = gen.send, None
                while True:
                    with self.clone():
                        try:
                            out = send(value)
                        except StopIteration as stop:
                            return stop.value
                    try:
                        value = yield out
                        send = gen.send
                    except GeneratorExit:
                        with self.clone():
                            gen.close()
                        raise
                    except BaseException as e:
                        send, value = gen.throw, e

            return steps

        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            with self.clone():
                return func(*args, **kwargs)

        return wrapper

    def clone(self) -> Any:
        """Return a fresh context of the same kind."""
        return type(self)()


class no_grad(_Mode):
    """Stop recording inside a `with` block or a decorated function.

    Example:
        >>> import rsnn
        >>> x = rsnn.ones(2, requires_grad=True)
        >>> with rsnn.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ("_before",)

    def __new__(cls, orig_func=None) -> Any:  # a context, or the decorated function
        self = _C.bare_object(cls)
        return self if orig_func is None else self(orig_func)

    def __enter__(self):
        self._before = _C.set_grad_mode(False)

    def __exit__(self, exc_type, exc_value, traceback):
        _C.set_grad_mode(self._before)


class enable_grad(_Mode):
    """Record inside a `with` block or a decorated function, whatever is set outside."""

    __slots__ = ("_before",)

    def __new__(cls, orig_func=None) -> Any:  # a context, or the decorated function
        self = _C.bare_object(cls)
        return self if orig_func is None else self(orig_func)

    def __enter__(self):
        self._before = _C.set_grad_mode(True)

    def __exit__(self, exc_type, exc_value, traceback):
        _C.set_grad_mode(self._before)


_C.make_natively(no_grad)
_C.make_natively(enable_grad)


class set_grad_enabled(_Mode):
    """Switch recording at once; as a context it switches back at the end."""

    def __init__(self, mode: bool):
        self.mode = bool(mode)
        self._before = _C.set_grad_mode(self.mode)

    def __call__(self, func):
        _C.set_grad_mode(self._before)
        return super().__call__(func)

    def __enter__(self):
        _C.set_grad_mode(self.mode)

    def __exit__(self, exc_type, exc_value, traceback):
        _C.set_grad_mode(self._before)

    def clone(self):
        return set_grad_enabled(self.mode)


class inference_mode(_Mode):
    """Stop recording and view tracking; results never take part in autograd."""

    def __new__(cls, mode=True):
        self = object.__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        return self

    def __init__(self, mode=True):
        self.mode = True if callable(mode) else bool(mode)

    def __enter__(self):
        self._before = (_C.set_grad_mode(not self.mode), _C.set_inference_mode(self.mode))

    def __exit__(self, exc_type, exc_value, traceback):
        _C.set_grad_mode(self._before[0])
        _C.set_inference_mode(self._before[1])

    def clone(self):
        return inference_mode(self.mode)


class set_multithreading_enabled(_Mode):
    """Accept the setting: a backward pass runs on the calling thread."""

    def __init__(self, mode: bool):
        self.mode = bool(mode)

    def __enter__(self):
        pass

    def __exit__(self, exc_type, exc_value, traceback):
        pass

    def clone(self):
        return set_multithreading_enabled(self.mode)


is_grad_enabled = _C.is_grad_enabled
is_inference_mode_enabled = _C.is_inference_mode_enabled
