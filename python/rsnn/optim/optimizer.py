"""The base of all optimizers: parameter groups, state, state dicts and hooks. Holds no update rule."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import rsnn
from rsnn.utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

_global_pre_hooks: dict[int, Callable] = OrderedDict()
_global_post_hooks: dict[int, Callable] = OrderedDict()
_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before each step of every optimizer."""
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after each step of every optimizer."""
    return _register(_global_post_hooks, hook)


def _register(table: Any, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def scalar(value: Any) -> Any:
    """Return a hyperparameter as a Python number; a one-element tensor is read."""
    return value.item() if isinstance(value, rsnn.Tensor) else value


def check(name: str, value: Any, ok: bool, text: str = "Invalid {name}: {value}") -> None:
    """Raise torch's ValueError for a hyperparameter that is out of range."""
    if isinstance(value, rsnn.Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")
    if not ok:
        raise ValueError(text.format(name=name, value=value))


def check_common(lr: Any, eps: float = 0.0, weight_decay: Any = 0.0, betas: tuple = ()) -> None:
    """Check the hyperparameters that most optimizers share."""
    if isinstance(lr, rsnn.Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    check("lr", lr, scalar(lr) >= 0.0, "Invalid learning rate: {value}")
    check("eps", eps, eps >= 0.0, "Invalid epsilon value: {value}")
    for i, beta in enumerate(betas):
        check("betas", beta, 0.0 <= scalar(beta) < 1.0, f"Invalid beta parameter at index {i}: {{value}}")
    check("weight_decay", weight_decay, scalar(weight_decay) >= 0.0, "Invalid weight_decay value: {value}")


def _with_hooks(step: Callable) -> Callable:
    """Wrap a class's `step` with the registered hooks."""

    @functools.wraps(step)
    def wrapper(*args, **kwargs):
        self = args[0]
        for hook in (*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
        self._opt_called = True  # read by the schedulers' warning about the order of calls
        out = step(*args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
            hook(self, args, kwargs)
        return out

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


class Optimizer:
    """Keep parameter groups and per-parameter state; subclasses define `step`.

    Args:
        params: tensors, `(name, tensor)` pairs, or dicts with `params` and options of their own.
        defaults: options for groups that do not give them.

    Raises:
        TypeError: `params` is a tensor, or holds something else than tensors.
        ValueError: `params` is empty, or a parameter is in two groups.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        step = cls.__dict__.get("step")
        if step is not None and not getattr(step, "hooked", False):
            cls.step = _with_hooks(step)  # type: ignore[method-assign]

    def __init__(self, params: Iterable, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for name in _HOOKS:
            setattr(self, name, OrderedDict())
        if isinstance(params, rsnn.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {params.type()}"
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        for group in self.param_groups:
            for name, value in self.defaults.items():
                if value is not required:
                    group.setdefault(name, value)
            for p in group["params"]:
                step = self.state.get(p, {}).get("step")
                if step is not None and not isinstance(step, rsnn.Tensor):
                    self.state[p]["step"] = rsnn.tensor(float(step), dtype=rsnn.float32)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # --- hooks

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before `step`; it may return new `(args, kwargs)`, the optimizer first."""
        return _register(self._optimizer_step_pre_hooks, hook)  # type: ignore[attr-defined]

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after `step`."""
        return _register(self._optimizer_step_post_hooks, hook)  # type: ignore[attr-defined]

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)  # type: ignore[attr-defined]

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; a result that is not None replaces it."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)  # type: ignore[attr-defined]

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; a result that is not None replaces the state dict."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)  # type: ignore[attr-defined]

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after loading a state dict."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)  # type: ignore[attr-defined]

    # --- state

    def state_dict(self) -> dict[str, Any]:
        """Return `{"state": {index: ...}, "param_groups": [...]}`; parameters are named by their index."""
        for hook in self._optimizer_state_dict_pre_hooks.values():  # type: ignore[attr-defined]
            hook(self)
        index: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                index.setdefault(id(p), len(index))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [index[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {index[id(k)] if isinstance(k, rsnn.Tensor) else k: v for k, v in self.state.items()}
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():  # type: ignore[attr-defined]
            replaced = hook(self, result)
            result = result if replaced is None else replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state dict written by rsnn or by torch.

        Raises:
            ValueError: its groups do not match this optimizer's groups.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():  # type: ignore[attr-defined]
            replaced = hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(self.param_groups, saved)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        params: dict[Any, Any] = {}
        for group, new in zip(self.param_groups, saved):
            params.update(zip(new["params"], group["params"]))
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = params.get(key)
            state[key if param is None else param] = value if param is None else _placed(param, value)
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():  # type: ignore[attr-defined]
            hook(self)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = p.grad.detach() if p.grad.grad_fn is not None else p.grad
                    with rsnn.no_grad():
                        p.grad.zero_()

    def step(self, closure: Callable | None = None) -> Any:
        """Update the parameters from their gradients."""
        raise NotImplementedError(f"{type(self).__name__} does not define step")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own.

        Args:
            param_group: `params` and any of the optimizer's options.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but "
                "the ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, rsnn.Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        param_group["params"] = params = [p[1] if isinstance(p, tuple) else p for p in params]
        if names:
            param_group["param_names"] = names
        self._check_params(params)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if any(("param_names" in group) != bool(names) for group in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if names else 'without'} names to the optimizer"
            )
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def _check_params(self, params: list) -> None:
        for p in params:
            if not isinstance(p, rsnn.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        if len({id(p) for p in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error",
                stacklevel=4,
            )


def _placed(param: Any, value: Any, key: Any = None) -> Any:
    """Copy loaded state to the parameter's device and dtype; `step` stays as it is."""
    if isinstance(value, rsnn.Tensor):
        if key == "step":
            return value
        return value.to(device=param.device, dtype=param.dtype if param.is_floating_point() else value.dtype)
    if isinstance(value, dict):
        return {k: _placed(param, v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(_placed(param, v) for v in value)
    return value


class EachParameter(Optimizer):
    """Step through the parameters of a group.

    A subclass gives `init_state`, `update` (one parameter in tensor ops: on other devices, and differentiable) and, where
    there is one, `native`: one call for all parameters on the CPU.
    """

    native: Callable[[list, list, list, dict[str, Any]], None] | None = None

    def init_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define init_state")

    def update(self, p: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def state_of(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state.update(self.init_state(p, group))
        return state

    def step(self, closure: Callable | None = None) -> Any:
        """Update the parameters once; returns the closure's loss."""
        loss = evaluate(closure)
        with rsnn.set_grad_enabled(bool(self.defaults.get("differentiable"))):
            for group in self.param_groups:
                self.step_group(group)
        return loss

    def step_group(self, group: dict[str, Any]) -> None:
        params, grads, states = [], [], []
        capturable, differentiable = group.get("capturable"), group.get("differentiable")
        native = self.native is not None and not differentiable
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                continue
            if capturable:
                raise AssertionError(
                    "If capturable=True, params and state_steps must be on supported devices: [] (nothing is captured here)."
                )
            if native and p.is_cpu:
                params.append(p)
                grads.append(grad)
                states.append(self.state_of(p, group))
            else:
                state = self.state_of(p, group)
                if differentiable:  # what the last step saved for backward must stay as it is
                    kept = {key: value.clone() for key, value in state.items() if rsnn.is_tensor(value) and key != "step"}
                    state.update(kept)
                self.update(p, -grad if group.get("maximize") else grad, state, group)
        if params:
            self.native(params, grads, states, group)


def evaluate(closure: Callable | None) -> Any:
    """Call a closure with gradients on; None without a closure."""
    if closure is None:
        return None
    with rsnn.enable_grad():
        return closure()


def new_step() -> Any:
    """Make the step counter, a 0-d tensor as in torch's state dicts."""
    wide = rsnn.get_default_dtype() == rsnn.float64
    return rsnn.zeros((), dtype=rsnn.float64 if wide else rsnn.float32)


def count(state: dict[str, Any]) -> float:
    """Advance a state's step counter and return it as a number."""
    state["step"].add_(1)
    return state["step"].item()


def decay(grad: Any, p: Any, group: dict[str, Any]) -> Any:
    """Add an L2 penalty's gradient."""
    weight_decay = scalar(group["weight_decay"])
    return grad.add(p, alpha=weight_decay) if weight_decay else grad


def column(states: list[dict[str, Any]], key: str) -> list:
    """Return one entry of every state."""
    return [state[key] for state in states]


def number(value: Any) -> float:
    """Return a hyperparameter as a float."""
    return float(scalar(value))


def check_fused(group: dict[str, Any]) -> None:
    """Raise torch's RuntimeError for options that exclude each other."""
    if group["fused"] and group["differentiable"]:
        raise RuntimeError("`fused` does not support `differentiable`")
    if group["fused"] and group["foreach"]:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
