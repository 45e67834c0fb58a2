"""Derivatives of functions: gradients, vector products and Jacobians, which nest in any order.

All of them run backward passes; forward mode products come from two of those. A result is part of the caller's graph exactly
when it depends on a leaf of the caller's, or of a transform that encloses this one.
"""

from __future__ import annotations

import contextlib
import itertools

import rsnn
from rsnn import _rsnn as _C

from . import tree

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]

_numbers = itertools.count(1)
_running: list[int] = []


@contextlib.contextmanager
def _level():
    """Enter a transform: record, and give its own leaves a number."""
    number = next(_numbers)
    outer = list(_running)
    _running.append(number)
    try:
        with rsnn.enable_grad():
            yield number, outer
    finally:
        _running.remove(number)


class _Level:
    """One transform at work: its leaves, and whether what it computes belongs to an outer graph."""

    def __init__(self, number, outer, recording):
        self.number, self.outer, self.recording = number, outer, recording

    def fresh(self, structure):
        """Return the structure with tensors that record for this transform, and those tensors."""
        copies = [self._leaf(t) for t in tree.tensors(structure)]
        return tree.with_tensors(structure, iter(copies)), copies

    def _leaf(self, t):
        # With history the copy stays in the graph it comes from; without, it is a leaf of this transform.
        if t.requires_grad and self.recording:
            return t.view_as(t)
        copy = t.detach().requires_grad_()
        _C.set_transform_level(copy, self.number)
        return copy

    def depends(self, outputs):
        """Tell whether gradients of the outputs have to be part of an outer graph."""
        return self.recording and _C.depends_on_outer([o for o in outputs if o.requires_grad], self.outer)

    def kept(self, structure):
        """Return the structure with tensors cut off from this transform where no outer one needs them."""
        return tree.mapped(
            lambda t: t.detach() if isinstance(t, rsnn.Tensor) and t.requires_grad and not self.depends([t]) else t, structure
        )


@contextlib.contextmanager
def _transform():
    recording = rsnn.is_grad_enabled()
    with _level() as (number, outer):
        yield _Level(number, outer, recording)


def _pull(outputs, inputs, seeds, create_graph, retain_graph=True):
    """Return gradients of outputs by inputs, zeros where there is none."""
    pairs = [(o, s) for o, s in zip(outputs, seeds) if o.requires_grad]
    if not pairs:
        return [rsnn.zeros_like(x) for x in inputs]
    outs, seeds = zip(*pairs)
    return rsnn.autograd.grad(
        outs, inputs, seeds, retain_graph=retain_graph, create_graph=create_graph, materialize_grads=True
    )


def _numbers_of(argnums, count):
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    found = []
    for number in numbers:
        if not isinstance(number, int):
            raise RuntimeError(f"argnums elements must be int, got {type(number)}")
        if not -count <= number < count:
            raise RuntimeError(f"Got argnum={number}, but only {count} positional inputs")
        found.append(number % count)
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {numbers}")
    return found


def _split_aux(out, has_aux, name):
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return out


def _only_tensors(out, name):
    for leaf in tree.leaves(out):
        if not isinstance(leaf, rsnn.Tensor):
            raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}")
    return tree.leaves(out)


def grad_and_value(func, argnums=0, has_aux=False):
    """Return a function that computes the gradient of the scalar `func`, and its value.

    Args:
        func: from tensors, or structures of them, to a 0-d tensor.
        argnums: the argument, or a tuple of arguments, to differentiate by; dicts and lists of tensors are fine.
        has_aux: `func` returns (scalar, anything), and so does the result's second part.

    Example:
        >>> grad_and_value(lambda x: (x * x).sum())(rsnn.tensor([1.0, 2.0]))
        (tensor([2., 4.]), tensor(5.))
    """
    name = "grad_and_value(f)(*args)"

    def wrapper(*args, **kwargs):
        numbers = _numbers_of(argnums, len(args))
        args = list(args)
        with _transform() as level:
            inputs = []
            for number in numbers:
                args[number], copies = level.fresh(args[number])
                inputs += copies
            value, aux = _split_aux(func(*args, **kwargs), has_aux, name)
            if not isinstance(value, rsnn.Tensor):
                raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(value)}")
            if value.dim() != 0:
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {value.dim()} dims. Maybe you "
                    "wanted to use the vjp or jacrev APIs instead?"
                )
            outer = level.depends([value])
            found = iter(_pull([value], inputs, [None], outer, outer))
        # Outside the level: what the caller gets back is cut off unless it belongs to an outer graph.
        result = tuple(level.kept(tree.with_tensors(args[number], found)) for number in numbers)
        result = result[0] if isinstance(argnums, int) else result
        value = level.kept(value)
        return (result, (value, level.kept(aux))) if has_aux else (result, value)

    return wrapper


