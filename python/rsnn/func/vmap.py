"""`vmap`: call a function once per entry of a dimension, and stack what it returns."""

from __future__ import annotations

import functools

import rsnn

from . import tree

__all__ = ["vmap"]


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """Return a function that maps `func` over a dimension of its inputs.

    The meaning is torch's, the means are plainer: `func` is called once per entry, on views, and the results are stacked. So it
    may read values and branch on them, and costs as much as the loop. Derivatives go through, and calls nest.

    Args:
        func: from tensors, or structures of them, to tensors.
        in_dims: the mapped dimension of each positional argument: an int for all, or a structure like that of the arguments with
            None for what is passed whole. Keyword arguments are passed whole.
        out_dims: where the mapped dimension goes in the results; None returns a result that is the same for all entries.
        randomness: "error" refuses functions that draw random numbers, "same" draws the same ones for every entry,
            "different" draws on.
        chunk_size: accepted; entries are computed one at a time.

    Raises:
        ValueError: arguments and `in_dims`, or results and `out_dims`, do not fit.
        RuntimeError: random numbers under "error".

    Example:
        >>> vmap(rsnn.dot)(rsnn.ones(2, 3), rsnn.ones(2, 3))
        tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", repr(func))

    @functools.wraps(func, updated=())
    def wrapper(*args, **kwargs):
        dims, flat = _in_dims(name, in_dims, args), tree.leaves(args)
        sizes = [leaf.shape[dim] for leaf, dim in zip(flat, dims) if dim is not None]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
            )
        if not sizes[0]:
            raise ValueError(f"vmap({name}): got a mapped dimension of size 0, expected at least one entry")
        results = []
        for entry in _draws(range(sizes[0]), randomness):
            parts = iter([leaf if dim is None else leaf.select(dim, entry) for leaf, dim in zip(flat, dims)])
            results.append(func(*tree.filled(args, parts), **kwargs))
        return _stacked(name, results, out_dims)

    return wrapper


def _in_dims(name, in_dims, args):
    """Return the mapped dimension of every leaf of the arguments, counted from the front."""
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested) tuple "
            f"matching the structure of inputs, got: {type(in_dims)}."
        )
    flat = tree.leaves(args)
    if not flat:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
            "with no inputs. The latter is unsupported."
        )
    dims = tree.spread(in_dims, args)
    where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if dims is None:
        raise ValueError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has structure {tree.spec(in_dims)} but "
            f"inputs has structure {tree.spec(args)}."
        )
    found = []
    for leaf, dim in zip(flat, dims):
        if dim is not None and not isinstance(dim, int):
            raise ValueError(f"{where}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None.")
        if dim is not None and not isinstance(leaf, rsnn.Tensor):
            raise ValueError(
                f"{where}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over non-Tensor "
                "arguments, please use None as the respective in_dim"
            )
        if dim is not None and not -leaf.dim() <= dim < leaf.dim():
            raise ValueError(
                f"{where}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {leaf.dim()} so expected "
                f"in_dim to satisfy -{leaf.dim()} <= in_dim < {leaf.dim()}."
            )
        found.append(None if dim is None else dim % leaf.dim())
    if all(dim is None for dim in found):
        raise ValueError(f"{where}: at least one input must be mapped, got None for all of them")
    return found


def _draws(entries, randomness):
    """Go through the entries with the random numbers that each of them shall see."""
    before = rsnn.get_rng_state()
    for entry in entries:
        if randomness == "same" and entry:
            rsnn.set_rng_state(before)
        yield entry
        if randomness == "error" and not rsnn.equal(rsnn.get_rng_state(), before):
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
                "randomness flags on vmap or perform the randomness operation out of vmap"
            )


def _stacked(name, results, out_dims):
    first = results[0]
    columns = list(zip(*(tree.leaves(result) for result in results)))
    where = f"vmap({name}, ..., out_dims={out_dims})"
    if not all(dim is None or isinstance(dim, int) for dim in tree.leaves(out_dims)):
        raise ValueError(
            f"{where}: `out_dims` must be an int, None or a python collection of ints representing where in the outputs the "
            "vmapped dimension should appear."
        )
    dims = tree.spread(out_dims, first)
    if dims is None:
        raise ValueError(
            f"{where}(<inputs>): out_dims is not compatible with the structure of `outputs`. out_dims has structure "
            f"{tree.spec(out_dims)} but outputs has structure {tree.spec(first)}."
        )
    return tree.filled(first, iter([_joined(name, column, dim) for column, dim in zip(columns, dims)]))


def _joined(name, column, dim):
    if dim is None:
        if isinstance(column[0], rsnn.Tensor) and not all(rsnn.equal(column[0], value) for value in column[1:]):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return column[0]
    if not isinstance(column[0], rsnn.Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(column[0])}. Did you mean to set out_dims= to "
            "None for output?"
        )
    return rsnn.stack(list(column), dim)
