"""Layers: initial weights from one seed, printing, values and gradients against torch, one row each."""

import numpy as np
import pytest
from harness import fill, numbers, tensor

LAYERS = [
    ("Linear", lambda nn: nn.Linear(3, 4), (2, 3)),
    ("Linear-nobias", lambda nn: nn.Linear(3, 4, bias=False), (2, 5, 3)),
    ("Identity", lambda nn: nn.Identity(3, a=1), (2, 3)),
    ("Bilinear", lambda nn: nn.Bilinear(3, 4, 2), (5, 3), (5, 4)),
    ("Embedding", lambda nn: nn.Embedding(6, 3, padding_idx=-1), "ids"),
    ("EmbeddingBag", lambda nn: nn.EmbeddingBag(6, 3, mode="sum"), "ids"),
    ("LayerNorm", lambda nn: nn.LayerNorm((3, 4)), (2, 3, 4)),
    ("LayerNorm-nobias", lambda nn: nn.LayerNorm(4, bias=False), (2, 3, 4)),
    ("LayerNorm-plain", lambda nn: nn.LayerNorm(4, elementwise_affine=False), (2, 3, 4)),
    ("RMSNorm", lambda nn: nn.RMSNorm(4, eps=1e-5), (2, 3, 4)),
    ("GroupNorm", lambda nn: nn.GroupNorm(2, 4), (2, 4, 3)),
    ("BatchNorm1d", lambda nn: nn.BatchNorm1d(4), (5, 4)),
    ("BatchNorm1d-3d", lambda nn: nn.BatchNorm1d(4, momentum=None), (5, 4, 3)),
    ("BatchNorm2d", lambda nn: nn.BatchNorm2d(4, affine=False), (2, 4, 3, 3)),
    ("BatchNorm3d", lambda nn: nn.BatchNorm3d(4, track_running_stats=False), (2, 4, 2, 3, 2)),
    ("BatchNorm-eval", lambda nn: nn.BatchNorm2d(4).eval(), (2, 4, 3, 3)),
    ("InstanceNorm1d", lambda nn: nn.InstanceNorm1d(4, affine=True), (2, 4, 5)),
    ("InstanceNorm1d-unbatched", lambda nn: nn.InstanceNorm1d(4), (4, 5)),
    ("InstanceNorm2d", lambda nn: nn.InstanceNorm2d(4, track_running_stats=True), (2, 4, 3, 5)),
    ("InstanceNorm3d", lambda nn: nn.InstanceNorm3d(4, track_running_stats=True).eval(), (2, 4, 2, 3, 2)),
    ("SyncBatchNorm", lambda nn: nn.SyncBatchNorm(4).eval(), (5, 4)),
    ("LocalResponseNorm", lambda nn: nn.LocalResponseNorm(3), (2, 4, 5)),
    ("CrossMapLRN2d", lambda nn: nn.CrossMapLRN2d(3), (2, 4, 5, 5)),
    ("Conv1d", lambda nn: nn.Conv1d(4, 6, 3, padding="same", padding_mode="reflect"), (2, 4, 7)),
    ("Conv2d", lambda nn: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2), (2, 4, 7, 6)),
    ("Conv2d-circular", lambda nn: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular", dilation=2), (4, 7, 6)),
    ("Conv3d", lambda nn: nn.Conv3d(2, 3, 2, padding=1, padding_mode="replicate"), (1, 2, 4, 3, 3)),
    ("ConvTranspose1d", lambda nn: nn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 5)),
    (
        "ConvTranspose2d",
        lambda nn: nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2, dilation=2),
        (2, 4, 5, 4),
    ),
    ("ConvTranspose3d", lambda nn: nn.ConvTranspose3d(2, 3, 2, bias=False), (1, 2, 3, 3, 3)),
    ("MaxPool1d", lambda nn: nn.MaxPool1d(2, ceil_mode=True), (2, 3, 7)),
    ("MaxPool2d", lambda nn: nn.MaxPool2d((2, 3), padding=(0, 1), dilation=(2, 1)), (2, 3, 7, 6)),
    ("MaxPool3d", lambda nn: nn.MaxPool3d(2, 1), (2, 3, 3, 4, 3)),
    ("AvgPool1d", lambda nn: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 3, 7)),
    ("AvgPool2d", lambda nn: nn.AvgPool2d(2, divisor_override=3), (2, 3, 7, 6)),
    ("AvgPool3d", lambda nn: nn.AvgPool3d(2), (2, 3, 4, 4, 5)),
    ("LPPool2d", lambda nn: nn.LPPool2d(3, 2), (2, 3, 4, 4)),
    ("AdaptiveAvgPool2d", lambda nn: nn.AdaptiveAvgPool2d((None, 2)), (2, 3, 4, 5)),
    ("AdaptiveMaxPool1d", lambda nn: nn.AdaptiveMaxPool1d(3), (2, 3, 7)),
    ("Flatten", lambda nn: nn.Flatten(), (2, 3, 4)),
    ("Unflatten", lambda nn: nn.Unflatten(1, (2, -1)), (2, 6)),
    ("Fold", lambda nn: nn.Fold((4, 5), 2), (1, 8, 12)),
    ("Unfold", lambda nn: nn.Unfold(2, stride=2), (1, 2, 4, 6)),
    ("PixelShuffle", lambda nn: nn.PixelShuffle(2), (1, 4, 2, 3)),
    ("PixelUnshuffle", lambda nn: nn.PixelUnshuffle(2), (1, 1, 4, 6)),
    ("ChannelShuffle", lambda nn: nn.ChannelShuffle(2), (1, 4, 2, 3)),
    ("Upsample", lambda nn: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3, 4)),
    ("UpsamplingNearest2d", lambda nn: nn.UpsamplingNearest2d(scale_factor=2), (1, 2, 3, 4)),
    ("UpsamplingBilinear2d", lambda nn: nn.UpsamplingBilinear2d((5, 7)), (1, 2, 3, 4)),
    ("ReflectionPad2d", lambda nn: nn.ReflectionPad2d((1, 2, 0, 1)), (1, 2, 3, 4)),
    ("ReplicationPad3d", lambda nn: nn.ReplicationPad3d(1), (1, 2, 3, 3, 2)),
    ("ZeroPad1d", lambda nn: nn.ZeroPad1d(2), (1, 2, 3)),
    ("ConstantPad2d", lambda nn: nn.ConstantPad2d(1, 2.5), (2, 3, 4)),
    ("CircularPad1d", lambda nn: nn.CircularPad1d(2), (1, 2, 3)),
    ("CosineSimilarity", lambda nn: nn.CosineSimilarity(), (3, 4), (3, 4)),
    ("PairwiseDistance", lambda nn: nn.PairwiseDistance(), (3, 4), (3, 4)),
    ("PReLU", lambda nn: nn.PReLU(3), (2, 3)),
    ("Softmax2d", lambda nn: nn.Softmax2d(), (2, 3, 2, 2)),
    ("Dropout-eval", lambda nn: nn.Dropout(0.3).eval(), (2, 3)),
    ("RReLU-eval", lambda nn: nn.RReLU().eval(), (2, 3)),
    ("RNNCell", lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"), (2, 3), (2, 4)),
    ("GRUCell", lambda nn: nn.GRUCell(3, 4), (3,), (4,)),
    ("GRUCell-nohx", lambda nn: nn.GRUCell(3, 4, bias=False), (2, 3)),
    ("LSTMCell", lambda nn: nn.LSTMCell(3, 4), (2, 3)),
    ("RNN", lambda nn: nn.RNN(3, 4, 2, nonlinearity="relu"), (5, 2, 3)),
    ("RNN-unbatched", lambda nn: nn.RNN(3, 4, bidirectional=True), (5, 3), (2, 4)),
    ("GRU", lambda nn: nn.GRU(3, 4, 2, bidirectional=True, batch_first=True), (2, 5, 3), (4, 2, 4)),
    ("LSTM", lambda nn: nn.LSTM(3, 4, 2, bidirectional=True), (5, 2, 3)),
    ("LSTM-proj", lambda nn: nn.LSTM(3, 4, proj_size=2, bias=False), (5, 2, 3)),
    ("CrossEntropyLoss", lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1), (5, 6), "ids5"),
    ("NLLLoss", lambda nn: nn.NLLLoss(reduction="sum"), (5, 6), "ids5"),
    ("MSELoss", lambda nn: nn.MSELoss(), (3, 4), (3, 4)),
    ("HuberLoss", lambda nn: nn.HuberLoss(delta=0.5), (3, 4), (3, 4)),
    ("TripletMarginWithDistanceLoss", lambda nn: nn.TripletMarginWithDistanceLoss(margin=0.5), (3, 4), (3, 4), (3, 4)),
    (
        "AdaptiveLogSoftmaxWithLoss",
        lambda nn: nn.AdaptiveLogSoftmaxWithLoss(8, 6, [2, 4], div_value=2.0, head_bias=True),
        (5, 8),
        "ids5",
    ),
    ("TransformerEncoderLayer", lambda nn: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), (5, 2, 8)),
    (
        "TransformerEncoderLayer-norm_first",
        lambda nn: nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True, bias=False),
        (2, 5, 8),
    ),
    ("TransformerDecoderLayer", lambda nn: nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0), (5, 2, 8), (4, 2, 8)),
    (
        "TransformerDecoderLayer-norm_first",
        lambda nn: nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True),
        (2, 5, 8),
        (2, 4, 8),
    ),
    ("Transformer", lambda nn: nn.Transformer(8, 2, 1, 2, 16, 0.0, batch_first=True), (2, 5, 8), (2, 4, 8)),
    (
        "MultiheadAttention",
        lambda nn: nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True),
        (5, 2, 8),
        (4, 2, 8),
        (4, 2, 8),
    ),
    (
        "MultiheadAttention-kdim",
        lambda nn: nn.MultiheadAttention(8, 2, kdim=3, vdim=5, batch_first=True),
        (2, 5, 8),
        (2, 4, 3),
        (2, 4, 5),
    ),
    ("MultiheadAttention-unbatched", lambda nn: nn.MultiheadAttention(8, 4, bias=False), (5, 8), (4, 8), (4, 8)),
]


