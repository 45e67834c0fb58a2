"""Attention: the fused primitive and multi-head attention around it.

All masks and layouts of `nn.MultiheadAttention` are sorted out here; scores are never built unless weights are asked for.
"""

from __future__ import annotations

import math
import warnings

import rsnn
from rsnn import _rsnn as _C

__all__ = ["attend", "multi_head_attention_forward", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """Compute softmax(query·keyᵀ·scale + mask)·value.

    Args:
        query: (N, ..., H, L, E).
        key: (N, ..., H, S, E).
        value: (N, ..., H, S, Ev).
        attn_mask: broadcast to (N, ..., H, L, S); bool (True takes part) or float (added to the scores).
        dropout_p: probability of dropping a weight; applied whenever it is above zero.
        is_causal: position i sees positions up to i only; with a mask, those of them that it allows.
        scale: 1 / √E without it.
        enable_gqa: H of key and value may divide H of query.

    A row with nothing to attend to gives zeros.

    Raises: RuntimeError when shapes or dtypes do not go together.
    """
    return _C.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)


def _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Raise on inputs whose dimensions do not go together; return whether they are batched."""
    ndim = query.dim()
    if ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query tensor")
    kind = "batched (3-D)" if ndim == 3 else "unbatched (2-D)"
    if key.dim() != ndim or value.dim() != ndim:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {ndim}-D but found {key.dim()}-D and {value.dim()}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != ndim - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {ndim - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor "
                "instead"
            )
        if ndim == 2 and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if attn_mask.shape != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return ndim == 3


def _none_or_dtype(input):
    return None if input is None else input.dtype


def _check_mask(mask, mask_name, other_type=None, other_name=""):
    if mask is None:
        return
    if mask.dtype != rsnn.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=4,
        )


def _canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """Return a mask of numbers to be added, for code written around torch's own; None stays None."""
    _check_mask(mask, mask_name, other_type if check_other else None, other_name)
    return _float_mask(mask, target_type) if _none_or_dtype(mask) == rsnn.bool else mask


def _in_projection_packed(q, k, v, w, b=None):
    """Return the three projected by the packed (3E, E) weight; one product where inputs are the same tensor."""
    size = w.shape[1]
    if k is not v:
        return _in_projection(q, k, v, *w.chunk(3), *((None,) * 3 if b is None else b.chunk(3)))
    if q is k:
        return _C.linear(q, w, b).chunk(3, -1)
    w_q, w_kv = w.split([size, 2 * size])
    b_q, b_kv = (None, None) if b is None else b.split([size, 2 * size])
    return (_C.linear(q, w_q, b_q), *_C.linear(k, w_kv, b_kv).chunk(2, -1))


def _in_projection(q, k, v, w_q, w_k, w_v, b_q=None, b_k=None, b_v=None):
    """Return the three projected by a weight each."""
    return _C.linear(q, w_q, b_q), _C.linear(k, w_k, b_k), _C.linear(v, w_v, b_v)


def _float_mask(mask, dtype):
    if mask.dtype == rsnn.bool:
        return rsnn.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, float("-inf"))
    return mask.to(dtype)


def _merge_masks(attn_mask, padding, sizes, dtype):
    """Return one mask that broadcasts to (N, H, L, S): bool with True for what takes part, or float to be added."""
    batch, heads, rows, columns = sizes
    if attn_mask is not None:
        if attn_mask.dim() == 2:
            if attn_mask.shape != (rows, columns):
                raise RuntimeError(
                    f"The shape of the 2D attn_mask is {attn_mask.shape}, but should be {(rows, columns)}."
                )
        elif attn_mask.shape != (batch * heads, rows, columns):
            raise RuntimeError(
                f"The shape of the 3D attn_mask is {attn_mask.shape}, but should be {(batch * heads, rows, columns)}."
            )
        else:
            attn_mask = attn_mask.view(batch, heads, rows, columns)
    if padding is not None:
        for dim, expected in enumerate((batch, columns)):
            if padding.shape[dim] != expected:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{dim}] to be {expected}, but got {padding.shape[dim]}"
                )
        padding = padding.view(batch, 1, 1, columns)
    masks = [mask for mask in (attn_mask, padding) if mask is not None]
    if not masks:
        return None
    if all(mask.dtype == rsnn.bool for mask in masks):
        return (masks[0] if len(masks) == 1 else masks[0] | masks[1]).logical_not()
    merged = _float_mask(masks[0], dtype)
    return merged if len(masks) == 1 else merged + _float_mask(masks[1], dtype)


