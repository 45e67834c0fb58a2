"""The path of a module in the text of an error that an op raised inside its `forward`.

Only what the library itself raises is touched; exceptions of user code and of hooks leave as they are.
"""

from __future__ import annotations

# Where checks live that are written in Python; native code marks its errors with `_rsnn_op`.
_CHECKS = ("rsnn.nn.functional.", "rsnn.nn.modules.", "rsnn._")
_TYPES = {RuntimeError, ValueError, TypeError, IndexError, NotImplementedError}
# The path of what stays as it is: no module has the id 0.
_NOT_OURS = (0, "", "", ())


def add_path(error, module) -> None:
    """Write into `error`, on its way out of the forward of `module`, where below `module` it arose."""
    state = error.__dict__.get("_rsnn_path")
    if state is None:
        if not _is_op_error(error):
            if error.__traceback__ is None:
                # The call itself failed, say by its arguments: not to be taken for an error of the module that made it.
                error._rsnn_path = _NOT_OURS
            return
        state = (None, "", type(module).__name__, error.args)
    inner, path, origin, args = state
    if inner is not None:
        name = _name_below(module, inner)
        if not name:
            return
        path = f"{name}.{path}" if path else name
    error._rsnn_path = (id(module), path, origin, args)
    where = f"{path} ({origin})" if path else origin
    error.args = (f"{args[0]} [in {where}]", *args[1:])


def keep_text(error) -> None:
    """Make `add_path` leave `error` as it is from here on."""
    if _is_op_error(error):
        error._rsnn_path = _NOT_OURS


def _is_op_error(error) -> bool:
    if not (error.args and isinstance(error.args[0], str)):
        return False
    if "_rsnn_op" in error.__dict__:
        return True
    if type(error) not in _TYPES:
        return False
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_globals.get("__name__", "").startswith(_CHECKS)


def _name_below(module, inner) -> str:
    """Return the dotted name of the module with id `inner` below `module`, or an empty string."""
    level = [("", module)]
    visited = set()
    # Level by level, because a caller may have skipped levels by calling a grandchild itself.
    while level:
        below = []
        for prefix, parent in level:
            for name, child in parent._modules.items():
                if id(child) == inner:
                    return prefix + name
                if child is not None and id(child) not in visited:
                    visited.add(id(child))
                    below.append((f"{prefix}{name}.", child))
        level = below
    return ""
