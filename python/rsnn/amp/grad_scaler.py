"""`GradScaler`: multiply the loss so that float16 gradients do not vanish, and skip steps whose gradients overflow."""

from __future__ import annotations

import enum
import warnings
from collections import defaultdict

import rsnn

from . import state

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """How far one optimizer is in the current iteration."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh():
    return {"stage": OptState.READY, "found_inf": None}


class GradScaler:
    """Scale losses up and gradients down, by a factor that adapts itself.

    The factor shrinks by `backoff_factor` after an iteration with inf or nan in its gradients, whose step is skipped, and grows
    by `growth_factor` after `growth_interval` iterations without.

    Args:
        device: kind of device; on "cuda" without a GPU the scaler disables itself.
        init_scale: the first factor.
        enabled: False makes every method a pass-through.

    Example:
        >>> import rsnn
        >>> w = rsnn.ones(1, requires_grad=True)
        >>> optimizer, scaler = rsnn.optim.SGD([w], lr=0.5), GradScaler("cpu")
        >>> scaler.scale((w * 2).sum()).backward()
        >>> _ = scaler.step(optimizer)
        >>> scaler.update()
        >>> w.item()
        0.0
    """

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        self._device = device
        self._enabled = enabled
        if enabled and state.on_gpu(device) and not rsnn.cuda.is_available():
            warnings.warn(f"GradScaler is enabled, but there is no GPU for device {device!r}. Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled:
            if not growth_factor > 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if not backoff_factor < 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
            self._scale = float(init_scale)
            self._growth_factor = growth_factor
            self._backoff_factor = backoff_factor
            self._growth_interval = growth_interval
            self._growth_tracker = 0
            self._per_optimizer_states = defaultdict(_fresh)

    def scale(self, outputs):
        """Return a tensor, or each one of a list or tuple, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, rsnn.Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            scaled = [self.scale(value) for value in outputs]
            return type(outputs)(scaled) if type(outputs) in (list, tuple) else type(outputs)(*scaled)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _unscale_grads(self, optimizer, allow_fp16):
        """Divide gradients by the scale in place; tell whether one of them was inf or nan."""
        inverse, finite = 1.0 / self._scale, True
        for group in optimizer.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is None:
                    continue
                if grad.dtype == rsnn.float16 and not allow_fp16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                with rsnn.no_grad():
                    finite = finite and bool(rsnn.isfinite(grad).all())
                    if inverse != 1.0:
                        grad.mul_(inverse)
        return not finite

    def unscale_(self, optimizer):
        """Divide the optimizer's gradients by the scale, for code that reads or clips them before `step`.

        Raises:
            RuntimeError: called twice, or after `step`, within one iteration.
        """
        if not self._enabled:
            return
        entry = self._per_optimizer_states[id(optimizer)]
        if entry["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if entry["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        if any(p.grad is not None for group in optimizer.param_groups for p in group["params"]):
            entry["found_inf"] = self._unscale_grads(optimizer, False)
        entry["stage"] = OptState.UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """Call `optimizer.step(*args, **kwargs)` unless a gradient is inf or nan; unscale first where that is still to do.

        Raises:
            RuntimeError: called twice in an iteration, with a closure, or before any gradient was computed.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        entry = self._per_optimizer_states[id(optimizer)]
        if entry["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if entry["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if entry["found_inf"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if entry["found_inf"] else optimizer.step(*args, **kwargs)
        entry["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """Adapt the scale at the end of an iteration, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            found = [e["found_inf"] for e in self._per_optimizer_states.values() if e["found_inf"] is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(any(found))
        self._per_optimizer_states = defaultdict(_fresh)

    def _adapt(self, overflow):
        if overflow:
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = self._scale * self._growth_factor
            self._scale = grown if grown < float(rsnn.finfo(rsnn.float32).max) else self._scale
            self._growth_tracker = 0

    def get_scale(self):
        """Return the scale; 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self):
        """Return the factor by which the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        """Set the factor by which the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        """Return the factor by which the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        """Set the factor by which the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        """Return the number of good iterations between growths."""
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        """Set the number of good iterations between growths."""
        self._growth_interval = new_interval

    def is_enabled(self):
        """Tell whether the scaler does anything."""
        return self._enabled

    def state_dict(self):
        """Return everything that a later run needs; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict):
        """Take what `state_dict` gave.

        Raises:
            RuntimeError: for the dict of a disabled scaler.
        """
        if not self._enabled:
            return
        if len(state_dict) == 0:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