def _widen(mask):
    """Add a column that everybody may attend to."""
    from .padding import pad

    return None if mask is None else pad(mask, (0, 1))


def _weights(q, k, mask, scale):
    """Return softmax weights (N, H, L, S); rows with nothing to attend to are zero and have a zero gradient."""
    scores = (q * scale).matmul(k.transpose(-2, -1))
    if mask is None:
        return _C.softmax(scores, -1)
    if mask.dtype == rsnn.bool:
        blocked = mask.logical_not()
        scores = scores.masked_fill(blocked, float("-inf"))
        empty = blocked.all(-1, keepdim=True)
    else:
        scores = scores + mask
        empty = (mask == float("-inf")).all(-1, keepdim=True)
    return _C.softmax(scores.masked_fill(empty, 0.0), -1).masked_fill(empty, 0.0)


def attend(
    query,
    key,
    value,
    num_heads,
    packed,
    separate,
    bias,
    *,
    bias_k=None,
    bias_v=None,
    static_k=None,
    static_v=None,
    add_zero_attn=False,
    dropout_p=0.0,
    key_padding_mask=None,
    attn_mask=None,
    is_causal=False,
    need_weights=True,
):
    """Project, attend and join the heads of batch-first inputs; return ((N, L, E), weights (N, H, L, S) or None).

    Args:
        packed: the (3E, E) projection, or None when `separate` holds the three of them.
    """
    batch, rows, embed_dim = query.shape
    head_dim = embed_dim // num_heads
    if packed is not None:
        q, k, v = _in_projection_packed(query, key, value, packed, bias)
    else:
        q, k, v = _in_projection(query, key, value, *separate, *((None,) * 3 if bias is None else bias.chunk(3)))
    if (
        is_causal
        and attn_mask is None
        and (need_weights or key_padding_mask is not None or bias_k is not None or add_zero_attn)
    ):
        attn_mask = rsnn.ones((rows, k.shape[1]), dtype=rsnn.bool, device=q.device).triu(1)
    elif is_causal and attn_mask is not None and key_padding_mask is None and not need_weights and bias_k is None:
        # The caller vouches that the mask is the causal one.
        attn_mask = None if not add_zero_attn else attn_mask
    use_causal = is_causal and attn_mask is None
    if bias_k is not None:
        k = rsnn.cat([k, bias_k.expand(batch, 1, embed_dim)], 1)
        v = rsnn.cat([v, bias_v.expand(batch, 1, embed_dim)], 1)
        attn_mask, key_padding_mask = _widen(attn_mask), _widen(key_padding_mask)
    # (N, L, E) -> (N, H, L, D)
    q = q.unflatten(-1, (num_heads, head_dim)).transpose(1, 2)
    k = k.unflatten(-1, (num_heads, head_dim)).transpose(1, 2) if static_k is None else static_k
    v = v.unflatten(-1, (num_heads, head_dim)).transpose(1, 2) if static_v is None else static_v
    if add_zero_attn:
        zero = k.new_zeros((batch, num_heads, 1, head_dim))
        k, v = rsnn.cat([k, zero], 2), rsnn.cat([v, zero], 2)
        attn_mask, key_padding_mask = _widen(attn_mask), _widen(key_padding_mask)
    mask = _merge_masks(attn_mask, key_padding_mask, (batch, num_heads, rows, k.shape[2]), q.dtype)
    if need_weights:
        weights = _weights(q, k, mask, math.sqrt(1.0 / head_dim))
        if dropout_p > 0.0:
            weights = _C.dropout(weights, dropout_p)
        out = weights.matmul(v)
    else:
        weights = None
        out = _C.scaled_dot_product_attention(q, k, v, mask, dropout_p, use_causal, None, False)
    # (N, H, L, D) -> (N, L, E)
    return out.transpose(1, 2).reshape(batch, rows, embed_dim), weights


