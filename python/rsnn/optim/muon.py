"""Muon, as torch.optim.Muon: Jordan et al., https://kellerjordan.github.io/posts/muon."""

from __future__ import annotations

import math
from typing import Any

import rsnn

from .optimizer import EachParameter, check, scalar

__all__ = ["Muon"]


def _orthogonalize(matrix: Any, coefficients: tuple, steps: int, eps: float) -> Any:
    """Move a matrix's singular values towards 1 by the Newton-Schulz iteration X ← aX + (bA + cA²)X, A = XXᵀ."""
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.size(0) > matrix.size(1)
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = rsnn.addmm(x, rsnn.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(EachParameter):
    """Orthogonalize the momentum of each hidden matrix: θ ← θ·(1 − lr·λ) − lr'·NS(momentum).

    Args:
        params: matrices (2-d parameters only).
        lr: learning rate.
        weight_decay: λ.
        momentum: decay of the momentum.
        nesterov: look ahead.
        ns_coefficients: a, b, c of the iteration.
        eps: floor of the norm it starts from.
        ns_steps: number of iterations.
        adjust_lr_fn: `"original"` (None) scales lr by √max(1, rows/columns), `"match_rms_adamw"` by 0.2·√max(rows,
            columns).

    Raises:
        ValueError: a parameter is not a matrix, or a value is out of range.

    Example:
        >>> optimizer = rsnn.optim.Muon([p for p in model.parameters() if p.ndim == 2])
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0.1,
        momentum=0.95,
        nesterov=True,
        ns_coefficients=(3.4445, -4.775, 2.0315),
        eps=1e-7,
        ns_steps=5,
        adjust_lr_fn=None,
    ):
        check("lr", lr, scalar(lr) >= 0.0, "Learning rate should be >= 0 but is: {value}")
        check("momentum", momentum, momentum >= 0.0, "momentum should be >= 0 but is: {value}")
        check("weight_decay", weight_decay, weight_decay >= 0.0, "weight decay should be >= 0 but is: {value}")
        known = adjust_lr_fn in (None, "original", "match_rms_adamw")
        check("adjust_lr_fn", adjust_lr_fn, known, "Adjust learning rate function {value} is not supported")
        defaults = dict(
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": rsnn.zeros_like(p.grad)}

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        lr, momentum = scalar(group["lr"]), group["momentum"]
        buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        ahead = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        update = _orthogonalize(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns))
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(update.to(p.dtype), alpha=-lr * ratio)
