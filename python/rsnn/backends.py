"""Flags that torch code reads; truthful answers."""


class _Backend:
    def __init__(self, **flags):
        self.__dict__.update(flags)

    def is_available(self):
        """Tell whether the backend exists: not here."""
        return False


cudnn = _Backend(enabled=False, benchmark=False, deterministic=True)
mps = _Backend()
mkldnn = _Backend(enabled=False)
