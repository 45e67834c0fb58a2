"""What draws random numbers: distributions, and that a seed repeats them."""

import numpy as np
import rsnn


def test_dropout():
    rsnn.manual_seed(3)
    x = rsnn.ones(4000, requires_grad=True)
    y = rsnn.nn.functional.dropout(x, 0.25)
    values = np.unique(y.detach().numpy())
    assert np.allclose(values, [0, 1 / 0.75])
    assert abs(float((y == 0).float().mean()) - 0.25) < 0.04
    y.sum().backward()
    assert rsnn.equal(x.grad, y.detach())
    assert rsnn.equal(rsnn.nn.functional.dropout(x, 0.5, training=False), x)


def test_random():
    rsnn.manual_seed(1)
    n = rsnn.randn(5000)
    assert abs(float(n.mean())) < 0.06 and abs(float(n.std()) - 1) < 0.05
    u = rsnn.rand(5000)
    assert 0 <= float(u.min()) and float(u.max()) < 1 and abs(float(u.mean()) - 0.5) < 0.03
    assert sorted(rsnn.randperm(9).tolist()) == list(range(9))
    r = rsnn.randint(2, 6, (300,))
    assert set(r.tolist()) == {2, 3, 4, 5}
    b = rsnn.bernoulli(rsnn.full((4000,), 0.3))
    assert abs(float(b.mean()) - 0.3) < 0.04
    m = rsnn.multinomial(rsnn.tensor([0.0, 1.0, 3.0]), 4000, replacement=True)
    assert 0 not in m.tolist() and abs(float((m == 2).float().mean()) - 0.75) < 0.04
    for fill, mean in (("uniform_", 0.5), ("normal_", 0.0), ("exponential_", 1.0), ("bernoulli_", 0.5)):
        assert abs(float(getattr(rsnn.empty(5000), fill)().mean()) - mean) < 0.08, fill
    rsnn.manual_seed(4)
    a = rsnn.randn(7)
    rsnn.manual_seed(4)
    assert rsnn.equal(a, rsnn.randn(7))
