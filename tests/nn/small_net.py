"""A small model with a submodule, a norm and buffers, for the scenarios of state dicts."""

from harness import fill


def net(lib, seed=0):
    nn = lib.nn
    torso = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    return fill(lib, nn.Sequential(torso, nn.ReLU(), nn.Linear(4, 2)), seed)


def state_of(lib, seed=50):
    return net(lib, seed).state_dict()


def values(m):
    return {name: value.clone() for name, value in m.state_dict().items()}
