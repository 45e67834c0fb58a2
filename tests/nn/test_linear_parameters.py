"""Linear reads its parameters from where they are kept; attributes that come before them still do."""

import rsnn
from rsnn import nn
from rsnn.nn.utils import parametrize


def test_an_attribute_of_the_instance_comes_first():
    layer, x = nn.Linear(2, 3), rsnn.randn(4, 2)
    layer.__dict__["weight"] = rsnn.zeros(3, 2)
    assert (layer(x) == layer.bias).all()
    layer.__dict__["bias"] = rsnn.ones(3)
    assert (layer(x) == 1).all()


def test_a_parametrized_weight_is_computed():
    class Twice(nn.Module):
        def forward(self, weight):
            return 2 * weight

    layer, x = nn.Linear(2, 3, bias=False), rsnn.randn(4, 2)
    plain = layer(x)
    parametrize.register_parametrization(layer, "weight", Twice())
    assert rsnn.allclose(layer(x), 2 * plain)


def test_a_deleted_weight_is_missed_by_name():
    layer = nn.Linear(2, 3)
    del layer.weight
    try:
        layer(rsnn.randn(4, 2))
    except AttributeError as error:
        assert "'Linear' object has no attribute 'weight'" in str(error)
    else:
        raise AssertionError("no error")
