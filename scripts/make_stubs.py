"""Write the type stubs of the native module and of the top-level namespace from the package itself.

Run `python scripts/make_stubs.py` after a change of the public surface; a test compares the committed stubs with `stubs()`.
What a call returns is `Any` unless it is plain: torch's own unions make correct model code fail in type checkers.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import pkgutil
import sys
import types
from pathlib import Path

import rsnn
from rsnn import _rsnn

PACKAGE = Path(__file__).resolve().parent.parent / "python" / "rsnn"
HEADER = "# Written by scripts/make_stubs.py; do not edit.\n"
PROPERTIES = {
    "shape": "Size", "dtype": "dtype", "device": "device", "ndim": "int", "requires_grad": "bool", "is_leaf": "bool",
    "grad": "Tensor | None", "grad_fn": "Node | None", "data": "Tensor", "T": "Tensor", "mT": "Tensor", "H": "Tensor",
    "mH": "Tensor", "_version": "int", "_base": "Tensor | None", "itemsize": "int", "nbytes": "int",
}  # fmt: skip
SETTABLE = ("requires_grad", "grad", "data")
SPECIAL = {
    "__len__": "int", "__bool__": "bool", "__repr__": "str", "__str__": "str", "__format__": "str", "__hash__": "int",
    "__int__": "int", "__float__": "float", "__index__": "int", "__contains__": "bool", "__iter__": "Iterator[Tensor]",
    "__setitem__": "None", "__delitem__": "None", "__getitem__": "Tensor",
}  # fmt: skip
ARITHMETIC = """add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul and rand or ror xor
    rxor lshift rlshift rshift rrshift eq ne lt le gt ge neg pos abs invert iadd isub imul itruediv ifloordiv imod ipow iand
    ior ixor ilshift irshift""".split()
PLAIN = {"dim": "int", "size": "Any", "numel": "int", "item": "Any", "tolist": "Any", "data_ptr": "int", "backward": "None"}


def parameters(function) -> str | None:
    """Return the parameter list without types; every default reads `...`."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    out, star, slash = [], False, False
    for p in signature.parameters.values():
        if slash and p.kind is not p.POSITIONAL_ONLY:
            out.append("/")
            slash = False
        if p.kind is p.POSITIONAL_ONLY:
            slash = True
        if p.kind is p.KEYWORD_ONLY and not star:
            out.append("*")
            star = True
        if p.kind is p.VAR_POSITIONAL:
            star = True
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        out.append(mark + p.name.lstrip("$") + ("" if p.default is p.empty else "=..."))
    return ", ".join(out + ["/"] * slash)


def qualified(kind: str) -> str:
    """Return a type's name in a scope where `int`, `bool`, `dtype`... are also names of ours."""
    return {"dtype": "_dtype", "device": "_device"}.get(kind, f"builtins.{kind}" if hasattr(builtins, kind) and kind != "None" else kind)


def returned(function, name: str) -> str:
    text = getattr(function, "__annotations__", {}).get("return")
    if text in ("Tensor", "bool", "int", "float", "str", "None"):
        return qualified(text)
    return qualified(PLAIN.get(name, "Any"))


def function(name: str, value, indent: str = "") -> str:
    return f"{indent}def {name}({parameters(value) or '*args, **kwargs'}) -> {returned(value, name)}: ...\n"


