"""Saving and loading a module's state: `state_dict`, `load_state_dict`, and their hooks."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple

import rsnn
from rsnn import Tensor

from .hooks import RemovableHandle, WrappedHook, _register
from .parameter import Parameter, is_lazy

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` could not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateMixin:
    """The part of Module that writes and reads its state."""

    def get_extra_state(self):
        """Return what `state_dict` keeps besides tensors; override together with `set_extra_state`."""
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    def _register_state_dict_hook(self, hook) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return _register(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after the module wrote its state."""
        hook._from_public_api = True
        return _register(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the module writes its state."""
        return _register(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False) -> RemovableHandle:
        return _register(self._load_state_dict_pre_hooks, WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)` before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it may edit the two lists."""
        return _register(self._load_state_dict_post_hooks, hook)

    def _own_state(self):
        """Yield the (name, tensor) pairs this module saves itself."""
        for name, param in self._parameters.items():
            if param is not None:
                yield name, param
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                yield name, buffer

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        """Write this module's own state into `destination`; submodules are not visited."""
        for name, tensor in self._own_state():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if getattr(type(self), "get_extra_state", None) is not StateMixin.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """Return an ordered dict of all parameters and persistent buffers, by their dotted names.

        Args:
            destination: the dict to write into, a new one without it.
            prefix: put before each name.
            keep_vars: keep the parameters themselves instead of detached tensors that share their memory.

        >>> list(rsnn.nn.Linear(1, 1).state_dict())
        ['weight', 'bias']
        """
        if args:
            destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args) :])
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local_metadata)
            if getattr(hook, "_from_public_api", False):
                if result is not None:
                    raise RuntimeError("state_dict post-hook must return None")
            elif result is not None:
                destination = result
        return destination

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy parameters and buffers from `state_dict`.

        Args:
            state_dict: a mapping from dotted names to tensors.
            strict: raise when a name is missing or unexpected.
            assign: take the given tensors themselves; parameters that are the same object stay the same object.

        Returns: a named tuple of `missing_keys` and `unexpected_keys`.
        Raises: RuntimeError that lists everything that did not fit; TypeError when `state_dict` is no mapping.
        """
        if not hasattr(state_dict, "keys") or not hasattr(state_dict, "__getitem__"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        memo: dict = {}

        def load(module, local_state, prefix=""):
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata = {**local_metadata, "assign_to_params_buffers": True, "assigned": memo}
            module._load_from_state_dict(local_state, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    child_prefix = prefix + name + "."
                    load(child, {k: v for k, v in local_state.items() if k.startswith(child_prefix)}, child_prefix)
            incompatible = _IncompatibleKeys(missing, unexpected)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, incompatible) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                        "values, if incompatible_keys need to be modified, it should be done inplace."
                    )

        load(self, state_dict)
        if strict:
            if unexpected:
                listed = ", ".join(f'"{key}"' for key in unexpected)
                errors.insert(0, f"Unexpected key(s) in state_dict: {listed}. ")
            if missing:
                errors.insert(0, "Missing key(s) in state_dict: {}. ".format(", ".join(f'"{key}"' for key in missing)))
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(type(self).__name__, "\n\t".join(errors))
            )
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        """Read this module's own state out of `state_dict`; problems go into the three lists."""
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        local_state = dict(self._own_state())
        for name, tensor in local_state.items():
            key = prefix + name
            if key in state_dict:
                self._load_tensor(name, key, tensor, state_dict[key], local_metadata, error_msgs)
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + EXTRA_STATE
        if getattr(type(self), "set_extra_state", None) is not StateMixin.set_extra_state:
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra_key:
                    continue
                name, _, rest = key[len(prefix) :].partition(".")
                if name not in (self._modules if rest else local_state):
                    unexpected_keys.append(key)

    def _load_tensor(self, name, key, tensor, value, local_metadata, error_msgs) -> None:
        if not isinstance(value, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected rsnn.Tensor or Tensor-like object from checkpoint '
                f"but received {type(value)}"
            )
            return
        assign = local_metadata.get("assign_to_params_buffers", False)
        if not is_lazy(tensor):
            # Old checkpoints keep a 0-d tensor as one element.
            if tensor.dim() == 0 and value.dim() == 1 and value.shape[0] == 1 and not is_lazy(value):
                value = value[0]
            if is_lazy(value) or value.shape != tensor.shape:
                arrived = "uninitialized" if is_lazy(value) else value.shape
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {arrived} from checkpoint, the shape in "
                    f"current model is {tensor.shape}."
                )
                return
            if tensor.is_meta and not value.is_meta and not assign:
                warnings.warn(
                    f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the "
                    "current model, which is a no-op. (Did you mean to pass `assign=True` to assign items in the state "
                    "dictionary to their corresponding key in the module instead of copying them in place?)",
                    stacklevel=2,
                )
        try:
            with rsnn.no_grad():
                if assign:
                    setattr(self, name, _assigned(tensor, value, local_metadata.get("assigned", {})))
                else:
                    tensor.copy_(value)
        except Exception as error:
            action = "swapping" if is_lazy(tensor) else "copying"
            error_msgs.append(
                f'While {action} the parameter named "{key}", whose dimensions in the model are {tensor.size()} and '
                f"whose dimensions in the checkpoint are {value.size()}, an exception occurred : {error.args}."
            )


def _assigned(old, value, memo):
    """Return what takes the place of `old`; the same object for each name that is tied to `old`."""
    if not isinstance(old, Parameter):
        return value
    if id(old) in memo:
        new = memo[id(old)][1]
        if new.data_ptr() != value.data_ptr():
            new.data = value.detach()
        return new
    if not isinstance(value, Parameter):
        value = Parameter(value, requires_grad=old.requires_grad)
    elif value.requires_grad != old.requires_grad:
        value.requires_grad_(old.requires_grad)
    # `old` is kept alive so that its id stays its own.
    memo[id(old)] = (old, value)
    return value
