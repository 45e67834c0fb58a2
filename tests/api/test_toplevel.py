"""Neural functions of the top level, whose parameters differ from nn.functional's, against torch."""

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")


def T(lib, *shape, seed=0):
    return lib.from_numpy(np.random.RandomState(seed + sum(shape)).randn(*shape).astype("float32"))


def flat_weights(lib, gates, layers, directions, biases=True, size=3, hidden=4):
    out = []
    for layer in range(layers):
        for d in range(directions):
            width = size if layer == 0 else hidden * directions
            shapes = [(gates * hidden, width), (gates * hidden, hidden)] + [(gates * hidden,)] * 2 * biases
            out += [T(lib, *s, seed=layer * 7 + d * 3 + i) * 0.4 for i, s in enumerate(shapes)]
    return out


def recurrent(name, gates, packed=False, biases=True, batch_first=False):
    def call(lib):
        state = T(lib, 4, 2, 4)
        hx = (state, T(lib, 4, 2, 4, seed=9)) if name == "lstm" else state
        params = flat_weights(lib, gates, 2, 2, biases)
        if packed:
            return getattr(lib, name)(T(lib, 5, 3), lib.tensor([2, 2, 1]), hx, params, biases, 2, 0.0, False, True)
        x = T(lib, 2, 5, 3) if batch_first else T(lib, 5, 2, 3)
        return getattr(lib, name)(x, hx, params, biases, 2, 0.0, True, True, batch_first)

    return call


def cell(name, gates):
    def call(lib):
        hx = (T(lib, 2, 4), T(lib, 2, 4, seed=5)) if name == "lstm_cell" else T(lib, 2, 4)
        return getattr(lib, name)(T(lib, 2, 3), hx, *flat_weights(lib, gates, 1, 1))

    return call


def image(lib, seed=0):
    return T(lib, 2, 4, 5, seed=seed)


