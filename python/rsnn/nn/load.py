"""Loading a module's state: `load_state_dict`, what it does for one module, and its hooks.

Everything is checked before anything is copied, except where code of a subclass or a hook takes part: what such code
reads and changes is known only by running it in its turn.
"""

from __future__ import annotations

import itertools
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Mapping

import rsnn
from rsnn import Tensor
from rsnn.utils.hooks import RemovableHandle

from .hooks import _register, _WrappedHook
from .parameter import Parameter, is_lazy
from .state import _EXTRA_STATE_KEY_SUFFIX, own_state


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` could not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class LoadMixin:
    """The part of Module that reads its state."""

    def set_extra_state(self, state) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    def _register_load_state_dict_pre_hook(self, hook, with_module=False) -> RemovableHandle:
        return _register(self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)` before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it may edit the two lists."""
        return _register(self._load_state_dict_post_hooks, hook)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy parameters and buffers from `state_dict`.

        Args:
            state_dict: a mapping from dotted names to tensors.
            strict: raise when a name is missing or unexpected.
            assign: take the given tensors themselves; parameters that are the same object stay the same object.

        Nothing is copied when names and shapes show that loading fails.

        Returns: a named tuple of `missing_keys` and `unexpected_keys`.
        Raises: RuntimeError that lists everything that did not fit; TypeError when `state_dict` is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        load = _Load(metadata, strict, assign)
        load.plan(self, state_dict)
        load.carry_out()
        errors = load.errors
        if strict:
            if load.unexpected:
                listed = ", ".join(f'"{key}"' for key in load.unexpected)
                errors.insert(0, f"Unexpected key(s) in state_dict: {listed}. ")
            if load.missing:
                listed = ", ".join(f'"{key}"' for key in load.missing)
                errors.insert(0, f"Missing key(s) in state_dict: {listed}. ")
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(type(self).__name__, "\n\t".join(errors))
            )
        return _IncompatibleKeys(load.missing, load.unexpected)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        """Read this module's own state out of `state_dict`; problems go into the three lists."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        load = getattr(local_metadata, "load", None)
        assign = local_metadata.get("assign_to_params_buffers", False)
        assigned = (load.assigned if load else {}) if assign else None
        # What a plan notes is done after its lists were reported.
        put_errors = load.errors if load and load.planning else error_msgs
        tensors = own_state(self)
        for name, tensor in tensors.items():
            key = prefix + name
            if key in state_dict:
                value = _fitting(key, tensor, state_dict[key], assign, error_msgs)
                if value is not None:
                    _do(load, _put, (self, name, key, tensor, value, assigned, put_errors))
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not LoadMixin.set_extra_state:
            if extra_key in state_dict:
                _do(load, _put_extra, (self, state_dict[extra_key]))
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            own, states = _split(state_dict, prefix)
            if load is not None:
                load.states = states
            own.discard(_EXTRA_STATE_KEY_SUFFIX)
            # Looked at one by one, for their order, only when some are wrong.
            if not (own <= tensors.keys() and states.keys() <= self._modules.keys()):
                start = len(prefix)
                for key in state_dict:
                    if key.startswith(prefix) and key != extra_key:
                        name, dot, _ = key[start:].partition(".")
                        if name not in (self._modules if dot else tensors):
                            unexpected_keys.append(key)


class _Metadata(dict):
    """A module's entry in `_metadata`, with the running load out of sight of those who read the entry."""

    __slots__ = ("load",)


class _Load:
    """One call of `load_state_dict`: first `plan`, then `carry_out` in torch's order."""

    def __init__(self, metadata, strict, assign) -> None:
        self.metadata = metadata
        self.strict = strict
        self.assign = assign
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        # For `assign`: by the id of a parameter, the parameter and what took its place.
        self.assigned: dict = {}
        self.steps: list = []
        # The parts of the state of the module at hand, by child.
        self.states: dict | None = None
        self.planning = True
        self.fails = False

    def plan(self, module, state, prefix="") -> None:
        """Check `module` and what is below it, and note what to do."""
        if not _is_plain(module):
            self.steps.append((_load_now, (self, module, state, prefix)))
            return
        missing, unexpected, errors = [], [], []
        self.states = None
        self.load_one(module, state, prefix, missing, unexpected, errors)
        if missing or unexpected or errors:
            self.steps.append((_report, (self, missing, unexpected, errors)))
        states = _split(state, prefix)[1] if self.states is None else self.states
        self.each_child(self.plan, module, states, prefix)
        if module._load_state_dict_post_hooks:
            self.steps.append((_run_post_hooks, (self, module)))

    def each_child(self, action, module, states, prefix) -> None:
        for name, child in module._modules.items():
            if child is not None:
                action(child, states.get(name, {}), prefix + name + ".")

    def load_one(self, module, state, prefix, missing, unexpected, errors) -> None:
        # A copy: the flag below must not stay in the metadata of the caller's checkpoint.
        local_metadata = _Metadata(() if self.metadata is None else self.metadata.get(prefix[:-1], ()))
        if self.assign:
            local_metadata["assign_to_params_buffers"] = True
        local_metadata.load = self
        module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)

    def carry_out(self) -> None:
        """Do what was planned; when it is bound to fail, only collect what to report."""
        self.planning = False
        reports = [args for action, args in self.steps if action is _report]
        # A subclass or a hook may forgive a missing or unexpected name, but not an error.
        decided = self.strict and all(action in (_report, _put, _put_extra) for action, _ in self.steps)
        self.fails = any(errors or (decided and (missing or unexpected)) for _, missing, unexpected, errors in reports)
        for action, steps in itertools.groupby(self.steps, lambda step: step[0]):
            if action is _put:
                if not self.fails:
                    # One switch for all: a switch costs as much as a copy.
                    with rsnn.no_grad():
                        for _, args in steps:
                            _put(*args)
            elif not (self.fails and action is _put_extra):
                for _, args in steps:
                    action(*args)


