"""scaled_dot_product_attention with masks of every form against torch."""

import importlib
import math

import pytest
from harness import bool_mask, tensor

INF = float("inf")


def qkv(lib, batch=2, heads=4, rows=5, columns=6, size=4, value_size=None, kv_heads=None, dtype="float32"):
    shapes = [
        (batch, heads, rows, size),
        (batch, kv_heads or heads, columns, size),
        (batch, kv_heads or heads, columns, value_size or size),
    ]
    return [tensor(lib, *s, seed=i, grad=True, dtype=dtype) for i, s in enumerate(shapes)]


def attend(lib, *inputs, **kwargs):
    """Return the output and the gradients of the inputs."""
    out = lib.nn.functional.scaled_dot_product_attention(*inputs, **kwargs)
    (out * tensor(lib, *out.shape, seed=9).to(out.dtype)).sum().backward()
    mask = kwargs.get("attn_mask")
    grads = [t.grad for t in inputs]
    return [out, *grads, mask.grad if mask is not None and mask.is_floating_point() else None]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_sdpa_plain(same, dtype):
    def scenario(lib, record):
        inputs = [t.detach().to(getattr(lib, dtype)).requires_grad_() for t in qkv(lib)]
        record(attend(lib, *inputs))

    same(scenario, tolerance={"bfloat16": 5e-2, "float16": 1e-2}.get(dtype))


def test_sdpa_value_of_another_size(same):
    def scenario(lib, record):
        record(attend(lib, *qkv(lib, value_size=7)), attend(lib, *qkv(lib, value_size=1, size=3)))

    same(scenario)


@pytest.mark.parametrize("scale", [1.0, 0.1, 2.5, 0.0, -1.0])
def test_sdpa_scale(same, scale):
    def scenario(lib, record):
        record(attend(lib, *qkv(lib), scale=scale), attend(lib, *qkv(lib), scale=scale, attn_mask=bool_mask(lib, 5, 6)))

    same(scenario)


@pytest.mark.parametrize("rows,columns", [(5, 5), (3, 6), (6, 3), (1, 4), (4, 1)])
def test_sdpa_causal(same, rows, columns):
    def scenario(lib, record):
        record(attend(lib, *qkv(lib, rows=rows, columns=columns), is_causal=True))

    same(scenario)


@pytest.mark.parametrize(
    "shape", [(5, 6), (1, 6), (1, 5, 6), (2, 1, 5, 6), (2, 1, 1, 6), (1, 4, 5, 6), (2, 4, 5, 6), (2, 4, 1, 6)]
)
def test_sdpa_bool_masks_broadcast(same, shape):
    def scenario(lib, record):
        record(attend(lib, *qkv(lib), attn_mask=bool_mask(lib, *shape)))

    same(scenario)


@pytest.mark.parametrize("shape", [(5, 6), (1, 6), (2, 1, 1, 6), (4, 5, 6), (2, 4, 5, 6)])
def test_sdpa_float_masks_broadcast_and_have_gradients(same, shape):
    def scenario(lib, record):
        record(attend(lib, *qkv(lib), attn_mask=tensor(lib, *shape, seed=4)))
        mask = tensor(lib, *shape, seed=4, grad=True)
        record(attend(lib, *qkv(lib), attn_mask=mask))

    same(scenario)


def test_sdpa_minus_infinity_and_the_smallest_number(same):
    def scenario(lib, record):
        allowed = bool_mask(lib, 5, 6)
        for low in (-INF, lib.finfo(lib.float32).min, -1e9):
            mask = lib.zeros(5, 6).masked_fill(allowed.logical_not(), low)
            record(attend(lib, *qkv(lib), attn_mask=mask))

    same(scenario)


def test_sdpa_rows_masked_with_the_smallest_number_only(same):
    def scenario(lib, record):
        mask = lib.zeros(5, 6)
        mask[1] = lib.finfo(lib.float32).min
        mask[3, :] = -1e9
        record(attend(lib, *qkv(lib), attn_mask=mask))

    same(scenario)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_sdpa_grouped_heads(same, kv_heads):
    def scenario(lib, record):
        record(attend(lib, *qkv(lib, kv_heads=kv_heads), enable_gqa=True))
        record(attend(lib, *qkv(lib, kv_heads=kv_heads, columns=5), enable_gqa=True, is_causal=True))
        record(attend(lib, *qkv(lib, kv_heads=kv_heads), enable_gqa=True, attn_mask=bool_mask(lib, 2, 1, 5, 6)))

    same(scenario)


def test_sdpa_shapes(same):
    def scenario(lib, record):
        f = lib.nn.functional.scaled_dot_product_attention
        x = [tensor(lib, 5, 4, seed=i) for i in range(3)]
        record(f(*x), f(*(t.unsqueeze(0) for t in x)), f(*(t.view(1, 1, 1, 5, 4) for t in x)))
        record(
            f(*(tensor(lib, 2, 0, 4) for _ in range(3))),
            f(tensor(lib, 2, 3, 4), tensor(lib, 2, 0, 4), tensor(lib, 2, 0, 4)),
        )
        record(f(*(tensor(lib, 0, 3, 4) for _ in range(3))))
        # A batch of one for keys serves all queries.
        record(f(tensor(lib, 3, 2, 5, 4), tensor(lib, 1, 2, 5, 4), tensor(lib, 1, 2, 5, 4)))

    same(scenario)


def test_sdpa_strided_inputs(same):
    def scenario(lib, record):
        packed = tensor(lib, 2, 5, 3, 4, 6, grad=True)
        q, k, v = (t.transpose(1, 2) for t in packed.unbind(2))
        out = lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out.square().sum().backward()
        record(out, packed.grad)

    same(scenario)


