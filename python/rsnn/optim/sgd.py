"""Stochastic gradient descent, as torch.optim.SGD."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check, check_common, decay, dense, is_fused, scalar

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

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def step_group(self, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        params, grads, buffers, first = [], [], [], []
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if not is_fused(p, group):
                self.update_one(p, group)
                continue
            params.append(p)
            grads.append(dense(grad))
            if momentum:
                state = self.state_of(p, group)
                first.append(state["momentum_buffer"] is None)
                if first[-1]:
                    state["momentum_buffer"] = rsnn.zeros_like(p)
                buffers.append(state["momentum_buffer"])
        if params:
            _rsnn.sgd_step(
                params,
                grads,
                buffers,
                float(scalar(group["lr"])),
                float(momentum),
                float(group["dampening"]),
                float(scalar(group["weight_decay"])),
                group["nesterov"],
                group["maximize"],
                first,
            )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        grad = decay(grad, p, group)
        if group["momentum"]:
            buffer = state["momentum_buffer"]
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone().detach()
            else:
                buffer.mul_(group["momentum"]).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buffer, alpha=group["momentum"]) if group["nesterov"] else buffer
        p.add_(grad, alpha=-scalar(group["lr"]))
