"""Where rsnn differs from torch on purpose (docs/differences.md): every difference is there, and the page's examples run."""

import copy
import doctest
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import rsnn

nn, F = rsnn.nn, rsnn.nn.functional
INF = float("inf")


def random(*shape, seed=0, dtype=rsnn.float32, grad=True):
    rsnn.manual_seed(seed + sum(shape))
    return rsnn.randn(*shape, dtype=rsnn.float64).to(dtype).requires_grad_(grad)


def test_the_examples_of_the_page_run():
    threads = rsnn.get_num_threads()
    page = Path(__file__).parents[2] / "docs" / "differences.md"
    try:
        found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    finally:
        rsnn.set_num_threads(threads)
    assert found.attempted > 30 and found.failed == 0


# Fully masked rows


def hiding(kind, shape):
    """Return a mask that hides everything from row 1, as bool (True takes part) or as numbers to be added."""
    keep = rsnn.ones(*shape, dtype=rsnn.bool)
    keep[..., 1, :] = False
    return keep if kind == "bool" else rsnn.zeros(*shape).masked_fill(~keep, -INF)


@pytest.mark.parametrize("dtype", [rsnn.float32, rsnn.float64, rsnn.bfloat16, rsnn.float16])
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_masked_rows_of_sdpa_are_zero_with_finite_gradients(kind, dropout, dtype):
    q, k, v = (random(2, 3, 4, 8, seed=i, dtype=dtype) for i in range(3))
    mask = hiding(kind, (4, 4))
    out = F.scaled_dot_product_attention(q, k, v, mask if kind == "bool" else mask.to(dtype), dropout_p=dropout)
    assert (out[:, :, 1] == 0).all() and (out[:, :, 0] != 0).any()
    out.float().square().sum().backward()
    assert all(t.grad.isfinite().all() for t in (q, k, v)) and (q.grad[:, :, 1] == 0).all()


def test_masked_rows_have_finite_second_derivatives():
    q = random(1, 1, 4, 3)
    for mask in (hiding("bool", (4, 4)), hiding("float", (4, 4))):
        (g,) = rsnn.autograd.grad(F.scaled_dot_product_attention(q, q, q, mask).square().sum(), q, create_graph=True)
        (second,) = rsnn.autograd.grad(g.square().sum(), q)
        assert second.isfinite().all() and second.abs().sum() > 0


def test_no_keys_at_all():
    q, k = random(1, 2, 3, 4), rsnn.zeros(1, 2, 0, 4)
    assert F.scaled_dot_product_attention(q, k, k).tolist() == rsnn.zeros(1, 2, 3, 4).tolist()


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ["padding", "pairs", "both", "padding -inf", "pairs -inf"])
def test_masked_rows_of_multihead_attention(need_weights, kind):
    rsnn.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    nn.init.normal_(layer.out_proj.bias)
    x = random(2, 3, 4)
    padding, pairs = rsnn.zeros(2, 3, dtype=rsnn.bool), rsnn.zeros(3, 3, dtype=rsnn.bool)
    if kind.startswith("padding"):
        padding[1] = True
    elif kind.startswith("pairs"):
        pairs[1] = True
    else:
        # Neither hides all, the two together do.
        padding[1, :2] = True
        pairs[1, 2] = True
    masks = {"key_padding_mask": padding, "attn_mask": pairs}
    if kind.endswith("-inf"):
        masks = {key: rsnn.zeros(m.shape).masked_fill(m, -INF) for key, m in masks.items()}
    out, weights = layer(x, x, x, need_weights=need_weights, average_attn_weights=False, **masks)
    row = out[1, 1] if kind != "pairs" and kind != "pairs -inf" else out[0, 1]
    assert row.tolist() == layer.out_proj.bias.tolist()
    if need_weights:
        assert (weights[1, :, 1] == 0).all() and weights.isfinite().all()
    out.square().sum().backward()
    assert x.grad.isfinite().all() and all(p.grad.isfinite().all() for p in layer.parameters())


def test_a_batch_with_an_empty_sample_trains():
    rsnn.manual_seed(0)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True), 2)
    optimizer = rsnn.optim.Adam(model.parameters(), lr=0.01)
    padding = rsnn.tensor([[False, False, True], [True, True, True]])
    for i in range(3):
        optimizer.zero_grad()
        model(random(2, 3, 8, seed=i, grad=False), src_key_padding_mask=padding).square().mean().backward()
        optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())


