"""Adam with decoupled weight decay, as torch.optim.AdamW: https://arxiv.org/abs/1711.05101."""

from __future__ import annotations

from typing import Any

from .adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """Run Adam on the gradient alone and decay the weights beside it: θ ← θ·(1 − lr·λ) − Adam step.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the running means of g and g².
        eps: added to the denominator.
        weight_decay: λ.
        amsgrad: use the largest v so far.
        maximize: ascend.

    Example:
        >>> optimizer = rsnn.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        *,
        maximize=False,
        foreach=None,
        capturable=False,
        differentiable=False,
        fused=None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # checkpoints may come from an Adam, or from before the option
            group["decoupled_weight_decay"] = True
