"""Calling a module with other parameters than its own."""

from __future__ import annotations

import warnings

import rsnn

__all__ = ["NamedMemberAccessor", "functional_call"]

_MISSING = object()


class NamedMemberAccessor:
    """Reach and swap parameters and buffers of a module by dotted names."""

    def __init__(self, module) -> None:
        self.module = module
        self.memo: dict = {}

    def get_submodule(self, name):
        """Return the submodule at a dotted path; the empty path is the module itself."""
        if not name:
            return self.module
        if name not in self.memo:
            parent, attr = self._split(name)
            try:
                submodule = getattr(parent, attr)
            except AttributeError as error:
                raise AttributeError(f"{parent._get_name()} has no attribute `{attr}`") from error
            if not isinstance(submodule, rsnn.nn.Module):
                raise TypeError(f"submodule `{name}`: {submodule} is not an instance of rsnn.nn.Module")
            self.memo[name] = submodule
        return self.memo[name]

    def _split(self, name):
        prefix, _, attr = name.rpartition(".")
        return self.get_submodule(prefix), attr

    def get_tensor(self, name):
        """Return the parameter or buffer `name`."""
        module, attr = self._split(name)
        try:
            tensor = getattr(module, attr)
        except AttributeError as error:
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`") from error
        if not isinstance(tensor, rsnn.Tensor) and tensor is not None:
            raise TypeError(f"{tensor} is not an instance of rsnn.Tensor")
        return tensor

    def swap_tensor(self, name, value, allow_missing=False):
        """Put `value` under `name` and return what was there."""
        module, attr = self._split(name)
        if value is not _MISSING and value is not None and not isinstance(value, rsnn.Tensor):
            raise TypeError(f"{value} is not an instance of rsnn.Tensor")
        for members in (module._parameters, module._buffers):
            if attr in members:
                old = members[attr]
                if value is _MISSING:
                    del members[attr]
                else:
                    members[attr] = value
                return old
        old = getattr(module, attr, _MISSING)
        if old is _MISSING and not allow_missing:
            raise AttributeError(f"{module._get_name()} has no attribute `{attr}`")
        if old is not _MISSING and old is not None and not isinstance(old, rsnn.Tensor):
            raise TypeError(f"attribute `{attr}`: {old} is not an instance of rsnn.Tensor")
        if value is not _MISSING:
            setattr(module, attr, value)
        elif old is not _MISSING:
            delattr(module, attr)
        return old

    def set_tensor(self, name, value) -> None:
        """Put `value` under `name`."""
        self.swap_tensor(name, value, allow_missing=True)

    def del_tensor(self, name) -> None:
        """Remove `name`."""
        self.swap_tensor(name, _MISSING)

    def swap_tensors_dict(self, named_tensors, allow_missing=False):
        """Put all values in; return (what was there, names that were not)."""
        old = {}
        try:
            for name, tensor in named_tensors.items():
                old[name] = self.swap_tensor(name, tensor, allow_missing=True)
            missing = [name for name, tensor in old.items() if tensor is _MISSING]
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, tensor in old.items():
                self.swap_tensor(name, tensor, allow_missing=True)
            raise
        return old, missing

    def check_keys(self, keys):
        """Return (names of the module that `keys` lacks, keys the module does not have), each sorted."""
        keys = set(keys)
        valid = {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(valid - keys), sorted(keys - valid)

    def named_parameters(self, remove_duplicate=True):
        """Yield (name, parameter)."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate=True):
        """Yield (name, buffer)."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate=True):
        """Yield (name, parameter or buffer)."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate=True):
        """Yield (name, module)."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)


def _untied(given, accessor):
    """Extend `given` so that all names of a tied tensor get the same value."""
    groups: dict[int, list[str]] = {}
    for name, tensor in accessor.named_tensors(remove_duplicate=False):
        groups.setdefault(id(tensor), []).append(name)
    out = dict(given)
    for names in groups.values():
        present = [name for name in names if name in given]
        values = {id(given[name]) for name in present}
        if len(values) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. Consider using "
                "tie_weights=False"
            )
        if present:
            out.update(dict.fromkeys(names, given[present[0]]))
    return out


def _functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    accessor = NamedMemberAccessor(module)
    given = _untied(parameters_and_buffers, accessor) if tie_weights else parameters_and_buffers
    if strict:
        missing, unexpected = accessor.check_keys(given)
        messages = []
        if unexpected:
            messages.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
        if missing:
            messages.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
        if messages:
            raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(messages))
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    old, _ = accessor.swap_tensors_dict(given, allow_missing=True)
    try:
        return module(*args, **({} if kwargs is None else kwargs))
    finally:
        new, _ = accessor.swap_tensors_dict(old, allow_missing=True)
        # What the module assigned to its buffers belongs to the caller.
        parameters_and_buffers.update({name: new[name] for name in parameters_and_buffers})


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Call `module` with the given tensors in place of its parameters and buffers.

    Args:
        parameters_and_buffers: a mapping from dotted names to tensors.
        args: the positional argument, or a tuple of them.
        tie_weights: a value given for one name of a tied parameter counts for all its names.
        strict: raise when a name is missing or unexpected.
    """
    warnings.warn(
        "`rsnn.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future version of "
        "PyTorch. Please use `rsnn.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
