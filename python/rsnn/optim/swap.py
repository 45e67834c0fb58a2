"""Run an optimizer for a while on other parameters and other state, as torch.optim's function of this name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rsnn

from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]

_NAME = "swap_in_optimizer_params_and_state"


def _check(optimizer: Optimizer, swapped: Any) -> tuple[dict, list[dict]]:
    if not optimizer.state:
        raise RuntimeError(f"{_NAME} requires initialized optimizer state.")
    if not isinstance(swapped, dict):
        raise RuntimeError(f"{_NAME} requires a DCP-style optimizer state_dict.")
    state, groups = swapped.get("state"), swapped.get("param_groups")
    if not isinstance(state, dict) or any(isinstance(key, rsnn.Tensor) for key in state):
        raise RuntimeError(f"{_NAME} requires optimizer.state_dict()-style state keyed by packed parameter ids.")
    if any(not isinstance(entry, dict) for key, entry in state.items() if isinstance(key, int)):
        raise RuntimeError(f"{_NAME} requires per-parameter optimizer state entries to be dictionaries.")
    if not isinstance(groups, list) or len(groups) != len(optimizer.param_groups):
        raise RuntimeError("swapin_optim_state has a different number of parameter groups than the live optimizer.")
    ids: set[int] = set()
    for i, (live, group) in enumerate(zip(optimizer.param_groups, groups)):
        packed = group.get("params") if isinstance(group, dict) else None
        if not isinstance(packed, list) or not all(isinstance(number, int) for number in packed):
            raise RuntimeError(f"{_NAME} requires param_groups[*]['params'] entries keyed by packed parameter ids.")
        if len(packed) != len(live["params"]):
            raise RuntimeError(
                f"swapin_optim_state param group {i} has a different number of params than the live optimizer param group."
            )
        if set(group) != set(live):
            raise RuntimeError(
                f"{_NAME} requires param group keys to exactly match the live optimizer group keys for group {i}: "
                f"{sorted(set(group) ^ set(live))}"
            )
        ids.update(packed)
    if extra := [key for key in state if key not in ids]:
        raise RuntimeError(f"{_NAME} requires state keyed only by packed parameter ids; got extra keys {extra!r}.")
    return state, groups


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Any], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Put parameters and a state dict in place of the optimizer's own, and restore those at the end.

    Args:
        optimizer: one whose state exists already.
        swapin_parameters: tensors in the order of the optimizer's parameters.
        swapin_optim_state: what `optimizer.state_dict()` returns; its tensors are changed in place by steps.

    Raises:
        RuntimeError: the parts do not match the optimizer's groups.
    """
    state, groups = _check(optimizer, swapin_optim_state)
    params = list(swapin_parameters.values())
    if len(params) < sum(len(group["params"]) for group in groups):
        raise RuntimeError(
            f"{_NAME} requires the explicit parameter state to match optimizer.param_groups ordering."
        )
    before = optimizer.state, [dict(group) for group in optimizer.param_groups]
    rest = iter(params)
    try:
        optimizer.state = defaultdict(dict)
        for live, group in zip(optimizer.param_groups, groups):
            mine = [next(rest) for _ in group["params"]]
            live.update(group, params=mine)
            optimizer.state.update({p: dict(state.get(number, {})) for p, number in zip(mine, group["params"])})
        yield
    finally:
        optimizer.state, snapshots = before
        for live, snapshot in zip(optimizer.param_groups, snapshots):
            live.clear()
            live.update(snapshot)
