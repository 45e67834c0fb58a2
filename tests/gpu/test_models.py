"""Whole models on device("gpu"): every parameter, buffer and gradient moves, ties and objects stay.

Needs an adapter; without one the tests skip and say so, with RSNN_REQUIRE_GPU=1 they fail.
"""

import os

import pytest
import rsnn
from rsnn import nn

REQUIRED = os.environ.get("RSNN_REQUIRE_GPU") == "1"
pytestmark = pytest.mark.skipif(
    not rsnn.gpu.is_available() and not REQUIRED,
    reason="rsnn.gpu.is_available() is False: no adapter (RSNN_ALLOW_SOFTWARE=1 accepts one that runs on the CPU)",
)


class Everything(nn.Module):
    """Parameters and buffers of every kind, at every depth."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.PReLU())
        self.heads = nn.ModuleDict({"a": nn.ModuleList([nn.Linear(4, 4), nn.GroupNorm(2, 4)])})
        self.table = nn.ParameterDict({"scale": rsnn.ones(3)})
        self.rows = nn.ParameterList([rsnn.zeros(2), rsnn.ones(1)])
        self.embed, self.out = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False)
        self.out.weight = self.embed.weight
        self.rnn = nn.LSTM(4, 3, num_layers=2, bidirectional=True)
        self.frozen = nn.Parameter(rsnn.ones(2), requires_grad=False)
        self.register_buffer("mask", rsnn.tensor([True, False]))
        self.register_buffer("counts", rsnn.arange(3), persistent=False)
        self.register_buffer("nothing", None)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))


MODELS = {
    "everything": Everything,
    "transformer": lambda: nn.Transformer(8, 2, 2, 2, 16),
    "attention": lambda: nn.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True),
    "norms": lambda: nn.ModuleList(
        [nn.BatchNorm1d(3), nn.InstanceNorm2d(3, affine=True, track_running_stats=True), nn.RMSNorm(3)]
    ),
}


def tensors(module):
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("move", ["to", "to device", "cuda", "keywords"])
def test_everything_moves_and_comes_back(name, move):
    rsnn.manual_seed(0)
    model = MODELS[name]()
    before = {key: t.clone() for key, t in tensors(model).items()}
    params = {key: id(p) for key, p in model.named_parameters()}
    moved = {
        "to": lambda: model.to("gpu"),
        "to device": lambda: model.to(rsnn.device("gpu")),
        "cuda": lambda: model.cuda(),
        "keywords": lambda: model.to(device="gpu", dtype=rsnn.float32),
    }[move]()
    assert moved is model
    assert {str(t.device) for t in tensors(model).values()} == {"gpu:0"}
    assert {key: id(p) for key, p in model.named_parameters()} == params
    assert all(
        t.dtype == before[key].dtype and t.requires_grad == before[key].requires_grad
        for key, t in tensors(model).items()
    )
    model.cpu()
    assert all(t.device.type == "cpu" and (t == before[key]).all() for key, t in tensors(model).items())


def test_tied_parameters_stay_tied():
    model = Everything().to("gpu")
    assert model.out.weight is model.embed.weight


def test_gradients_move_with_their_parameters():
    layer = nn.Linear(2, 2)
    layer(rsnn.ones(1, 2)).sum().backward()
    layer.to("gpu")
    assert layer.weight.grad.device.type == layer.weight.device.type
    assert layer.weight.grad.cpu().tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_lazy_modules_move_before_their_first_call():
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU()).to("gpu")
    assert model(rsnn.ones(1, 2).to("gpu")).device.type == "gpu" and model[0].weight.device.type == "gpu"


def test_a_state_dict_of_the_cpu_loads_into_a_model_on_the_gpu():
    rsnn.manual_seed(0)
    source, target = (
        nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)),
        nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)).to("gpu"),
    )
    target.load_state_dict(source.state_dict())
    assert {str(t.device) for t in tensors(target).values()} == {"gpu:0"}
    x = rsnn.randn(2, 3)
    rsnn.testing.assert_close(target(x.to("gpu")).cpu(), source(x), rtol=1e-5, atol=1e-5)


def test_results_are_the_same_bits_run_after_run():
    results = []
    for _ in range(3):
        rsnn.manual_seed(0)
        model = nn.Sequential(nn.Linear(65, 130), nn.GELU(), nn.LayerNorm(130), nn.Linear(130, 3)).to("gpu")
        out = model(rsnn.randn(37, 65).to("gpu"))
        out.sum().backward()
        results.append([out.detach().cpu(), *(p.grad.cpu() for p in model.parameters())])
    assert all((a == b).all() for other in results[1:] for a, b in zip(results[0], other))


def test_double_precision_is_refused_and_leaves_the_model_usable():
    model = nn.Linear(2, 2).double()
    with pytest.raises(RuntimeError, match="float64 is not supported"):
        model.to("gpu")
    assert model(rsnn.ones(1, 2, dtype=rsnn.float64)).dtype == rsnn.float64
