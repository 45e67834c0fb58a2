"""Top-level functions that forward to `rsnn.nn.functional`, and switches that torch code sets."""

from . import _rsnn as _C
from .nn import functional as F

_FUNCTIONAL = """adaptive_avg_pool1d adaptive_max_pool1d alpha_dropout avg_pool1d batch_norm bilinear
    binary_cross_entropy_with_logits celu channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d cosine_embedding_loss cosine_similarity ctc_loss dropout embedding embedding_bag feature_alpha_dropout
    group_norm hardshrink hinge_embedding_loss instance_norm kl_div layer_norm margin_ranking_loss max_pool1d max_pool2d
    max_pool3d pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu rms_norm rrelu selu
    triplet_margin_loss""".split()
for _name in _FUNCTIONAL:
    if hasattr(F, _name):
        globals()[_name] = getattr(F, _name)

_deterministic = [False]


def relu_(input):
    """Set negative elements to zero in place."""
    return _C.assign(input, _C.unary("relu", input))


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accept the switch: every operation is deterministic anyway."""
    _deterministic[0] = bool(mode)


def are_deterministic_algorithms_enabled():
    """Return what was last set."""
    return _deterministic[0]


def set_float32_matmul_precision(precision):
    """Accept "highest", "high" or "medium"; float32 products are always full precision."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: expected highest, high or medium, got {precision!r}")


def get_float32_matmul_precision():
    """Return "highest"."""
    return "highest"


def set_num_interop_threads(n):
    """Accept the setting; there is one pool."""


def get_num_interop_threads():
    """Return 1: there is one pool."""
    return 1


def compile(model=None, **kwargs):
    """Return the model unchanged: eager execution needs no compilation."""
    return model if model is not None else (lambda m: m)


def is_anomaly_enabled():
    """Tell whether anomaly detection is on."""
    return _C.anomaly()[0]


def is_anomaly_check_nan_enabled():
    """Tell whether anomaly detection looks for nan."""
    return _C.anomaly()[1]


def set_anomaly_enabled(enabled, check_nan=True):
    """Switch anomaly detection; `autograd.set_detect_anomaly` does so as a context."""
    _C.set_anomaly(enabled, check_nan)


def get_device(input):
    """Return the index of the tensor's GPU, -1 for the CPU."""
    return input.get_device()


def typename(obj):
    """Return the qualified name of an object's type."""
    return obj.type() if isinstance(obj, _C.Tensor) else f"{type(obj).__module__}.{type(obj).__qualname__}"


__all__ = [n for n in dir() if not n.startswith("_") and n != "F"]
