"""The Transformer stack: layers, encoder, decoder and the whole, masks and hints, checkpoints of torch."""

import copy
import io

import numpy as np
import pytest
from harness import fill, numbers, tensor

INF = float("inf")


def causal(lib, size):
    return lib.nn.Transformer.generate_square_subsequent_mask(size)


def padding(lib, rows=2, columns=4):
    """Return a mask that hides the end of the second row."""
    mask = np.zeros((rows, columns), dtype=bool)
    mask[1, 2:] = True
    return lib.from_numpy(mask)


def everything(lib, m, *inputs, **kwargs):
    """Return the output and the gradients of inputs and parameters."""
    m.zero_grad()
    inputs = [t.detach().clone().requires_grad_() for t in inputs]
    out = m(*inputs, **kwargs)
    (out * tensor(lib, *out.shape, seed=9).to(out.dtype)).sum().backward()
    return [out, [t.grad for t in inputs], [p.grad for p in m.parameters()]]


LAYER_OPTIONS = {
    "plain": {},
    "norm first": {"norm_first": True},
    "gelu": {"activation": "gelu"},
    "no bias": {"bias": False},
    "eps": {"layer_norm_eps": 0.1},
    "norm first gelu no bias": {"norm_first": True, "activation": "gelu", "bias": False},
}


@pytest.mark.parametrize("name", LAYER_OPTIONS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_encoder_layer(same, name, batch_first):
    def scenario(lib, record):
        m = fill(
            lib, lib.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=batch_first, **LAYER_OPTIONS[name])
        )
        x = tensor(lib, 2, 4, 4) if batch_first else tensor(lib, 4, 2, 4)
        record(repr(m), list(m.state_dict()), [n for n, _ in m.named_modules()])
        record(everything(lib, m, x), everything(lib, m, x, src_mask=causal(lib, 4)))
        record(everything(lib, m, x, src_key_padding_mask=padding(lib)))
        record(everything(lib, m, x, src_mask=causal(lib, 4) == -INF, src_key_padding_mask=padding(lib)))
        record(everything(lib, m, x, src_mask=causal(lib, 4), is_causal=True), everything(lib, m, tensor(lib, 4, 4)))
        record(everything(lib, m, x, src_mask=tensor(lib, 4, 4, 4, seed=5)))

    same(scenario)


@pytest.mark.parametrize("name", LAYER_OPTIONS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_decoder_layer(same, name, batch_first):
    def scenario(lib, record):
        m = fill(
            lib, lib.nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, batch_first=batch_first, **LAYER_OPTIONS[name])
        )
        x = tensor(lib, 2, 4, 4) if batch_first else tensor(lib, 4, 2, 4)
        memory = tensor(lib, 2, 5, 4) if batch_first else tensor(lib, 5, 2, 4)
        record(repr(m), list(m.state_dict()), [n for n, _ in m.named_modules()])
        record(
            everything(lib, m, x, memory), everything(lib, m, x, memory, tgt_mask=causal(lib, 4), tgt_is_causal=True)
        )
        record(everything(lib, m, x, memory, memory_mask=tensor(lib, 4, 5) > 0.8, tgt_key_padding_mask=padding(lib)))
        record(everything(lib, m, x, memory, memory_key_padding_mask=padding(lib, 2, 5), tgt_mask=causal(lib, 4)))
        record(everything(lib, m, tensor(lib, 4, 4), tensor(lib, 5, 4)))
        record(everything(lib, m, x, x, memory_mask=causal(lib, 4), memory_is_causal=True))

    same(scenario)


def test_layers_in_evaluation(same):
    def scenario(lib, record):
        for batch_first in (True, False):
            encoder = fill(lib, lib.nn.TransformerEncoderLayer(4, 2, 8, batch_first=batch_first)).eval()
            decoder = fill(lib, lib.nn.TransformerDecoderLayer(4, 2, 8, batch_first=batch_first)).eval()
            x = tensor(lib, 2, 4, 4) if batch_first else tensor(lib, 4, 2, 4)
            with lib.no_grad():
                record(
                    encoder(x),
                    encoder(x, src_mask=causal(lib, 4)),
                    decoder(x, x),
                    decoder(x, x, tgt_mask=causal(lib, 4)),
                )
            record(encoder(x), decoder(x, x))

    same(scenario)


