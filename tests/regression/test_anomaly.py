"""Anomaly detection refuses by name instead of failing on an import."""

import pytest
import rsnn


def test_anomaly_mode_refuses():
    with pytest.raises(NotImplementedError, match="set_detect_anomaly"):
        rsnn.autograd.set_detect_anomaly(True)
    with rsnn.autograd.set_detect_anomaly(False):
        pass
