"""Averaged stochastic gradient descent, as torch.optim.ASGD: Polyak and Juditsky, 1992."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check_common, column, count, decay, new_step, number, scalar

__all__ = ["ASGD"]


class ASGD(EachParameter):
    """Descend with a decaying rate η_t = lr / (1 + λ·lr·t)^α and keep the average of the weights in `ax`.

    Args:
        params: parameters or groups.
        lr: learning rate.
        lambd: λ, also the decay of the weights.
        alpha: power of the rate's decay.
        t0: step at which averaging starts.
        weight_decay: L2 penalty.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.ASGD(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        lambd=1e-4,
        alpha=0.75,
        t0=1e6,
        weight_decay=0,
        foreach=None,
        maximize=False,
        differentiable=False,
        capturable=False,
    ):
        check_common(lr, weight_decay=weight_decay)
        defaults = dict(
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(),
            "eta": rsnn.tensor(float(scalar(group["lr"])), dtype=rsnn.float32),
            "mu": rsnn.ones((), dtype=rsnn.float32),
            "ax": rsnn.zeros_like(p),
        }

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        _rsnn.asgd_step(
            params,
            grads,
            column(states, "ax"),
            column(states, "eta"),
            column(states, "mu"),
            column(states, "step"),
            number(group["lr"]),
            number(group["lambd"]),
            number(group["alpha"]),
            number(group["t0"]),
            number(group["weight_decay"]),
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        step, lr, lambd = count(state), scalar(group["lr"]), group["lambd"]
        grad = decay(grad, p, group)
        eta, mu = state["eta"].item(), state["mu"].item()
        p.mul_(1 - lambd * eta).add_(grad, alpha=-eta)
        if mu != 1:
            state["ax"].add_(p.sub(state["ax"]), alpha=mu)
        else:
            state["ax"].copy_(p)
        state["eta"].fill_(lr / (1 + lambd * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
