"""Losses against classes and probabilities."""

from __future__ import annotations

import warnings

import rsnn
from rsnn import _rsnn as _C

from .arguments import legacy_reduction, reduced, scalar_type

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div", "linear_cross_entropy",
    "multilabel_soft_margin_loss", "nll_loss",
]  # fmt: skip


def _check_reduction(reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def _rows(input, target):
    """Bring (N, C, d1, ...) to (N·d, C) and the target to (N·d,); return them and the shape of one loss per row."""
    ndim = input.dim()
    if ndim <= 2 and target.dim() > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if ndim == 1:
        if target.numel() != 1:
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {target.numel()}")
        return input.unsqueeze(0), target.reshape(1), ()
    if ndim < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {ndim})")
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(target.shape)}")
    if ndim > 2:
        input = input.movedim(1, -1).reshape(-1, input.shape[1])
        target = target.reshape(-1)
    return input, target, expected


def _finish_rows(loss, target, weight, ignore_index, reduction, shape):
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss.view(shape)
    return loss.sum() / _count(target, weight, ignore_index)


def _count(target, weight, ignore_index):
    """Return how many classes a mean divides by: the sum of their weights where there are weights."""
    kept = target != ignore_index
    if weight is None:
        return kept.sum()
    return (weight.index_select(0, target.masked_fill(~kept, 0)) * kept).sum()