# is_causal


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("extra", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}])
def test_is_causal_builds_the_mask(need_weights, extra):
    rsnn.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, batch_first=True, **extra)
    x = random(2, 5, 4)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    padding = rsnn.tensor([[False] * 5, [False] * 3 + [True] * 2])
    for masks in ({}, {"key_padding_mask": padding}):
        got, weights = layer(x, x, x, is_causal=True, need_weights=need_weights, **masks)
        expected, expected_weights = layer(x, x, x, attn_mask=mask == -INF, need_weights=need_weights, **masks)
        rsnn.testing.assert_close(got, expected)
        if need_weights:
            rsnn.testing.assert_close(weights, expected_weights)


def test_is_causal_without_a_mask_in_the_whole_stack():
    rsnn.manual_seed(0)
    model = nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, batch_first=True)
    src, tgt = random(2, 4, 8), random(2, 4, 8, seed=1)
    mask = model.generate_square_subsequent_mask(4)
    got = model(src, tgt, src_is_causal=True, tgt_is_causal=True, memory_is_causal=True)
    rsnn.testing.assert_close(got, model(src, tgt, src_mask=mask, tgt_mask=mask, memory_mask=mask))


# One path


def test_training_and_evaluation_agree_bit_for_bit():
    rsnn.manual_seed(0)
    for norm_first in (False, True):
        layer = nn.TransformerEncoderLayer(16, 4, 32, 0.0, "gelu", batch_first=True, norm_first=norm_first)
        model = nn.TransformerEncoder(layer, 3, nn.LayerNorm(16))
        x = random(3, 7, 16)
        padding = rsnn.tensor([[False] * 7, [False] * 4 + [True] * 3, [False] * 6 + [True]])
        padding[:, 6] = True  # nobody has a last position: it is computed all the same
        trained = model(x, src_key_padding_mask=padding)
        model.eval()
        with rsnn.no_grad():
            for evaluated in (model(x, src_key_padding_mask=padding), model(x.detach(), None, padding)):
                assert evaluated.shape == x.shape and (evaluated == trained).all()


# out_proj


def test_hooks_on_out_proj_run():
    layer, seen = nn.MultiheadAttention(4, 2), []
    layer.out_proj.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
    layer.out_proj.register_full_backward_hook(lambda module, grad_in, grad_out: seen.append("backward"))
    x = random(3, 2, 4)
    for need_weights in (True, False):
        layer(x, x, x, need_weights=need_weights)[0].sum().backward()
    assert seen == [(2, 3, 4), "backward"] * 2


def test_replaced_pruned_and_parametrized_out_proj_takes_effect():
    class LoRA(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.a, self.b = base, nn.Linear(4, 1, bias=False), nn.Linear(1, 4, bias=False)

        def forward(self, x):
            return self.base(x) + self.b(self.a(x))

    rsnn.manual_seed(0)
    x = random(3, 2, 4)
    layer = nn.MultiheadAttention(4, 2)
    plain = layer(x, x, x)[0]
    adapted = copy.deepcopy(layer)
    adapted.out_proj = LoRA(adapted.out_proj)
    out = adapted(x, x, x)[0]
    out.sum().backward()
    assert (out != plain).any() and adapted.out_proj.a.weight.grad is not None
    pruned = copy.deepcopy(layer)
    nn.utils.prune.l1_unstructured(pruned.out_proj, "weight", 1.0)
    assert (pruned(x, x, x)[0] == 0).all()
    normed = copy.deepcopy(layer)
    nn.utils.spectral_norm(normed.out_proj)
    u = normed.out_proj.weight_u.clone()
    normed(x, x, x)
    assert (normed.out_proj.weight_u != u).any()


# Second derivatives


@pytest.mark.parametrize(
    "f",
    [
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, hiding("bool", (3, 3))),
        lambda q, k, v: F.scaled_dot_product_attention(
            q, k, v, random(3, 3, dtype=rsnn.float64, grad=False), scale=0.3
        ),
        lambda q, k, v: F.scaled_dot_product_attention(q, k[:, :1], v[:, :1], enable_gqa=True),
    ],
)
def test_second_derivatives_of_attention(f):
    inputs = tuple(random(1, 2, 3, 2, seed=i, dtype=rsnn.float64) for i in range(3))
    assert rsnn.autograd.gradgradcheck(f, inputs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm1d(2), lambda: nn.LayerNorm(3), lambda: nn.GroupNorm(1, 2), lambda: nn.RMSNorm(3),
        lambda: nn.Conv1d(2, 2, 2), lambda: nn.Linear(3, 2), lambda: nn.GELU(), lambda: nn.Softmax(-1), lambda: nn.MaxPool1d(2, 1),
        lambda: nn.AvgPool1d(2), lambda: nn.GRU(3, 2), lambda: nn.LSTM(3, 2), lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 2), nn.LogSoftmax(-1)),
    ],
)  # fmt: skip
def test_second_derivatives_of_layers(make):
    rsnn.manual_seed(0)
    module = make().double()
    first = lambda out: out[0] if isinstance(out, tuple) else out  # noqa: E731
    assert rsnn.autograd.gradgradcheck(lambda x: first(module(x)), (random(2, 2, 3, dtype=rsnn.float64),))


