"""Writes two lists in tests/api/surface from an installed torch, which has to be the version that rsnn follows.

overloads.tsv: how each built-in may be called, from torch's stubs. beyond.tsv: public names that no other list has.
"""

import ast
import csv
from pathlib import Path
from types import ModuleType

import torch

SURFACE = Path(__file__).parents[1] / "tests" / "api" / "surface"
STUBS = Path(torch.__file__).parent / "_C"
SOURCES = {"rsnn": ("_VariableFunctions.pyi", None), "Tensor": ("__init__.pyi", "TensorBase")}


def wanted(owner):
    """Return the listed names whose parameters the list leaves open: torch's built-ins."""
    with open(SURFACE / f"{owner}.tsv") as f:
        rows = list(csv.reader(f, delimiter="\t"))[1:]
    return {row[0] for row in rows if not row[2]}


def numbers_named_self(owner, arguments):
    """Tell whether a function names a number `self`, which cannot be given by name."""
    return owner == "rsnn" and any(a.arg == "self" for a in arguments)


def named_dimensions(arguments):
    """Tell whether an overload takes names of dimensions, which torch marks as strings or Ellipsis."""
    return any(a.annotation is not None and "EllipsisType" in ast.unparse(a.annotation) for a in arguments)


def parameters(owner, node):
    """Write a signature as `input,dim=,*,out=`; None for one that rsnn leaves out."""
    a = node.args
    places = a.posonlyargs + a.args
    if named_dimensions(places + a.kwonlyargs) or numbers_named_self(owner, places):
        return None
    defaults = [None] * (len(places) - len(a.defaults)) + a.defaults
    parts = [p.arg + ("" if d is None else "=") for p, d in zip(places, defaults)]
    if a.vararg:
        parts.append("*" + a.vararg.arg)
    elif a.kwonlyargs:
        parts.append("*")
    parts += [p.arg + ("" if d is None else "=") for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    return ",".join(parts)


def overloads(owner):
    """Yield (name, parameters) of every overload of the owner's names."""
    file, cls = SOURCES[owner]
    tree = ast.parse((STUBS / file).read_text())
    body = tree.body if cls is None else next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls)
    names = wanted(owner)
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            text = parameters(owner, node)
            if text is not None:
                yield node.name, text


def beyond(owner, namespace):
    """Return the public names of a namespace that its list leaves out."""
    with open(SURFACE / f"{owner}.tsv") as f:
        listed = {row[0] for row in csv.reader(f, delimiter="\t")}
    foreign = lambda v: isinstance(v, ModuleType) and not v.__name__.startswith("torch.")
    names = [n for n in dir(namespace) if not n.startswith("_") and n not in listed]
    return [n for n in names if not foreign(getattr(namespace, n, None)) and n not in ("torch", "TYPE_CHECKING")]


def write(name, columns, rows):
    """Write one list, sorted."""
    with open(SURFACE / name, "w", newline="") as f:
        out = csv.writer(f, delimiter="\t", lineterminator="\n")
        out.writerow(columns)
        out.writerows(sorted(rows))


def main():
    """Write both lists."""
    write("overloads.tsv", ["owner", "name", "parameters"], {(o, *row) for o in SOURCES for row in overloads(o)})
    spaces = {"rsnn": torch, "Tensor": torch.Tensor}
    write("beyond.tsv", ["owner", "name"], [(o, n) for o, space in spaces.items() for n in beyond(o, space)])


if __name__ == "__main__":
    main()
