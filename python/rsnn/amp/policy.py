"""Autocast for functions that are composed in Python; native ops follow the list in rsnn-ops."""

import functools

from .. import _rsnn as _C

# torch's CPU lists, as far as they name functions of `nn.functional`.
FULL = """adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices avg_pool3d binary_cross_entropy
    binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy ctc_loss fractional_max_pool2d
    fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices grid_sample
    hinge_embedding_loss huber_loss kl_div l1_loss lp_pool3d margin_ranking_loss max_pool3d max_pool3d_with_indices max_unpool1d
    max_unpool2d max_unpool3d mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss smooth_l1_loss
    soft_margin_loss triplet_margin_loss""".split()
LOWER = ["conv_tbc", "prelu"]
SAME = ["bilinear"]


def _policy(lower, applies=None):
    def decorate(f):
        @functools.wraps(f)
        def wrapper(*args, **kwargs):
            if not _C.autocast_acts() or not (applies is None or applies(*args, **kwargs)):
                return f(*args, **kwargs)
            return _C.autocast_call(f, lower, args, kwargs)

        return wrapper

    return decorate


lower_precision = _policy(True)
full_precision = _policy(False)
same_precision = _policy(None)  # in no list of torch's, though made of ops that are


@functools.partial(_policy, False)
def full_precision_padding(input, pad, mode="constant", value=None):
    """Tell which paddings torch computes in float32: replication, and reflection in one and two dimensions."""
    return mode == "replicate" or (mode == "reflect" and len(pad) <= 4)


def recurrent_precision(f):
    """Let Elman networks run in the autocast dtype, LSTM and GRU in the dtype of their input: what torch's layers return."""

    @functools.wraps(f)
    def wrapper(mode, input, *args, **kwargs):
        if not _C.autocast_acts():
            return f(mode, input, *args, **kwargs)
        lower = mode.startswith("RNN") or input.dtype != _C.float32
        return _C.autocast_call(f, lower, (mode, input, *args), kwargs)

    return wrapper


def install(namespace):
    """Wrap the functions of `nn.functional` that have a policy."""
    policies = (FULL, full_precision), (LOWER, lower_precision), (SAME, same_precision), (["pad"], full_precision_padding)
    for names, decorate in policies:
        for name in names:
            namespace[name] = decorate(namespace[name])
