"""autocast chooses torch's dtypes, op by op; its switches, caching, gradients and training."""

import threading

import numpy as np
import pytest
import rsnn
from harness import fill, numbers, tensor

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")


def cases(L):
    """Return name -> call(make), where make(*shape) gives tensors of the dtype under test."""
    F = L.nn.functional
    wide = lambda *s: L.ones(*s) * 0.5
    index = lambda *v: L.tensor(v)
    labels, spread = index(0, 1), {}

    spread |= {
        "linear": lambda m: F.linear(m(2, 3), m(4, 3), m(4)),
        "matmul": lambda m: m(2, 3) @ m(3, 2),
        "matmul of vectors": lambda m: m(3) @ m(3),
        "matmul of batches": lambda m: m(2, 2, 3) @ m(3, 2),
        "mm": lambda m: L.mm(m(2, 3), m(3, 2)),
        "bmm": lambda m: L.bmm(m(2, 2, 3), m(2, 3, 2)),
        "mv": lambda m: L.mv(m(2, 3), m(3)),
        "dot": lambda m: L.dot(m(3), m(3)),
        "addmm": lambda m: L.addmm(m(2, 2), m(2, 3), m(3, 2)),
        "baddbmm": lambda m: L.baddbmm(m(2, 2, 2), m(2, 2, 3), m(2, 3, 2)),
        "addbmm": lambda m: L.addbmm(m(2, 2), m(2, 2, 3), m(2, 3, 2)),
        "addmv": lambda m: L.addmv(m(2), m(2, 3), m(3)),
        "outer": lambda m: L.outer(m(2), m(3)),
        "inner": lambda m: L.inner(m(2, 3), m(2, 3)),
        "tensordot": lambda m: L.tensordot(m(2, 3), m(3, 2), 1),
        "einsum": lambda m: L.einsum("ij,jk->ik", m(2, 3), m(3, 2)),
        "einsum without a sum": lambda m: L.einsum("ij,ij->ij", m(2, 3), m(2, 3)),
        "chain_matmul": lambda m: L.chain_matmul(m(2, 3), m(3, 2), m(2, 2)),
        "bilinear": lambda m: F.bilinear(m(2, 3), m(2, 3), m(4, 3, 3), m(4)),
        "prelu": lambda m: F.prelu(m(2, 3), m(1)),
        "sdpa": lambda m: F.scaled_dot_product_attention(m(1, 2, 3, 4), m(1, 2, 3, 4), m(1, 2, 3, 4)),
        "sdpa with a mask": lambda m: F.scaled_dot_product_attention(m(1, 2, 3, 4), m(1, 2, 3, 4), m(1, 2, 3, 4), attn_mask=m(3, 3)),
        "softmax": lambda m: F.softmax(m(2, 3), -1),
        "log_softmax": lambda m: F.log_softmax(m(2, 3), -1),
        "layer_norm": lambda m: F.layer_norm(m(2, 3), (3,), m(3), m(3)),
        "group_norm": lambda m: F.group_norm(m(2, 4, 3), 2, m(4), m(4)),
        "batch_norm": lambda m: F.batch_norm(m(2, 4, 3), m(4), m(4), m(4), m(4)),
        "gelu": lambda m: F.gelu(m(2, 3)),
        "exp": lambda m: m(2).exp(),
        "pow": lambda m: m(2) ** 2.5,
        "sum": lambda m: m(2, 3).sum(),
        "mean": lambda m: m(2, 3).mean(0),
        "cumsum": lambda m: m(3).cumsum(0),
        "norm": lambda m: L.norm(m(2, 3)),
        "prod": lambda m: L.prod(m(2, 3)),
        "prod over a dim": lambda m: m(2, 3).prod(1),
        "trace": lambda m: L.trace(m(3, 3)),
        "quantile": lambda m: L.quantile(m(4), 0.5),
        "cdist": lambda m: L.cdist(m(3, 2), m(3, 2)),
        "add to float32": lambda m: m(2) + wide(2),
        "cat": lambda m: L.cat([m(2), wide(2)]),
        "stack": lambda m: L.stack([m(2), wide(2)]),
        "cat of one dtype": lambda m: L.cat([m(2), m(2)]),
        "embedding": lambda m: F.embedding(labels, m(3, 2)),
        "cross_entropy": lambda m: F.cross_entropy(m(2, 3), labels),
        "cross_entropy of probabilities": lambda m: F.cross_entropy(m(2, 3), m(2, 3)),
        "nll_loss": lambda m: F.nll_loss(m(2, 3), labels),
        "margin_ranking_loss": lambda m: F.margin_ranking_loss(m(2), m(2), m(2)),
        "cosine_embedding_loss": lambda m: F.cosine_embedding_loss(m(2, 3), m(2, 3), index(1, -1)),
        "triplet_margin_loss": lambda m: F.triplet_margin_loss(m(2, 3), m(2, 3), m(2, 3)),
        "multi_margin_loss": lambda m: F.multi_margin_loss(m(2, 3), labels),
        "gaussian_nll_loss": lambda m: F.gaussian_nll_loss(m(2, 3), m(2, 3), m(2, 3)),
        "cosine_similarity": lambda m: F.cosine_similarity(m(2, 3), m(2, 3)),
        "grid_sample": lambda m: F.grid_sample(m(1, 1, 3, 3), m(1, 2, 2, 2), align_corners=False),
        "interpolate": lambda m: F.interpolate(m(1, 1, 3, 3), scale_factor=2, mode="bilinear"),
        "RNN": lambda m: L.nn.RNN(3, 4)(m(5, 2, 3))[0],
        "GRU": lambda m: L.nn.GRU(3, 4)(m(5, 2, 3))[0],
        "LSTMCell": lambda m: L.nn.LSTMCell(3, 4)(m(2, 3))[0],
        "GRUCell": lambda m: L.nn.GRUCell(3, 4)(m(2, 3)),
        "MultiheadAttention": lambda m: L.nn.MultiheadAttention(4, 2)(m(3, 1, 4), m(3, 1, 4), m(3, 1, 4))[0],
        "TransformerEncoderLayer": lambda m: L.nn.TransformerEncoderLayer(4, 2, 8)(m(3, 1, 4)),
    }
    for loss in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "soft_margin_loss",
                 "binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge_embedding_loss"):  # fmt: skip
        spread[loss] = lambda m, loss=loss: getattr(F, loss)(m(2, 3), m(2, 3))
    for n in (1, 2, 3):
        image = lambda m, n=n: m(1, 2, *[4] * n)
        spread[f"conv{n}d"] = lambda m, n=n, i=image: getattr(F, f"conv{n}d")(i(m), m(3, 2, *[2] * n), m(3))
        spread[f"conv_transpose{n}d"] = lambda m, n=n, i=image: getattr(F, f"conv_transpose{n}d")(i(m), m(2, 3, *[2] * n), m(3))
        for name in ("avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool"):
            spread[f"{name}{n}d"] = lambda m, n=n, name=name, i=image: getattr(F, f"{name}{n}d")(i(m), 2)
        for mode in ("reflect", "replicate", "circular", "constant"):
            spread[f"pad {mode} {n}d"] = lambda m, n=n, mode=mode, i=image: F.pad(i(m), [1, 1] * n, mode=mode)
    return spread