def test_activations(same):
    def scenario(lib, record):
        nn = lib.nn
        for activation in ("relu", "gelu", nn.functional.silu, nn.GELU(approximate="tanh"), nn.Tanh(), lib.sigmoid):
            m = fill(lib, nn.TransformerEncoderLayer(4, 2, 8, 0.0, activation))
            record(m(tensor(lib, 3, 1, 4)), list(m.state_dict()), [n for n, _ in m.named_children()])
        record.raises(
            lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), "activation should be relu/gelu, not tanh"
        )

    same(scenario)


def test_states_without_an_activation(same):
    def scenario(lib, record):
        for m in (lib.nn.TransformerEncoderLayer(4, 2, 8), lib.nn.TransformerDecoderLayer(4, 2, 8)):
            state = dict(m.__dict__)
            state.pop("activation")
            old = type(m).__new__(type(m))
            old.__setstate__(state)
            record(old.activation is lib.nn.functional.relu)

    same(scenario)


def test_layers_with_other_dtypes(same):
    def scenario(lib, record):
        for dtype in (lib.float64, lib.bfloat16):
            m = fill(lib, lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0, dtype=dtype))
            record(m(tensor(lib, 3, 2, 4).to(dtype)), sorted({str(p.dtype).split(".")[1] for p in m.parameters()}))

    same(scenario, tolerance=6e-2)


def test_the_parts_that_copied_code_imports(same):
    def scenario(lib, record):
        t = lib.nn.modules.transformer
        record(len(t._get_clones(lib.nn.Linear(1, 1), 3)), t._get_activation_fn("relu") is lib.nn.functional.relu)
        mask = t._generate_square_subsequent_mask(3)
        find = t._detect_is_causal_mask
        record(find(mask), find(mask, None, 3), find(mask, None, 2), find(mask == -INF), find(mask * 0), find(None))
        record(find(mask, False), find(None, True), find(mask[:2]), find(mask.expand(2, 3, 3)))

    same(scenario)


def test_encoder_copies_its_layer(same):
    def scenario(lib, record):
        layer = fill(lib, lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0))
        encoder = lib.nn.TransformerEncoder(layer, 3, norm=lib.nn.LayerNorm(4), enable_nested_tensor=False)
        record(repr(encoder), list(encoder.state_dict()), encoder.layers[0] is layer, encoder.num_layers)
        record(bool((encoder.layers[0].linear1.weight == encoder.layers[2].linear1.weight).all()))
        record(encoder.layers[0].linear1.weight is encoder.layers[1].linear1.weight, len(list(encoder.parameters())))

    same(scenario)


@pytest.mark.parametrize("batch_first", [True, False])
def test_encoder_masks(same, batch_first):
    def scenario(lib, record):
        layer = lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=batch_first)
        m = fill(lib, lib.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
        x = tensor(lib, 2, 4, 4) if batch_first else tensor(lib, 4, 2, 4)
        for mask in (
            None,
            causal(lib, 4),
            causal(lib, 4) == -INF,
            tensor(lib, 4, 4),
            tensor(lib, 4, 4, 4),
            tensor(lib, 4, 4, 4) > 1.2,
        ):
            for hidden in (None, padding(lib), lib.zeros(2, 4).masked_fill(padding(lib), -INF)):
                record(everything(lib, m, x, mask=mask, src_key_padding_mask=hidden))
        record(
            m(x, causal(lib, 4), None, True),
            m(x, causal(lib, 4), is_causal=False),
            m(tensor(lib, 4, 4), causal(lib, 4)),
        )

    same(scenario)


def test_encoder_in_evaluation_with_padding(same):
    def scenario(lib, record):
        layer = lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
        m = fill(lib, lib.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)).eval()
        with lib.no_grad():
            y = m(tensor(lib, 2, 4, 4), src_key_padding_mask=padding(lib))
        # What is hidden is computed too, in training as in evaluation.
        record(y)

    same(scenario)


