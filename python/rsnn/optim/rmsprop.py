"""RMSprop, as torch.optim.RMSprop: Hinton's lecture notes; centered as https://arxiv.org/abs/1308.0850."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check, check_common, column, count, decay, new_step, number, scalar

__all__ = ["RMSprop"]


class RMSprop(EachParameter):
    """Divide the gradient by a running root mean square: θ ← θ − lr·g / (√v + eps).

    Args:
        params: parameters or groups.
        lr: learning rate.
        alpha: decay of v.
        eps: added to the denominator.
        weight_decay: L2 penalty.
        momentum: momentum of the scaled gradient.
        centered: subtract the squared running mean from v.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.RMSprop(model.parameters(), lr=1e-2)
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        check_common(lr, eps, weight_decay)
        check("momentum", momentum, momentum >= 0.0, "Invalid momentum value: {value}")
        check("alpha", alpha, alpha >= 0.0, "Invalid alpha value: {value}")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            alpha=alpha,
            eps=eps,
            centered=centered,
            weight_decay=weight_decay,
            capturable=capturable,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": new_step(), "square_avg": rsnn.zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = rsnn.zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = rsnn.zeros_like(p)
        return state

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        _rsnn.rmsprop_step(
            params,
            grads,
            column(states, "square_avg"),
            column(states, "momentum_buffer") if group["momentum"] > 0 else [],
            column(states, "grad_avg") if group["centered"] else [],
            column(states, "step"),
            number(group["lr"]),
            number(group["alpha"]),
            number(group["eps"]),
            number(group["weight_decay"]),
            number(group["momentum"]),
            group["centered"],
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, alpha = scalar(group["lr"]), group["alpha"]
        count(state)
        grad = decay(grad, p, group)
        average = state["square_avg"].mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].lerp_(grad, 1 - alpha)
            average = average.addcmul(mean, mean, value=-1)
        average = average.sqrt().add(group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(grad, average)
            p.add_(buffer, alpha=-lr)
        else:
            p.addcdiv_(grad, average, value=-lr)