def inputs(lib, specs):
    out = []
    for i, spec in enumerate(specs):
        if spec == "ids":
            out.append(lib.from_numpy(numbers(2, 4, high=6, dtype="int64")))
        elif spec == "ids5":
            out.append(lib.from_numpy(numbers(5, high=6, dtype="int64")))
        else:
            out.append(tensor(lib, *spec, seed=i, grad=True))
    return out


def flat(lib, value):
    if isinstance(value, lib.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [each for item in value for each in flat(lib, item)]
    return []


@pytest.mark.parametrize("make, specs", [pytest.param(row[1], row[2:], id=row[0]) for row in LAYERS])
def test_layer(same, make, specs):
    def scenario(lib, record):
        lib.manual_seed(7)
        layer = make(lib.nn)
        record(repr(layer), {key: value for key, value in layer.state_dict().items()})
        fill(lib, layer)
        args = inputs(lib, specs)
        outs = flat(lib, layer(*args))
        record(outs)
        loss = sum(
            (o * lib.from_numpy(np.array(numbers(*o.shape, seed=i)))).sum()
            for i, o in enumerate(outs)
            if o.requires_grad
        )
        if not isinstance(loss, int):
            loss.backward()
        record(
            [a.grad for a in args],
            [(name, p.grad) for name, p in layer.named_parameters()],
            dict(layer.named_buffers()),
        )

    same(scenario, tolerance=1e-4)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_attention_masks(same, need_weights, kind):
    def scenario(lib, record):
        layer = fill(lib, lib.nn.MultiheadAttention(8, 2, batch_first=True))
        x = tensor(lib, 2, 5, 8, grad=True)
        pairs = lib.ones(5, 5, dtype=lib.bool).triu(1)
        padding = lib.tensor([[False] * 5, [False, False, False, True, True]])
        if kind == "float":
            pairs = lib.zeros(5, 5).masked_fill(pairs, float("-inf"))
            padding = lib.zeros(2, 5).masked_fill(padding, float("-inf"))
        for attn_mask in (None, pairs, pairs.unsqueeze(0).expand(4, 5, 5)):
            for key_padding_mask in (None, padding):
                out, weights = layer(x, x, x, key_padding_mask, need_weights, attn_mask, average_attn_weights=False)
                record(out, weights)
                out.square().sum().backward()
                record(x.grad, [p.grad for p in layer.parameters()])
        out, _ = layer(x, x, x, attn_mask=pairs, is_causal=True, need_weights=need_weights)
        record(out)

    same(scenario, tolerance=1e-4)


def test_attention_errors(same):
    def scenario(lib, record):
        nn = lib.nn
        layer = nn.MultiheadAttention(8, 2)
        x = lib.ones(5, 2, 8)
        record.raises(lambda: nn.MultiheadAttention(8, 3), "embed_dim must be divisible by num_heads")
        record.raises(lambda: nn.MultiheadAttention(0, 3), "embed_dim and num_heads must be greater than 0")
        record.raises(lambda: layer(lib.ones(5, 2, 7), x, x), "was expecting embedding dimension of 8, but got 7")
        record.raises(lambda: layer(x, x[:4], x), "does not match value shape")
        record.raises(lambda: layer(x, x[0], x), "expected `key` and `value` to be 3-D")
        record.raises(lambda: layer(lib.ones(8), x, x), "query should be unbatched 2D or batched 3D tensor")
        record.raises(lambda: layer(x, x, x, attn_mask=lib.ones(3, 3)), "The shape of the 2D attn_mask is")
        record.raises(lambda: layer(x, x, x, attn_mask=lib.ones(3, 5, 5)), "The shape of the 3D attn_mask is")
        record.raises(lambda: layer(x, x, x, key_padding_mask=lib.ones(3, 5).bool()), "")
        record.raises(
            lambda: layer(x, x, x, attn_mask=lib.ones(5, 5).long()), "only bool and floating types of attn_mask"
        )
        record.raises(
            lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh"), "activation should be relu/gelu, not tanh"
        )
        record.raises(
            lambda: nn.Transformer(8, 2, 1, 1)(x, lib.ones(5, 3, 8)), "the batch number of src and tgt must be equal"
        )
        record.raises(lambda: nn.Transformer(8, 2, 1, 1)(x, lib.ones(5, 2, 4)), "must be equal to d_model")

    same(scenario)


def test_transformer_with_masks(same):
    def scenario(lib, record):
        nn = lib.nn
        model = fill(lib, nn.Transformer(8, 2, 2, 2, 16, 0.0, batch_first=True))
        src, tgt = tensor(lib, 2, 5, 8, grad=True), tensor(lib, 2, 4, 8, seed=1, grad=True)
        mask = nn.Transformer.generate_square_subsequent_mask(4)
        padding = lib.tensor([[False] * 5, [False, False, False, True, True]])
        out = model(src, tgt, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        record(mask, out)
        out.square().sum().backward()
        record(src.grad, tgt.grad)

    same(scenario, tolerance=1e-4)


def test_rows_with_nothing_to_see(rsnn):
    layer = rsnn.nn.MultiheadAttention(4, 2, batch_first=True)
    x = rsnn.ones(1, 3, 4).requires_grad_()
    hidden = rsnn.tensor([[True, True, True]])
    outs = []
    for need_weights in (True, False):
        out, weights = layer(x, x, x, hidden, need_weights)
        out.sum().backward()
        assert bool(x.grad.isfinite().all())
        assert bool((out == layer.out_proj.bias).all())
        if need_weights:
            assert float(weights.abs().sum()) == 0.0
        outs.append(out)
    assert bool((outs[0] == outs[1]).all())


def test_causal_without_a_mask(rsnn):
    layer = rsnn.nn.MultiheadAttention(4, 2, batch_first=True)
    x = rsnn.arange(12.0).view(1, 3, 4).sin()
    mask = rsnn.ones(3, 3, dtype=rsnn.bool).triu(1)
    for need_weights in (True, False):
        expected, _ = layer(x, x, x, attn_mask=mask, need_weights=need_weights)
        actual, _ = layer(x, x, x, is_causal=True, need_weights=need_weights)
        assert bool((expected - actual).abs().max() < 1e-6)


def test_out_proj_is_a_module_like_others(rsnn):
    layer = rsnn.nn.MultiheadAttention(4, 2, batch_first=True)
    seen = []
    layer.out_proj.register_forward_hook(lambda module, args, out: seen.append(True))
    layer(rsnn.ones(1, 3, 4), rsnn.ones(1, 3, 4), rsnn.ones(1, 3, 4))
    assert seen == [True]
    layer.out_proj = rsnn.nn.Identity()
    layer(rsnn.ones(1, 3, 4), rsnn.ones(1, 3, 4), rsnn.ones(1, 3, 4))


def test_encoder_is_the_same_in_eval(rsnn):
    encoder = rsnn.nn.TransformerEncoder(rsnn.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), 2)
    x = rsnn.arange(24.0).view(2, 3, 4).sin()
    padding = rsnn.tensor([[False, False, True], [False, False, True]])
    with rsnn.no_grad():
        trained = encoder.train()(x, src_key_padding_mask=padding)
        evaluated = encoder.eval()(x, src_key_padding_mask=padding)
    assert evaluated.shape == x.shape
    assert bool((trained == evaluated).all())


def test_packed_sequences(same):
    def scenario(lib, record):
        rnn = lib.nn.utils.rnn
        x = tensor(lib, 4, 6, 3)
        lengths = lib.tensor([3, 6, 1, 4])
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        record(packed.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices, type(packed).__name__)
        for make in (
            lambda: lib.nn.LSTM(3, 4, 2, bidirectional=True),
            lambda: lib.nn.GRU(3, 4),
            lambda: lib.nn.RNN(3, 4, bidirectional=True),
        ):
            layer = fill(lib, make())
            out, state = layer(packed)
            record(out.data, state, rnn.pad_packed_sequence(out, batch_first=True, total_length=8, padding_value=-1.0))
            out.data.sum().backward()
            record([p.grad for p in layer.parameters()])
        record(rnn.unpack_sequence(packed), rnn.unpad_sequence(x, lengths, batch_first=True))
        parts = [tensor(lib, n, 2) for n in (3, 2, 1)]
        record(rnn.pad_sequence(parts), rnn.pad_sequence(parts, True, 9.0, "left"), rnn.pack_sequence(parts).data)
        record.raises(
            lambda: rnn.pack_padded_sequence(x, lengths, batch_first=True),
            "`lengths` array must be sorted in decreasing order",
        )
        record.raises(
            lambda: rnn.pack_padded_sequence(x, [6, 2], batch_first=True),
            "Expected `len(lengths)` to be equal to batch_size",
        )
        record.raises(lambda: rnn.pack_padded_sequence(x, [6, 2, 1, 0], batch_first=True), "has to be greater than 0")
        record.raises(lambda: rnn.pad_sequence([]), "")
        record.raises(lambda: rnn.pad_packed_sequence(packed, total_length=3), "Expected total_length to be at least")

    same(scenario, tolerance=1e-4)


def test_recurrent_errors(same):
    def scenario(lib, record):
        nn = lib.nn
        layer = nn.LSTM(3, 4)
        x = lib.ones(5, 2, 3)
        record.raises(lambda: layer(lib.ones(5)), "LSTM: Expected input to be 2D or 3D, got 1D instead")
        record.raises(lambda: layer(lib.ones(5, 2, 4)), "input.size(-1) must be equal to input_size. Expected 3, got 4")
        record.raises(
            lambda: layer(x, (lib.ones(1, 3, 4), lib.ones(1, 2, 4))), "Expected hidden[0] size (1, 2, 4), got [1, 3, 4]"
        )
        record.raises(
            lambda: layer(x, (lib.ones(2, 4), lib.ones(2, 4))), "For batched 3-D input, hx and cx should also be 3-D"
        )
        record.raises(lambda: layer(x.double()), "does not match weight dtype")
        record.raises(lambda: nn.GRU(3, 4, proj_size=2), "proj_size argument is only supported for LSTM")
        record.raises(lambda: nn.LSTM(3, 4, proj_size=4), "proj_size has to be smaller than hidden_size")
        record.raises(lambda: nn.RNN(3, 4, nonlinearity="gelu"), "Unknown nonlinearity 'gelu'")
        record.raises(lambda: nn.LSTM(3, 0), "hidden_size must be greater than zero")
        record.raises(lambda: nn.LSTM(3.0, 2), "input_size should be of type int, got: float")
        record.raises(lambda: nn.GRUCell(3, 4)(lib.ones(1, 1, 3)), "Expected input to be 1D or 2D, got 3D instead")
        record.raises(
            lambda: nn.RNN(3, 4)(x, lib.ones(2, 4)), "For batched 3-D input, hx should also be 3-D but got 2-D tensor"
        )

    same(scenario)


def test_constructor_errors(same):
    def scenario(lib, record):
        nn = lib.nn
        record.raises(lambda: nn.Conv2d(3, 4, 2, groups=2), "in_channels must be divisible by groups")
        record.raises(lambda: nn.Conv2d(4, 3, 2, groups=2), "out_channels must be divisible by groups")
        record.raises(lambda: nn.Conv2d(4, 4, 2, padding="full"), "Invalid padding string 'full'")
        record.raises(
            lambda: nn.Conv2d(4, 4, 2, padding="same", stride=2), "padding='same' is not supported for strided"
        )
        record.raises(lambda: nn.Conv2d(4, 4, 2, padding_mode="mirror"), "padding_mode must be one of")
        record.raises(
            lambda: nn.ConvTranspose2d(4, 4, 2, padding_mode="reflect"), 'Only "zeros" padding mode is supported'
        )
        record.raises(
            lambda: nn.ConvTranspose1d(1, 1, 3, 2)(lib.ones(1, 1, 4), output_size=(20,)), "requested an output size of"
        )
        record.raises(lambda: nn.BatchNorm2d(3)(lib.ones(2, 3)), "expected 4D input (got 2D input)")
        record.raises(lambda: nn.BatchNorm1d(3)(lib.ones(2, 4)), "running_mean should contain 4 elements not 3")
        record.raises(
            lambda: nn.InstanceNorm2d(3, affine=True)(lib.ones(2, 4, 3, 3)), "to match num_features (3), but got: 4."
        )
        record.raises(lambda: nn.GroupNorm(2, 3), "num_channels (3) must be divisible by num_groups (2)")
        record.raises(lambda: nn.Dropout(2), "dropout probability has to be between 0 and 1, but got 2")
        record.raises(lambda: nn.Embedding(3, 2, padding_idx=5), "Padding_idx must be within num_embeddings")
        record.raises(lambda: nn.Embedding(3, 2)(lib.tensor([3])), "index out of range in self")
        record.raises(lambda: nn.Hardtanh(1, 0), "must be greater than min_val")
        record.raises(lambda: nn.Softmax2d()(lib.ones(2)), "Softmax2d: expected input to be 3D or 4D, got 1D instead")
        record.raises(lambda: nn.TripletMarginLoss(margin=0), "expected margin to be greater than 0, got 0 instead")
        record.raises(lambda: nn.MultiMarginLoss(p=3), "only p == 1 and p == 2 supported")
        record.raises(
            lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]), "cutoffs should be a sequence of unique, positive"
        )
        record.raises(
            lambda: nn.FractionalMaxPool2d(2), "requires specifying either an output size, or a pooling ratio"
        )
        record.raises(lambda: nn.Unflatten(1, 3), "unflattened_size must be")
        record.raises(lambda: nn.Linear(3, 4)(lib.ones(2, 5)), "shapes cannot be multiplied (2x5 and 3x4)")
        record.raises(
            lambda: nn.LayerNorm(3)(lib.ones(2, 4)), "Given normalized_shape=[3], expected input with shape [*, 3]"
        )

    same(scenario)