# Checkpoints


def test_assign_keeps_ties():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(3, 2), nn.Linear(2, 3, bias=False)
            self.head.weight = self.embed.weight

    model = Tied()
    file = io.BytesIO()
    rsnn.save({key: t.clone() for key, t in model.state_dict().items()}, file)
    file.seek(0)
    model.load_state_dict(rsnn.load(file), assign=True)
    assert model.head.weight is model.embed.weight and len(list(model.parameters())) == 1


def test_a_hostile_file_does_not_run(torch, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    file = tmp_path / "file.pt"
    for write in (
        *(lambda p=p: file.write_bytes(pickle.dumps({"weight": Hostile()}, p)) for p in (2, 3, 4, 5)),
        lambda: torch.save(Hostile(), file),
        lambda: torch.save([Hostile()], file, _use_new_zipfile_serialization=False),
    ):
        write()
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            rsnn.load(file)
    assert not (tmp_path / "ran").exists()


# Threads

PROGRAM = """
import hashlib, sys
import rsnn
from rsnn import nn
rsnn.set_num_threads(int(sys.argv[1]))
rsnn.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(2), nn.Linear(64, 64), nn.LayerNorm(64),
    nn.TransformerEncoderLayer(64, 4, 128, 0.1, batch_first=True), nn.Dropout(0.2), nn.Flatten(), nn.Linear(512, 10),
)
optimizer = rsnn.optim.AdamW(model.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(rsnn.randn(16, 3, 16, 16)), rsnn.randint(0, 10, (16,))).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
digest = hashlib.sha256()
for t in model.state_dict().values():
    digest.update(t.numpy().tobytes())
print(digest.hexdigest())
"""


def test_results_do_not_depend_on_the_number_of_threads():
    path = os.pathsep.join([str(Path(rsnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, threads],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": path},
        ).stdout
        for threads in ("1", "2", "3")
    }
    assert len(digests) == 1


# Errors


def test_errors_carry_the_path_of_the_module(torch):
    def build(lib):
        return lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ModuleDict({"a": lib.nn.Linear(3, 3)})["a"])

    with pytest.raises(RuntimeError) as expected:
        build(torch)(torch.ones(1, 2))
    with pytest.raises(RuntimeError) as got:
        build(rsnn)(rsnn.ones(1, 2))
    assert str(got.value) == f"{expected.value} [in 1 (Linear)]"


# Smaller ones


def test_unpad_sequence_leaves_its_argument(torch):
    padded = rsnn.zeros(3, 2, 1)
    nn.utils.rnn.unpad_sequence(padded, rsnn.tensor([3, 1]))
    assert tuple(padded.shape) == (3, 2, 1)


def test_lengths_beyond_the_input_are_refused():
    with pytest.raises(RuntimeError, match="Expected lengths of at most 5, but got 9"):
        nn.utils.rnn.pack_padded_sequence(rsnn.zeros(5, 2, 1), [9, 1])


def test_a_sum_of_masks_that_reaches_minus_infinity_counts_as_masked():
    rsnn.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    x, low = random(1, 3, 4), rsnn.finfo(rsnn.float32).min
    for need_weights in (True, False):
        out, _ = layer(
            x,
            x,
            x,
            key_padding_mask=rsnn.full((1, 3), low),
            attn_mask=rsnn.full((3, 3), low),
            need_weights=need_weights,
        )
        assert out.isfinite().all()
