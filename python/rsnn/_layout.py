"""Memory layouts and formats: the words that torch code passes."""


class layout:
    """The memory layout of a tensor; only `rsnn.strided` can be made."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"rsnn.{self._name}"

    def __reduce__(self):
        return self._name


class memory_format:
    """How dimensions are ordered in memory."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return f"rsnn.{self._name}"

    def __reduce__(self):
        return self._name


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def _refuse_layout(given):
    if given is not None and given is not strided:
        raise NotImplementedError(f"layout: got {given}, only strided tensors are supported")