@pytest.mark.parametrize("name", cases(rsnn))
@pytest.mark.parametrize("given", ["float32", "bfloat16", "float64"])
def test_dtypes(name, given):
    found = []
    for lib in (torch, rsnn):
        make = lambda *shape, lib=lib: (lib.ones(*shape) * 0.5).to(getattr(lib, given))
        with lib.autocast("cpu", dtype=lib.bfloat16):
            try:
                found.append(str(cases(lib)[name](make).dtype).rpartition(".")[2])
            except (RuntimeError, ValueError) as error:
                found.append(type(error).__name__)
    assert found[0] == found[1]


def test_weights_are_cast_once_per_block():
    layer = rsnn.nn.Linear(4, 4, bias=False)
    x = rsnn.ones(2, 4)
    with rsnn.autocast("cpu"):
        first, second = layer(x), layer(x)
        rsnn.set_autocast_cache_enabled(False)
        third = layer(x)
        rsnn.set_autocast_cache_enabled(True)
        with rsnn.no_grad():
            layer.weight.mul_(2)
        fourth = layer(x)

    def source(y):  # the node that cast the weight
        return y.grad_fn.next_functions[1][0]

    assert source(first) is source(second) and source(third) is not source(first)
    assert rsnn.allclose(fourth.float(), 2 * first.float(), rtol=1e-2)
    (first + second).float().sum().backward()
    assert layer.weight.grad.dtype == rsnn.float32


