"""Linear maps and distances between vectors."""

from __future__ import annotations

import rsnn
from rsnn import _rsnn as _C

from .arguments import SCALAR_TYPES

__all__ = ["bilinear", "cosine_similarity", "linear", "pairwise_distance", "pdist"]


def linear(input, weight, bias=None):
    """Compute x·weightᵀ + bias.

    Args:
        input: (*, in_features).
        weight: (out_features, in_features), or (in_features,) for a scalar output.
        bias: (out_features,) or None.
    """
    try:
        return _C.linear(input, weight, bias)
    except RuntimeError:
        if weight.dim() != 1 and input.is_floating_point():
            raise
    if weight.dim() == 1 and bias is not None:
        raise RuntimeError(f"mat2 must be a matrix, got {weight.dim()}-D tensor")
    out = input.matmul(weight.t())
    return out if bias is None else out + bias


def bilinear(input1, input2, weight, bias=None):
    """Compute y_k = x1ᵀ·weight_k·x2 + bias_k for a (out, in1, in2) weight."""
    if input1.dim() != input2.dim():
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}"
        )
    for dim, (a, b) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if a != b:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {dim}: got {a} and {b}")
    out_features, in1, in2 = weight.shape
    for name, got, expected in (("input1", input1.shape[-1], in1), ("input2", input2.shape[-1], in2)):
        if got != expected:
            raise RuntimeError(f"bilinear(): {name} size does not match weight size: got {got} but expected {expected}")
    if bias is not None and bias.shape != (out_features,):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {out_features}"
        )
    batch = input1.shape[:-1]
    flat1, flat2 = input1.reshape(-1, in1), input2.reshape(-1, in2)
    # (B, in1) x (in1, out * in2) -> (B, out, in2)
    left = flat1.matmul(weight.transpose(0, 1).reshape(in1, out_features * in2)).view(-1, out_features, in2)
    out = left.matmul(flat2.unsqueeze(-1)).squeeze(-1)
    if bias is not None:
        out = out + bias
    return out.view(*batch, out_features)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """Compute x1·x2 / (max(‖x1‖, eps)·max(‖x2‖, eps)) along `dim`."""
    if not (x1.is_floating_point() or x2.is_floating_point()):
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {SCALAR_TYPES[rsnn.result_type(x1, x2)]}"
        )
    # The copies are clamped outside the graph: the gradient passes as if they were not.
    norm1, norm2 = x1.norm(2, dim, keepdim=True).clone(), x2.norm(2, dim, keepdim=True).clone()
    with rsnn.no_grad():
        norm1.clamp_min_(eps)
        norm2.clamp_min_(eps)
    return ((x1 / norm1) * (x2 / norm2)).sum(dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """Compute ‖x1 − x2 + eps‖_p over the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def pdist(input, p=2.0):
    """Compute the p-norm distances between all pairs of rows of an (N, M) input, as a vector of N(N − 1) / 2."""
    return _C.pdist(input, p)
