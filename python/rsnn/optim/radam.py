"""RAdam, as torch.optim.RAdam: Liu et al., https://arxiv.org/abs/1908.03265."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check_common, column, count, decay, new_step, number, scalar

__all__ = ["RAdam"]


class RAdam(EachParameter):
    """Take Adam's step rectified for the variance of v; plain momentum while v rests on few gradients.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the running means of g and g².
        eps: added to the denominator.
        weight_decay: L2 penalty, or decay of the weights with `decoupled_weight_decay`.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.RAdam(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        decoupled_weight_decay=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
    ):
        check_common(lr, eps, weight_decay, betas)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": new_step(), "exp_avg": rsnn.zeros_like(p), "exp_avg_sq": rsnn.zeros_like(p)}

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        _rsnn.radam_step(
            params,
            grads,
            column(states, "exp_avg"),
            column(states, "exp_avg_sq"),
            column(states, "step"),
            number(group["lr"]),
            number(beta1),
            number(beta2),
            number(group["eps"]),
            number(group["weight_decay"]),
            group["decoupled_weight_decay"],
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2), step = scalar(group["lr"]), group["betas"], count(state)
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        else:
            grad = decay(grad, p, group)
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        unbias = 1 - beta2**step
        # rho: how many gradients the variance estimate effectively rests on.
        longest = 2 / (1 - beta2) - 1
        rho = longest - 2 * step * beta2**step / unbias
        rate = -lr / (1 - beta1**step)
        if rho > 5.0:
            rectify = ((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)) ** 0.5
            p.addcdiv_(mean, square.sqrt().add(group["eps"]), value=rate * rectify * unbias**0.5)
        else:
            p.add_(mean, alpha=rate)
