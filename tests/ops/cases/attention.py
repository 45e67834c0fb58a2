"""Rows of scaled dot product attention and of the multi-head module."""

import numpy as np

from .table import F, I, In, row


def sdpa(**k):
    return lambda lib, q, key, v, *m: F(lib).scaled_dot_product_attention(q, key, v, *m, **k)


S = "scaled_dot_product_attention"
Q, K, V = In(1, 2, 3, 2), In(1, 2, 4, 2), In(1, 2, 4, 3)
KEEP = I([True, False, True, True], [True] * 4, [False, True, True, False], dtype="bool")
row(S, sdpa(), Q, K, V, fused=True)
row(S + ":causal", sdpa(is_causal=True), Q, Q, Q, fused=True)
row(S + ":causal longer keys", sdpa(is_causal=True), Q, K, V, fused=True)
row(S + ":causal longer queries", sdpa(is_causal=True), In(1, 1, 4, 2), In(1, 1, 2, 2), In(1, 1, 2, 3), fused=True)
row(S + ":scale", sdpa(scale=0.3), Q, K, V, fused=True)
row(S + ":bool", sdpa(), Q, K, V, KEEP, fused=True)
row(S + ":bool batch", sdpa(), In(2, 2, 3, 2), In(2, 2, 4, 2), In(2, 2, 4, 3), np.stack([KEEP, ~KEEP | True])[:, None], fused=True)
row(S + ":float", sdpa(), Q, K, V, In(3, 4), fused=True)
row(S + ":float heads", sdpa(), Q, K, V, In(1, 2, 3, 4), fused=True)
row(S + ":float row", sdpa(), Q, K, V, In(1, 4), fused=True)
row(S + ":float scale", sdpa(scale=0.7), Q, K, V, In(3, 4), fused=True)
row(S + ":gqa", sdpa(enable_gqa=True), In(1, 4, 2, 2), In(1, 2, 3, 2), In(1, 2, 3, 2), fused=True)
row(S + ":gqa one", sdpa(enable_gqa=True, is_causal=True), In(1, 2, 3, 2), In(1, 1, 3, 2), In(1, 1, 3, 2), fused=True)
row(S + ":3d", sdpa(), In(2, 3, 2), In(2, 4, 2), In(2, 4, 2), fused=True)
row(S + ":2d", sdpa(), In(3, 2), In(4, 2), In(4, 2), fused=True)
row(S + ":5d", sdpa(), In(2, 1, 2, 3, 2), In(2, 1, 2, 4, 2), In(2, 1, 2, 4, 2), fused=True)
row(S + ":one key", sdpa(), Q, In(1, 2, 1, 2), In(1, 2, 1, 2), fused=True)
row(S + ":broadcast batch", sdpa(), In(2, 1, 3, 2), In(1, 1, 4, 2), In(1, 1, 4, 2))


def heads(lib, x, y, w, b, o, **options):
    embed = o.shape[0]
    return F(lib).multi_head_attention_forward(
        x, y, y, embed, 2, w, b, None, None, False, 0.0, o, None, training=False, **options
    )  # fmt: skip


_M = (In(3, 2, 4), In(2, 2, 4), In(12, 4), In(12), In(4, 4))
row("multi_head_attention_forward", heads, *_M)
row("multi_head_attention_forward:no weights", lambda lib, *t: heads(lib, *t, need_weights=False)[0], *_M)
row("multi_head_attention_forward:heads", lambda lib, *t: heads(lib, *t, average_attn_weights=False), *_M)
row("multi_head_attention_forward:mask", lambda lib, *t: heads(lib, *t[:5], attn_mask=t[5]), *_M, I([False, True], [False, False], [True, False], dtype="bool"))
row("multi_head_attention_forward:padding", lambda lib, *t: heads(lib, *t[:5], key_padding_mask=t[5]), *_M, I([False, True], [False, False], dtype="bool"))
row("multi_head_attention_forward:float mask", lambda lib, *t: heads(lib, *t[:5], attn_mask=t[5]), *_M, In(3, 2))