def test_pretrained_and_max_norm(same):
    def scenario(lib, record):
        table = tensor(lib, 5, 3) * 4
        layer = lib.nn.Embedding.from_pretrained(table, max_norm=1.0)
        record(layer.weight.requires_grad, layer(lib.tensor([1, 3, 1])), layer.weight)
        bag = lib.nn.EmbeddingBag.from_pretrained(table, freeze=False, mode="max")
        record(bag.weight.requires_grad, bag(lib.tensor([1, 3, 1]), lib.tensor([0, 2])))

    same(scenario)


def test_adaptive_softmax_parts(same):
    def scenario(lib, record):
        layer = fill(lib, lib.nn.AdaptiveLogSoftmaxWithLoss(8, 6, [2, 4], div_value=2.0))
        x = tensor(lib, 5, 8)
        record(layer.log_prob(x), layer.predict(x))
        record.raises(lambda: layer(x, lib.tensor([9] * 5)), "Target values should be in [0, 5]")

    same(scenario)


def test_linear_cross_entropy_loss(same):
    def scenario(lib, record):
        layer = fill(lib, lib.nn.LinearCrossEntropyLoss(4, 3, out_features=(2,), bias=True))
        record(repr(layer), layer(tensor(lib, 5, 4), lib.from_numpy(numbers(5, 2, high=3, dtype="int64"))))

    same(scenario)


def test_convert_sync_batchnorm(same):
    def scenario(lib, record):
        m = lib.nn.Sequential(lib.nn.BatchNorm1d(3), lib.nn.ReLU())
        record(repr(lib.nn.SyncBatchNorm.convert_sync_batchnorm(m)))

    same(scenario)
