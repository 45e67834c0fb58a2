"""Adafactor, as torch.optim.Adafactor: Shazeer and Stern, https://arxiv.org/abs/1804.04235."""

from __future__ import annotations

from typing import Any

import rsnn

from .optimizer import EachParameter, check, count, new_step, scalar

__all__ = ["Adafactor"]


class Adafactor(EachParameter):
    """Estimate the mean of g² of a matrix from one row and one column; steps are relative to the weights' size.

    Args:
        params: parameters or groups.
        lr: largest relative step.
        beta2_decay: the means' rate at step t is t**beta2_decay.
        eps: floor of the estimate (None: the dtype's eps) and of the weights' size.
        d: clipping threshold of the update's root mean square.
        weight_decay: decay of the weights.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.Adafactor(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        beta2_decay=-0.8,
        eps=(None, 1e-3),
        d=1.0,
        weight_decay=0.0,
        *,
        foreach=None,
        maximize=False,
    ):
        check("lr", lr, scalar(lr) >= 0.0, "Learning rate should be >= 0 but is: {value}")
        check("beta2_decay", beta2_decay, beta2_decay <= 0.0, "beta2_decay should be <= 0 but is: {value}")
        check("eps", eps[0], eps[0] is None or eps[0] >= 0.0, "epsilon1 should be >= 0 but is: {value}")
        check("eps", eps[1], eps[1] >= 0.0, "epsilon2 should be >= 0 but is: {value}")
        check("d", d, d >= 1.0, "Clipping threshold d should be >= 1 but is: {value}")
        check("weight_decay", weight_decay, weight_decay >= 0.0, "weight_decay should be >= 0 but is: {value}")
        defaults = dict(
            lr=lr,
            beta2_decay=beta2_decay,
            eps=eps,
            d=d,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        grad = p.grad
        if grad.dim() <= 1:
            return {"step": new_step(), "variance": rsnn.zeros_like(grad)}
        shape = list(grad.shape)
        return {
            "step": new_step(),
            "row_var": grad.new_zeros([*shape[:-1], 1]),
            "col_var": grad.new_zeros([*shape[:-2], 1, shape[-1]]),
        }

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        step, lr, (floor, smallest) = count(state), scalar(group["lr"]), group["eps"]
        floor = rsnn.finfo(p.dtype).eps if floor is None else floor
        rate = step ** group["beta2_decay"]
        alpha = max(smallest, p.norm(2).item() / p.numel() ** 0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            row = state["row_var"].lerp_(grad.square().mean(dim=-1, keepdim=True), rate)
            column = state["col_var"].lerp_(grad.square().mean(dim=-2, keepdim=True), rate)
            estimate = (row @ column).div_(row.mean(dim=-2, keepdim=True).clamp_(min=floor))
        else:
            estimate = state["variance"].lerp_(grad * grad, rate).clone()
        update = estimate.clamp_(min=floor * floor).rsqrt_().mul_(grad)
        clip = max(1.0, update.norm(2).item() / (update.numel() ** 0.5 * group["d"]))
        p.add_(update, alpha=-alpha / clip)
