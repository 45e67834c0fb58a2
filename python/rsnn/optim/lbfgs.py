"""L-BFGS, as torch.optim.LBFGS: Nocedal and Wright, Numerical Optimization, algorithms 7.4, 3.5 and 3.6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import rsnn

from .optimizer import Optimizer, check, scalar

__all__ = ["LBFGS"]


class _Point(NamedTuple):
    """A point on the search line: step, loss, gradient, slope along the direction."""

    t: float
    loss: float
    grad: Any
    slope: float


def _cubic_minimum(a: _Point, b: _Point, low: float | None = None, high: float | None = None) -> float:
    """Return the minimum of the cubic through two points, kept within [low, high] (the points without bounds)."""
    if low is None or high is None:
        low, high = min(a.t, b.t), max(a.t, b.t)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    left, right = (a, b) if a.t <= b.t else (b, a)
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(t, low), high)


class _StrongWolfe:
    """Search a step t with f(t) ≤ f(0) + c₁·t·f'(0) and |f'(t)| ≤ c₂·|f'(0)|."""

    c1, c2 = 1e-4, 0.9

    def __init__(self, evaluate: Callable[[float], _Point], start: _Point, width: float, tolerance: float, most: int):
        self.evaluate, self.start, self.width, self.tolerance, self.most = evaluate, start, width, tolerance, most
        self.calls = 0

    def at(self, t: float) -> _Point:
        self.calls += 1
        return self.evaluate(t)

    def too_high(self, p: _Point) -> bool:
        return p.loss > self.start.loss + self.c1 * p.t * self.start.slope

    def flat(self, p: _Point) -> bool:
        return abs(p.slope) <= -self.c2 * self.start.slope

    def search(self, t: float) -> _Point:
        previous, point = self.start, self.at(t)
        tries = 0
        while tries < self.most:
            if self.too_high(point) or (tries > 1 and point.loss >= previous.loss):
                return self.zoom(previous, point, tries)
            if self.flat(point):
                return point
            if point.slope >= 0:
                return self.zoom(previous, point, tries)
            low, high = point.t + 0.01 * (point.t - previous.t), point.t * 10
            t = _cubic_minimum(previous, point, low, high)
            previous, point = point, self.at(t)
            tries += 1
        return self.start if self.start.loss <= point.loss else point

    def zoom(self, a: _Point, b: _Point, tries: int) -> _Point:
        low, high = (a, b) if a.loss <= b.loss else (b, a)
        stuck = False
        while tries < self.most and abs(high.t - low.t) * self.width >= self.tolerance:
            left, right = min(low.t, high.t), max(low.t, high.t)
            t = _cubic_minimum(a, b)
            margin = 0.1 * (right - left)
            near = min(right - t, t - left) < margin
            # Twice near an end, or beyond it: step inside, or the bracket shrinks too slowly.
            if near and (stuck or t >= right or t <= left):
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                near = False
            stuck = near
            point = self.at(t)
            tries += 1
            if self.too_high(point) or point.loss >= low.loss:
                if high is a:
                    a = point
                else:
                    b = point
                low, high = (a, b) if a.loss <= b.loss else (b, a)
                continue
            low_is_a, old_low = low is a, low
            if self.flat(point):
                return point
            if point.slope * (high.t - low.t) >= 0:
                high = old_low
            low = point
            a, b = (low, high) if low_is_a else (high, low)
        return low


