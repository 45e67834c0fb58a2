"""F.multi_head_attention_forward with every argument against torch."""

import pytest
from harness import bool_mask, tensor

INF = float("inf")


def weights(lib, embed=4, kdim=None, vdim=None):
    out = {
        "in_proj_weight": tensor(lib, 3 * embed, embed, seed=1, grad=True),
        "in_proj_bias": tensor(lib, 3 * embed, seed=2, grad=True),
        "out_proj_weight": tensor(lib, embed, embed, seed=3, grad=True),
        "out_proj_bias": tensor(lib, embed, seed=4, grad=True),
    }
    if kdim or vdim:
        out["q_proj_weight"] = tensor(lib, embed, embed, seed=5, grad=True)
        out["k_proj_weight"] = tensor(lib, embed, kdim or embed, seed=6, grad=True)
        out["v_proj_weight"] = tensor(lib, embed, vdim or embed, seed=7, grad=True)
    return out


def forward(lib, q, k, v, w, heads=2, **kwargs):
    defaults = {"bias_k": None, "bias_v": None, "add_zero_attn": False, "dropout_p": 0.0}
    separate = "q_proj_weight" in w
    if separate:
        w = {**w, "in_proj_weight": None, "use_separate_proj_weight": True}
    return lib.nn.functional.multi_head_attention_forward(
        q, k, v, embed_dim_to_check=w["out_proj_weight"].shape[0], num_heads=heads, **{**defaults, **w, **kwargs}
    )


def full(lib, q, k, v, w, **kwargs):
    """Return output, weights and every gradient."""
    leaves = list(
        {id(t): t for t in (q, k, v, *w.values(), kwargs.get("bias_k"), kwargs.get("bias_v")) if t is not None}.values()
    )
    for leaf in leaves:
        leaf.grad = None
    out, attn = forward(lib, q, k, v, w, **kwargs)
    loss = (out * tensor(lib, *out.shape, seed=9)).sum()
    if attn is not None:
        loss = loss + (attn * tensor(lib, *attn.shape, seed=8)).sum()
    loss.backward()
    return [out, attn, [leaf.grad for leaf in leaves]]


def triple(lib, rows=3, columns=5, batch=2, embed=4, kdim=None, vdim=None):
    return (
        tensor(lib, rows, batch, embed, seed=11, grad=True),
        tensor(lib, columns, batch, kdim or embed, seed=12, grad=True),
        tensor(lib, columns, batch, vdim or embed, seed=13, grad=True),
    )


@pytest.mark.parametrize("need_weights", [True, False])
def test_mha_forward_with_and_without_weights(same, need_weights):
    def scenario(lib, record):
        q, k, v = triple(lib)
        record(full(lib, q, k, v, weights(lib), need_weights=need_weights))
        record(
            full(lib, q, k, k, weights(lib), need_weights=need_weights),
            full(lib, q, q, q, weights(lib), need_weights=need_weights),
        )
        record(full(lib, q, k, v, weights(lib), need_weights=need_weights, average_attn_weights=False))

    same(scenario)


@pytest.mark.parametrize("need_weights", [True, False])
def test_mha_forward_masks(same, need_weights):
    def scenario(lib, record):
        q, k, v = triple(lib)
        pairs = bool_mask(lib, 3, 5).logical_not()
        each = bool_mask(lib, 4, 3, 5, seed=1).logical_not()
        padding = bool_mask(lib, 2, 5, seed=2).logical_not()
        as_float = lambda m: lib.zeros(m.shape).masked_fill(m, -INF)  # noqa: E731
        for attn_mask in (None, pairs, each, as_float(pairs), as_float(each), tensor(lib, 3, 5, seed=3)):
            for key_padding_mask in (None, padding, as_float(padding), tensor(lib, 2, 5, seed=6)):
                record(
                    full(
                        lib,
                        q,
                        k,
                        v,
                        weights(lib),
                        need_weights=need_weights,
                        attn_mask=attn_mask,
                        key_padding_mask=key_padding_mask,
                    )
                )

    same(scenario)


@pytest.mark.parametrize("need_weights", [True, False])
def test_mha_forward_extra_keys(same, need_weights):
    def scenario(lib, record):
        q, k, v = triple(lib)
        bias = {"bias_k": tensor(lib, 1, 1, 4, seed=20, grad=True), "bias_v": tensor(lib, 1, 1, 4, seed=21, grad=True)}
        pairs = bool_mask(lib, 3, 5).logical_not()
        padding = bool_mask(lib, 2, 5, seed=2).logical_not()
        for extra in (bias, {"add_zero_attn": True}, {**bias, "add_zero_attn": True}):
            for masks in (
                {},
                {"attn_mask": pairs},
                {"key_padding_mask": padding},
                {"attn_mask": pairs, "key_padding_mask": padding},
            ):
                record(full(lib, q, k, v, weights(lib), need_weights=need_weights, **extra, **masks))

    same(scenario)


