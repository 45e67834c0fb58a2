"""Adadelta, as torch.optim.Adadelta: Zeiler, https://arxiv.org/abs/1212.5701."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check, check_common, column, count, decay, new_step, number, scalar

__all__ = ["Adadelta"]


class Adadelta(EachParameter):
    """Scale the gradient by the ratio of two running means: Δ = g·√(u + eps) / √(v + eps); θ ← θ − lr·Δ.

    Args:
        params: parameters or groups.
        lr: factor of the step.
        rho: decay of v (mean of g²) and u (mean of Δ²).
        eps: added under both roots.
        weight_decay: L2 penalty.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.Adadelta(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=1.0,
        rho=0.9,
        eps=1e-6,
        weight_decay=0,
        foreach=None,
        *,
        capturable=False,
        maximize=False,
        differentiable=False,
    ):
        check_common(lr, eps, weight_decay)
        check("rho", rho, 0.0 <= rho <= 1.0, "Invalid rho value: {value}")
        defaults = dict(
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            capturable=capturable,
            foreach=foreach,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": new_step(), "square_avg": rsnn.zeros_like(p), "acc_delta": rsnn.zeros_like(p)}

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        _rsnn.adadelta_step(
            params,
            grads,
            column(states, "square_avg"),
            column(states, "acc_delta"),
            column(states, "step"),
            number(group["lr"]),
            number(group["rho"]),
            number(group["eps"]),
            number(group["weight_decay"]),
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        count(state)
        grad = decay(grad, p, group)
        root = state["square_avg"].mul_(rho).addcmul_(grad, grad, value=1 - rho).add(eps).sqrt()
        delta = state["acc_delta"].add(eps).sqrt().div(root).mul(grad)
        state["acc_delta"].mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-scalar(group["lr"]))
