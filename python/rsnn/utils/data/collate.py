"""Turn a list of items into one batch."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import rsnn

__all__ = ["default_collate", "default_convert"]


def _is_numpy(value: Any) -> bool:
    numpy = sys.modules.get("numpy")  # a numpy value exists only where numpy is loaded
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def _numpy_to_tensor(value: Any) -> Any:
    if value.dtype.kind not in "biuf":
        raise TypeError(f"default_collate: array of dtype {value.dtype}, expected numbers or bools")
    return rsnn.as_tensor(value)


def _rebuilt(original: Any, values: list[Any]) -> Any:
    """Return a sequence of the original's type; a plain list where that type cannot be filled."""
    try:
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return values if isinstance(original, range) else type(original)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _rebuilt_mapping(original: Mapping, values: dict[Any, Any]) -> Any:
    try:
        if isinstance(original, MutableMapping):
            clone = copy.copy(original)
            clone.update(values)
            return clone
        return type(original)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def default_convert(data: Any) -> Any:
    """Turn numpy arrays inside one item into tensors; what else there is stays.

    Example:
        >>> default_convert({"a": np.array([0, 1])})
        {'a': tensor([0, 1])}
    """
    if isinstance(data, (rsnn.Tensor, str, bytes)):
        return data
    if _is_numpy(data):
        return rsnn.as_tensor(data) if data.dtype.kind in "biuf" else data
    if isinstance(data, Mapping):
        return _rebuilt_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple):
        values = [default_convert(value) for value in data]
        return type(data)(*values) if hasattr(data, "_fields") else values
    if isinstance(data, Sequence):
        return _rebuilt(data, [default_convert(value) for value in data])
    return data


def collate(batch: Sequence, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """Turn items into a batch, with own functions for some types.

    Args:
        batch: the items.
        collate_fn_map: `{type: function(batch, *, collate_fn_map)}`, asked first.
    """
    first = batch[0]
    for kind, function in (collate_fn_map or {}).items():
        if isinstance(first, kind):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, rsnn.Tensor):
        return rsnn.stack(list(batch), 0)
    if _is_numpy(first):
        values = [_numpy_to_tensor(value) for value in batch]
        return rsnn.stack(values, 0)
    if isinstance(first, float):
        return rsnn.tensor(list(batch), dtype=rsnn.float64)
    if isinstance(first, int):
        return rsnn.tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return batch

    def inner(values: Any) -> Any:
        return collate(values, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return _rebuilt_mapping(first, {key: inner([item[key] for item in batch]) for key in first})
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [inner(column) for column in zip(*batch)]
        if isinstance(first, tuple):
            return type(first)(*columns) if hasattr(first, "_fields") else columns
        return _rebuilt(first, columns)
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
    )


def default_collate(batch: Sequence) -> Any:
    """Turn items into a batch: tensors are stacked, numbers become a tensor, containers are collated inside.

    Raises:
        TypeError: items of a type that does not collate.
        RuntimeError: items of different lengths or shapes.

    Example:
        >>> default_collate([(0, 1.5), (1, 2.5)])
        [tensor([0, 1]), tensor([1.5000, 2.5000], dtype=rsnn.float64)]
    """
    return collate(batch)