@pytest.mark.parametrize("need_weights", [True, False])
def test_mha_forward_separate_projections(same, need_weights):
    def scenario(lib, record):
        q, k, v = triple(lib, kdim=3, vdim=6)
        w = weights(lib, kdim=3, vdim=6)
        w["in_proj_weight"] = w["in_proj_weight"].detach()
        record(full(lib, q, k, v, w, need_weights=need_weights))
        w["in_proj_bias"] = w["out_proj_bias"] = None
        record(full(lib, q, k, v, w, need_weights=need_weights))

    same(scenario)


@pytest.mark.parametrize("need_weights", [True, False])
def test_mha_forward_static_keys(same, need_weights):
    def scenario(lib, record):
        q, k, v = triple(lib)
        static_k, static_v = tensor(lib, 4, 7, 2, seed=30), tensor(lib, 4, 7, 2, seed=31)
        record(forward(lib, q, k, v, weights(lib), need_weights=need_weights, static_k=static_k, static_v=static_v))
        record.raises(
            lambda: forward(lib, q, k, v, weights(lib), static_k=static_k[:3], static_v=static_v),
            "expecting static_k.size(0) of 4, but got 3",
        )
        record.raises(
            lambda: forward(lib, q, k, v, weights(lib), static_k=static_k, static_v=static_v[..., :1]),
            "expecting static_v.size(2) of 2, but got 1",
        )
        bias = {"bias_k": lib.ones(1, 1, 4), "bias_v": lib.ones(1, 1, 4)}
        record.raises(
            lambda: forward(lib, q, k, v, weights(lib), static_k=static_k, **bias),
            "bias cannot be added to static key.",
        )
        record.raises(
            lambda: forward(lib, q, k, v, weights(lib), static_v=static_v, **bias),
            "bias cannot be added to static value.",
        )

    same(scenario)


@pytest.mark.parametrize("need_weights", [True, False])
def test_mha_forward_unbatched(same, need_weights):
    def scenario(lib, record):
        q, k, v = (tensor(lib, n, 4, seed=i, grad=True) for i, n in enumerate((3, 5, 5)))
        record(full(lib, q, k, v, weights(lib), need_weights=need_weights))
        record(
            full(lib, q, k, v, weights(lib), need_weights=need_weights, attn_mask=bool_mask(lib, 2, 3, 5).logical_not())
        )
        record(
            full(
                lib, q, k, v, weights(lib), need_weights=need_weights, key_padding_mask=bool_mask(lib, 5).logical_not()
            )
        )
        record(full(lib, q, k, v, weights(lib), need_weights=need_weights, average_attn_weights=False))

    same(scenario)


def test_mha_forward_causal_hint(same):
    def scenario(lib, record):
        q, k, v = triple(lib, rows=4, columns=4)
        mask = lib.nn.Transformer.generate_square_subsequent_mask(4)
        padding = bool_mask(lib, 2, 4, seed=2).logical_not()
        for need_weights in (True, False):
            record(full(lib, q, k, v, weights(lib), attn_mask=mask, is_causal=True, need_weights=need_weights))
            record(full(lib, q, k, v, weights(lib), attn_mask=mask == -INF, is_causal=True, need_weights=need_weights))
            record(
                full(
                    lib,
                    q,
                    k,
                    v,
                    weights(lib),
                    attn_mask=mask,
                    is_causal=True,
                    need_weights=need_weights,
                    key_padding_mask=padding,
                )
            )

    same(scenario)


def test_mha_forward_dropout_only_in_training(same):
    def scenario(lib, record):
        q, k, v = triple(lib)
        for need_weights in (True, False):
            record(forward(lib, q, k, v, weights(lib), dropout_p=0.9, training=False, need_weights=need_weights))
            out, attn = forward(lib, q, k, v, weights(lib), dropout_p=1.0, training=True, need_weights=need_weights)
            record(out, attn)

    same(scenario)


