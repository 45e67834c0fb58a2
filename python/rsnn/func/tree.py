"""Nested tuples, lists and dicts: their leaves in order, and the same structure around other leaves."""

from __future__ import annotations

import rsnn


def children(tree):
    """Return the parts of one level, or None for a leaf."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, (list, tuple)) and not isinstance(tree, rsnn.Size):
        return list(tree)
    return None


def rebuild(tree, parts):
    """Return one level like `tree` with other parts."""
    if isinstance(tree, dict):
        return type(tree)(zip(tree, parts))
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def leaves(tree):
    """Return everything that is no container, in order."""
    parts = children(tree)
    return [tree] if parts is None else [leaf for part in parts for leaf in leaves(part)]


def tensors(tree):
    """Return the tensors among the leaves."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, rsnn.Tensor)]


def mapped(f, tree):
    """Return the structure with `f` applied to every leaf."""
    parts = children(tree)
    return f(tree) if parts is None else rebuild(tree, [mapped(f, part) for part in parts])


def filled(tree, values):
    """Return the structure with its leaves replaced, in order, by what the iterator `values` gives."""
    return mapped(lambda _: next(values), tree)


def with_tensors(tree, values):
    """Return the structure with its tensors replaced, in order."""
    return mapped(lambda leaf: next(values) if isinstance(leaf, rsnn.Tensor) else leaf, tree)


def spread(prefix, tree):
    """Return one entry of `prefix` per leaf of `tree`, or None where the structures do not fit."""
    parts = children(tree)
    if parts is None:
        return None if children(prefix) is not None else [prefix]
    if children(prefix) is None:
        return [prefix] * len(leaves(tree))
    same = type(prefix) is type(tree) if not isinstance(tree, dict) else isinstance(prefix, dict) and prefix.keys() == tree.keys()
    heads = [prefix[key] for key in tree] if same and isinstance(tree, dict) else children(prefix)
    if not same or len(heads) != len(parts):
        return None
    out = []
    for head, part in zip(heads, parts):
        found = spread(head, part)
        if found is None:
            return None
        out += found
    return out


def spec(tree):
    """Describe the structure: `*` stands for a leaf."""
    parts = children(tree)
    if parts is None:
        return "*"
    inner = ", ".join(spec(part) for part in parts)
    if isinstance(tree, dict):
        inner = ", ".join(f"{key!r}: {spec(value)}" for key, value in tree.items())
        return "{" + inner + "}"
    return f"[{inner}]" if isinstance(tree, list) else f"({inner})"