def grad(func, argnums=0, has_aux=False):
    """Return a function that computes the gradient of the scalar `func`; arguments as in `grad_and_value`.

    Example:
        >>> grad(lambda x: x.sin().sum())(rsnn.zeros(1)).item()
        1.0
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapper(*args, **kwargs):
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapper


def vjp(func, *primals, has_aux=False):
    """Return `func(*primals)` and a function from an output gradient to the gradients of the primals.

    Args:
        primals: tensors, or structures of them.
        has_aux: `func` returns (output, anything); the second part comes back third.

    Example:
        >>> output, pull_back = vjp(rsnn.sin, rsnn.zeros(1))
        >>> pull_back(rsnn.ones(1))
        (tensor([1.]),)
    """
    name = "vjp(f, *primals)"
    with _transform() as level:
        pairs = [level.fresh(primal) for primal in primals]
        out, aux = _split_aux(func(*(structure for structure, _ in pairs)), has_aux, name)
        outs = _only_tensors(out, name)
        outer = level.depends(outs)
    inputs = [copy for _, copies in pairs for copy in copies]

    def pull_back(cotangents, retain_graph=True, create_graph=None):
        seeds = tree.leaves(cotangents)
        if tree.spec(cotangents) != tree.spec(out):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {tree.spec(cotangents)}, primal output: {tree.spec(out)}"
            )
        follow = rsnn.is_grad_enabled() and (outer or any(seed.requires_grad for seed in seeds))
        found = _pull(outs, inputs, seeds, follow if create_graph is None else create_graph, retain_graph)
        found = iter(level.kept(list(found)))
        return tuple(tree.with_tensors(primal, found) for primal in primals)

    result = level.kept(out)
    return (result, pull_back, level.kept(aux)) if has_aux else (result, pull_back)


class _Forward:
    """Forward products of one call: the gradient g(u) = J(x)ᵀ·u is linear in u, so that dg/du applied to t is J(x)·t."""

    def __init__(self, level, func, primals, has_aux, name):
        self.level = level
        pairs = [level.fresh(primal) for primal in primals]
        self.out, self.aux = _split_aux(func(*(structure for structure, _ in pairs)), has_aux, name)
        self.outs = _only_tensors(self.out, name)
        inputs = [copy for _, copies in pairs for copy in copies]
        self.seeds = []
        for o in self.outs:
            seed = rsnn.zeros_like(o).requires_grad_()
            _C.set_transform_level(seed, level.number)
            self.seeds.append(seed)
        self.pulled = _pull(self.outs, inputs, self.seeds, True)

    def push(self, tangents, keep):
        """Return J·t in the structure of the output."""
        pairs = [(g, t) for g, t in zip(self.pulled, tangents) if g.requires_grad]
        if not pairs:
            return tree.filled(self.out, iter([rsnn.zeros_like(o) for o in self.outs]))
        pulled, tangents = zip(*pairs)
        follow = self.level.depends([*pulled, *tangents])
        found = rsnn.autograd.grad(
            pulled, self.seeds, tangents, retain_graph=keep or follow, create_graph=follow, materialize_grads=True
        )
        return tree.filled(self.out, iter(found))


def _check_tangents(primals, tangents, name):
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    if tree.spec(primals) != tree.spec(tangents):
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of 3 "
            f"tensors, tangents also must be. Got primals with structure {tree.spec(primals)} and tangents with structure "
            f"{tree.spec(tangents)}"
        )
    if not tree.leaves(primals):
        raise RuntimeError(f"{name}: Expected primals to contain at least one Tensor.")
    for primal, tangent in zip(tree.leaves(primals), tree.leaves(tangents)):
        if primal.shape != tangent.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
                f"supported. Tensor is of size {list(primal.shape)} while the given forward gradient is of size "
                f"{list(tangent.shape)}."
            )


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """Return `func(*primals)` and the Jacobian at the primals times the tangents.

    Args:
        primals, tangents: tuples of the same structure.
        strict: accepted.
        has_aux: `func` returns (output, anything); the second part comes back third.

    Example:
        >>> jvp(rsnn.sin, (rsnn.zeros(1),), (rsnn.ones(1),))
        (tensor([0.]), tensor([1.]))
    """
    name = "jvp(f, primals, tangents)"
    _check_tangents(primals, tangents, name)
    with _transform() as level:
        forward = _Forward(level, func, primals, has_aux, name)
        tangent = forward.push(tree.leaves(tangents), False)
    result = level.kept(forward.out), level.kept(tangent)
    return (*result, level.kept(forward.aux)) if has_aux else result


def linearize(func, *primals):
    """Return `func(*primals)` and a function from tangents to the Jacobian at the primals times them.

    Example:
        >>> output, push = linearize(rsnn.sin, rsnn.zeros(1))
        >>> push(rsnn.ones(1))
        tensor([1.])
    """
    with _transform() as level:
        forward = _Forward(level, func, primals, False, "linearize(f, *primals)")

    def push(*tangents):
        _check_tangents(primals, tangents, "linearize")
        with rsnn.enable_grad():
            found = forward.push(tree.leaves(tangents), True)
        return level.kept(found)

    return level.kept(forward.out), push


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """Return a function that computes the Jacobian of `func`, of shape (*output shape, *input shape), row by row.

    Args:
        argnums: the argument, or a tuple of arguments, to differentiate by.
        has_aux: `func` returns (output, anything), and so does the result.
        chunk_size: accepted; rows are computed one at a time.

    Example:
        >>> jacrev(lambda x: x * x)(rsnn.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def wrapper(*args, **kwargs):
        numbers = _numbers_of(argnums, len(args))
        args = list(args)
        name = "vjp(f, *primals)"
        with _transform() as level:
            inputs = []
            for number in numbers:
                args[number], copies = level.fresh(args[number])
                inputs += copies
            out, aux = _split_aux(func(*args, **kwargs), has_aux, name)
            blocks = [_rows(o, inputs, level) for o in _only_tensors(out, name)]

        def arranged(block):
            found = iter(level.kept(block))
            parts = tuple(tree.with_tensors(args[number], found) for number in numbers)
            return parts[0] if isinstance(argnums, int) else parts

        blocks = iter(blocks)
        result = tree.mapped(lambda _: arranged(next(blocks)), out)
        return (result, level.kept(aux)) if has_aux else result

    return wrapper


def _rows(output, inputs, level):
    """Return the Jacobian of one output by each input."""
    shape = list(output.shape)
    if not output.requires_grad or output.numel() == 0:
        return [rsnn.zeros(shape + list(x.shape), dtype=x.dtype, device=x.device) for x in inputs]
    follow = level.depends([output])
    basis = rsnn.eye(output.numel(), dtype=output.dtype).to(output.device).reshape([-1, *shape])
    rows = [_pull([output], inputs, [seed], follow) for seed in basis]
    return [rsnn.stack(column).reshape(shape + list(x.shape)) for column, x in zip(zip(*rows), inputs)]


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """Return a function that computes the Jacobian of `func`: the result of `jacrev`, and computed as it does."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func, argnums=0):
    """Return a function that computes the second derivatives of `func`: the Jacobian of its Jacobian.

    Example:
        >>> hessian(lambda x: (x**3).sum())(rsnn.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
