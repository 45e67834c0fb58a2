"""Neural functions of torch's top level; many take their parameters in another order than `nn.functional`'s."""

from . import _rsnn as _C
from ._arguments import into
from .nn import functional as F

_SHARED = """adaptive_avg_pool1d avg_pool1d bilinear channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d
    conv_transpose3d cosine_similarity max_pool1d_with_indices pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu
    rms_norm""".split()
for _name in _SHARED:
    globals()[_name] = getattr(F, _name)

_REDUCTIONS = ("none", "mean", "sum")


def _reduction(number):
    """Return the name of a reduction that torch's built-ins number; a name passes."""
    if number in _REDUCTIONS:
        return number
    if number not in (0, 1, 2):
        raise ValueError(f"{number} is not a valid value for reduction")
    return _REDUCTIONS[number]


# --- normalisation ----------------------------------------------------------------------------------------------------
def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    """Normalise each channel; see `nn.functional.batch_norm`, whose parameters come in another order."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    """Normalise each channel of each sample; see `nn.functional.instance_norm`, whose parameters come in another order."""
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True):
    """Normalise the last dimensions; see `nn.functional.layer_norm`."""
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True):
    """Normalise groups of channels; see `nn.functional.group_norm`."""
    return F.group_norm(input, num_groups, weight, bias, eps)


def norm_except_dim(v, pow=2, dim=0):
    """Return the norms of the slices along `dim` (of the whole tensor for -1), shaped to broadcast against `v`."""
    if dim == -1:
        return _C.norm(v, float(pow), [], False, None)
    others = [d for d in range(v.ndim) if d != dim % v.ndim]
    return _C.norm(v, float(pow), others, True, None) if others else _C.norm(v.unsqueeze(-1), float(pow), [-1], False, None)


# --- dropout ----------------------------------------------------------------------------------------------------------
def dropout(input, p, train):
    """Zero elements with probability p and scale the others, while training."""
    return F.dropout(input, p, train)


def dropout_(input, p, train):
    """In-place version of `dropout`."""
    return F.dropout(input, p, train, True)


def alpha_dropout(input, p, train):
    """Drop elements so that mean and variance of a SELU network stay."""
    return F.alpha_dropout(input, p, train)


def alpha_dropout_(input, p, train):
    """In-place version of `alpha_dropout`."""
    return F.alpha_dropout(input, p, train, True)


def feature_dropout(input, p, train):
    """Zero whole channels with probability p, while training."""
    if not train or p == 0:
        return input
    noise = F.dropout(_C.full([*input.shape[:2]] + [1] * (input.ndim - 2), 1.0, input.dtype, input.device), p)
    return _C.mul(input, noise)


def feature_dropout_(input, p, train):
    """In-place version of `feature_dropout`."""
    return _C.assign(input, feature_dropout(_C.clone(input), p, train))


def feature_alpha_dropout(input, p, train):
    """Drop whole channels so that mean and variance of a SELU network stay."""
    return F.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input, p, train):
    """In-place version of `feature_alpha_dropout`."""
    return F.feature_alpha_dropout(input, p, train, True)


# --- activations ------------------------------------------------------------------------------------------------------
def celu(input, alpha=1.0):
    """Apply `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`."""
    return F.celu(input, alpha)


def celu_(input, alpha=1.0):
    """In-place version of `celu`."""
    return F.celu(input, alpha, True)


def selu(input):
    """Apply the self-normalising exponential unit."""
    return F.selu(input)


def selu_(input):
    """In-place version of `selu`."""
    return F.selu(input, True)


def rrelu(input, lower=0.125, upper=0.3333333333333333, training=False, generator=None):
    """Scale negative elements by a slope drawn from [lower, upper] while training."""
    return F.rrelu(input, lower, upper, training)


def rrelu_(input, lower=0.125, upper=0.3333333333333333, training=False, generator=None):
    """In-place version of `rrelu`."""
    return F.rrelu(input, lower, upper, training, True)


def threshold(input, threshold, value, *, out=None):
    """Keep elements above `threshold`, replace the others by `value`."""
    y = F.threshold(input, threshold, value)
    return y if out is None else into(y, out)


def threshold_(input, threshold, value):
    """In-place version of `threshold`."""
    return F.threshold(input, threshold, value, True)


def hardshrink(input, lambd=0.5, *, out=None):
    """Set elements in [-lambd, lambd] to zero."""
    y = F.hardshrink(input, lambd)
    return y if out is None else into(y, out, exact=True)


# --- pooling, convolution, sampling -----------------------------------------------------------------------------------
def adaptive_max_pool1d(input, output_size):
    """Pool to a size by maxima; returns values and indices."""
    return F.adaptive_max_pool1d(input, output_size, return_indices=True)


def max_pool1d(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """Take maxima of windows of a signal."""
    return F.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool2d(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """Take maxima of windows of an image."""
    return F.max_pool2d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool3d(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """Take maxima of windows of a volume."""
    return F.max_pool3d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """Convolve over one, two or three dimensions; see `nn.functional.conv2d` and `conv_transpose2d`."""
    n = weight.ndim - 2
    if not 1 <= n <= 3:
        raise RuntimeError(f"convolution: expected a weight of 3 to 5 dimensions, got {weight.ndim}")
    if transposed:
        return getattr(F, f"conv_transpose{n}d")(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return getattr(F, f"conv{n}d")(input, weight, bias, stride, padding, dilation, groups)


def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """Sample at coordinates; modes are numbered as (bilinear, nearest, bicubic) and (zeros, border, reflection)."""
    mode, padding = ("bilinear", "nearest", "bicubic")[interpolation_mode], ("zeros", "border", "reflection")[padding_mode]
    return F.grid_sample(input, grid, mode, padding, align_corners)


def grid_sampler_2d(input, grid, interpolation_mode, padding_mode, align_corners):
    """Sample images at coordinates; see `grid_sampler`."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(input, grid, interpolation_mode, padding_mode, align_corners):
    """Sample volumes at coordinates; see `grid_sampler`."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def affine_grid_generator(theta, size, align_corners):
    """Return the coordinates that an affine map samples from."""
    return F.affine_grid(theta, size, align_corners)


# --- embedding --------------------------------------------------------------------------------------------------------
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """Look rows up; -1 means no padding row."""
    padding_idx = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, padding_idx, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def embedding_bag(
    weight, indices, offsets, scale_grad_by_freq=False, mode=0, sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=-1
):
    """Reduce bags of rows.

    Args:
        weight: the table, (N, D).
        indices: rows of all bags, a vector.
        offsets: where each bag starts.
        scale_grad_by_freq, sparse, per_sample_weights, include_last_offset: as in `nn.functional.embedding_bag`.
        mode: 0 for sum, 1 for mean, 2 for max.
        padding_idx: a row that does not count; -1 for none.

    Returns: the reduced rows (B, D), the bag of each index, the size of each bag, and for max the row that each value
    came from (B, D), else an empty tensor.
    """
    kept = None if padding_idx == -1 else padding_idx
    y = F.embedding_bag(
        indices, weight, offsets, scale_grad_by_freq=scale_grad_by_freq, mode=("sum", "mean", "max")[mode], sparse=sparse,
        per_sample_weights=per_sample_weights, include_last_offset=include_last_offset, padding_idx=kept,
    )  # fmt: skip
    ends = offsets[1:] if include_last_offset else _C.cat([offsets[1:], _C.tensor([indices.shape[0]], offsets.dtype)], 0)
    sizes = ends - (offsets[:-1] if include_last_offset else offsets)
    bags = _C.interleave_index(_C.to_dtype(sizes, _C.int64))
    if mode != 2:
        return y, bags, sizes, _C.empty([0], _C.int64)
    hit = _C.binary("eq", weight.detach()[indices], y.detach()[bags])
    rows = _C.where_(hit, indices.unsqueeze(-1), weight.shape[0])
    first = _C.full(list(y.shape), 0.0, _C.int64)
    return y, bags, sizes, _C.scatter_reduce(first, 0, _C.expand(bags.unsqueeze(-1), list(rows.shape)), rows, "amin", False)


# --- losses -----------------------------------------------------------------------------------------------------------
def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=1):
    """Compare logits and probabilities; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.binary_cross_entropy_with_logits(input, target, weight, reduction=_reduction(reduction), pos_weight=pos_weight)


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=1):
    """Compare pairs by the cosine of their angle; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def hinge_embedding_loss(input, target, margin=1.0, reduction=1):
    """Pull distances of alike pairs to 0 and push others beyond the margin; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.hinge_embedding_loss(input, target, margin, reduction=_reduction(reduction))


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=1):
    """Compare the order of two scores; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def kl_div(input, target, reduction=1, *, log_target=False):
    """Return the Kullback-Leibler divergence; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.kl_div(input, target, reduction=_reduction(reduction), log_target=log_target)


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, reduction=1):
    """Push negatives further away than positives; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=_reduction(reduction))


def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """Return the Poisson negative log-likelihood; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_reduction(reduction))


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1, zero_infinity=False):
    """Return the connectionist temporal classification loss; `reduction` is 0 (none), 1 (mean) or 2 (sum)."""
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, _reduction(reduction), zero_infinity)
