"""Adam, as torch.optim.Adam: Kingma and Ba, https://arxiv.org/abs/1412.6980."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check_common, check_fused, column, count, decay, new_step, number, scalar

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
        if isinstance(lr, rsnn.Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_common(lr, eps, weight_decay, betas)
        if len({isinstance(beta, rsnn.Tensor) for beta in betas}) != 1:
            raise ValueError("betas must be either both floats or both Tensors")
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
        check_fused(defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": new_step(), "exp_avg": rsnn.zeros_like(p), "exp_avg_sq": rsnn.zeros_like(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = rsnn.zeros_like(p)
        return state

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        amsgrad = group["amsgrad"]
        _rsnn.adam_step(
            params,
            grads,
            column(states, "exp_avg"),
            column(states, "exp_avg_sq"),
            column(states, "max_exp_avg_sq") if amsgrad else [],
            column(states, "step"),
            number(group["lr"]),
            number(beta1),
            number(beta2),
            number(group["eps"]),
            number(group["weight_decay"]),
            group["decoupled_weight_decay"],
            amsgrad,
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
            square = state["max_exp_avg_sq"] = rsnn.maximum(state["max_exp_avg_sq"], square)
        denominator = (square.sqrt() / (1 - beta2**step) ** 0.5).add(group["eps"])
        p.addcdiv_(state["exp_avg"], denominator, value=-lr / (1 - beta1**step))