def test_encoder_with_a_layer_of_ones_own(same):
    def scenario(lib, record):
        class Layer(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.self_attn = lib.nn.MultiheadAttention(4, 1)
                self.fc = lib.nn.Linear(4, 4)

            def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
                return self.fc(src) + float(is_causal)

        m = fill(lib, lib.nn.TransformerEncoder(Layer(), 2, enable_nested_tensor=False))
        record(
            m(tensor(lib, 3, 1, 4)),
            m(tensor(lib, 3, 1, 4), causal(lib, 3)),
            m(tensor(lib, 3, 1, 4), causal(lib, 3) * 2),
        )

    same(scenario)


def test_decoder(same):
    def scenario(lib, record):
        for batch_first in (True, False):
            layer = lib.nn.TransformerDecoderLayer(4, 2, 8, 0.0, batch_first=batch_first)
            m = fill(lib, lib.nn.TransformerDecoder(layer, 2, lib.nn.LayerNorm(4)))
            x = tensor(lib, 2, 4, 4) if batch_first else tensor(lib, 4, 2, 4)
            memory = tensor(lib, 2, 5, 4) if batch_first else tensor(lib, 5, 2, 4)
            record(repr(m), list(m.state_dict()), everything(lib, m, x, memory))
            for mask in (causal(lib, 4), causal(lib, 4) == -INF, tensor(lib, 4, 4)):
                record(
                    everything(
                        lib, m, x, memory, tgt_mask=mask, memory_mask=tensor(lib, 4, 5) > 0.8,
                        tgt_key_padding_mask=padding(lib), memory_key_padding_mask=padding(lib, 2, 5),
                    )
                )  # fmt: skip
            record(m(x, memory, causal(lib, 4), tgt_is_causal=True), m(x, memory, causal(lib, 4), tgt_is_causal=False))

    same(scenario)


def make(lib, batch_first=False, **kwargs):
    options = {
        "d_model": 4,
        "nhead": 2,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "dim_feedforward": 8,
        "dropout": 0.0,
    }
    return lib.nn.Transformer(**{**options, "batch_first": batch_first, **kwargs})


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", LAYER_OPTIONS)
def test_transformer(same, name, batch_first):
    def scenario(lib, record):
        m = fill(lib, make(lib, batch_first, **LAYER_OPTIONS[name]))
        src = tensor(lib, 2, 5, 4) if batch_first else tensor(lib, 5, 2, 4)
        tgt = tensor(lib, 2, 4, 4) if batch_first else tensor(lib, 4, 2, 4)
        record(
            list(m.state_dict()), everything(lib, m, src, tgt), everything(lib, m, src, tgt, tgt_mask=causal(lib, 4))
        )
        record(
            everything(
                lib, m, src, tgt, src_mask=tensor(lib, 5, 5) > 0.9, tgt_mask=causal(lib, 4) == -INF, memory_mask=tensor(lib, 4, 5) > 0.9,
                src_key_padding_mask=padding(lib, 2, 5), tgt_key_padding_mask=padding(lib, 2, 4), memory_key_padding_mask=padding(lib, 2, 5),
            )
        )  # fmt: skip
        record(m(src, tgt, causal(lib, 5), causal(lib, 4), src_is_causal=True, tgt_is_causal=True))

    same(scenario)


def test_transformer_defaults_and_repr(same):
    def scenario(lib, record):
        m = lib.nn.Transformer(d_model=8, nhead=2, dim_feedforward=8)
        record(
            repr(m),
            m.d_model,
            m.nhead,
            m.batch_first,
            len(m.encoder.layers),
            len(m.decoder.layers),
            len(m.state_dict()),
        )

    same(scenario)


def test_transformer_unbatched(same):
    def scenario(lib, record):
        m = fill(lib, make(lib))
        record(
            everything(lib, m, tensor(lib, 5, 4), tensor(lib, 3, 4)),
            m(tensor(lib, 5, 4), tensor(lib, 3, 4), tgt_mask=causal(lib, 3)),
        )

    same(scenario)


def test_transformer_errors(same):
    def scenario(lib, record):
        m, first = make(lib), make(lib, True)
        record.raises(
            lambda: m(tensor(lib, 3, 2, 4), tensor(lib, 3, 1, 4)), "the batch number of src and tgt must be equal"
        )
        record.raises(
            lambda: first(tensor(lib, 2, 3, 4), tensor(lib, 1, 3, 4)), "the batch number of src and tgt must be equal"
        )
        record.raises(
            lambda: m(tensor(lib, 3, 2, 4), tensor(lib, 3, 2, 5)),
            "the feature number of src and tgt must be equal to d_model",
        )
        record.raises(lambda: make(lib, nhead=3), "embed_dim must be divisible by num_heads")

    same(scenario)


def test_transformer_with_ones_own_encoder_and_decoder(same):
    def scenario(lib, record):
        class Encoder(lib.nn.Module):
            def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
                return src * 2

        class Decoder(lib.nn.Module):
            def forward(self, tgt, memory, **kwargs):
                return tgt + memory.sum()

        m = make(lib, custom_encoder=Encoder(), custom_decoder=Decoder())
        record(m(tensor(lib, 3, 2, 4), tensor(lib, 2, 2, 4)), len(m.state_dict()))

    same(scenario)


def test_square_subsequent_masks(same):
    def scenario(lib, record):
        f = lib.nn.Transformer.generate_square_subsequent_mask
        record(
            f(3),
            f(1),
            f(0),
            f(3, dtype=lib.float64),
            f(2, device="cpu", dtype=lib.bfloat16),
            make(lib).generate_square_subsequent_mask(2),
        )

    same(scenario)


def test_initial_weights(same):
    def scenario(lib, record):
        lib.manual_seed(3)
        record(dict(make(lib).state_dict()))

    same(scenario, tolerance=1e-6)


def test_hooks_see_attention_weights_when_asked(same):
    def scenario(lib, record):
        m = fill(lib, make(lib))
        seen = []
        for layer in m.encoder.layers:
            layer.self_attn.register_forward_pre_hook(
                lambda mod, args, kw: (args, {**kw, "need_weights": True}), with_kwargs=True
            )
            layer.self_attn.register_forward_hook(lambda mod, args, out: seen.append(out[1]))
        m(tensor(lib, 3, 2, 4), tensor(lib, 2, 2, 4))
        record(seen)

    same(scenario)


def test_double_backward(same):
    def scenario(lib, record):
        # torch has no second derivative of its fused attention: its small ops serve as the oracle.
        with lib.nn.attention.sdpa_kernel(lib.nn.attention.SDPBackend.MATH):
            m = fill(lib, lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0, activation="gelu").double())
            x = tensor(lib, 3, 2, 4, dtype="float64").requires_grad_()
            (g,) = lib.autograd.grad(m(x, src_mask=causal(lib, 3)).pow(2).sum(), x, create_graph=True)
            g.square().sum().backward()
            record(x.grad, [p.grad for p in m.parameters()])

    same(scenario, tolerance=1e-7)