CALLS = {
    **{f"{n}{' packed' * p}": recurrent(n, g, p) for n, g in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)) for p in (0, 1)},
    "lstm without biases, batch first": recurrent("lstm", 4, biases=False, batch_first=True),
    **{n: cell(n, g) for n, g in (("lstm_cell", 4), ("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1))},
    "batch_norm": lambda L: L.batch_norm(image(L), L.ones(4), T(L, 4), L.zeros(4), L.ones(4), False, 0.1, 1e-5, True),
    "batch_norm training": lambda L: L.batch_norm(image(L), L.ones(4), T(L, 4), L.zeros(4), L.ones(4), True, 0.1, 1e-5, False),
    "instance_norm": lambda L: L.instance_norm(image(L), L.ones(4), T(L, 4), None, None, True, 0.1, 1e-5, True),
    "layer_norm": lambda L: L.layer_norm(image(L), (5,), L.ones(5), T(L, 5), 1e-5, True),
    "group_norm": lambda L: L.group_norm(image(L), 2, L.ones(4), T(L, 4)),
    "norm_except_dim": lambda L: (L.norm_except_dim(image(L), 2, 0), L.norm_except_dim(image(L), 2, 2), L.norm_except_dim(image(L), 2, -1)),
    "dropout": lambda L: (L.dropout(image(L), 0.5, False), L.feature_dropout(image(L), 0.5, False), L.alpha_dropout(image(L), 0.5, False)),
    "activations": lambda L: (L.celu(image(L), 1.5), L.selu(image(L)), L.rrelu(image(L)), L.threshold(image(L), 0.1, 2.0), L.hardshrink(image(L))),
    "in place": lambda L: (L.celu_(image(L)), L.selu_(image(L)), L.threshold_(image(L), 0.1, 2.0), L.exp_(image(L)), L.clamp_(image(L), -1, 1)),
    "adaptive_max_pool1d": lambda L: L.adaptive_max_pool1d(image(L), 2),
    "max_pool1d_with_indices": lambda L: L.max_pool1d_with_indices(image(L), 2),
    "max_pool1d": lambda L: L.max_pool1d(image(L), 2, padding=1),
    "convolution": lambda L: L.convolution(image(L), T(L, 6, 2, 3), T(L, 6), [1], [1], [1], False, [0], 2),
    "convolution transposed": lambda L: L.convolution(image(L), T(L, 4, 3, 3), None, [2], [1], [1], True, [1], 1),
    "grid_sampler": lambda L: L.grid_sampler(T(L, 1, 2, 4, 4), T(L, 1, 3, 3, 2).tanh(), 0, 1, True),
    "affine_grid_generator": lambda L: L.affine_grid_generator(T(L, 2, 2, 3), [2, 1, 3, 4], False),
    "embedding": lambda L: L.embedding(T(L, 6, 3), L.tensor([[0, 5], [2, 2]]), 2),
    "embedding_bag": lambda L: L.embedding_bag(T(L, 6, 3), L.tensor([0, 5, 2, 2]), L.tensor([0, 1]), mode=1)[0],
    "embedding_bag max": lambda L: (lambda y, b, s, m: (y, s, m))(*L.embedding_bag(T(L, 6, 3), L.tensor([0, 5, 2, 1]), L.tensor([0, 1]), False, 2)),
    "losses": lambda L: (
        L.binary_cross_entropy_with_logits(image(L), image(L, 1).sigmoid(), None, None, 2),
        L.kl_div(image(L), image(L, 1).softmax(-1), 1, log_target=False),
        L.cosine_embedding_loss(T(L, 3, 4), T(L, 3, 4, seed=1), L.tensor([1, -1, 1]), 0.1, 0),
        L.hinge_embedding_loss(T(L, 4), L.tensor([1, -1, 1, -1]), 1.0, 2),
        L.margin_ranking_loss(T(L, 4), T(L, 4, seed=1), L.tensor([1, -1, 1, -1]), 0.5, 1),
        L.triplet_margin_loss(T(L, 3, 4), T(L, 3, 4, seed=1), T(L, 3, 4, seed=2), reduction=0),
        L.poisson_nll_loss(T(L, 4), T(L, 4, seed=1).abs(), True, False, 1e-8, 1),
    ),
    "windows": lambda L: [getattr(L, f"{w}_window")(9, p) for w in ("hann", "hamming", "blackman", "bartlett", "kaiser") for p in (True, False)],
    "empty_permuted": lambda L: L.tensor(L.empty_permuted((2, 3, 4), (2, 0, 1)).stride()),
    "segment_reduce": lambda L: [L.segment_reduce(T(L, 5), r, lengths=L.tensor([2, 0, 3]), initial=1.0) for r in ("sum", "max", "min", "prod")],
    "fill": lambda L: L.fill(image(L), 3),
    "old constructors": lambda L: (L.FloatTensor([1, 2]), L.LongTensor([[3]]), L.tensor(isinstance(L.ones(1), L.FloatTensor))),
    "return types": lambda L: tuple(L.return_types.max((L.ones(1), L.zeros(1)))),
}  # fmt: skip


def plain(value):
    return np.asarray(value.detach().numpy(), "float64") if hasattr(value, "detach") else [plain(v) for v in value]


def same(a, b, name):
    if isinstance(a, list):
        assert len(a) == len(b), name
        for x, y in zip(a, b):
            same(x, y, name)
    else:
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", CALLS)
def test_call(name):
    same(plain(CALLS[name](torch)), plain(CALLS[name](rsnn)), name)


def test_wrong_weights():
    with pytest.raises(RuntimeError):
        rsnn.gru(rsnn.ones(1, 1, 3), rsnn.ones(2, 1, 4), [rsnn.ones(12, 3)], True, 2, 0.0, False, False, False)
    with pytest.raises(TypeError, match="missing 1 required positional arguments"):
        rsnn.gru(rsnn.ones(1, 1, 3), rsnn.ones(1, 1, 4), [])
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        rsnn.lstm(rsnn.ones(1, 1, 3), nonsense=1)


def test_default_dtype_of_integers():
    """Integers become the default dtype in floating point functions."""
    rsnn.set_default_dtype(rsnn.float64)
    try:
        x = rsnn.tensor([1, 2, 3])
        results = x.exp(), x / 2, x * 0.5, x.sqrt(), x.atan2(x), x.clamp(0.5, 2.5), x.float().exp()
        assert [y.dtype for y in results] == [rsnn.float64] * 6 + [rsnn.float32]
    finally:
        rsnn.set_default_dtype(rsnn.float32)
    assert rsnn.tensor([1]).exp().dtype == rsnn.float32


def test_products_over_nothing():
    """A product over zero terms is zero, plus the bias."""
    bias = rsnn.arange(4.0)
    for y in (rsnn.nn.functional.linear(rsnn.zeros(5, 0), rsnn.zeros(4, 0), bias), rsnn.addmm(bias, rsnn.zeros(5, 0), rsnn.zeros(0, 4))):
        assert y.shape == (5, 4) and y.tolist() == [bias.tolist()] * 5
