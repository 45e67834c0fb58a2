"""The base of all learning rate schedules. Holds no schedule."""

from __future__ import annotations

import warnings
from typing import Any

import rsnn

from .optimizer import Optimizer, scalar

__all__ = ["LRScheduler", "per_group", "rates", "set_rate"]

_EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler."
)
_ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will skip the first value of the learning "
    "rate schedule."
)


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, rsnn.Tensor) else value


def rates(optimizer: Optimizer, key: str = "lr") -> list[Any]:
    """Return one option of every group, tensors copied."""
    return [_copy(group[key]) for group in optimizer.param_groups]


def set_rate(group: dict[str, Any], value: Any) -> None:
    """Set a group's learning rate; a tensor keeps its identity."""
    if isinstance(group["lr"], rsnn.Tensor):
        group["lr"].fill_(scalar(value))
    else:
        group["lr"] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """Return a list with one value per group.

    Raises:
        ValueError: a list of another length.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {count}."
        )
    return [_copy(v) for v in value]


class LRScheduler:
    """Set the learning rates of an optimizer, one epoch after another; a subclass defines `get_lr`.

    Args:
        optimizer: whose groups' `lr` is set.
        last_epoch: −1 starts; another value resumes, with `initial_lr` in every group.

    Raises:
        TypeError: `optimizer` is not an Optimizer.
        KeyError: a group lacks `initial_lr` when resuming.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copy(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0. Load the optimizer's state first"
                )
        self.base_lrs = rates(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict written by rsnn or by torch."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """Return the rates that were set last, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """Compute the rates of `last_epoch`; called by `step`, use `get_last_lr` to read rates."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr")

    def step(self, epoch: int | None = None) -> None:
        """Advance by one epoch, or go to an epoch."""
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(_ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr() if epoch is None or closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        self._apply(values)

    def _apply(self, values: list[Any]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_rate(group, value)
        self._last_lr = rates(self.optimizer)

    def _scaled(self, factor: float) -> list[Any]:
        """Return every group's rate times a factor."""
        return [lr * factor for lr in rates(self.optimizer)]
