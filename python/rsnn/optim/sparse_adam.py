"""SparseAdam, as torch.optim.SparseAdam, for the dense gradients that rsnn has."""

from __future__ import annotations

from typing import Any

from .optimizer import Optimizer, check, check_common, evaluate, scalar

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Check its arguments; there are no sparse gradients here, so `step` refuses as torch does for dense ones.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the running means.
        eps: added to the denominator.
        maximize: ascend.

    Raises:
        RuntimeError: in `step`; use `Adam`.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        check("lr", lr, scalar(lr) > 0.0, "Invalid learning rate: {value}")
        check("eps", eps, eps > 0.0, "Invalid epsilon value: {value}")
        check_common(lr, eps, betas=betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))

    def step(self, closure: Any = None) -> Any:
        """Refuse dense gradients."""
        loss = evaluate(closure)
        if any(p.grad is not None for group in self.param_groups for p in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        return loss
