"""Parameters computed from other parameters: put a Module between the stored tensor and the attribute."""

from __future__ import annotations

import collections
from contextlib import contextmanager
from copy import deepcopy

import rsnn
from rsnn import Tensor
from rsnn.nn.modules.container import ModuleDict, ModuleList
from rsnn.nn.parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

_cache_enabled = 0
_cache: dict = {}


@contextmanager
def cached():
    """Compute each parametrized tensor once inside the `with` block."""
    global _cache, _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache = {}


def _register(module, name, tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    """Hold the parametrizations of one tensor, and the stored tensor as `original`, or `original0`, `original1`, ...

    Args:
        modules: the parametrizations, applied in order.
        original: the tensor before it was parametrized.
        unsafe: do not check that the parametrizations keep shape and dtype.
    """

    def __init__(self, modules, original, unsafe=False) -> None:
        modules = list(modules)
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with rsnn.no_grad():
            new = original
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass
        if not isinstance(new, Tensor) and not isinstance(new, collections.abc.Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                f"{type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if original.dtype != new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            if original.device != new.device:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the device.\n"
                    f"original.device: {original.device}\nright_inverse(original).device: {new.device}"
                )
            # The caller's tensor object stays the stored one, so optimizers keep hold of it.
            with rsnn.no_grad():
                original.data = new.data if new is not original else original.data
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                        f"{i} of the sequence with type {type(part).__name__}."
                    )
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                part.requires_grad_(original.requires_grad)
                _register(self, f"original{i}", part)
        if not self.unsafe:
            self._check_forward(original, shape, dtype)

    def _check_forward(self, original, shape, dtype) -> None:
        result = self()
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        if result.dtype != dtype:
            raise ValueError(
                "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` flag is enabled.\n"
                f"unparametrized dtype: {dtype}\nparametrized dtype: {result.dtype}"
            )
        if result.shape != shape:
            raise ValueError(
                "Registering a parametrization may not change the shape of the tensor, unless `unsafe` flag is enabled.\n"
                f"unparametrized shape: {shape}\nparametrized shape: {result.shape}"
            )

    def right_inverse(self, value) -> None:
        """Store what the parametrizations turn into `value`."""
        with rsnn.no_grad():
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
                else:
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` has dtype "
                        f"{self.original.dtype}"
                    )
                self.original.data = value.data
                return
            if not isinstance(value, collections.abc.Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}.")
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for i, part in enumerate(value):
                stored = getattr(self, f"original{i}")
                if part.dtype != stored.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {part.dtype} while `original{i}` has dtype "
                        f"{stored.dtype}"
                    )
                stored.data = part.data

    def forward(self):
        """Return the parametrized tensor."""
        value = None
        for i, module in enumerate(self):
            if i:
                value = module(value)
            elif self.is_tensor:
                value = module(self.original)
            else:
                value = module(*(getattr(self, f"original{k}") for k in range(self.ntensors)))
        return value


def _inject_new_class(module) -> None:
    """Give `module` a class of its own, so that properties can be put on it."""
    cls = type(module)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        replica = cls.__new__(cls)
        memo[id(self)] = replica
        replica.__dict__ = deepcopy(self.__dict__, memo)
        # A class of its own: what is removed from the copy stays in the original.
        _inject_new_class(replica)
        for name in replica.parametrizations:
            _inject_property(replica, name)
        return replica

    def __reduce_ex__(self, proto):
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    members = {"__reduce_ex__": __reduce_ex__}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = __deepcopy__
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module, name) -> None:
    def get_cached(self):
        key = (id(self), name)
        tensor = _cache.get(key)
        if tensor is None:
            tensor = self.parametrizations[name]()
            _cache[key] = tensor
        return tensor

    def getter(self):
        return get_cached(self) if _cache_enabled else self.parametrizations[name]()

    def setter(self, value) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(getter, setter))


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Compute `module.tensor_name` by `parametrization(original)` from now on.

    Args:
        parametrization: a Module; its `right_inverse`, if it has one, gives the first stored value and takes assignments.
        unsafe: do not check that shape and dtype are kept.

    >>> class Symmetric(rsnn.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).t()
    >>> layer = rsnn.nn.Linear(3, 3)
    >>> layer = rsnn.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.t()).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        # Checks run here, before the module is touched.
        chain = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = chain
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def _append(module, tensor_name, parametrization, unsafe) -> None:
    chain = module.parametrizations[tensor_name]
    if not unsafe:
        current = getattr(module, tensor_name)
        result = parametrization(current)
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        if result.dtype != current.dtype:
            raise ValueError(
                "Registering a parametrization may not change the dtype of the tensor, unless the `unsafe` flag is "
                f"enabled.\nmodule.{tensor_name}.dtype: {current.dtype}\n"
                f"parametrization(module.{tensor_name}).dtype: {result.dtype}"
            )
        if result.shape != current.shape:
            raise ValueError(
                "Registering a parametrization may not change the shape of the tensor, unless the `unsafe` flag is "
                f"enabled.\nmodule.{tensor_name}.shape: {current.shape}\n"
                f"parametrization(module.{tensor_name}).shape: {result.shape}"
            )
        if hasattr(parametrization, "right_inverse"):
            _check_inverse(parametrization, tensor_name, result)
    chain.append(parametrization)
    chain.unsafe |= unsafe


def _check_inverse(parametrization, tensor_name, current) -> None:
    try:
        inverse = parametrization.right_inverse(current)
    except NotImplementedError:
        return
    if not isinstance(inverse, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}")
    if inverse.dtype != current.dtype:
        raise ValueError(
            f"The tensor returned by parametrization.right_inverse must have the same dtype as module.{tensor_name}, "
            f"unless the `unsafe` flag is enabled.\nmodule.{tensor_name}.dtype: {current.dtype}\n"
            f"returned dtype: {inverse.dtype}"
        )
    if inverse.shape != current.shape:
        raise ValueError(
            f"The tensor returned by parametrization.right_inverse must have the same shape as module.{tensor_name}, "
            f"unless the `unsafe` flag is enabled.\nmodule.{tensor_name}.shape: {current.shape}\n"
            f"returned shape: {inverse.shape}"
        )


def is_parametrized(module, tensor_name=None) -> bool:
    """Tell whether `module`, or its tensor `tensor_name`, is parametrized."""
    parametrizations = getattr(module, "parametrizations", None)
    if parametrizations is None or not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make `tensor_name` a plain tensor again.

    Args:
        leave_parametrized: keep the computed value; else the stored one.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if chain.is_tensor:
        original = chain.original
        if leave_parametrized:
            with rsnn.no_grad():
                value = getattr(module, tensor_name)
                original.data = value.detach().clone() if value is original else value.detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence "
            "of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module):
    """Return the class the module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Copy parametrizations, and the tensors stored for them, to another module.

    Args:
        tensor_name: only this tensor's; all without it.
    """
    if not is_parametrized(from_module):
        return to_module
    names = from_module.parametrizations if tensor_name is None else [tensor_name]
    for name in list(names):
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        parts = ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]
        for part in parts:
            setattr(target, part, getattr(source, part))
    return to_module