def _is_plain(module) -> bool:
    """Tell whether only the library's own code takes part in loading `module` itself."""
    if not getattr(module._load_from_state_dict, "__module__", "").startswith("rsnn."):
        return False
    hooks = (getattr(hook, "hook", hook) for hook in module._load_state_dict_pre_hooks.values())
    return all(getattr(hook, "__module__", "").startswith("rsnn.") for hook in hooks)


def _split(state, prefix) -> tuple[set, dict]:
    """Return the names right under `prefix`, and the part of `state` that belongs to each child by the child's name."""
    own, states = set(), {}
    start = len(prefix)
    child_prefix, child_state = "", None
    for key, value in state.items():
        # Most keys belong to the same child as the one before.
        if child_state is not None and key.startswith(child_prefix):
            child_state[key] = value
        elif key.startswith(prefix):
            end = key.find(".", start)
            if end < 0:
                own.add(key[start:])
            else:
                child_prefix = key[: end + 1]
                child_state = states.setdefault(key[start:end], {})
                child_state[key] = value
    return own, states


# What a plan consists of.


def _do(load, action, args) -> None:
    """Note an action in a plan, or do it at once; a load that is bound to fail does nothing."""
    if load is not None and load.planning:
        load.steps.append((action, args))
    elif load is None or not load.fails:
        with rsnn.set_grad_enabled(rsnn.is_grad_enabled() and action is not _put):
            action(*args)


def _put(module, name, key, tensor, value, assigned, errors) -> None:
    """Copy `value` into `tensor`, or with the dict `assigned` put it in its place; nothing is recorded around it."""
    try:
        if assigned is None:
            tensor.copy_(value)
        else:
            setattr(module, name, _successor(tensor, value, assigned))
    except Exception as error:
        errors.append(
            f'While copying the parameter named "{key}", whose dimensions in the model are {tensor.size()} and '
            f"whose dimensions in the checkpoint are {value.size()}, an exception occurred : {error.args}."
        )


def _put_extra(module, state) -> None:
    module.set_extra_state(state)


def _report(load, missing, unexpected, errors) -> None:
    load.missing += missing
    load.unexpected += unexpected
    load.errors += errors


def _load_now(load, module, state, prefix) -> None:
    """Load `module` and what is below it in one go."""
    load.load_one(module, state, prefix, load.missing, load.unexpected, load.errors)
    # Split anew: code of the subclass may have changed the state after the base class read it.
    load.each_child(lambda *child: _load_now(load, *child), module, _split(state, prefix)[1], prefix)
    _run_post_hooks(load, module)


def _run_post_hooks(load, module) -> None:
    incompatible = _IncompatibleKeys(load.missing, load.unexpected)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, incompatible) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, "
                "if incompatible_keys need to be modified, it should be done inplace."
            )


def _fitting(key, tensor, value, assign, errors):
    """Return what of the checkpoint goes into `tensor`, or None after noting what is wrong with `value`."""
    if not isinstance(value, Tensor):
        errors.append(
            f'While copying the parameter named "{key}", expected rsnn.Tensor or Tensor-like object from checkpoint '
            f"but received {type(value)}"
        )
        return None
    if is_lazy(tensor):
        return value
    shape = tensor.shape
    # Old checkpoints keep a 0-d tensor as one element.
    if not shape and len(value.shape) == 1 and value.shape[0] == 1:
        value = value[0]
    if value.shape != shape:
        errors.append(
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, the shape in current "
            f"model is {shape}."
        )
        return None
    if tensor.is_meta and not value.is_meta and not assign:
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, "
            "which is a no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their "
            "corresponding key in the module instead of copying them in place?)",
            stacklevel=2,
        )
    return value


def _successor(old, value, assigned):
    """Return what takes the place of `old`; the same object for each name that is tied to `old`."""
    if not isinstance(old, Parameter):
        return value
    if id(old) in assigned:
        new = assigned[id(old)][1]
        if new.data_ptr() != value.data_ptr():
            new.data = value.detach()
        return new
    if not isinstance(value, Parameter):
        value = Parameter(value, requires_grad=old.requires_grad)
    elif value.requires_grad != old.requires_grad:
        value.requires_grad_(old.requires_grad)
    # `old` is kept alive so that its id stays its own.
    assigned[id(old)] = (old, value)
    return value
