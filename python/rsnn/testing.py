"""Compare tensors in tests, as torch.testing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rsnn

__all__ = ["assert_close", "make_tensor"]

_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def _name(dtype: Any) -> str:
    return str(dtype).rsplit(".", 1)[-1]


def _tolerances(a: Any, b: Any, rtol: float | None, atol: float | None) -> tuple[float, float]:
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or unspecified, but got rtol={rtol} and atol={atol}"
        )
    if rtol is not None and atol is not None:
        return rtol, atol
    pairs = [_TOLERANCES.get(_name(t.dtype), (0.0, 0.0)) for t in (a, b)]
    return max(p[0] for p in pairs), max(p[1] for p in pairs)


class _Close:
    """Walk through two values together, and say where they differ."""

    def __init__(self, **options: Any):
        self.options = options

    def fail(self, text: str, path: str, kind: type = AssertionError) -> None:
        message = text + (f"\n\nThe failure occurred for item {path}" if path else "")
        custom = self.options["msg"]
        if custom is not None:
            message = custom(message) if callable(custom) else custom
        raise kind(message)

    def compare(self, a: Any, b: Any, path: str = "") -> None:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if set(a) != set(b):
                missing, extra = sorted(map(repr, set(b) - set(a))), sorted(map(repr, set(a) - set(b)))
                self.fail(
                    "The keys of the mappings do not match:\n"
                    f"Missing keys in the actual mapping: {missing}\nAdditional keys in the actual mapping: {extra}",
                    path,
                )
            for key in a:
                self.compare(a[key], b[key], f"{path}[{key!r}]")
        elif isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, (str, bytes)):
            if len(a) != len(b):
                self.fail(f"The length of the sequences mismatch: {len(a)} != {len(b)}", path)
            for i, (x, y) in enumerate(zip(a, b)):
                self.compare(x, y, f"{path}[{i}]")
        elif a is None or b is None or isinstance(a, (str, bytes)):
            if a != b:
                self.fail(f"None mismatch: {a} is not {b}" if a is None or b is None else f"{a!r} != {b!r}", path)
        else:
            self.tensors(a, b, path)

    def tensors(self, a: Any, b: Any, path: str) -> None:
        number = all(isinstance(v, (bool, int, float)) for v in (a, b))
        if not number and not self.options["allow_subclasses"] and type(a) is not type(b):
            self.fail(f"Subclasses: {type(a)} and {type(b)}, expected one type", path, TypeError)
        if number and self.options["check_dtype"] and type(a) is not type(b):
            self.fail(f"The (d)types do not match: {type(a)} != {type(b)}.", path)
        a, b = self.as_tensor(a, number, path), self.as_tensor(b, number, path)
        noun = "Scalars" if number else "Tensor-likes"
        if a.shape != b.shape:
            self.fail(f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}.", path)
        for name in ("device", "dtype", "stride"):
            x, y = (t.stride() if name == "stride" else getattr(t, name) for t in (a, b))
            if self.options[f"check_{name}"] and x != y and not number:
                self.fail(f"The values for attribute '{name}' do not match: {x} != {y}.", path)
        rtol, atol = _tolerances(a, b, self.options["rtol"], self.options["atol"])
        a, b = a.detach().cpu(), b.detach().cpu()
        common = rsnn.promote_types(a.dtype, b.dtype)
        a, b = a.to(common), b.to(common)
        close = rsnn.isclose(a, b, rtol=rtol, atol=atol, equal_nan=self.options["equal_nan"])
        if not bool(close.all()):
            self.fail(_report(a, b, close, rtol, atol, noun), path)

    def as_tensor(self, value: Any, number: bool, path: str) -> Any:
        if isinstance(value, rsnn.Tensor):
            return value
        if number:
            return rsnn.tensor(value, dtype=rsnn.float64 if isinstance(value, float) else None)
        numpy = sys.modules.get("numpy")
        if isinstance(value, (bool, int, float)) or numpy and isinstance(value, (numpy.ndarray, numpy.generic)):
            return rsnn.as_tensor(value)
        self.fail(f"No comparison pair was able to handle inputs of type {type(value)}", path, TypeError)
        return None


def _place(flat: int, shape: tuple) -> tuple:
    place: list[int] = []
    for size in reversed(shape):
        flat, i = divmod(flat, size)
        place.insert(0, i)
    return tuple(place)


def _report(a: Any, b: Any, close: Any, rtol: float, atol: float, noun: str) -> str:
    a, b = a.double(), b.double()
    difference = (a - b).abs()
    relative = difference / b.abs()
    lines = [f"{noun} are not {'equal' if rtol == atol == 0 else 'close'}!", ""]
    if noun != "Scalars":
        wrong, total = int((~close).sum().item()), close.numel()
        lines.append(f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})")
    for name, values, allowed in (("absolute", difference, atol), ("relative", relative, rtol)):
        masked = values.masked_fill(close, 0).reshape(-1)
        at = int(masked.argmax().item())
        where = "" if noun == "Scalars" else f" at index {_place(at, tuple(a.shape))}"
        limit = f" (up to {allowed} allowed)" if rtol or atol else ""
        lines.append(f"Greatest {name} difference: {masked[at].item()}{where}{limit}")
    return "\n".join(lines)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise when |actual − expected| > atol + rtol·|expected| anywhere; containers are compared inside.

    Args:
        actual, expected: tensors, numpy arrays, numbers, or sequences and mappings of them.
        rtol, atol: tolerances; by dtype without values (float32: 1.3e-6 and 1e-5).
        equal_nan: NaN equals NaN.
        check_device, check_dtype, check_stride: these must be equal.
        msg: own message, or a function of the generated one.

    Raises:
        AssertionError: they differ; says how many elements, by how much and where.

    Example:
        >>> rsnn.testing.assert_close(rsnn.tensor([1.0]), rsnn.tensor([1.0 + 1e-7]))
    """
    _Close(
        allow_subclasses=allow_subclasses,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=check_device,
        check_dtype=check_dtype,
        check_stride=check_stride,
        msg=msg,
    ).compare(actual, expected)


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
) -> Any:
    """Draw a tensor uniformly from [low, high); −9 to 9 without bounds.

    Args:
        shape: sizes, or one tuple of them.
        dtype: of the result.
        low, high: bounds.
        requires_grad: of the result.
        noncontiguous: make every second element of a larger tensor.
        exclude_zero: turn zeros into ones.

    Example:
        >>> rsnn.testing.make_tensor(3, dtype=rsnn.float32, low=0, high=1)
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    floating, boolean = dtype.is_floating_point, _name(dtype) == "bool"
    low = (0 if boolean or _name(dtype) == "uint8" else -9) if low is None else low
    high = (2 if boolean else 9 if floating else 10) if high is None else high
    drawn = sizes if not noncontiguous or not sizes else (*sizes[:-1], 2 * sizes[-1])
    if floating:
        t = (rsnn.rand(drawn, dtype=rsnn.float64) * (high - low) + low).to(dtype)
    else:
        t = rsnn.randint(int(low), int(high), drawn).to(dtype)
    t = t.to(device)
    if drawn != sizes:
        t = t[..., ::2]
    if exclude_zero:
        t = t.masked_fill(t == 0, 1)
    return t.requires_grad_() if requires_grad else t
