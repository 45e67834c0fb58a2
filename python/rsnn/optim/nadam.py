"""NAdam, as torch.optim.NAdam: Dozat, Adam with Nesterov momentum."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check, check_common, column, count, decay, new_step, number, scalar

__all__ = ["NAdam"]


class NAdam(EachParameter):
    """Take Adam's step with the momentum of the next step: μ_t = β₁·(1 − ½·0.96^(t·momentum_decay)).

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the running means of g and g².
        eps: added to the denominator.
        weight_decay: L2 penalty, or decay of the weights with `decoupled_weight_decay`.
        momentum_decay: speed at which μ_t reaches β₁.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.NAdam(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        momentum_decay=4e-3,
        decoupled_weight_decay=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
    ):
        check_common(lr, eps, weight_decay, betas)
        check("momentum_decay", momentum_decay, momentum_decay >= 0.0, "Invalid momentum_decay value: {value}")
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(),
            "mu_product": rsnn.ones((), dtype=rsnn.float32),
            "exp_avg": rsnn.zeros_like(p),
            "exp_avg_sq": rsnn.zeros_like(p),
        }

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        _rsnn.nadam_step(
            params,
            grads,
            column(states, "exp_avg"),
            column(states, "exp_avg_sq"),
            column(states, "mu_product"),
            column(states, "step"),
            number(group["lr"]),
            number(beta1),
            number(beta2),
            number(group["eps"]),
            number(group["weight_decay"]),
            number(group["momentum_decay"]),
            group["decoupled_weight_decay"],
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2), step = scalar(group["lr"]), group["betas"], count(state)
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        else:
            grad = decay(grad, p, group)
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        product = state["mu_product"].mul_(mu).item()
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        root = square.div(1 - beta2**step).sqrt().add(group["eps"])
        p.addcdiv_(grad, root, value=-lr * (1 - mu) / (1 - product))
        p.addcdiv_(mean, root, value=-lr * mu_next / (1 - product * mu_next))