def test_training(same):
    def scenario(lib, record):
        m = fill(lib, make(lib, True))
        optimizer = lib.optim.SGD(m.parameters(), lr=0.05)
        losses = []
        for i in range(4):
            optimizer.zero_grad()
            loss = (
                (m(tensor(lib, 2, 5, 4, seed=i), tensor(lib, 2, 4, 4, seed=i), tgt_mask=causal(lib, 4)) - 1)
                .square()
                .mean()
            )
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        record(losses, dict(m.state_dict()))

    same(scenario, tolerance=1e-4)


def test_deepcopy(same):
    def scenario(lib, record):
        m = fill(lib, make(lib))
        twin = copy.deepcopy(m)
        x = tensor(lib, 3, 2, 4)
        record(twin(x, x), twin.encoder.layers[0].linear1.weight is m.encoder.layers[0].linear1.weight)

    same(scenario)


def test_state_dict_errors_name_the_path(same):
    def scenario(lib, record):
        m = make(lib)
        state = m.state_dict()
        state.pop("encoder.layers.1.self_attn.in_proj_weight")
        state["decoder.layers.0.norm3.bias"] = lib.zeros(9)
        record.raises(
            lambda: m.load_state_dict(state),
            'Missing key(s) in state_dict: "encoder.layers.1.self_attn.in_proj_weight"',
        )
        record.raises(lambda: m.load_state_dict(state), "size mismatch for decoder.layers.0.norm3.bias")

    same(scenario)


