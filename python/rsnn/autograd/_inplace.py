"""The check that torch makes before an input of a Function counts as modified in place."""

from .. import _rsnn as _C


def check(t):
    """Refuse a leaf that requires grad; otherwise count the modification."""
    if t.requires_grad and t.is_leaf and _C.is_grad_enabled():
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    _C.bump_version(t)
