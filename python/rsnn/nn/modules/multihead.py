"""Multi-head attention as a layer."""

from __future__ import annotations

import rsnn
from rsnn.nn import init
from rsnn.nn.functional.attention import attend, check_attention, transposed
from rsnn.nn.module import Module
from rsnn.nn.parameter import Parameter

from .linear import NonDynamicallyQuantizableLinear

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attend from each query to all keys in several subspaces and join the results (Vaswani et al. 2017).

    Args:
        embed_dim: size of queries and outputs, a multiple of `num_heads`.
        num_heads: number of subspaces, of embed_dim / num_heads each.
        dropout: probability of dropping an attention weight in training.
        bias: learn biases of the projections.
        add_bias_kv: append a learned key and value to the sequences.
        add_zero_attn: append a key and a value of zeros.
        kdim, vdim: sizes of keys and values, `embed_dim` without them.
        batch_first: inputs and output are (N, L, E) instead of (L, N, E).

    A query with nothing to attend to gives the output bias, and zero weights.

    >>> layer = rsnn.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = rsnn.zeros(1, 3, 8)
    >>> tuple(layer(x, x, x)[0].shape)
    (1, 3, 8)
    """

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")

        def make(*shape):
            return Parameter(rsnn.empty(shape, device=device, dtype=dtype))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = make(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = make(embed_dim, embed_dim)
            self.k_proj_weight = make(embed_dim, self.kdim)
            self.v_proj_weight = make(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = make(3 * embed_dim)
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.bias_k = make(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = make(1, 1, embed_dim) if add_bias_kv else None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        if self._qkv_same_embed_dim:
            init.xavier_uniform_(self.in_proj_weight)
        else:
            init.xavier_uniform_(self.q_proj_weight)
            init.xavier_uniform_(self.k_proj_weight)
            init.xavier_uniform_(self.v_proj_weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None:
            init.xavier_normal_(self.bias_k)
        if self.bias_v is not None:
            init.xavier_normal_(self.bias_v)

    def __setstate__(self, state) -> None:
        state.setdefault("_qkv_same_embed_dim", True)
        super().__setstate__(state)

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
        is_causal=False,
    ):
        """Attend from `query` to `key` and take `value`.

        Args:
            query: (L, E), (L, N, E), or (N, L, E) with `batch_first`.
            key, value: as `query`, with length S and sizes `kdim` and `vdim`.
            key_padding_mask: (N, S) or (S,); True, or −inf, hides a key.
            attn_mask: (L, S) or (N·num_heads, L, S); True, or −inf, hides a pair.
            is_causal: without a mask, hide the future; with one, say that it is that mask.

        Returns: the output, and the weights (N, L, S), (N, num_heads, L, S) when not averaged, or None.
        """
        separate = not self._qkv_same_embed_dim
        batched = check_attention(
            query, key, value, self.embed_dim, self.num_heads, key_padding_mask, attn_mask, separate,
            batch_dim=0 if self.batch_first else 1,
        )  # fmt: skip
        if not batched:
            query, key, value = _unsqueezed(query, key, value)
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            query, key, value = transposed(query, key, value)
        out, weights = attend(
            query,
            key,
            value,
            self.num_heads,
            None if separate else self.in_proj_weight,
            (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight) if separate else None,
            self.in_proj_bias,
            bias_k=self.bias_k,
            bias_v=self.bias_v,
            add_zero_attn=self.add_zero_attn,
            dropout_p=self.dropout if self.training else 0.0,
            key_padding_mask=key_padding_mask,
            attn_mask=attn_mask,
            is_causal=is_causal,
            need_weights=need_weights,
        )
        out = self.out_proj(out)
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return out.squeeze(0), None if weights is None else weights.squeeze(0)
        return out if self.batch_first else out.transpose(0, 1), weights

    def merge_masks(self, attn_mask, key_padding_mask, query):
        """Return the sum of the two masks, (N, num_heads, L, L), and 2; the padding mask alone and 1; or None twice."""
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length, _ = query.shape
        if attn_mask.dim() == 3:
            merged = attn_mask.view(batch, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            merged = merged + key_padding_mask.view(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return merged, 2


def _unsqueezed(query, key, value):
    """Add a batch dimension to the three, keeping which of them are the same tensor."""
    new_query = query.unsqueeze(0)
    new_key = new_query if key is query else key.unsqueeze(0)
    return new_query, new_key, new_key if value is key else value.unsqueeze(0)