# Checkpoints: the files torch writes give torch's outputs and gradients.


def checkpoint(torch, rsnn, source, target):
    """Load what torch saves of `source` into `target`."""
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    result = target.load_state_dict(rsnn.load(file))
    assert not result.missing_keys and not result.unexpected_keys
    return target


@pytest.mark.parametrize("name", LAYER_OPTIONS)
@pytest.mark.parametrize("training", [True, False])
def test_a_checkpoint_of_the_whole_stack(torch, rsnn, name, training):
    options = {
        "d_model": 16,
        "nhead": 4,
        "num_encoder_layers": 3,
        "num_decoder_layers": 3,
        "dim_feedforward": 32,
        "dropout": 0.0,
    }
    options.update(LAYER_OPTIONS[name])
    torch.manual_seed(0)
    source = torch.nn.Transformer(batch_first=True, **options).train(training)
    with torch.no_grad():
        for p in source.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    target = checkpoint(torch, rsnn, source, rsnn.nn.Transformer(batch_first=True, **options)).train(training)
    src, tgt = numbers(2, 9, 16), numbers(2, 7, 16)
    hidden = np.zeros((2, 9), dtype=bool)
    hidden[0, 6:] = True
    results = []
    for lib, m in ((torch, source), (rsnn, target)):
        x, y = lib.from_numpy(src).requires_grad_(), lib.from_numpy(tgt).requires_grad_()
        mask = lib.from_numpy(hidden)
        out = m(
            x, y, tgt_mask=lib.nn.Transformer.generate_square_subsequent_mask(7) == -INF,
            src_key_padding_mask=mask, memory_key_padding_mask=mask,
        )  # fmt: skip
        (out * lib.from_numpy(numbers(2, 7, 16, seed=4))).sum().backward()
        grads = [x.grad, y.grad, *(p.grad for p in m.parameters())]
        results.append([t.detach().numpy() for t in (out, *grads)])
    for expected, got in zip(*results):
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(
    "config", [{}, {"add_bias_kv": True, "add_zero_attn": True}, {"kdim": 6, "vdim": 10}, {"bias": False}]
)
def test_a_checkpoint_of_multihead_attention(torch, rsnn, config):
    torch.manual_seed(0)
    source = torch.nn.MultiheadAttention(8, 4, batch_first=True, **config)
    target = checkpoint(torch, rsnn, source, rsnn.nn.MultiheadAttention(8, 4, batch_first=True, **config))
    sizes = (numbers(2, 3, 8), numbers(2, 5, config.get("kdim", 8)), numbers(2, 5, config.get("vdim", 8)))
    for need_weights in (True, False):
        results = []
        for lib, m in ((torch, source), (rsnn, target)):
            m.zero_grad()
            inputs = [lib.from_numpy(x).requires_grad_() for x in sizes]
            out, weights = m(*inputs, need_weights=need_weights)
            out.square().sum().backward()
            tensors = [
                out,
                *([weights] if need_weights else []),
                *(x.grad for x in inputs),
                *(p.grad for p in m.parameters()),
            ]
            results.append([t.detach().numpy() for t in tensors])
        for expected, got in zip(*results):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


def test_a_checkpoint_goes_back_to_torch(torch, rsnn):
    rsnn.manual_seed(0)
    source = rsnn.nn.TransformerEncoder(rsnn.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2)
    file = io.BytesIO()
    rsnn.save(source.state_dict(), file)
    file.seek(0)
    target = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2)
    target.load_state_dict(torch.load(file))
    x = numbers(2, 5, 8)
    expected = source(rsnn.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(target(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