def check_attention(query, key, value, embed_dim, num_heads, key_padding_mask, attn_mask, separate, batch_dim=1):
    """Raise what torch raises for inputs of multi-head attention; return whether they are batched."""
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if query.shape[-1] != embed_dim:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {query.shape[-1]}")
    if embed_dim % num_heads:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if separate:
        if key.shape[:-1] != value.shape[:-1]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
    elif key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    if batched and query.shape[batch_dim] != key.shape[batch_dim]:
        raise RuntimeError(
            f"multi_head_attention: query has batch size {query.shape[batch_dim]}, key has {key.shape[batch_dim]}"
        )
    _check_mask(key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask")
    _check_mask(attn_mask, "attn_mask")
    return batched


def _check_weights(packed, separate, extra, static):
    """Raise on weights that are missing or exclude each other."""
    if not separate and packed is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    for name, weight in zip("qkv", separate or (), strict=False):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    for i, name in enumerate(("key", "value")):
        given, other = ("bias_k", "bias_v")[i], ("bias_v", "bias_k")[i]
        if extra[i] is not None and extra[1 - i] is None:
            raise AssertionError(f"{given} is set but {other} is None")
        if extra[i] is not None and static[i] is not None:
            raise AssertionError(f"bias cannot be added to static {name}.")


def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    """Compute multi-head attention (Vaswani et al. 2017) from its weights; `nn.MultiheadAttention` as a function.

    Args:
        query: (L, N, E) or (L, E).
        key, value: (S, N, E) or (S, E), other last sizes with `use_separate_proj_weight`.
        key_padding_mask: (N, S); True, or −inf, hides a key.
        attn_mask: (L, S) or (N·H, L, S); True, or −inf, hides a pair.
        static_k, static_v: (N·H, S, D), in place of the projected key and value.

    Returns: the (L, N, E) output and the weights, (N, L, S) averaged over heads or (N, H, L, S), or None.
    """
    batched = check_attention(
        query, key, value, embed_dim_to_check, num_heads, key_padding_mask, attn_mask, use_separate_proj_weight
    )
    _check_weights(
        in_proj_weight, use_separate_proj_weight and (q_proj_weight, k_proj_weight, v_proj_weight),
        (bias_k, bias_v), (static_k, static_v),
    )  # fmt: skip
    if not batched:
        same = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    batch, head_dim = query.shape[1], embed_dim_to_check // num_heads
    query, key, value = transposed(query, key, value)
    for name, static in (("static_k", static_k), ("static_v", static_v)):
        if static is not None and static.shape[0] != batch * num_heads:
            raise AssertionError(f"expecting {name}.size(0) of {batch * num_heads}, but got {static.shape[0]}")
        if static is not None and static.shape[2] != head_dim:
            raise AssertionError(f"expecting {name}.size(2) of {head_dim}, but got {static.shape[2]}")
    out, weights = attend(
        query, key, value, num_heads,
        None if use_separate_proj_weight else in_proj_weight,
        (q_proj_weight, k_proj_weight, v_proj_weight),
        in_proj_bias,
        bias_k=bias_k,
        bias_v=bias_v,
        static_k=None if static_k is None else static_k.unflatten(0, (batch, num_heads)),
        static_v=None if static_v is None else static_v.unflatten(0, (batch, num_heads)),
        add_zero_attn=add_zero_attn,
        dropout_p=dropout_p if training else 0.0,
        key_padding_mask=key_padding_mask,
        attn_mask=attn_mask,
        is_causal=is_causal,
        need_weights=need_weights,
    )  # fmt: skip
    out = _C.linear(out, out_proj_weight, out_proj_bias).transpose(0, 1)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if not batched:
        out = out.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return out, weights


def transposed(query, key, value):
    """Swap the first two dimensions of the three, keeping which of them are the same tensor."""
    new_query = query.transpose(0, 1)
    new_key = new_query if key is query else key.transpose(0, 1)
    return new_query, new_key, new_key if value is key else value.transpose(0, 1)
