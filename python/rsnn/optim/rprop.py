"""Resilient backpropagation, as torch.optim.Rprop."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check_common, column, count, new_step, scalar

__all__ = ["Rprop"]


class Rprop(EachParameter):
    """Follow only the gradient's sign; a weight's step grows while the sign stays and shrinks when it turns.

    Args:
        params: parameters or groups.
        lr: first step size.
        etas: factors that shrink and grow the step size.
        step_sizes: smallest and largest step size.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.Rprop(model.parameters())
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        etas=(0.5, 1.2),
        step_sizes=(1e-6, 50),
        *,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        check_common(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = dict(
            lr=lr,
            etas=etas,
            step_sizes=step_sizes,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(),
            "prev": rsnn.zeros_like(p),
            "step_size": rsnn.full_like(p, scalar(group["lr"]), requires_grad=False),
        }

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        _rsnn.rprop_step(
            params,
            grads,
            column(states, "prev"),
            column(states, "step_size"),
            column(states, "step"),
            group["etas"],
            group["step_sizes"],
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        count(state)
        shrink, grow = group["etas"]
        agree = grad.mul(state["prev"])
        factor = rsnn.ones_like(agree).masked_fill_(agree > 0, grow).masked_fill_(agree < 0, shrink)
        size = state["step_size"].mul_(factor).clamp_(*group["step_sizes"])
        grad = grad.masked_fill(agree < 0, 0)  # after a turn the weight waits one step
        p.addcmul_(grad.sign(), size, value=-1)
        state["prev"].copy_(grad)