def test_no_grad_casts_do_not_cut_gradients_off():
    layer = rsnn.nn.Linear(4, 4)
    with rsnn.autocast("cpu"):
        with rsnn.no_grad():
            layer(rsnn.ones(1, 4))
        layer(rsnn.ones(1, 4)).float().sum().backward()
    assert layer.weight.grad is not None


def switches(lib, record):
    def note():
        record(lib.is_autocast_enabled("cpu"), str(lib.get_autocast_dtype("cpu")).rpartition(".")[2], lib.is_autocast_cache_enabled())

    note()
    with lib.autocast("cpu", dtype=lib.float16, cache_enabled=False):
        note()
        with lib.autocast("cpu", enabled=False):
            note()
            record((lib.ones(2, 2) @ lib.ones(2, 2)).dtype == lib.float32)
        note()
        with lib.autocast("cpu"):
            note()
    note()
    lib.set_autocast_enabled("cpu", True)
    lib.set_autocast_dtype("cpu", lib.float16)
    note()
    lib.set_autocast_enabled("cpu", False)
    lib.set_autocast_dtype("cpu", lib.bfloat16)
    lib.clear_autocast_cache()

    @lib.autocast("cpu", dtype=lib.bfloat16)
    def f():
        return (lib.ones(2, 2) @ lib.ones(2, 2)).dtype == lib.bfloat16

    record(f(), f.__name__, lib.amp.is_autocast_available("cpu"))
    record.raises(lambda: lib.autocast("toaster"), "toaster")
    record.raises(lambda: lib.autocast(3), "Expected `device_type` of type `str`")
    off = record.warns(lambda: lib.autocast("cpu", dtype=lib.float32), "Disabling autocast")
    with off:
        note()


def test_switches(same):
    same(switches)


def test_decorated_recursion():
    @rsnn.autocast("cpu")
    def f(depth):
        return f(depth - 1) if depth else rsnn.is_autocast_enabled("cpu")

    assert f(3) and not rsnn.is_autocast_enabled("cpu")


def test_other_threads_are_not_affected():
    seen = []
    with rsnn.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append((rsnn.ones(2, 2) @ rsnn.ones(2, 2)).dtype))
        thread.start()
        thread.join()
    assert seen == [rsnn.float32]


def custom_functions(lib, record):
    fwd, bwd = lib.amp.custom_fwd, lib.amp.custom_bwd

    class Plain(lib.autograd.Function):
        @staticmethod
        @fwd(device_type="cpu")
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            record(lib.is_autocast_enabled("cpu"))
            return g @ b.t(), a.t() @ g

    class Wide(Plain):
        @staticmethod
        @fwd(device_type="cpu", cast_inputs=lib.float32)
        def forward(ctx, a, b):
            record(lib.is_autocast_enabled("cpu"), a, b)
            ctx.save_for_backward(a, b)
            return a @ b

    for f in (Plain, Wide):
        a, b = lib.ones(2, 3, requires_grad=True), lib.ones(3, 2, requires_grad=True)
        with lib.autocast("cpu", dtype=lib.bfloat16):
            y = f.apply(a.bfloat16() if f is Wide else a, b)
        record(y)
        y.sum().backward()
        record(a.grad, b.grad)


def test_custom_functions(same):
    same(custom_functions)


def model(lib):
    net = lib.nn.Sequential(lib.nn.Linear(8, 32), lib.nn.LayerNorm(32), lib.nn.GELU(), lib.nn.Linear(32, 4))
    return fill(lib, net)


def train(lib, half, steps=30):
    net = model(lib)
    optimizer = lib.optim.SGD(net.parameters(), lr=0.1)
    x, y = tensor(lib, 64, 8), lib.from_numpy(np.asarray(numbers(64, low=0, high=4, dtype="int64")))
    losses = []
    for _ in range(steps):
        with lib.autocast("cpu", dtype=lib.bfloat16, enabled=half):
            loss = lib.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_reaches_the_same_losses():
    expected, got = train(torch, True), train(rsnn, True)
    np.testing.assert_allclose(got, expected, rtol=2e-2)
    assert got[-1] < 0.95 * got[0] and got != train(rsnn, False)
    np.testing.assert_allclose(got, train(rsnn, False), rtol=3e-2)