def test_mha_forward_shape_errors(same):
    def scenario(lib, record):
        q, k, v = triple(lib)
        w = weights(lib)
        for action, text in (
            (
                lambda: forward(lib, q[0, 0], k, v, w),
                "query should be unbatched 2D or batched 3D tensor but received 1-D query tensor",
            ),
            (
                lambda: forward(lib, q, k[:, 0], v, w),
                "For batched (3-D) `query`, expected `key` and `value` to be 3-D but found 2-D and 3-D tensors respectively",
            ),
            (
                lambda: forward(lib, q[:, 0], k, v, w),
                "For unbatched (2-D) `query`, expected `key` and `value` to be 2-D but found 3-D and 3-D tensors respectively",
            ),
            (
                lambda: forward(lib, q, k, v, w, key_padding_mask=lib.zeros(5)),
                "For batched (3-D) `query`, expected `key_padding_mask` to be `None` or 2-D but found 1-D tensor instead",
            ),
            (
                lambda: forward(lib, q, k, v, w, attn_mask=lib.zeros(5)),
                "For batched (3-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found 1-D tensor instead",
            ),
            (lambda: forward(lib, q, k, v, w, attn_mask=lib.zeros(3, 4)), "The shape of the 2D attn_mask is"),
            (lambda: forward(lib, q, k, v, w, attn_mask=lib.zeros(2, 3, 5)), "The shape of the 3D attn_mask is"),
            (
                lambda: forward(lib, q, k, v, w, key_padding_mask=lib.zeros(3, 5)),
                "Expected key_padded_mask.shape[0] to be 2, but got 3",
            ),
            (
                lambda: forward(lib, q, k, v, w, key_padding_mask=lib.zeros(2, 4)),
                "Expected key_padded_mask.shape[1] to be 5, but got 4",
            ),
            (
                lambda: forward(lib, q, k, v, w, key_padding_mask=lib.zeros(2, 5, dtype=lib.int64)),
                "only bool and floating types of key_padding_mask are supported",
            ),
            (
                lambda: forward(lib, q, k, v, w, attn_mask=lib.zeros(3, 5, dtype=lib.uint8)),
                "only bool and floating types of attn_mask are supported",
            ),
            (lambda: forward(lib, q[..., :3], k, v, w), "was expecting embedding dimension of 4, but got 3"),
            (lambda: forward(lib, q, k, v, w, heads=3), "embed_dim 4 not divisible by num_heads 3"),
            (lambda: forward(lib, q, k, v[:4], w), "key shape"),
            (lambda: forward(lib, q, k, v, w, bias_k=lib.ones(1, 1, 4)), "bias_k is set but bias_v is None"),
            (lambda: forward(lib, q, k, v, w, bias_v=lib.ones(1, 1, 4)), "bias_v is set but bias_k is None"),
            (
                lambda: forward(lib, q, k, v, {**w, "in_proj_weight": None}),
                "use_separate_proj_weight is False but in_proj_weight is None",
            ),
            (
                lambda: forward(lib, q, k, v, w, use_separate_proj_weight=True),
                "use_separate_proj_weight is True but q_proj_weight is None",
            ),
            (
                lambda: forward(lib, q[:, 0], k[:, 0], v[:, 0], w, attn_mask=lib.zeros(3, 3, 5)),
                "Expected `attn_mask` shape to be (2, 3, 5) but got",
            ),
            (lambda: forward(lib, q, k[:, :1], v[:, :1], w), ""),
        ):
            record.raises(action, text)

    same(scenario)


def test_the_parts_that_copied_code_imports(same):
    def scenario(lib, record):
        F = lib.nn.functional
        q, k, v = (t.detach() for t in triple(lib))
        w, b = weights(lib)["in_proj_weight"], weights(lib)["in_proj_bias"]
        for inputs in ((q, k, v), (q, k, k), (q, q, q)):
            record(*F._in_projection_packed(*inputs, w, b), *F._in_projection_packed(*inputs, w))
        record(*F._in_projection(q, k, v, *w.chunk(3)), *F._in_projection(q, k, v, *w.chunk(3), *b.chunk(3)))
        record(F._mha_shape_check(q, k, v, None, None, 2), F._mha_shape_check(q[0], k[0], v[0], None, None, 2))
        mask = bool_mask(lib, 2, 5).logical_not()
        make = lambda m, **kw: F._canonical_mask(m, "src_mask", F._none_or_dtype(q), "mask", lib.float32, **kw)  # noqa: E731
        record(record.warns(lambda: make(mask), "Support for mismatched src_mask and mask is deprecated"))
        record(record.warns(lambda: make(mask, check_other=False)), make(lib.zeros(2)), make(None))
        record.raises(
            lambda: make(lib.zeros(2, dtype=lib.int32)), "only bool and floating types of src_mask are supported"
        )

    same(scenario)


def test_mismatched_mask_types_warn(same):
    def scenario(lib, record):
        q, k, v = triple(lib)
        w = weights(lib)
        padding = bool_mask(lib, 2, 5).logical_not()
        call = lambda **kw: record(
            record.warns(
                lambda: forward(lib, q, k, v, w, **kw),
                "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.",
            )
        )  # noqa: E731
        call(key_padding_mask=padding, attn_mask=lib.zeros(3, 5))
        call(key_padding_mask=padding, attn_mask=bool_mask(lib, 3, 5).logical_not())
        call(key_padding_mask=padding)
        call(key_padding_mask=lib.zeros(2, 5), attn_mask=lib.zeros(3, 5))

    same(scenario)