def _check_classes(input, target):
    """Check the target's batch size and dtype."""
    if input.dim() > 1 and (target.dim() == 0 or input.shape[0] != target.shape[0]):
        arrived = target.shape[0] if target.dim() else 0
        raise ValueError(f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({arrived}).")
    if target.dtype not in (rsnn.int64, rsnn.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_type(target)}")


def _check_weight(input, weight):
    channels = input.shape[1] if input.dim() > 1 else input.shape[0]
    if weight is not None and (weight.dim() != 1 or weight.shape[0] != channels):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {channels} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """Compute −log softmax(input)[target], or −Σ target·log softmax(input) for probabilities.

    Args:
        input: logits (C,), (N, C) or (N, C, d1, ...).
        target: class indices of the shape without C, or probabilities of the shape of `input`.
        weight: (C,), a factor for each class.
        ignore_index: rows with this target do not count.
        label_smoothing: share of the target spread evenly over all classes.

    Raises: ValueError when batch sizes differ; RuntimeError for other shapes; IndexError for a target out of range.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input.dim():
        _check_weight(input, weight)
    if input.shape == target.shape and target.is_floating_point():
        return _cross_entropy_probabilities(input, target, weight, reduction, label_smoothing)
    if input.dim() == 0:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {scalar_type(target)}"
        )
    _check_classes(input, target)
    rows, flat, shape = _rows(input, target)
    flat = flat.long()
    loss = _C.cross_entropy(rows, flat, weight, ignore_index, label_smoothing)
    return _finish_rows(loss, flat, weight, ignore_index, reduction, shape)


def _cross_entropy_probabilities(input, target, weight, reduction, label_smoothing):
    class_dim = 0 if input.dim() == 1 else 1
    classes = input.shape[class_dim]
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    log_probs = _C.log_softmax(input, class_dim)
    if weight is not None:
        log_probs = log_probs * weight.view([-1 if d == class_dim else 1 for d in range(input.dim())])
    loss = -(log_probs * target).sum(class_dim)
    if reduction == "mean":
        return loss.sum() / (input.numel() // max(classes, 1))
    return reduced(loss, reduction)


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Compute −input[target] for log-probabilities (N, C, ...), the loss after a log-softmax.

    Args: as in `cross_entropy`, with class indices only.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _check_reduction(reduction)
    _check_weight(input, weight)
    _check_classes(input, target)
    rows, flat, shape = _rows(input, target)
    kept = flat != ignore_index
    index = flat.masked_fill(~kept, 0).long()
    classes = rows.shape[1]
    if flat.numel():
        wrong = kept & ((flat < 0) | (flat >= classes))
        if bool(wrong.any()):
            raise IndexError(f"Target {int(flat[wrong][0])} is out of bounds.")
    loss = -rows.gather(1, index.unsqueeze(1)).squeeze(1)
    if weight is not None:
        loss = loss * weight.index_select(0, index)
    loss = loss.masked_fill(~kept, 0)
    return _finish_rows(loss, flat, weight, ignore_index, reduction, shape)


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """Compute cross_entropy(linear(input, linear_weight, linear_bias), target).

    Args:
        input: (N, in_features) or (in_features,).
        linear_weight: (C, *, in_features), where * are further dimensions of the target.
        options: `batch_chunk_size` says how many rows to take at a time; the rest is ours to choose.

    Only the logits of some rows exist at a time, in the backward too; a second derivative takes them all.
    """
    outer = linear_weight.shape[:-1]
    linear_weight = linear_weight.reshape(-1, linear_weight.shape[-1])
    linear_bias = None if linear_bias is None else linear_bias.reshape(-1)
    if _C.autocast_acts():  # once, not for every piece
        to = rsnn.get_autocast_dtype(input.device.type)
        input, linear_weight = input.to(to), linear_weight.to(to)
        linear_bias = None if linear_bias is None else linear_bias.to(to)
    loss = {
        "outer": outer,
        "weight": weight,
        "ignore_index": -100 if ignore_index is None else ignore_index,
        "reduction": reduction,
        "label_smoothing": label_smoothing,
    }
    rows = options and options.batch_chunk_size or _rows_at_a_time(linear_weight)
    whole = input.dim() != 2 or input.shape[0] <= rows or target.dim() == 0 or target.shape[0] != input.shape[0]
    # The blocks have no gradients for what describes the classes.
    if whole or target.requires_grad or (weight is not None and weight.requires_grad):
        return _projected(input, linear_weight, linear_bias, target, **loss)
    _check_reduction(reduction)
    follow = rsnn.is_grad_enabled() and reduction != "none"
    return _LinearCrossEntropy.apply(input, linear_weight, linear_bias, target, rows, follow, loss)


def _rows_at_a_time(linear_weight, size=8 << 20):
    """Return how many rows of logits take `size` bytes; more where reading the weight would outweigh the products."""
    classes, features = linear_weight.shape
    return max(size // max(classes * linear_weight.element_size(), 1), features // 4, 1)


def _projected(input, linear_weight, linear_bias, target, outer, **loss):
    logits = _C.linear(input, linear_weight, linear_bias)
    return cross_entropy(logits.reshape(*input.shape[:-1], *outer), target, **loss)


def _by_rows(input, linear_weight, linear_bias, target, rows, loss, upstream, needs):
    """Return the loss of every row, and of [input, weight, bias] the gradients that `needs` asks for.

    Args:
        upstream: the gradients of the losses, or one for all.
    """
    each = {**loss, "reduction": "none"}
    outer = each.pop("outer")
    wide = rsnn.promote_types(input.dtype, rsnn.float32)
    follow = any(needs)
    losses, of_input, sums = [], [], [None, None]
    for start in range(0, input.shape[0], rows):
        part = slice(start, start + rows)
        x = input[part]
        logits = _C.linear(x, linear_weight, linear_bias)
        with rsnn.set_grad_enabled(follow):
            logits.requires_grad_(follow)
            values = cross_entropy(logits.reshape(-1, *outer), target[part], **each)
        losses.append(values.detach())
        if not follow:
            continue
        given = upstream[part] if upstream.dim() else upstream.to(values.dtype).expand(values.shape)
        (d,) = rsnn.autograd.grad(values, logits, given)
        del logits, values
        if needs[0]:
            of_input.append(d @ linear_weight)
        for i, more in enumerate((d.t() @ x if needs[1] else None, d.sum(0) if needs[2] else None)):
            if more is not None:
                sums[i] = more.to(wide) if sums[i] is None else sums[i].add_(more)
    grads = [rsnn.cat(of_input) if needs[0] else None, *(s if s is None else s.to(input.dtype) for s in sums)]
    return rsnn.cat(losses), grads


class _LinearCrossEntropy(rsnn.autograd.Function):
    """The loss by blocks of rows. A reduced loss finds its gradients along with the value, while the logits are there."""

    @staticmethod
    def forward(ctx, input, linear_weight, linear_bias, target, rows, follow, loss):
        ctx.rows, ctx.loss = rows, loss
        divisor = 1
        if loss["reduction"] == "mean" and target.is_floating_point():
            divisor = target.numel() // loss["outer"][0]
        elif loss["reduction"] == "mean":
            divisor = _count(target.reshape(-1).long(), loss["weight"], loss["ignore_index"])
        upstream = rsnn.ones((), dtype=rsnn.promote_types(input.dtype, rsnn.float32), device=input.device) / divisor
        needs = ctx.needs_input_grad[:3] if follow else (False, False, False)
        losses, grads = _by_rows(input, linear_weight, linear_bias, target, rows, loss, upstream, needs)
        ctx.save_for_backward(input, linear_weight, linear_bias, target, *(grads if follow else ()))
        return losses if loss["reduction"] == "none" else losses.sum() / divisor

    @staticmethod
    def backward(ctx, grad):
        input, linear_weight, linear_bias, target, *grads = ctx.saved_tensors
        needs = ctx.needs_input_grad[:3]
        if rsnn.is_grad_enabled():
            # Views, so that no operand counts as a part of another one's history.
            ins = [t if t is None else t.view_as(t) for t in (input, linear_weight, linear_bias)]
            loss = _projected(*ins, target, **ctx.loss)
            wanted = [t for t, need in zip(ins, needs, strict=True) if need]
            found = iter(rsnn.autograd.grad(loss, wanted, grad, create_graph=True))
            grads = [next(found) if need else None for need in needs]
        elif grads:
            grads = [d if d is None else d * grad for d in grads]
        else:
            grads = _by_rows(input, linear_weight, linear_bias, target, ctx.rows, ctx.loss, grad, needs)[1]
        return (*grads, None, None, None, None)


class _BinaryCrossEntropy(rsnn.autograd.Function):
    """Logarithms stop at −100, and the gradient stays finite where they do."""

    @staticmethod
    def forward(ctx, input, target):
        ctx.save_for_backward(input, target)
        return (target - 1) * (-input).log1p().clamp_min(-100) - target * input.log().clamp_min(-100)

    @staticmethod
    def backward(ctx, grad):
        input, target = ctx.saved_tensors
        grad_input = grad_target = None
        if ctx.needs_input_grad[0]:
            grad_input = grad * (input - target) / ((1 - input) * input).clamp_min(1e-12)
        if ctx.needs_input_grad[1]:
            grad_target = grad * ((-input).log1p().clamp_min(-100) - input.log().clamp_min(-100))
        return grad_input, grad_target


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Compute −(y·log x + (1 − y)·log(1 − x)) for probabilities x.

    Raises: ValueError when the sizes differ; RuntimeError when x leaves [0, 1].
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _check_reduction(reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if target.dtype != input.dtype:
        raise RuntimeError(f"Found dtype {scalar_type(target)} but expected {scalar_type(input)}")
    if not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    if not bool(((target >= 0) & (target <= 1)).all()):
        raise RuntimeError("all elements of target should be between 0 and 1")
    loss = _BinaryCrossEntropy.apply(input, target)
    if weight is not None:
        loss = loss * weight
    return reduced(loss, reduction)


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """Compute binary_cross_entropy(sigmoid(input), target) without overflow.

    Args:
        pos_weight: factor for the positive class, broadcast against `target`.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    _check_reduction(reduction)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    log_sigmoid = _C.log_sigmoid(input)
    if pos_weight is not None:
        log_sigmoid = log_sigmoid * ((pos_weight - 1) * target + 1)
    # As torch's in-place product with the target leaves it.
    loss = ((1 - target) * input - log_sigmoid).to(target.dtype if target.is_floating_point() else input.dtype)
    if weight is not None:
        loss = loss * weight
    return reduced(loss, reduction)


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """Compute target·(log target − input) for log-probabilities `input`.

    Args:
        reduction: "batchmean" divides the sum by the batch size, which is the divergence of the definition.
        log_target: `target` holds log-probabilities too.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if not input.is_floating_point() or not target.is_floating_point():
        raise RuntimeError("kl_div: Integral inputs not supported.")
    loss = target.exp() * (target - input) if log_target else target.xlogy(target) - target * input
    if reduction == "batchmean":
        loss = loss.sum()
        return loss / input.shape[0] if input.dim() else loss
    return reduced(loss, reduction)


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Compute the mean over classes of −(y·log σ(x) + (1 − y)·log σ(−x)) for (N, C) logits."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    loss = -(target * _C.log_sigmoid(input) + (1 - target) * _C.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)
