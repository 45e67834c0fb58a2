"""Stochastic gradient descent, as torch.optim.SGD."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check, check_common, check_fused, column, decay, number, scalar

__all__ = ["SGD"]


class SGD(EachParameter):
    """Descend along the gradient, optionally with momentum: b ← μ·b + (1 − d)·g; θ ← θ − lr·b.

    Args:
        params: parameters or groups.
        lr: learning rate.
        momentum: μ; 0 keeps no buffer.
        dampening: d.
        weight_decay: L2 penalty added to the gradient.
        nesterov: look ahead: the step uses g + μ·b.
        maximize: ascend.

    Raises:
        ValueError: a value is out of range, or `nesterov` without momentum.

    Example:
        >>> optimizer = rsnn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        check_common(lr, weight_decay=weight_decay)
        check("momentum", momentum, momentum >= 0.0, "Invalid momentum value: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        check_fused(defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        first = [momentum != 0 and state.get("momentum_buffer") is None for state in states]
        for p, state, new in zip(params, states, first):
            if new:
                state["momentum_buffer"] = rsnn.empty_like(p)
        _rsnn.sgd_step(
            params,
            grads,
            column(states, "momentum_buffer") if momentum else [],
            first,
            number(group["lr"]),
            number(momentum),
            number(group["dampening"]),
            number(group["weight_decay"]),
            group["nesterov"],
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        grad = decay(grad, p, group)
        if group["momentum"]:
            buffer = state["momentum_buffer"]
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone()
            else:
                buffer.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
        p.add_(grad, alpha=-scalar(group["lr"]))
