"""Sizes and strides around the widths that kernels work in: vector tails, blocks, broadcast and permuted operands."""

import numpy as np
import pytest
import rsnn

torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
SIZES = [1, 7, 8, 9, 16, 31, 33, 64, 65, 130, 257]


def both(*shape, seed=0):
    a = np.random.RandomState(seed + sum(shape)).randn(*shape).astype("float32")
    return torch.from_numpy(a.copy()).requires_grad_(), rsnn.from_numpy(a.copy()).requires_grad_()


def check(f, *pairs, tol=3e-5):
    outs = [f(lib, *ts) for lib, ts in zip((torch, rsnn), zip(*pairs))]
    np.testing.assert_allclose(outs[1].detach().numpy(), outs[0].detach().numpy(), rtol=tol * 10, atol=tol)
    for o in outs:
        (o * o).sum().backward()
    for t, r in pairs:
        scale = float(t.grad.abs().max()) + 1
        np.testing.assert_allclose(r.grad.numpy(), t.grad.numpy(), rtol=tol * 10, atol=tol * scale)


@pytest.mark.parametrize("n", SIZES)
def test_rows(n):
    F = lambda L: L.nn.functional  # noqa: E731
    for f in (
        lambda L, x: x.sum(1), lambda L, x: x.sum(0), lambda L, x: x.mean(), lambda L, x: x.amax(1), lambda L, x: x.std(0, correction=0),
        lambda L, x: x.exp().log1p(), lambda L, x: F(L).gelu(x.t()), lambda L, x: x.softmax(1), lambda L, x: x.softmax(0),
        lambda L, x: x.t().log_softmax(0), lambda L, x: x.cumsum(1), lambda L, x: x.sort(1)[0], lambda L, x: x.logsumexp(0),
        lambda L, x: F(L).layer_norm(x, (x.shape[1],)) * x, lambda L, x: F(L).rms_norm(x, (x.shape[1],)), lambda L, x: x + x[:, :1],
        lambda L, x: x[:1] * x, lambda L, x: x.flip(1) / (x * x + 1), lambda L, x: x[:, ::2].contiguous(), lambda L, x: x.norm(2, 1),
    ):  # fmt: skip
        check(f, both(3, n))


@pytest.mark.parametrize("m,k,n", [(1, 1, 1), (1, 65, 1), (5, 9, 17), (33, 7, 31), (64, 64, 64), (65, 130, 9), (1, 257, 33), (130, 3, 65)])
def test_matmul(m, k, n):
    for f, a, b in (
        (lambda L, x, y: x @ y, (m, k), (k, n)), (lambda L, x, y: x.t() @ y, (k, m), (k, n)), (lambda L, x, y: x @ y.t(), (m, k), (n, k)),
        (lambda L, x, y: L.nn.functional.linear(x, y), (m, k), (n, k)), (lambda L, x, y: x @ y, (2, m, k), (2, k, n)),
    ):  # fmt: skip
        check(f, both(*a, seed=1), both(*b, seed=2), tol=2e-4)


@pytest.mark.parametrize("t,s,d", [(1, 1, 1), (3, 65, 8), (33, 33, 16), (64, 130, 33), (1, 257, 64)])
@pytest.mark.parametrize("causal", [False, True])
def test_attention(t, s, d, causal):
    s = t if causal else s
    f = lambda L, q, k, v: L.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)  # noqa: E731
    check(f, both(1, 2, t, d, seed=1), both(1, 2, s, d, seed=2), both(1, 2, s, d, seed=3), tol=1e-4)


@pytest.mark.parametrize("c,o,size,k,stride,pad,groups", [(1, 1, 5, 3, 1, 1, 1), (3, 8, 9, 3, 2, 1, 1), (4, 6, 11, 5, 1, 2, 2), (8, 8, 7, 3, 1, 0, 8), (3, 5, 8, 1, 1, 0, 1)])
def test_conv(c, o, size, k, stride, pad, groups):
    f = lambda L, x, w: L.nn.functional.conv2d(x, w, stride=stride, padding=pad, groups=groups)  # noqa: E731
    check(f, both(2, c, size, size), both(o, c // groups, k, k, seed=4), tol=1e-4)
