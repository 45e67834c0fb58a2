"""Storage objects: the bytes behind a tensor, for code that asks for them."""

from . import _rsnn as _C


class UntypedStorage:
    """The bytes that a tensor and its views share."""

    def __init__(self, tensor):
        self._tensor = tensor.detach()

    def data_ptr(self):
        """Return the address of the first byte."""
        t = self._tensor
        return t.data_ptr() - t.storage_offset() * t.element_size() if t.data_ptr() else 0

    def nbytes(self):
        """Return the number of bytes."""
        return self._tensor._storage_nbytes()

    size = nbytes
    __len__ = nbytes

    def _key(self):
        return self._tensor._storage_key()

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def tobytes(self):
        """Return a copy of the bytes."""
        return _C.storage_bytes(self._tensor)

    @property
    def device(self):
        """Where the bytes are."""
        return self._tensor.device
