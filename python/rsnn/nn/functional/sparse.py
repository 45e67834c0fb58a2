"""Tables looked up by index."""

from __future__ import annotations

import rsnn
from rsnn import _rsnn as _C

__all__ = ["embedding", "embedding_bag", "one_hot"]


def _renorm(weight, input, max_norm, norm_type):
    """Scale the rows `input` names down to `max_norm`, in place and outside the graph."""
    with rsnn.no_grad():
        rows = input.reshape(-1).unique()
        chosen = weight.index_select(0, rows)
        norms = chosen.norm(norm_type, 1, keepdim=True)
        scale = rsnn.where(norms > max_norm, max_norm / (norms + 1e-7), rsnn.ones_like(norms))
        weight.index_copy_(0, rows, chosen * scale)


class _ScaleByFrequency(rsnn.autograd.Function):
    """Identity on looked-up rows; their gradient is divided by how often their index occurs."""

    @staticmethod
    def forward(ctx, rows, index):
        _, inverse, counts = index.reshape(-1).unique(return_inverse=True, return_counts=True)
        ctx.save_for_backward(counts.index_select(0, inverse).view(index.shape))
        return rows.view_as(rows)

    @staticmethod
    def backward(ctx, grad):
        (counts,) = ctx.saved_tensors
        return grad / counts.unsqueeze(-1), None


def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """Return the rows of `weight` that `input` names.

    Args:
        input: integer indices of any shape.
        weight: (V, embedding_dim).
        padding_idx: this row gets no gradient.
        max_norm: rows looked up are first scaled down to this norm, in place.
        sparse: accepted; gradients are dense.

    Raises: IndexError for an index out of range.
    """
    if weight.dim() != 2:
        raise RuntimeError("'weight' must be 2-D")
    if padding_idx is None:
        pass
    elif padding_idx > 0:
        if padding_idx >= weight.shape[0]:
            raise AssertionError("Padding_idx must be within num_embeddings")
    elif padding_idx < 0:
        if padding_idx < -weight.shape[0]:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx += weight.shape[0]
    if max_norm is not None:
        _renorm(weight, input, max_norm, norm_type)
    out = _C.embedding(weight, input, padding_idx)
    return _ScaleByFrequency.apply(out, input) if scale_grad_by_freq else out


def _bags(input, offsets, include_last_offset, device):
    """Return for each index the number of its bag, and the number of bags."""
    ends = offsets.tolist()
    if ends and ends[0] != 0:
        raise RuntimeError(f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {ends[0]}")  # fmt: skip  # noqa: E501
    if include_last_offset:
        ends = ends[:-1]
    if ends and ends[-1] > input.shape[0]:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length({input.shape[0]}), but got offsets[-1] of {ends[-1]}"
        )
    limits = [*ends[1:], input.shape[0]] if ends else []
    numbers = [bag for bag, (start, end) in enumerate(zip(ends, limits, strict=True)) for _ in range(end - start)]
    return rsnn.tensor(numbers, dtype=rsnn.int64, device=device), len(ends)


def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """Reduce bags of embedding rows to one row each.

    Args:
        input: (B, L) for bags of equal length, or all bags joined in one dimension with `offsets`.
        offsets: where each bag starts.
        mode: "sum", "mean" or "max"; an empty bag gives zeros.
        per_sample_weights: a factor per index, for "sum".
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: this index is left out of its bag.

    Raises: ValueError when the arguments do not fit together; NotImplementedError for weights with another mode.
    """
    _check_bag(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights)
    if input.dim() == 2:
        bags, width = input.shape
        bag = rsnn.arange(bags, device=input.device).repeat_interleave(width)
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    else:
        bag, bags = _bags(input, offsets, include_last_offset, input.device)
    _check_rows(input, weight.shape[0])
    if max_norm is not None:
        _renorm(weight, input, max_norm, norm_type)
    if padding_idx is not None:
        kept = (input != padding_idx % weight.shape[0]).nonzero().squeeze(1)
        input, bag = input.index_select(0, kept), bag.index_select(0, kept)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.index_select(0, kept)
    rows = _C.embedding(weight, input, None)
    if scale_grad_by_freq:
        rows = _ScaleByFrequency.apply(rows, input)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    empty = weight.new_zeros((bags, weight.shape[1]))
    if mode == "max":
        index = bag.unsqueeze(1).expand(rows.shape)
        return empty.scatter_reduce(0, index, rows, "amax", include_self=False)
    total = empty.index_add(0, bag, rows)
    if mode == "sum":
        return total
    counts = weight.new_zeros(bags).index_add_(0, bag, rsnn.ones_like(bag).to(weight.dtype))
    return total / counts.clamp_min(1).unsqueeze(1)


def _check_rows(input, rows):
    wrong = (input < 0) | (input >= rows)
    if bool(wrong.any()):
        at = int(wrong.nonzero()[0])
        raise RuntimeError(f"Index {at} of input takes value {int(input[at])} which is not in the valid range [0, {rows})")


def _check_bag(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights):
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the same "
            f"shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}')."
        )


def one_hot(tensor, num_classes=-1):
    """Return int64 vectors with a 1 at each index; `num_classes` −1 means the largest index plus one."""
    if tensor.dtype != rsnn.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return rsnn.zeros((*tensor.shape, num_classes), dtype=rsnn.int64, device=tensor.device)
    if int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = int(tensor.max())
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif largest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    out = rsnn.zeros((*tensor.shape, num_classes), dtype=rsnn.int64, device=tensor.device)
    starts = rsnn.arange(0, out.numel(), num_classes, device=tensor.device)
    out.view(-1)[starts + tensor.reshape(-1)] = 1
    return out
