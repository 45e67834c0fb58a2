"""Averages of weights over training, as torch.optim.swa_utils: https://arxiv.org/abs/1803.05407."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import rsnn
from rsnn.nn import Module

from .optimizer import Optimizer
from .schedule import LRScheduler, per_group

__all__ = [
    "AveragedModel",
    "update_bn",
    "SWALR",
    "get_ema_multi_avg_fn",
    "get_swa_multi_avg_fn",
    "get_ema_avg_fn",
    "get_swa_avg_fn",
]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """Return the exponential moving average decay·averaged + (1 − decay)·current, for one tensor."""
    _check_decay(decay)

    @rsnn.no_grad()
    def ema_update(averaged, current, num_averaged):
        return decay * averaged + (1 - decay) * current

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """Return the exponential moving average for lists of tensors, in place."""
    _check_decay(decay)

    @rsnn.no_grad()
    def ema_update(averaged, current, num_averaged):
        for a, c in zip(averaged, current):
            if a.is_floating_point():
                a.lerp_(c, 1 - decay)
            else:
                a.copy_(a * decay + c * (1 - decay))

    return ema_update


def get_swa_avg_fn() -> Callable:
    """Return the running mean averaged + (current − averaged) / (n + 1), for one tensor."""

    @rsnn.no_grad()
    def swa_update(averaged, current, num_averaged):
        return averaged + (current - averaged) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> Callable:
    """Return the running mean for lists of tensors, in place."""

    @rsnn.no_grad()
    def swa_update(averaged, current, num_averaged):
        n = float(num_averaged) + 1
        for a, c in zip(averaged, current):
            if a.is_floating_point():
                a.lerp_(c, 1 / n)
            else:
                a.copy_(a + (c - a) / n)

    return swa_update


class AveragedModel(Module):
    """Keep an average of a model's parameters.

    Args:
        model: copied; its weights are averaged by `update_parameters`.
        device: where the average lives.
        avg_fn: `(averaged, current, num_averaged) -> averaged` for one tensor; equal weights without it.
        multi_avg_fn: the same for lists, in place.
        use_buffers: average buffers too; else they are copied.

    Example:
        >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        >>> average.update_parameters(model)
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", rsnn.tensor(0, dtype=rsnn.int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @rsnn.no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take in the current weights of a model."""

        def tensors(of: Module) -> list[Any]:
            buffers: Iterable = of.buffers() if self.use_buffers else ()
            return [t.detach() for t in itertools.chain(of.parameters(), buffers)]

        averaged = tensors(self.module)
        current = [c.to(a.device) for a, c in zip(averaged, tensors(model))]
        if self.n_averaged.item() == 0:
            for a, c in zip(averaged, current):
                a.copy_(c)
        elif self.avg_fn is not None:
            for a, c in zip(averaged, current):
                a.copy_(self.avg_fn(a, c, self.n_averaged.to(a.device)))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averaged, current, self.n_averaged)
        if not self.use_buffers:
            for a, c in zip(self.module.buffers(), model.buffers()):
                a.detach().copy_(c.detach().to(a.device))
        self.n_averaged += 1


@rsnn.no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the statistics of all BatchNorm layers anew, with one pass over the data.

    Args:
        loader: batches; of a list or tuple the first element is the input.
        model: whose layers are updated.
        device: where inputs are moved first.
    """
    momenta = {}
    for module in model.modules():
        if hasattr(module, "reset_running_stats") and hasattr(module, "momentum"):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # a plain mean over the batches
    for batch in loader:
        batch = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneal lr to swa_lr over anneal_epochs and keep it.

    Args:
        optimizer: whose groups are set.
        swa_lr: last rate, for all groups or per group.
        anneal_epochs: 0 sets it at once.
        anneal_strategy: `cos` or `linear`.

    Example:
        >>> scheduler = SWALR(optimizer, swa_lr=0.05)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """Return how much of the way to swa_lr is done."""
        done = max(0, min(1, step / max(1, self.anneal_epochs)))
        return done if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * done)) / 2

    def get_lr(self):
        step = max(1, self._step_count - 1) if self.anneal_epochs == 0 else self._step_count - 1
        before, now = self._share(step - 1), self._share(step)
        values = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            values.append(goal * now + start * (1 - now))
        return values
