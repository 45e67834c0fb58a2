"""What a row of the table is, and the short words that rows are written with."""

import sys
from dataclasses import dataclass, field

import numpy as np


class In:
    """An input: a shape and how its numbers are drawn. Kinds: normal, (low, high), distinct. A fixed one takes no gradient."""

    def __init__(self, *shape, kind="normal", fixed=False):
        self.shape, self.kind, self.fixed = shape, kind, fixed

    def draw(self, seed):
        state = np.random.RandomState(seed)
        n = int(np.prod(self.shape))
        if self.kind == "normal":
            values = state.randn(n)
        elif self.kind == "distinct":
            values = (state.permutation(n) - n / 2 + 0.25) / 4
        else:
            values = state.uniform(*self.kind, n)
        # Eight bits of mantissa: the same numbers in every dtype, bfloat16 too.
        mantissa, exponent = np.frexp(values)
        return np.ldexp(np.round(mantissa * 256) / 256, exponent).reshape(self.shape)


@dataclass
class OpCase:
    """One row. `inputs`: In for floats of the dtype under test, arrays for fixed integers and booleans."""

    name: str
    fn: object
    inputs: tuple
    grad: bool = True
    second: bool = True  # gradgradcheck too
    half: bool = True  # float16 and bfloat16 forward too
    fused: bool = False  # compare with its definition
    check: bool = True  # finite differences apply
    pointwise: bool = False  # edge values in all inputs at once
    strided: bool = True  # inputs of any strides will do
    close: float = 0  # a looser bound in float64; the row says why
    covers: tuple = field(default=())
    table: str = ""  # the module that the row stands in

    def arrays(self, dtype="float64"):
        return [x.draw(i + 7).astype(dtype) if isinstance(x, In) else np.array(x) for i, x in enumerate(self.inputs)]

    def floats(self):
        return [i for i, x in enumerate(self.inputs) if isinstance(x, In)]

    def differentiated(self):
        return [i for i in self.floats() if self.grad and not self.inputs[i].fixed]


CASES = []


def row(name, fn, *inputs, **options):
    table = sys._getframe(1).f_globals["__name__"].rpartition(".")[2]
    CASES.append(OpCase(name, fn, inputs, table=table, **options))


def F(lib):
    return lib.nn.functional


def I(*values, dtype="int64"):
    return np.array(values, dtype=dtype)


def top(name, *args, **kwargs):
    """Call a function of the library's top level with the tensors first."""
    return lambda lib, *t: getattr(lib, name)(*t, *args, **kwargs)


def fun(name, *args, **kwargs):
    """Call a function of nn.functional with the tensors first."""
    return lambda lib, *t: getattr(F(lib), name)(*t, *args, **kwargs)


def method(name, *args, **kwargs):
    return lambda lib, x, *t: getattr(x, name)(*t, *args, **kwargs)


X = In(2, 3)
A, B = In(2, 3, kind=(-1.4, 1.4)), In(3, kind=(0.4, 1.6))
P = In(2, 3, kind=(0.1, 0.9))
D = In(2, 3, 2, kind="distinct")
MASK = np.array([[True, False, True], [False, True, True]])
REDUCTIONS = ("mean", "sum", "none")
