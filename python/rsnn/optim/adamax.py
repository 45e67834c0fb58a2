"""Adamax, as torch.optim.Adamax: Adam with the infinity norm, https://arxiv.org/abs/1412.6980."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check_common, column, count, decay, new_step, number, scalar

__all__ = ["Adamax"]


class Adamax(EachParameter):
    """Divide Adam's mean by a decaying maximum: u ← max(β₂·u, |g| + eps); θ ← θ − lr·m̂ / u.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of m and of u.
        eps: added to |g|.
        weight_decay: L2 penalty.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.Adamax(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        capturable=False,
    ):
        check_common(lr, eps, weight_decay, betas)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": new_step(), "exp_avg": rsnn.zeros_like(p), "exp_inf": rsnn.zeros_like(p)}

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        _rsnn.adamax_step(
            params,
            grads,
            column(states, "exp_avg"),
            column(states, "exp_inf"),
            column(states, "step"),
            number(group["lr"]),
            number(beta1),
            number(beta2),
            number(group["eps"]),
            number(group["weight_decay"]),
            False,
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        step, (beta1, beta2) = count(state), group["betas"]
        grad = decay(grad, p, group)
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        largest = state["exp_inf"] = rsnn.maximum(state["exp_inf"] * beta2, grad.abs().add(group["eps"]))
        p.addcdiv_(mean, largest, value=-scalar(group["lr"]) / (1 - beta1**step))