def test_sdpa_long_sequences(same):
    def scenario(lib, record):
        inputs = qkv(lib, batch=1, heads=2, rows=150, columns=200, size=16)
        record(attend(lib, *inputs), attend(lib, *qkv(lib, 1, 2, 130, 130, 8), is_causal=True))
        record(attend(lib, *qkv(lib, 1, 2, 70, 90, 8), attn_mask=bool_mask(lib, 1, 1, 70, 90)))

    same(scenario)


def test_sdpa_extreme_scores(same):
    def scenario(lib, record):
        q, k, v = qkv(lib)
        out = lib.nn.functional.scaled_dot_product_attention(q * 1e4, k * 10, v)
        record(out)
        mask = lib.full((5, 6), 1e30)
        record(lib.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask))

    same(scenario)


def test_sdpa_dropout(same):
    def scenario(lib, record):
        f = lib.nn.functional.scaled_dot_product_attention
        q, k = lib.zeros(1, 1, 50, 2), lib.zeros(1, 1, 40, 2)
        lib.manual_seed(0)
        out = f(q, k, lib.ones(1, 1, 40, 1), dropout_p=0.5)
        # Kept weights are doubled: the mean stays, within the noise of 2000 draws.
        record(abs(out.mean().item() - 1.0) < 0.1, out.std().item() > 0.05)
        record(f(q, k, lib.ones(1, 1, 40, 1), dropout_p=1.0), f(q, k, lib.ones(1, 1, 40, 1), dropout_p=0.0))
        record.raises(lambda: f(q, k, k, dropout_p=1.5), "dropout probability has to be between 0 and 1, but got 1.5")

    same(scenario)


def test_sdpa_causal_and_a_mask(same):
    def scenario(lib, record):
        # torch refuses the two together where its fused kernel does not run.
        for mask in (
            tensor(lib, 5, 6, seed=4),
            tensor(lib, 2, 4, 5, 6, seed=4),
            bool_mask(lib, 5, 6),
            bool_mask(lib, 2, 1, 1, 6),
        ):
            record(attend(lib, *qkv(lib), attn_mask=mask, is_causal=True))

    same(scenario)


def test_sdpa_causal_biases(same):
    def scenario(lib, record):
        bias = importlib.import_module(f"{lib.__name__}.nn.attention.bias")
        for rows, columns in ((5, 5), (3, 6), (1, 4)):
            inputs = [t.detach() for t in qkv(lib, rows=rows, columns=columns)]
            f = lib.nn.functional.scaled_dot_product_attention
            record(f(*inputs, attn_mask=bias.causal_lower_right(rows, columns)))
            record(f(*inputs, attn_mask=bias.causal_upper_left(rows, columns)))
        record.raises(lambda: bias.causal_lower_right(3))

    same(scenario)


def test_sdpa_errors(same):
    def scenario(lib, record):
        f = lib.nn.functional.scaled_dot_product_attention
        q, k, v = (t.detach() for t in qkv(lib))
        record.raises(
            lambda: f(q, k.double(), v), "Expected query, key, and value to have the same dtype, but got query.dtype: "
        )
        record.raises(
            lambda: f(lib.ones(4), k, v),
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: 1",
        )
        record.raises(
            lambda: f(q, k, v, attn_mask=lib.zeros(5, 6, dtype=lib.int64)),
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ",
        )
        record.raises(lambda: f(q, k[..., :3], v))
        record.raises(
            lambda: f(q, k[:, :3], v[:, :3], enable_gqa=True),
            "Number of heads in key and value must divide the number of heads in",
        )
        record.raises(lambda: f(q, k, v, attn_mask=bool_mask(lib, 4, 6)))

    same(scenario)


def test_sdpa_double_mask_with_float_query(same):
    def scenario(lib, record):
        q, k, v = (t.detach() for t in qkv(lib))
        record.raises(
            lambda: lib.nn.functional.scaled_dot_product_attention(
                q, k, v, attn_mask=lib.zeros(5, 6, dtype=lib.float64)
            ),
            "attn_mask dtype",
        )
        record(
            lib.nn.functional.scaled_dot_product_attention(
                q.double(), k.double(), v.double(), attn_mask=lib.zeros(5, 6)
            )
        )

    same(scenario)


def test_sdpa_kernel_choices(same):
    def scenario(lib, record):
        attention = lib.nn.attention
        B = attention.SDPBackend
        f = lib.nn.functional.scaled_dot_product_attention
        q, k, v = (t.detach() for t in qkv(lib))
        for backends in (B.MATH, [B.MATH], [B.FLASH_ATTENTION, B.MATH], [B.MATH, B.MATH]):
            with attention.sdpa_kernel(backends):
                record(f(q, k, v))
        with attention.sdpa_kernel([B.MATH, B.FLASH_ATTENTION], set_priority=True):
            record(f(q, k, v))

        @attention.sdpa_kernel(B.MATH)
        def decorated():
            return f(q, k, v)

        record(decorated(), decorated())

        def wrong(value):
            with attention.sdpa_kernel(value):
                pass

        record.raises(
            lambda: wrong("math"), "Backend must be an instance of SDPBackend or a list of SDPBackend instances"
        )
        record(
            [
                int(getattr(B, n).value)
                for n in ("ERROR", "MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION")
            ]
        )

    same(scenario)


def test_scores_do_not_overflow_in_half_precision(same):
    def scenario(lib, record):
        q = lib.full((1, 1, 2, 64), 60.0, dtype=lib.float16)
        record(lib.nn.functional.scaled_dot_product_attention(q, q, q, scale=1 / math.sqrt(64)))

    same(scenario)
