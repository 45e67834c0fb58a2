"""Anomaly detection: find the forward call whose backward failed or made nan."""

import warnings

from .. import _rsnn as _C


class set_detect_anomaly:
    """Switch anomaly detection at once; as a context, switch back at the end.

    While it is on, every recorded operation remembers its call stack (slow: use it to debug), and a backward that raises, or
    with `check_nan` returns nan, warns with the stack of the forward call that it belongs to.

    Args:
        mode: on or off.
        check_nan: raise when a backward returns nan.

    Example:
        >>> import rsnn
        >>> with rsnn.autograd.set_detect_anomaly(True):
        ...     x = rsnn.tensor(0.0, requires_grad=True)
        ...     y = (x * 0) / (x * 0)
        >>> rsnn.is_anomaly_enabled()
        False
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self.prev, self.prev_check_nan = _C.anomaly()
        _C.set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc) -> None:
        _C.set_anomaly(self.prev, self.prev_check_nan)


class detect_anomaly(set_detect_anomaly):
    """Detect anomalies inside a `with` block; see `set_detect_anomaly`.

    Raises:
        RuntimeError: in backward, "Function 'MulBackward0' returned nan values in its 0th output."
    """

    def __init__(self, check_nan: bool = True):
        self.prev, self.prev_check_nan = _C.anomaly()
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        _C.set_anomaly(True, self.check_nan)
