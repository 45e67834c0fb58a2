"""Adam, as torch.optim.Adam: Kingma and Ba, https://arxiv.org/abs/1412.6980."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check_common, count, decay, dense, is_fused, new_step, scalar

__all__ = ["Adam"]


class Adam(EachParameter):
    """Adapt the step per weight: θ ← θ − lr·m̂ / (√v̂ + eps), m and v the running means of g and g².

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of m and of v.
        eps: added to the denominator.
        weight_decay: L2 penalty added to the gradient, or decay of the weights with `decoupled_weight_decay`.
        amsgrad: use the largest v so far.
        maximize: ascend.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> optimizer = rsnn.optim.Adam(model.parameters(), lr=1e-3)
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        check_common(lr, eps, weight_decay, betas)
        defaults = dict(
            lr=lr,
            betas=tuple(scalar(beta) for beta in betas),
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": new_step(), "exp_avg": rsnn.zeros_like(p), "exp_avg_sq": rsnn.zeros_like(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = rsnn.zeros_like(p)
        return state

    def step_group(self, group: dict[str, Any]) -> None:
        params, grads, states = [], [], []
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if not is_fused(p, group):
                self.update_one(p, group)
                continue
            params.append(p)
            grads.append(dense(grad))
            states.append(self.state_of(p, group))
        if params:
            _rsnn.adam_step(
                params,
                grads,
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [state["max_exp_avg_sq"] for state in states] if group["amsgrad"] else [],
                [count(state) for state in states],
                float(scalar(group["lr"])),
                *group["betas"],
                float(group["eps"]),
                float(scalar(group["weight_decay"])),
                group["decoupled_weight_decay"],
                group["amsgrad"],
                group["maximize"],
            )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2), step = scalar(group["lr"]), group["betas"], count(state)
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * scalar(group["weight_decay"]))
        else:
            grad = decay(grad, p, group)
        state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"].copy_(rsnn.maximum(state["max_exp_avg_sq"], square))
        denominator = (square.sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
        p.addcdiv_(state["exp_avg"], denominator, value=-lr / (1 - beta1**step))