class LBFGS(Optimizer):
    """Step along an approximate Newton direction built from the last gradients; calls its closure several times.

    Args:
        params: parameters, in one group.
        lr: step along the direction.
        max_iter: iterations per step.
        max_eval: calls of the closure per step; 1.25·max_iter without a value.
        tolerance_grad: stop when no gradient entry is larger.
        tolerance_change: stop when loss and parameters change less.
        history_size: gradients kept.
        line_search_fn: `"strong_wolfe"` or None.

    Raises:
        ValueError: more than one group.
        RuntimeError: an unknown line search.

    Example:
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = loss_fn(model(x), y)
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
    """

    def __init__(
        self,
        params,
        lr=1,
        max_iter=20,
        max_eval=None,
        tolerance_grad=1e-7,
        tolerance_change=1e-9,
        history_size=100,
        line_search_fn=None,
    ):
        check("lr", lr, scalar(lr) >= 0.0, "Invalid learning rate: {value}")
        defaults = dict(
            lr=lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self) -> Any:
        flat = [p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in self._params]
        return rsnn.cat(flat, 0)

    def _move(self, t: float, direction: Any) -> None:
        offset = 0
        for p in self._params:
            p.add_(direction[offset : offset + p.numel()].view_as(p), alpha=t)
            offset += p.numel()

    def _direction(self, state: dict[str, Any], grad: Any, size: int) -> Any:
        """Return −H·grad by the two-loop recursion, after taking in the last step."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return grad.neg()
        y, s = grad.sub(state["prev_flat_grad"]), state["d"].mul(state["t"])
        curvature = y.dot(s).item()
        if curvature > 1e-10:
            for history, new in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / curvature)):
                if len(state[history]) == size:
                    state[history].pop(0)
                state[history].append(new)
            state["H_diag"] = curvature / y.dot(y).item()
        q, history = grad.neg(), list(zip(state["old_dirs"], state["old_stps"], state["ro"]))
        alphas = []
        for old_y, old_s, ro in reversed(history):
            alphas.append(old_s.dot(q).item() * ro)
            q.add_(old_y, alpha=-alphas[-1])
        r = q.mul_(state["H_diag"])
        for (old_y, old_s, ro), alpha in zip(history, reversed(alphas)):
            r.add_(old_s, alpha=alpha - old_y.dot(r).item() * ro)
        return r

    def step(self, closure: Callable) -> Any:  # type: ignore[override]
        """Run up to `max_iter` iterations; returns the loss before the first."""
        with rsnn.no_grad():
            return self._step(closure)

    def _step(self, closure: Callable) -> Any:
        group = self.param_groups[0]
        lr, tolerance = scalar(group["lr"]), group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self.state[self._params[0]]
        for key in ("func_evals", "n_iter"):
            state.setdefault(key, 0)

        def evaluate() -> tuple[Any, Any]:
            state["func_evals"] += 1
            with rsnn.enable_grad():
                loss = closure()
            return loss, self._flat_grad()

        first, grad = evaluate()
        loss, calls = float(first), 1
        if self._small(grad, group):
            return first
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = state["d"] = self._direction(state, grad, group["history_size"])
            state["prev_flat_grad"], previous = grad.clone(), loss
            state["prev_loss"] = loss
            t = min(1.0, 1.0 / grad.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            state["t"] = t
            slope = grad.dot(d).item()
            if slope > -tolerance:
                break
            if group["line_search_fn"] is None:
                self._move(t, d)
                if n != group["max_iter"]:
                    new, grad = evaluate()
                    loss, calls = float(new), calls + 1
            else:
                start = _Point(0.0, loss, grad, slope)
                point, used = self._search(evaluate, start, d, t, tolerance, group["max_eval"] - calls)
                t, loss, grad, calls = point.t, point.loss, point.grad, calls + used
                state["t"] = t
                self._move(t, d)
            if n == group["max_iter"] or calls >= group["max_eval"] or self._small(grad, group):
                break
            if d.mul(t).abs().max().item() <= tolerance or abs(loss - previous) < tolerance:
                break
        return first

    @staticmethod
    def _small(grad: Any, group: dict[str, Any]) -> bool:
        return grad.abs().max().item() <= group["tolerance_grad"]

    def _search(self, evaluate, start, d, t, tolerance, most) -> tuple[_Point, int]:
        before = [p.clone() for p in self._params]

        def at(t: float) -> _Point:
            self._move(t, d)
            loss, grad = evaluate()
            for p, value in zip(self._params, before):
                p.copy_(value)
            return _Point(t, float(loss), grad, grad.dot(d).item())

        line = _StrongWolfe(at, start, d.abs().max().item(), tolerance, most)
        point = line.search(t)
        return point, line.calls
