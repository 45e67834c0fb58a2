"""MultiheadAttention: every option, masks, modes and errors against torch."""

import copy

import pytest
from harness import bool_mask, fill, tensor


def layer(lib, *args, **kwargs):
    return fill(lib, lib.nn.MultiheadAttention(*args, **kwargs))


def everything(lib, m, *inputs, **kwargs):
    """Return output, weights, and gradients of inputs and parameters."""
    m.zero_grad()
    inputs = [t.detach().clone().requires_grad_() for t in inputs]
    if len(inputs) == 1:
        inputs = inputs * 3
    out, attn = m(*inputs, **kwargs)
    loss = (out * tensor(lib, *out.shape, seed=9)).sum()
    if attn is not None:
        loss = loss + (attn * tensor(lib, *attn.shape, seed=8)).sum()
    loss.backward()
    return [out, attn, [t.grad for t in inputs], [p.grad for p in m.parameters()]]


CONFIGS = {
    "plain": {},
    "no bias": {"bias": False},
    "bias kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True},
    "all": {"add_bias_kv": True, "add_zero_attn": True},
    "kdim": {"kdim": 3},
    "vdim": {"vdim": 5, "bias": False},
    "both": {"kdim": 3, "vdim": 5, "add_bias_kv": True, "add_zero_attn": True},
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(same, name, batch_first):
    config = CONFIGS[name]

    def scenario(lib, record):
        m = layer(lib, 4, 2, batch_first=batch_first, **config)
        record(repr(m), list(m.state_dict()), [n for n, _ in m.named_parameters()])
        lead = (lambda n: (2, n)) if batch_first else (lambda n: (n, 2))  # noqa: E731
        q = tensor(lib, *lead(3), 4)
        k, v = tensor(lib, *lead(5), config.get("kdim", 4)), tensor(lib, *lead(5), config.get("vdim", 4))
        padding = bool_mask(lib, 2, 5).logical_not()
        for need_weights in (True, False):
            for average in (True, False):
                for masks in ({}, {"key_padding_mask": padding, "attn_mask": bool_mask(lib, 3, 5).logical_not()}):
                    record(
                        everything(lib, m, q, k, v, need_weights=need_weights, average_attn_weights=average, **masks)
                    )
        if "kdim" not in config and "vdim" not in config:
            record(everything(lib, m, q))

    same(scenario)


@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention_unbatched(same, batch_first):
    def scenario(lib, record):
        m = layer(lib, 4, 2, batch_first=batch_first, add_bias_kv=True)
        record(
            everything(lib, m, tensor(lib, 3, 4)),
            everything(lib, m, tensor(lib, 3, 4), tensor(lib, 5, 4), tensor(lib, 5, 4, seed=2)),
        )
        record(
            everything(
                lib, m, tensor(lib, 3, 4), key_padding_mask=lib.tensor([False, True, False]), average_attn_weights=False
            )
        )
        record(
            everything(lib, m, tensor(lib, 3, 4), attn_mask=bool_mask(lib, 2, 3, 3).logical_not(), need_weights=False)
        )

    same(scenario)


def test_multihead_attention_in_evaluation(same):
    def scenario(lib, record):
        m = layer(lib, 4, 2, dropout=0.5, batch_first=True).eval()
        x = tensor(lib, 2, 3, 4)
        padding = lib.tensor([[False, False, True], [False, True, True]])
        with lib.no_grad():
            record(
                m(x, x, x),
                m(x, x, x, need_weights=False),
                m(x, x, x, key_padding_mask=padding),
                m(x, x, x, average_attn_weights=False),
            )
            record(m(x, x, x, attn_mask=bool_mask(lib, 3, 3).logical_not(), key_padding_mask=padding))
            record(m(x, x, x, attn_mask=bool_mask(lib, 4, 3, 3).logical_not(), need_weights=False))

    same(scenario)


def test_multihead_attention_other_dtypes(same):
    def scenario(lib, record):
        for dtype in (lib.float64, lib.bfloat16):
            m = layer(lib, 4, 2, batch_first=True, dtype=dtype)
            x = tensor(lib, 2, 3, 4).to(dtype)
            record(m(x, x, x), m(x, x, x, need_weights=False, attn_mask=lib.ones(3, 3, dtype=lib.bool).triu(1)))

    same(scenario, tolerance=5e-2)


def test_multihead_attention_constructor_errors(same):
    def scenario(lib, record):
        m = lib.nn.MultiheadAttention
        record.raises(
            lambda: m(0, 1), "embed_dim and num_heads must be greater than 0, got embed_dim=0 and num_heads=1 instead"
        )
        record.raises(
            lambda: m(4, 0), "embed_dim and num_heads must be greater than 0, got embed_dim=4 and num_heads=0 instead"
        )
        record.raises(lambda: m(5, 2), "embed_dim must be divisible by num_heads")

    same(scenario)


def test_multihead_attention_input_errors(same):
    def scenario(lib, record):
        m = layer(lib, 4, 2, batch_first=True)
        x = tensor(lib, 2, 3, 4)
        for action, text in (
            (
                lambda: m(x[0, 0], x, x),
                "query should be unbatched 2D or batched 3D tensor but received 1-D query tensor",
            ),
            (
                lambda: m(x, x[0], x),
                "For batched (3-D) `query`, expected `key` and `value` to be 3-D but found 2-D and 3-D tensors respectively",
            ),
            (
                lambda: m(x, x, x, key_padding_mask=lib.zeros(2, 4)),
                "Expected key_padded_mask.shape[1] to be 3, but got 4",
            ),
            (lambda: m(x, x, x, attn_mask=lib.zeros(2, 2)), "The shape of the 2D attn_mask is"),
            (lambda: m(x, x, x, attn_mask=lib.zeros(2, 3, 3)), "The shape of the 3D attn_mask is"),
            (lambda: m(x[..., :3], x, x), "was expecting embedding dimension of 4, but got 3"),
            (lambda: m(x, x, x[:, :2]), "key shape"),
            (
                lambda: m(x, x, x, attn_mask=lib.zeros(3, 3, dtype=lib.int32)),
                "only bool and floating types of attn_mask are supported",
            ),
            (lambda: m(x, x[:1], x[:1]), ""),
        ):
            record.raises(action, text)

    same(scenario)


def test_multihead_attention_merge_masks(same):
    def scenario(lib, record):
        m = layer(lib, 4, 2, batch_first=True)
        x = tensor(lib, 2, 3, 4)
        pairs, each, padding = tensor(lib, 3, 3), tensor(lib, 4, 3, 3), tensor(lib, 2, 3)
        for attn_mask in (None, pairs, each):
            for key_padding_mask in (None, padding):
                record(m.merge_masks(attn_mask, key_padding_mask, x))

    same(scenario)


def test_multihead_attention_copies_and_old_states(same):
    def scenario(lib, record):
        m = layer(lib, 4, 2, add_bias_kv=True)
        twin = copy.deepcopy(m)
        x = tensor(lib, 3, 2, 4)
        record(twin(x, x, x), twin.in_proj_weight is m.in_proj_weight)
        state = dict(m.__dict__)
        del state["_qkv_same_embed_dim"]
        old = lib.nn.MultiheadAttention.__new__(lib.nn.MultiheadAttention)
        old.__setstate__(state)
        record(old(x, x, x))

    same(scenario)


def test_multihead_attention_trains(same):
    def scenario(lib, record):
        m = layer(lib, 4, 2, batch_first=True)
        optimizer = lib.optim.SGD(m.parameters(), lr=0.1)
        for i in range(5):
            optimizer.zero_grad()
            x = tensor(lib, 2, 3, 4, seed=i)
            m(x, x, x, need_weights=False)[0].square().sum().backward()
            optimizer.step()
        record(dict(m.state_dict()))

    same(scenario, tolerance=1e-4)