def method(name: str, owner: type) -> str:
    """Return the stub of one method or property of a class."""
    value = inspect.getattr_static(owner, name)
    if isinstance(value, (property, types.GetSetDescriptorType)):
        kind = qualified(PROPERTIES.get(name, "Any"))
        text = f"    @property\n    def {name}(self) -> {kind}: ...\n"
        return text + (f"    @{name}.setter\n    def {name}(self, value) -> None: ...\n" if name in SETTABLE else "")
    if not callable(value) and not isinstance(value, (staticmethod, classmethod)):
        return f"    {name}: Any\n"
    if isinstance(value, (staticmethod, classmethod)):
        kind = type(value).__name__
        listed = parameters(value.__func__)
        return f"    @{kind}\n    def {name}({listed or '*args, **kwargs'}) -> Any: ...\n"
    listed = parameters(value)
    first = (listed or "*args, **kwargs").partition(", ")
    # A method's first parameter is named as torch's function names it; a type checker wants `self`.
    rest = first[2] if listed else "*args, **kwargs"
    rest = rest.removeprefix("/, ").removeprefix("/")
    kind = SPECIAL.get(name) or PLAIN.get(name)
    if name.strip("_") in ARITHMETIC and name.startswith("__"):
        kind, rest = "Tensor", rest or ""
    elif kind is None and name.endswith("_") and not name.startswith("_"):
        kind = "Self"
    ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    return f"    def {name}(self{', ' + rest if rest else ''}) -> {qualified(kind) if kind else returned(value, name)}: ...{ignore}\n"


def native_class(name: str, owner: type) -> str:
    skipped = ("__class__", "__dict__", "__doc__", "__module__", "__weakref__", "__new__", "__init_subclass__",
               "__subclasshook__", "__dir__", "__getattribute__", "__setattr__", "__delattr__", "__sizeof__", "__delitem__")  # fmt: skip
    base = "RuntimeError" if issubclass(owner, Exception) else ""
    text = f"class {name}({base}):\n" if base else f"class {name}:\n"
    own = [n for n in vars(owner) if n not in skipped and not keyword.iskeyword(n)]
    text += "    def __init__(self, *args, **kwargs) -> None: ...\n" if not base and "__init__" not in own else ""
    return text + "".join(method(n, owner) for n in sorted(own)) + ("    ...\n" if base else "")


def native() -> str:
    text = HEADER + "import builtins\nfrom collections.abc import Iterator\nfrom typing import Any\n\n"
    text += "from typing_extensions import Self\n\nfrom ._size import Size\n\n"
    names = sorted(n for n in vars(_rsnn) if not n.startswith("__"))
    for name in names:
        value = getattr(_rsnn, name)
        if isinstance(value, type):
            text += native_class(name, value) + "\n"
        elif isinstance(value, _rsnn.dtype):
            text += f"{name}: _dtype\n"
        else:
            text += function(name, value)
    return text + "\n_dtype = dtype\n_device = device\n"


def top_level() -> str:
    text = HEADER + "import builtins\nfrom typing import Any\n\nfrom ._rsnn import dtype as _dtype\n"
    submodules = [m.name for m in pkgutil.iter_modules([str(PACKAGE)]) if not m.name.startswith("_")]
    text += "".join(f"from . import {m} as {m}\n" for m in submodules)
    lines = []
    for name in sorted(n for n in dir(rsnn) if not n.startswith("_") or n == "__version__"):
        value = getattr(rsnn, name)
        where = getattr(value, "__module__", "") or ""
        if isinstance(value, types.ModuleType):
            continue
        elif isinstance(value, type) and where.startswith("rsnn"):
            source = "_rsnn" if getattr(_rsnn, name, None) is value else _source(value, where)
            text += f"from .{source} import {value.__name__} as {name}\n"
        elif isinstance(value, _rsnn.dtype):
            lines.append(f"{name}: _dtype\n")
        elif callable(value) and not isinstance(value, type):
            lines.append(function(name, value))
        else:
            kind = qualified(type(value).__name__) if type(value) in (int, float, str, bool) else "Any"
            lines.append(f"{name}: {kind}\n")
    return text + "\n" + "".join(lines)


def _source(value: type, where: str) -> str:
    """Return the module that holds a class which calls itself a member of `rsnn`."""
    if where != "rsnn":
        return where.removeprefix("rsnn.")
    for module in sorted(m for m in sys.modules if m.startswith("rsnn.")):
        if vars(sys.modules[module]).get(value.__name__) is value and module != "rsnn":
            return module.removeprefix("rsnn.")
    raise LookupError(value)


def stubs() -> dict[Path, str]:
    """Return the text of every generated stub."""
    return {PACKAGE / "_rsnn.pyi": native(), PACKAGE / "__init__.pyi": top_level()}


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text)
        print(f"{path.name}: {text.count('def ')} functions")
