"""Adagrad, as torch.optim.Adagrad: Duchi et al., https://jmlr.org/papers/v12/duchi11a.html."""

from __future__ import annotations

from typing import Any

import rsnn
from rsnn import _rsnn

from .optimizer import EachParameter, check, check_common, check_fused, column, count, decay, new_step, number, scalar

__all__ = ["Adagrad"]


class Adagrad(EachParameter):
    """Divide the gradient by the root of the sum of its squares: θ ← θ − lr_t·g / (√Σg² + eps).

    Args:
        params: parameters or groups.
        lr: learning rate.
        lr_decay: lr_t = lr / (1 + (t − 1)·lr_decay).
        weight_decay: L2 penalty.
        initial_accumulator_value: start of the sum.
        eps: added to the denominator.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.Adagrad(model.parameters(), lr=1e-2)
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        fused=None,
    ):
        check_common(lr, eps, weight_decay)
        check("lr_decay", lr_decay, lr_decay >= 0.0, "Invalid lr_decay value: {value}")
        start = initial_accumulator_value
        check("initial_accumulator_value", start, start >= 0.0, "Invalid initial_accumulator_value value: {value}")
        defaults = dict(
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        check_fused(defaults)
        for group in self.param_groups:  # torch makes this state at once, and its state dicts hold it
            for p in group["params"]:
                self.state_of(p, group)

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        start = self.defaults["initial_accumulator_value"]
        return {"step": new_step(), "sum": rsnn.full_like(p, start, requires_grad=False)}

    def share_memory(self) -> None:
        """Do nothing: state is shared between threads as it is."""

    def native(self, params: list, grads: list, states: list, group: dict[str, Any]) -> None:
        _rsnn.adagrad_step(
            params,
            grads,
            column(states, "sum"),
            column(states, "step"),
            number(group["lr"]),
            number(group["lr_decay"]),
            number(group["eps"]),
            number(group["weight_decay"]),
            group["maximize"],
        )

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        step = count(state)
        grad = decay(grad, p, group)
        rate = scalar(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        root = state["sum"].addcmul_(grad, grad, value=1).sqrt().add(group["eps"])
        p.addcdiv_(grad, root, value=-rate)
