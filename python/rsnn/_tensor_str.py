"""Print tensors as torch prints them. Holds no values of its own but the print options."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import rsnn

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PRINT_OPTS = _Options()
_PROFILES = {
    "default": dict(precision=4, threshold=1000, edgeitems=3, linewidth=80),
    "short": dict(precision=2, threshold=1000, edgeitems=2, linewidth=80),
    "full": dict(precision=4, threshold=math.inf, edgeitems=3, linewidth=80),
}


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
) -> None:
    """Set how tensors are printed.

    Args:
        precision: digits after the point (4).
        threshold: more elements than this are summarized (1000).
        edgeitems: elements shown at each end of a summarized dimension (3).
        linewidth: characters per line (80).
        profile: `default`, `short` or `full`.
        sci_mode: True or False forces scientific notation on or off; None decides by the values.

    Example:
        >>> rsnn.set_printoptions(precision=2)
        >>> rsnn.tensor([1.12345])
        tensor([1.12])
    """
    options = dict(_PROFILES.get(profile, {}))
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    options.update({name: value for name, value in given.items() if value is not None})
    for name, value in options.items():
        setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return the print options as a dict."""
    names = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")
    return {name: getattr(PRINT_OPTS, name) for name in names}


@contextlib.contextmanager
def printoptions(**kwargs):
    """Set print options within a `with` block."""
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Formatter:
    """Choose one notation and one width for all values of a tensor."""

    def __init__(self, values: list[Any], floating: bool):
        self.floating, self.sci_mode, self.int_mode, self.width = floating, False, True, 1
        if not floating:
            self.width = max([1, *(len(str(value)) for value in values)])
            return
        finite = [value for value in values if value != 0 and math.isfinite(value)]
        if not finite:
            return
        low, high = min(map(abs, finite)), max(map(abs, finite))
        self.int_mode = all(value == math.ceil(value) for value in finite)
        self.sci_mode = PRINT_OPTS.sci_mode
        if self.sci_mode is None:
            self.sci_mode = high / low > 1000.0 or high > 1e8 or low < 1e-4
        self.width = max([1, *(len(self.number(value)) for value in finite)])

    def number(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.sci_mode:
            return f"{value:.{PRINT_OPTS.precision}e}"
        if self.int_mode:
            return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
        return f"{value:.{PRINT_OPTS.precision}f}"

    def __call__(self, value: Any) -> str:
        return self.number(value).rjust(self.width)


def _corners(tensor: Any) -> Any:
    """Keep the first and last `edgeitems` along every dimension."""
    edge = PRINT_OPTS.edgeitems
    for dim, size in enumerate(tensor.shape):
        if size > 2 * edge:
            ends = (tensor.narrow(dim, 0, edge), tensor.narrow(dim, size - edge, edge))
            tensor = rsnn.cat(ends, dim) if edge else ends[0]
    return tensor


def _flat(nested: Any, dims: int) -> list[Any]:
    if dims == 0:
        return [nested]
    return nested if dims == 1 else [value for row in nested for value in _flat(row, dims - 1)]


def _rows(nested: Any, shape: tuple, indent: int, cut: bool, form: _Formatter) -> str:
    """Join nested lists; `cut` puts dots where `_corners` left something out."""
    if not shape:
        return form(nested)
    dots = cut and shape[0] > 2 * PRINT_OPTS.edgeitems
    if len(shape) > 1:
        parts = [_rows(row, shape[1:], indent + 1, cut, form) for row in nested]
        if dots:
            parts.insert(PRINT_OPTS.edgeitems, "...")
        return "[" + (",\n" + "\n" * (len(shape) - 2) + " " * (indent + 1)).join(parts) + "]"
    items = [form(value) for value in nested]
    if dots:
        items.insert(PRINT_OPTS.edgeitems, " ..." if PRINT_OPTS.edgeitems else "...")
    per_line = max(1, (PRINT_OPTS.linewidth - indent) // (form.width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _contents(tensor: Any, indent: int) -> str:
    cut = tensor.numel() > PRINT_OPTS.threshold
    shown = (_corners(tensor) if cut else tensor).tolist()
    form = _Formatter(_flat(shown, tensor.dim()), tensor.dtype.is_floating_point)
    return _rows(shown, tuple(tensor.shape), indent, cut, form)


def _suffixes(tensor: Any) -> list[str]:
    """Return what follows the values: device, size, dtype, and where gradients come from."""
    plain = tensor.detach()
    default, notes = rsnn.get_default_dtype(), []
    if plain.device.type != "cpu":
        notes.append(f"device='{plain.device}'")
    if plain.numel() == 0 and plain.dim() != 1 or plain.numel() and not PRINT_OPTS.edgeitems:
        notes.append(f"size={tuple(plain.shape)}")
    usual = (default,) if plain.numel() == 0 else (default, rsnn.int64, rsnn.bool)
    if plain.dtype not in usual:
        notes.append(f"dtype={plain.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{_node_name(tensor.grad_fn)}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return notes


def _node_name(node: Any) -> str:
    name = getattr(node, "name", None)
    return (name() if callable(name) else type(node).__name__).rsplit("::", 1)[-1]


def _str(tensor: Any, *, tensor_contents: str | None = None) -> str:
    """Return a tensor's `repr`."""
    plain = type(tensor) is rsnn.Tensor or type(tensor) is rsnn.nn.Parameter
    prefix = "tensor(" if plain else f"{type(tensor).__name__}("
    with rsnn.no_grad():
        values = tensor.detach()
        if type(values) is not rsnn.Tensor:
            values = values.as_subclass(rsnn.Tensor)
        if tensor_contents is None:
            tensor_contents = "[]" if values.numel() == 0 else _contents(values.cpu(), len(prefix))
    text = prefix + tensor_contents
    column = len(text) - text.rfind("\n") + 1
    for note in _suffixes(tensor):
        if column + len(note) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * len(prefix) + note
            column = len(prefix) + len(note)
        else:
            text += ", " + note
            column += len(note) + 2
    text += ")"
    return f"Parameter({text})" if isinstance(tensor, rsnn.nn.Parameter) and not plain else text
