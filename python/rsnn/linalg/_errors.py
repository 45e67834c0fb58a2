"""What linear algebra raises, and checks that several files share."""

from .. import _rsnn as _C

Tensor = _C.Tensor


class LinAlgError(RuntimeError):
    """A matrix does not allow what was asked: it is singular, not positive definite, or an iteration did not converge."""


LinAlgError.__module__ = "rsnn.linalg"


def check(name, info, text):
    """Raise for the first matrix whose `info` is not zero; `text` tells what its number means.

    Raises:
        LinAlgError: with the batch's place where there is a batch.
    """
    if info.numel() == 0 or not bool(_C.any(info, [], False)):
        return
    flat = info.reshape(-1).tolist()
    at = next(i for i, v in enumerate(flat) if v)
    place = f"(Batch element {at}): " if info.ndim else ""
    raise LinAlgError(f"{name}: {place}" + text.format(flat[at]))


def iterated(native, A, *options):
    """Call an iteration; that it does not converge is an error of the matrix.

    Raises:
        LinAlgError: where torch raises it.
    """
    try:
        return native(A, *options)
    except RuntimeError as error:
        if "failed to converge" in str(error):
            raise LinAlgError(str(error)) from None
        raise


def at_least(name, x, n=2):
    """Refuse tensors of too few dimensions."""
    if x.ndim < n:
        raise RuntimeError(f"{name}: The input tensor A must have at least {n} dimensions.")
